//! The bytes that an attempt sends: the queued message as it is, or downgraded to 7 bits for a server that takes no others.
//!
//! A downgrade is made in memory, once for an attempt, of messages up to `DOWNGRADE_BYTES_MAX`; larger ones, and those that can't be said
//! in ASCII, stay what they are, and the server's lack is the sender's to hear of (5.6.3).

use bytes::Bytes;
use yubin_message::downgrade;
use yubin_types::limits;

use crate::body::QueuedBody;
use crate::connection::{Message, Piece};

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Queued(QueuedBody),
    SevenBit { queued: QueuedBody, bytes: Bytes },
}

impl Source {
    /// Size of what is sent, bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Source::Queued(queued) => queued.length(),
            Source::SevenBit { bytes, .. } => bytes.len() as u64,
        }
    }

    /// From the beginning again.
    pub(crate) fn rewound(&self) -> Source {
        match self {
            Source::Queued(queued) => Source::Queued(queued.rewound()),
            Source::SevenBit { .. } => self.clone(),
        }
    }

    /// The same in 7 bits; `None` if it is that already, or can't be.
    pub(crate) async fn downgraded(&self) -> Option<Source> {
        let Source::Queued(queued) = self else { return None };
        if queued.length() > limits::DOWNGRADE_BYTES_MAX {
            return None;
        }
        let whole = queued.beginning(usize::try_from(queued.length()).ok()?).await.ok()?;
        let bytes = downgrade(&whole).map(Bytes::from)?;
        Some(Source::SevenBit { queued: queued.clone(), bytes })
    }
}

impl Message for Source {
    async fn next(&mut self) -> Option<Piece> {
        match self {
            Source::Queued(queued) => queued.next().await,
            Source::SevenBit { queued, bytes } => {
                queued.handed_out();
                Some(Piece::Last(bytes.clone()))
            }
        }
    }
}
