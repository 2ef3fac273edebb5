//! What keeps deliveries of an answer from being tried: each destination, domain and account is looked up once.

use std::collections::BTreeSet;

use yubin_types::{AccountId, DomainId};

use crate::keys;
use crate::kv::View;
use crate::queue::{Delivery, DeliveryState, Obstacles, QueueSource, QueuedMessage, SumPlace};
use crate::record::Standing;
use crate::sending::reading;
use crate::stop::Outcome;
use crate::table::Read as _;

/// What was found so far.
#[derive(Default)]
pub(super) struct Search {
    places: BTreeSet<SumPlace>,
    senders: BTreeSet<(DomainId, Option<AccountId>)>,
    pub(super) found: Obstacles,
}

impl Search {
    /// Notes what keeps a delivery.
    pub(super) fn look<V: View>(
        &mut self,
        view: &V,
        domain: DomainId,
        message: &QueuedMessage,
        delivery: &Delivery,
    ) -> Outcome<(), V::Error> {
        if delivery.state != DeliveryState::Scheduled {
            return Ok(());
        }
        let place = SumPlace { domain, destination: delivery.destination.clone() };
        if self.places.insert(place.clone()) {
            let sums = view.row(&keys::queue_sums(domain, &place.destination))?;
            self.found.destinations.extend(sums.and_then(|sums| sums.waits).map(|waits| (place, *waits)));
        }
        if self.senders.insert((domain, None)) {
            let standing = view.row(&keys::domain(domain))?.map(|domain| domain.standing);
            if standing.is_some_and(|standing| standing != Standing::Active) {
                self.found.senders.insert((domain, None));
            }
        }
        if let QueueSource::Submission { account, .. } = message.source
            && self.senders.insert((domain, Some(account)))
            && reading::suspension(view, domain, account)?.is_some()
        {
            self.found.senders.insert((domain, Some(account)));
        }
        Ok(())
    }
}
