//! News of each group: topics of what was applied, for whoever listens on this node.
//!
//! A listener that is too slow is told to look at everything instead: nothing is ever lost silently, and nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use parking_lot::RwLock;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use yubin_consensus::GroupId;
use yubin_proto::{WatchEvent, WatchStream};

/// Entries a listener may lag behind before it must resync.
const ENTRIES_QUEUED_MAX: usize = 4_096;

#[derive(Clone)]
enum Item {
    Topics(Arc<[u64]>),
    Resync,
}

/// All groups' news.
#[derive(Default)]
pub(crate) struct News {
    groups: RwLock<BTreeMap<GroupId, broadcast::Sender<Item>>>,
}

impl News {
    /// Something was applied. Called from the apply path: no waiting, and nearly nothing while nobody listens.
    pub(crate) fn tell(&self, group: GroupId, topics: &[u64]) {
        if !topics.is_empty() {
            self.send(group, || Item::Topics(topics.into()));
        }
    }

    /// The group's state was replaced as a whole.
    pub(crate) fn resync(&self, group: GroupId) {
        self.send(group, || Item::Resync);
    }

    /// A group's news from now on.
    pub(crate) fn listen(&self, group: GroupId) -> WatchStream {
        let receiver = {
            let mut groups = self.groups.write();
            groups.entry(group).or_insert_with(|| broadcast::channel(ENTRIES_QUEUED_MAX).0).subscribe()
        };
        Box::pin(BroadcastStream::new(receiver).map(|item| match item {
            Ok(Item::Topics(topics)) => WatchEvent::Changed(topics.to_vec()),
            Ok(Item::Resync) | Err(_) => WatchEvent::Resync,
        }))
    }

    fn send(&self, group: GroupId, item: impl FnOnce() -> Item) {
        let groups = self.groups.read();
        if let Some(sender) = groups.get(&group)
            && sender.receiver_count() > 0
        {
            // It fails only when the last listener has just left.
            drop(sender.send(item()));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use yubin_consensus::GroupId;
    use yubin_proto::WatchEvent;

    use super::{ENTRIES_QUEUED_MAX, News};

    #[tokio::test]
    async fn a_slow_listener_is_told_to_resync() {
        let news = News::default();
        let mut listener = news.listen(GroupId(1));
        let mut other = news.listen(GroupId(2));
        for topic in 0..=ENTRIES_QUEUED_MAX as u64 {
            news.tell(GroupId(1), &[topic]);
        }
        assert_eq!(listener.next().await, Some(WatchEvent::Resync));
        assert_eq!(listener.next().await, Some(WatchEvent::Changed(vec![1])));
        news.tell(GroupId(2), &[7, 8]);
        assert_eq!(other.next().await, Some(WatchEvent::Changed(vec![7, 8])));
    }
}
