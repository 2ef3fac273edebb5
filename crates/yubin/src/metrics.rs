//! The store's measurements as Prometheus sees them: read when they are asked for.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use yubin_proto::StoreClient;
use yubin_store::Store;

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
        let gauges: [(&str, &str, u64); 6] = [
            ("yubin_raft_groups", "Replicas on this node", metrics.groups.len() as u64),
            ("yubin_raft_leaders", "Groups led by this node", total(|group| u64::from(group.leadership.is_leader()))),
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
        Ok(())
    }
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
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let encoded = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(encoded)
}
