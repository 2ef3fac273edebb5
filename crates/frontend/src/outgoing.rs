//! What waits to be sent to a peer: pieces in order, sent together with one system call where the socket can do that.
//!
//! Bounded by the driver, which sends as soon as [`Outgoing::is_full`]: a peer that does not read stops the session, not the memory. A
//! peer that reads too slowly is given up: `WRITE_SECONDS_MAX` and a second for each `WRITE_BYTES_PER_SECOND_MIN`.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use yubin_types::limits;

/// Pieces given to one system call.
const SLICES_MAX: usize = 16;

/// Bytes on their way to the peer.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Adds a piece.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Must it be sent before more is added?
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes >= limits::OUTGOING_BYTES_MAX
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Sends everything. Safe to drop half way: what was sent is gone from the queue.
    ///
    /// # Errors
    /// The peer went away, or is too slow.
    pub(crate) async fn send(&mut self, peer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let seconds = limits::WRITE_SECONDS_MAX + self.bytes as u64 / limits::WRITE_BYTES_PER_SECOND_MIN;
        self.send_within(Duration::from_secs(seconds), peer).await
    }

    async fn send_within(&mut self, patience: Duration, peer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let sent = tokio::time::timeout(patience, self.send_all(peer));
        sent.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn send_all(&mut self, peer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !self.is_empty() {
            let written = if self.pieces.len() > 1 && peer.is_write_vectored() {
                let mut slices = [io::IoSlice::new(&[]); SLICES_MAX];
                slices.iter_mut().zip(&self.pieces).for_each(|(slice, piece)| *slice = io::IoSlice::new(piece));
                peer.write_vectored(&slices).await?
            } else {
                peer.write(self.pieces.front().map_or(&[][..], |piece| piece)).await?
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        peer.flush().await
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(front) = self.pieces.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.pieces.pop_front();
        }
        // An idle connection keeps no memory for its queue.
        self.pieces = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::io::AsyncReadExt as _;

    use super::Outgoing;

    #[tokio::test]
    async fn pieces_arrive_in_order_however_small_the_pipe() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let mut outgoing = Outgoing::default();
        let expected: String = (0..100).map(|i| format!("line {i}\r\n")).collect();
        for i in 0..100 {
            outgoing.push(Bytes::from(format!("line {i}\r\n")));
        }
        outgoing.push(Bytes::new());
        let reader = tokio::spawn(async move {
            let mut all = String::new();
            far.read_to_string(&mut all).await.unwrap();
            all
        });
        outgoing.send(&mut near).await.unwrap();
        assert!(outgoing.is_empty());
        drop(near);
        assert_eq!(reader.await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let mut outgoing = Outgoing::default();
        outgoing.push(Bytes::from_static(b"more than seven"));
        let error = outgoing.send_within(Duration::from_millis(50), &mut near).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        // What the pipe took is gone from the queue, the rest is not.
        drop(tokio::spawn(async move { outgoing.send(&mut near).await }));
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "more than seven");
    }
}
