//! The store's measurements as Prometheus sees them: read when they are asked for.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use yubin_proto::StoreClient;
use yubin_state::queue::DeliveryStatus;
use yubin_store::{Backlog, Store, Waiting};
use yubin_types::Timestamp;

/// How deliveries stand, in the words of `yubin ctl queue`.
const STATUSES: [(DeliveryStatus, &str); 4] = [
    (DeliveryStatus::Scheduled, "scheduled"),
    (DeliveryStatus::InFlight, "in-flight"),
    (DeliveryStatus::MaybeDelivered, "maybe-delivered"),
    (DeliveryStatus::Held, "held"),
];

/// Adds a store's gauges to the registry.
pub(crate) fn register_store(registry: &mut Registry, store: Store) {
    registry.register_collector(Box::new(StoreCollector(store)));
}

#[derive(Debug)]
struct StoreCollector(Store);

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let metrics = self.0.metrics();
        let total = |value: fn(&yubin_store::GroupMetrics) -> u64| metrics.groups.iter().map(value).sum::<u64>();
        let lag = |group: &yubin_store::GroupMetrics| {
            group.last_log_index.unwrap_or(0).saturating_sub(group.applied_index.unwrap_or(0))
        };
        let gauges: [(&str, &str, u64); 7] = [
            ("yubin_raft_groups", "Replicas on this node", metrics.groups.len() as u64),
            ("yubin_raft_leaders", "Groups led by this node", total(|group| u64::from(group.leadership.is_leader()))),
            (
                "yubin_raft_terms",
                "Terms of all groups added up: one more with each election",
                total(|group| group.leadership.term),
            ),
            ("yubin_raft_apply_lag_entries", "Entries in the log that are not applied", total(lag)),
            ("yubin_raft_faulted", "Replicas that stopped applying", total(|group| u64::from(group.fault.is_some()))),
            ("yubin_raft_entry_cache_bytes", "Log entries held in memory", metrics.entry_cache_bytes),
            (
                "yubin_store_clock_off_milliseconds",
                "Difference from the other nodes' clocks, if too large for this node to lead",
                self.0.clock_ahead_ms().unsigned_abs(),
            ),
        ];
        for (name, help, value) in gauges {
            gauge(&mut encoder, name, help, value)?;
        }
        for (name, value) in &metrics.engine {
            gauge(
                &mut encoder,
                &format!("yubin_rocksdb_{}", name.replace(['.', '-'], "_")),
                "RocksDB property",
                *value,
            )?;
        }
        backlog(&mut encoder, &self.0.backlog(), self.0.now())
    }
}

/// What waits in the outbound queue.
fn backlog(encoder: &mut DescriptorEncoder<'_>, backlog: &Backlog, now: Timestamp) -> Result<(), std::fmt::Error> {
    let mut sums = |name: &str, help: &str, sum: fn(&Waiting) -> u64| {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        STATUSES.iter().try_for_each(|(status, word)| {
            let gauge = ConstGauge::new(whole(sum(&backlog.with(*status))));
            gauge.encode(family.encode_family(&[("status", *word)])?)
        })
    };
    sums("yubin_queue_stored_deliveries", "Deliveries in the outbound queue", |waiting| waiting.deliveries)?;
    sums("yubin_queue_stored_recipients", "Recipients in the outbound queue", |waiting| waiting.recipients)?;
    sums("yubin_queue_stored_bytes", "Bytes of messages in the outbound queue", |waiting| waiting.bytes)?;
    let age = backlog.oldest().map_or(0, |oldest| now.millis_since(oldest) / 1_000);
    gauge(encoder, "yubin_queue_oldest_seconds", "Age of the oldest message in the outbound queue", age)
}

/// Adds what is lost of the mail log.
pub(crate) fn register_mail_log(registry: &mut Registry, client: Arc<StoreClient>) {
    registry.register_collector(Box::new(MailLogCollector(client)));
}

#[derive(Debug)]
struct MailLogCollector(Arc<StoreClient>);

impl Collector for MailLogCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (name, help) = ("yubin_mail_log_events_lost", "Events of the mail log that could not be kept");
        let counter = ConstCounter::new(self.0.mail_events_lost());
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(whole(value));
    let encoded = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(encoded)
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
