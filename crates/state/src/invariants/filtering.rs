//! Rules about mail from other servers: the domain and its accounts know whether they have any, and nobody else's are left.

use yubin_types::AccountId;

use super::Findings;
use super::domain::Rows;
use crate::keys::{self, Table};
use crate::kv::View;
use crate::sending::admit::WHOLE_DOMAIN;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn check<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    view.each_key(&keys::rows_of(Table::Filtering, rows.id), |key| {
        let owner = AccountId(keys::parse_second(key));
        let owned = owner == WHOLE_DOMAIN || rows.accounts.contains_key(&owner);
        found.holds("rules about mail have an owner", owned, || format!("account {owner}"));
        go_on_while(true)
    })?;
    let known = rows.accounts.iter().map(|(&id, account)| (id, account.filters));
    let domain = view.row(&keys::domain(rows.id))?.map(|domain| (WHOLE_DOMAIN, domain.filters));
    for (owner, filters) in known.chain(domain) {
        let has_row = view.row(&keys::filtering(rows.id, owner))?.is_some();
        found.equal("owners know whether they have rules about mail", &format!("account {owner}"), &filters, &has_row);
    }
    Ok(())
}
