//! What is remembered of a connection with what its host said: from where it came, what protected it, how long it took.

use std::time::Duration;

use yubin_state::queue::{TlsUse, Way};

use crate::connection::Connection;
use crate::route::Protection;

/// Does TLS prove who the host is?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Proof {
    #[default]
    None,
    Certificate,
}

/// How long a connection took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// To be ready; nothing any more after the first transaction.
    pub(crate) connecting: Duration,
    /// For its last transaction.
    pub(crate) sending: Duration,
}

impl Proof {
    /// Of a host that is protected so.
    pub(crate) fn of(protection: &Protection) -> Proof {
        match protection {
            Protection::Verified { .. } | Protection::Implicit(_) => Proof::Certificate,
            Protection::Clear | Protection::Opportunistic | Protection::Encrypted => Proof::None,
        }
    }
}

impl Connection {
    /// What is remembered of its last transaction.
    pub(crate) fn way(&mut self) -> Way {
        let taken = std::mem::take(&mut self.taken);
        let tls = match (self.tls().map(|facts| facts.version.clone()), self.proof) {
            (None, _) => TlsUse::Clear,
            (Some(version), Proof::None) => TlsUse::Unverified(version),
            (Some(version), Proof::Certificate) => TlsUse::Verified(version),
        };
        Way { source: self.source, tls, connect_ms: millis(taken.connecting), send_ms: millis(taken.sending) }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
