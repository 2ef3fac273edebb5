//! LMTP (RFC 2033): each recipient learns what became of its own copy.
//!
//! What other servers may have refused as a whole is settled here domain by domain, one `Deliver` each, and within a domain again for
//! those who are not to blame: a full mailbox keeps nobody else's mail from its place. Nothing is queued, and nobody is verified, since
//! only own machines get here.

use std::collections::BTreeMap;

use yubin_policy::refusal_text::{self, Stage};
use yubin_policy::{Admission, DeliverPermit};
use yubin_session::smtp::{Answer, Verdict};
use yubin_state::Reply;
use yubin_types::{DomainName, SmtpReply, limits};

use super::deliver::Complete;
use super::{SmtpRim, Transaction, out_of_order, unavailable};
use crate::metrics::DeliveryResult;

impl SmtpRim {
    /// Stores the message for whomever it can be stored for.
    pub(super) async fn deliver_each(&self, transaction: &Transaction, complete: &Complete) -> Answer {
        let mut domains: BTreeMap<&DomainName, Vec<usize>> = BTreeMap::new();
        for (place, invited) in transaction.recipients.iter().enumerate() {
            domains.entry(&invited.admission.recipient().domain).or_default().push(place);
        }
        let mut verdicts = BTreeMap::new();
        for places in domains.into_values() {
            let settled = self.deliver_domain(transaction, complete, places).await;
            verdicts.extend(settled);
        }
        let verdict = |place: &usize| verdicts.get(place).cloned().unwrap_or(Verdict::Refused(out_of_order()));
        Answer::Outcomes { id: self.connection.trace, verdicts: transaction.accepted.iter().map(verdict).collect() }
    }

    /// Recipients of one domain, by their places; each round stores for all who are left, or says who can't be helped.
    async fn deliver_domain(
        &self,
        transaction: &Transaction,
        complete: &Complete,
        mut places: Vec<usize>,
    ) -> BTreeMap<usize, Verdict> {
        let mut verdicts = BTreeMap::new();
        for _ in 0..limits::LMTP_ROUNDS_MAX {
            let (result, answered) = self.deliver_round(transaction, complete, &places).await;
            self.connection.shared.metrics.delivery(result);
            places.retain(|place| !answered.contains_key(place));
            verdicts.extend(answered);
            if places.is_empty() {
                return verdicts;
            }
        }
        let again = refusal_text::smtp_unavailable();
        verdicts.extend(places.into_iter().map(|place| (place, Verdict::Refused(again.clone()))));
        verdicts
    }

    /// Who is missing from the answer was not to blame, and may be tried again without the others.
    async fn deliver_round(
        &self,
        transaction: &Transaction,
        complete: &Complete,
        places: &[usize],
    ) -> (DeliveryResult, BTreeMap<usize, Verdict>) {
        let all = |verdict: Verdict| places.iter().map(|place| (*place, verdict.clone())).collect();
        let refused = |reply: SmtpReply| all(Verdict::Refused(reply));
        let invited = || places.iter().filter_map(|place| transaction.recipients.get(*place));
        let permits: Vec<&DeliverPermit> = invited().filter_map(|invited| permit(&invited.admission)).collect();
        let hosted = invited().find_map(|invited| invited.hosted.as_ref());
        let Some(hosted) = hosted.filter(|_| permits.len() == places.len()) else {
            return (DeliveryResult::Unavailable, refused(out_of_order()));
        };
        let command = self.delivery(transaction, hosted, &permits, complete);
        let outcome = self.propose(hosted, &command, &complete.spooled).await;
        match outcome {
            Ok(Reply::Delivered(_)) => (DeliveryResult::Stored, all(Verdict::Accepted)),
            Ok(Reply::DeliveryRefused(refusals)) if refusals.iter().any(Option::is_some) => {
                let blamed = places.iter().zip(refusals).filter_map(|(place, refusal)| Some((*place, refusal?)));
                let told =
                    blamed.map(|(place, refusal)| (place, Verdict::Refused(self.refused(&refusal, Stage::Message))));
                (DeliveryResult::Refused, told.collect())
            }
            Ok(Reply::Refused(refusal)) => (DeliveryResult::Refused, refused(self.refused(&refusal, Stage::Message))),
            Ok(_) => (DeliveryResult::Unavailable, refused(out_of_order())),
            Err(error) => (DeliveryResult::Unavailable, refused(unavailable(&error))),
        }
    }
}

const fn permit(admission: &Admission) -> Option<&DeliverPermit> {
    match admission {
        Admission::Deliver(permit) => Some(permit),
        Admission::Relay(_) | Admission::Return(_) => None,
    }
}
