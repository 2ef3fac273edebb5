//! What is asked about forwards: by the administration, at RCPT, and by the leader that tells owners.

use yubin_types::{AccountId, DomainId, LocalPart, limits};

use super::record::{ForwardNotice, LocalCopy};
use crate::answer::Reading;
use crate::answer::accounts::named;
use crate::auto_reply::{self, Forwarding};
use crate::keys::{self, DueKind};
use crate::kv::View;
use crate::query::Answer;
use crate::record::Standing;
use crate::rows::{Account, Phase};
use crate::stop::Outcome;
use crate::table::Read as _;

/// An account's forward.
pub(crate) fn forward<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<Answer, V::Error> {
    let (account, _) = named(reading, local)?;
    Ok(Answer::Forward(reading.view.row(&keys::forward(reading.id, account))?))
}

/// What stays in the mailbox of mail that comes now, as far as can be said before it is seen.
pub(crate) fn copy<V: View>(
    view: &V,
    domain: DomainId,
    (id, account): (AccountId, &Account),
) -> Outcome<LocalCopy, V::Error> {
    if !account.forwards || account.standing != Standing::Active {
        return Ok(LocalCopy::Keep);
    }
    let now = view.row(&keys::clock())?.unwrap_or_default();
    if auto_reply::reading::forwarding(view, domain, (id, account), now)? == Forwarding::Rests {
        return Ok(LocalCopy::Keep);
    }
    let forward = view.row(&keys::forward(domain, id))?.filter(|forward| forward.active().next().is_some());
    Ok(forward.map_or(LocalCopy::Keep, |forward| forward.copy))
}

/// Owners of the whole group who are to be told, at most [`limits::SENDING_NOTICES_MAX`].
pub(crate) fn notices<V: View>(view: &V) -> Outcome<Answer, V::Error> {
    let mut found = Vec::new();
    for due in view.first_keys(&keys::dues(DueKind::Notices), limits::SENDING_NOTICES_MAX)? {
        let (_, id) = keys::parse_due(&due);
        let room = limits::SENDING_NOTICES_MAX.saturating_sub(found.len());
        for key in view.first_keys(&keys::forward_notices_of(id), room)? {
            found.extend(notice(view, id, AccountId(keys::parse_second(&key)))?);
        }
    }
    Ok(Answer::ForwardNotices(found))
}

fn notice<V: View>(view: &V, id: DomainId, account: AccountId) -> Outcome<Option<ForwardNotice>, V::Error> {
    let domain = view.row(&keys::domain(id))?.filter(|domain| domain.phase == Phase::Live);
    let owner = view.row(&keys::account(id, account))?;
    let forward = view.row(&keys::forward(id, account))?;
    let (Some(domain), Some(owner), Some(forward)) = (domain, owner, forward) else { return Ok(None) };
    let (epoch, name) = (domain.epoch, domain.name);
    Ok(Some(ForwardNotice { domain: id, epoch, name, account, local: owner.local, forward }))
}
