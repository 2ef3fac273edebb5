//! Automatic replies: accounts know whether they have one, and what is remembered of answers is bounded and belongs to one.

use yubin_types::{AccountId, limits};

use super::Findings;
use super::domain::Rows;
use crate::keys::{self, Table};
use crate::kv::View;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn check<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    for table in [Table::AutoReply, Table::Answered] {
        view.each_key(&keys::rows_of(table, rows.id), |key| {
            let account = AccountId(keys::parse_second(key));
            let answers = rows.accounts.get(&account).is_some_and(|account| account.answers);
            found.holds("rows about replies have an account that answers", answers, || {
                format!("{table:?} of {account}")
            });
            go_on_while(true)
        })?;
    }
    for (&id, account) in &rows.accounts {
        let place = format!("account {id}");
        let reply = view.row(&keys::auto_reply(rows.id, id))?;
        found.equal("accounts know whether they answer", &place, &account.answers, &reply.is_some());
        let answered = view.row(&keys::answered(rows.id, id))?.unwrap_or_default().senders;
        let few = answered.len() <= limits::AUTO_REPLIES_REMEMBERED_MAX;
        found.holds("senders that were answered are bounded", few, || place.clone());
        found.holds("they stand in order of time", answered.is_sorted_by_key(|&(_, at)| at), || place.clone());
    }
    Ok(())
}
