//! The admin service over the state machine in memory: groups without replication, domains, and mail put into their queues.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use prost::bytes::Bytes;
use tokio::sync::Mutex;
use yubin_admin::{AdminService, DnsSettings, auth};
use yubin_dns_auth::mta_sts::FetchConfig;
use yubin_dns_auth::published::Inspector;
use yubin_dns_auth::tls::system_roots;
use yubin_dns_auth::{AddressScope, NameServers};
use yubin_proto::membership::{MembershipProgress, MembershipStep};
use yubin_proto::report_facts::FactsQuery;
use yubin_proto::{
    Body, Caller, ClientSettings, LockAction, LogEntry, MailEvent, MailLogSearch, MessagePiece, NodeStatus, Proposal,
    Scope, SearchOutcome, SearchRequest, StoreClient, StoreError, StoreNode, WatchStream,
};
use yubin_state::command::{DirectoryCommand, DomainCommand};
use yubin_state::memory::Memory;
use yubin_state::queue::{Handling, NewDelivery, NewQueued, NewQueuedRecipient, QueueSource};
use yubin_state::record::Plan;
use yubin_state::{Answer, BodyRef, Command, Decode as _, Encode as _, Position, Query, Reply, answer, apply};
use yubin_types::report::ReportFact;
use yubin_types::{
    AccountId, Address, DestinationName, DomainName, GroupNumber, Limit, LocalPart, NotifySet, QueueId, Quota, Refusal,
    RequestId, ReversePath, Secret, Timestamp,
};

/// The cluster's.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// Everything that a test needs.
pub(crate) struct World {
    pub(crate) client: Arc<StoreClient>,
    pub(crate) service: AdminService,
    pub(crate) token: String,
    pub(crate) domains: BTreeMap<&'static str, Scope>,
}

