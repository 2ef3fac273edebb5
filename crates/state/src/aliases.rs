//! Aliases: names that lead to accounts or other aliases of the same domain. They share one name space with accounts (SONET-45).

use yubin_types::{LocalPart, Refusal, limits};

use crate::accounts::check_free;
use crate::keys;
use crate::kv::Txn;
use crate::reply::Reply;
use crate::resolve::exact;
use crate::rows::Name;
use crate::stop::Outcome;
use crate::table::Write as _;
use crate::work::Work;

/// Adds or replaces an alias. Its targets must exist; none may be itself.
pub(crate) fn put<T: Txn>(
    work: &mut Work<'_, T>,
    local: LocalPart,
    targets: Vec<LocalPart>,
) -> Outcome<Reply, T::Error> {
    local.creatable().map_err(|error| Refusal::InvalidName { why: error.to_string() })?;
    let taken = exact(work.txn, work.id, &local)?;
    check_free(taken.as_ref().filter(|name| matches!(name, Name::Account(_))))?;
    if targets.is_empty() || targets.len() > limits::ALIAS_TARGETS_MAX {
        let why = format!("an alias has 1 to {} targets", limits::ALIAS_TARGETS_MAX);
        return Err(Refusal::InvalidValue { why }.into());
    }
    for target in &targets {
        if target.key() == local.key() {
            return Err(Refusal::InvalidValue { why: "an alias can't lead to itself".to_owned() }.into());
        }
        if exact(work.txn, work.id, target)?.is_none() {
            return Err(Refusal::NotFound { what: format!("account or alias {target}") }.into());
        }
    }
    work.txn.set(&keys::name(work.id, &local.key()), &Name::Alias { local, targets });
    Ok(Reply::Done)
}

/// Removes an alias.
pub(crate) fn remove<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart) -> Outcome<Reply, T::Error> {
    match exact(work.txn, work.id, local)? {
        Some(Name::Alias { .. }) => {
            work.txn.unset(&keys::name(work.id, &local.key()));
            Ok(Reply::Done)
        }
        _ => Err(Refusal::NotFound { what: "alias".to_owned() }.into()),
    }
}
