//! Places for connections: each service has its own, so that a flood of one leaves the others alone.
//!
//! All listeners of a service share its places. When few are free they are scarce, and whoever is not logged in has less time
//! (`SCARCE_IDLE_SECONDS_MAX`); when none is, further connections are turned away (see `turn_away`), which the log says once a minute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yubin_types::limits;

use crate::config::{ConnectionsConfig, Protocol};
use crate::transport::HANDSHAKE_TIME_MAX;

/// Between two lines in the log about a service without places.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The places of a service. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    all: usize,
    said: Arc<Mutex<Option<Instant>>>,
}

/// Those of all services.
#[derive(Debug)]
pub(crate) struct ServicePlaces {
    smtp: Places,
    submission: Places,
    lmtp: Places,
    pop3: Places,
    imap: Places,
}

impl Places {
    /// So many.
    pub(crate) fn new(all: usize) -> Places {
        let all = all.min(limits::CONNECTIONS_MAX);
        Places { free: Arc::new(Semaphore::new(all)), all, said: Arc::default() }
    }

    /// One, until the permit is dropped; none, where all are taken.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Are so few free that nobody may linger?
    pub(crate) fn are_scarce(&self) -> bool {
        self.free.available_permits() * limits::SCARCE_PLACES_PART < self.all
    }

    /// How long a TLS handshake that begins now may take.
    pub(crate) fn handshake_time_max(&self) -> Duration {
        let scarce = Duration::from_secs(limits::SCARCE_IDLE_SECONDS_MAX);
        if self.are_scarce() { HANDSHAKE_TIME_MAX.min(scarce) } else { HANDSHAKE_TIME_MAX }
    }

    /// Says in the log that all are taken, if it was not said just now.
    pub(crate) fn say_full(&self, protocol: Protocol) {
        let mut said = self.said.lock();
        if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!(
                protocol = protocol.name(),
                places = self.all,
                "connections are turned away: no place is free"
            );
        }
    }
}

impl ServicePlaces {
    pub(crate) fn new(config: ConnectionsConfig) -> ServicePlaces {
        ServicePlaces {
            smtp: Places::new(config.smtp),
            submission: Places::new(config.submission),
            lmtp: Places::new(config.lmtp),
            pop3: Places::new(config.pop3),
            imap: Places::new(config.imap),
        }
    }

    pub(crate) const fn of(&self, protocol: Protocol) -> &Places {
        match protocol {
            Protocol::Mx => &self.smtp,
            Protocol::Submission => &self.submission,
            Protocol::Lmtp => &self.lmtp,
            Protocol::Pop3 => &self.pop3,
            Protocol::Imap => &self.imap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn places_are_scarce_when_fewer_than_a_tenth_are_free_and_none_is_given_twice() {
        let places = Places::new(20);
        let taken: Vec<_> = (0..18).map(|_| places.take().unwrap()).collect();
        assert!(!places.are_scarce(), "a tenth is free");
        let _one_more = places.take().unwrap();
        assert!(places.are_scarce());
        let _last = places.take().unwrap();
        assert!(places.take().is_none());
        drop(taken);
        assert!(!places.are_scarce());
        assert!(places.take().is_some());
    }
}
