//! Counts how TLS with other domains' hosts went, for the reports that they may want (RFC 8460).
//!
//! A session is counted once, when it begins, whatever it carries later; one that carries a report is not. Every minute the counts go to the
//! mail log as facts ([`yubin_proto::report_facts`]): a worker that is killed forgets as much. Sessions with smart hosts and with address literals are
//! nobody's policy, and not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use yubin_dns_auth::tls_rpt::Counters;
use yubin_proto::StoreClient;
use yubin_state::Topic;
use yubin_types::report::{ReportFact, Seen, TlsFailure, TlsResultType};
use yubin_types::{DomainName, GroupNumber, Timestamp, limits};

use crate::connect::NoConnection;
use crate::connection::{Connection, now};
use crate::route::{CountedTls, Hop};
use crate::worker::Shared;

/// Between two writes when the directory changes again and again.
const PAUSE: Duration = Duration::from_secs(1);

/// Are sessions counted for reports on TLS?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReports {
    /// Yes.
    Count,
    /// No.
    Off,
}

/// The counts of a worker.
pub(crate) struct TlsTally {
    /// None: nothing is counted.
    counters: Option<Counters>,
    /// When the counts were last handed over, milliseconds.
    since: AtomicU64,
}

/// Counts nothing.
pub(crate) static NOTHING: TlsTally = TlsTally { counters: None, since: AtomicU64::new(0) };

impl TlsTally {
    pub(crate) fn new(reports: TlsReports) -> TlsTally {
        let counters = (reports == TlsReports::Count).then(Counters::default);
        TlsTally { counters, since: AtomicU64::new(now().0) }
    }

    /// A session begins.
    pub(crate) fn connected(&self, hop: &Hop, connection: &Connection) {
        let in_clear = connection.tls().is_none().then_some(TlsResultType::StarttlsNotSupported);
        let flaw = |counted: &CountedTls| counted.flaw.or(connection.tls_flaw).or(in_clear);
        let (Some(counters), Some(counted)) = (&self.counters, &hop.counted) else { return };
        match flaw(counted) {
            None => counters.success(&counted.policy),
            Some(result) => {
                let failure = TlsFailure { receiving_ip: Some(connection.address.ip()), ..failure(hop, result) };
                counters.failure(&counted.policy, failure);
            }
        }
    }

    /// There is no session. Only what was wrong with TLS counts.
    pub(crate) fn failed(&self, hop: &Hop, why: &NoConnection) {
        let (Some(counters), Some(counted), Some(result)) = (&self.counters, &hop.counted, why.tls) else { return };
        counters.failure(&counted.policy, failure(hop, counted.flaw.unwrap_or(result)));
    }

    /// The policy does not let a host be connected to.
    pub(crate) fn unreached(&self, counted: Option<&CountedTls>, host: &DomainName) {
        let (Some(counters), Some(counted)) = (&self.counters, counted) else { return };
        let Some(result) = counted.flaw else { return };
        let receiving_host = Some(host.clone());
        let failure = TlsFailure { result, sending_ip: None, receiving_host, receiving_ip: None };
        counters.failure(&counted.policy, failure);
    }

    /// Hands the counts over to the mail log, as of the time when they were begun.
    pub(crate) fn write(&self, store: &StoreClient) {
        let taken = self.counters.as_ref().map(Counters::take).unwrap_or_default();
        let at = Timestamp(self.since.swap(now().0, Ordering::Relaxed));
        for sessions in taken {
            store.note_fact(ReportFact {
                at,
                id: rand::random(),
                domain: sessions.policy.domain.clone(),
                seen: Seen::Sessions(Box::new(sessions)),
            });
        }
    }
}

fn failure(hop: &Hop, result: TlsResultType) -> TlsFailure {
    let receiving_host = DomainName::parse(&hop.name).ok();
    TlsFailure { result, sending_ip: None, receiving_host, receiving_ip: None }
}

/// Writes the counts down now and then until the worker drains, and when the directory changes: an operator may want reports now.
pub(crate) async fn keep_tally(shared: Arc<Shared>) {
    if shared.engine.tally.counters.is_none() {
        return;
    }
    let news = shared.engine.store.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
    while !shared.drain.is_cancelled() {
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = news.changed() => tokio::time::sleep(PAUSE).await,
            () = tokio::time::sleep(Duration::from_secs(limits::TLS_RPT_WRITE_SECONDS)) => {}
        }
        shared.engine.tally.write(&shared.engine.store);
    }
}
