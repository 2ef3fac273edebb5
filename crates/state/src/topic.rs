//! What watchers may wake for. A topic says that something changed, never what: whoever wakes reads again.
//!
//! Encoded as kind (4 bits) ‖ domain id modulo 2^28 ‖ account id (32 bits, 0 for the whole domain). Two domains of one group whose ids
//! are 2^28 apart share topics, which costs a needless wake-up and nothing else.

use yubin_types::{AccountId, DomainId};

/// Something that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Mailboxes or messages of an account.
    Mail(DomainId, AccountId),
    /// Whether an account's logins are still good.
    AccountLogin(DomainId, AccountId),
    /// Whether any login of the domain is still good.
    DomainLogin(DomainId),
    /// The directory: domains, nodes, groups, plans, tokens or settings.
    Directory,
    /// Maintenance may be due earlier than before.
    Due,
    /// A delivery of the queue may be due earlier than before.
    Queue,
    /// Workers came or went, or what they may use of receivers' limits changed.
    Shares,
}

impl Topic {
    /// The number under which watchers wait for it.
    #[must_use]
    pub fn number(self) -> u64 {
        let (kind, domain, account) = match self {
            Topic::Mail(domain, account) => (1u64, domain.0, account.0),
            Topic::AccountLogin(domain, account) => (2, domain.0, account.0),
            Topic::DomainLogin(domain) => (3, domain.0, 0),
            Topic::Directory => (4, 0, 0),
            Topic::Due => (5, 0, 0),
            Topic::Queue => (6, 0, 0),
            Topic::Shares => (7, 0, 0),
        };
        (kind << 60) | ((domain & 0x0fff_ffff) << 32) | u64::from(account)
    }
}

impl From<Topic> for u64 {
    fn from(topic: Topic) -> u64 {
        topic.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_things_have_different_numbers() {
        let (d, a) = (DomainId(9), AccountId(3));
        let topics = [
            Topic::Mail(d, a),
            Topic::Mail(DomainId(8), a),
            Topic::Mail(d, AccountId(4)),
            Topic::AccountLogin(d, a),
            Topic::DomainLogin(d),
            Topic::Directory,
            Topic::Due,
            Topic::Queue,
            Topic::Shares,
        ];
        let numbers: std::collections::BTreeSet<u64> = topics.into_iter().map(Topic::number).collect();
        assert_eq!(numbers.len(), topics.len());
    }
}
