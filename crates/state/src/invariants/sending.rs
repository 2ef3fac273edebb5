//! What accounts send: rows belong to accounts, counts to hours, and notices to suspensions.

use std::collections::BTreeMap;

use yubin_types::{AccountId, limits};

use super::Findings;
use super::domain::Rows;
use crate::keys::{self, Table};
use crate::kv::View;
use crate::sending::admit::WHOLE_DOMAIN;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn check<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let tables = [
        Table::SendingControl,
        Table::SendingCounters,
        Table::SendingNotice,
        Table::KnownRecipients,
        Table::Countries,
        Table::SendAs,
    ];
    for table in tables {
        view.each_key(&keys::rows_of(table, rows.id), |key| {
            let account = AccountId(keys::parse_second(key));
            let of_domain = matches!(table, Table::SendingCounters | Table::Countries);
            let whole = of_domain && account == WHOLE_DOMAIN;
            let owned = whole || rows.accounts.contains_key(&account);
            found.holds("rows about sending have an account", owned, || format!("{table:?} of {account}"));
            go_on_while(true)
        })?;
    }
    counts(view, rows, found)?;
    notices(view, rows, found)?;
    for &id in rows.accounts.keys() {
        let known = view.row(&keys::known_recipients(rows.id, id))?.unwrap_or_default();
        let few = known.0.len() <= limits::KNOWN_RECIPIENTS_MAX;
        found.holds("known recipients are bounded", few, || format!("account {id}"));
        let names = view.row(&keys::send_as(rows.id, id))?.unwrap_or_default();
        let few = names.0.len() <= limits::SEND_AS_MAX;
        found.holds("names to send in are bounded", few, || format!("account {id}"));
        let history = view.row(&keys::sending_control(rows.id, id))?.map_or(0, |control| control.history.len());
        let few = history <= limits::SENDING_HISTORY_MAX;
        found.holds("the history of sending is bounded", few, || format!("account {id}"));
    }
    Ok(())
}

/// A domain's hours hold what its accounts sent in them; accounts that went may have sent more.
fn counts<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let (mut whole, mut sums) = (BTreeMap::new(), BTreeMap::<u64, (u64, u64)>::new());
    view.each(&keys::sending_counters_of(rows.id), |key, counters| {
        let account = AccountId(keys::parse_second(key));
        found.holds("hours are in order and few", counters.is_sound(), || format!("account {account}"));
        for counts in counters.hours() {
            if account == WHOLE_DOMAIN {
                whole.insert(counts.hour, (counts.messages, counts.recipients));
            } else {
                let sum = sums.entry(counts.hour).or_default();
                *sum = (sum.0 + counts.messages, sum.1 + counts.recipients);
            }
        }
        go_on_while(true)
    })?;
    // The domain has forgotten hours that an account which rested since still holds.
    let first = whole.keys().next().copied().unwrap_or(u64::MAX);
    for (hour, sum) in sums.range(first..) {
        let of_domain = whole.get(hour).copied().unwrap_or_default();
        let covers = of_domain.0 >= sum.0 && of_domain.1 >= sum.1;
        found.holds("a domain sent what its accounts sent", covers, || format!("domain {}, hour {hour}", rows.id));
    }
    Ok(())
}

fn notices<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let waiting = view.first_keys(&keys::sending_notices_of(rows.id), usize::MAX)?;
    for key in &waiting {
        let account = AccountId(keys::parse_second(key));
        let control = view.row(&keys::sending_control(rows.id, account))?;
        let suspended = control.is_some_and(|control| control.suspension.is_some());
        found.holds("notices tell of suspensions", suspended, || format!("account {account}"));
    }
    Ok(())
}
