//! What is asked about automatic replies.

use yubin_types::{AccountId, DomainId, LocalPart, Timestamp};

use super::record::{AutoReplyReport, Forwarding};
use crate::answer::Reading;
use crate::answer::accounts::named;
use crate::keys;
use crate::kv::View;
use crate::query::Answer;
use crate::rows::Account;
use crate::stop::Outcome;
use crate::table::Read as _;

/// An account's automatic reply.
pub(crate) fn report<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<Answer, V::Error> {
    let (id, _) = named(reading, local)?;
    let Some(row) = reading.view.row(&keys::auto_reply(reading.id, id))? else { return Ok(Answer::AutoReply(None)) };
    let answered = reading.view.row(&keys::answered(reading.id, id))?.unwrap_or_default();
    let answered = u32::try_from(answered.senders.len()).unwrap_or(u32::MAX);
    Ok(Answer::AutoReply(Some(Box::new(AutoReplyReport { reply: row.reply, answered }))))
}

/// What becomes of an account's forward at this time, as far as its automatic reply has a say.
pub(crate) fn forwarding<V: View>(
    view: &V,
    domain: DomainId,
    (id, account): (AccountId, &Account),
    now: Timestamp,
) -> Outcome<Forwarding, V::Error> {
    if !account.answers {
        return Ok(Forwarding::Continues);
    }
    let row = view.row(&keys::auto_reply(domain, id))?.filter(|row| row.reply.is_in_force(now));
    Ok(row.map_or(Forwarding::Continues, |row| row.reply.forwarding))
}
