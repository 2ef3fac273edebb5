//! A store in this process with the domain `host.example` that reports, the time as the test sets it, and names that want reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yubin_dns_auth::AddressScope;
use yubin_dns_auth::https::HttpsClient;
use yubin_dns_auth::reports::Organization;
use yubin_dns_auth::verify::Verifier;
use yubin_proto::queue::whole_group;
use yubin_proto::report_facts::{FactPlace, FactsQuery, day_of};
use yubin_proto::{Caller, ClientSettings, Scope, StoreClient};
use yubin_reports::{Clock, Metrics, Reporter, ReporterConfig};
use yubin_state::command::{DirectoryCommand, DomainCommand};
use yubin_state::queue::QueueFilter;
use yubin_state::record::Plan;
use yubin_state::{Command, Reply};
use yubin_store::{Member, Store, StoreSettings};
use yubin_types::report::{AppliedPolicy, ReportFact, ReportKind, Seen, TlsPolicyType, TlsSessions};
use yubin_types::{Address, DomainName, GroupNumber, Limit, Quota, Timestamp, limits};

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::tls_server::Authority;

const GROUP: GroupNumber = GroupNumber(1);
/// How often is looked for what is to come, and how many times.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 3_000;

/// A report that was queued: whom it goes to, and when it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Queued {
    pub(crate) to: String,
    pub(crate) at: Timestamp,
}

pub(crate) struct World {
    pub(crate) client: Arc<StoreClient>,
    pub(crate) authority: Authority,
    pub(crate) registry: Registry,
    now: Arc<AtomicU64>,
    dns: DnsServer,
    store: Store,
    carrier: JoinHandle<()>,
    poked: AtomicU64,
    _folder: tempfile::TempDir,
}

/// A reporter that runs.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

impl World {
    /// At this time, with these records below `example.test.`.
    pub(crate) async fn new(now: Timestamp, authority: Authority, records: &str) -> World {
        let dns = DnsServer::start(&[Zone("example.test.", Signing::Unsigned, records)]).await;
        let (folder, now) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(now.0)));
        let settings = StoreSettings {
            data_dir: folder.path().to_owned(),
            node: 1,
            cluster: None,
            listen: None,
            members: vec![Member { id: 1, peer_address: String::new(), store_address: String::new() }],
            data_groups: 2,
            memory_bytes: 64 << 20,
            peer_tls: None,
            raft_threads: 1,
            space_reserve_bytes: 0,
            mail_log_bytes: 16 << 20,
            clock: clock(&now),
        };
        let store = Store::open(settings).await.unwrap();
        let client = StoreClient::new(BTreeMap::from([(1, store.node())]), ClientSettings::default());
        client.ready().await;
        create_domain(&client).await;
        let carries = Arc::clone(&client);
        let carrier = tokio::spawn(async move { carries.carry_mail_log(std::future::pending()).await });
        let (registry, poked) = (Registry::default(), AtomicU64::new(0));
        World { client, authority, registry, now, dns, store, carrier, poked, _folder: folder }
    }

    /// A reporter that comes so much later than the first one, and posts again after this.
    pub(crate) fn reporter(&mut self, lateness: Duration, post_retry: Duration) -> Running {
        let organization = Organization {
            name: "Host".to_owned(),
            from: Address::parse("reports@host.example").unwrap(),
            contact: String::new(),
        };
        let verifier = Verifier::new(self.dns.resolver()).unwrap();
        let client = HttpsClient::new(self.authority.roots(), AddressScope::Any).unwrap();
        let config = ReporterConfig { organization, lateness, post_retry, clock: clock(&self.now) };
        let metrics = Metrics::register(&mut self.registry);
        let reporter = Reporter::new(Arc::clone(&self.client), (verifier, client), config, metrics);
        let stop = CancellationToken::new();
        Running { stop: stop.clone(), task: tokio::spawn(reporter.run(stop)) }
    }

    /// Says facts until the log has all of them, which may be lost on their way and count once. They are of one day.
    pub(crate) async fn note(&self, facts: Vec<ReportFact>) {
        let day = facts.iter().map(|fact| day_of(fact.at)).max().unwrap();
        self.until(async || {
            facts.iter().for_each(|fact| self.client.note_fact(fact.clone()));
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut kept = 0;
            for kind in [ReportKind::Dmarc, ReportKind::Tls] {
                let limit = limits::REPORT_FACTS_PER_CALL_MAX;
                let query = FactsQuery { kind, day, from: FactPlace::before(0), last_hash: u64::MAX, limit };
                kept += self.client.report_facts(&query).await.facts.len();
            }
            (kept == facts.len()).then_some(())
        })
        .await;
    }

    /// It becomes this time, and reporters look what is due.
    pub(crate) async fn at(&self, now: Timestamp) {
        self.now.store(now.0, Ordering::Relaxed);
        self.poke().await;
    }

    async fn poke(&self) {
        let (number, caller) = (self.poked.fetch_add(1, Ordering::Relaxed).to_string(), Caller::internal("test"));
        self.client.put_setting("poke", &number, &caller).await.unwrap();
    }

    /// Waits until both kinds of reports on the period that ended then are sent as far as a reporter of this lateness sends them now.
    pub(crate) async fn settled(&self, end: Timestamp, lateness: u64) {
        let now = Timestamp(self.now.load(Ordering::Relaxed));
        let first = end.plus_seconds(limits::REPORT_DELAY_SECONDS + lateness);
        let part = u128::from((now.millis_since(first) / 60_000).min(limits::REPORT_SLOTS - 1));
        let next = ((part + 1) << 64) / u128::from(limits::REPORT_SLOTS);
        let next = if part + 1 == u128::from(limits::REPORT_SLOTS) { "done".to_owned() } else { next.to_string() };
        self.until(async || {
            let progress = self.client.setting("report-progress").await.unwrap();
            let done = |kind: &str| progress.lines().any(|line| line.starts_with(&format!("{} {kind} {next} ", end.0)));
            (done("dmarc") && done("tls")).then_some(())
        })
        .await;
    }

    /// Everything that is queued, in the order of addresses.
    pub(crate) async fn queued(&self) -> Vec<Queued> {
        let page = self.client.list_queue(whole_group(GROUP), QueueFilter::default(), None, 1_000).await.unwrap();
        let deliveries = page.deliveries.into_iter();
        let mut queued: Vec<Queued> = deliveries
            .flat_map(|(_, message, delivery)| {
                let domain = delivery.destination.to_string();
                delivery
                    .recipients
                    .into_iter()
                    .map(move |recipient| Queued { to: format!("{}@{domain}", recipient.local), at: message.queued })
            })
            .collect();
        queued.sort();
        queued
    }

    /// What was counted under this name and labels.
    pub(crate) fn counted(&self, series: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or("0").parse().unwrap()
    }

    /// Waits for something.
    pub(crate) async fn until<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
        for _ in 0..LOOKS {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("not in time");
    }

    pub(crate) async fn close(self) {
        self.carrier.abort();
        self.store.shutdown().await;
    }
}

