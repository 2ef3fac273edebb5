//! Looks for what is due in one group and offers it to the board.
//!
//! Reads the group's index of due times page by page, wakes on the group's news and at the next due time, which is asked for when there is
//! no news for a moment: the question passes over all leases that ended early, of which a busy group has many. What the board does not take
//! because its destination pauses or is crowded is put off in the store, so that the head of the index never fills up with what can't be
//! tried. New mail has the latest due time: between full rounds only what stands behind the last page, and what is due in its last millisecond, is read.
//! Of each class of the index as much is read, the most urgent first: what can wait is read while the board has room for it, and holds up nothing else.
//!
//! Which worker takes what: each receiver ranks the workers (`rights`); this one takes mail that has waited longer than
//! the takeover time of every worker before it. Of mail to a receiver that several workers share, each takes its part.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use yubin_proto::Subscription;
use yubin_state::Topic;
use yubin_state::queue::{DeliveryKey, DueClass, DueItem, DueMark, Postponed, Trial};
use yubin_types::{DomainId, GroupNumber, QueueId, Timestamp};

use crate::board::{Age, Due, Offer};
use crate::connection::now;
use crate::recorder::Note;
use crate::ways::left_until;
use crate::worker::Shared;

/// Rows of a page.
const PAGE: u32 = 1_000;
/// How often the whole index is read from its beginning at least.
const ROUND: Duration = Duration::from_secs(20);
/// How far looks stand apart at least, unless there is more to read: mail that comes in a stream is read many at a time.
const GATHER: Duration = Duration::from_millis(10);
/// How long there is no news before the next due time is asked for. What comes due meanwhile is late by so much.
const QUIET: Duration = Duration::from_millis(100);
/// Pause after the store could not be asked, and between rounds that only put off.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest rest; due times come from other clocks, too.
const REST_MAX: Duration = Duration::from_secs(10);

/// Deliveries that are remembered to have been put off.
const PUT_OFF_MAX: usize = 10_000;

/// In each class, behind which item the next look goes on; from the beginning where there is none.
type Progress = BTreeMap<DueClass, DueItem>;

/// What a look came to.
struct Look {
    after: Progress,
    end: End,
    /// When what is left to other workers will be this one's.
    soonest: Option<Timestamp>,
}

/// Why a look ended; the greatest of the classes' counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Everything that is due was read.
    Nothing,
    /// The board had no room for mail of this class, and of those that may wait longer.
    NoRoom(Reverse<DueClass>),
    /// A page was full: there may be more.
    Page,
}

