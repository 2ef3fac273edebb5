//! RSA keys made ahead of need: making one takes up to seconds of a processor, and nobody should wait for it who creates a domain.
//!
//! One thread makes a key at a time and stops while the pool is full. Keys wait in memory only; what is left at the end of the process was
//! never used. Ed25519 keys need no pool.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;
use yubin_types::limits;

use super::key::{KeyAlgorithm, KeyError, PrivateKey};

/// RSA keys for whoever needs one.
#[derive(Debug)]
pub struct RsaPool {
    keys: Mutex<Receiver<Result<PrivateKey, KeyError>>>,
}

impl RsaPool {
    /// Begins to fill a pool of [`limits::DKIM_POOL_KEYS`]; it is filled until it is dropped.
    #[must_use]
    pub fn start() -> Arc<Self> {
        // One more key waits in the maker's hand.
        let (sender, receiver) = sync_channel(limits::DKIM_POOL_KEYS.saturating_sub(1));
        if let Err(error) = std::thread::Builder::new().name("dkim-keys".to_owned()).spawn(move || fill(&sender)) {
            tracing::error!(%error, "no thread makes DKIM keys");
        }
        Arc::new(RsaPool { keys: Mutex::new(receiver) })
    }

    /// A key that nobody else has; waits if the pool is empty.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub async fn take(self: &Arc<Self>) -> Result<PrivateKey, KeyError> {
        let pool = Arc::clone(self);
        let taken = tokio::task::spawn_blocking(move || pool.keys.lock().recv()).await;
        taken.ok().and_then(Result::ok).unwrap_or(Err(KeyError::Generation))
    }
}

fn fill(keys: &SyncSender<Result<PrivateKey, KeyError>>) {
    while keys.send(PrivateKey::generate(KeyAlgorithm::Rsa)).is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyAlgorithm;
    use super::RsaPool;

    #[tokio::test]
    async fn nobody_gets_the_same_key_twice() {
        let pool = RsaPool::start();
        let (first, second) = tokio::join!(pool.take(), pool.take());
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!((first.algorithm(), second.algorithm()), (KeyAlgorithm::Rsa, KeyAlgorithm::Rsa));
        assert_ne!(first.record(), second.record());
    }
}
