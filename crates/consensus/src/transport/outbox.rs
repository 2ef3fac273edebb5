//! The queue in front of a wire: bounded by bytes, and emptied into frames.
//!
//! Senders wait while too many bytes are queued, so a slow peer slows its senders and takes no more
//! memory. One task takes what has gathered, of all groups, and sends it as one frame.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::limits::{FRAME_BYTES_MAX, OUTBOX_BYTES_MAX};
use super::peer::{Frame, Message};

/// The sending side. Cheap to clone; the queue closes when the last clone is gone.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
}

/// Room for one message of `bytes` in the queue.
pub(crate) struct Room {
    permit: OwnedSemaphorePermit,
    bytes: usize,
}

/// A message and the room it takes until a frame carries it away.
struct Queued {
    message: Message,
    room: Room,
}

/// The other end of the wire, or the task that fed it, is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Outbox {
    /// A queue that is emptied into `wire` until either side is gone. The returned future is that
    /// work; the caller spawns it.
    pub(crate) fn new(wire: mpsc::Sender<Frame>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(OUTBOX_BYTES_MAX));
        (Self { queue, room }, drain(waiting, wire))
    }

    /// Queues a message, after waiting for room. Messages of one sender keep their order.
    pub(crate) async fn send(&self, message: Message) -> Result<(), Closed> {
        let room = self.room(message.encoded_len()).await?;
        self.put(room, message)
    }

    /// Waits for room for a message of `bytes`. Giving up the wait loses nothing.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, Closed> {
        // A message larger than the whole queue takes all of it.
        let charge = u32::try_from(bytes.min(OUTBOX_BYTES_MAX)).map_err(|_| Closed)?;
        let permit = tokio::select! {
            biased;
            () = self.queue.closed() => return Err(Closed),
            permit = Arc::clone(&self.room).acquire_many_owned(charge) => permit.map_err(|_| Closed)?,
        };
        Ok(Room { permit, bytes })
    }

    /// Queues the message that `room` was made for.
    pub(crate) fn put(&self, room: Room, message: Message) -> Result<(), Closed> {
        self.queue.send(Queued { message, room }).map_err(|_| Closed)
    }

    /// Queues a message of a few bytes without waiting: for those that say a call is over.
    pub(crate) fn send_now(&self, message: Message) {
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(0) {
            let bytes = message.encoded_len();
            // A closed queue has nobody left to tell.
            let _ = self.put(Room { permit, bytes }, message);
        }
    }
}

async fn drain(mut waiting: mpsc::UnboundedReceiver<Queued>, wire: mpsc::Sender<Frame>) {
    let mut held: Option<Queued> = None;
    loop {
        let first = match held.take() {
            Some(queued) => queued,
            None => tokio::select! {
                biased;
                () = wire.closed() => return,
                queued = waiting.recv() => match queued {
                    Some(queued) => queued,
                    None => return,
                },
            },
        };
        let mut bytes = first.room.bytes;
        let mut messages = vec![first.message];
        let mut room = first.room.permit;
        while let Ok(next) = waiting.try_recv() {
            if bytes + next.room.bytes > FRAME_BYTES_MAX {
                held = Some(next);
                break;
            }
            bytes += next.room.bytes;
            messages.push(next.message);
            room.merge(next.room.permit);
        }
        if wire.send(Frame { messages }).await.is_err() {
            return;
        }
        drop(room);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::transport::peer::{Body, Chunk};

    fn message(call: u64, len: usize) -> Message {
        let data = Bytes::from(vec![0; len]);
        Message { group: 1, call, body: Some(Body::Chunk(Chunk { seq: 0, data })) }
    }

    #[tokio::test]
    async fn messages_that_wait_share_a_frame_and_keep_their_order() {
        let (wire, mut frames) = mpsc::channel(2);
        let (outbox, work) = Outbox::new(wire);
        for call in 0..10 {
            outbox.send(message(call, 10)).await.unwrap();
        }
        tokio::spawn(work);
        let frame = frames.recv().await.unwrap();
        let calls: Vec<u64> = frame.messages.iter().map(|m| m.call).collect();
        assert_eq!(calls, (0..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_frame_stays_below_its_cap_unless_one_message_is_larger() {
        let (wire, mut frames) = mpsc::channel(2);
        let (outbox, work) = Outbox::new(wire);
        for call in 0..3 {
            outbox.send(message(call, FRAME_BYTES_MAX / 2)).await.unwrap();
        }
        outbox.send(message(3, 2 * FRAME_BYTES_MAX)).await.unwrap();
        tokio::spawn(work);
        let mut sizes = Vec::new();
        for _ in 0..4 {
            sizes.push(frames.recv().await.unwrap().messages.len());
        }
        assert_eq!(sizes, [1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn a_sender_waits_when_the_queue_is_full() {
        let (wire, mut frames) = mpsc::channel(1);
        let (outbox, work) = Outbox::new(wire);
        outbox.send(message(0, OUTBOX_BYTES_MAX)).await.unwrap();
        let mut second = Box::pin(outbox.send(message(1, 1)));
        assert!(futures::poll!(&mut second).is_pending());
        tokio::spawn(work);
        assert_eq!(frames.recv().await.unwrap().messages.len(), 1);
        second.await.unwrap();
        assert_eq!(frames.recv().await.unwrap().messages.len(), 1);
    }

    #[tokio::test]
    async fn the_queue_closes_when_the_wire_does() {
        let (wire, frames) = mpsc::channel(1);
        let (outbox, work) = Outbox::new(wire);
        drop(frames);
        work.await;
        assert_eq!(outbox.send(message(0, 1)).await, Err(Closed));
    }
}
