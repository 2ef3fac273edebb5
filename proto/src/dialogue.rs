//! What a queue worker says to mail servers and hears from them, for people who watch one message while it is delivered.
//!
//! A worker offers it to the administration of its own process. Never credentials nor content: the SMTP client leaves them out.

use std::fmt::Debug;

use futures::stream::BoxStream;
use yubin_types::{QueueId, Timestamp};

/// A queue worker of this process, as whoever watches sees it.
pub trait Dialogues: Send + Sync + Debug {
    /// The worker's name.
    fn worker(&self) -> &str;
    /// What is said about a message from now on, until one of its deliveries has ended an attempt. `None`: too many watch already.
    fn watch(&self, id: QueueId) -> Option<BoxStream<'static, DialogueLine>>;
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogueLine {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: DialogueKind,
    /// Printable, without line end.
    pub text: String,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogueKind {
    /// Said to the server.
    Sent,
    /// Heard from it.
    Received,
    /// What happened.
    Note,
    /// What the attempt came to; one for each recipient, then nothing more.
    Outcome,
}
