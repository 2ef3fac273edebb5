//! What a lookup answers, and why it may have no answer.
//!
//! Four ways of having none are told apart, because mail treats each differently: the name does not exist, the name has no such
//! record, nobody could say (try later), and the answer is forged (RFC 4035 §4.3: bogus; try later, believe nothing).
//! A positive or a negative answer also says how far DNSSEC vouches for it.

use std::net::{Ipv4Addr, Ipv6Addr};

use yubin_types::DomainName;

/// Shall the answer be validated by DNSSEC? Costs more questions, so only who needs the proof asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validation {
    /// Take what the name server says.
    Off,
    /// Validate from the trust anchor down (RFC 4035 §5).
    On,
}

/// How far DNSSEC vouches for an answer, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// Nobody asked.
    Unchecked,
    /// Proven to lie in a zone that is not signed, or not below a trust anchor.
    Insecure,
    /// Every record on the way, CNAMEs included, is signed down from the trust anchor.
    Secure,
}

impl Security {
    /// What holds for two answers together: the weaker of both.
    #[must_use]
    pub fn and(self, other: Security) -> Security {
        self.min(other)
    }
}

/// A value, and how far it is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was found.
    pub value: T,
    /// What DNSSEC says of it.
    pub security: Security,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// NXDOMAIN: the name does not exist, nor anything below it.
    #[error("the name does not exist")]
    NoDomain(Security),
    /// The name exists, a record of this type does not.
    #[error("there is no such record")]
    NoData(Security),
    /// Nobody could say; a later attempt may succeed.
    #[error("the name can't be looked up now: {0}")]
    Temporary(TemporaryCause),
    /// The signatures are wrong or missing where they must be: forged, or a mistake of the domain's owner. A name server that fails
    /// while keys are fetched shows itself in the same way. Nothing may be concluded from it.
    #[error("DNSSEC validation failed")]
    Bogus,
}

impl LookupError {
    /// May a later attempt succeed? True as well of [`LookupError::Bogus`], which owners mend.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, LookupError::Temporary(_) | LookupError::Bogus)
    }
}

/// Why nobody could say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemporaryCause {
    /// No answer within the time allowed.
    #[error("no name server answered in time")]
    Timeout,
    /// SERVFAIL, REFUSED and the like.
    #[error("the name server failed")]
    ServerFailure,
    /// No name server could be reached, or what came was no DNS message.
    #[error("no name server could be reached")]
    Network,
    /// CNAMEs in a loop, or more of them than are followed.
    #[error("the name is an alias of an alias, too many times")]
    Aliases,
}

/// A mail exchanger (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxHost {
    /// Lower is tried first.
    pub preference: u16,
    /// Its name.
    pub name: DomainName,
}

/// What a domain's MX records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHosts {
    /// Hosts by preference, ties in an order drawn from the caller's seed. Empty if no record names a host that can exist.
    Hosts(Vec<MxHost>),
    /// The domain takes no mail (RFC 7505).
    NullMx,
}

/// The addresses of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// From A records.
    pub v4: Vec<Ipv4Addr>,
    /// From AAAA records.
    pub v6: Vec<Ipv6Addr>,
    /// The name that has them: the host's own, or the one at the end of its aliases. None if no host can have such a name.
    pub canonical: Option<DomainName>,
}

/// A TLSA record as it stands in the DNS (RFC 6698 §2.1); `dane` says which are usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsaRecord {
    /// Certificate usage: 2 DANE-TA, 3 DANE-EE.
    pub usage: u8,
    /// Selector: 0 the certificate, 1 its SubjectPublicKeyInfo.
    pub selector: u8,
    /// Matching type: 0 exact, 1 SHA-256, 2 SHA-512.
    pub matching: u8,
    /// Certificate association data.
    pub data: Vec<u8>,
}
