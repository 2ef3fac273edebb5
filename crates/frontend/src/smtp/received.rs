//! Reports that others send about hosted domains: read when their message is stored, for the domain's owner to see (`ctl domain reports`).
//!
//! Only what comes with its author proven by DMARC is read, so that nobody speaks in another's name; it is delivered as any other mail before, whatever
//! comes of it. A few are read at a time, off the runtime's threads; when there are more, or one is larger than
//! [`limits::REPORT_MESSAGE_BYTES_MAX`], it is delivered and no more. What was read goes to the mail log.

use std::sync::Arc;

use futures::TryStreamExt as _;
use tokio::sync::Semaphore;
use yubin_dns_auth::reports::received;
use yubin_message::HeaderFields;
use yubin_proto::report_facts::fact_id;
use yubin_proto::{Body, StoreClient};
use yubin_types::report::{ReportFact, Seen};
use yubin_types::{DomainName, limits};

use super::SmtpRim;
use super::deliver::Complete;
use crate::driver::now;
use crate::header::pieces;

/// How many are read at a time.
static READERS: Semaphore = Semaphore::const_new(limits::REPORT_READERS_MAX);

impl SmtpRim {
    /// A message was stored: is it a report?
    pub(super) fn note_report(&self, complete: &Complete) {
        let spooled = &complete.spooled;
        let small =
            spooled.bytes <= limits::REPORT_MESSAGE_BYTES_MAX && spooled.tree.parts().len() <= limits::REPORT_PARTS_MAX;
        let reporter = complete.verified.as_ref().and_then(|verified| verified.reporter.clone());
        let Some(reporter) = reporter.filter(|_| small) else { return };
        let Ok(reading) = READERS.try_acquire() else { return };
        let (store, body) = (Arc::clone(&self.connection.shared.store), spooled.body.clone());
        tokio::spawn(async move {
            if let Err(why) = note(&store, reporter.clone(), body).await {
                tracing::info!(from = %reporter, why, "a report can't be read");
            }
            drop(reading);
        });
    }
}

async fn note(store: &StoreClient, reporter: DomainName, body: Body) -> Result<(), String> {
    let message: Vec<u8> = pieces(&body)
        .try_fold(Vec::new(), async |mut whole, piece| {
            whole.extend_from_slice(&piece);
            Ok(whole)
        })
        .await
        .map_err(|error| error.to_string())?;
    let read =
        tokio::task::spawn_blocking(move || received::read(&message)).await.map_err(|error| error.to_string())?;
    let (domain, report) = read.map_err(|error| error.to_string())?;
    if store.resolve(&domain).await.map_err(|error| error.to_string())?.is_none() {
        return Err(format!("{domain} is not hosted here"));
    }
    // The same report to several recipients is one.
    let id = fact_id(&[reporter.as_str(), &report.id, domain.as_str()]);
    let seen = Seen::Report { reporter, report: Box::new(report) };
    store.note_fact(ReportFact { at: now(), id, domain, seen });
    Ok(())
}

/// Does it say that it is a report (RFC 7489 §7.2.1.1, RFC 8460 §5.3)?
pub(super) fn is_report(header: &[u8]) -> bool {
    HeaderFields::new(header).any(|field| {
        let subject = || field.is("Subject") && contains(&field.unfolded(), b"Report Domain:");
        field.is("TLS-Report-Domain") || subject()
    })
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|text| text.eq_ignore_ascii_case(words))
}

#[cfg(test)]
mod tests {
    use super::is_report;

    #[test]
    fn reports_are_known_by_their_header() {
        assert!(is_report(b"From: a@b.example\r\nSubject: [Preview] report domain: a.example Submitter: b\r\n\r\n"));
        assert!(is_report(b"TLS-Report-Domain: a.example\r\n\r\n"));
        assert!(!is_report(b"Subject: Report: domain\r\n\r\nSubject: Report Domain: x\r\n"));
    }
}
