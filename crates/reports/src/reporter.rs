//! Sends what is due: looks every minute, and when an operator asks.
//!
//! A day is reported on during the next one, a part of the domains each minute; a period that an operator ended, at once. What a store node keeps that
//! does not answer is waited for ([`limits::REPORT_WAIT_SECONDS`]), then left out. A domain whose wishes can't be looked up gets no report. While the
//! store can't take reports nothing goes on, and the next look begins where the last one ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use yubin_dns_auth::https::HttpsClient;
use yubin_dns_auth::reports::addressees;
use yubin_dns_auth::reports::dmarc::DmarcReport;
use yubin_dns_auth::reports::tls::TlsReport;
use yubin_dns_auth::reports::{Organization, Period};
use yubin_dns_auth::tls_rpt::{ReportTarget, report_targets};
use yubin_dns_auth::verify::Verifier;
use yubin_proto::report_facts::{FactPlace, FactsQuery, day_of};
use yubin_proto::report_periods::{Ending, ended};
use yubin_proto::{Body, Caller, Hosted, StoreClient, StoreError};
use yubin_state::{Reply, Topic};
use yubin_types::report::ReportKind;
use yubin_types::{Address, DomainName, GroupNumber, Refusal, Timestamp, limits};

use crate::gathering::{Gathered, Gathering};
use crate::letter::Identity;
use crate::metrics::Metrics;
use crate::poster::{Post, Poster};
use crate::progress::{Done, KEY, Next, Progress};

/// How often is looked whether something is due.
const LOOK: Duration = Duration::from_secs(60);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a reporter is told.
#[derive(Clone)]
pub struct ReporterConfig {
    /// Who reports; its address is in a hosted domain.
    pub organization: Organization,
    /// How long this one leaves what is due to others.
    pub lateness: Duration,
    /// How long a report is left alone that a server did not take by POST; then twice as long, and so on.
    pub post_retry: Duration,
    /// The time.
    pub clock: Clock,
}

/// Sends reports. Any number of them may run.
pub struct Reporter {
    store: Arc<StoreClient>,
    verifier: Verifier,
    config: ReporterConfig,
    metrics: Metrics,
    poster: Arc<Poster>,
}

/// A part of a period that is due.
#[derive(Clone, Copy)]
struct Part {
    kind: ReportKind,
    period: Period,
    /// Domains up to this hash.
    last: u64,
    /// Since then.
    since: Timestamp,
}

/// A report that is written, and the ways that it goes.
struct Letter {
    mail: Option<(Vec<u8>, Vec<Address>)>,
    posts: Vec<Post>,
}

/// Why a report can't be sent now.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the domain that reports is not hosted here: {0}")]
    NotHosted(DomainName),
}

impl Reporter {
    /// A reporter that asks this verifier's resolver, and posts with this client: what it posts to are addresses of strangers.
    #[must_use]
    pub fn new(
        store: Arc<StoreClient>,
        (verifier, client): (Verifier, HttpsClient),
        config: ReporterConfig,
        metrics: Metrics,
    ) -> Reporter {
        let poster = Poster::new(client, verifier.resolver().clone(), config.post_retry, metrics.clone());
        Reporter { store, verifier, config, metrics, poster }
    }

    /// Sends what is due until it is stopped. What is interrupted is done again by whoever comes next.
    pub async fn run(self, stop: CancellationToken) {
        self.send_until(&stop).await;
        self.poster.stop().await;
    }

