//! Facts for reports to other domains, kept in the mail log until a reporter reads them.
//!
//! They go to one store node as events of the mail log do ([`StoreClient::note_fact`]) and are read from all ([`StoreClient::report_facts`]), a day and
//! kind at a time, in the order of their [`FactPlace`]: the hash of the domain first, so that a domain's facts lie together, domains are spread
//! evenly, and a part of a day is a range. What was carried twice stands twice at the same place and is given once.

use serde::{Deserialize, Serialize};
use yubin_types::report::{ReportFact, ReportKind};
use yubin_types::{DomainName, Timestamp, limits};

use crate::client::StoreClient;
use crate::mail_log::{LogEntry, NODE_TIMEOUT};

/// Facts on one page of reports that came in, which are long.
const PAGE: usize = 100;

/// Where a fact stands among those of its day and kind: hash of the domain ‖ its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FactPlace(pub [u8; 8], pub [u8; 16]);

impl FactPlace {
    /// Of a fact.
    #[must_use]
    pub fn of(fact: &ReportFact) -> FactPlace {
        FactPlace(domain_hash(&fact.domain).to_be_bytes(), fact.id)
    }

    /// Before all facts of domains with this hash.
    #[must_use]
    pub const fn before(hash: u64) -> FactPlace {
        FactPlace(hash.to_be_bytes(), [0; 16])
    }

    /// The next place; none behind the last one.
    #[must_use]
    pub fn next(self) -> Option<FactPlace> {
        let FactPlace(hash, id) = self;
        if let Some(id) = u128::from_be_bytes(id).checked_add(1) {
            return Some(FactPlace(hash, id.to_be_bytes()));
        }
        u64::from_be_bytes(hash).checked_add(1).map(FactPlace::before)
    }
}

/// The hash that spreads domains over a day.
#[must_use]
pub fn domain_hash(domain: &DomainName) -> u64 {
    let hash = blake3::hash(domain.as_str().as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// An id for a fact that is one whoever says it, made of what tells it from others.
#[must_use]
pub fn fact_id(parts: &[&str]) -> [u8; 16] {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(part.as_bytes()).update(&[0]);
    }
    let mut id = [0; 16];
    hash.finalize_xof().fill(&mut id);
    id
}

/// The day of a time: since the epoch, in UTC.
#[must_use]
pub fn day_of(at: Timestamp) -> u32 {
    u32::try_from(at.seconds() / 86_400).unwrap_or(u32::MAX)
}

/// Which facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsQuery {
    /// For reports of this kind.
    pub kind: ReportKind,
    /// Of this day ([`day_of`]).
    pub day: u32,
    /// From this place on.
    pub from: FactPlace,
    /// Of domains whose hash is not above this.
    pub last_hash: u64,
    /// At most so many; not more than [`limits::REPORT_FACTS_PER_CALL_MAX`].
    pub limit: usize,
}

/// A page of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsFound {
    /// In the order of their places, each once.
    pub facts: Vec<ReportFact>,
    /// Where to go on; none: that was all.
    pub next: Option<FactPlace>,
    /// Nodes that did not answer: what they keep is missing.
    pub silent_nodes: Vec<u64>,
}

impl StoreClient {
    /// Says something that is to be reported. Never waits, as [`StoreClient::note`].
    pub fn note_fact(&self, fact: ReportFact) {
        self.log(LogEntry::Fact(fact));
    }

    /// What others have reported on a hosted domain in the last days, today among them; at most [`limits::REPORTS_SHOWN_MAX`] reports, the oldest first.
    pub async fn received_reports(&self, domain: &DomainName, now: Timestamp, days: u32) -> FactsFound {
        let (hash, today) = (domain_hash(domain), day_of(now));
        let mut found = FactsFound::default();
        for day in today.saturating_sub(days.clamp(1, limits::REPORT_DAYS_MAX) - 1)..=today {
            let mut from = Some(FactPlace::before(hash));
            while let Some(place) = from.filter(|_| found.facts.len() < limits::REPORTS_SHOWN_MAX) {
                let query = FactsQuery { kind: ReportKind::Received, day, from: place, last_hash: hash, limit: PAGE };
                let page = self.report_facts(&query).await;
                found.facts.extend(page.facts.into_iter().filter(|fact| fact.domain == *domain));
                found.silent_nodes.extend(page.silent_nodes);
                from = page.next;
            }
        }
        found.silent_nodes.sort_unstable();
        found.silent_nodes.dedup();
        found
    }

