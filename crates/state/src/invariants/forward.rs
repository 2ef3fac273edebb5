//! Forwards: accounts know whether they have one, it is bounded, and notices tell of pauses.

use yubin_types::{AccountId, limits};

use super::Findings;
use super::domain::Rows;
use crate::keys::{self, Table};
use crate::kv::View;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn check<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    for table in [Table::Forward, Table::ForwardNotice] {
        view.each_key(&keys::rows_of(table, rows.id), |key| {
            let account = AccountId(keys::parse_second(key));
            let owned = rows.accounts.contains_key(&account);
            found.holds("rows about forwards have an account", owned, || format!("{table:?} of {account}"));
            go_on_while(true)
        })?;
    }
    for (&id, account) in &rows.accounts {
        let place = format!("account {id}");
        let forward = view.row(&keys::forward(rows.id, id))?;
        found.equal("accounts know whether they forward", &place, &account.forwards, &forward.is_some());
        let due = view.row(&keys::forward_notice(rows.id, id))?.is_some();
        let Some(forward) = forward else { continue };
        let few = (1..=limits::FORWARD_TARGETS_MAX).contains(&forward.targets.len());
        found.holds("targets of a forward are bounded", few, || place.clone());
        found.holds("notices tell of pauses", !due || forward.last_pause().is_some(), || place.clone());
        for target in &forward.targets {
            let many = target.refused >= limits::FORWARD_REFUSALS_MAX;
            found.equal("who refuses too often is paused", &place, &target.pause.is_some(), &many);
        }
    }
    let notices = view.first_key(&keys::sending_notices_of(rows.id))?.is_some()
        || view.first_key(&keys::forward_notices_of(rows.id))?.is_some();
    let due = rows.counters.due_notices.is_some();
    found.equal("notices are due", &format!("domain {}", rows.id), &due, &notices);
    Ok(())
}