    async fn send_until(&self, stop: &CancellationToken) {
        let news = self.store.subscribe(GroupNumber::DIRECTORY, &[Topic::Directory.number()]);
        while !stop.is_cancelled() {
            let wait = tokio::select! {
                () = stop.cancelled() => return,
                round = Box::pin(self.round()) => match round {
                    Ok(wait) => wait,
                    Err(error) => {
                        tracing::warn!(%error, "reports will be tried again");
                        LOOK
                    }
                },
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = news.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Everything that is due now; how long to wait for what is due next.
    async fn round(&self) -> Result<Duration, SendError> {
        let now = (self.config.clock)();
        let cuts = self.store.report_cuts().await?;
        let mut progress = Progress::parse(&self.store.setting(KEY).await?);
        let (late, mut wait) = (self.config.lateness.as_secs(), LOOK);
        for ((begin, end), ending) in ended(now, &cuts) {
            let first = match ending {
                Ending::Day => end.plus_seconds(limits::REPORT_DELAY_SECONDS + late),
                Ending::Cut => end.plus_seconds(limits::REPORT_SETTLE_SECONDS + late),
            };
            let over = end.plus_seconds(limits::REPORT_OVER_SECONDS);
            if now < first || now >= over {
                let ahead = Duration::from_millis(first.millis_since(now));
                wait = if ahead.is_zero() { wait } else { wait.min(ahead) };
                continue;
            }
            let (last, since) = match ending {
                Ending::Day => due(first, now),
                Ending::Cut => (u64::MAX, first),
            };
            for kind in [ReportKind::Dmarc, ReportKind::Tls] {
                let part = Part { kind, period: Period { begin, end }, last, since };
                self.go_on(&mut progress, part, now).await?;
            }
        }
        Ok(wait)
    }

    /// One kind of report for the domains that are due.
    async fn go_on(&self, progress: &mut Progress, part: Part, now: Timestamp) -> Result<(), SendError> {
        let Part { kind, period, last, since } = part;
        let mut done = progress.of(period.end, kind);
        let Next::Hash(first) = done.next else { return Ok(()) };
        if first > last {
            return Ok(());
        }
        let patient = now < since.plus_seconds(limits::REPORT_WAIT_SECONDS);
        let by = &self.config.organization.from.domain;
        let hosted = self.store.resolve(by).await?.ok_or_else(|| SendError::NotHosted(by.clone()))?;
        let mut gathering = Gathering::new(period);
        let mut from = Some(FactPlace::before(first));
        while let Some(place) = from {
            let limit = limits::REPORT_FACTS_PER_CALL_MAX;
            let query = FactsQuery { kind, day: day_of(period.begin), from: place, last_hash: last, limit };
            let page = self.store.report_facts(&query).await;
            if !page.silent_nodes.is_empty() {
                tracing::warn!(nodes = ?page.silent_nodes, patient, "store nodes don't say what is to be reported");
                if patient {
                    return Ok(());
                }
            }
            let mut complete = gathering.take(page.facts);
            from = page.next;
            done.next = Next::Hash(gathering.open_hash().max(first));
            if from.is_none() {
                complete.extend(gathering.finish());
                done.next = Next::after(last);
            }
            done.sent += self.send_all(&hosted, part, complete).await?;
            if done.sent >= limits::REPORTS_PER_PERIOD_MAX {
                tracing::error!(sent = done.sent, "so many reports were sent that the rest of the period gets none");
                (from, done.next) = (None, Next::End);
            }
            self.write(progress, part, done).await?;
        }
        Ok(())
    }

    async fn write(&self, progress: &mut Progress, part: Part, done: Done) -> Result<(), SendError> {
        progress.set(part.period.end, part.kind, done);
        progress.forget(Timestamp(part.period.end.0.saturating_sub(2 * 86_400_000)));
        self.store.put_setting(KEY, &progress.text(), &Caller::internal("reports")).await?;
        Ok(())
    }

    /// Reports to these domains, some at the same time; how many were sent.
    async fn send_all(
        &self,
        hosted: &Hosted,
        part: Part,
        complete: Vec<(DomainName, Gathered)>,
    ) -> Result<u64, SendError> {
        let sending = stream::iter(complete).map(|(domain, gathered)| self.send(hosted, part, domain, gathered));
        sending.buffer_unordered(limits::REPORTS_AT_ONCE).try_fold(0, async |sum, sent| Ok(sum + sent)).await
    }

    /// One report, if the domain wants it: 1 if it was queued.
    async fn send(
        &self,
        hosted: &Hosted,
        part: Part,
        domain: DomainName,
        gathered: Gathered,
    ) -> Result<u64, SendError> {
        let Part { kind, period, .. } = part;
        let identity = Identity::new(&hosted.name, &domain, kind, period);
        let (result, sent) = match self.written(&domain, period, &identity, gathered).await {
            Err(error) => {
                tracing::info!(domain.name = %domain, error, "a domain can't be reported to");
                ("failed", 0)
            }
            Ok(None) => ("unwanted", 0),
            Ok(Some(letter)) => match self.deliver(hosted, &identity, kind, letter).await? {
                Err(refusal) => {
                    tracing::warn!(domain.name = %domain, %refusal, "a report can't be queued");
                    ("refused", 0)
                }
                Ok(()) => {
                    tracing::info!(domain.name = %domain, report.id = identity.text(), kind = ?kind, "reported");
                    ("sent", 1)
                }
            },
        };
        self.metrics.done(kind, result);
        Ok(sent)
    }

    /// The report and whom it goes to; none if nobody wants it.
    async fn written(
        &self,
        domain: &DomainName,
        period: Period,
        identity: &Identity,
        gathered: Gathered,
    ) -> Result<Option<Letter>, String> {
        let (organization, id) = (&self.config.organization, identity.text());
        match gathered {
            Gathered::Mail { rows, policy, .. } => {
                let wishes = addressees::of_dmarc(&self.verifier, domain).await.map_err(|error| error.to_string())?;
                if wishes.is_empty() {
                    return Ok(None);
                }
                let report = DmarcReport::new(organization, (domain, &policy), period, &id, rows);
                let report = report.map_err(|error| error.to_string())?;
                let fits = |bound: Option<usize>| bound.is_none_or(|bound| report.packed_bytes() <= bound);
                let to = wishes.into_iter().filter(|wish| fits(wish.bytes_max)).map(|wish| wish.address);
                let to: Vec<Address> = to.collect();
                if to.is_empty() {
                    return Err(format!("it has {} bytes, more than is wanted", report.packed_bytes()));
                }
                let message = report.message(&to).map_err(|error| error.to_string())?;
                Ok(Some(Letter { mail: Some((message, to)), posts: Vec::new() }))
            }
            Gathered::Sessions(sessions) => {
                let wishes =
                    report_targets(self.verifier.resolver(), domain).await.map_err(|error| error.to_string())?;
                if wishes.is_empty() {
                    return Ok(None);
                }
                let report = TlsReport::new(organization, domain, period, &id, sessions);
                let report = report.map_err(|error| error.to_string())?;
                let (mut to, mut posts) = (Vec::new(), Vec::new());
                for wish in wishes {
                    match wish {
                        ReportTarget::Mail(address) => to.push(address),
                        ReportTarget::Https(to) => {
                            let (domain, body) = (domain.clone(), report.packed());
                            posts.push(Post { to, domain, id: id.clone(), end: period.end, body });
                        }
                    }
                }
                let mail = if to.is_empty() {
                    None
                } else {
                    Some((report.message(&to).map_err(|error| error.to_string())?, to))
                };
                Ok(Some(Letter { mail, posts }))
            }
        }
    }

    /// Queues the message, then posts what is to be posted: what can't be queued now comes again.
    async fn deliver(
        &self,
        hosted: &Hosted,
        identity: &Identity,
        kind: ReportKind,
        letter: Letter,
    ) -> Result<Result<(), Refusal>, SendError> {
        let queued = match letter.mail {
            Some((message, to)) => self.queue(hosted, identity, kind, (message, &to)).await?,
            None => Ok(()),
        };
        letter.posts.into_iter().for_each(|post| self.poster.take(post));
        Ok(queued)
    }

    async fn queue(
        &self,
        hosted: &Hosted,
        identity: &Identity,
        kind: ReportKind,
        (message, to): (Vec<u8>, &[Address]),
    ) -> Result<Result<(), Refusal>, SendError> {
        let command = identity.command(&hosted.name, kind, to, &message);
        let (bodies, caller) = (vec![Body::Inline(Bytes::from(message))], Caller::internal("reports"));
        match self.store.propose(hosted.scope(), &command, identity.request(), &caller, bodies).await? {
            Reply::Refused(Refusal::StaleEpoch | Refusal::NoSuchDomain) => {
                // It may have moved; the next look finds it.
                self.store.forget(&hosted.name);
                Err(SendError::NotHosted(hosted.name.clone()))
            }
            // The store would say the same again.
            Reply::Refused(refusal) => Ok(Err(refusal)),
            _ => Ok(Ok(())),
        }
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").field("organization", &self.config.organization).finish_non_exhaustive()
    }
}

/// The last hash of the domains that are due since `first`, and since when the latest of them are: a part more every minute.
fn due(first: Timestamp, now: Timestamp) -> (u64, Timestamp) {
    let parts = limits::REPORT_SLOTS;
    let part = (now.millis_since(first) / 60_000).min(parts - 1);
    let next = u128::from(part + 1) << 64;
    let last = next / u128::from(parts) - 1;
    (u64::try_from(last).unwrap_or(u64::MAX), first.plus_seconds(part * 60))
}

#[cfg(test)]
mod tests {
    use yubin_types::{Timestamp, limits};

    use super::due;

    #[test]
    fn the_domains_of_a_day_are_spread_over_the_next_one() {
        let first = Timestamp::from_seconds(1_800);
        let at = |seconds| due(first, first.plus_seconds(seconds)).0;
        assert_eq!(at(0), at(59), "nothing is new within a minute");
        assert_eq!(at(0), u64::try_from((1_u128 << 64) / u128::from(limits::REPORT_SLOTS)).unwrap() - 1);
        let middle = at(limits::REPORT_SPREAD_SECONDS / 2);
        assert!(middle.abs_diff(u64::MAX / 2) <= 2 * at(0), "{middle}");
        assert_eq!(at(limits::REPORT_SPREAD_SECONDS - 1), u64::MAX);
        assert_eq!(at(2 * limits::REPORT_SPREAD_SECONDS), u64::MAX);
        assert_eq!(due(first, first.plus_seconds(125)).1, first.plus_seconds(120));
    }
}
