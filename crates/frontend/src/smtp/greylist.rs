//! Greylisting: recipients whom a stranger names wait until it comes again (RFC 6647).
//!
//! Asked last, of recipients that exist and that the peer may write to, so nobody fills a domain's memory with names that don't. Not asked of
//! users, exempt networks, hosts on a list of trusted ones, hosts that pass SPF where that is configured, the null sender (bounces and
//! callouts come from hosts that don't come again) and bounces of our own mail. What is remembered is the store's; a store that can't be asked keeps nobody out: the delivery will tell.

use std::collections::BTreeMap;

use yubin_dns_auth::verify::SpfQuestion;
use yubin_policy::Admission;
use yubin_policy::refusal_text;
use yubin_proto::{Hosted, StoreError};
use yubin_state::command::DomainCommand;
use yubin_state::greylist::{Reception, Visit, network_hash, stranger_hash};
use yubin_state::{Answer, Command, DedupeClass, Query, Reply};
use yubin_types::{Address, AuthResult, DomainName, RequestId, ReversePath, SmtpReply, Timestamp};

use super::SmtpRim;
use super::stranger::PeerFacts;
use crate::config::{GreylistingConfig, InboundConfig, SpfWelcome};
use crate::driver::now;

/// Is greylisting asked about mail for this domain?
pub(super) fn matters(inbound: &InboundConfig, domain: &DomainName) -> bool {
    let listed = |config: &GreylistingConfig| config.domains.is_empty() || config.domains.contains(domain);
    inbound.greylisting.as_ref().is_some_and(listed)
}

impl SmtpRim {
    /// Which of these recipients must wait, and what is said of each.
    pub(super) async fn greylisted(
        &self,
        peer: Option<&PeerFacts>,
        hosted: Option<&Hosted>,
        admitted: &[&Admission],
    ) -> BTreeMap<Address, SmtpReply> {
        let (Some(peer), Some(hosted)) = (peer, hosted) else { return BTreeMap::new() };
        let asked: Vec<&Address> = admitted
            .iter()
            .filter_map(|admission| match admission {
                Admission::Deliver(permit) => Some(permit.recipient()),
                _ => None,
            })
            .collect();
        let Some((config, visit)) = self.visit(peer, hosted, &asked) else { return BTreeMap::new() };
        let welcomes = match Box::pin(self.receive(config, hosted, visit)).await {
            Ok(welcomes) => welcomes,
            Err(error) => {
                tracing::warn!(%error, "greylisting could not be asked");
                return BTreeMap::new();
            }
        };
        let now = now();
        let waiting = asked.into_iter().zip(welcomes).filter_map(|(recipient, welcome)| match welcome {
            Reception::From(due) => {
                Some((recipient.clone(), refusal_text::greylisted(recipient, seconds_until(due, now))))
            }
            Reception::Now | Reception::Unrecorded => None,
        });
        waiting.collect()
    }

    /// What the store is asked, if it is.
    fn visit(&self, peer: &PeerFacts, hosted: &Hosted, asked: &[&Address]) -> Option<(&GreylistingConfig, Visit)> {
        let inbound = self.connection.shared.config.inbound.as_ref().filter(|it| matters(it, &hosted.name))?;
        let config = inbound.greylisting.as_ref()?;
        let sender = self.transaction.as_ref()?.sender.path();
        if asked.is_empty() || *sender == ReversePath::Null || peer.list_points(inbound) < 0 {
            return None;
        }
        let network = network_hash(self.connection.peer_ip());
        let triplets = asked.iter().map(|recipient| stranger_hash(network, sender, &recipient.local)).collect();
        Some((config, Visit { network, triplets, terms: config.terms }))
    }

    /// How the strangers are received. Only what changes something is proposed, and SPF asked only of whom would wait.
    async fn receive(
        &self,
        config: &GreylistingConfig,
        hosted: &Hosted,
        visit: Visit,
    ) -> Result<Vec<Reception>, StoreError> {
        let store = &self.connection.shared.store;
        let query = Query::Greylist { visit: visit.clone(), now: now() };
        let welcomes = match store.ask(&hosted.name, query).await? {
            Some((_, Answer::Greylist(welcomes))) => welcomes,
            _ => return Ok(Vec::new()),
        };
        if welcomes.iter().all(|welcome| *welcome == Reception::Now)
            || (config.spf_pass == SpfWelcome::Welcome && self.passes_spf().await)
        {
            return Ok(Vec::new());
        }
        if !welcomes.contains(&Reception::Unrecorded) {
            return Ok(welcomes);
        }
        let command = Command::Domain(DomainCommand::Greylist(visit));
        // Coming twice is no other than coming once, so no outcome is remembered.
        let request = (RequestId(rand::random()), DedupeClass::None);
        match store.propose(hosted.scope(), &command, request, &self.connection.caller("mx"), Vec::new()).await? {
            Reply::Greylist(welcomes) => Ok(welcomes),
            _ => Ok(Vec::new()),
        }
    }

    /// Does SPF name the peer as a host of the sender's domain?
    async fn passes_spf(&self) -> bool {
        let shared = &self.connection.shared;
        let (Some(inbound), Some(transaction)) = (&shared.config.inbound, &self.transaction) else { return false };
        let sender = transaction.sender.path().address();
        // Of HELO nothing is known here; with a sender it is not asked about.
        let (peer, host) = (self.connection.peer_ip(), shared.config.hostname.as_str());
        let checks = inbound.verifier.spf(SpfQuestion { peer, helo: "", sender, host }).await;
        checks.mail_from.is_some_and(|check| check.result == AuthResult::Pass)
    }
}

fn seconds_until(due: Timestamp, now: Timestamp) -> u64 {
    due.millis().saturating_sub(now.millis()).div_ceil(1_000).max(1)
}
