//! What became of reports, counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use yubin_types::report::ReportKind;

use crate::progress::name;

/// Counters of a reporter. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    reports: Family<ReportLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReportLabel {
    kind: &'static str,
    result: &'static str,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics { reports: Family::default() };
        let help = "Domains that were to be reported to, by what became of the report";
        registry.register("yubin_reports", help, metrics.reports.clone());
        metrics
    }

    /// A domain is done.
    pub(crate) fn done(&self, kind: ReportKind, result: &'static str) {
        self.reports.get_or_create(&ReportLabel { kind: name(kind), result }).inc();
    }
}