/// Sessions with a domain's hosts.
pub(crate) fn sessions(domain: &str, at: Timestamp, successes: u64) -> ReportFact {
    let domain: DomainName = domain.parse().unwrap();
    let kind = TlsPolicyType::NoPolicyFound;
    let policy = AppliedPolicy { domain: domain.clone(), kind, strings: Vec::new(), mx_hosts: Vec::new() };
    let seen = Seen::Sessions(Box::new(TlsSessions { policy, successes, failures: Vec::new() }));
    ReportFact { at, id: id(domain.as_str(), at, ReportKind::Tls), domain, seen }
}

/// The same fact has the same id.
pub(crate) fn id(domain: &str, at: Timestamp, kind: ReportKind) -> [u8; 16] {
    yubin_proto::report_facts::fact_id(&[domain, &at.0.to_string(), &format!("{kind:?}")])
}

fn clock(now: &Arc<AtomicU64>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || Timestamp(now.load(Ordering::Relaxed)))
}

async fn create_domain(client: &StoreClient) {
    let (name, caller) = (DomainName::parse("host.example").unwrap(), Caller::internal("test"));
    let reserve = Command::Directory(DirectoryCommand::ReserveDomain { name: name.clone(), group: GROUP });
    let reply = client.propose_once(Scope::DIRECTORY, &reserve, &caller).await.unwrap();
    let Reply::DomainPlaced { id, placement } = reply else { panic!("{reply:?}") };
    let scope = Scope { group: placement.group, domain: id, epoch: placement.epoch };
    let plan = Plan {
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
    };
    for (scope, command) in [
        (scope, Command::Domain(DomainCommand::Create { name, plan, quota: None })),
        (Scope::DIRECTORY, Command::Directory(DirectoryCommand::ActivateDomain(id))),
    ] {
        let reply = client.propose_once(scope, &command, &caller).await.unwrap();
        assert!(!matches!(reply, Reply::Refused(_)), "{reply:?}");
    }
}
