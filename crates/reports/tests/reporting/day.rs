//! A whole day of reports, by the clock of the test, with a reporter that is killed at noon and one that takes over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use yubin_types::report::{
    Alignment, AlignmentMode, PolicyForce, PublishedPolicy, ReportFact, ReportKind, Seen, VerifiedMail,
};
use yubin_types::{DmarcPolicy, DomainName, Timestamp, limits};

use crate::tls_server::Authority;
use crate::world::{World, id, sessions};

const DAY: u64 = 86_400;
/// When the day begins that is reported on, and when it ends.
const BEGIN: Timestamp = Timestamp::from_seconds(20_000 * DAY);
const END: Timestamp = Timestamp::from_seconds(20_001 * DAY);
/// Domains that want both reports.
const DOMAINS: usize = 60;
/// Between two looks at what is due, seconds.
const STEP: u64 = 3_600;

/// A message in a domain's name.
fn mail(domain: &str, at: Timestamp) -> ReportFact {
    let domain: DomainName = domain.parse().unwrap();
    let none = DmarcPolicy::None;
    let relaxed = AlignmentMode::Relaxed;
    let policy =
        PublishedPolicy { p: none, sp: none, np: none, adkim: relaxed, aspf: relaxed, force: PolicyForce::Full };
    let seen = Seen::Mail(Box::new(VerifiedMail {
        peer: [192, 0, 2, 1].into(),
        author: domain.clone(),
        sender: None,
        policy,
        disposition: none,
        dkim_aligned: Alignment::Fail,
        spf_aligned: Alignment::Fail,
        overridden: None,
        spf: None,
        dkim: Vec::new(),
    }));
    ReportFact { at, id: id(domain.as_str(), at, ReportKind::Dmarc), domain, seen }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_domain_hears_once_of_a_day_spread_over_the_next_one_whoever_reports() {
    let mut records = String::new();
    for number in 0..DOMAINS {
        let domain = format!("d{number}");
        writeln!(records, "_dmarc.{domain} IN TXT \"v=DMARC1; p=none; rua=mailto:dmarc@{domain}.example.test\"")
            .unwrap();
        writeln!(records, "_smtp._tls.{domain} IN TXT \"v=TLSRPTv1; rua=mailto:tls@{domain}.example.test\"").unwrap();
    }
    let mut world = World::new(BEGIN.plus_seconds(DAY / 2), Authority::new(), &records).await;
    let mut facts = Vec::new();
    for number in 0..DOMAINS {
        let domain = format!("d{number}.example.test");
        for at in [BEGIN, Timestamp(END.0 - 1)] {
            facts.extend([mail(&domain, at), sessions(&domain, at, 1)]);
        }
    }
    // Somebody who wants no reports.
    facts.push(mail("shy.example.test", BEGIN));
    world.note(facts).await;

    let (first, second) = (Duration::ZERO, Duration::from_secs(limits::REPORT_TAKEOVER_SECONDS));
    let retry = Duration::from_secs(limits::REPORT_POST_RETRY_SECONDS);
    let (one, other) = (world.reporter(first, retry), world.reporter(second, retry));
    world.at(END.plus_seconds(limits::REPORT_DELAY_SECONDS - 1)).await;
    let due = END.plus_seconds(limits::REPORT_DELAY_SECONDS);
    let mut counts = Vec::new();
    for hour in 0..10 {
        world.at(due.plus_seconds(hour * STEP)).await;
        world.settled(END, 0).await;
        counts.push(world.queued().await.len());
    }
    one.stop().await;
    for hour in 10..=limits::REPORT_SPREAD_SECONDS / STEP {
        world.at(due.plus_seconds(hour * STEP + limits::REPORT_TAKEOVER_SECONDS)).await;
        world.settled(END, second.as_secs()).await;
        counts.push(world.queued().await.len());
    }
    // The next day has nothing to tell.
    world.at(END.plus_seconds(DAY + limits::REPORT_OVER_SECONDS - 1)).await;
    world.settled(Timestamp(END.0 + DAY * 1_000), second.as_secs()).await;
    other.stop().await;

    let mut times: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for queued in world.queued().await {
        times.entry(queued.to).or_default().push(queued.at);
    }
    for number in 0..DOMAINS {
        for kind in ["dmarc", "tls"] {
            let times = &times[&format!("{kind}@d{number}.example.test")];
            assert_eq!(times.len(), 1, "{kind} d{number}: {times:?}");
            assert!(times[0] >= due, "not before everybody has said what happened: {times:?}");
        }
    }
    assert_eq!(times.len(), 2 * DOMAINS, "{times:?}");
    let busiest = counts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(busiest < DOMAINS / 2 && counts[0] < DOMAINS / 4, "{counts:?}");
    assert_eq!(world.counted("yubin_reports_total{kind=\"dmarc\",result=\"unwanted\"}"), 1);
    world.close().await;
}
