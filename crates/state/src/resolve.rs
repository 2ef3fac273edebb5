//! From a local part to the accounts that get its mail.
//!
//! Precedence: account, alias, subaddress (`user+detail` goes to `user`, RFC 5233), catch-all. Aliases may point at aliases, to
//! [`limits::ALIAS_DEPTH_MAX`] levels; cycles end by themselves and each account is reached once. A target that no longer exists is passed
//! over; an alias of which nothing is left is an unknown recipient. All of it inside one domain.

use std::collections::BTreeSet;

use smallvec::{SmallVec, smallvec};
use yubin_types::{AccountId, DomainId, LocalPart, Refusal, limits};

use crate::keys;
use crate::kv::View;
use crate::opened::too_many;
use crate::rows::{Domain, Name};
use crate::stop::Outcome;
use crate::table::Read as _;

/// Accounts that a recipient reaches, in the order of alias targets; never none.
pub(crate) type Reached = SmallVec<[AccountId; 1]>;

/// Accounts that get mail for `local`.
pub(crate) fn recipient<V: View>(
    view: &V,
    id: DomainId,
    domain: &Domain,
    local: &LocalPart,
) -> Outcome<Reached, V::Error> {
    let found = match (find(view, id, &local.key())?, &domain.catch_all) {
        (Some(name), _) => Some(name),
        (None, Some(catch_all)) => find(view, id, &catch_all.key())?,
        (None, None) => None,
    };
    match found {
        None => Err(Refusal::NoSuchRecipient.into()),
        Some(Name::Account(account)) => Ok(smallvec![account]),
        Some(Name::Alias { local, targets }) => expand(view, id, &local, targets),
    }
}

/// The account or alias that is written so, with a subaddress or without; whatever the catch-all takes is none.
pub(crate) fn existing<V: View>(view: &V, id: DomainId, local: &LocalPart) -> Outcome<Option<Name>, V::Error> {
    find(view, id, &local.key())
}

/// The account or alias of exactly this name.
pub(crate) fn exact<V: View>(view: &V, id: DomainId, local: &LocalPart) -> Outcome<Option<Name>, V::Error> {
    view.row(&keys::name(id, &local.key()))
}

/// The account or alias of this lookup key, or of what stands before its first `+`.
fn find<V: View>(view: &V, id: DomainId, lookup: &str) -> Outcome<Option<Name>, V::Error> {
    if let Some(name) = view.row(&keys::name(id, lookup))? {
        return Ok(Some(name));
    }
    match lookup.split_once('+') {
        Some((user, _)) if !user.is_empty() => view.row(&keys::name(id, user)),
        _ => Ok(None),
    }
}

/// Accounts behind an alias.
pub(crate) fn expand<V: View>(
    view: &V,
    id: DomainId,
    alias: &LocalPart,
    targets: Vec<LocalPart>,
) -> Outcome<Reached, V::Error> {
    let mut reached = Reached::new();
    let mut accounts = BTreeSet::new();
    let mut seen = BTreeSet::from([alias.key()]);
    let mut left: Vec<(LocalPart, usize)> = targets.into_iter().rev().map(|target| (target, 1)).collect();
    while let Some((target, depth)) = left.pop() {
        let lookup = target.key();
        if !seen.insert(lookup.clone()) {
            continue;
        }
        if seen.len() > limits::ALIAS_EXPANSION_MAX {
            return Err(too_many("names behind an alias", limits::ALIAS_EXPANSION_MAX as u64).into());
        }
        match find(view, id, &lookup)? {
            Some(Name::Account(account)) if accounts.insert(account) => reached.push(account),
            Some(Name::Alias { targets, .. }) if depth < limits::ALIAS_DEPTH_MAX => {
                left.extend(targets.into_iter().rev().map(|target| (target, depth + 1)));
            }
            _ => {}
        }
    }
    if reached.is_empty() { Err(Refusal::NoSuchRecipient.into()) } else { Ok(reached) }
}
