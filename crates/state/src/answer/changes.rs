//! What changed in a mailbox after a MODSEQ (RFC 7162 QRESYNC), from the change index and tombstones.
//!
//! At most about [`limits::CHANGES_PER_ANSWER_MAX`] messages, whole MODSEQs at a time; `next` is where to go on. `vanished` is always
//! complete and may name messages that the asker never saw.

use yubin_types::{MailboxId, ModSeq, UidSet, limits};

use super::Reading;
use crate::command::Login;
use crate::keys;
use crate::kv::View;
use crate::live;
use crate::query::{Answer, ChangedMessage, Changes};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};
use crate::work::{logged_in, mailbox_of};

pub(super) fn changes<V: View>(
    reading: &Reading<'_, V>,
    login: Login,
    mailbox: MailboxId,
    since: ModSeq,
) -> Outcome<Answer, V::Error> {
    let (view, id) = (reading.view, reading.id);
    logged_in(view, id, &reading.domain, login)?;
    let row = mailbox_of(view, id, login.account, mailbox)?;
    let (mut found, mut next) = (Vec::new(), None);
    view.each_key(&keys::changes_after(id, mailbox, since), |key| {
        let (modseq, uid) = keys::parse_change(key);
        match found.last() {
            Some(&(_, last)) if found.len() >= limits::CHANGES_PER_ANSWER_MAX && last != modseq => next = Some(last),
            _ => found.push((uid, modseq)),
        }
        go_on_while(next.is_none())
    })?;
    found.sort_unstable();
    let mut changed = Vec::with_capacity(found.len());
    for (uid, modseq) in found {
        if let Some(hot) = view.row(&keys::hot(id, mailbox, uid))? {
            changed.push(ChangedMessage { uid, modseq, flags: hot.flags, email_id: hot.email_id });
        }
    }
    let mut vanished = UidSet::new();
    let mut live = None;
    if since < row.floor {
        live = Some(live::all(view, id, mailbox)?.0);
    } else {
        view.each(&keys::tombstones_after(id, mailbox, since), |_, tombstone| {
            tombstone.0.ranges().iter().for_each(|&(first, last)| vanished.insert_range(first, last));
            go_on_while(true)
        })?;
    }
    let (highest_modseq, uid_next) = (row.highest_modseq, row.uid_next);
    Ok(Answer::Changes(Changes { highest_modseq, uid_next, changed, vanished, live, next }))
}
