//! What a POP3 session is told when it starts, what it asks of the rim, and what the rim answers.
//!
//! `Login` authenticates, takes the exclusive lock on the maildrop and is answered with its first messages; `Listing` asks for more
//! of them until there are none. `Body` pulls a message piece by piece. `Commit` deletes, under the lock; `Release` gives the lock back
//! before QUIT is answered, so that whoever read the answer may come again at once. `Close` of the session, however it comes,
//! releases a lock that is still held without a question.
//!
//! Every question gets exactly one answer: [`Answer::Refused`] with what to say after `-ERR`, or the one named with the question.

use bytes::Bytes;
use yubin_types::{EmailId, ResponseText, Uid, UidSet};

use crate::sasl::{self, Claim, TokenLogin};
use crate::security::{PlaintextLogin, Security};

/// What a session needs to know of its listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name in the greeting; a host name.
    pub hostname: String,
    /// What protects the connection at its start.
    pub security: Security,
    /// May a password be sent without TLS?
    pub plaintext_login: PlaintextLogin,
    /// May a token stand in place of a password?
    pub tokens: TokenLogin,
}

/// What a session asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// In the middle of a SASL exchange. → [`Answer::Sasl`].
    Sasl(sasl::Question),
    /// Verify a login and lock its INBOX. → [`Answer::Listing`] with the first messages.
    Login(Claim),
    /// Messages of the locked maildrop from this UID on. → [`Answer::Listing`].
    Listing {
        /// The lowest UID of interest.
        from: Uid,
    },
    /// A piece of a message. → [`Answer::Body`], not empty.
    Body {
        /// Which.
        uid: Uid,
        /// From this octet on.
        offset: u64,
        /// At most so many octets; fewer are fine.
        bytes_max: usize,
    },
    /// QUIT: remove these messages if the lock still holds, all or none. → [`Answer::Committed`].
    Commit {
        /// Never empty, at most `MESSAGES_PER_COMMAND_MAX`; the session asks again for the rest.
        uids: UidSet,
    },
    /// QUIT: nothing more is to do under the lock. → [`Answer::Released`].
    Release,
}

/// A message of the maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its UID in INBOX.
    pub uid: Uid,
    /// Its size, bytes.
    pub bytes: u64,
    /// Its unique id: UIDL tells the 32 hex digits.
    pub email_id: EmailId,
}

/// What the rim answers.
#[derive(Debug)]
pub enum Answer {
    /// To a question of a SASL exchange.
    Sasl(sasl::Reply),
    /// Messages in UID order; `next` is where to ask on.
    Listing {
        /// At most `ROWS_PER_FRAME_MAX`.
        entries: Vec<Entry>,
        /// The UID to ask from, if there are more.
        next: Option<Uid>,
    },
    /// A piece of a message.
    Body(Bytes),
    /// All of them are gone, durably.
    Committed,
    /// Another session may have the lock.
    Released,
    /// No, and this is what goes after `-ERR `.
    Refused(ResponseText),
    /// An event: the session is over (account suspended, password changed, lock lost); `-ERR` with this, then close.
    Ended(ResponseText),
}
