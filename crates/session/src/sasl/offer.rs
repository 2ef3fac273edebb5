//! Which mechanisms are on offer on a connection where logins are taken at all.
//!
//! SCRAM bound to the connection needs one that can be bound to; a token needs TLS even where the operator lets passwords pass without,
//! because whoever sees it has it (RFC 6750 §5.3), and an issuer that is configured.

use super::{MECHANISMS, Mechanism};
use crate::security::Security;

/// Are tokens taken in place of passwords?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenLogin {
    /// No: no issuer is configured.
    #[default]
    Refuse,
    /// Yes.
    Allow,
}

/// What mechanisms depend on.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// What protects the connection.
    pub security: &'a Security,
    /// Are there issuers?
    pub tokens: TokenLogin,
}

impl Offer<'_> {
    /// Is the mechanism among them?
    #[must_use]
    pub fn includes(self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::ScramSha256Plus => self.security.channel_binding().is_some(),
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                self.tokens == TokenLogin::Allow && matches!(self.security, Security::Encrypted(_))
            }
            Mechanism::ScramSha256 | Mechanism::Plain | Mechanism::Login => true,
        }
    }

    /// The names, as EHLO and CAPA list them.
    pub(crate) fn names(self) -> String {
        let names: Vec<&str> =
            MECHANISMS.into_iter().filter(|mechanism| self.includes(*mechanism)).map(Mechanism::name).collect();
        names.join(" ")
    }
}