impl World {
    /// With these domains in these groups.
    pub(crate) async fn new(domains: &[(&'static str, u32)]) -> World {
        let settings = ClientSettings {
            call_timeout: Duration::from_millis(500),
            attempt_timeout: Duration::from_millis(200),
            retry_pause: Duration::from_millis(20),
        };
        let node = Arc::new(MemoryNode::default());
        let client = StoreClient::new(BTreeMap::from([(1, node as Arc<dyn StoreNode>)]), settings);
        let token = auth::mint();
        auth::register(&client, &token, now()).await.unwrap();
        let mx_hosts = vec![DomainName::parse("mx.host.example").unwrap()];
        let dns = DnsSettings { mx_hosts, spf: "v=spf1 mx ~all".to_owned(), client_host: None };
        let service = AdminService::new(Arc::clone(&client), dns, inspector(), &Secret::new(SECRET));
        let mut world = World { client, service, token, domains: BTreeMap::new() };
        for (name, group) in domains {
            let group = GroupNumber(*group);
            let put = DirectoryCommand::PutGroup { group, voters: vec![1] };
            assert_eq!(world.propose(Scope::DIRECTORY, Command::Directory(put)).await, Reply::Done);
            world.create_domain(name, group).await;
        }
        world
    }

    async fn create_domain(&mut self, name: &'static str, group: GroupNumber) {
        let domain = DomainName::parse(name).unwrap();
        let reserve = DirectoryCommand::ReserveDomain { name: domain.clone(), group };
        let placed = self.propose(Scope::DIRECTORY, Command::Directory(reserve)).await;
        let Reply::DomainPlaced { id, placement } = placed else { panic!("{placed:?}") };
        let scope = Scope { group: placement.group, domain: id, epoch: placement.epoch };
        let create = DomainCommand::Create { name: domain, plan: plan(), quota: None };
        let created = self.propose(scope, Command::Domain(create)).await;
        assert!(!matches!(created, Reply::Refused(_)), "{created:?}");
        let activate = DirectoryCommand::ActivateDomain(id);
        assert_eq!(self.propose(Scope::DIRECTORY, Command::Directory(activate)).await, Reply::Done);
        self.domains.insert(name, scope);
    }

    async fn propose(&self, scope: Scope, command: Command) -> Reply {
        self.client.propose_once(scope, &command, &Caller::internal("test")).await.unwrap()
    }

    /// Puts a message into a domain's queue.
    pub(crate) async fn enqueue(&self, domain: &str, message: NewQueued) {
        let (request, caller) = (RequestId(message.id.0), Caller::internal("test"));
        let bodies = vec![Body::Inline(Bytes::from_static(b"hello world"))];
        self.client.enqueue(self.domains[domain], None, vec![message], (request, &caller), bodies).await.unwrap();
    }
}

/// Asks a port where nobody answers.
fn inspector() -> Inspector {
    let roots = Arc::new(system_roots());
    let fetch = FetchConfig { roots, port: 443, scope: AddressScope::Public };
    Inspector::new(NameServers::Addresses(vec![([127, 0, 0, 1], 1).into()]), fetch).unwrap()
}

/// A message of 11 bytes; the empty sender is the null one.
pub(crate) fn message(number: u8, sender: &str, recipients: &[&str]) -> NewQueued {
    let mut deliveries: Vec<NewDelivery> = Vec::new();
    for address in recipients {
        let (local, domain) = address.rsplit_once('@').unwrap();
        let destination = DestinationName::parse(domain).unwrap();
        let local = LocalPart::parse(local).unwrap();
        let recipient = NewQueuedRecipient { local, notify: NotifySet::default(), orcpt: None };
        match deliveries.iter_mut().find(|delivery| delivery.destination == destination) {
            Some(delivery) => delivery.recipients.push(recipient),
            None => deliveries.push(NewDelivery { destination, recipients: vec![recipient] }),
        }
    }
    let sender = match sender {
        "" => ReversePath::Null,
        address => ReversePath::Address(Address::parse(address).unwrap()),
    };
    NewQueued {
        id: QueueId([number; 16]),
        sender,
        source: QueueSource::Returned,
        message_id: Some(format!("<{number}@a.example>")),
        body_ordinal: 0,
        body_bytes: 11,
        prefix: Bytes::new(),
        content: Default::default(),
        dsn: Default::default(),
        handling: Handling::default(),
        lifetime_seconds: 86_400,
        deliveries,
    }
}

fn plan() -> Plan {
    Plan {
        name: "standard".into(),
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

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(now.as_millis().try_into().unwrap())
}

/// A store node of one process that keeps its state in memory and no bodies.
#[derive(Default)]
struct MemoryNode {
    groups: Mutex<BTreeMap<GroupNumber, Memory>>,
    index: AtomicU64,
}

fn not_here<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("administration needs no mail".into()))
}

#[async_trait]
impl StoreNode for MemoryNode {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, StoreError> {
        let index = self.index.fetch_add(1, Ordering::SeqCst) + 1;
        let name = |ordinal: u64| BodyRef([index, ordinal].into_iter().flat_map(u64::to_be_bytes).collect());
        let bodies: Vec<BodyRef> = (0..proposal.bodies.len() as u64).map(name).collect();
        let mut envelope = proposal.envelope;
        envelope.stamp = now();
        let mut entry = envelope.encode();
        entry.extend_from_slice(&proposal.command);
        let position = Position { index, term: 1 };
        let mut groups = self.groups.lock().await;
        let Ok(applied) = apply(groups.entry(proposal.group).or_default(), position, &entry, &bodies);
        Ok(Reply::decode(&applied.reply).unwrap())
    }

    async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError> {
        let mut groups = self.groups.lock().await;
        let Ok(answer) = answer(groups.entry(scope.group).or_default(), scope.domain, scope.epoch, &query);
        Ok(answer)
    }

    async fn search(&self, _: Scope, _: SearchRequest) -> Result<SearchOutcome, StoreError> {
        not_here()
    }

    async fn read_message(&self, _: Scope, _: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError> {
        not_here()
    }

    async fn watch(&self, _: GroupNumber) -> Result<WatchStream, StoreError> {
        not_here()
    }

    async fn lock(&self, _: Scope, _: AccountId, _: [u8; 16], _: LockAction) -> Result<bool, StoreError> {
        not_here()
    }

    async fn membership(&self, _: MembershipStep) -> Result<MembershipProgress, StoreError> {
        not_here()
    }

    async fn log_mail(&self, _: Arc<[LogEntry]>) -> Result<(), StoreError> {
        not_here()
    }

    async fn search_mail_log(&self, _: &MailLogSearch) -> Result<Vec<MailEvent>, StoreError> {
        not_here()
    }

    async fn report_facts(&self, _: &FactsQuery) -> Result<Vec<ReportFact>, StoreError> {
        not_here()
    }

    async fn status(&self) -> Result<NodeStatus, StoreError> {
        Ok(NodeStatus::default())
    }
}
