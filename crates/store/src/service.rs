//! A store node in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument as _;
use yubin_consensus::{AddressBook, AdminError, Group, GroupId, GroupMetrics, Node, NodeConfig, NodeId, NodeMetrics};
use yubin_proto::contract::GroupHealth;
use yubin_proto::membership::{MembershipProgress, MembershipStep};
use yubin_proto::report_facts::FactsQuery;
use yubin_proto::{
    GroupStatus, LockAction, LogEntry, MailEvent, MailLogSearch, MessagePiece, NodeStatus, Proposal, Scope,
    SearchOutcome, SearchRequest, StoreClient, StoreError, StoreNode, WatchStream,
};
use yubin_state::{Answer, Query, Reply};
use yubin_types::report::ReportFact;
use yubin_types::{AccountId, GroupNumber, Refusal, Timestamp, limits};

use crate::backlog::{self, Backlog};
use crate::bridge::StateView;
use crate::clock::{self, GuardedClock};
use crate::kept_bodies::KeptBodies;
use crate::locks::{Leader, LockName, Locks, Predecessor};
use crate::machine::MailMachine;
use crate::mail_log::{MailLog, MailLogError};
use crate::news::News;
use crate::search::Searches;
use crate::settings::StoreSettings;
use crate::space::Space;
use crate::{groups, membership, propose, read, search, sweeper};

