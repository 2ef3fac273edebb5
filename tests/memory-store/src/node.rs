//! A node of one process without replication: commands are stamped and applied where they arrive, bodies are kept in a list.
//!
//! Searches know flags and sets of UIDs; what other programs mean is tested where they are run. Locks have no end, and changes are
//! told to whoever listens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tokio::sync::{Barrier, broadcast};
use yubin_proto::membership::{MembershipProgress, MembershipStep};
use yubin_proto::report_facts::FactsQuery;
use yubin_proto::{
    Body, LockAction, LogEntry, MailEvent, MailLogSearch, MessagePiece, MessageSource, NodeStatus, Proposal, Scope,
    SearchOutcome, SearchRequest, StoreError, StoreNode, WatchEvent, WatchStream,
};
use yubin_state::memory::Memory;
use yubin_state::query::RowDetail;
use yubin_state::{Answer, BodyRef, Decode as _, Encode as _, Position, Query, Reply, answer, apply};
use yubin_types::report::ReportFact;
use yubin_types::search::SearchKey;
use yubin_types::{AccountId, DomainId, FlagSet, GroupNumber, ModSeq, Refusal, Timestamp, Uid, UidSet};

/// The node.
#[derive(Debug)]
pub struct MemoryNode {
    groups: Mutex<BTreeMap<GroupNumber, Memory>>,
    bodies: Mutex<Vec<Bytes>>,
    locks: Mutex<HashMap<(DomainId, AccountId), [u8; 16]>>,
    topics: broadcast::Sender<(GroupNumber, Vec<u64>)>,
    index: AtomicU64,
    /// While set, nothing can be asked.
    pub down: AtomicBool,
    /// While set, nothing can be read; what is proposed is carried out.
    pub unreadable: AtomicBool,
    /// Where set, a piece of a message comes when so many are asked for at the same time.
    pub pieces_together: Mutex<Option<Arc<Barrier>>>,
}

impl MemoryNode {
    /// An empty one, which can be asked.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(MemoryNode {
            groups: Mutex::default(),
            bodies: Mutex::default(),
            locks: Mutex::default(),
            topics: broadcast::channel(1_000).0,
            index: AtomicU64::new(0),
            down: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
            pieces_together: Mutex::default(),
        })
    }

    fn up(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::Unavailable("test".into())) } else { Ok(()) }
    }

    fn readable(&self) -> Result<(), StoreError> {
        self.up()?;
        if self.unreadable.load(Ordering::SeqCst) { Err(StoreError::Unavailable("test".into())) } else { Ok(()) }
    }

    async fn keep(&self, body: &Body) -> BodyRef {
        let octets = match body {
            Body::Inline(bytes) => bytes.clone(),
            Body::Large(body) => {
                let pieces: Vec<Bytes> = body.open().try_collect().await.unwrap();
                pieces.concat().into()
            }
        };
        let mut bodies = self.bodies.lock();
        bodies.push(octets);
        BodyRef((bodies.len() as u64 - 1).to_be_bytes().into_iter().collect())
    }

    /// The octets of a body.
    ///
    /// # Panics
    /// When there is no such body.
    pub fn body(&self, body: &BodyRef) -> Bytes {
        let index = u64::from_be_bytes(body.0.as_slice().try_into().unwrap());
        self.bodies.lock()[index as usize].clone()
    }

    fn ask(&self, scope: Scope, query: &Query) -> Answer {
        let Ok(answer) = answer(self.groups.lock().entry(scope.group).or_default(), scope.domain, scope.epoch, query);
        answer
    }
}

#[async_trait]
impl StoreNode for MemoryNode {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, StoreError> {
        self.up()?;
        let mut bodies = Vec::new();
        for body in &proposal.bodies {
            bodies.push(self.keep(body).await);
        }
        let mut envelope = proposal.envelope;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        envelope.stamp = Timestamp(now.as_millis() as u64);
        let mut entry = envelope.encode();
        entry.extend_from_slice(&proposal.command);
        let position = Position { index: self.index.fetch_add(1, Ordering::SeqCst) + 1, term: 1 };
        let Ok(applied) = apply(self.groups.lock().entry(proposal.group).or_default(), position, &entry, &bodies);
        let topics = applied.topics.iter().map(|topic| topic.number()).collect();
        let _ = self.topics.send((proposal.group, topics));
        Ok(Reply::decode(&applied.reply).unwrap())
    }

