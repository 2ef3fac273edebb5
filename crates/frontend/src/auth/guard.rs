//! Who guesses passwords waits: the counts of [`yubin_policy::guessing`], kept by this front end for all its connections.

use std::net::IpAddr;

use parking_lot::Mutex;
use yubin_policy::LoginDenial;
use yubin_policy::guessing::{Attempt, Counted, Guessing, GuessingRule, Wait};
use yubin_types::Secret;

use crate::driver::now;

/// The counts, if there is a rule.
#[derive(Debug)]
pub(super) struct Guard {
    guessing: Option<Mutex<Guessing>>,
}

/// A login that is tried: from where, and as whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess<'a> {
    /// Nobody's is never counted.
    pub(super) peer: Option<IpAddr>,
    /// All spellings of an address alike.
    pub(super) user: &'a str,
}

impl Guard {
    pub(super) fn new(rule: Option<GuessingRule>) -> Self {
        Guard { guessing: rule.map(|rule| Mutex::new(Guessing::new(rule, rand::random()))) }
    }

    /// May the login be tried?
    pub(super) fn admit(&self, guess: Guess<'_>) -> Result<(), LoginDenial> {
        self.ask(guess, |guessing, attempt| guessing.admit(attempt)).unwrap_or(Ok(())).map_err(denial)
    }

    /// The password was right: may it be said?
    pub(super) fn right(&self, guess: Guess<'_>) -> Result<(), LoginDenial> {
        self.ask(guess, Guessing::right).unwrap_or(Ok(())).map_err(denial)
    }

    /// The password was wrong; a proof doesn't show which one it was.
    pub(super) fn wrong(&self, guess: Guess<'_>, password: Option<&Secret>) {
        let counted = self.ask(guess, |guessing, attempt| guessing.wrong(attempt, password));
        if counted == Some(Counted::Last) {
            tracing::info!(user = guess.user, "too many wrong passwords: logins are refused for a time");
        }
    }

    fn ask<T>(&self, guess: Guess<'_>, ask: impl FnOnce(&mut Guessing, Attempt<'_>) -> T) -> Option<T> {
        let (guessing, peer) = (self.guessing.as_ref()?, guess.peer?);
        Some(ask(&mut guessing.lock(), Attempt { peer, user: guess.user, now: now() }))
    }
}

fn denial(wait: Wait) -> LoginDenial {
    LoginDenial::TooManyFailures { wait_seconds: wait.seconds }
}
