//! A store in this process with a domain `one.example`, a zone of names, and a worker.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use yubin_policy::retry::RetrySchedule;
use yubin_proto::queue::whole_group;
use yubin_proto::{Body, Caller, ClientSettings, Hosted, MessagePiece, MessageSource, Scope, StoreClient};
use yubin_queue::{
    HostTls, Hosts, LookupFailure, MailHosts, PaceLimits, PermittedAddresses, Queue, QueueConfig, RunningQueue,
    TlsPolicy,
};
use yubin_state::command::{DirectoryCommand, DomainCommand, MaintenanceCommand};
use yubin_state::query::RowDetail;
use yubin_state::queue::{
    ContentFacts, ControlAction, ControlItem, Delivery, DestinationName, DsnEnvelope, EventFilter, EventRecord,
    Handling, NewDelivery, NewQueued, NewQueuedRecipient, NotifySet, QueueFilter, QueueId, QueueSource,
    QueueSuspension,
};
use yubin_state::record::{Plan, RetryTerms, ScramVerifier, Verifiers};
use yubin_state::{Answer, Command, Query, Reply};
use yubin_store::{Backlog, Member, Store, StoreSettings};
use yubin_types::{
    Address, DomainName, GroupNumber, Limit, LocalPart, MailboxName, Quota, RequestId, ReversePath, Secret, UidSet,
    limits,
};

use crate::sink::{Sink, Tls};

pub const GROUP: GroupNumber = GroupNumber(1);

/// The cluster's secret.
pub fn cluster_secret() -> Secret {
    Secret::new("secret")
}

/// Where mail of which domain goes.
#[derive(Clone, Default)]
pub struct Zone {
    hosts: Arc<Mutex<BTreeMap<String, Hosts>>>,
    addresses: Arc<Mutex<BTreeMap<String, IpAddr>>>,
    policies: Arc<Mutex<BTreeMap<String, HostTls>>>,
}

impl Zone {
    /// A domain's MX hosts, each with its address.
    pub fn mx(&self, domain: &str, hosts: &[(&str, &str)]) {
        let found = (10..).step_by(10).zip(hosts).map(|(preference, (host, address))| {
            self.addresses.lock().insert((*host).to_owned(), address.parse().unwrap());
            (preference, DomainName::parse(host).unwrap())
        });
        let found = Hosts::Found(found.collect());
        self.hosts.lock().insert(domain.to_owned(), found);
    }

    /// Hosts that are equally good, all at this address.
    pub fn equals(&self, domain: &str, hosts: &[&str], address: &str) {
        let found = hosts.iter().map(|host| {
            self.addresses.lock().insert((*host).to_owned(), address.parse().unwrap());
            (10, DomainName::parse(host).unwrap())
        });
        let found = Hosts::Found(found.collect());
        self.hosts.lock().insert(domain.to_owned(), found);
    }

    pub fn null_mx(&self, domain: &str) {
        self.hosts.lock().insert(domain.to_owned(), Hosts::Nobody);
    }

    pub fn policy(&self, host: &str, policy: impl Into<HostTls>) {
        self.policies.lock().insert(host.to_owned(), policy.into());
    }
}

#[async_trait::async_trait]
impl MailHosts for Zone {
    async fn hosts(&self, domain: &DomainName, seed: u64) -> Result<Hosts, LookupFailure> {
        let mut found = self.hosts.lock().get(domain.as_str()).cloned().ok_or(LookupFailure::NotFound)?;
        if let Hosts::Found(hosts) = &mut found {
            let turn = usize::try_from(seed % hosts.len() as u64).unwrap();
            hosts.rotate_left(turn);
            hosts.sort_by_key(|(preference, _)| *preference);
        }
        Ok(found)
    }
    async fn addresses(&self, host: &DomainName) -> Result<Vec<IpAddr>, LookupFailure> {
        Ok(self.addresses.lock().get(host.as_str()).copied().into_iter().collect())
    }
    async fn names(&self, _: IpAddr) -> Result<Vec<DomainName>, LookupFailure> {
        Err(LookupFailure::NotFound)
    }
    async fn tls_policy(&self, _: &DomainName, host: &DomainName, _: u16) -> HostTls {
        self.policies.lock().get(host.as_str()).cloned().unwrap_or_else(|| TlsPolicy::Opportunistic.into())
    }
}

pub struct Lab {
    pub client: Arc<StoreClient>,
    pub hosted: Arc<Hosted>,
    pub zone: Zone,
    pub registry: Registry,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// With a sink for two.example, which speaks no TLS.
    pub async fn with_sink() -> (Lab, Sink) {
        let lab = Lab::new().await;
        let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
        lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
        (lab, sink)
    }

