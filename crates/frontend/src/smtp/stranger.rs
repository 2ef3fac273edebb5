//! A peer whose mail is verified: what its address is worth, asked once a connection and beside its conversation.
//!
//! The DNS is asked when the first transaction begins, and waited for where an answer is needed: at RCPT if a recipient demands a
//! name or lists are configured, else with the message. Users who log in and exempt networks are no strangers.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use yubin_dns_auth::verify::{Iprev, Listing, Listings};
use yubin_policy::inbound::Reputation;
use yubin_policy::peer::{ListFact, PeerDenial, ReverseDns, admit_listed, admit_name};
use yubin_types::{Address, ReverseDnsRule};

use crate::config::InboundConfig;
use crate::metrics::Metrics;

/// What is known of a peer.
pub(super) struct Stranger {
    facts: Facts,
    metrics: Metrics,
}

/// What its address says.
#[derive(Clone, Debug)]
pub(super) struct PeerFacts {
    pub(super) iprev: Iprev,
    pub(super) listings: Vec<Listing>,
}

enum Facts {
    Unasked,
    Asked(AbortOnDropHandle<PeerFacts>),
    Known(Arc<PeerFacts>),
}

impl Stranger {
    pub(super) const fn new(metrics: Metrics) -> Stranger {
        Stranger { facts: Facts::Unasked, metrics }
    }

    /// Begins to ask, if nobody did.
    pub(super) fn ask(&mut self, inbound: &InboundConfig, peer: IpAddr) {
        if !matches!(self.facts, Facts::Unasked) {
            return;
        }
        let (verifier, lists, metrics) = (inbound.verifier.clone(), inbound.lists.clone(), self.metrics.clone());
        let asking = async move {
            let (iprev, Listings { listed, refused }) =
                tokio::join!(verifier.iprev(peer), verifier.listed(peer, &lists));
            for Listing { list, answer } in refused {
                let zone = lists.get(list).map(|list| list.zone.as_str()).unwrap_or_default();
                if metrics.list_refusal(zone) == 0 {
                    tracing::warn!(list = zone, %answer, "a DNS list refuses to answer, so it counts for nothing");
                }
            }
            PeerFacts { iprev, listings: listed }
        };
        self.facts = Facts::Asked(AbortOnDropHandle::new(tokio::spawn(asking.in_current_span())));
    }

    /// What was found out; waits for it.
    pub(super) async fn facts(&mut self, inbound: &InboundConfig, peer: IpAddr) -> Arc<PeerFacts> {
        self.ask(inbound, peer);
        let facts = match &mut self.facts {
            Facts::Known(facts) => return Arc::clone(facts),
            // A task that is gone knows nothing.
            Facts::Asked(task) => task.await.unwrap_or(PeerFacts { iprev: Iprev::Unknown, listings: Vec::new() }),
            Facts::Unasked => PeerFacts { iprev: Iprev::Unknown, listings: Vec::new() },
        };
        let facts = Arc::new(facts);
        self.facts = Facts::Known(Arc::clone(&facts));
        facts
    }
}

impl PeerFacts {
    /// May the peer send to this recipient?
    pub(super) fn admit(
        &self,
        inbound: &InboundConfig,
        (recipient, rule): (&Address, ReverseDnsRule),
        peer: IpAddr,
    ) -> Result<(), PeerDenial> {
        admit_name(self.name(), rule, recipient, peer)?;
        self.reputation(inbound, peer).map(|_| ())
    }

    /// What is known of its name.
    pub(super) const fn name(&self) -> ReverseDns {
        match self.iprev {
            Iprev::Confirmed(_) => ReverseDns::Confirmed,
            Iprev::NoName => ReverseDns::Missing,
            Iprev::Forged(_) => ReverseDns::Forged,
            Iprev::Unknown => ReverseDns::Unknown,
        }
    }

    /// What the lists give it, points.
    pub(super) fn list_points(&self, inbound: &InboundConfig) -> i32 {
        let listed = self.listings.iter().filter_map(|listing| inbound.lists.get(listing.list));
        listed.fold(0, |sum, list| sum.saturating_add(list.score))
    }

    /// What the lists make of it.
    pub(super) fn reputation(&self, inbound: &InboundConfig, peer: IpAddr) -> Result<Reputation, PeerDenial> {
        let listed = self.listings.iter().filter_map(|listing| inbound.lists.get(listing.list));
        let facts: Vec<ListFact<'_>> =
            listed.map(|list| ListFact { zone: list.zone.as_str(), score: list.score, lookup: &list.lookup }).collect();
        admit_listed(&facts, inbound.list_rule, peer)
    }
}
