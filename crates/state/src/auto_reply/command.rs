//! What can be proposed about an account's automatic reply.

use serde::{Deserialize, Serialize};
use yubin_types::LocalPart;

use super::record::AutoReply;

/// Commands on an account's automatic reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoReplyCommand {
    /// Sets it, in place of how it was set before. Another subject or text makes it new to everybody: who was answered is forgotten.
    Set {
        /// The account.
        local: LocalPart,
        /// How; `since` and `by` are set when it is stored.
        reply: Box<AutoReply>,
        /// The entry's body that holds subject and text as they are sent: the last header fields, an empty line, the text.
        body_ordinal: u16,
        /// Its size, bytes; at most [`yubin_types::limits::AUTO_REPLY_BODY_BYTES_MAX`].
        body_bytes: u64,
    },
    /// Forgets it.
    Clear {
        /// The account.
        local: LocalPart,
    },
}
