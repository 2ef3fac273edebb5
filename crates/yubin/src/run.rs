//! Wiring: which parts this process runs, how they find each other, and the order in which they start and stop.
//!
//! Start: store, store service, client, queue, front end, admin API, HTTP pages. Stop in the opposite order: front ends drain and the
//! queue finishes or gives back what it delivers, side by side and by one deadline; then calls under way end, so that whatever was
//! accepted still finds its store; then the store hands its leaderships over and makes everything durable.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::OptionFuture;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yubin_admin::AdminService;
use yubin_frontend::{Frontend, RunningFrontend};
use yubin_proto::grpc::{RemoteNode, serve};
use yubin_proto::{ClientSettings, Dialogues, StoreClient, StoreNode, nodes};
use yubin_queue::{LAST_RECORDS_TIME_MAX, Queue, RunningQueue};
use yubin_reports::Reporter;
use yubin_store::{Member, Store, StoreSettings};

use crate::config::{Config, Role, Transport};
use crate::{demo, dns, frontend, http, metrics, open_files, queue, secrets, shutdown, telemetry};

/// What calls under way, and what is left for the mail log, may take once mail is drained.
const LAST_CALLS_TIME_MAX: Duration = Duration::from_secs(4);
/// What sending the last spans may take.
const LAST_SPANS_TIME_MAX: Duration = Duration::from_secs(2);
/// What work that holds up a thread may take once everything else has ended.
pub(crate) const LAST_WORK_TIME_MAX: Duration = Duration::from_secs(1);
/// How long after `drain_seconds` a process without the role store is gone, as docs/configuration.md promises it.
const AFTER_DRAIN: Duration = Duration::from_secs(15);

const _: () = assert!(
    LAST_RECORDS_TIME_MAX.as_secs()
        + LAST_CALLS_TIME_MAX.as_secs()
        + LAST_SPANS_TIME_MAX.as_secs()
        + LAST_WORK_TIME_MAX.as_secs()
        <= AFTER_DRAIN.as_secs()
);

/// What the caller asks for besides running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) ports: Ports,
    pub(crate) demo: Demo,
}

/// Shall the bound addresses be printed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    /// As one line of JSON.
    Print,
    /// No.
    Quiet,
}

/// Shall there be something to try?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demo {
    /// A domain with two accounts, and how to use them.
    Offer,
    /// No.
    None,
}

/// Bound addresses by service, in the order of starting.
type Bound = Vec<(String, SocketAddr)>;

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config, wishes: Wishes) -> anyhow::Result<()> {
    let exporter = telemetry::start(&config.telemetry)?;
    open_files::raise_limit();
    std::fs::create_dir_all(&config.data_dir).with_context(|| format!("making {}", config.data_dir.display()))?;
    let mut registry = Registry::default();
    let mut services = Services::default();
    let mut bound = Bound::new();

    let store = if config.has(Role::Store) { Some(open_store(&config).await?) } else { None };
    let own = match &store {
        Some(store) => Some(services.offer_store(&config, store.node(), &mut bound).await?),
        None => None,
    };
    if let Some(store) = &store {
        metrics::register_store(&mut registry, store.clone());
    }
    let client = StoreClient::new(store_nodes(&config, own)?, ClientSettings::default());
    services.follow_nodes(&config, &client);
    if let Some(store) = &store {
        store.watch_clocks(Arc::clone(&client));
    }
    services.carry_mail_log(&client);
    metrics::register_mail_log(&mut registry, Arc::clone(&client));

    let queue = if config.has(Role::Queue) {
        let resolver = queue::resolver(&config)?;
        let hosts = queue::mail_hosts(&config, resolver.clone())?;
        let settings = queue::settings(&config, &secrets::cluster_secret(&config)?)?;
        services.report(queue::reporter(&config, &settings, &client, resolver, &mut registry)?);
        Some(Queue::start(settings, Arc::clone(&client), hosts, &mut registry)?)
    } else {
        None
    };
    let frontend = if config.has(Role::Frontend) {
        let secret = secrets::cluster_secret(&config)?;
        let (settings, courier) = (frontend::settings(&config)?, queue.as_ref().map(RunningQueue::courier));
        let started = Frontend::start(settings, Arc::clone(&client), courier, &secret, &mut registry)?;
        bound.extend(started.addresses().iter().cloned());
        Some(started)
    } else {
        None
    };
    if config.has(Role::Admin) {
        let dialogues = queue.as_ref().map(RunningQueue::dialogues);
        services.offer_admin(&config, &client, dialogues, &mut bound).await?;
    }
    services.offer_pages(&config, &client, registry, &mut bound).await?;

    let stopped = attend(&config, wishes, &client, &bound).await;
    stop(&config, Mail { frontend, queue }, services, store).await;
    exporter.shutdown(LAST_SPANS_TIME_MAX);
    stopped
}

