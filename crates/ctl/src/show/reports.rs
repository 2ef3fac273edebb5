//! How it is printed what reports are about, and what others have reported.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::{date, table};
use super::Shown;

impl Shown for api::SendReportsResponse {
    fn table(&self) -> String {
        let (from, to) = (date(self.from_time_ms), date(self.to_time_ms));
        format!("Workers that are configured to report send what happened from {from} to {to}.\n")
    }

    fn json(&self) -> Value {
        json!({ "from_time_ms": self.from_time_ms, "to_time_ms": self.to_time_ms })
    }
}

impl Shown for api::ListReceivedReportsResponse {
    fn table(&self) -> String {
        if self.reports.is_empty() {
            return format!("Nobody has reported on it.\n{}", missing(&self.silent_nodes));
        }
        let heads = ["REPORTER", "ORGANIZATION", "ABOUT", "FROM", "TO", "PASSED", "FAILED"];
        let mut text = table(&heads, &self.reports.iter().map(cells).collect::<Vec<_>>());
        let (sources, failures) = (sources(&self.reports), failures(&self.reports));
        for (heads, rows) in
            [(["ADDRESS", "PASSED", "FAILED"].as_slice(), sources), (&["TLS FAILURE", "SESSIONS"], failures)]
        {
            if !rows.is_empty() {
                text.push('\n');
                text.push_str(&table(heads, &rows));
            }
        }
        text + &missing(&self.silent_nodes)
    }

    fn json(&self) -> Value {
        let source = |source: &api::ReportedSource| json!({ "address": source.address, "passed": source.passed, "failed": source.failed });
        let sessions = |sessions: &api::ReportedSessions| {
            let failure =
                |failure: &api::ReportedFailure| json!({ "result": failure.result, "sessions": failure.sessions });
            json!({ "passed": sessions.passed, "failures": sessions.failures.iter().map(failure).collect::<Vec<_>>() })
        };
        let report = |report: &api::ReceivedReport| {
            json!({
                "reporter": report.reporter,
                "organization": report.organization,
                "id": report.id,
                "received_time_ms": report.received_time_ms,
                "from_time_ms": report.from_time_ms,
                "to_time_ms": report.to_time_ms,
                "sources": report.sources.iter().map(source).collect::<Vec<_>>(),
                "sessions": report.sessions.as_ref().map(sessions),
            })
        };
        json!({ "reports": self.reports.iter().map(report).collect::<Vec<_>>(), "silent_nodes": self.silent_nodes })
    }
}

/// A report's line.
fn cells(report: &api::ReceivedReport) -> Vec<String> {
    let (about, passed, failed) = match &report.sessions {
        Some(sessions) => {
            let failed: u64 = sessions.failures.iter().map(|failure| failure.sessions).sum();
            ("TLS", sessions.passed, failed)
        }
        None => {
            let sum = |count: fn(&api::ReportedSource) -> u64| report.sources.iter().map(count).sum();
            ("mail", sum(|source| source.passed), sum(|source| source.failed))
        }
    };
    let (reporter, organization) = (report.reporter.clone(), report.organization.clone());
    let (from, to) = (date(report.from_time_ms), date(report.to_time_ms));
    vec![reporter, organization, about.to_owned(), from, to, passed.to_string(), failed.to_string()]
}

/// Who sent in the domain's name, in all reports together; those that failed most come first.
fn sources(reports: &[api::ReceivedReport]) -> Vec<Vec<String>> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for source in reports.iter().flat_map(|report| &report.sources) {
        let (failed, passed) = sums.entry(&source.address).or_default();
        (*failed, *passed) = (failed.saturating_add(source.failed), passed.saturating_add(source.passed));
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sums)| std::cmp::Reverse(*sums));
    let name = |address: &str| if address.is_empty() { "others".to_owned() } else { address.to_owned() };
    sums.into_iter()
        .map(|(address, (failed, passed))| vec![name(address), passed.to_string(), failed.to_string()])
        .collect()
}

/// What was wrong with TLS, in all reports together.
fn failures(reports: &[api::ReceivedReport]) -> Vec<Vec<String>> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for failure in reports.iter().filter_map(|report| report.sessions.as_ref()).flat_map(|sessions| &sessions.failures)
    {
        let sessions = sums.entry(&failure.result).or_default();
        *sessions = sessions.saturating_add(failure.sessions);
    }
    sums.into_iter().map(|(result, sessions)| vec![result.to_owned(), sessions.to_string()]).collect()
}

fn missing(silent: &[u64]) -> String {
    match silent {
        [] => String::new(),
        nodes => format!("Nodes that did not answer, so that reports may be missing: {nodes:?}\n"),
    }
}
