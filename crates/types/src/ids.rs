//! Identities. Minted once, never reused: a name that is deleted and created again is a new identity.
//!
//! [`DomainId`] comes from the directory; [`AccountId`] and [`MailboxId`] are counters of the domain; [`EmailId`], [`QueueId`],
//! [`RequestId`] and [`TraceId`] are 128 bits made by whoever proposes.

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A hosted domain for the whole of its life; the directory's log index at its creation.
    DomainId(u64)
);
number!(
    /// An account, unique within its domain.
    AccountId(u32)
);
number!(
    /// A mailbox, unique within its domain (RFC 8474 MAILBOXID).
    MailboxId(u32)
);
number!(
    /// A Raft group; 0 is the directory.
    GroupNumber(u32)
);
number!(
    /// Counts the moves of a domain between groups: a command that carries an older epoch is refused.
    Epoch(u64)
);

impl GroupNumber {
    /// The directory: domains, nodes, groups, plans, settings, tokens.
    pub const DIRECTORY: GroupNumber = GroupNumber(0);
}

/// Where a domain lives. `cell` is reserved for independent clusters behind the same front ends and is 0 today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placement {
    /// Cluster, 0 today.
    pub cell: u32,
    /// Raft group.
    pub group: GroupNumber,
    /// Fences requests that were routed by an older placement.
    pub epoch: Epoch,
}

macro_rules! random128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            /// Reads 32 hex digits.
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(IdError);
                }
                u128::from_str_radix(text, 16).map(|id| $name(id.to_be_bytes())).map_err(|_| IdError)
            }
        }
    };
}

/// Not an identity as it is shown: 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 hex digits")]
pub struct IdError;

random128!(
    /// A message for the whole of its life, kept on COPY and MOVE (RFC 8474 EMAILID); its 32 hex digits are the POP3 UIDL.
    EmailId
);
random128!(
    /// A message on its way out, from enqueueing to its last final outcome. Made as a UUIDv7, so that ids follow the time.
    QueueId
);
random128!(
    /// Names one request, so that its retry finds the first outcome.
    RequestId
);
random128!(
    /// Follows one piece of work through all roles (W3C trace id); shown in the Received header.
    TraceId
);

#[cfg(test)]
mod tests {
    use super::{IdError, QueueId};

    #[test]
    fn ids_are_read_back_as_they_are_shown() {
        let id = QueueId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0dfeff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "00", "+00102030405060708090a0b0c0dfeff", "g00102030405060708090a0b0c0dfeff"] {
            assert_eq!(wrong.parse::<QueueId>(), Err(IdError), "{wrong}");
        }
    }
}