/// Says that everything is up once the store answers, then waits for the signal. A signal during the start counts too.
async fn attend(config: &Config, wishes: Wishes, client: &Arc<StoreClient>, bound: &Bound) -> anyhow::Result<()> {
    let announce = async {
        if config.has(Role::Store) || config.has(Role::Admin) {
            client.ready().await;
        }
        if config.has(Role::Admin) {
            secrets::admin_token(config, client).await?;
        }
        if wishes.demo == Demo::Offer {
            demo::offer(config, bound).await?;
        }
        if wishes.ports == Ports::Print {
            yubin_ctl::say(&format!("{}\n", ports_line(bound)));
        }
        client.ready().await;
        tracing::info!("ready");
        anyhow::Ok(())
    };
    let requested = shutdown::requested();
    tokio::pin!(requested);
    tokio::select! {
        outcome = &mut requested => return outcome,
        announced = announce => announced?,
    }
    requested.await
}

/// What takes mail in and sends it on.
struct Mail {
    frontend: Option<RunningFrontend>,
    queue: Option<RunningQueue>,
}

async fn stop(config: &Config, mail: Mail, services: Services, store: Option<Store>) {
    tracing::info!("shutting down");
    let grace = Duration::from_secs(config.drain_seconds);
    let ending =
        mail.frontend.map(|frontend| tokio::time::timeout(grace + LAST_RECORDS_TIME_MAX, frontend.shutdown(grace)));
    let delivering = mail.queue.map(|queue| queue.shutdown(grace));
    let (ended, _) = futures::future::join(OptionFuture::from(ending), OptionFuture::from(delivering)).await;
    if matches!(ended, Some(Err(_))) {
        tracing::warn!("sessions are left behind");
    }
    services.stop().await;
    if let Some(store) = store {
        store.shutdown().await;
    }
}

async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let member = |member: &crate::config::Member| Member {
        id: member.id,
        peer_address: member.peer.clone(),
        store_address: member.store.clone(),
    };
    let alone = Member { id: config.store.node, peer_address: String::new(), store_address: String::new() };
    let members: Vec<Member> = config.store.members.iter().map(member).collect();
    let settings = StoreSettings {
        data_dir: config.data_dir.join("store"),
        node: config.store.node,
        cluster: config.cluster_id()?,
        listen: config.store.peer_listen,
        members: if members.is_empty() { vec![alone] } else { members },
        data_groups: config.store.data_groups,
        memory_bytes: config.store.memory_mib << 20,
        space_reserve_bytes: config.store.reserve_mib << 20,
        mail_log_bytes: config.store.mail_log_mib << 20,
        raft_threads: config.store.raft_threads,
        peer_tls: config.store.peer_tls.clone().map(Into::into),
        clock: StoreSettings::system_clock(),
    };
    Ok(Store::open(settings).await?)
}

/// Every store node: the one in this process as it is to be reached, the others through gRPC.
fn store_nodes(config: &Config, own: Option<Arc<dyn StoreNode>>) -> anyhow::Result<BTreeMap<u64, Arc<dyn StoreNode>>> {
    let mut nodes: BTreeMap<u64, Arc<dyn StoreNode>> = BTreeMap::new();
    for member in &config.store.members {
        let remote = RemoteNode::new(&format!("http://{}", member.store)).context("store.members")?;
        nodes.insert(member.id, Arc::new(remote));
    }
    if let Some(own) = own {
        nodes.insert(config.store.node, own);
    }
    Ok(nodes)
}

fn ports_line(bound: &Bound) -> String {
    let mut ports = serde_json::Map::new();
    for (name, address) in bound {
        // A service on several addresses shows its first.
        ports.entry(name.clone()).or_insert_with(|| serde_json::Value::String(address.to_string()));
    }
    serde_json::Value::Object(ports).to_string()
}

/// Services that run until they are told to stop.
#[derive(Default)]
struct Services {
    running: JoinSet<()>,
    stop: CancellationToken,
    /// What calls the others to the end.
    carrying: JoinSet<()>,
    stop_carrying: CancellationToken,
}

