//! How long a client may be silent, and what it is told meanwhile.
//!
//! Before login a client has little time in all; after it, half an hour between two commands. A client in IDLE is silent on purpose: it
//! is told every `IMAP_STILL_HERE_SECONDS` that the session is still there, and has half an hour too (RFC 2177: it comes again within 29
//! minutes).

use yubin_types::{Timestamp, limits};

use super::{Activity, Ending, ImapSession, Waiting};
use crate::Step;
use crate::imap::ask::Ask;

/// Did a client whom the session tells that it is still there stay silent until it is to be told again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Short,
    Told,
}

impl ImapSession {
    /// Waits for the client, if it may still say something.
    pub(super) fn read(&mut self, now: Timestamp) -> Option<Step<Ask>> {
        if self.ending == Some(Ending::EndOfInput) {
            self.activity = Activity::Closed;
            return None;
        }
        if self.state.user.is_none() {
            return self.read_before_login(now);
        }
        let Some(text) = self.still_here() else {
            return Some(Step::Read { seconds_max: limits::IMAP_IDLE_SECONDS_MAX });
        };
        let silent = now.millis_since(self.heard.unwrap_or(now)) / 1_000;
        let left = limits::IMAP_IDLE_SECONDS_MAX.saturating_sub(silent);
        if left == 0 {
            self.ending = Some(Ending::TimedOut);
            return None;
        }
        if std::mem::replace(&mut self.silence, Silence::Short) == Silence::Told {
            self.out.text("* OK ").text(text).text("\r\n");
            return None;
        }
        Some(Step::Read { seconds_max: left.min(limits::IMAP_STILL_HERE_SECONDS) })
    }

    fn read_before_login(&mut self, now: Timestamp) -> Option<Step<Ask>> {
        let opened = *self.opened.get_or_insert(now);
        let left = limits::PREAUTH_SECONDS_MAX.saturating_sub(now.millis_since(opened) / 1_000);
        if left == 0 {
            self.bye(Ending::TimedOut.text());
            return None;
        }
        Some(Step::Read { seconds_max: left.min(limits::PREAUTH_IDLE_SECONDS_MAX) })
    }

    /// The client was silent for as long as the last step allowed.
    pub(super) fn was_silent(&mut self) {
        match self.still_here() {
            Some(_) => self.silence = Silence::Told,
            None => self.ending = Some(Ending::TimedOut),
        }
    }

    /// What a client that is silent now is to be told in a while.
    fn still_here(&self) -> Option<&'static str> {
        match &self.activity {
            Activity::Running { command, waiting: Waiting::Line, .. } => command.still_here(),
            _ => None,
        }
    }
}
