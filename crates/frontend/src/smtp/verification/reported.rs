//! What the author's domain will be told of a message, if it asks for reports (DMARC aggregate reports, RFC 7489 §7.2, RFC 9990).
//!
//! One fact for each author's domain with a policy that names `rua`; the mail log carries it ([`yubin_proto::report_facts`]). What is put off is
//! not told: it will come again. Nor are messages to the address that our own reports are from, and reports of others that pass: reports
//! about reports never end. A report that fails is told as any other forgery.

use std::net::IpAddr;

use yubin_dns_auth::verify::{AskedReport, DkimCheck, DmarcCheck};
use yubin_policy::inbound::{Disposition, InboundDenial, JunkReason};
use yubin_policy::spam::Proof;
use yubin_types::report::{DkimFinding, PolicyForce, PolicyOverride, ReportFact, Seen, SpfFinding, VerifiedMail};
use yubin_types::{Address, AuthResult, DmarcPolicy, limits};

use super::Findings;
use crate::driver::now;
use crate::smtp::Transaction;
use crate::smtp::received::is_report;

/// A message that was judged.
pub(super) struct Judged<'a> {
    pub(super) transaction: &'a Transaction,
    pub(super) peer: IpAddr,
    pub(super) header: &'a [u8],
    pub(super) found: &'a Findings,
    /// Has a forwarder who is believed seen it pass?
    pub(super) forwarder: Proof,
    pub(super) outcome: &'a Result<Disposition, InboundDenial>,
}

impl Judged<'_> {
    /// The facts. `own` is whom our reports are from.
    pub(super) fn facts(&self, own: &Address) -> Vec<ReportFact> {
        let to_us = self.transaction.recipients.iter().any(|invited| invited.admission.recipient() == own);
        let told = self.found.dmarc.iter().filter_map(|check| Some((check, check.asked.as_ref()?)));
        let facts = told.filter_map(|(check, asked)| {
            let done = done(check, self.outcome)?;
            let again = check.result == AuthResult::Pass && is_report(self.header);
            (!to_us && !again).then(|| ReportFact {
                at: now(),
                id: rand::random(),
                domain: asked.domain.clone(),
                seen: Seen::Mail(Box::new(self.row(check, asked, done))),
            })
        });
        facts.collect()
    }

    fn row(&self, check: &DmarcCheck, asked: &AskedReport, done: DmarcPolicy) -> VerifiedMail {
        let sender = self.transaction.sender.path().address().map(|address| address.domain.clone());
        let spf = self.found.spf.sender();
        VerifiedMail {
            peer: self.peer.to_canonical(),
            author: check.author.clone(),
            sender,
            policy: asked.policy,
            disposition: done,
            dkim_aligned: asked.dkim,
            spf_aligned: asked.spf,
            overridden: overridden(check, asked, done, self.forwarder),
            spf: spf.map(|check| SpfFinding { domain: check.domain.clone(), result: check.result }),
            dkim: signatures(&self.found.checks.dkim),
        }
    }
}

/// What was done about this author's domain; none: nothing yet.
fn done(check: &DmarcCheck, outcome: &Result<Disposition, InboundDenial>) -> Option<DmarcPolicy> {
    match outcome {
        _ if check.result == AuthResult::TempError => None,
        Err(InboundDenial::Unknown { .. } | InboundDenial::Author) => None,
        Err(InboundDenial::Dmarc { author }) if *author == check.author => Some(DmarcPolicy::Reject),
        Ok(Disposition::Junk(JunkReason::Dmarc)) if check.result == AuthResult::Fail => {
            // Of several authors only those whose policy asks for it.
            check.policy.map(|policy| policy.min(DmarcPolicy::Quarantine))
        }
        Ok(_) | Err(InboundDenial::Dmarc { .. }) => Some(DmarcPolicy::None),
    }
}

/// Why less was done than the policy asks.
fn overridden(check: &DmarcCheck, asked: &AskedReport, done: DmarcPolicy, forwarder: Proof) -> Option<PolicyOverride> {
    if check.result != AuthResult::Fail {
        return None;
    }
    let wished = check.policy.unwrap_or(DmarcPolicy::None);
    if done < wished {
        let believed = forwarder == Proof::Proven;
        return Some(if believed { PolicyOverride::TrustedForwarder } else { PolicyOverride::LocalPolicy });
    }
    let trial = asked.policy.force == PolicyForce::Testing && asked.policy.p > DmarcPolicy::None;
    trial.then_some(PolicyOverride::TestMode)
}

