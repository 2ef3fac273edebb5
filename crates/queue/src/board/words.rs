//! Why a destination's mail waits: what the board knows of it, for those whose mail is put off.
//!
//! Of a destination that gives trouble the last thing is kept that was heard, as long as its lane is remembered. Others' mail may be told it, too, so
//! words that name an address are left out.

use yubin_session::smtp::client::Verdict;
use yubin_state::queue::{DeliveryKey, RemoteReply, WaitCause, Waits};
use yubin_types::{DestinationName, Timestamp};

use super::Board;
use crate::fate::Tried;
use crate::lane::Outlook;

impl Board {
    /// An attempt at a destination that gives trouble came to this.
    pub(crate) fn heard(&mut self, destination: &DestinationName, tried: &Tried) {
        let Some(lane) = self.lanes.get_mut(destination) else { return };
        let troubled =
            tried.fates.iter().rev().find(|fate| matches!(fate.verdict, Verdict::Deferred | Verdict::Unknown));
        if let Some(fate) = troubled {
            lane.heard = Some(for_everybody(fate.reply.clone()));
        }
    }

    /// The last thing that was heard from a destination, if it gives trouble.
    pub(crate) fn last_word(&self, destination: &DestinationName) -> Option<&RemoteReply> {
        self.lanes.get(destination)?.heard.as_ref()
    }

    /// Why a delivery can't begin that the board puts off.
    pub(crate) fn waits(&self, now: Timestamp, key: &DeliveryKey) -> Waits {
        let lane = self.lanes.get(&key.destination);
        let pauses = lane.is_some_and(|lane| lane.paths.values().any(|path| path.pauses(now).is_some()));
        let cause = match self.outlook(now, key) {
            _ if pauses => WaitCause::Paused,
            Outlook::NotBefore(_) => WaitCause::NoSource,
            Outlook::Open | Outlook::Full => WaitCause::Crowded,
        };
        Waits { cause, heard: self.last_word(&key.destination).cloned() }
    }
}

/// Words that name an address are about somebody's mail; so is the connection.
fn for_everybody(mut reply: RemoteReply) -> RemoteReply {
    reply.way = None;
    if reply.text.contains('@') {
        reply.text.clear();
    }
    reply
}

#[cfg(test)]
mod tests {
    use yubin_state::queue::RemoteReply;
    use yubin_types::Timestamp;

    use super::for_everybody;

    #[test]
    fn what_names_an_address_is_not_told_to_others() {
        let reply = |text: &str| RemoteReply {
            code: 451,
            enhanced: None,
            text: text.to_owned(),
            host: "mx.a.example[192.0.2.1]".to_owned(),
            at: Timestamp(1),
            way: None,
        };
        assert_eq!(for_everybody(reply("too many from 192.0.2.7")), reply("too many from 192.0.2.7"));
        assert_eq!(for_everybody(reply("<a@b.example> sends too much")), reply(""));
    }
}