    async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError> {
        self.readable()?;
        Ok(self.ask(scope, &query))
    }

    async fn search(&self, scope: Scope, request: SearchRequest) -> Result<SearchOutcome, StoreError> {
        self.up()?;
        let query = Query::Rows {
            login: request.login,
            mailbox: request.mailbox,
            uids: request.among,
            changed_since: None,
            detail: RowDetail::Hot,
        };
        Ok(match self.ask(scope, &query) {
            Answer::Rows { rows, .. } => {
                let found = rows.iter().filter(|row| matches(&request.key, row.uid, &row.hot.flags));
                SearchOutcome::Found { uids: found.map(|row| row.uid).collect(), highest_modseq: ModSeq(1) }
            }
            Answer::Refused(refusal) => SearchOutcome::Refused(refusal),
            other => panic!("{other:?}"),
        })
    }

    async fn read_message(&self, scope: Scope, piece: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError> {
        self.readable()?;
        let together = self.pieces_together.lock().clone();
        if let Some(together) = together {
            together.wait().await;
        }
        let MessageSource::Mailbox { login, mailbox, uid } = piece.source else {
            panic!("a front end reads mailboxes: {piece:?}")
        };
        let query = Query::Rows {
            login,
            mailbox,
            uids: UidSet::range(uid.0, uid.0),
            changed_since: None,
            detail: RowDetail::HotAndCold,
        };
        Ok(match self.ask(scope, &query) {
            Answer::Rows { mut rows, .. } => match rows.pop().and_then(|row| row.cold) {
                Some(cold) => {
                    let message = [cold.prefix, self.body(&cold.body)].concat();
                    let from = (piece.offset as usize).min(message.len());
                    let to = (from + piece.length as usize).min(message.len());
                    Ok(Bytes::copy_from_slice(&message[from..to]))
                }
                None => Err(Refusal::NotFound { what: "message".into() }),
            },
            Answer::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        })
    }

    async fn watch(&self, group: GroupNumber) -> Result<WatchStream, StoreError> {
        self.up()?;
        let news = futures::stream::unfold(self.topics.subscribe(), |mut news| async move {
            news.recv().await.ok().map(|event| (event, news))
        });
        let of_group = news.filter_map(move |(changed, topics)| async move {
            (changed == group).then_some(WatchEvent::Changed(topics))
        });
        Ok(Box::pin(of_group))
    }

    async fn lock(
        &self,
        scope: Scope,
        account: AccountId,
        token: [u8; 16],
        action: LockAction,
    ) -> Result<bool, StoreError> {
        self.up()?;
        let mut locks = self.locks.lock();
        let key = (scope.domain, account);
        let ours = locks.get(&key) == Some(&token);
        Ok(match action {
            LockAction::Take if locks.contains_key(&key) => ours,
            LockAction::Take => locks.insert(key, token).is_none(),
            LockAction::Renew => ours,
            LockAction::Release => {
                locks.retain(|_, held| *held != token);
                false
            }
        })
    }

    async fn membership(&self, _: MembershipStep) -> Result<MembershipProgress, StoreError> {
        Err(StoreError::Unavailable("one node alone".into()))
    }

    async fn log_mail(&self, _: Arc<[LogEntry]>) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("nobody carries the mail log here".into()))
    }

    async fn search_mail_log(&self, _: &MailLogSearch) -> Result<Vec<MailEvent>, StoreError> {
        Err(StoreError::Unavailable("nobody carries the mail log here".into()))
    }

    async fn report_facts(&self, _: &FactsQuery) -> Result<Vec<ReportFact>, StoreError> {
        Err(StoreError::Unavailable("nobody carries the mail log here".into()))
    }

    async fn status(&self) -> Result<NodeStatus, StoreError> {
        Ok(NodeStatus::default())
    }
}

fn matches(key: &SearchKey, uid: Uid, flags: &FlagSet) -> bool {
    match key {
        SearchKey::All => true,
        SearchKey::And(keys) => keys.iter().all(|key| matches(key, uid, flags)),
        SearchKey::Not(key) => !matches(key, uid, flags),
        SearchKey::Flag(flag) => flags.contains(flag),
        SearchKey::Uids(uids) => uids.contains(uid),
        other => panic!("{other:?}"),
    }
}
