//! A visit of strangers: what is known of them, and what becomes of it.
//!
//! Decided twice by the same rule: in answer to a question, which changes nothing, and in apply. What stands past its time counts as not there,
//! be it swept or not.

use yubin_types::{DomainId, Refusal, Timestamp, limits};

use super::record::{GreylistTerms, Reception, Seen, Stranger, StrangerKind, Visit};
use crate::answer::Reading;
use crate::keys;
use crate::kv::{Txn, View};
use crate::query::Answer;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// How the strangers would be received; one that a visit would change is [`Reception::Unrecorded`].
pub(crate) fn look<V: View>(reading: &Reading<'_, V>, visit: &Visit, now: Timestamp) -> Outcome<Answer, V::Error> {
    let (view, id) = (reading.view, reading.id);
    // A group that rested has an old stamp: the asker's clock goes on.
    let now = view.row(&keys::clock())?.unwrap_or_default().max(now);
    let count = view.row(&keys::greylist_count(id))?.unwrap_or_default();
    if let Some(network) = seen(view, id, of_network(visit), now)?.filter(|seen| is_welcome(seen, &visit.terms)) {
        let welcome = if is_fresh(&network, &visit.terms, now) { Reception::Now } else { Reception::Unrecorded };
        return Ok(Answer::Greylist(vec![welcome; visit.triplets.len()]));
    }
    let mut welcomes = Vec::with_capacity(visit.triplets.len());
    for &hash in &visit.triplets {
        let known = seen(view, id, Stranger { kind: StrangerKind::Triplet, hash }, now)?;
        welcomes.push(match known {
            Some(seen) if seen.passes > 0 && is_fresh(&seen, &visit.terms, now) => Reception::Now,
            Some(seen) if seen.passes == 0 && now < seen.since.plus_seconds(visit.terms.delay_seconds) => {
                Reception::From(seen.since.plus_seconds(visit.terms.delay_seconds))
            }
            None if count >= limits::GREYLIST_ROWS_PER_DOMAIN_MAX => Reception::Now,
            _ => Reception::Unrecorded,
        });
    }
    Ok(Answer::Greylist(welcomes))
}

/// Receives them, and remembers.
pub(crate) fn visit<T: Txn>(work: &mut Work<'_, T>, visit: &Visit) -> Outcome<Reply, T::Error> {
    let Visit { triplets, terms, .. } = visit;
    if triplets.len() > limits::SMTP_RECIPIENTS_MAX || !terms.are_possible() {
        return Err(Refusal::InvalidValue { why: "the terms of a greylist are out of bounds".to_owned() }.into());
    }
    let mut book = Book::open(work)?;
    let network = book.seen(of_network(visit))?;
    if let Some(known) = network.filter(|seen| is_welcome(seen, terms)) {
        book.renew(of_network(visit), known, terms)?;
        book.close();
        return Ok(Reply::Greylist(vec![Reception::Now; triplets.len()]));
    }
    let mut passed = false;
    let mut welcomes = Vec::with_capacity(triplets.len());
    for &hash in triplets {
        let stranger = Stranger { kind: StrangerKind::Triplet, hash };
        let (welcome, came_again) = book.receive(stranger, terms)?;
        passed |= came_again;
        welcomes.push(welcome);
    }
    if passed && terms.network_passes > 0 {
        book.note_pass(of_network(visit), network, terms)?;
    }
    book.close();
    Ok(Reply::Greylist(welcomes))
}

/// A domain's memory, opened for writing.
struct Book<'w, 't, T: Txn> {
    work: &'w mut Work<'t, T>,
    before: u32,
    count: u32,
}

impl<'w, 't, T: Txn> Book<'w, 't, T> {
    fn open(work: &'w mut Work<'t, T>) -> Outcome<Self, T::Error> {
        let count = work.txn.row(&keys::greylist_count(work.id))?.unwrap_or_default();
        Ok(Book { work, before: count, count })
    }

    fn close(self) {
        if self.count != self.before {
            self.work.txn.set(&keys::greylist_count(self.work.id), &self.count);
        }
    }

    fn seen(&self, stranger: Stranger) -> Outcome<Option<Seen>, T::Error> {
        seen(self.work.txn, self.work.id, stranger, self.work.now)
    }

