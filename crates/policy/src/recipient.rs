//! Whom mail may go to.
//!
//! From other servers mail goes to hosted domains only: there is no way to be a relay by accident, since a [`DeliverPermit`] names a
//! recipient of a hosted domain and a [`RelayPermit`] is given to users who are logged in alone. One delivery goes to one hosted domain
//! (one command of one group, all or nothing): from other servers recipients of a second domain are asked to come in a transaction of
//! their own, own machines get an outcome for each; what a user sends beyond the own domain goes through the queue, together with everything else in the same transaction.

use yubin_types::{Address, DomainName, Refusal};

/// How mail came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// From another server, on the MX listener.
    Mx {
        /// The domain of the recipients that the transaction has already.
        transaction: Option<&'a DomainName>,
    },
    /// From a machine of our own, by LMTP, which tells each recipient its own outcome.
    Lmtp,
    /// From a user who is logged in.
    Submission {
        /// The user's own domain.
        home: &'a DomainName,
    },
}

/// Is the recipient's domain one of ours?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosting {
    /// Yes.
    Hosted,
    /// No, confirmed by the directory.
    Elsewhere,
}

/// What is known about a recipient.
#[derive(Clone, Copy, Debug)]
pub struct RecipientFacts<'a> {
    /// Who.
    pub recipient: &'a Address,
    /// Whose domain that is.
    pub hosting: Hosting,
    /// How the mail came in.
    pub origin: Origin<'a>,
}

/// Mail may be delivered to this recipient of a hosted domain. Only [`admit`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverPermit {
    recipient: Address,
}

impl DeliverPermit {
    /// Who.
    #[must_use]
    pub const fn recipient(&self) -> &Address {
        &self.recipient
    }

    /// Who, for keeps.
    #[must_use]
    pub fn into_recipient(self) -> Address {
        self.recipient
    }
}

/// Mail may be queued for this recipient, wherever its domain is. Only [`admit`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayPermit {
    recipient: Address,
}

/// What may be done for a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Deliver at once.
    Deliver(DeliverPermit),
    /// Queue.
    Relay(RelayPermit),
}

impl Admission {
    /// Who.
    #[must_use]
    pub const fn recipient(&self) -> &Address {
        match self {
            Admission::Deliver(DeliverPermit { recipient }) | Admission::Relay(RelayPermit { recipient }) => recipient,
        }
    }
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientDenial {
    /// A rule or the state machine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The transaction is for another hosted domain.
    #[error("one transaction goes to one domain")]
    OtherDomain,
}

/// May mail go to this recipient?
///
/// # Errors
/// [`RecipientDenial`], for [`crate::refusal_text::recipient`].
pub fn admit(facts: RecipientFacts<'_>) -> Result<Admission, RecipientDenial> {
    let recipient = facts.recipient.clone();
    match (facts.hosting, facts.origin) {
        (Hosting::Elsewhere, Origin::Mx { .. } | Origin::Lmtp) => Err(Refusal::NoSuchDomain.into()),
        (Hosting::Hosted, Origin::Mx { transaction: Some(domain) }) if *domain != recipient.domain => {
            Err(RecipientDenial::OtherDomain)
        }
        (Hosting::Hosted, Origin::Submission { home }) if *home != recipient.domain => {
            Ok(Admission::Relay(RelayPermit { recipient }))
        }
        (Hosting::Elsewhere, Origin::Submission { .. }) => Ok(Admission::Relay(RelayPermit { recipient })),
        (Hosting::Hosted, _) => Ok(Admission::Deliver(DeliverPermit { recipient })),
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName, Refusal};

    use super::{Admission, Hosting, Origin, RecipientDenial, RecipientFacts, admit};

    #[test]
    fn servers_reach_one_hosted_domain_and_users_everybody() {
        let recipient = Address::parse("tim@example.jp").unwrap();
        let same = DomainName::parse("Example.JP").unwrap();
        let other = DomainName::parse("other.jp").unwrap();
        let decide = |hosting, origin| match admit(RecipientFacts { recipient: &recipient, hosting, origin }) {
            Ok(Admission::Deliver(_)) => Ok("deliver"),
            Ok(Admission::Relay(_)) => Ok("relay"),
            Err(denial) => Err(denial),
        };
        let mx = |transaction| Origin::Mx { transaction };
        assert_eq!(decide(Hosting::Hosted, mx(None)), Ok("deliver"));
        assert_eq!(decide(Hosting::Hosted, mx(Some(&same))), Ok("deliver"));
        assert_eq!(decide(Hosting::Hosted, mx(Some(&other))), Err(RecipientDenial::OtherDomain));
        assert_eq!(decide(Hosting::Hosted, Origin::Lmtp), Ok("deliver"));
        let refused = Err(RecipientDenial::Refused(Refusal::NoSuchDomain));
        assert_eq!(decide(Hosting::Elsewhere, Origin::Lmtp), refused);
        for transaction in [None, Some(&same), Some(&other)] {
            let refused = Err(RecipientDenial::Refused(Refusal::NoSuchDomain));
            assert_eq!(decide(Hosting::Elsewhere, mx(transaction)), refused);
        }
        assert_eq!(decide(Hosting::Hosted, Origin::Submission { home: &same }), Ok("deliver"));
        assert_eq!(decide(Hosting::Hosted, Origin::Submission { home: &other }), Ok("relay"));
        assert_eq!(decide(Hosting::Elsewhere, Origin::Submission { home: &other }), Ok("relay"));
    }
}
