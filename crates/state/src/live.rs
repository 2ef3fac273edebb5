//! Which UIDs of a mailbox exist: read from its chunks, never from message rows.

use yubin_types::{DomainId, MailboxId, UidSet};

use crate::keys;
use crate::kv::View;
use crate::rows::Chunk;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

/// Existing UIDs among `uids` that `pick` takes from a chunk; stops early once there are more than `limit`.
pub(crate) fn among<V: View>(
    view: &V,
    (id, mailbox): (DomainId, MailboxId),
    uids: &UidSet,
    limit: u64,
    pick: impl Fn(Chunk) -> UidSet,
) -> Outcome<UidSet, V::Error> {
    let mut found = UidSet::new();
    let (Some(&(first, _)), Some(last)) = (uids.ranges().first(), uids.last()) else { return Ok(found) };
    let mut count = 0;
    view.each(&keys::chunks(id, mailbox, first, last.0), |_, chunk| {
        for &(from, to) in pick(chunk).intersection(uids).ranges() {
            found.insert_range(from, to);
            count += u64::from(to - from) + 1;
        }
        go_on_while(count <= limit)
    })?;
    Ok(found)
}

/// All UIDs of a mailbox, and the lowest of them without `\Seen`.
pub(crate) fn all<V: View>(
    view: &V,
    id: DomainId,
    mailbox: MailboxId,
) -> Outcome<(UidSet, Option<yubin_types::Uid>), V::Error> {
    let (mut live, mut first_unseen) = (UidSet::new(), None);
    view.each(&keys::chunks(id, mailbox, 0, u32::MAX), |_, chunk| {
        chunk.live.ranges().iter().for_each(|&(from, to)| live.insert_range(from, to));
        first_unseen = first_unseen.or_else(|| chunk.unseen.iter().next());
        go_on_while(true)
    })?;
    Ok((live, first_unseen))
}

/// The first UIDs of a set, at most `limit`.
pub(crate) fn first(uids: &UidSet, limit: usize) -> UidSet {
    uids.iter().take(limit).collect()
}