    /// How one is received, and whether it came again for the first time.
    fn receive(&mut self, stranger: Stranger, terms: &GreylistTerms) -> Outcome<(Reception, bool), T::Error> {
        let now = self.work.now;
        let waits = |since: Timestamp| Reception::From(since.plus_seconds(terms.delay_seconds));
        Ok(match self.seen(stranger)? {
            None if self.count >= limits::GREYLIST_ROWS_PER_DOMAIN_MAX => (Reception::Now, false),
            None => {
                let until = whole(now.plus_seconds(terms.retry_seconds));
                self.put(stranger, Seen { since: now, passes: 0, until })?;
                (waits(now), false)
            }
            Some(seen) if seen.passes > 0 => {
                self.renew(stranger, seen, terms)?;
                (Reception::Now, false)
            }
            Some(seen) if now < seen.since.plus_seconds(terms.delay_seconds) => (waits(seen.since), false),
            Some(seen) => {
                let until = whole(now.plus_seconds(terms.welcome_seconds));
                self.put(stranger, Seen { passes: 1, until, ..seen })?;
                (Reception::Now, true)
            }
        })
    }

    /// One more stranger of a network came again.
    fn note_pass(&mut self, network: Stranger, known: Option<Seen>, terms: &GreylistTerms) -> Outcome<(), T::Error> {
        if known.is_none() && self.count >= limits::GREYLIST_ROWS_PER_DOMAIN_MAX {
            return Ok(());
        }
        let now = self.work.now;
        let until = whole(now.plus_seconds(terms.welcome_seconds));
        let seen = known.unwrap_or(Seen { since: now, passes: 0, until });
        self.put(network, Seen { passes: seen.passes.saturating_add(1), until, ..seen })
    }

    /// Makes one last, if enough of its time is over.
    fn renew(&mut self, stranger: Stranger, seen: Seen, terms: &GreylistTerms) -> Outcome<(), T::Error> {
        if is_fresh(&seen, terms, self.work.now) {
            return Ok(());
        }
        let until = whole(self.work.now.plus_seconds(terms.welcome_seconds));
        self.put(stranger, Seen { until, ..seen })
    }

    /// Writes a row and its place in the order of forgetting, in place of what was there.
    fn put(&mut self, stranger: Stranger, seen: Seen) -> Outcome<(), T::Error> {
        let (id, txn) = (self.work.id, &mut *self.work.txn);
        match txn.row(&keys::greylist(id, stranger))? {
            Some(old) => txn.unset(&keys::greylist_forget(old.until, id, stranger)),
            None => self.count = self.count.saturating_add(1),
        }
        txn.set(&keys::greylist(id, stranger), &seen);
        txn.set(&keys::greylist_forget(seen.until, id, stranger), &());
        Ok(())
    }
}

impl GreylistTerms {
    fn are_possible(&self) -> bool {
        self.delay_seconds <= limits::GREYLIST_DELAY_SECONDS_MAX
            && self.delay_seconds < self.retry_seconds
            && self.retry_seconds <= limits::GREYLIST_SECONDS_MAX
            && self.welcome_seconds <= limits::GREYLIST_SECONDS_MAX
    }
}

const fn of_network(visit: &Visit) -> Stranger {
    Stranger { kind: StrangerKind::Network, hash: visit.network }
}

fn seen<V: View>(view: &V, id: DomainId, stranger: Stranger, now: Timestamp) -> Outcome<Option<Seen>, V::Error> {
    Ok(view.row(&keys::greylist(id, stranger))?.filter(|seen| now < seen.until))
}

/// Is all of the network welcome?
const fn is_welcome(seen: &Seen, terms: &GreylistTerms) -> bool {
    terms.network_passes > 0 && seen.passes >= terms.network_passes
}

/// Will it last about as long as one that comes now?
fn is_fresh(seen: &Seen, terms: &GreylistTerms, now: Timestamp) -> bool {
    now.plus_seconds(terms.welcome_seconds) <= seen.until.plus_seconds(limits::GREYLIST_RENEW_SECONDS)
}

/// The next whole [`limits::GREYLIST_STEP_SECONDS`] at or after a time.
fn whole(at: Timestamp) -> Timestamp {
    let step = limits::GREYLIST_STEP_SECONDS;
    Timestamp::from_seconds(at.millis().div_ceil(step * 1_000) * step)
}
