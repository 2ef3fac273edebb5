//! In whose name somebody may send: one address, or all addresses of a domain.
//!
//! Addresses are compared as deliveries compare them ([`LocalPart::key`](crate::LocalPart::key)). A subaddress is another address: whoever may send as
//! `info@example.jp` may not send as `info+x@example.jp`. Whether a right to a name is in force is for `state` and `policy`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, AddressError, DomainName};

/// A name to send in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SenderName {
    /// `info@example.jp`
    Address(Address),
    /// `@example.jp`: every address of the domain, whether it exists or not.
    Domain(DomainName),
}

impl SenderName {
    /// Reads `info@example.jp` or `@example.jp`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<SenderName, AddressError> {
        match text.strip_prefix('@') {
            Some(domain) => DomainName::parse(domain).map(SenderName::Domain),
            None => Address::parse(text).map(SenderName::Address),
        }
    }

    /// The domain that it is in.
    #[must_use]
    pub const fn domain(&self) -> &DomainName {
        match self {
            SenderName::Address(address) => &address.domain,
            SenderName::Domain(domain) => domain,
        }
    }

    /// Is this address the one, or one of them?
    #[must_use]
    pub fn covers(&self, sender: &Address) -> bool {
        match self {
            SenderName::Address(address) => {
                address.domain == sender.domain && address.local.key() == sender.local.key()
            }
            SenderName::Domain(domain) => *domain == sender.domain,
        }
    }

    /// Is it the same name, whatever its spelling?
    #[must_use]
    pub fn is(&self, other: &SenderName) -> bool {
        match (self, other) {
            (SenderName::Address(_), SenderName::Address(address)) => self.covers(address),
            (SenderName::Domain(one), SenderName::Domain(other)) => one == other,
            (SenderName::Address(_), SenderName::Domain(_)) | (SenderName::Domain(_), SenderName::Address(_)) => false,
        }
    }
}

impl fmt::Display for SenderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SenderName::Address(address) => address.fmt(f),
            SenderName::Domain(domain) => write!(f, "@{domain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SenderName;
    use crate::Address;

    #[test]
    fn a_name_covers_its_address_in_every_spelling_or_its_whole_domain() {
        let name = |text: &str| SenderName::parse(text).unwrap();
        let covers = |text: &str, sender: &str| name(text).covers(&Address::parse(sender).unwrap());
        assert!(covers("Info@Example.jp", "info@example.JP") && covers("@example.jp", "\"any body\"@example.jp"));
        for (text, sender) in [
            ("info@example.jp", "info+x@example.jp"),
            ("info@example.jp", "info@sub.example.jp"),
            ("@example.jp", "info@sub.example.jp"),
            ("@sub.example.jp", "info@example.jp"),
        ] {
            assert!(!covers(text, sender), "{text} {sender}");
        }
        assert!(name("Info@example.jp").is(&name("info@EXAMPLE.jp")) && name("@a.jp").is(&name("@A.jp")));
        assert!(!name("info@a.jp").is(&name("@a.jp")) && !name("@a.jp").is(&name("info@a.jp")));
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        for text in ["info@example.jp", "@example.jp"] {
            assert_eq!(SenderName::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "@", "example.jp", "info@", "@a b", "a@b@c", "@@a.jp"] {
            assert!(SenderName::parse(text).is_err(), "{text}");
        }
    }
}
