//! Which mail operators want left alone: destinations and tenants, read from the directory now and then.
//!
//! What is suspended is put off while the suspension lasts, a quarter of an hour at a time, so that its end is noticed. A message whose
//! time is over goes on to its end nevertheless.

use std::collections::BTreeMap;
use std::net::IpAddr;

use yubin_state::queue::{DeliveryKey, QueueSuspension, SuspensionScope};
use yubin_types::{DestinationName, Timestamp, limits};

/// Suspensions in force, with their ends.
#[derive(Debug, Default)]
pub(crate) struct Suspensions(BTreeMap<SuspensionScope, Term>);

/// Since when, and until when.
#[derive(Clone, Copy, Debug)]
struct Term {
    since: Timestamp,
    expires: Option<Timestamp>,
}

impl Suspensions {
    pub(crate) fn new(all: Vec<QueueSuspension>) -> Suspensions {
        let term = |one: QueueSuspension| (one.scope, Term { since: one.since, expires: one.expires });
        Suspensions(all.into_iter().map(term).collect())
    }

    /// Source addresses that are set aside at destinations: since when, and until when, if that is after a time.
    pub(crate) fn sources(
        &self,
        now: Timestamp,
        after: Timestamp,
    ) -> BTreeMap<(DestinationName, IpAddr), (Timestamp, Timestamp)> {
        let later = now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS);
        let source = |(scope, term): (&SuspensionScope, &Term)| match scope {
            SuspensionScope::Source { destination, address } => {
                Some(((destination.clone(), *address), (term.since, term.expires.unwrap_or(later))))
            }
            SuspensionScope::Destination(_) | SuspensionScope::Tenant(_) => None,
        };
        self.0.iter().filter_map(source).filter(|(_, (_, until))| *until > after).collect()
    }

    /// Until when a delivery is put off.
    pub(crate) fn until(&self, key: &DeliveryKey, now: Timestamp) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        let later = now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS);
        let scopes = [SuspensionScope::Destination(key.destination.clone()), SuspensionScope::Tenant(key.domain)];
        let ends = scopes.iter().filter_map(|scope| self.0.get(scope)).map(|term| term.expires.unwrap_or(later));
        ends.filter(|end| *end > now).max().map(|end| end.min(later))
    }
}

#[cfg(test)]
mod tests {
    use yubin_state::queue::{DeliveryKey, DestinationName, QueueSuspension, SuspensionScope};
    use yubin_types::{DomainId, QueueId, Timestamp, limits};

    use super::Suspensions;

    #[test]
    fn what_is_suspended_waits_until_the_end_and_nothing_else_does() {
        let destination = |text| DestinationName::parse(text).unwrap();
        let key =
            |tenant, to| DeliveryKey { domain: DomainId(tenant), id: QueueId([0; 16]), destination: destination(to) };
        let suspension =
            |scope, expires| QueueSuspension { scope, reason: String::new(), since: Timestamp(0), expires };
        let suspensions = Suspensions::new(vec![
            suspension(SuspensionScope::Destination(destination("a.example")), Some(Timestamp(5_000))),
            suspension(SuspensionScope::Tenant(DomainId(7)), None),
        ]);
        let now = Timestamp(1_000);
        assert_eq!(suspensions.until(&key(1, "a.example"), now), Some(Timestamp(5_000)));
        assert_eq!(suspensions.until(&key(1, "a.example"), Timestamp(5_000)), None);
        assert_eq!(suspensions.until(&key(1, "b.example"), now), None);
        let later = now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS);
        assert_eq!(suspensions.until(&key(7, "b.example"), now), Some(later));
    }
}