/// Signatures of domains, those that passed first.
fn signatures(checks: &[DkimCheck]) -> Vec<DkimFinding> {
    let finding = |check: &DkimCheck| {
        let domain = check.domain.clone()?;
        Some(DkimFinding { domain, selector: check.selector.clone(), result: check.result })
    };
    let mut found: Vec<DkimFinding> = checks.iter().filter_map(finding).collect();
    found.sort_by_key(|found| found.result != AuthResult::Pass);
    found.truncate(limits::REPORT_SIGNATURES_MAX);
    found
}

#[cfg(test)]
mod tests {
    use yubin_dns_auth::verify::{AskedReport, DmarcCheck};
    use yubin_policy::inbound::{Disposition, InboundDenial, JunkReason};
    use yubin_policy::spam::Proof;
    use yubin_types::report::{Alignment, AlignmentMode, PolicyForce, PolicyOverride, PublishedPolicy};
    use yubin_types::{AuthResult, DmarcPolicy, DomainName};

    use super::{done, overridden};

    fn asked(force: PolicyForce) -> AskedReport {
        let policy = PublishedPolicy {
            p: DmarcPolicy::Reject,
            sp: DmarcPolicy::Reject,
            np: DmarcPolicy::Reject,
            adkim: AlignmentMode::Relaxed,
            aspf: AlignmentMode::Relaxed,
            force,
        };
        let domain = DomainName::parse("a.example").unwrap();
        AskedReport { domain, policy, dkim: Alignment::Fail, spf: Alignment::Fail }
    }

    fn check(result: AuthResult, policy: DmarcPolicy) -> DmarcCheck {
        DmarcCheck { author: DomainName::parse("a.example").unwrap(), result, policy: Some(policy), asked: None }
    }

    #[test]
    fn what_was_done_and_why_it_was_less() {
        use DmarcPolicy::{None, Quarantine, Reject};
        const INBOX: Result<Disposition, InboundDenial> = Ok(Disposition::Inbox);
        let (other, own) = (DomainName::parse("b.example").unwrap(), DomainName::parse("a.example").unwrap());
        let refused = Err(InboundDenial::Dmarc { author: own });
        let junk = Ok(Disposition::Junk(JunkReason::Dmarc));
        for (result, policy, outcome, forwarder, expected) in [
            (AuthResult::Pass, Reject, &INBOX, Proof::Unproven, Some((None, Option::None))),
            (AuthResult::Fail, Reject, &refused, Proof::Unproven, Some((Reject, Option::None))),
            (AuthResult::Fail, Quarantine, &junk, Proof::Unproven, Some((Quarantine, Option::None))),
            (AuthResult::Fail, Reject, &junk, Proof::Unproven, Some((Quarantine, Some(PolicyOverride::LocalPolicy)))),
            (AuthResult::Fail, Reject, &INBOX, Proof::Proven, Some((None, Some(PolicyOverride::TrustedForwarder)))),
            (AuthResult::Fail, None, &INBOX, Proof::Unproven, Some((None, Option::None))),
            (
                AuthResult::Pass,
                Reject,
                &Err(InboundDenial::Dmarc { author: other.clone() }),
                Proof::Unproven,
                Some((None, Option::None)),
            ),
            (AuthResult::Fail, Reject, &Err(InboundDenial::Unknown { author: other }), Proof::Unproven, Option::None),
            (AuthResult::TempError, None, &INBOX, Proof::Unproven, Option::None),
        ] {
            let check = check(result, policy);
            let told = done(&check, outcome);
            let told = told.map(|done| (done, overridden(&check, &asked(PolicyForce::Full), done, forwarder)));
            assert_eq!(told, expected, "{result:?} {policy:?} {outcome:?}");
        }
        let trial = check(AuthResult::Fail, Quarantine);
        let why = overridden(&trial, &asked(PolicyForce::Testing), Quarantine, Proof::Unproven);
        assert_eq!(why, Some(PolicyOverride::TestMode));
    }
}
