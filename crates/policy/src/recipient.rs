//! Whom mail may go to.
//!
//! From other servers mail goes to hosted domains only: there is no way to be a relay by accident, since a [`DeliverPermit`] names a
//! recipient of a hosted domain and a [`RelayPermit`] is given to users who are logged in alone. One delivery goes to one hosted domain
//! (one command of one group, all or nothing): from other servers recipients of a second domain are asked to come in a transaction of
//! their own, own machines get an outcome for each; what a user sends beyond the own domain goes through the queue, together with everything
//! else in the same transaction.
//!
//! A bounce to a sender that this cluster rewrote when it forwarded goes back to the sender there was before (a [`ReturnPermit`], which
//! only a good [`srs`] address earns); whatever else is sent to such an address is refused.

use yubin_types::{Address, DomainName, Refusal, ReversePath, Timestamp};

use crate::srs::{self, SrsError, SrsKey};

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
}

/// Mail may be queued for this recipient, wherever its domain is. Only [`admit`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayPermit {
    recipient: Address,
}

/// A bounce of forwarded mail may go back to its first sender. Only [`admit_bounce`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPermit {
    recipient: Address,
    to: Address,
}

impl ReturnPermit {
    /// The sender there was before.
    #[must_use]
    pub const fn to(&self) -> &Address {
        &self.to
    }
}

/// What may be done for a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Deliver at once.
    Deliver(DeliverPermit),
    /// Queue.
    Relay(RelayPermit),
    /// Queue for the first sender.
    Return(ReturnPermit),
}

impl Admission {
    /// Who, as named.
    #[must_use]
    pub const fn recipient(&self) -> &Address {
        match self {
            Admission::Deliver(DeliverPermit { recipient })
            | Admission::Relay(RelayPermit { recipient })
            | Admission::Return(ReturnPermit { recipient, .. }) => recipient,
        }
    }

    /// Where the mail goes.
    #[must_use]
    pub const fn goes_to(&self) -> &Address {
        match self {
            Admission::Return(permit) => permit.to(),
            Admission::Deliver(_) | Admission::Relay(_) => self.recipient(),
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
    /// A rewritten sender that is not good.
    #[error(transparent)]
    Bounce(#[from] SrsError),
    /// It refused the domain's mail as unknown again and again.
    #[error("the recipient is known not to exist")]
    Dead,
    /// A rewritten sender takes bounces, which have no sender.
    #[error("only bounces go to a rewritten sender")]
    NotABounce,
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

/// What is known about a recipient whose name is a rewritten sender ([`srs::is_srs`]) of a hosted domain.
#[derive(Clone, Copy, Debug)]
pub struct BounceFacts<'a> {
    /// Who.
    pub recipient: &'a Address,
    /// Envelope sender.
    pub sender: &'a ReversePath,
    /// The cluster's keys, the one in use first.
    pub keys: &'a [SrsKey],
    /// The time.
    pub now: Timestamp,
    /// What the transaction is for already.
    pub transaction: Transaction<'a>,
}

/// What a transaction is for already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction<'a> {
    /// Nobody yet.
    Open,
    /// People of this domain.
    Delivery(&'a DomainName),
    /// Rewritten senders of this domain.
    Return(&'a DomainName),
}

/// May a bounce go back through this recipient?
///
/// # Errors
/// [`RecipientDenial`]; a transaction is for people or for bounces.
pub fn admit_bounce(facts: BounceFacts<'_>) -> Result<Admission, RecipientDenial> {
    let recipient = facts.recipient.clone();
    match facts.transaction {
        Transaction::Open => {}
        Transaction::Return(domain) if *domain == recipient.domain => {}
        Transaction::Return(_) | Transaction::Delivery(_) => return Err(RecipientDenial::OtherDomain),
    }
    let to = srs::reverse(&recipient.local, facts.keys, facts.now)?;
    if *facts.sender != ReversePath::Null {
        return Err(RecipientDenial::NotABounce);
    }
    Ok(Admission::Return(ReturnPermit { recipient, to }))
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName, Refusal, ReversePath, Secret, Timestamp};

    use super::{
        Admission, BounceFacts, Hosting, Origin, RecipientDenial, RecipientFacts, Transaction, admit, admit_bounce,
    };
    use crate::srs::{self, SrsError, SrsKey};

    #[test]
    fn only_bounces_go_back_and_only_where_mail_was_forwarded() {
        let (key, now) = (SrsKey::derive(&Secret::new("secret")), Timestamp::from_seconds(1_790_000_000));
        let (home, other) = (DomainName::parse("home.example").unwrap(), DomainName::parse("other.example").unwrap());
        let first = Address::parse("ann@source.example").unwrap();
        let forwarded = srs::rewrite(&first, &home, &key, now).unwrap();
        assert!(srs::is_srs(&forwarded.local) && !srs::is_srs(&first.local));
        let ask = |recipient: &Address, sender: &ReversePath, transaction| {
            let keys = std::slice::from_ref(&key);
            let facts = BounceFacts { recipient, sender, keys, now, transaction };
            admit_bounce(facts).map(|admission| (admission.recipient().clone(), admission.goes_to().clone()))
        };
        let null = ReversePath::Null;
        let good = Ok((forwarded.clone(), first.clone()));
        assert_eq!(ask(&forwarded, &null, Transaction::Open), good);
        assert_eq!(ask(&forwarded, &null, Transaction::Return(&home)), good);
        for transaction in [Transaction::Return(&other), Transaction::Delivery(&home)] {
            assert_eq!(ask(&forwarded, &null, transaction), Err(RecipientDenial::OtherDomain));
        }
        let somebody = ReversePath::Address(first.clone());
        assert_eq!(ask(&forwarded, &somebody, Transaction::Open), Err(RecipientDenial::NotABounce));
        let forged = Address::parse("SRS0=AAAA=AA=source.example=ann@home.example").unwrap();
        assert!(srs::is_srs(&forged.local));
        assert_eq!(ask(&forged, &null, Transaction::Open), Err(RecipientDenial::Bounce(SrsError::Forged)));
    }

    #[test]
    fn servers_reach_one_hosted_domain_and_users_everybody() {
        let recipient = Address::parse("tim@example.jp").unwrap();
        let same = DomainName::parse("Example.JP").unwrap();
        let other = DomainName::parse("other.jp").unwrap();
        let decide = |hosting, origin| match admit(RecipientFacts { recipient: &recipient, hosting, origin }) {
            Ok(Admission::Deliver(_)) => Ok("deliver"),
            Ok(Admission::Relay(_)) => Ok("relay"),
            Ok(Admission::Return(_)) => Ok("return"),
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
