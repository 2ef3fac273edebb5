//! Facts of one domain after the other, as they come in the order of the domains' hashes.
//!
//! Only one hash is open at a time, so what is held is bounded by the rows of one report. Two domains of the same hash are kept apart.

use std::collections::BTreeMap;

use yubin_dns_auth::reports::Period;
use yubin_dns_auth::reports::dmarc::Rows;
use yubin_dns_auth::reports::tls::Sessions;
use yubin_proto::report_facts::domain_hash;
use yubin_types::report::{PublishedPolicy, ReportFact, Seen};
use yubin_types::{DomainName, Timestamp};

/// What a report on one domain says.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// Of mail, under the policy that was applied last.
    Mail { rows: Rows, policy: PublishedPolicy, latest: Timestamp },
    /// Of sessions.
    Sessions(Sessions),
}

/// Facts of a period that are being read.
#[derive(Debug)]
pub(crate) struct Gathering {
    period: Period,
    hash: u64,
    open: BTreeMap<DomainName, Gathered>,
}

impl Gathering {
    pub(crate) const fn new(period: Period) -> Gathering {
        Gathering { period, hash: 0, open: BTreeMap::new() }
    }

    /// Takes the next facts; gives the domains that are complete.
    pub(crate) fn take(&mut self, facts: Vec<ReportFact>) -> Vec<(DomainName, Gathered)> {
        let mut complete = Vec::new();
        for fact in facts {
            let hash = domain_hash(&fact.domain);
            if hash != self.hash {
                complete.extend(self.finish());
                self.hash = hash;
            }
            if (self.period.begin..self.period.end).contains(&fact.at) {
                self.add(fact);
            }
        }
        complete
    }

    /// There are no more facts: gives the rest.
    pub(crate) fn finish(&mut self) -> Vec<(DomainName, Gathered)> {
        std::mem::take(&mut self.open).into_iter().collect()
    }

    /// All domains with smaller hashes are complete.
    pub(crate) const fn open_hash(&self) -> u64 {
        self.hash
    }

    fn add(&mut self, fact: ReportFact) {
        let ReportFact { at, domain, seen, .. } = fact;
        match seen {
            Seen::Mail(mail) => {
                let new = || Gathered::Mail { rows: Rows::default(), policy: mail.policy, latest: at };
                let gathered = self.open.entry(domain).or_insert_with(new);
                if let Gathered::Mail { rows, policy, latest } = gathered {
                    if at >= *latest {
                        (*policy, *latest) = (mail.policy, at);
                    }
                    rows.count(*mail);
                }
            }
            Seen::Sessions(counted) => {
                let gathered = self.open.entry(domain).or_insert_with(|| Gathered::Sessions(Sessions::default()));
                if let Gathered::Sessions(sessions) = gathered {
                    sessions.count(*counted);
                }
            }
            // What others report is not reported on.
            Seen::Report { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use yubin_dns_auth::reports::Period;
    use yubin_proto::report_facts::FactPlace;
    use yubin_types::report::{AppliedPolicy, ReportFact, Seen, TlsPolicyType, TlsSessions};
    use yubin_types::{DomainName, Timestamp};

    use super::{Gathered, Gathering};

    fn fact(domain: &str, at: u64, id: u8) -> ReportFact {
        let domain = DomainName::parse(domain).unwrap();
        let kind = TlsPolicyType::NoPolicyFound;
        let policy = AppliedPolicy { domain: domain.clone(), kind, strings: vec![], mx_hosts: vec![] };
        let seen = Seen::Sessions(Box::new(TlsSessions { policy, successes: 1, failures: vec![] }));
        ReportFact { at: Timestamp(at), id: [id; 16], domain, seen }
    }

    #[test]
    fn domains_come_out_whole_however_pages_are_cut_and_other_times_are_left_out() {
        let mut facts: Vec<ReportFact> = (0..60).map(|id| fact(&format!("d{}.example", id % 5), 50, id)).collect();
        // Not of this period: before it, and when it was over.
        facts.extend([fact("d1.example", 9, 98), fact("d2.example", 100, 99), fact("other.example", 100, 97)]);
        facts.sort_by_key(FactPlace::of);
        for page in [1, 7, 100] {
            let mut gathering = Gathering::new(Period { begin: Timestamp(10), end: Timestamp(100) });
            let mut out = Vec::new();
            for page in facts.chunks(page) {
                out.extend(gathering.take(page.to_vec()));
            }
            out.extend(gathering.finish());
            let mut names: Vec<String> = out.iter().map(|(domain, _)| domain.to_string()).collect();
            names.sort();
            assert_eq!(names, ["d0.example", "d1.example", "d2.example", "d3.example", "d4.example"]);
            assert!(
                out.iter().all(|(_, gathered)| matches!(gathered, Gathered::Sessions(all) if all.successes() == 12))
            );
        }
    }
}
