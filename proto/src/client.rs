//! The store as a role sees it: one cluster, no nodes.
//!
//! Finds the leader of a group (follows hints, remembers the last), retries what a node refused to do, and retries under the same
//! request id what has an unknown outcome, until the caller's time is over. Never turns an infrastructure fault into a refusal.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::time::Instant;
use yubin_state::record::DomainPhase;
use yubin_state::{Actor, Answer, Command, DedupeClass, Encode as _, Envelope, Query, Reply, Topic};
use yubin_types::{AccountId, DomainName, GroupNumber, Refusal, RequestId, Timestamp, TraceId};

use crate::contract::{
    Body, LockAction, MessagePiece, NodeStatus, Proposal, Scope, SearchOutcome, SearchRequest, StoreError, StoreNode,
};
use crate::mail_log::MailLog;
use crate::membership::{MembershipProgress, MembershipStep, VoterChange};
use crate::placement::{Hosted, Placements};
use crate::watch::{Subscription, WatchHub};

/// The slowest that a body may be sent, stored and brought to a majority, bytes a second: the time of a call grows with it.
const BODY_BYTES_PER_SECOND_MIN: u64 = 1024 * 1024;
/// What a SEARCH may take longer than other calls: it may have to read all texts of a mailbox.
const SEARCH_EXTRA: Duration = Duration::from_secs(100);

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings {
    /// How long one call may take, retries included, apart from what its bodies or its work need.
    pub call_timeout: Duration,
    /// How long one attempt may take before its outcome counts as unknown, likewise.
    pub attempt_timeout: Duration,
    /// Pause between attempts while no leader is known.
    pub retry_pause: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            call_timeout: Duration::from_secs(20),
            attempt_timeout: Duration::from_secs(10),
            retry_pause: Duration::from_millis(50),
        }
    }
}

/// On whose behalf a call is made.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Token id, account address, `mx`, or the name of a sweeper.
    pub principal: String,
    /// The peer's address, where there is one.
    pub peer: Option<IpAddr>,
    /// Follows the work through logs and traces.
    pub trace: TraceId,
}

impl Caller {
    /// A caller without a peer and under a new trace.
    #[must_use]
    pub fn internal(principal: &str) -> Self {
        Caller { principal: principal.to_owned(), peer: None, trace: TraceId(rand::random()) }
    }
}

/// All store nodes as one store. Cheap to share behind an `Arc`.
pub struct StoreClient {
    nodes: RwLock<BTreeMap<u64, Arc<dyn StoreNode>>>,
    leaders: RwLock<BTreeMap<GroupNumber, u64>>,
    placements: Placements,
    hub: WatchHub,
    mail_log: MailLog,
    settings: ClientSettings,
}

