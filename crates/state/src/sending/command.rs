//! What can be proposed about an account's sending.

use serde::{Deserialize, Serialize};
use yubin_types::{AccountId, AccountSending, DomainId, Limit, LocalPart, SenderName, Timestamp};

use super::record::NameHolder;
use crate::command::{Login, NewMessage, Recipient};

/// Commands on an account's sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendingCommand {
    /// Gives an account limits of its own; what is `None` is its plan's.
    SetLimits {
        /// The account.
        local: LocalPart,
        /// All of them.
        limits: AccountSending<Option<Limit>>,
    },
    /// Stops an account's sending; it reads and receives.
    Suspend {
        /// The account.
        local: LocalPart,
        /// The operator's words, at most [`yubin_types::limits::REASON_BYTES_MAX`] bytes.
        reason: String,
    },
    /// Lets an account send again. What was held against it is forgotten; what it sent still counts.
    Resume {
        /// The account.
        local: LocalPart,
    },
    /// A submission was refused for a limit before its message came. Refused again and counted, if it still is over.
    CountRefusal(Login),
    /// Stores the notice that tells an owner of a suspension, once.
    Tell {
        /// The account.
        account: AccountId,
        /// When the suspension began: another one has another notice.
        since: Timestamp,
        /// The owner.
        recipient: Recipient,
        /// The notice.
        message: NewMessage,
    },
    /// Lets an account send in another name, too.
    GrantSendAs {
        /// The account.
        local: LocalPart,
        /// The name, hosted here.
        name: SenderName,
        /// The name's domain.
        domain: DomainId,
        /// What the name stands for.
        holder: NameHolder,
    },
    /// Takes such a right back.
    RevokeSendAs {
        /// The account.
        local: LocalPart,
        /// The name.
        name: SenderName,
    },
}
