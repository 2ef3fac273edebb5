//! Notices to owners of which some are due: of suspended sending and of paused forwards.
//!
//! A domain stands among the due times as long as it has one of either kind. Who writes them is the group's leader; each is stored once.

use crate::keys::{self, DueKind};
use crate::kv::Txn;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::Work;

/// A notice was stored or is not needed any more: nothing is due if it was the last one.
pub(crate) fn settle<T: Txn>(work: &mut Work<'_, T>) -> Outcome<(), T::Error> {
    let sending = work.txn.first_key(&keys::sending_notices_of(work.id))?;
    let forwards = work.txn.first_key(&keys::forward_notices_of(work.id))?;
    if sending.is_none() && forwards.is_none() {
        work.due_at(DueKind::Notices, None);
    }
    Ok(())
}
