//! An operator's hand on deliveries: hold, release, retry, cancel.
//!
//! A delivery that a worker is trying now can't be called back: what the operator wants of it happens when the attempt ends without
//! having delivered, or when its lease runs out. One whose lease ran out already is nobody's and takes the action at once; its outcome
//! stays recordable, because a late outcome is better than none.

use yubin_types::limits;

use super::command::{ControlAction, ControlItem, ControlOutcome, QueueReply};
use super::journal::Journal;
use super::lease::check_count;
use super::record::{AfterLease, Delivery, DeliveryState};
use super::tray::Tray;
use crate::accounts::check_reason;
use crate::kv::{Position, Txn};
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::work::Work;

/// Controls deliveries of a domain.
pub(crate) fn control<T: Txn>(
    work: &mut Work<'_, T>,
    position: Position,
    items: &[ControlItem],
    action: &ControlAction,
) -> Outcome<Reply, T::Error> {
    check_count(items.len())?;
    if let ControlAction::Hold { reason } = action {
        check_reason(reason)?;
    }
    let mut tray = Tray::open(work)?;
    let (mut outcomes, mut given_up) = (Vec::with_capacity(items.len()), 0);
    for item in items {
        let outcome = match tray.delivery(item.id, &item.destination)? {
            None => ControlOutcome::NotFound,
            Some(_) if given_up > limits::QUEUE_RECIPIENTS_PER_COMMAND_MAX => ControlOutcome::Later,
            Some(delivery) => {
                if *action == ControlAction::Cancel {
                    given_up += delivery.recipients.len();
                }
                act(&mut tray, item, delivery, action)?
            }
        };
        outcomes.push(outcome);
    }
    let mut journal = Journal::default();
    journal.add(tray.close()?);
    journal.write(work.txn, position, work.now);
    Ok(Reply::Queue(QueueReply::Controlled(outcomes)))
}

fn act<T: Txn>(
    tray: &mut Tray<'_, '_, T>,
    item: &ControlItem,
    mut delivery: Delivery,
    action: &ControlAction,
) -> Outcome<ControlOutcome, T::Error> {
    let (now, known) = (tray.work.now, delivery.known());
    let due = known.filed.due;
    let lapsed = delivery.in_flight() && due <= now;
    let (held_back, begins) = (delivery.is_held_back(now), delivery.handling.begins(now));
    let outcome = match (&mut delivery.state, action) {
        (DeliveryState::InFlight { after, .. }, action) if !lapsed || *action == ControlAction::Release => {
            match wish(after, action) {
                Some(outcome) => outcome,
                None => return Ok(ControlOutcome::Unchanged),
            }
        }
        (_, ControlAction::Cancel) => {
            if lapsed {
                delivery.lapse(due);
            }
            tray.cancel(item.id, known, delivery)?;
            return Ok(ControlOutcome::Done);
        }
        // Its sender's wish is not an operator's to hurry.
        (DeliveryState::Scheduled, ControlAction::Retry) if held_back => {
            return Ok(ControlOutcome::Unchanged);
        }
        (DeliveryState::Held { .. }, ControlAction::Release) | (DeliveryState::Scheduled, ControlAction::Retry) => {
            delivery.state = DeliveryState::Scheduled;
            delivery.next_attempt = delivery.next_attempt.min(begins);
            ControlOutcome::Done
        }
        // A cancellation stands, also while it waits for the next look at a lease that ran out.
        (DeliveryState::InFlight { after: AfterLease::Cancel, .. }, _) => return Ok(ControlOutcome::Unchanged),
        (DeliveryState::Scheduled | DeliveryState::InFlight { .. }, ControlAction::Hold { reason }) => {
            let reason = reason.clone();
            if lapsed {
                delivery.lapse(due);
            }
            delivery.state = DeliveryState::Held { reason };
            ControlOutcome::Done
        }
        _ => return Ok(ControlOutcome::Unchanged),
    };
    tray.save(item.id, known, &delivery);
    Ok(outcome)
}

/// What an operator wants of a delivery that a worker is trying; `None` if that changes nothing.
fn wish(after: &mut AfterLease, action: &ControlAction) -> Option<ControlOutcome> {
    let (wished, outcome) = match action {
        ControlAction::Hold { reason } => (AfterLease::Hold { reason: reason.clone() }, ControlOutcome::AfterLease),
        ControlAction::Cancel => (AfterLease::Cancel, ControlOutcome::AfterLease),
        ControlAction::Release => (AfterLease::Schedule, ControlOutcome::Done),
        ControlAction::Retry => return None,
    };
    // A cancellation stands: whoever was told that the mail is given up must not see it go out later.
    if *after == wished || *after == AfterLease::Cancel {
        return None;
    }
    *after = wished;
    Some(outcome)
}
