//! The words in which mail authentication speaks: results of its methods and what a domain asks for when they fail.
//!
//! One set of results for all methods, as RFC 8601 §2.7 registers them; not every method uses every one. Who computes them is
//! `dns-auth`, who draws consequences is `policy`.

use serde::{Deserialize, Serialize};

/// What a method found (RFC 8601 §2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AuthResult {
    /// There is nothing to check.
    None,
    /// Authentic.
    Pass,
    /// Not authentic.
    Fail,
    /// Probably not authentic (SPF `~all`).
    SoftFail,
    /// The domain says nothing of it, or the signature can't be read.
    Neutral,
    /// Authentic by its own word, and not believed: a test key, a signature of a part.
    Policy,
    /// Nobody could say; a later attempt may find out.
    TempError,
    /// What the domain published is wrong.
    PermError,
}

impl AuthResult {
    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AuthResult::None => "none",
            AuthResult::Pass => "pass",
            AuthResult::Fail => "fail",
            AuthResult::SoftFail => "softfail",
            AuthResult::Neutral => "neutral",
            AuthResult::Policy => "policy",
            AuthResult::TempError => "temperror",
            AuthResult::PermError => "permerror",
        }
    }
}

/// What a domain wants done with mail that fails DMARC (RFC 9989 §4.7), weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DmarcPolicy {
    /// Nothing.
    None,
    /// To be treated as suspicious.
    Quarantine,
    /// To be refused.
    Reject,
}

impl DmarcPolicy {
    /// As records write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DmarcPolicy::None => "none",
            DmarcPolicy::Quarantine => "quarantine",
            DmarcPolicy::Reject => "reject",
        }
    }
}
