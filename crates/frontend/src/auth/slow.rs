//! Argon2id outside the async runtime, a few computations at a time: half of the processors, and a bounded queue behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use yubin_password::verify_argon2id;
use yubin_types::{Secret, limits};

/// Checks passwords slowly.
#[derive(Debug)]
pub(super) struct SlowVerifier {
    /// Places for computations.
    places: Arc<Semaphore>,
    /// Computations that run or wait.
    queue: AtomicUsize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verified {
    Right,
    Wrong,
}

impl SlowVerifier {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        SlowVerifier { places: Arc::new(Semaphore::new((processors / 2).max(1))), queue: AtomicUsize::new(0) }
    }

    /// Is this the password? `None`: too many wait already.
    pub(super) async fn verify(&self, phc: String, password: &Secret) -> Option<Verified> {
        let _queued = Queued::enter(&self.queue)?;
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let password = password.clone();
        let computed = tokio::task::spawn_blocking(move || {
            let right = verify_argon2id(&phc, &password);
            // The place is free when the computation ends, also if nobody waits for it any more.
            drop(place);
            if right { Verified::Right } else { Verified::Wrong }
        });
        computed.await.ok()
    }
}

/// A place in the queue.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(queue: &'a AtomicUsize) -> Option<Self> {
        let before = queue.fetch_add(1, Ordering::Relaxed);
        let queued = Queued(queue);
        (before < limits::SLOW_LOGINS_QUEUED_MAX).then_some(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
