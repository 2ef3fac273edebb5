//! Wake-ups for sessions: one stream per group that anybody here listens to, fanned out by topic.
//!
//! A wake-up says "look", never what changed: the listener asks for changes since the MODSEQ it knows, so a spurious or merged wake-up
//! costs a question and a lost one can't happen: whenever the stream breaks or overflows, everybody is woken. The stream of a group is
//! opened with its first subscription and closed after its last.
//!
//! A node that no longer follows its group, because its peers don't reach it or its replica is faulted, tells nothing. So while a stream
//! is silent the group is asked who leads it, and the stream is opened again there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::Notify;
use yubin_state::Query;
use yubin_types::GroupNumber;

use crate::client::StoreClient;
use crate::contract::{Scope, StoreNode, WatchEvent, WatchStream};

/// Pause before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// How often a silent stream's listeners are counted, and who leads is asked.
const IDLE_LOOK: Duration = Duration::from_secs(10);

/// Who listens, by group and topic.
#[derive(Debug, Default)]
pub(crate) struct WatchHub {
    groups: Mutex<BTreeMap<GroupNumber, Arc<GroupListeners>>>,
}

#[derive(Debug, Default)]
struct GroupListeners {
    topics: Mutex<HashMap<u64, Vec<Weak<Notify>>>>,
}

/// A place in the hub; dropping it leaves.
#[derive(Debug)]
pub struct Subscription {
    bell: Arc<Notify>,
    listeners: Arc<GroupListeners>,
    topics: Vec<u64>,
}

impl Subscription {
    /// Waits until something may have changed since the last call.
    pub async fn changed(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut topics = self.listeners.topics.lock();
        for topic in &self.topics {
            if let Some(bells) = topics.get_mut(topic) {
                bells.retain(|bell| !std::ptr::eq(bell.as_ptr(), Arc::as_ptr(&self.bell)));
                if bells.is_empty() {
                    topics.remove(topic);
                }
            }
        }
    }
}

impl WatchHub {
    pub(crate) fn new() -> Self {
        WatchHub::default()
    }

    pub(crate) fn subscribe(&self, client: &Arc<StoreClient>, group: GroupNumber, topics: &[u64]) -> Subscription {
        let bell = Arc::new(Notify::new());
        let mut groups = self.groups.lock();
        let listeners = Arc::clone(groups.entry(group).or_insert_with(|| {
            let listeners = Arc::new(GroupListeners::default());
            tokio::spawn(listen(Arc::downgrade(client), group, Arc::clone(&listeners)));
            listeners
        }));
        {
            let mut by_topic = listeners.topics.lock();
            for &topic in topics {
                by_topic.entry(topic).or_default().push(Arc::downgrade(&bell));
            }
        }
        Subscription { bell, listeners, topics: topics.to_vec() }
    }

    /// Closes a group's place if nobody listens there any more. Final: whoever subscribes later gets a new place.
    fn retire(&self, group: GroupNumber, listeners: &Arc<GroupListeners>) -> bool {
        let mut groups = self.groups.lock();
        if !groups.get(&group).is_some_and(|current| Arc::ptr_eq(current, listeners)) {
            return true;
        }
        let idle = listeners.topics.lock().is_empty();
        if idle {
            groups.remove(&group);
        }
        idle
    }
}

impl GroupListeners {
    fn wake(&self, topics: &[u64]) {
        let by_topic = self.topics.lock();
        for bell in topics.iter().filter_map(|topic| by_topic.get(topic)).flatten().filter_map(Weak::upgrade) {
            bell.notify_one();
        }
    }

    fn wake_all(&self) {
        let bells: Vec<_> = self.topics.lock().values().flatten().filter_map(Weak::upgrade).collect();
        bells.iter().for_each(|bell| bell.notify_one());
    }
}

/// Keeps one group's stream open while anybody listens.
async fn listen(client: Weak<StoreClient>, group: GroupNumber, listeners: Arc<GroupListeners>) {
    let mut attempt = 0;
    while let Some(alive) = client.upgrade() {
        if alive.watch_retire(group, &listeners) {
            return;
        }
        let candidate = alive.candidate(group, attempt);
        drop(alive);
        if let Some((id, mut news)) = open(candidate, group).await {
            // Whatever was applied before the stream began has to be looked for.
            listeners.wake_all();
            while let Some(event) = next(&mut news, id, &client, group, &listeners).await {
                match event {
                    WatchEvent::Changed(topics) => listeners.wake(&topics),
                    WatchEvent::Resync => listeners.wake_all(),
                }
            }
            listeners.wake_all();
        }
        attempt += 1;
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}

/// Opens a stream; the node itself is not held on to.
async fn open(candidate: Option<(u64, Arc<dyn StoreNode>)>, group: GroupNumber) -> Option<(u64, WatchStream)> {
    let (id, node) = candidate?;
    Some((id, node.watch(group).await.ok()?))
}

/// The next event of a node's stream; `None` when it ended or is to be opened elsewhere.
async fn next(
    news: &mut WatchStream,
    node: u64,
    client: &Weak<StoreClient>,
    group: GroupNumber,
    listeners: &Arc<GroupListeners>,
) -> Option<WatchEvent> {
    loop {
        tokio::select! {
            biased;
            event = news.next() => return event,
            stream = look(node, client, group, listeners) => {
                if stream == Stream::Elsewhere {
                    return None;
                }
            }
        }
    }
}

/// Where a silent stream belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Here,
    /// At another node, or nowhere, since nobody listens.
    Elsewhere,
}

/// Looks after a while whether the stream is still at the right node.
async fn look(node: u64, client: &Weak<StoreClient>, group: GroupNumber, listeners: &Arc<GroupListeners>) -> Stream {
    tokio::time::sleep(IDLE_LOOK).await;
    let Some(alive) = client.upgrade() else { return Stream::Elsewhere };
    if alive.watch_retire(group, listeners) {
        return Stream::Elsewhere;
    }
    // Nobody else may be asking this group: without a question a leader that was deposed would be believed for ever.
    let any = alive.query(Scope { group, ..Scope::DIRECTORY }, Query::Setting(String::new())).await;
    let moved = any.is_ok() && alive.leader(group).is_some_and(|leader| leader != node);
    if moved { Stream::Elsewhere } else { Stream::Here }
}

impl StoreClient {
    fn watch_retire(&self, group: GroupNumber, listeners: &Arc<GroupListeners>) -> bool {
        self.hub().retire(group, listeners)
    }
}
