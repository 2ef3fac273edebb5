//! What waits to be sent on a stream, gathered into messages: whatever is there travels together, and nothing waits for more.

use std::task::Poll;

use futures::Stream;
use tokio::sync::mpsc;

/// Items in one message at most.
const ITEMS_MAX: usize = 64;
/// Bytes after which a message takes no further item.
pub(super) const BYTES_FULL: usize = 256 * 1024;

/// The items of a queue in groups that are never empty, in order. Ends when the queue is closed and empty.
///
/// A group is full with [`ITEMS_MAX`] items or once they have [`BYTES_FULL`] bytes; a single item may be longer.
pub(super) fn groups<T: Send + 'static>(
    mut queue: mpsc::Receiver<T>,
    bytes: impl Fn(&T) -> usize + Send + 'static,
) -> impl Stream<Item = Vec<T>> + Send + 'static {
    futures::stream::poll_fn(move |context| {
        let (mut group, mut weight) = (Vec::new(), 0);
        while group.len() < ITEMS_MAX && weight < BYTES_FULL {
            match queue.poll_recv(context) {
                Poll::Ready(Some(item)) => {
                    weight += bytes(&item);
                    group.push(item);
                }
                Poll::Pending if group.is_empty() => return Poll::Pending,
                Poll::Pending | Poll::Ready(None) => break,
            }
        }
        Poll::Ready((!group.is_empty()).then_some(group))
    })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::sync::mpsc;

    use super::{BYTES_FULL, ITEMS_MAX, groups};

    async fn gathered(sizes: &[usize]) -> Vec<Vec<usize>> {
        let (sender, receiver) = mpsc::channel(sizes.len().max(1));
        sizes.iter().for_each(|&size| sender.try_send(size).unwrap());
        drop(sender);
        groups(receiver, |size| *size).collect().await
    }

    #[tokio::test]
    async fn what_waits_goes_together_and_in_order() {
        assert_eq!(gathered(&[1, 2, 3]).await, [[1, 2, 3]]);
        assert!(gathered(&[]).await.is_empty());
    }

    #[tokio::test]
    async fn a_group_is_bounded_in_items_and_bytes() {
        let lengths: Vec<usize> = gathered(&[1; ITEMS_MAX + 1]).await.iter().map(Vec::len).collect();
        assert_eq!(lengths, [ITEMS_MAX, 1]);
        assert_eq!(gathered(&[BYTES_FULL - 1, BYTES_FULL, 1]).await, [vec![BYTES_FULL - 1, BYTES_FULL], vec![1]]);
    }

    #[tokio::test]
    async fn a_single_item_does_not_wait_for_a_second() {
        let (sender, receiver) = mpsc::channel(2);
        let mut groups = Box::pin(groups(receiver, |size| *size));
        sender.send(1).await.unwrap();
        assert_eq!(groups.next().await, Some(vec![1]));
        sender.send(2).await.unwrap();
        assert_eq!(groups.next().await, Some(vec![2]));
    }
}