impl Services {
    /// The store service on its listeners; answers with the way in which this process itself reaches the store.
    async fn offer_store(
        &mut self,
        config: &Config,
        node: Arc<dyn StoreNode>,
        bound: &mut Bound,
    ) -> anyhow::Result<Arc<dyn StoreNode>> {
        let mut addresses = config.listen.store.clone();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        if config.store.transport == Transport::Grpc && addresses.is_empty() {
            addresses.push(loopback);
        }
        let mut first = None;
        for address in addresses {
            let (listener, address) = listen("store", address, bound).await?;
            first.get_or_insert(address);
            let server = serve(listener, Arc::clone(&node), self.stop.clone().cancelled_owned().boxed());
            self.running.spawn(async move { report("store", server.await) });
        }
        match first.filter(|_| config.store.transport == Transport::Grpc) {
            Some(address) => Ok(Arc::new(RemoteNode::new(&format!("http://{address}"))?)),
            None => Ok(node),
        }
    }

    /// Keeps the client's nodes as the directory lists them.
    fn follow_nodes(&mut self, config: &Config, client: &Arc<StoreClient>) {
        let own = config.has(Role::Store).then_some(config.store.node);
        let others = config.store.members.iter().filter(|member| Some(member.id) != own);
        let known = others.map(|member| (member.id, member.store.clone())).collect();
        let following = nodes::follow(Arc::clone(client), own, known);
        self.running.spawn(self.stop.clone().run_until_cancelled_owned(following).map(drop));
    }

    /// Brings what front ends and workers say of mail to the store.
    fn carry_mail_log(&mut self, client: &Arc<StoreClient>) {
        let (client, stop) = (Arc::clone(client), self.stop_carrying.clone().cancelled_owned());
        self.carrying.spawn(async move { client.carry_mail_log(stop).await });
    }

    /// Sends reports to other domains.
    fn report(&mut self, reporter: Option<Reporter>) {
        if let Some(reporter) = reporter {
            self.running.spawn(reporter.run(self.stop.clone()));
        }
    }

    async fn offer_admin(
        &mut self,
        config: &Config,
        client: &Arc<StoreClient>,
        dialogues: Option<Arc<dyn Dialogues>>,
        bound: &mut Bound,
    ) -> anyhow::Result<()> {
        let secret = secrets::cluster_secret(config)?;
        let (dns, inspector) = (config.dns.settings(&config.hostname)?, dns::inspector(config)?);
        let service = AdminService::new(Arc::clone(client), dns, inspector, &secret);
        let service = service.with_dialogues(dialogues);
        for address in &config.listen.admin {
            let (listener, _) = listen("admin", *address, bound).await?;
            let server = yubin_admin::serve(listener, service.clone(), self.stop.clone().cancelled_owned().boxed());
            self.running.spawn(async move { report("admin", server.await) });
        }
        Ok(())
    }

    async fn offer_pages(
        &mut self,
        config: &Config,
        client: &Arc<StoreClient>,
        registry: Registry,
        bound: &mut Bound,
    ) -> anyhow::Result<()> {
        let pages = http::router(Arc::clone(client), Arc::new(registry));
        for address in &config.listen.http {
            let (listener, _) = listen("http", *address, bound).await?;
            let stop = self.stop.clone().cancelled_owned();
            let server = axum::serve(listener, pages.clone()).with_graceful_shutdown(stop);
            self.running.spawn(async move { report("http", server.await) });
        }
        Ok(())
    }

    /// Lets what is left for the mail log reach the store, which may be one of these, and then calls under way finish.
    async fn stop(self) {
        let begun = Instant::now();
        self.stop_carrying.cancel();
        // Half the time: calls under way need theirs.
        ended(self.carrying, begun + LAST_CALLS_TIME_MAX / 2).await;
        self.stop.cancel();
        ended(self.running, begun + LAST_CALLS_TIME_MAX).await;
    }
}

async fn ended(mut tasks: JoinSet<()>, until: Instant) {
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout_at(until, finished).await.is_err() {
        tracing::warn!("calls under way are cut off");
    }
}

fn report<E: std::fmt::Display>(service: &str, outcome: Result<(), E>) {
    if let Err(error) = outcome {
        tracing::error!(service, %error, "a service failed");
    }
}

async fn listen(name: &str, address: SocketAddr, bound: &mut Bound) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{name}: listening on {address}"))?;
    let address = listener.local_addr()?;
    bound.push((name.to_owned(), address));
    Ok((listener, address))
}