/// Looks until the worker drains.
pub(crate) async fn scout(shared: Arc<Shared>, group: GroupNumber) {
    let news = shared.engine.store.subscribe(group, &[Topic::Queue.number()]);
    let mut after = Progress::new();
    let mut round_began = Instant::now();
    let mut put_off = PutOff::default();
    let mut soonest: Option<Timestamp> = None;
    let mut forgotten = shared.left.forgotten();
    while !shared.drain.is_cancelled() {
        // What was left to another worker stands before what was read since.
        let comes_back = soonest.is_some_and(|at| at <= now()) || forgotten.has_changed().unwrap_or_default();
        let is_over = round_began.elapsed() >= ROUND;
        if is_over {
            round_began = Instant::now();
        }
        if is_over || comes_back {
            (after, soonest) = (Progress::new(), None);
            forgotten.mark_unchanged();
        }
        let began = Instant::now();
        let round_ends = round_began + ROUND;
        match look(&shared, group, std::mem::take(&mut after), &mut put_off).await {
            Ok(look) => {
                after = look.after;
                soonest = earlier(soonest, look.soonest);
                match look.end {
                    End::NoRoom(Reverse(class)) => tokio::select! {
                        () = shared.wait_for_room(class) => {}
                        // It may be more urgent.
                        () = news.changed() => tokio::time::sleep_until(began + QUIET).await,
                    },
                    End::Page => {}
                    End::Nothing => {
                        tokio::select! {
                            () = rest(&shared, group, &news, (soonest, round_ends)) => {}
                            // The next look begins anew.
                            _ = forgotten.changed() => forgotten.mark_changed(),
                        }
                        tokio::time::sleep_until(began + GATHER).await;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(group = group.0, error, "the queue can't be read");
                tokio::select! {
                    () = shared.drain.cancelled() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Until there is news, something may be due, or the round ends.
async fn rest(
    shared: &Arc<Shared>,
    group: GroupNumber,
    news: &Subscription,
    (soonest, round_ends): (Option<Timestamp>, Instant),
) {
    let until = |at: Timestamp| Instant::now() + Duration::from_millis(at.millis_since(now()));
    let ends = round_ends.min(soonest.map_or(round_ends, until));
    let quiet = ends.min(Instant::now() + QUIET);
    tokio::select! {
        () = shared.drain.cancelled() => return,
        () = news.changed() => return,
        () = tokio::time::sleep_until(quiet) => {}
    }
    if quiet == ends {
        return;
    }
    let ends = match shared.engine.store.queue_next_due(group, now()).await {
        Ok(next) => ends.min(next.map_or(ends, until)).min(Instant::now() + REST_MAX),
        Err(error) => {
            tracing::warn!(group = group.0, %error, "the queue's next due time can't be read");
            ends.min(Instant::now() + PAUSE)
        }
    };
    tokio::select! {
        () = shared.drain.cancelled() => {}
        () = news.changed() => {}
        () = tokio::time::sleep_until(ends) => {}
    }
}

/// Reads one page of each class.
async fn look(shared: &Arc<Shared>, group: GroupNumber, after: Progress, put_off: &mut PutOff) -> Result<Look, String> {
    let now = now();
    let found = shared.engine.store.queue_due(group, now, after.clone(), PAGE).await;
    let mut classes: BTreeMap<DueClass, Vec<DueItem>> = BTreeMap::new();
    for item in found.map_err(|error| error.to_string())? {
        classes.entry(item.filed.class).or_default().push(item);
    }
    let mut look = Look { after, end: End::Nothing, soonest: None };
    for class in DueClass::DUE {
        let items = classes.remove(&class).unwrap_or_default();
        let end = look.read(class, items, |item| consider(shared, group, put_off, item, now));
        look.end = look.end.max(end);
    }
    shared.wake();
    Ok(look)
}

impl Look {
    /// Shows what was read of a class to the board.
    fn read(&mut self, class: DueClass, items: Vec<DueItem>, mut consider: impl FnMut(&DueItem) -> Seen) -> End {
        let mut end = if items.len() < PAGE as usize { End::Nothing } else { End::Page };
        for item in items {
            match consider(&item) {
                Seen::Done => {}
                Seen::LeftUntil(at) => self.soonest = earlier(self.soonest, Some(at)),
                Seen::NoRoom => {
                    let kept_out = End::NoRoom(Reverse(DueClass::of(item.mark.priority)));
                    end = if matches!(end, End::NoRoom(_)) { end.max(kept_out) } else { kept_out };
                    // Leases are of mail of all priorities.
                    if class != DueClass::Leased {
                        break;
                    }
                }
            }
            if !matches!(end, End::NoRoom(_)) {
                self.after.insert(class, item);
            }
        }
        if end != End::Nothing {
            return end;
        }
        if let Some(last) = self.after.get_mut(&class) {
            *last = before_its_equals(last);
        }
        End::Nothing
    }
}

/// What became of something due.
enum Seen {
    Done,
    /// It is another worker's until then.
    LeftUntil(Timestamp),
    NoRoom,
}

/// Offers what is due to the board, or puts it off.
fn consider(shared: &Arc<Shared>, group: GroupNumber, put_off: &mut PutOff, item: &DueItem, now: Timestamp) -> Seen {
    // The store believes that its lease ran out; what came of it may still be on its way there.
    if shared.leases.holds(&item.delivery) {
        return Seen::Done;
    }
    let wait_ms = shared.takeover_ms(&item.delivery).max(shared.left.ms(item, now));
    let ours = Timestamp(item.filed.due.millis() + wait_ms);
    if ours > now {
        return Seen::LeftUntil(ours);
    }
    let age = match put_off.history(item, now) {
        History::None => age(item.mark, now),
        History::CameBack if item.mark.overdue > now => Age::Asked,
        History::CameBack => age(item.mark, now),
        History::PutOff => return Seen::Done,
    };
    let due = Due { group, age, key: item.delivery.clone(), priority: item.mark.priority };
    let offer = match shared.offer(now, due.clone()) {
        // Its sender is to be told that it is late, whatever its destination does.
        Offer::PutOff(_) if item.mark.overdue <= now => shared.offer(now, Due { age: Age::Over, ..due }),
        offer => offer,
    };
    match offer {
        Offer::Kept | Offer::Known => Seen::Done,
        Offer::PutOff(until) => {
            put_off.add(item, until, now);
            let postponed = Postponed { delivery: item.delivery.clone(), token: None, until };
            shared.note(group, Note::PutOff(postponed));
            Seen::Done
        }
        Offer::Others => Seen::LeftUntil(left_until(now)),
        Offer::NoRoom => Seen::NoRoom,
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Where to go on behind everything older. What is due in the same millisecond is read again: more of it may come, in any order. Nothing
/// older will: the group's time never goes back, and who puts something off to an earlier time has it found by the next round.
fn before_its_equals(last: &DueItem) -> DueItem {
    let delivery =
        DeliveryKey { domain: DomainId(0), id: QueueId([0; 16]), destination: last.delivery.destination.clone() };
    DueItem { filed: last.filed, delivery, mark: DueMark::default() }
}

/// What was put off: until when, and when it was due.
#[derive(Default)]
struct PutOff(BTreeMap<DeliveryKey, (Timestamp, Timestamp)>);

/// What is known of something due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum History {
    None,
    /// It is being put off.
    PutOff,
    /// It was put off to a later time, and is due before: it can't wait for that, or an operator wants it tried.
    CameBack,
}

impl PutOff {
    fn add(&mut self, item: &DueItem, until: Timestamp, now: Timestamp) {
        if self.0.len() >= PUT_OFF_MAX {
            self.0.retain(|_, (until, _)| *until > now);
        }
        if self.0.len() < PUT_OFF_MAX {
            self.0.insert(item.delivery.clone(), (until, item.filed.due));
        }
    }

    fn history(&mut self, item: &DueItem, now: Timestamp) -> History {
        match self.0.get(&item.delivery) {
            Some((until, due)) if *until > now && *due == item.filed.due => History::PutOff,
            Some((until, _)) => {
                let history = if *until > now { History::CameBack } else { History::None };
                self.0.remove(&item.delivery);
                history
            }
            None => History::None,
        }
    }
}

fn age(mark: DueMark, now: Timestamp) -> Age {
    match mark.trial {
        _ if mark.expires <= now => Age::Over,
        Trial::First => Age::New,
        Trial::Another => Age::Again,
    }
}

#[cfg(test)]
mod tests {
    use yubin_state::queue::{DeliveryKey, DestinationName, DueClass, DueItem, DueMark, Filed, Trial};
    use yubin_types::{DomainId, QueueId, Timestamp};

    use super::{History, PutOff, age};
    use crate::board::Age;

    fn item(id: QueueId, due: Timestamp) -> DueItem {
        let destination = DestinationName::parse("a.example").unwrap();
        let filed = Filed { class: DueClass::Normal, due };
        let delivery = DeliveryKey { domain: DomainId(1), id, destination };
        DueItem { filed, delivery, mark: DueMark::default() }
    }

    #[test]
    fn what_is_due_before_it_was_put_off_to_came_back() {
        let (mut put_off, now) = (PutOff::default(), Timestamp(1_000));
        let found = item(QueueId([1; 16]), now);
        assert_eq!(put_off.history(&found, now), History::None);
        put_off.add(&found, Timestamp(5_000), now);
        // Read again before the store has heard of it.
        assert_eq!(put_off.history(&found, Timestamp(1_001)), History::PutOff);
        // Somebody made it due.
        assert_eq!(put_off.history(&item(QueueId([1; 16]), Timestamp(2_000)), Timestamp(2_000)), History::CameBack);
        assert_eq!(put_off.history(&found, Timestamp(2_000)), History::None);
        put_off.add(&found, Timestamp(5_000), now);
        assert_eq!(put_off.history(&item(QueueId([1; 16]), Timestamp(5_000)), Timestamp(5_000)), History::None);
    }

    #[test]
    fn the_age_of_mail_is_that_of_its_attempts_until_it_expires() {
        let mark = |trial| DueMark { expires: Timestamp(1_000), overdue: Timestamp(500), trial, ..DueMark::default() };
        assert_eq!(age(mark(Trial::First), Timestamp(999)), Age::New);
        assert_eq!(age(mark(Trial::Another), Timestamp(999)), Age::Again);
        assert_eq!(age(mark(Trial::First), Timestamp(1_000)), Age::Over);
    }
}
