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
use crate::rights::weight;
use crate::route::SmartHost;
use crate::scope::PermittedAddresses;
use crate::tls_tally::TlsReports;

/// How long it takes at most until a connection is ended that has rested for too long, and has said its last word, milliseconds: somewhat longer on a
/// busy machine.
const RESTS_MS: u64 = 5_000;

/// What a queue worker is told.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// This worker's name, unique in the cluster.
    pub worker: String,
    /// The names of all workers: those that are there share destinations, whoever is listed (docs/rfd/0018). Each destination has its own order of
    /// them: the first takes its mail, the next ones only what waits for `takeover` longer each. Fewer than two: this one is alone.
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
    /// Hosts whose Authentication-Results are ours: forwarded mail that they verified is sealed (ARC). Without any, none is.
    pub arc_hosts: Vec<String>,
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
            arc_hosts: Vec::new(),
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
            rests_ms: u64::try_from(self.idle_time_max.as_millis()).unwrap_or(u64::MAX).saturating_add(RESTS_MS),
        }
    }

    /// How many workers go before this one where the directory need not be asked: by the configured names, in the order that belongs to `what`.
    #[must_use]
    pub fn rank(&self, what: &str) -> u32 {
        let own = weight(&self.worker, what);
        let before = self.workers.iter().filter(|worker| **worker != self.worker && weight(worker, what) > own).count();
        u32::try_from(before).unwrap_or(u32::MAX)
    }
}
