//! The keys of one issuer, as they were last told.
//!
//! They are asked for again when they are [`limits::KEYS_FRESH_SECONDS`] old, and at once when a token names a key that is not among
//! them, but never more often than every [`limits::KEYS_RETRY_SECONDS`], whatever tokens strangers make. While new keys can't be had the
//! old ones hold, for [`limits::KEYS_STALE_SECONDS`] at most. One login asks at a time; only logins that can't do without new keys wait
//! for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use yubin_password::KeySet;
use yubin_types::limits;

/// What is known of an issuer's keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    held: RwLock<Option<Held>>,
    /// When they were asked for last.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct Held {
    set: Arc<KeySet>,
    since: Instant,
}

impl Keys {
    /// Keys to begin with; `None`: none can be had. `fetch` brings a key set, or says why it can't.
    pub(super) async fn current<F: Future<Output = Result<KeySet, String>>>(
        &self,
        fetch: impl FnOnce() -> F,
    ) -> Option<Arc<KeySet>> {
        if self.held(limits::KEYS_FRESH_SECONDS).is_none() {
            if self.held(limits::KEYS_STALE_SECONDS).is_none() {
                let mut asked = self.asked.lock().await;
                // Somebody else may have brought them.
                if self.held(limits::KEYS_FRESH_SECONDS).is_none() {
                    self.ask(&mut asked, fetch).await;
                }
            } else if let Ok(mut asked) = self.asked.try_lock() {
                self.ask(&mut asked, fetch).await;
            }
        }
        self.held(limits::KEYS_STALE_SECONDS)
    }

    /// Other keys than these, which don't do.
    pub(super) async fn instead_of<F: Future<Output = Result<KeySet, String>>>(
        &self,
        set: &Arc<KeySet>,
        fetch: impl FnOnce() -> F,
    ) -> Option<Arc<KeySet>> {
        let mut asked = self.asked.lock().await;
        let other = || self.held(limits::KEYS_STALE_SECONDS).filter(|held| !Arc::ptr_eq(held, set));
        if let Some(other) = other() {
            return Some(other);
        }
        self.ask(&mut asked, fetch).await;
        other()
    }

    fn held(&self, seconds_max: u64) -> Option<Arc<KeySet>> {
        let held = self.held.read();
        let held = held.as_ref().filter(|held| held.since.elapsed() <= Duration::from_secs(seconds_max));
        held.map(|held| Arc::clone(&held.set))
    }

    /// Asks for keys, unless that was done just now.
    async fn ask<F: Future<Output = Result<KeySet, String>>>(
        &self,
        asked: &mut Option<Instant>,
        fetch: impl FnOnce() -> F,
    ) {
        if asked.is_some_and(|asked| asked.elapsed() < Duration::from_secs(limits::KEYS_RETRY_SECONDS)) {
            return;
        }
        *asked = Some(Instant::now());
        let bound = Duration::from_secs(limits::KEYS_FETCH_SECONDS_MAX);
        match timeout(bound, Box::pin(fetch())).await.unwrap_or_else(|_| Err("it took too long".to_owned())) {
            Ok(set) => *self.held.write() = Some(Held { set: Arc::new(set), since: Instant::now() }),
            Err(error) => tracing::warn!(error, "the keys of an issuer can't be had"),
        }
    }
}