    /// A page of facts from all nodes.
    pub async fn report_facts(&self, query: &FactsQuery) -> FactsFound {
        let asked = self
            .all_nodes()
            .into_iter()
            .map(|(id, node)| async move { (id, tokio::time::timeout(NODE_TIMEOUT, node.report_facts(query)).await) });
        let mut found = FactsFound::default();
        let mut pages = Vec::new();
        for (id, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(Ok(page)) => pages.push(page),
                Ok(Err(_)) | Err(_) => found.silent_nodes.push(id),
            }
        }
        (found.facts, found.next) = merge(pages, query.limit.min(limits::REPORT_FACTS_PER_CALL_MAX));
        found
    }
}

/// Pages of several nodes as one: as far as all of them reach, and where the next one begins.
fn merge(pages: Vec<Vec<ReportFact>>, limit: usize) -> (Vec<ReportFact>, Option<FactPlace>) {
    let full = pages.iter().filter(|page| page.len() >= limit);
    let horizon = full.filter_map(|page| page.last()).map(FactPlace::of).min();
    let mut facts: Vec<(FactPlace, ReportFact)> =
        pages.into_iter().flatten().map(|fact| (FactPlace::of(&fact), fact)).collect();
    facts.sort_by_key(|(place, _)| *place);
    facts.dedup_by_key(|(place, _)| *place);
    facts.retain(|(place, _)| horizon.is_none_or(|horizon| *place <= horizon));
    (facts.into_iter().map(|(_, fact)| fact).collect(), horizon.and_then(FactPlace::next))
}

#[cfg(test)]
mod tests {
    use yubin_types::report::{AppliedPolicy, ReportFact, Seen, TlsPolicyType, TlsSessions};
    use yubin_types::{DomainName, Timestamp};

    use super::{FactPlace, merge};

    fn fact(domain: &str, id: u8) -> ReportFact {
        let domain = DomainName::parse(domain).unwrap();
        let kind = TlsPolicyType::NoPolicyFound;
        let policy = AppliedPolicy { domain: domain.clone(), kind, strings: vec![], mx_hosts: vec![] };
        let seen = Seen::Sessions(Box::new(TlsSessions { policy, successes: 1, failures: vec![] }));
        ReportFact { at: Timestamp(1), id: [id; 16], domain, seen }
    }

    #[test]
    fn pages_are_merged_as_far_as_all_nodes_reach_and_nothing_stands_twice() {
        let mut all: Vec<ReportFact> = (0..40).map(|id| fact(&format!("d{}.example", id % 7), id)).collect();
        all.sort_by_key(FactPlace::of);
        // Every fact is on one of two nodes, some on both.
        let nodes: [Vec<ReportFact>; 2] = [0, 1].map(|node| {
            let kept = all.iter().filter(|fact| fact.id[0] % 3 == node || fact.id[0] % 3 == 2);
            kept.cloned().collect()
        });
        let page = |node: &Vec<ReportFact>, from: FactPlace| -> Vec<ReportFact> {
            node.iter().filter(|fact| FactPlace::of(fact) >= from).take(5).cloned().collect()
        };
        let (mut read, mut from) = (Vec::new(), Some(FactPlace::default()));
        while let Some(place) = from {
            let (facts, next) = merge(nodes.iter().map(|node| page(node, place)).collect(), 5);
            assert!(facts.len() <= 10);
            read.extend(facts);
            from = next;
        }
        assert_eq!(read, all);
    }

    #[test]
    fn places_have_an_end() {
        assert_eq!(FactPlace([0; 8], [0xff; 16]).next(), Some(FactPlace::before(1)));
        assert_eq!(FactPlace([0xff; 8], [0xff; 16]).next(), None);
    }
}
