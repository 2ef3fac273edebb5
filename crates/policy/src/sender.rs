//! Whom a user may send as: an address of the account that logged in, its own or an alias that leads only to it.
//!
//! Addresses are compared as deliveries compare them ([`LocalPart::key`]), so that spelling makes no other sender. The null reverse-path
//! is allowed: read receipts have it (RFC 8098 §3), and the Received field names the login.

use yubin_types::{DomainName, LocalPart, Refusal, ReversePath};

/// The sender may be used by the login. Only [`own`] makes one.
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

/// May the account with these addresses of this domain send as `sender`?
///
/// # Errors
/// [`Refusal::SenderNotOwned`].
pub fn own(domain: &DomainName, addresses: &[LocalPart], sender: &ReversePath) -> Result<SenderPermit, Refusal> {
    let owned = match sender {
        ReversePath::Null => true,
        ReversePath::Address(address) => {
            let key = address.local.key();
            address.domain == *domain && addresses.iter().any(|own| own.key() == key)
        }
    };
    if owned { Ok(SenderPermit { sender: sender.clone() }) } else { Err(Refusal::SenderNotOwned) }
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName, LocalPart, Refusal, ReversePath};

    use super::own;

    #[test]
    fn a_user_sends_as_the_own_addresses_only() {
        let domain = DomainName::parse("example.jp").unwrap();
        let addresses = [LocalPart::parse("tim").unwrap(), LocalPart::parse("info").unwrap()];
        let decide = |sender: &str| {
            let sender = match sender {
                "" => ReversePath::Null,
                sender => ReversePath::Address(Address::parse(sender).unwrap()),
            };
            own(&domain, &addresses, &sender).map(|permit| permit.sender().clone() == sender)
        };
        for owned in ["tim@example.jp", "TIM@EXAMPLE.jp", "info@example.jp", ""] {
            assert_eq!(decide(owned), Ok(true), "{owned}");
        }
        for foreign in
            ["ann@example.jp", "tim@other.jp", "tim@sub.example.jp", "tim+x@example.jp", "\"tim \"@example.jp"]
        {
            assert_eq!(decide(foreign), Err(Refusal::SenderNotOwned), "{foreign}");
        }
    }
}
