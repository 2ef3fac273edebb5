//! Final outcomes of queued mail, looked up by time, message, Message-ID or address.
//!
//! Events lie in the order of domain and time; what else is asked for is found by reading, at most
//! [`limits::QUEUE_ROWS_PER_ANSWER_MAX`] rows for each answer, so an answer may be empty and still say where to go on.

use std::net::IpAddr;

use yubin_types::{DomainId, Timestamp, limits};

use super::queue::{is_sender, same_text};
use crate::keys;
use crate::kv::View;
use crate::queue::{Event, EventCursor, EventFilter, EventRecord, QueueAnswer};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn events<V: View>(
    view: &V,
    domain: DomainId,
    filter: &EventFilter,
    after: Option<&EventCursor>,
    limit: usize,
) -> Outcome<QueueAnswer, V::Error> {
    let mut events = Vec::new();
    let mut read = 0;
    for domain in domains(view, domain, after)? {
        let mut span = keys::events(domain);
        if let Some(from) = filter.from {
            span.from = keys::event(domain, from, 0).bytes().to_vec();
        }
        if let Some(to) = filter.to {
            span.to = keys::event(domain, to, 0).bytes().to_vec();
        }
        if let Some(after) = after.filter(|after| after.domain == domain) {
            span = span.after(keys::event(domain, after.at, after.sequence).bytes());
        }
        // Looking into a domain counts too, so that many domains with nothing in them stay bounded.
        read += 1;
        let mut last = EventCursor { domain, at: Timestamp(u64::MAX), sequence: u64::MAX };
        let mut full = read >= limits::QUEUE_ROWS_PER_ANSWER_MAX;
        view.each(&span, |key, event| {
            let place = keys::parse_event(key);
            read += 1;
            if filter.admits(&event) {
                let EventCursor { domain, at, sequence } = place;
                events.push(EventRecord { domain, at, sequence, event });
            }
            full = events.len() >= limit || read >= limits::QUEUE_ROWS_PER_ANSWER_MAX;
            if full {
                last = place;
            }
            go_on_while(!full)
        })?;
        if full {
            return Ok(QueueAnswer::Events { events, next: Some(last) });
        }
    }
    Ok(QueueAnswer::Events { events, next: None })
}

/// Which domains to look into, in order.
fn domains<V: View>(view: &V, domain: DomainId, after: Option<&EventCursor>) -> Outcome<Vec<DomainId>, V::Error> {
    if domain != DomainId(0) {
        return Ok(vec![domain]);
    }
    let from = after.map_or(DomainId(0), |after| after.domain);
    let used = view.first_keys(&keys::all_queue_counters(), usize::MAX)?;
    Ok(used.iter().map(|key| keys::parse_domain(key)).filter(|domain| *domain >= from).collect())
}

impl EventFilter {
    fn admits(&self, event: &Event) -> bool {
        let address =
            |wanted: &String| is_sender(&event.sender, wanted) || same_text(&event.recipient.to_string(), wanted);
        self.id.is_none_or(|wanted| wanted == event.id)
            && self.outcome.is_none_or(|wanted| wanted == event.outcome)
            && (self.message_id.is_none() || self.message_id == event.message_id)
            && self.address.as_ref().is_none_or(address)
            && self.source.is_none_or(|wanted| source(event) == Some(wanted))
    }
}

/// From where the connection came that had the last word.
fn source(event: &Event) -> Option<IpAddr> {
    event.reply.as_ref()?.way.as_ref()?.source
}
