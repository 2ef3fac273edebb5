//! Message rows in UID order, in frames of [`limits::ROWS_PER_FRAME_MAX`] that end early where cold rows are large: a stranger's mail
//! decides how much its structure takes.

use yubin_types::{MailboxId, ModSeq, Uid, UidSet, limits};

use super::Reading;
use crate::command::Login;
use crate::keys;
use crate::kv::View;
use crate::query::{Answer, MessageRow, RowDetail};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};
use crate::work::{logged_in, mailbox_of};

/// Which rows, and how much of them.
pub(super) struct Wanted<'q> {
    pub(super) uids: &'q UidSet,
    pub(super) changed_since: Option<ModSeq>,
    pub(super) detail: RowDetail,
}

pub(super) fn rows<V: View>(
    reading: &Reading<'_, V>,
    login: Login,
    mailbox: MailboxId,
    wanted: &Wanted<'_>,
) -> Outcome<Answer, V::Error> {
    logged_in(reading.view, reading.id, &reading.domain, login)?;
    mailbox_of(reading.view, reading.id, login.account, mailbox)?;
    let few = match wanted.changed_since {
        Some(since) => few_changed(reading, mailbox, since)?,
        None => None,
    };
    let narrowed = few.map(|changed| changed.intersection(wanted.uids));
    let uids = narrowed.as_ref().unwrap_or(wanted.uids);
    let (mut rows, mut next) = hot_rows(reading, mailbox, uids, wanted.changed_since)?;
    if wanted.detail == RowDetail::HotAndCold
        && let Some(too_much) = add_cold(reading, mailbox, &mut rows)?
    {
        next = Some(too_much);
    }
    Ok(Answer::Rows { rows, next })
}

/// Adds cold rows until they weigh too much; drops the rows from there on and tells where that is.
fn add_cold<V: View>(
    reading: &Reading<'_, V>,
    mailbox: MailboxId,
    rows: &mut Vec<MessageRow>,
) -> Outcome<Option<Uid>, V::Error> {
    let (mut bytes, mut whole) = (0, 0);
    for row in rows.iter_mut() {
        if bytes >= limits::COLD_BYTES_PER_FRAME_MAX {
            break;
        }
        row.cold = reading.view.row(&keys::cold(reading.id, mailbox, row.uid))?;
        bytes += row.cold.as_ref().map_or(0, |cold| cold.prefix.len() + cold.facts.len());
        whole += 1;
    }
    let next = rows.get(whole).map(|row| row.uid);
    rows.truncate(whole);
    Ok(next)
}

/// Messages changed since a MODSEQ, from the change index; `None` if there are so many that scanning rows is no worse.
fn few_changed<V: View>(
    reading: &Reading<'_, V>,
    mailbox: MailboxId,
    since: ModSeq,
) -> Outcome<Option<UidSet>, V::Error> {
    let mut uids = Vec::new();
    reading.view.each_key(&keys::changes_after(reading.id, mailbox, since), |key| {
        uids.push(keys::parse_change(key).1);
        go_on_while(uids.len() <= limits::CHANGES_PER_ANSWER_MAX)
    })?;
    uids.sort_unstable();
    Ok((uids.len() <= limits::CHANGES_PER_ANSWER_MAX).then(|| uids.into_iter().collect()))
}

fn hot_rows<V: View>(
    reading: &Reading<'_, V>,
    mailbox: MailboxId,
    uids: &UidSet,
    changed_since: Option<ModSeq>,
) -> Outcome<(Vec<MessageRow>, Option<Uid>), V::Error> {
    let mut rows: Vec<MessageRow> = Vec::new();
    let mut next = None;
    for &(first, last) in uids.ranges() {
        reading.view.each(&keys::hot_rows(reading.id, mailbox, first, last), |key, hot| {
            if changed_since.is_some_and(|since| hot.modseq <= since) {
                return go_on_while(true);
            }
            let uid = keys::parse_uid(key);
            if rows.len() >= limits::ROWS_PER_FRAME_MAX {
                next = Some(uid);
            } else {
                rows.push(MessageRow { uid, hot, cold: None });
            }
            go_on_while(next.is_none())
        })?;
        if next.is_some() {
            break;
        }
    }
    Ok((rows, next))
}