    pub async fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings {
            data_dir: folder.path().to_owned(),
            node: 1,
            cluster: None,
            listen: None,
            members: vec![Member { id: 1, peer_address: String::new(), store_address: String::new() }],
            data_groups: 2,
            memory_bytes: 64 << 20,
            raft_threads: 1,
            peer_tls: None,
            space_reserve_bytes: 0,
            mail_log_bytes: 1 << 20,
            clock: StoreSettings::system_clock(),
        };
        let store = Store::open(settings).await.unwrap();
        let client = StoreClient::new(BTreeMap::from([(1, store.node())]), ClientSettings::default());
        client.ready().await;
        let hosted = create_domain(&client).await;
        Lab { client, hosted, zone: Zone::default(), registry: Registry::default(), store, _folder: folder }
    }

    /// A worker that speaks to sinks at this port.
    pub fn worker(&mut self, port: u16, change: impl FnOnce(&mut QueueConfig)) -> RunningQueue {
        self.worker_of(Arc::clone(&self.client), port, change)
    }

    /// A way to the store for a worker whose end must not be that of others' way.
    pub fn another_client(&self) -> Arc<StoreClient> {
        StoreClient::new(BTreeMap::from([(1, self.store.node())]), ClientSettings::default())
    }

    /// The same with a way of its own to the store.
    pub fn worker_of(
        &mut self,
        client: Arc<StoreClient>,
        port: u16,
        change: impl FnOnce(&mut QueueConfig),
    ) -> RunningQueue {
        let hostname = DomainName::parse("mta.one.example").unwrap();
        let mut config = QueueConfig::new("worker-1".into(), hostname, &cluster_secret());
        config.port = port;
        config.scope = PermittedAddresses { allowed: vec!["127.0.0.0/8".parse().unwrap()], own: vec![] };
        config.pace = PaceLimits { pause_ms_min: 100, pause_ms_max: 400, ..PaceLimits::default() };
        config.connect_time_max = Duration::from_secs(5);
        config.schedule = RetrySchedule::new(vec![10], 10, 3_600).unwrap();
        change(&mut config);
        Queue::start(config, client, Arc::new(self.zone.clone()), &mut self.registry).unwrap()
    }

    pub async fn stop(self, worker: RunningQueue) {
        worker.shutdown(Duration::from_secs(10)).await;
        self.close().await;
    }

    /// Without a worker.
    pub async fn close(self) {
        self.store.shutdown().await;
    }

    /// Queues a message of `ann@one.example`, or what `change` makes of it.
    pub async fn send(&self, recipients: &[&str], change: impl FnOnce(&mut NewQueued)) -> QueueId {
        let body = format!("Subject: to {}\r\n\r\n.dot\r\nHello\r\n", recipients.join(" "));
        self.send_body(recipients, &body, change).await
    }

    /// The same with this body.
    pub async fn send_body(&self, recipients: &[&str], body: &str, change: impl FnOnce(&mut NewQueued)) -> QueueId {
        let mut by_domain: BTreeMap<DestinationName, Vec<NewQueuedRecipient>> = BTreeMap::new();
        for recipient in recipients {
            let (local, domain) = recipient.rsplit_once('@').unwrap();
            let local = LocalPart::parse(local).unwrap();
            let recipient = NewQueuedRecipient { local, notify: NotifySet::default(), orcpt: None };
            by_domain.entry(DestinationName::parse(domain).unwrap()).or_default().push(recipient);
        }
        let mut new = NewQueued {
            id: QueueId(uuid::Uuid::now_v7().into_bytes()),
            sender: ReversePath::Address(Address::parse("ann@one.example").unwrap()),
            source: QueueSource::Returned,
            message_id: None,
            body_ordinal: 0,
            body_bytes: body.len() as u64,
            prefix: Bytes::from_static(b"Received: by mta.one.example\r\n"),
            content: ContentFacts::default(),
            dsn: DsnEnvelope::default(),
            handling: Handling::default(),
            lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
            deliveries: by_domain
                .into_iter()
                .map(|(destination, recipients)| NewDelivery { destination, recipients })
                .collect(),
        };
        change(&mut new);
        let id = new.id;
        let request = (RequestId(id.0), &Caller::internal("test"));
        let bodies = vec![Body::Inline(Bytes::copy_from_slice(body.as_bytes()))];
        self.client.enqueue(self.hosted.scope(), None, vec![new], request, bodies).await.unwrap();
        id
    }

    /// Final outcomes, once there are so many.
    pub async fn events(&self, count: usize) -> Vec<EventRecord> {
        let mut found = Vec::new();
        for _ in 0..1_200 {
            found.clear();
            let mut after = None;
            loop {
                let filter = EventFilter::default();
                let (events, next) = self.client.events(whole_group(GROUP), filter, after, 1_000).await.unwrap();
                found.extend(events);
                match next {
                    Some(_) => after = next,
                    None => break,
                }
            }
            if found.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }

    /// What the store counts in its queue, once it is as `wanted`.
    pub async fn backlog(&self, wanted: impl Fn(&Backlog) -> bool) {
        for _ in 0..600 {
            if wanted(&self.store.backlog()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not in time: {:#?}", self.store.backlog());
    }

    /// What is still queued, once `wanted` of it is there.
    pub async fn queued(&self, wanted: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let mut found = Vec::new();
        for _ in 0..600 {
            let page = self.client.list_queue(whole_group(GROUP), QueueFilter::default(), None, 1_000).await.unwrap();
            found = page.deliveries.into_iter().map(|(_, _, delivery)| delivery).collect();
            if wanted(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not in time: {found:#?}");
    }

    /// What the workers counted under this name and labels.
    pub fn counted(&self, series: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or("0").parse().unwrap()
    }

    /// The domain's plan says how mail is tried.
    pub async fn set_terms(&self, terms: RetryTerms) {
        let put = MaintenanceCommand::PutPlan(Plan { retry: Some(Box::new(terms)), ..plan() });
        let caller = Caller::internal("test");
        let scope = whole_group(GROUP);
        self.client.propose_once(scope, &Command::Maintenance(put), &caller).await.unwrap();
    }

    /// Suspensions in the directory.
    pub async fn suspensions(&self) -> Vec<QueueSuspension> {
        self.client.queue_suspensions().await.unwrap()
    }

    /// An operator has it tried now.
    pub async fn retry(&self, id: QueueId, destination: &str) {
        let item = ControlItem { id, destination: DestinationName::parse(destination).unwrap() };
        let caller = Caller::internal("test");
        self.client.control_queue(self.hosted.scope(), vec![item], ControlAction::Retry, &caller).await.unwrap();
    }

    /// The messages in an INBOX of the domain.
    pub async fn inbox(&self, local: &str) -> Vec<String> {
        let scope = self.hosted.scope();
        let query = Query::Credentials(LocalPart::parse(local).unwrap());
        let Answer::Credentials(credentials) = self.client.query(scope, query).await.unwrap() else { panic!() };
        let login = credentials.login;
        let select = Query::Select { login, name: MailboxName::inbox() };
        let Answer::Selected(selected) = self.client.query(scope, select).await.unwrap() else { panic!() };
        let mailbox = selected.mailbox.id;
        let uids = UidSet::range(1, u32::MAX);
        let rows = Query::Rows { login, mailbox, uids, changed_since: None, detail: RowDetail::Hot };
        let Answer::Rows { rows, .. } = self.client.query(scope, rows).await.unwrap() else { panic!() };
        let mut messages = Vec::new();
        for row in rows {
            let length = u32::try_from(row.hot.bytes).unwrap();
            let source = MessageSource::Mailbox { login, mailbox, uid: row.uid };
            let piece = MessagePiece { source, offset: 0, length };
            let bytes = self.client.read_message(scope, piece).await.unwrap().unwrap();
            messages.push(String::from_utf8(bytes.to_vec()).unwrap());
        }
        messages
    }
}

fn plan() -> Plan {
    Plan {
        name: "test".to_owned(),
        domain_quota: Quota::default(),
        account_quota: Quota::default(),
        message_bytes_max: 10 << 20,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: None,
        vault_seconds: 0,
        sending: Box::default(),
        retry: None,
        reverse_dns: None,
    }
}

async fn create_domain(client: &StoreClient) -> Arc<Hosted> {
    let (name, caller) = (DomainName::parse("one.example").unwrap(), Caller::internal("test"));
    let reserve = Command::Directory(DirectoryCommand::ReserveDomain { name: name.clone(), group: GROUP });
    let reply = client.propose_once(Scope::DIRECTORY, &reserve, &caller).await.unwrap();
    let Reply::DomainPlaced { id, placement } = reply else { panic!("{reply:?}") };
    let scope = Scope { group: placement.group, domain: id, epoch: placement.epoch };
    let scram = ScramVerifier { salt: [0; 16], iterations: 4096, stored_key: [0; 32], server_key: [0; 32] };
    let verifiers = || Verifiers { argon2id: "$argon2id$".to_owned(), scram_sha_256: scram.clone() };
    let account = |local: &str| DomainCommand::CreateAccount {
        local: LocalPart::parse(local).unwrap(),
        verifiers: verifiers(),
        quota: None,
    };
    for (scope, command) in [
        (scope, Command::Domain(DomainCommand::Create { name: name.clone(), plan: plan(), quota: None })),
        (Scope::DIRECTORY, Command::Directory(DirectoryCommand::ActivateDomain(id))),
        (scope, Command::Domain(account("ann"))),
        (scope, Command::Domain(account("bob"))),
    ] {
        let reply = client.propose_once(scope, &command, &caller).await.unwrap();
        assert!(!matches!(reply, Reply::Refused(_)), "{reply:?}");
    }
    client.resolve(&name).await.unwrap().unwrap()
}
