//! What can be proposed about an account's forward.

use serde::{Deserialize, Serialize};
use yubin_types::{AccountId, Address, LocalPart, Timestamp};

use super::record::LocalCopy;
use crate::command::{NewMessage, Recipient};

/// Commands on an account's forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardCommand {
    /// Forwards an account's mail from now on. What is known of a target that it had before stays known.
    Set {
        /// The account.
        local: LocalPart,
        /// 1 to [`yubin_types::limits::FORWARD_TARGETS_MAX`], all different, none the account itself.
        targets: Vec<Address>,
        /// What stays in the mailbox.
        copy: LocalCopy,
    },
    /// Ends an account's forward; what is queued already goes out.
    Clear {
        /// The account.
        local: LocalPart,
    },
    /// Forwards to paused targets again; what was held against them is forgotten.
    Resume {
        /// The account.
        local: LocalPart,
    },
    /// Stores the notice that tells an owner of pauses, once.
    Tell {
        /// The account.
        account: AccountId,
        /// When the last of the pauses began: a later one has another notice.
        since: Timestamp,
        /// The owner.
        recipient: Recipient,
        /// The notice.
        message: NewMessage,
    },
}
