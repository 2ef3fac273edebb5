//! In whose names accounts may send beside their own: rights that an operator grants, kept with the account that has them.
//!
//! A right is good for what its name stood for when it was granted ([`NameHolder`], and the domain's id): one to an address or a domain that is
//! gone does nothing, also when somebody else comes to have the same name. The domain of the name need not be the account's. This group
//! knows the names of its own domain; for those of another, whoever asks has to ask that domain's group too ([`holder`]).

use yubin_types::{AccountId, Address, DomainId, LocalPart, Refusal, SenderName, limits};

use super::record::{NameHolder, SendAsGrant, SendAsGrants, SenderRight};
use crate::accounts;
use crate::answer::Reading;
use crate::answer::accounts::{is_own, named};
use crate::command::Actor;
use crate::keys;
use crate::kv::{Txn, View};
use crate::opened::too_many;
use crate::query::Answer;
use crate::record::Standing;
use crate::reply::Reply;
use crate::resolve;
use crate::rows::Name;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// Grants a right, in place of one to the same name.
pub(crate) fn grant<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    name: SenderName,
    (domain, holder): (DomainId, NameHolder),
    actor: &Actor,
) -> Outcome<Reply, T::Error> {
    let (id, _) = accounts::named(work, local)?;
    if domain == work.id && holder == NameHolder::Account(id) {
        return Err(Refusal::InvalidValue { why: "an account needs no right to its own address".to_owned() }.into());
    }
    let key = keys::send_as(work.id, id);
    let SendAsGrants(mut grants) = work.txn.row(&key)?.unwrap_or_default();
    grants.retain(|grant| !grant.name.is(&name));
    if grants.len() >= limits::SEND_AS_MAX {
        return Err(too_many("names to send in", limits::SEND_AS_MAX as u64).into());
    }
    grants.push(SendAsGrant { name, domain, holder, since: work.now, by: actor.principal.clone() });
    work.txn.set(&key, &SendAsGrants(grants));
    Ok(Reply::Done)
}

/// Takes a right back.
pub(crate) fn revoke<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart, name: &SenderName) -> Outcome<Reply, T::Error> {
    let (id, _) = accounts::named(work, local)?;
    let key = keys::send_as(work.id, id);
    let SendAsGrants(mut grants) = work.txn.row(&key)?.unwrap_or_default();
    let before = grants.len();
    grants.retain(|grant| !grant.name.is(name));
    if grants.len() == before {
        return Err(Refusal::NotFound { what: format!("right to send as {name}") }.into());
    }
    if grants.is_empty() {
        work.txn.unset(&key);
    } else {
        work.txn.set(&key, &SendAsGrants(grants));
    }
    Ok(Reply::Done)
}

/// An account is gone.
pub(super) fn forget<T: Txn>(work: &mut Work<'_, T>, account: AccountId) {
    work.txn.unset(&keys::send_as(work.id, account));
}

/// The rights of an account, in force or not.
pub(crate) fn answer<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<Answer, V::Error> {
    let (id, _) = named(reading, local)?;
    let SendAsGrants(grants) = reading.view.row(&keys::send_as(reading.id, id))?.unwrap_or_default();
    Ok(Answer::SendAs(grants))
}

/// What a name of this domain stands for now; `None` is the domain as a whole. A suspended domain lends nobody its names.
pub(crate) fn holder<V: View>(reading: &Reading<'_, V>, local: Option<&LocalPart>) -> Outcome<Answer, V::Error> {
    if let Standing::Suspended { reason, .. } = &reading.domain.standing {
        return Err(Refusal::DomainSuspended { reason: reason.clone() }.into());
    }
    Ok(Answer::NameHolder(held_by(reading, local)?.ok_or(Refusal::NoSuchRecipient)?))
}

fn held_by<V: View>(reading: &Reading<'_, V>, local: Option<&LocalPart>) -> Outcome<Option<NameHolder>, V::Error> {
    let Some(local) = local else { return Ok(Some(NameHolder::Domain)) };
    Ok(resolve::exact(reading.view, reading.id, local)?.map(|name| match name {
        Name::Account(account) => NameHolder::Account(account),
        Name::Alias { .. } => NameHolder::Alias,
    }))
}

/// By what right an account sends as this address. One to a name of another domain is told as it was granted.
pub(crate) fn right<V: View>(
    reading: &Reading<'_, V>,
    account: AccountId,
    sender: &Address,
) -> Outcome<SenderRight, V::Error> {
    let at_home = sender.domain == reading.domain.name;
    if at_home && is_own(reading, account, &sender.local)? {
        return Ok(SenderRight::Own(sender.local.clone()));
    }
    let SendAsGrants(grants) = reading.view.row(&keys::send_as(reading.id, account))?.unwrap_or_default();
    for grant in grants.into_iter().filter(|grant| grant.name.covers(sender)) {
        if !at_home || (grant.domain == reading.id && held_by(reading, grant.local())? == Some(grant.holder)) {
            return Ok(SenderRight::Granted(Box::new(grant)));
        }
    }
    Ok(SenderRight::Missing)
}
