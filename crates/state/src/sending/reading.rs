//! What is asked about sending: by a front end before a message comes, by the administration, and by the leader that tells owners.

use yubin_types::{AccountId, Address, DomainId, LocalPart, Timestamp, limits};

use super::admit::{self, Ledger, WHOLE_DOMAIN};
use super::record::{SenderRight, SendingAllowance, SendingNotice, SendingReport, SendingSuspension};
use super::send_as;
use crate::answer::Reading;
use crate::answer::accounts::named;
use crate::command::Login;
use crate::keys::{self, DueKind};
use crate::kv::View;
use crate::query::Answer;
use crate::queue::dead;
use crate::rows::Phase;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::logged_in;

/// What a login may send now, and by what right as this sender.
pub(crate) fn allowance<V: View>(
    reading: &Reading<'_, V>,
    login: Login,
    sender: Option<&Address>,
    now: Timestamp,
) -> Outcome<Answer, V::Error> {
    logged_in(reading.view, reading.id, &reading.domain, login)?;
    // A group that rested has an old stamp: the asker's clock opens the next hour.
    let now = reading.view.row(&keys::clock())?.unwrap_or_default().max(now);
    let ledger = Ledger::open(reading.view, reading.id, &reading.domain, login.account, now)?;
    let right = match sender {
        Some(sender) => send_as::right(reading, login.account, sender)?,
        None => SenderRight::Missing,
    };
    Ok(match ledger.allowance() {
        Ok(allowance) => {
            let dead = dead::refused(reading.view, reading.id, now)?;
            Answer::Sending { allowance: SendingAllowance { dead, ..allowance }, right }
        }
        Err(refusal) => Answer::SendingRefused { counting: admit::counting(&reading.domain, &refusal), refusal },
    })
}

/// An account's limits and counts.
pub(crate) fn report<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<Answer, V::Error> {
    let (account, _) = named(reading, local)?;
    let (view, id) = (reading.view, reading.id);
    Ok(Answer::SendingReport(Box::new(SendingReport {
        plan: *reading.domain.plan.sending,
        control: view.row(&keys::sending_control(id, account))?.unwrap_or_default(),
        account: view.row(&keys::sending_counters(id, account))?.unwrap_or_default(),
        domain: view.row(&keys::sending_counters(id, WHOLE_DOMAIN))?.unwrap_or_default(),
    })))
}

/// Owners of the whole group who are to be told, at most [`limits::SENDING_NOTICES_MAX`].
pub(crate) fn notices<V: View>(view: &V) -> Outcome<Answer, V::Error> {
    let mut found = Vec::new();
    for due in view.first_keys(&keys::dues(DueKind::Notices), limits::SENDING_NOTICES_MAX)? {
        let (_, id) = keys::parse_due(&due);
        let room = limits::SENDING_NOTICES_MAX.saturating_sub(found.len());
        for key in view.first_keys(&keys::sending_notices_of(id), room)? {
            found.extend(notice(view, id, AccountId(keys::parse_second(&key)))?);
        }
    }
    Ok(Answer::SendingNotices(found))
}

fn notice<V: View>(view: &V, id: DomainId, account: AccountId) -> Outcome<Option<SendingNotice>, V::Error> {
    let domain = view.row(&keys::domain(id))?.filter(|domain| domain.phase == Phase::Live);
    let owner = view.row(&keys::account(id, account))?;
    let suspension = suspension(view, id, account)?;
    let (Some(domain), Some(owner), Some(suspension)) = (domain, owner, suspension) else { return Ok(None) };
    let (epoch, name) = (domain.epoch, domain.name);
    Ok(Some(SendingNotice { domain: id, epoch, name, account, local: owner.local, suspension }))
}

/// The suspension of an account's sending, if there is one.
pub(crate) fn suspension<V: View>(
    view: &V,
    id: DomainId,
    account: AccountId,
) -> Outcome<Option<SendingSuspension>, V::Error> {
    Ok(view.row(&keys::sending_control(id, account))?.and_then(|control| control.suspension))
}
