//! Whom mail may go to.
//!
//! Mail goes to hosted domains, whoever sends it: there is no way to be a relay by accident, since a [`DeliverPermit`] names a recipient
//! of a hosted domain and nothing else leads into a mailbox. A user who is logged in may not reach the outside either while there is no
//! outbound queue. One transaction goes to one hosted domain (one command of one group, all or nothing); recipients of another are
//! asked to come in a transaction of their own.

use yubin_types::{Address, DomainName, Refusal};

/// How mail came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From another server, on the MX listener.
    Mx,
    /// From a user who is logged in.
    Submission,
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
    pub origin: Origin,
    /// The domain of the recipients that the transaction has already.
    pub transaction: Option<&'a DomainName>,
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
pub fn admit(facts: RecipientFacts<'_>) -> Result<DeliverPermit, RecipientDenial> {
    match (facts.hosting, facts.origin) {
        (Hosting::Elsewhere, Origin::Mx) => Err(Refusal::NoSuchDomain.into()),
        (Hosting::Elsewhere, Origin::Submission) => Err(Refusal::RelayDenied.into()),
        (Hosting::Hosted, _) if facts.transaction.is_some_and(|domain| *domain != facts.recipient.domain) => {
            Err(RecipientDenial::OtherDomain)
        }
        (Hosting::Hosted, _) => Ok(DeliverPermit { recipient: facts.recipient.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName, Refusal};

    use super::{Hosting, Origin, RecipientDenial, RecipientFacts, admit};

    #[test]
    fn mail_goes_to_one_hosted_domain() {
        let recipient = Address::parse("tim@example.jp").unwrap();
        let same = DomainName::parse("Example.JP").unwrap();
        let other = DomainName::parse("other.jp").unwrap();
        let decide = |hosting, origin, transaction| {
            admit(RecipientFacts { recipient: &recipient, hosting, origin, transaction })
                .map(super::DeliverPermit::into_recipient)
        };
        for origin in [Origin::Mx, Origin::Submission] {
            assert_eq!(decide(Hosting::Hosted, origin, None), Ok(recipient.clone()));
            assert_eq!(decide(Hosting::Hosted, origin, Some(&same)), Ok(recipient.clone()));
            assert_eq!(decide(Hosting::Hosted, origin, Some(&other)), Err(RecipientDenial::OtherDomain));
        }
        let refused = |refusal: Refusal| Err(RecipientDenial::Refused(refusal));
        assert_eq!(decide(Hosting::Elsewhere, Origin::Mx, None), refused(Refusal::NoSuchDomain));
        assert_eq!(decide(Hosting::Elsewhere, Origin::Submission, None), refused(Refusal::RelayDenied));
        assert_eq!(decide(Hosting::Elsewhere, Origin::Submission, Some(&other)), refused(Refusal::RelayDenied));
    }
}
