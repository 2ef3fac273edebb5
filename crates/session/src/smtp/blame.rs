//! What a peer did wrong since something last came of its session, for whoever writes down why nothing came of it.
//!
//! In the words that the peer was told. A transaction that is opened and a message that is taken settle what was before. What the rim refuses is not
//! in it: the rim knows.

use super::violation::Violation;

/// What is held against a peer.
#[derive(Debug, Default)]
pub(super) struct Blame {
    last: Option<&'static str>,
    end: Option<&'static str>,
}

impl Blame {
    /// The peer was told this.
    pub(super) const fn note(&mut self, reply: &'static str) {
        self.last = Some(reply);
    }

    /// A breach of the protocol; what only follows from refusals that the rim knows is none.
    pub(super) const fn violated(&mut self, violation: Violation) {
        if !matches!(violation, Violation::NoValidRecipients | Violation::TooManyRecipients) {
            self.note(violation.reply());
        }
    }

    /// The session was ended with this.
    pub(super) const fn end(&mut self, reply: &'static str) {
        self.end = Some(reply);
    }

    /// All is well again.
    pub(super) fn settle(&mut self) {
        *self = Blame::default();
    }

    /// In words; none if there is nothing.
    pub(super) fn text(&self) -> Option<String> {
        match (self.end, self.last) {
            (Some(end), Some(last)) => Some(format!("{end} (the last error: {last})")),
            (one, other) => one.or(other).map(str::to_owned),
        }
    }
}
