//! Reports to other domains for operators, sent now instead of when the day is over; and what others have reported on a hosted domain.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_types::Timestamp;
use yubin_types::report::{ReceivedAbout, ReceivedReport, ReportFact, Seen};

use crate::convert::domain_name;
use crate::domains::hosted;
use crate::queue::now;
use crate::status::{failed, refused};

/// Days that are looked at where nobody says it.
const DAYS: u32 = 7;

/// Ends the period that runs; workers that report hear of it and send.
pub(crate) async fn send(client: &StoreClient, caller: &Caller) -> Result<api::SendReportsResponse, Status> {
    let (from, to) = client.cut_reports(now(), caller).await.map_err(failed)?.map_err(|refusal| refused(&refusal))?;
    Ok(api::SendReportsResponse { from_time_ms: from.millis(), to_time_ms: to.millis() })
}

/// What others have reported.
pub(crate) async fn received(
    client: &StoreClient,
    request: &api::ListReceivedReportsRequest,
) -> Result<api::ListReceivedReportsResponse, Status> {
    let domain = hosted(client, &domain_name(&request.name)?).await?.name.clone();
    let days = if request.days == 0 { DAYS } else { request.days };
    let found = client.received_reports(&domain, now(), days).await;
    let mut reports: Vec<api::ReceivedReport> = found.facts.into_iter().filter_map(report_to).collect();
    reports.sort_by_key(|report| report.received_time_ms);
    Ok(api::ListReceivedReportsResponse { reports, silent_nodes: found.silent_nodes })
}

fn report_to(fact: ReportFact) -> Option<api::ReceivedReport> {
    let Seen::Report { reporter, report } = fact.seen else { return None };
    let ReceivedReport { organization, id, begin_seconds, end_seconds, about } = *report;
    let (sources, sessions) = match about {
        ReceivedAbout::Mail(sources) => {
            let source = |source: yubin_types::report::ReceivedSource| api::ReportedSource {
                address: source.address.map(|address| address.to_string()).unwrap_or_default(),
                passed: source.passed,
                failed: source.failed,
            };
            (sources.into_iter().map(source).collect(), None)
        }
        ReceivedAbout::Sessions { passed, failures } => {
            let failure = |(result, sessions)| api::ReportedFailure { result, sessions };
            let failures = failures.into_iter().map(failure).collect();
            (Vec::new(), Some(api::ReportedSessions { passed, failures }))
        }
    };
    Some(api::ReceivedReport {
        reporter: reporter.to_string(),
        organization,
        id,
        received_time_ms: fact.at.millis(),
        from_time_ms: Timestamp::from_seconds(begin_seconds).millis(),
        to_time_ms: Timestamp::from_seconds(end_seconds).millis(),
        sources,
        sessions,
    })
}
