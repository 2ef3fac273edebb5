//! What protects a connection, and whether a password may be sent over it. The same for all three protocols.

use crate::TlsFacts;
use crate::step::ChannelBinding;

/// What protects a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing, and no TLS on offer.
    Clear,
    /// Nothing yet: STARTTLS (STLS) is offered.
    Upgradable,
    /// TLS, from the first octet or by upgrade.
    Encrypted(TlsFacts),
}

/// May a password be sent without TLS?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaintextLogin {
    /// Never.
    #[default]
    Refuse,
    /// Yes: the operator says that the network is trusted (loopback).
    Allow,
}

impl Security {
    /// May a login start now?
    #[must_use]
    pub const fn admits_login(&self, plaintext: PlaintextLogin) -> bool {
        matches!((self, plaintext), (Security::Encrypted(_), _) | (_, PlaintextLogin::Allow))
    }

    /// Does TLS protect it?
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Security::Encrypted(_))
    }

    /// What logins can be bound to, if the connection has it.
    #[must_use]
    pub const fn channel_binding(&self) -> Option<&ChannelBinding> {
        match self {
            Security::Encrypted(facts) => facts.channel_binding.as_ref(),
            Security::Clear | Security::Upgradable => None,
        }
    }
}
