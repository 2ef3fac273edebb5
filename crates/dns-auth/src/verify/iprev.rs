//! Does an address have a name that leads back to it? (RFC 8601 §2.7.3, RFC 1912 §2.1)
//!
//! Anybody can claim any name in the reverse tree; only a name whose own addresses hold the one asked about proves something. Up to
//! [`limits::PTR_NAMES_MAX`] names are tried. "Nobody could say" is kept apart from "no": a name server that is down makes no liar.

use std::net::IpAddr;

use yubin_types::{AuthResult, DomainName, limits};

use super::Verifier;
use crate::resolver::{Family, LookupError, Validation};

/// What the reverse tree says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Iprev {
    /// This name leads back to the address.
    Confirmed(DomainName),
    /// The address has no name.
    NoName,
    /// It has names, and none leads back to it; the first of them.
    Forged(DomainName),
    /// Nobody could say.
    Unknown,
}

impl Iprev {
    /// In the words of RFC 8601.
    #[must_use]
    pub const fn result(&self) -> AuthResult {
        match self {
            Iprev::Confirmed(_) => AuthResult::Pass,
            Iprev::Forged(_) => AuthResult::Fail,
            // RFC 8601 §2.7.3 calls a missing name a permanent error.
            Iprev::NoName => AuthResult::PermError,
            Iprev::Unknown => AuthResult::TempError,
        }
    }

    /// The name that leads back.
    #[must_use]
    pub const fn confirmed(&self) -> Option<&DomainName> {
        match self {
            Iprev::Confirmed(name) => Some(name),
            _ => None,
        }
    }
}

impl Verifier {
    /// Looks an address up and back.
    pub async fn iprev(&self, address: IpAddr) -> Iprev {
        let claimed = match self.resolver.ptr(address, Validation::Off).await {
            Ok(answer) => answer.value,
            Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => return Iprev::NoName,
            Err(LookupError::Temporary(_) | LookupError::Bogus) => return Iprev::Unknown,
        };
        let mut unknown = false;
        for name in claimed.iter().take(limits::PTR_NAMES_MAX) {
            match self.resolver.addresses_at(name.as_str(), Family::of(address)).await {
                Ok(addresses) if addresses.contains(&address) => return Iprev::Confirmed(name.clone()),
                Ok(_) => {}
                Err(error) => unknown |= error.is_temporary(),
            }
        }
        match claimed.into_iter().next() {
            _ if unknown => Iprev::Unknown,
            Some(first) => Iprev::Forged(first),
            None => Iprev::NoName,
        }
    }
}