/// Why a store didn't start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk, or what is on it.
    #[error("opening the data folder: {0}")]
    Disk(#[from] yubin_consensus::OpenError),
    /// A group didn't start.
    #[error("starting a group: {0}")]
    Group(#[from] AdminError),
    /// The mail log.
    #[error("opening the mail log: {0}")]
    MailLog(#[from] MailLogError),
}

/// A running store node. Clones are handles to the same.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// What the parts of a store share.
pub(crate) struct Shared {
    node: Node,
    news: Arc<News>,
    locks: Locks,
    searches: Searches,
    kept_bodies: KeptBodies,
    clock: GuardedClock,
    space: Space,
    mail_log: Arc<MailLog>,
    backlog: Mutex<Backlog>,
    sweepers: Mutex<BTreeMap<GroupId, JoinHandle<()>>>,
    /// For tasks that go on with it.
    me: Weak<Shared>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("node", &self.shared.node.id()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the data folder and starts this node's replicas.
    ///
    /// # Errors
    /// The disk, what is on it, or the address to listen on.
    pub fn open(settings: StoreSettings) -> BoxFuture<'static, Result<Self, OpenError>> {
        // Compiled here, and not wherever it is awaited.
        Self::start(settings).boxed()
    }

    async fn start(settings: StoreSettings) -> Result<Self, OpenError> {
        let peers = AddressBook::new();
        for member in settings.members.iter().filter(|member| member.id != settings.node) {
            peers.set(NodeId(member.id), member.peer_address.clone());
        }
        let config = NodeConfig {
            data_dir: settings.data_dir.clone(),
            node: NodeId(settings.node),
            cluster: settings.cluster,
            memory_bytes: settings.memory_bytes,
            threads: settings.raft_threads,
            listen: settings.listen,
            peers,
            tls: settings.peer_tls.clone(),
        };
        let news = Arc::new(News::default());
        let machine = Arc::new(MailMachine { news: Arc::clone(&news) });
        let node = Node::open(config, machine).await?;
        groups::bootstrap(&node, &settings).await?;
        let clock = GuardedClock::new(Arc::clone(&settings.clock));
        let space = Space::new(settings.data_dir.clone(), settings.space_reserve_bytes);
        let mail_log = MailLog::open(&settings.data_dir.join("mail-log"), settings.mail_log_bytes)?;
        let shared = Arc::new_cyclic(|me| Shared {
            node,
            news,
            locks: Locks::default(),
            searches: Searches::new(),
            kept_bodies: KeptBodies::new(limits::KEPT_BODIES_BYTES_MAX),
            clock,
            space,
            mail_log: Arc::new(mail_log),
            backlog: Mutex::default(),
            sweepers: Mutex::default(),
            me: Weak::clone(me),
        });
        let store = Store { shared, tasks: Arc::default() };
        store.start_chores(settings);
        Ok(store)
    }

    /// The node, for whoever calls it: a client in this process, or the gRPC service.
    #[must_use]
    pub fn node(&self) -> Arc<dyn StoreNode> {
        Arc::clone(&self.shared) as Arc<dyn StoreNode>
    }

    /// Where peers connect, if the node listens.
    #[must_use]
    pub fn peer_address(&self) -> Option<std::net::SocketAddr> {
        self.shared.node.listening()
    }

    /// What the node measures now.
    #[must_use]
    pub fn metrics(&self) -> NodeMetrics {
        self.shared.node.metrics()
    }

    /// What this node's clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// What waits in the outbound queue of the groups that this node leads; counted every few seconds.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.shared.backlog.lock().clone()
    }

    /// Compares this node's clock with those of the nodes that `client` knows, for as long as the store runs: a clock that is off
    /// stamps nothing, and its node leads no group.
    pub fn watch_clocks(&self, client: Arc<StoreClient>) {
        self.tasks.lock().push(tokio::spawn(clock::watch(Arc::clone(&self.shared), client)));
    }

    /// How far this node's clock is ahead of the others' (negative: behind), milliseconds, if too far to lead; else 0.
    #[must_use]
    pub fn clock_ahead_ms(&self) -> i64 {
        self.shared.clock.off_ms()
    }

    /// Hands leaderships over, stops, and makes everything written durable.
    pub async fn shutdown(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        for task in std::mem::take(&mut *self.shared.sweepers.lock()).into_values() {
            task.abort();
        }
        self.shared.node.shutdown().await;
    }

    fn start_chores(&self, settings: StoreSettings) {
        for group in self.shared.node.groups() {
            self.shared.start_sweeping(group);
        }
        let mut tasks = self.tasks.lock();
        tasks.push(tokio::spawn(groups::keep_recorded(Arc::clone(&self.shared), settings)));
        tasks.push(tokio::spawn(backlog::watch(Arc::clone(&self.shared))));
    }
}

impl Shared {
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn locks(&self) -> &Locks {
        &self.locks
    }

    pub(crate) fn backlog(&self) -> &Mutex<Backlog> {
        &self.backlog
    }

    pub(crate) fn clock(&self) -> &GuardedClock {
        &self.clock
    }

    /// What this node's clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.read()
    }

    /// The nodes' store addresses in this node's own copy of the directory: for whoever does not know where its leader is.
    fn own_directory(&self) -> Vec<(u64, String)> {
        let Some(directory) = self.node.group(GroupId(GroupNumber::DIRECTORY.0)) else { return Vec::new() };
        match read::answer(&StateView(directory.view()), Scope::DIRECTORY, &Query::Nodes) {
            Ok(Answer::Nodes(nodes)) => nodes.into_iter().map(|node| (node.id, node.store_address)).collect(),
            _ => Vec::new(),
        }
    }

    /// Reads or writes the mail log, off the runtime's threads.
    async fn with_mail_log<T: Send + 'static>(
        &self,
        work: impl FnOnce(&MailLog) -> Result<T, MailLogError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let log = Arc::clone(&self.mail_log);
        match tokio::task::spawn_blocking(move || work(&log)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    fn start_sweeping(&self, group: Group) {
        let Some(me) = self.me.upgrade() else { return };
        let id = group.id();
        let sweeping = tokio::spawn(sweeper::sweep(me, group));
        if let Some(earlier) = self.sweepers.lock().insert(id, sweeping) {
            earlier.abort();
        }
    }

    async fn start_replica(&self, id: GroupId) -> Result<(), AdminError> {
        if self.node.group(id).is_none() {
            let group = self.node.create_group(id, BTreeMap::new()).await?;
            self.start_sweeping(group);
        }
        Ok(())
    }

    async fn remove_replica(&self, id: GroupId) -> Result<(), AdminError> {
        self.node.remove_group(id).await?;
        if let Some(sweeping) = self.sweepers.lock().remove(&id) {
            sweeping.abort();
        }
        Ok(())
    }

    fn group(&self, number: GroupNumber) -> Result<Group, StoreError> {
        self.node.group(GroupId(number.0)).ok_or(StoreError::NotLeader { leader: None })
    }
}

#[async_trait]
impl StoreNode for Shared {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, StoreError> {
        let group = self.group(proposal.group)?;
        self.space.admit(&proposal.bodies)?;
        let span = tracing::debug_span!("propose", trace.id = %proposal.envelope.trace, group.id = proposal.group.0);
        propose::propose(&group, self.clock.stamp()?, proposal).instrument(span).await
    }

    async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError> {
        read::query(&self.group(scope.group)?, scope, query).await
    }

    async fn search(&self, scope: Scope, request: SearchRequest) -> Result<SearchOutcome, StoreError> {
        search::search(&self.group(scope.group)?, scope, self.now(), request, &self.searches).await
    }

    async fn read_message(&self, scope: Scope, piece: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError> {
        let group = self.group(scope.group)?;
        read::read_message(read::Bodies { group: &group, kept: &self.kept_bodies }, scope, piece).await
    }

    async fn watch(&self, group: GroupNumber) -> Result<WatchStream, StoreError> {
        Ok(self.news.listen(self.group(group)?.id()))
    }

    async fn lock(
        &self,
        scope: Scope,
        account: AccountId,
        token: [u8; 16],
        action: LockAction,
    ) -> Result<bool, StoreError> {
        let group = self.group(scope.group)?;
        // Leadership is confirmed with a quorum, so that a deposed leader grants nothing.
        read::fresh_view(&group).await?;
        let leadership = *group.leadership().borrow();
        let alone = group.metrics().voters.len() == 1;
        let predecessor = if alone { Predecessor::None } else { Predecessor::Possible };
        let name = LockName { group: group.id(), domain: scope.domain, account };
        let leader = Leader { term: leadership.term, predecessor };
        self.locks.act(name, leader, token, action, Instant::now())
    }

    async fn membership(&self, step: MembershipStep) -> Result<MembershipProgress, StoreError> {
        match step {
            MembershipStep::StartReplica(group) => self.start_replica(GroupId(group.0)).await,
            MembershipStep::RemoveReplica(group) => self.remove_replica(GroupId(group.0)).await,
            MembershipStep::ForgetDisk(node) => self.node.forget_disk(NodeId(node)).await,
            MembershipStep::ChangeVoters(change) => return membership::change_voters(&self.node, change).await,
        }
        .map(|()| MembershipProgress::Done)
        .map_err(membership::failed)
    }

    async fn log_mail(&self, entries: Arc<[LogEntry]>) -> Result<(), StoreError> {
        if self.space.is_short() {
            return Err(StoreError::Overloaded);
        }
        self.with_mail_log(move |log| log.append(&entries)).await
    }

    async fn search_mail_log(&self, search: &MailLogSearch) -> Result<Vec<MailEvent>, StoreError> {
        let search = search.clone();
        self.with_mail_log(move |log| log.search(&search)).await
    }

    async fn report_facts(&self, query: &FactsQuery) -> Result<Vec<ReportFact>, StoreError> {
        let query = *query;
        self.with_mail_log(move |log| log.facts(&query)).await
    }

    async fn status(&self) -> Result<NodeStatus, StoreError> {
        let metrics = self.node.metrics();
        let (disk, known) = self.node.disks().await;
        Ok(NodeStatus {
            node: metrics.node.0,
            groups: metrics.groups.iter().map(group_status).collect(),
            disk: disk.0,
            known_disks: known.into_iter().map(|(node, disk)| (node.0, disk.0)).collect(),
            nodes: self.own_directory(),
            clock: self.clock.read(),
            clock_ahead_ms: self.clock.off_ms(),
        })
    }
}

fn group_status(metrics: &GroupMetrics) -> GroupStatus {
    let ids = |nodes: &std::collections::BTreeSet<NodeId>| nodes.iter().map(|node| node.0).collect();
    GroupStatus {
        group: GroupNumber(metrics.group.0),
        leader: metrics.leadership.leader.map(|node| node.0),
        term: metrics.leadership.term,
        last_log_index: metrics.last_log_index.unwrap_or(0),
        applied_index: metrics.applied_index.unwrap_or(0),
        voters: ids(&metrics.voters),
        learners: ids(&metrics.learners),
        health: if metrics.fault.is_some() { GroupHealth::Faulted } else { GroupHealth::Healthy },
    }
}
