//! The bytes that an attempt sends: signatures made here, then the queued message as it is, or downgraded to 7 bits for a server that takes
//! no others.
//!
//! A downgrade is made in memory, once for an attempt, of messages up to `DOWNGRADE_BYTES_MAX`; larger ones, and those that can't be said
//! in ASCII, stay what they are, and the server's lack is the sender's to hear of (5.6.3).

use std::mem;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use yubin_message::downgrade;
use yubin_proto::{BodyStream, LargeBody as _};
use yubin_types::limits;

use crate::body::QueuedBody;
use crate::connection::{Message, Piece};

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// DKIM-Signature fields; of one that is being sent, what is left of them.
    signatures: Bytes,
    content: Content,
}

/// The message without what is put before it.
#[derive(Clone, Debug)]
enum Content {
    Queued(QueuedBody),
    SevenBit { queued: QueuedBody, bytes: Bytes },
}

impl Source {
    /// The message as it was queued.
    pub(crate) fn queued(body: QueuedBody) -> Source {
        Source { signatures: Bytes::new(), content: Content::Queued(body) }
    }

    /// The same behind these signatures.
    pub(crate) fn signed(self, signatures: Bytes) -> Source {
        Source { signatures, ..self }
    }

    /// Is it in 7 bits because a server takes no others?
    pub(crate) fn is_downgraded(&self) -> bool {
        matches!(self.content, Content::SevenBit { .. })
    }

    /// Size of what is sent, bytes.
    pub(crate) fn length(&self) -> u64 {
        let content = match &self.content {
            Content::Queued(queued) => queued.length(),
            Content::SevenBit { bytes, .. } => bytes.len() as u64,
        };
        content + self.signatures.len() as u64
    }

    /// From the beginning again.
    pub(crate) fn rewound(&self) -> Source {
        let content = match &self.content {
            Content::Queued(queued) => Content::Queued(queued.rewound()),
            Content::SevenBit { .. } => self.content.clone(),
        };
        Source { signatures: self.signatures.clone(), content }
    }

    /// The message without its signatures, for who signs it.
    pub(crate) fn pieces(&self) -> BodyStream {
        match &self.content {
            Content::Queued(queued) => queued.apart().open(),
            Content::SevenBit { bytes, .. } => stream::iter([Ok(bytes.clone())]).boxed(),
        }
    }

    /// The same in 7 bits, unsigned; `None` if it is that already, or can't be.
    pub(crate) async fn downgraded(&self) -> Option<Source> {
        let Content::Queued(queued) = &self.content else { return None };
        if queued.length() > limits::DOWNGRADE_BYTES_MAX {
            return None;
        }
        let whole = queued.beginning(usize::try_from(queued.length()).ok()?).await.ok()?;
        let bytes = downgrade(&whole).map(Bytes::from)?;
        Some(Source { signatures: Bytes::new(), content: Content::SevenBit { queued: queued.clone(), bytes } })
    }
}

impl Message for Source {
    async fn next(&mut self) -> Option<Piece> {
        if !self.signatures.is_empty() {
            return Some(Piece::Middle(mem::take(&mut self.signatures)));
        }
        match &mut self.content {
            Content::Queued(queued) => queued.next().await,
            Content::SevenBit { queued, bytes } => {
                queued.handed_out();
                Some(Piece::Last(bytes.clone()))
            }
        }
    }
}
