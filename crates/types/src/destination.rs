//! Where mail to the outside goes, and addresses that may lead there.
//!
//! A destination is what routing starts from: a domain name, or an address literal (RFC 5321 §4.1.3), which [`DomainName`] never holds.
//! All recipients of one delivery share their destination, so a recipient there is a local part alone; both together are a
//! [`RecipientAddress`]. A destination has one spelling: lower case, IP addresses as the standard library writes them. It is kept in
//! keys and files by that spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::address::{Address, AddressError, DomainName, LocalPart};
use crate::text::text_conversions;

/// Where a delivery goes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DestinationName {
    /// A domain: its MX, or its addresses (RFC 5321 §5.1).
    Domain(DomainName),
    /// A host by its address.
    Literal(IpAddr),
}

impl DestinationName {
    /// Parses a domain name, `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    ///
    /// # Errors
    /// As [`DomainName::parse`]; [`AddressError::Domain`] for a literal of another kind.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let Some(rest) = text.strip_prefix('[') else { return Ok(DestinationName::Domain(DomainName::parse(text)?)) };
        let literal = rest.strip_suffix(']').ok_or(AddressError::Domain)?;
        let ip = match literal.split_at_checked(5) {
            Some((tag, six)) if tag.eq_ignore_ascii_case("IPv6:") => six.parse::<Ipv6Addr>().map(IpAddr::V6),
            _ => literal.parse::<Ipv4Addr>().map(IpAddr::V4),
        };
        ip.map(DestinationName::Literal).map_err(|_| AddressError::Domain)
    }

    /// The domain, if it is one.
    #[must_use]
    pub fn domain(&self) -> Option<&DomainName> {
        match self {
            DestinationName::Domain(domain) => Some(domain),
            DestinationName::Literal(_) => None,
        }
    }
}

/// The address of a recipient anywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientAddress {
    /// Before the `@`.
    pub local: LocalPart,
    /// After it.
    pub destination: DestinationName,
}

impl RecipientAddress {
    /// Parses `local@domain` or `local@[literal]` without angle brackets.
    ///
    /// # Errors
    /// As [`LocalPart::parse`] and [`DestinationName::parse`]; [`AddressError::Incomplete`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, destination) = text.rsplit_once('@').ok_or(AddressError::Incomplete)?;
        if local.is_empty() || destination.is_empty() {
            return Err(AddressError::Incomplete);
        }
        Ok(RecipientAddress { local: LocalPart::parse(local)?, destination: DestinationName::parse(destination)? })
    }
}

impl From<Address> for RecipientAddress {
    fn from(address: Address) -> Self {
        RecipientAddress { local: address.local, destination: DestinationName::Domain(address.domain) }
    }
}

impl From<DomainName> for DestinationName {
    fn from(domain: DomainName) -> Self {
        DestinationName::Domain(domain)
    }
}

impl std::fmt::Display for DestinationName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DestinationName::Domain(domain) => domain.fmt(f),
            DestinationName::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            DestinationName::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

impl std::fmt::Display for RecipientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.destination)
    }
}

impl From<DestinationName> for String {
    fn from(name: DestinationName) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for DestinationName {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

text_conversions!(DestinationName);
text_conversions!(RecipientAddress);

#[cfg(test)]
mod tests {
    use super::{DestinationName, RecipientAddress};
    use crate::AddressError;

    #[test]
    fn a_destination_has_one_spelling() {
        for (text, spelling) in [
            ("EXAMPLE.net.", "example.net"),
            ("例え.jp", "xn--r8jz45g.jp"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("[ipv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]"),
        ] {
            let destination = DestinationName::parse(text).unwrap();
            assert_eq!(destination.to_string(), spelling);
            assert_eq!(DestinationName::parse(spelling), Ok(destination));
        }
        for wrong in ["", "[192.0.2.1", "[192.0.2.256]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[]", "a b"] {
            assert_eq!(DestinationName::parse(wrong), Err(AddressError::Domain), "{wrong}");
        }
    }

    #[test]
    fn addresses_lead_to_domains_and_literals() {
        for text in ["a@b.example", "\"a b\"@[192.0.2.1]", "a@[IPv6:2001:db8::1]"] {
            assert_eq!(RecipientAddress::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(RecipientAddress::parse("@b.example"), Err(AddressError::Incomplete));
    }
}
