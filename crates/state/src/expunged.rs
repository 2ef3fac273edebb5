//! Expunged mail that is still in the vault: found, and brought back.
//!
//! Mail comes back with its flags, without `\Deleted`, and counts against both quotas again. Whose it was need not exist any more: mail of a
//! deleted account is brought back into another. The vault is in the order of expunging, so a search is by time, and goes on where the last
//! one ended.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use yubin_types::{AccountId, Flag, LocalPart, MailboxId, MailboxName, Timestamp, Uid, UidSet, Usage, limits};

use crate::accounts::named;
use crate::answer::Reading;
use crate::append::room;
use crate::keys;
use crate::kv::{Txn, View};
use crate::mailboxes::{check_count, find, make, missing_ancestors};
use crate::opened::{Incoming, Opened, too_many};
use crate::query::Answer;
use crate::record::HotRow;
use crate::reply::Reply;
use crate::rows::{Account, Vaulted};
use crate::stop::{Outcome, Stop};
use crate::table::{Read as _, Write as _, go_on_while};
use crate::topic::Topic;
use crate::work::Work;

/// Where an expunged message is kept; places are in the order of expunging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VaultPlace {
    /// When it was expunged.
    pub date: Timestamp,
    /// The mailbox it was in, which may be gone.
    pub mailbox: MailboxId,
    /// Its UID there.
    pub uid: Uid,
}

impl VaultPlace {
    /// Before all that was expunged at this time or later.
    #[must_use]
    pub fn before(date: Timestamp) -> Self {
        VaultPlace { date, mailbox: MailboxId(0), uid: Uid(0) }
    }
}

/// Which expunged messages are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpungedSearch {
    /// Whose they were; `None`: anybody's of the domain.
    pub account: Option<AccountId>,
    /// The mailbox they were in; `None`: any.
    pub mailbox: Option<MailboxId>,
    /// Those kept behind this place.
    pub after: VaultPlace,
    /// Those expunged before this time.
    pub until: Timestamp,
}

/// A message that can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpungedMessage {
    /// Where it is kept.
    pub place: VaultPlace,
    /// Whose it was.
    pub account: AccountId,
    /// Its size, bytes.
    pub bytes: u64,
}

/// The first messages that fit, at most [`limits::MESSAGES_PER_COMMAND_MAX`], of at most [`limits::EXPUNGED_VISITS_MAX`] that are looked at.
pub(crate) fn search<V: View>(reading: &Reading<'_, V>, search: &ExpungedSearch) -> Outcome<Answer, V::Error> {
    let key = |place: &VaultPlace| keys::vault(reading.id, place.date, place.mailbox, place.uid);
    let span = keys::vaults(reading.id).after(key(&search.after).bytes());
    let (mut found, mut visits, mut next) = (Vec::new(), 0, None);
    reading.view.each(&span, |key, Vaulted { account, hot, .. }| {
        let place = keys::parse_vault(key);
        if place.date >= search.until {
            next = None;
            return go_on_while(false);
        }
        let fits = search.account.is_none_or(|wanted| wanted == account)
            && search.mailbox.is_none_or(|wanted| wanted == place.mailbox);
        found.extend(fits.then_some(ExpungedMessage { place, account, bytes: hot.bytes }));
        visits += 1;
        let full = visits == limits::EXPUNGED_VISITS_MAX || found.len() == limits::MESSAGES_PER_COMMAND_MAX;
        next = full.then_some(place);
        go_on_while(!full)
    })?;
    Ok(Answer::Expunged { found, next })
}

/// Brings messages back into a mailbox of an account, which is made where there is none: all that are still kept, or none. Those that
/// are kept no longer, because somebody else brought them back or their time is over, are passed over.
pub(crate) fn restore<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    places: &[VaultPlace],
    into: &MailboxName,
) -> Outcome<Reply, T::Error> {
    if places.len() > limits::MESSAGES_PER_COMMAND_MAX {
        return Err(too_many("messages in one command", limits::MESSAGES_PER_COMMAND_MAX as u64).into());
    }
    let (id, mut account) = named(work, local)?;
    let kept = kept(work, places)?;
    if kept.is_empty() {
        return Ok(Reply::Done);
    }
    let growth = kept.iter().fold(Usage::default(), |sum, (_, kept)| sum.plus(Usage::of_message(kept.hot.bytes)));
    room(work, &account, growth)?;
    let mut target = opened_or_made(work, (id, &mut account), into)?;
    target.admits(kept.len())?;
    let keywords = kept.iter().flat_map(|(_, kept)| &kept.hot.flags.keywords);
    let keeps_keywords = match target.admits_keywords(&*work.txn, work.id, keywords) {
        Ok(()) => true,
        Err(Stop::Refused(_)) => false,
        Err(disk) => return Err(disk),
    };
    let mut to = UidSet::new();
    for (place, Vaulted { hot, cold, .. }) in kept {
        let HotRow { mut flags, bytes, internal_date, email_id, .. } = hot;
        flags.remove(&Flag::Deleted);
        if !keeps_keywords {
            flags.keywords.clear();
        }
        to.insert(target.insert(work, Incoming { flags, bytes, internal_date, email_id, cold })?);
        work.txn.unset(&keys::vault(work.id, place.date, place.mailbox, place.uid));
    }
    work.charge(&mut account, growth);
    work.save_account(id, &account);
    let (mailbox, uid_validity) = (target.id, target.row.uid_validity);
    target.save(work)?;
    Ok(Reply::Stored { mailbox, uid_validity, from: UidSet::new(), to, modseq: work.modseq() })
}

/// What is kept at these places, each once.
fn kept<T: Txn>(work: &Work<'_, T>, places: &[VaultPlace]) -> Outcome<Vec<(VaultPlace, Vaulted)>, T::Error> {
    let mut kept = Vec::new();
    for place in places.iter().copied().collect::<BTreeSet<_>>() {
        let row = work.txn.row(&keys::vault(work.id, place.date, place.mailbox, place.uid))?;
        kept.extend(row.map(|row| (place, row)));
    }
    Ok(kept)
}

/// The mailbox of this name.
fn opened_or_made<T: Txn>(
    work: &mut Work<'_, T>,
    (id, account): (AccountId, &mut Account),
    name: &MailboxName,
) -> Outcome<Opened, T::Error> {
    if let Some(mailbox) = find(work, id, name)? {
        return Ok(Opened::new(mailbox, work.mailbox(id, mailbox)?));
    }
    let ancestors = missing_ancestors(work, id, name)?;
    check_count(account, ancestors.len() + 1)?;
    for ancestor in &ancestors {
        make(work, id, account, ancestor, None)?;
    }
    let mailbox = make(work, id, account, name, None)?;
    work.changed(Topic::Mail(work.id, id));
    Ok(Opened::new(mailbox, work.mailbox(id, mailbox)?))
}
