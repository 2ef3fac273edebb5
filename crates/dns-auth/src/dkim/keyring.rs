//! Signers of the domains that send: their keys opened once and remembered for [`limits::DKIM_SIGNER_SECONDS`].
//!
//! So long may a process sign with keys that were just retired, whose records stay published much longer. Where keys are kept is not known
//! here: whoever has a keyring asks for those of a domain that the ring does not know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use yubin_types::{DomainName, Secret, limits};

use super::sealed::{KeyName, KeySealer, OpenError};
use super::sign::{SelectedKey, Signer};

/// Signers of the domains that send.
pub struct Keyring {
    sealer: KeySealer,
    known: Cache<DomainName, Known>,
}

/// What is known of a domain.
#[derive(Clone)]
struct Known {
    asked: Instant,
    /// None without keys.
    signer: Option<Arc<Signer>>,
}

/// A stored key doesn't open here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {selector} of {domain}: {error}")]
pub struct KeyringError {
    /// Whose.
    pub domain: DomainName,
    /// Which.
    pub selector: DomainName,
    /// Why not.
    pub error: OpenError,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Opens what was sealed under the cluster's secret.
    #[must_use]
    pub fn new(cluster_secret: &Secret) -> Self {
        Keyring { sealer: KeySealer::new(cluster_secret), known: Cache::new(limits::DKIM_SIGNERS_MAX) }
    }

    /// The signer of a domain, `Some(None)` for one without keys; `None`: it was not asked for not long ago.
    #[must_use]
    pub fn known(&self, domain: &DomainName) -> Option<Option<Arc<Signer>>> {
        let fresh = |known: &Known| known.asked.elapsed() < Duration::from_secs(limits::DKIM_SIGNER_SECONDS);
        self.known.get(domain).filter(fresh).map(|known| known.signer)
    }

    /// Opens a domain's keys in use, selectors and sealed keys, and remembers them from when they were `asked` for.
    ///
    /// # Errors
    /// [`KeyringError`]: one doesn't open; nothing is remembered.
    pub fn learn<'a>(
        &self,
        domain: &DomainName,
        asked: Instant,
        keys: impl IntoIterator<Item = (&'a DomainName, &'a [u8])>,
    ) -> Result<Option<Arc<Signer>>, KeyringError> {
        let mut opened = Vec::new();
        for (selector, sealed) in keys {
            let key = self.sealer.open(KeyName { domain, selector }, sealed).map_err(|error| {
                let (domain, selector) = (domain.clone(), selector.clone());
                KeyringError { domain, selector, error }
            })?;
            opened.push(SelectedKey { selector: selector.clone(), key: Arc::new(key) });
        }
        let signer = (!opened.is_empty()).then(|| Arc::new(Signer::new(domain.clone(), opened)));
        self.known.insert(domain.clone(), Known { asked, signer: signer.clone() });
        Ok(signer)
    }
}
