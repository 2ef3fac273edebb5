//! Who may send by one term of a record, so that two terms can be compared.

use mail_auth::spf::{Directive, Macro, Mechanism, Qualifier};

use super::parse;

/// Those who may send by one term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// A network of IPv4 addresses.
    V4 { address: u32, mask: u32 },
    /// A network of IPv6 addresses.
    V6 { address: u128, mask: u128 },
    /// The networks around the addresses of a name.
    Addresses { of: String, v4: u32, v6: u128 },
    /// The networks around the addresses of its mail exchangers.
    Exchangers { of: String, v4: u32, v6: u128 },
    /// Whom another record lets send.
    Record(String),
    /// Whom a name made from the message or the peer stands for.
    Made(Mechanism),
}

impl Grant {
    /// What a directive in the record of a domain grants, if it grants anything.
    pub(super) fn new(directive: &Directive, domain: &str) -> Option<Grant> {
        let Directive { qualifier: Qualifier::Pass, mechanism } = directive else { return None };
        Some(match mechanism {
            Mechanism::All => return None,
            Mechanism::Ip4 { addr, mask } => Grant::V4 { address: addr.to_bits() & mask, mask: *mask },
            Mechanism::Ip6 { addr, mask } => Grant::V6 { address: addr.to_bits() & mask, mask: *mask },
            Mechanism::A { macro_string, ip4_mask, ip6_mask } => match target(macro_string, domain) {
                Some(of) => Grant::Addresses { of, v4: *ip4_mask, v6: *ip6_mask },
                None => Grant::Made(mechanism.clone()),
            },
            Mechanism::Mx { macro_string, ip4_mask, ip6_mask } => match target(macro_string, domain) {
                Some(of) => Grant::Exchangers { of, v4: *ip4_mask, v6: *ip6_mask },
                None => Grant::Made(mechanism.clone()),
            },
            Mechanism::Include { macro_string } => match target(macro_string, domain) {
                Some(of) => Grant::Record(of),
                None => Grant::Made(mechanism.clone()),
            },
            Mechanism::Exists { .. } | Mechanism::Ptr { .. } => Grant::Made(mechanism.clone()),
        })
    }

    /// What one term grants in the record of a domain, if it grants anything.
    pub(super) fn of_term(term: &str, domain: &str) -> Option<Grant> {
        let record = parse(&format!("v=spf1 {term}"))?;
        record.directives.first().and_then(|directive| Grant::new(directive, domain))
    }

    /// Does it let send all whom the other does?
    pub(super) fn covers(&self, other: &Grant) -> bool {
        match (self, other) {
            (Grant::V4 { address, mask }, Grant::V4 { address: inner, mask: narrow }) => {
                mask & narrow == *mask && inner & mask == *address
            }
            (Grant::V6 { address, mask }, Grant::V6 { address: inner, mask: narrow }) => {
                mask & narrow == *mask && inner & mask == *address
            }
            (Grant::Addresses { of, v4, v6 }, Grant::Addresses { of: other, v4: narrow4, v6: narrow6 })
            | (Grant::Exchangers { of, v4, v6 }, Grant::Exchangers { of: other, v4: narrow4, v6: narrow6 }) => {
                of == other && v4 & narrow4 == *v4 && v6 & narrow6 == *v6
            }
            (own, other) => own == other,
        }
    }
}

/// The name that a term is about, in lower case; none if it is made from the message or the peer.
pub(super) fn target(term: &Macro, domain: &str) -> Option<String> {
    match term {
        Macro::None => Some(domain.to_owned()),
        Macro::Literal(name) => {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            Some(name.strip_suffix('.').map(str::to_owned).unwrap_or(name))
        }
        // A part that is replaced by something.
        Macro::Variable { .. } | Macro::List(_) => None,
    }
}
