//! Final outcomes of all domains of a group in the order in which they came to be, for whoever follows them.
//!
//! Reads at most [`limits::QUEUE_ROWS_PER_ANSWER_MAX`] events for each answer, which says where to go on even if none of them was wanted.

use yubin_types::{DomainId, limits};

use crate::keys;
use crate::kv::View;
use crate::queue::journal::{self, EndPlace, Ends};
use crate::queue::{EndFilter, EndStart, EventRecord, FollowedEvent, QueueAnswer};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn ends<V: View>(
    view: &V,
    domain: DomainId,
    filter: &EndFilter,
    start: &EndStart,
    limit: u32,
) -> Outcome<QueueAnswer, V::Error> {
    let after = match start {
        EndStart::After(place) => *place,
        EndStart::From(then) => journal::since(view, *then)?,
    };
    let mut reader = Reader { domain, filter, limit: journal::page(limit), read: 0, next: after, events: Vec::new() };
    let mut rows: Vec<(u64, Ends)> = Vec::new();
    view.each(&keys::ends_from(after.index), |key, ends| {
        rows.push((keys::parse_end(key), ends));
        go_on_while(rows.len() < limits::QUEUE_ROWS_PER_ANSWER_MAX)
    })?;
    for (index, ends) in &rows {
        if !reader.read(view, *index, ends)? {
            break;
        }
    }
    let more = reader.is_full() || rows.len() == limits::QUEUE_ROWS_PER_ANSWER_MAX;
    Ok(QueueAnswer::Ends { events: reader.events, next: reader.next, more })
}

struct Reader<'a> {
    domain: DomainId,
    filter: &'a EndFilter,
    limit: usize,
    read: usize,
    next: EndPlace,
    events: Vec<FollowedEvent>,
}

impl Reader<'_> {
    fn is_full(&self) -> bool {
        self.events.len() >= self.limit || self.read >= limits::QUEUE_ROWS_PER_ANSWER_MAX
    }

    /// The events of a command behind the place that was reached; `false` if that was all that has room.
    fn read<V: View>(&mut self, view: &V, index: u64, ends: &Ends) -> Outcome<bool, V::Error> {
        let mut number = 0;
        for &(domain, first, last) in &ends.of {
            for sequence in first..=last {
                number += 1;
                let place = EndPlace { index, number };
                if place <= self.next {
                    continue;
                }
                if self.is_full() {
                    return Ok(false);
                }
                self.read += 1;
                self.next = place;
                if self.domain != DomainId(0) && self.domain != domain {
                    continue;
                }
                // A domain that was deleted took its events along.
                if let Some(event) = view.row(&keys::event(domain, ends.at, sequence))?
                    && self.filter.admits(&event)
                {
                    let record = EventRecord { domain, at: ends.at, sequence, event };
                    self.events.push(FollowedEvent { place, record });
                }
            }
        }
        Ok(true)
    }
}

impl EndFilter {
    fn admits(&self, event: &crate::queue::Event) -> bool {
        self.outcome.is_none_or(|wanted| wanted == event.outcome)
            && self.destination.as_ref().is_none_or(|wanted| *wanted == event.recipient.destination)
    }
}
