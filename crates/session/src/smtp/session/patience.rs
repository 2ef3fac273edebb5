//! How long an SMTP peer is waited for.
//!
//! Each command has `SMTP_IDLE_SECONDS_MAX` from when it is waited for to its last octet, a message its own rate (`receive`). So that
//! nobody keeps a connection by commands that lead to nothing, a peer has `PREAUTH_SECONDS_MAX` to log in or to name a sender that is
//! accepted, and later `SMTP_FRUITLESS_SECONDS_MAX` from one message that is taken to the next. Where places are scarce, who is not
//! logged in has `SCARCE_IDLE_SECONDS_MAX` for each command, and may not be silent for longer in a message. LMTP is for own machines,
//! which may keep their connections.

use yubin_types::{Timestamp, limits};

use super::{Envelope, Peer, Phase, Running, SmtpSession};
use crate::smtp::contract::{Ask, Listener};
use crate::step::Step;

/// Since when the session waits.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// For the current command.
    command: Option<Timestamp>,
    /// For a message that is taken.
    fruit: Option<Timestamp>,
}

impl SmtpSession {
    /// A command or an answer arrived: waiting starts anew.
    pub(in crate::smtp) fn heard(&mut self) {
        self.patience.command = None;
    }

    /// A message was taken.
    pub(in crate::smtp) fn bore_fruit(&mut self) {
        self.patience.fruit = None;
    }

    /// Waits for the peer, if there is anything to wait for; for a message that comes in, until `deadline`.
    pub(in crate::smtp) fn wait(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> Option<Step<Ask>> {
        let left_ms = self.last_moment(now, deadline).millis_since(now);
        match self.peer {
            Peer::Gone => self.phase = Phase::Closed,
            Peer::Silent => self.lose_patience(),
            Peer::Present if left_ms == 0 => self.lose_patience(),
            Peer::Present if self.running == Running::Draining && self.between_transactions() => {
                self.close("421 4.3.2 Service is restarting; try again");
            }
            Peer::Present => {
                let seconds_max = left_ms.div_ceil(1_000).min(limits::SMTP_IDLE_SECONDS_MAX);
                return Some(Step::Read { seconds_max });
            }
        }
        None
    }

    fn last_moment(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> Timestamp {
        let command = *self.patience.command.get_or_insert(now);
        let fruit = *self.patience.fruit.get_or_insert(now);
        let own = deadline.unwrap_or_else(|| command.plus_seconds(limits::SMTP_IDLE_SECONDS_MAX));
        if self.config.listener == Listener::Lmtp {
            own
        } else if self.is_unknown() {
            own.min(fruit.plus_seconds(limits::PREAUTH_SECONDS_MAX))
        } else if deadline.is_none() {
            own.min(fruit.plus_seconds(limits::SMTP_FRUITLESS_SECONDS_MAX))
        } else {
            own
        }
    }

    /// Has the peer neither logged in nor named a sender that was accepted?
    const fn is_unknown(&self) -> bool {
        self.client.user.is_none() && self.tally.transactions == 0
    }

    /// How long the peer may be silent where places are scarce, seconds.
    pub(super) fn scarce_seconds(&self, now: Timestamp) -> Option<u64> {
        if self.client.user.is_some() || self.config.listener == Listener::Lmtp {
            return None;
        }
        let since = match self.phase {
            Phase::Receiving(_) => now,
            _ => self.patience.command.unwrap_or(now),
        };
        Some(limits::SCARCE_IDLE_SECONDS_MAX.saturating_sub(now.millis_since(since) / 1_000))
    }

    /// The peer is too slow. Between transactions that is its right.
    fn lose_patience(&mut self) {
        let line = "421 4.4.2 Timeout; closing connection";
        if self.tally.transactions > 0 && self.between_transactions() { self.close(line) } else { self.dismiss(line) }
    }

    fn between_transactions(&self) -> bool {
        matches!(self.phase, Phase::Command(Envelope::None) | Phase::Sasl(_))
    }
}
