//! What came of an attempt, for the delivery and for each of its recipients.

use std::sync::Arc;

use yubin_session::smtp::client::{Reply, Speaker, Stage, Verdict};
use yubin_state::queue::RemoteReply;

use crate::connection::{Connection, now};
use crate::pace::Signal;
use crate::profile::Profile;

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Tried {
    /// For each recipient of the delivery, in order.
    pub(crate) fates: Vec<Fate>,
    /// What it says about the destination.
    pub(crate) signal: Signal,
    /// Whose host was tried, if a profile knows.
    pub(crate) receiver: Option<Arc<Profile>>,
    /// Connections that are not used again: ended when all this is recorded, and before the delivery's lane is free.
    pub(crate) worn: Vec<Connection>,
}

/// What came of a recipient.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub(crate) verdict: Verdict,
    pub(crate) reply: RemoteReply,
    /// At which command a server said so.
    pub(crate) stage: Option<Stage>,
    pub(crate) handing: Handing,
    pub(crate) relay: RelayNotice,
}

/// Is the sender told that a server took the message over, without having asked for notices of success (RFC 2852 §4.1.4)?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RelayNotice {
    #[default]
    Unasked,
    /// The server knows of no deadline, or the sender wants to follow the message.
    Wanted,
}

/// Who answers for the sender's wish to hear of success from here on (RFC 3461 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handing {
    /// The next server, which takes such wishes over.
    NextServer,
    /// Nobody: it does not offer DSN.
    Lost,
    /// The message is in the recipient's mailbox.
    Mailbox,
}

impl Tried {
    /// The same for all recipients, from ourselves.
    pub(crate) fn all(count: usize, reply: &Reply, signal: Signal) -> Tried {
        let verdict = if reply.is_permanent() { Verdict::Refused } else { Verdict::Deferred };
        let fate = Fate::without_server(verdict, recorded(reply, ""));
        Tried { fates: vec![fate; count], signal, receiver: None, worn: Vec::new() }
    }
}

impl Fate {
    /// No server said it.
    pub(crate) fn without_server(verdict: Verdict, reply: RemoteReply) -> Fate {
        Fate { verdict, reply, stage: None, handing: Handing::Lost, relay: RelayNotice::Unasked }
    }

    /// Would another host have nothing else to say? A connection that ended before the end of the message, 421, and a server that does not
    /// offer what the message needs (which is no stage of the dialogue) are worth another.
    pub(crate) fn is_final(&self) -> bool {
        match self.verdict {
            Verdict::Delivered | Verdict::Unknown => true,
            Verdict::Refused => self.stage.is_some(),
            Verdict::Deferred => self.stage.is_some() && self.reply.code != 421,
        }
    }
}

/// A reply as the store keeps it.
pub(crate) fn recorded(reply: &Reply, host: &str) -> RemoteReply {
    let host = if reply.speaker == Speaker::Peer { host.to_owned() } else { String::new() };
    let (code, enhanced, text) = (reply.code, reply.status, reply.text().to_owned());
    RemoteReply { code, enhanced, text, host, at: now(), way: None }.bounded()
}
