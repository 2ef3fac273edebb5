//! What a queue worker counts. Few label values, none of them chosen by peers or customers.

use std::net::IpAddr;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use yubin_session::smtp::client::Verdict;

use crate::board::Board;
use crate::fate::Tried;
use crate::presence::Naming;
use crate::sources::Presence;

/// Counters, gauges and histograms of one worker. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    recipients: Family<VerdictLabel, Counter>,
    connections: Family<ProtectionLabel, Counter>,
    attempt_seconds: Histogram,
    results: Family<ResultLabel, Counter>,
    profiled: Family<ProfileLabel, Counter>,
    from: Family<AddressLabel, Counter>,
    usable: Family<AddressLabel, Gauge>,
    named: Family<AddressLabel, Gauge>,
    aside: Family<AddressLabel, Gauge>,
    put_off: Counter,
    handed_over: Counter,
    commands: Family<CommandLabel, Counter>,
    waiting: Gauge,
    leased_ahead: Gauge,
    in_flight: Gauge,
    shared: Gauge,
    destinations: Gauge,
    resting: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProtectionLabel {
    protection: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProfileLabel {
    profile: String,
}

/// Configured: there are few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AddressLabel {
    address: String,
}

impl AddressLabel {
    fn of(address: IpAddr) -> AddressLabel {
        AddressLabel { address: address.to_string() }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CommandLabel {
    command: &'static str,
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            recipients: Family::default(),
            connections: Family::default(),
            attempt_seconds: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
            results: Family::default(),
            profiled: Family::default(),
            from: Family::default(),
            usable: Family::default(),
            named: Family::default(),
            aside: Family::default(),
            put_off: Counter::default(),
            handed_over: Counter::default(),
            commands: Family::default(),
            waiting: Gauge::default(),
            leased_ahead: Gauge::default(),
            in_flight: Gauge::default(),
            shared: Gauge::default(),
            destinations: Gauge::default(),
            resting: Gauge::default(),
        };
        let yubin = registry.sub_registry_with_prefix("yubin_queue");
        yubin.register("recipients", "Recipients of attempts by what came of them", metrics.recipients.clone());
        yubin.register("connections", "Connections to mail hosts", metrics.connections.clone());
        yubin.register("attempt_duration_seconds", "Time of an attempt", metrics.attempt_seconds.clone());
        yubin.register("results", "Outcomes of deliveries, recorded or too late", metrics.results.clone());
        yubin.register("profiled_attempts", "Attempts at receivers by their profile", metrics.profiled.clone());
        metrics.register_sources(yubin);
        yubin.register("put_off", "Deliveries put off without an attempt", metrics.put_off.clone());
        yubin.register(
            "handed_over",
            "Deliveries leased as they were queued in this process",
            metrics.handed_over.clone(),
        );
        yubin.register("commands", "Commands to the store, each of which is a commit", metrics.commands.clone());
        yubin.register("waiting_deliveries", "Due deliveries that wait in memory", metrics.waiting.clone());
        yubin.register("leased_deliveries", "Deliveries leased that have not begun", metrics.leased_ahead.clone());
        yubin.register("in_flight_deliveries", "Deliveries under way", metrics.in_flight.clone());
        let shared = "Receivers whose limits are shared with other workers";
        yubin.register("shared_receivers", shared, metrics.shared.clone());
        yubin.register("destinations", "Destinations remembered", metrics.destinations.clone());
        yubin.register("resting_connections", "Connections that wait to be used again", metrics.resting.clone());
        metrics
    }

    fn register_sources(&self, registry: &mut Registry) {
        registry.register("source_attempts", "Attempts from source addresses", self.from.clone());
        registry.register("source_usable", "Has this machine the source address (1) or not (0)", self.usable.clone());
        let named = "Is the PTR record of the source address its name in EHLO, which leads back (1), or not (0)";
        registry.register("source_named", named, self.named.clone());
        let aside = "Destinations at which the source address is set aside, a minute ago at most";
        registry.register("source_set_aside", aside, self.aside.clone());
    }

    /// An attempt was made from a source address.
    pub(crate) fn tried_from(&self, address: IpAddr) {
        self.from.get_or_create(&AddressLabel::of(address)).inc();
    }

    /// This machine has a source address, or not.
    pub(crate) fn usable(&self, address: IpAddr, presence: Presence) {
        self.usable.get_or_create(&AddressLabel::of(address)).set(i64::from(presence == Presence::Here));
    }

    /// Its name is in order, or not.
    pub(crate) fn named(&self, address: IpAddr, naming: Naming) {
        self.named.get_or_create(&AddressLabel::of(address)).set(i64::from(naming == Naming::InOrder));
    }

    /// At so many destinations it is set aside.
    pub(crate) fn aside(&self, address: IpAddr, destinations: usize) {
        self.aside.get_or_create(&AddressLabel::of(address)).set(i64::try_from(destinations).unwrap_or(i64::MAX));
    }

    /// An attempt has ended.
    pub(crate) fn tried(&self, tried: &Tried, took: Duration) {
        for fate in &tried.fates {
            let verdict = match fate.verdict {
                Verdict::Delivered => "delivered",
                Verdict::Deferred => "deferred",
                Verdict::Refused => "refused",
                Verdict::Unknown => "unknown",
            };
            self.recipients.get_or_create(&VerdictLabel { verdict }).inc();
        }
        self.attempt_seconds.observe(took.as_secs_f64());
    }

    /// A connection is open. `protection` is `tls` or `clear`.
    pub(crate) fn connected(&self, protection: &'static str) {
        self.connections.get_or_create(&ProtectionLabel { protection }).inc();
    }

    /// So many results were recorded, and so many came too late.
    pub(crate) fn recorded(&self, recorded: usize, stale: usize) {
        self.results.get_or_create(&ResultLabel { result: "recorded" }).inc_by(recorded as u64);
        self.results.get_or_create(&ResultLabel { result: "stale" }).inc_by(stale as u64);
    }

    /// A command is proposed: `lease`, `renew`, `postpone`, `record`, `share` or `warm-up`.
    pub(crate) fn command(&self, command: &'static str) {
        self.commands.get_or_create(&CommandLabel { command }).inc();
    }

    /// An attempt was at a receiver that this profile knows.
    pub(crate) fn tried_at(&self, profile: &str) {
        self.profiled.get_or_create(&ProfileLabel { profile: profile.to_owned() }).inc();
    }

    /// So many came with their leases.
    pub(crate) fn handed_over(&self, count: usize) {
        self.handed_over.inc_by(count as u64);
    }

    pub(crate) fn put_off(&self, count: usize) {
        self.put_off.inc_by(count as u64);
    }

    /// How the board stands.
    pub(crate) fn board(&self, board: &Board, resting: usize) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.set(count(board.waiting()));
        self.leased_ahead.set(count(board.ahead()));
        self.in_flight.set(count(board.in_flight()));
        self.shared.set(count(board.shared_receivers()));
        self.destinations.set(count(board.destinations()));
        self.resting.set(count(resting));
    }
}