impl std::fmt::Debug for StoreClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreClient")
            .field("nodes", &self.nodes.read().keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl StoreClient {
    /// A client over these nodes; more may come with [`StoreClient::put_node`].
    #[must_use]
    pub fn new(nodes: BTreeMap<u64, Arc<dyn StoreNode>>, settings: ClientSettings) -> Arc<Self> {
        Arc::new(StoreClient {
            nodes: RwLock::new(nodes),
            leaders: RwLock::default(),
            placements: Placements::new(),
            hub: WatchHub::new(),
            mail_log: MailLog::default(),
            settings,
        })
    }

    /// Adds a node or another way to reach it.
    pub fn put_node(&self, id: u64, node: Arc<dyn StoreNode>) {
        self.nodes.write().insert(id, node);
    }

    /// Forgets a node.
    pub fn remove_node(&self, id: u64) {
        self.nodes.write().remove(&id);
        self.leaders.write().retain(|_, leader| *leader != id);
    }

    /// Takes a step on one node.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there is no such node, or it can't be reached.
    pub async fn membership(&self, node: u64, step: MembershipStep) -> Result<MembershipProgress, StoreError> {
        let known = self.nodes.read().get(&node).map(Arc::clone);
        let known = known.ok_or_else(|| StoreError::Unavailable(format!("node {node} is not known here")))?;
        let answer = tokio::time::timeout(self.settings.attempt_timeout, known.membership(step)).await;
        answer.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("node {node} did not answer in time"))))
    }

    /// Changes who votes in a group, or goes on with it.
    ///
    /// # Errors
    /// The group can't be reached, or another change is under way.
    pub async fn change_voters(&self, change: VoterChange) -> Result<MembershipProgress, StoreError> {
        self.on_leader(change.group, |node| {
            let step = MembershipStep::ChangeVoters(change.clone());
            async move { node.membership(step).await }
        })
        .await
    }

    /// A hosted domain's place, from the cache or the directory; `None`: the directory just confirmed that it isn't hosted.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn resolve(&self, name: &DomainName) -> Result<Option<Arc<Hosted>>, StoreError> {
        if let Some(hosted) = self.placements.get(name) {
            return Ok(Some(hosted));
        }
        match self.query(Scope::DIRECTORY, Query::ResolveDomain(name.clone())).await? {
            Answer::DirectoryDomain(found) if found.phase == DomainPhase::Active => {
                let hosted = Hosted { name: found.name, id: found.id, placement: found.placement };
                Ok(Some(self.placements.learn(hosted)))
            }
            Answer::DirectoryDomain(_) | Answer::Refused(Refusal::NoSuchDomain) => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// [`StoreClient::resolve`] for mail that may go anywhere: that a domain is not hosted may be two seconds old, or as old as the last
    /// [`StoreClient::directory_changed`], so that mail to one place does not ask the directory for each message.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn resolve_destination(&self, name: &DomainName) -> Result<Option<Arc<Hosted>>, StoreError> {
        if self.placements.is_elsewhere(name) {
            return Ok(None);
        }
        let asked = Instant::now();
        let found = self.resolve(name).await?;
        if found.is_none() {
            self.placements.learn_elsewhere(name.clone(), asked);
        }
        Ok(found)
    }

    /// Domains may have come that were not hosted before.
    pub fn directory_changed(&self) {
        self.placements.forget_elsewhere();
    }

    /// Forgets what it believed about a domain's place: call after `StaleEpoch` or `NoSuchDomain`, then resolve again.
    pub fn forget(&self, name: &DomainName) {
        self.placements.forget(name);
    }

    /// Proposes a command under a request id, and again until its outcome is known or time is over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Overloaded`]: not done. [`StoreError::Unknown`]: may have been done; the same
    /// `request` may be proposed again.
    pub async fn propose(
        &self,
        scope: Scope,
        command: &Command,
        request: (RequestId, DedupeClass),
        caller: &Caller,
        bodies: Vec<Body>,
    ) -> Result<Reply, StoreError> {
        let envelope = Envelope {
            domain: scope.domain,
            epoch: scope.epoch,
            request: request.0,
            dedupe: request.1,
            stamp: Timestamp(0),
            actor: Actor { principal: caller.principal.clone(), peer: caller.peer },
            trace: caller.trace,
        };
        // The command follows the envelope in the entry, so it goes without a format byte of its own.
        let command = Bytes::from(command.encode()).slice(1..);
        let bytes: u64 = bodies.iter().map(Body::length).sum();
        let extra = Duration::from_secs(bytes / BODY_BYTES_PER_SECOND_MIN);
        let proposal = Proposal { group: scope.group, envelope, command, bodies };
        self.on_leader_within(extra, scope.group, |node| {
            let proposal = proposal.clone();
            async move { node.propose(proposal).await }
        })
        .await
    }

    /// [`StoreClient::propose`] under a new request id, for commands nobody retries later.
    ///
    /// # Errors
    /// As [`StoreClient::propose`].
    pub async fn propose_once(&self, scope: Scope, command: &Command, caller: &Caller) -> Result<Reply, StoreError> {
        self.propose(scope, command, (RequestId(rand::random()), DedupeClass::Delivery), caller, Vec::new()).await
    }

    /// A linearizable read.
    ///
    /// # Errors
    /// The group can't be reached.
    pub async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError> {
        self.on_leader(scope.group, |node| {
            let query = query.clone();
            async move { node.query(scope, query).await }
        })
        .await
    }

    /// SEARCH.
    ///
    /// # Errors
    /// The group can't be reached.
    pub async fn search(&self, scope: Scope, request: SearchRequest) -> Result<SearchOutcome, StoreError> {
        self.on_leader_within(SEARCH_EXTRA, scope.group, |node| {
            let request = request.clone();
            async move { node.search(scope, request).await }
        })
        .await
    }

    /// A piece of a message.
    ///
    /// # Errors
    /// The group can't be reached.
    pub async fn read_message(&self, scope: Scope, piece: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError> {
        self.on_leader(scope.group, |node| async move { node.read_message(scope, piece).await }).await
    }

    /// The exclusive lock of an account's INBOX.
    ///
    /// # Errors
    /// The group can't be reached.
    pub async fn lock(
        &self,
        scope: Scope,
        account: AccountId,
        token: [u8; 16],
        action: LockAction,
    ) -> Result<bool, StoreError> {
        self.on_leader(scope.group, |node| async move { node.lock(scope, account, token, action).await }).await
    }

    /// Waits until the cluster can take domains: a leader answers for the directory, and the directory knows its groups.
    pub async fn ready(self: &Arc<Self>) {
        let news = self.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
        loop {
            match self.query(Scope::DIRECTORY, Query::Groups).await {
                Ok(Answer::Groups(groups)) if !groups.is_empty() => return,
                // The hub rings when its stream opens, so what was recorded before is not missed.
                _ => news.changed().await,
            }
        }
    }

    /// Wakes when one of `topics` of the group changes.
    #[must_use]
    pub fn subscribe(self: &Arc<Self>, group: GroupNumber, topics: &[u64]) -> Subscription {
        self.hub.subscribe(self, group, topics)
    }

    /// Where every node stands; unreachable ones answer with their error.
    pub async fn statuses(&self) -> Vec<(u64, Result<NodeStatus, StoreError>)> {
        let asked = self.all_nodes().into_iter().map(|(id, node)| async move {
            let answer = tokio::time::timeout(Duration::from_secs(2), node.status()).await;
            (id, answer.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned()))))
        });
        futures::future::join_all(asked).await
    }

    pub(crate) fn all_nodes(&self) -> Vec<(u64, Arc<dyn StoreNode>)> {
        self.nodes.read().iter().map(|(id, node)| (*id, Arc::clone(node))).collect()
    }

    pub(crate) fn mail_log(&self) -> &MailLog {
        &self.mail_log
    }

    pub(crate) fn hub(&self) -> &WatchHub {
        &self.hub
    }

    /// Who answered for the group last, if nothing speaks against that.
    pub(crate) fn leader(&self, group: GroupNumber) -> Option<u64> {
        self.leaders.read().get(&group).copied()
    }

    async fn on_leader<T, F>(
        &self,
        group: GroupNumber,
        attempt: impl Fn(Arc<dyn StoreNode>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.on_leader_within(Duration::ZERO, group, attempt).await
    }

    /// Calls `attempt` on the leader of a group, wherever it is, until it says something final or time is over. `extra` is what an
    /// attempt needs beyond the usual.
    async fn on_leader_within<T, F>(
        &self,
        extra: Duration,
        group: GroupNumber,
        attempt: impl Fn(Arc<dyn StoreNode>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let deadline = Instant::now() + self.settings.call_timeout + extra;
        let mut tried = 0;
        let mut last = StoreError::Unavailable("no store node is known".to_owned());
        let mut outcome_unknown = false;
        while let Some((id, node)) = self.candidate(group, tried) {
            let until = deadline.min(Instant::now() + self.settings.attempt_timeout + extra);
            let outcome = tokio::time::timeout_at(until, attempt(node)).await;
            match outcome.unwrap_or_else(|_| Err(StoreError::Unknown("no answer in time".to_owned()))) {
                Ok(value) => {
                    self.remember_leader(group, id);
                    return Ok(value);
                }
                Err(StoreError::NotLeader { leader: Some(leader) }) if leader != id => {
                    self.remember_leader(group, leader);
                    tried = 0;
                    last = StoreError::NotLeader { leader: Some(leader) };
                }
                // What an earlier attempt did stays unknown.
                Err(error @ (StoreError::Malformed(_) | StoreError::Overloaded)) if !outcome_unknown => {
                    return Err(error);
                }
                Err(error) => {
                    outcome_unknown |= matches!(error, StoreError::Unknown(_));
                    last = error;
                    self.leaders.write().remove(&group);
                    tried += 1;
                }
            }
            if Instant::now() + self.settings.retry_pause >= deadline {
                break;
            }
            if tried > 0 || matches!(last, StoreError::NotLeader { .. }) {
                tokio::time::sleep(self.settings.retry_pause.min(Duration::from_millis(5 * (tried as u64 + 1)))).await;
            }
        }
        Err(match last {
            error if outcome_unknown => StoreError::Unknown(error.to_string()),
            StoreError::NotLeader { .. } => StoreError::Unavailable("the group has no leader".to_owned()),
            error => error,
        })
    }

    /// The remembered leader at first, then one node after the other.
    pub(crate) fn candidate(&self, group: GroupNumber, tried: usize) -> Option<(u64, Arc<dyn StoreNode>)> {
        let nodes = self.nodes.read();
        let remembered = self.leader(group);
        if let Some(found) = remembered.and_then(|id| nodes.get(&id).map(|node| (id, Arc::clone(node)))) {
            return Some(found);
        }
        let at = (group.0 as usize + tried).checked_rem(nodes.len())?;
        nodes.iter().nth(at).map(|(id, node)| (*id, Arc::clone(node)))
    }

    fn remember_leader(&self, group: GroupNumber, id: u64) {
        if self.leaders.read().get(&group) != Some(&id) && self.nodes.read().contains_key(&id) {
            self.leaders.write().insert(group, id);
        }
    }
}

/// An answer of another kind than the question asks for.
pub(crate) fn unexpected(answer: &Answer) -> StoreError {
    StoreError::Malformed(format!("unexpected answer: {answer:?}"))
}
