//! Usage counted from message rows, beside the counters that are kept.

use std::collections::BTreeMap;

use yubin_types::{AccountId, DomainId, Usage};

use crate::keys;
use crate::kv::View;
use crate::query::Answer;
use crate::rows::Counters;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn verify<V: View>(view: &V, id: DomainId, counters: &Counters) -> Outcome<Answer, V::Error> {
    let counted = count(view, id)?;
    let mut kept = BTreeMap::new();
    view.each(&keys::accounts(id), |key, account| {
        kept.insert(AccountId(keys::parse_second(key)), account.usage);
        go_on_while(true)
    })?;
    let all: std::collections::BTreeSet<AccountId> = counted.keys().chain(kept.keys()).copied().collect();
    let of = |usages: &BTreeMap<AccountId, Usage>, id| usages.get(&id).copied().unwrap_or_default();
    let differing = all
        .into_iter()
        .map(|id| (id, of(&counted, id), of(&kept, id)))
        .filter(|(_, counted, kept)| counted != kept)
        .collect();
    let sum = counted.values().fold(Usage::default(), |sum, usage| sum.plus(*usage));
    Ok(Answer::UsageVerified { counted: sum, kept: counters.usage, differing })
}

/// Usage of each account, counted from the hot rows of mailboxes that exist and belong to accounts that exist.
pub(crate) fn count<V: View>(view: &V, id: DomainId) -> Outcome<BTreeMap<AccountId, Usage>, V::Error> {
    let mut owners = BTreeMap::new();
    view.each(&keys::mailboxes(id), |key, mailbox| {
        owners.insert(keys::parse_second(key), mailbox.account);
        go_on_while(true)
    })?;
    let mut living = std::collections::BTreeSet::new();
    view.each_key(&keys::accounts(id), |key| {
        living.insert(AccountId(keys::parse_second(key)));
        go_on_while(true)
    })?;
    let mut counted: BTreeMap<AccountId, Usage> = BTreeMap::new();
    view.each(&keys::hot_rows_of(id), |key, hot| {
        if let Some(owner) = owners.get(&keys::parse_second(key)).filter(|owner| living.contains(owner)) {
            let usage = counted.entry(*owner).or_default();
            *usage = usage.plus(Usage::of_message(hot.bytes));
        }
        go_on_while(true)
    })?;
    Ok(counted)
}
