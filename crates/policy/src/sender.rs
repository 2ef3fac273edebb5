//! Whom a user may send as: an address of the account that logged in, its own or an alias that leads only to it, and what an operator let it
//! send as beside these ([`SenderName`]).
//!
//! Addresses are compared as deliveries compare them ([`LocalPart::key`]), so that spelling makes no other sender. The null reverse-path
//! is allowed: read receipts have it (RFC 8098 §3), and the Received field names the login.

use yubin_types::{DomainName, LocalPart, Refusal, ReversePath, SenderName};

/// The sender may be used by the login. Only [`admit`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderPermit {
    sender: ReversePath,
}

impl SenderPermit {
    /// The envelope sender.
    #[must_use]
    pub const fn sender(&self) -> &ReversePath {
        &self.sender
    }
}

/// What is known of a login and the sender that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderFacts<'a> {
    /// The domain of the account.
    pub home: &'a DomainName,
    /// An address of the account alone, in that domain.
    pub own: Option<&'a LocalPart>,
    /// A name that it may send in, and that is what it was when that was granted.
    pub granted: Option<&'a SenderName>,
}

/// May the account send as `sender`?
///
/// # Errors
/// [`Refusal::SenderNotOwned`].
pub fn admit(facts: SenderFacts<'_>, sender: &ReversePath) -> Result<SenderPermit, Refusal> {
    let permitted = match sender {
        ReversePath::Null => true,
        ReversePath::Address(address) => {
            let own = facts.own.is_some_and(|own| address.domain == *facts.home && own.key() == address.local.key());
            own || facts.granted.is_some_and(|name| name.covers(address))
        }
    };
    if permitted { Ok(SenderPermit { sender: sender.clone() }) } else { Err(Refusal::SenderNotOwned) }
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName, LocalPart, Refusal, ReversePath, SenderName};

    use super::{SenderFacts, admit};

    fn decide(facts: SenderFacts<'_>, sender: &str) -> Result<bool, Refusal> {
        let sender = match sender {
            "" => ReversePath::Null,
            sender => ReversePath::Address(Address::parse(sender).unwrap()),
        };
        admit(facts, &sender).map(|permit| *permit.sender() == sender)
    }

    #[test]
    fn a_user_sends_as_the_own_addresses_only() {
        let (home, own) = (DomainName::parse("example.jp").unwrap(), LocalPart::parse("tim").unwrap());
        let facts = SenderFacts { home: &home, own: Some(&own), granted: None };
        for owned in ["tim@example.jp", "TIM@EXAMPLE.jp", ""] {
            assert_eq!(decide(facts, owned), Ok(true), "{owned}");
        }
        for foreign in
            ["ann@example.jp", "tim@other.jp", "tim@sub.example.jp", "tim+x@example.jp", "\"tim \"@example.jp"]
        {
            assert_eq!(decide(facts, foreign), Err(Refusal::SenderNotOwned), "{foreign}");
        }
        assert_eq!(decide(SenderFacts { own: None, ..facts }, "tim@example.jp"), Err(Refusal::SenderNotOwned));
    }

    #[test]
    fn a_granted_name_lets_its_addresses_be_used_and_no_others() {
        let home = DomainName::parse("example.jp").unwrap();
        for (granted, allowed, refused) in [
            ("info@example.jp", "Info@example.jp", "tim@example.jp"),
            ("info@other.jp", "info@other.jp", "info@example.jp"),
            ("@other.jp", "any@other.jp", "any@sub.other.jp"),
        ] {
            let granted = SenderName::parse(granted).unwrap();
            let facts = SenderFacts { home: &home, own: None, granted: Some(&granted) };
            assert_eq!(decide(facts, allowed), Ok(true), "{granted}");
            assert_eq!(decide(facts, refused), Err(Refusal::SenderNotOwned), "{granted}");
        }
    }
}
