//! What a queue worker is told. Every value has a default that suits a plain machine.

use std::sync::Arc;
use std::time::Duration;

use yubin_dns_auth::dkim::Keyring;
use yubin_policy::retry::RetrySchedule;
use yubin_policy::srs::SrsKey;
use yubin_session::smtp::client::TimeLimits;
use yubin_types::{DomainName, Secret};

use crate::board::BoardLimits;
use crate::pace::PaceLimits;
use crate::pools::Pool;
use crate::profile::{Family, Profile};
use crate::route::SmartHost;
use crate::scope::PermittedAddresses;
use crate::tls_tally::TlsReports;

/// What a queue worker is told.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// This worker's name, unique in the cluster.
    pub worker: String,
    /// The names of all workers. Each destination has its own order of them (rendezvous hashing): the first takes its mail, the next
    /// ones only what waits for `takeover` longer each. Empty: this one is alone.
    pub workers: Vec<String>,
    /// How long mail waits for the worker before in its destination's order.
    pub takeover: Duration,
    /// Our host name: in EHLO, in notices, and to recognise ourselves in MX records.
    pub hostname: DomainName,
    /// Addresses that mail is sent from; without any, the system chooses.
    pub pools: Vec<Pool>,
    /// Which addresses of a destination without a profile are tried first.
    pub prefers: Family,
    /// Where mail servers listen.
    pub port: u16,
    /// Which addresses mail may go to.
    pub scope: PermittedAddresses,
    /// Configured ways, the first that fits.
    pub smart_hosts: Vec<SmartHost>,
    /// Deliveries under way in this worker.
    pub deliveries_max: usize,
    /// Deliveries leased in advance, that will begin when their destination has a free lane. With `deliveries_max` the bound of leases.
    pub leased_ahead_max: usize,
    /// Due deliveries that wait in memory for their turn.
    pub waiting_max: usize,
    /// How fast destinations are spoken to whose receiver has no profile.
    pub pace: PaceLimits,
    /// Profiles of receivers beside those that ship, or in their place.
    pub profiles: Vec<Profile>,
    /// Recipients of one transaction (RFC 5321 §4.5.3.1.8: every server takes 100).
    pub recipients_per_transaction_max: usize,
    /// How long a lease is; it is renewed when a third of it has passed. What a worker that is killed had leased waits for so long; the
    /// store may be away for two thirds of it without a lease being lost.
    pub lease: Duration,
    /// How long a delivery may take in all.
    pub delivery_time_max: Duration,
    /// How long connecting to an address may take.
    pub connect_time_max: Duration,
    /// How long servers may take for what.
    pub time_limits: TimeLimits,
    /// How long a connection rests before it is ended; zero: none is used again.
    pub idle_time_max: Duration,
    /// Connections that rest.
    pub idle_connections_max: usize,
    /// When to try again.
    pub schedule: RetrySchedule,
    /// Rewrites the senders of forwarded mail; the front ends that take the bounces have the same.
    pub srs_key: SrsKey,
    /// Opens the keys of hosted domains, for what is signed here.
    pub keyring: Arc<Keyring>,
    /// Are sessions counted for reports on TLS?
    pub tls_reports: TlsReports,
}

impl QueueConfig {
    /// The defaults. The cluster's secret is that of the front ends and the administration.
    #[must_use]
    pub fn new(worker: String, hostname: DomainName, cluster_secret: &Secret) -> QueueConfig {
        QueueConfig {
            worker,
            workers: Vec::new(),
            takeover: Duration::from_secs(15),
            hostname,
            pools: Vec::new(),
            prefers: Family::default(),
            port: 25,
            scope: PermittedAddresses::default(),
            smart_hosts: Vec::new(),
            deliveries_max: 500,
            leased_ahead_max: 10_000,
            waiting_max: 20_000,
            pace: PaceLimits::default(),
            profiles: Vec::new(),
            recipients_per_transaction_max: 100,
            lease: Duration::from_secs(30),
            delivery_time_max: Duration::from_secs(3_600),
            connect_time_max: Duration::from_secs(30),
            time_limits: TimeLimits::default(),
            idle_time_max: Duration::from_secs(5),
            idle_connections_max: 500,
            schedule: RetrySchedule::default(),
            srs_key: SrsKey::derive(cluster_secret),
            keyring: Arc::new(Keyring::new(cluster_secret)),
            tls_reports: TlsReports::Off,
        }
    }

    pub(crate) fn board(&self) -> BoardLimits {
        BoardLimits {
            waiting_max: self.waiting_max,
            waiting_per_destination_max: (self.waiting_max / 4).max(1),
            ahead_max: self.leased_ahead_max,
            in_flight_max: self.deliveries_max,
            pace: self.pace,
            prefers: self.prefers,
            crowded_ms_max: 30_000,
        }
    }

    /// How many workers go before this one for a destination.
    #[must_use]
    pub fn rank(&self, destination: &str) -> u32 {
        let weight = |worker: &str| {
            let mut hash = blake3::Hasher::new();
            hash.update(worker.as_bytes()).update(&[0]).update(destination.as_bytes());
            *hash.finalize().as_bytes()
        };
        let own = weight(&self.worker);
        let before = self.workers.iter().filter(|worker| **worker != self.worker && weight(worker) > own).count();
        u32::try_from(before).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::{DomainName, Secret};

    use super::QueueConfig;

    fn config(worker: &str) -> QueueConfig {
        let hostname = DomainName::parse("mta.example").unwrap();
        QueueConfig::new(worker.to_owned(), hostname, &Secret::new("secret"))
    }

    #[test]
    fn workers_share_destinations_and_agree_on_the_order() {
        let names: Vec<String> = (0..3).map(|number| format!("worker-{number}")).collect();
        let configs: Vec<QueueConfig> =
            names.iter().map(|name| QueueConfig { workers: names.clone(), ..config(name) }).collect();
        let mut firsts = [0; 3];
        for number in 0..3_000 {
            let destination = format!("d{number}.example");
            let mut ranks: Vec<u32> = configs.iter().map(|config| config.rank(&destination)).collect();
            firsts[ranks.iter().position(|&rank| rank == 0).unwrap()] += 1;
            ranks.sort_unstable();
            assert_eq!(ranks, [0, 1, 2]);
        }
        assert!(firsts.iter().all(|count| (900..1_100).contains(count)), "{firsts:?}");
        assert_eq!(config("w").rank("a.example"), 0);
    }
}
