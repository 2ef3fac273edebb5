//! Recipients, logins, accounts and aliases.

use yubin_types::{AccountId, LocalPart, QuotaScope, Refusal, Usage, limits};

use super::Reading;
use crate::command::Login;
use crate::filtering;
use crate::forward::{self, LocalCopy};
use crate::keys;
use crate::kv::View;
use crate::query::{Answer, Answering, Credentials, RecipientFacts};
use crate::record::{AliasRecord, Standing};
use crate::resolve;
use crate::rows::{Account, Name};
use crate::sending::{countries, reading};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

/// Would a delivery of this size be taken now? The delivery itself decides again.
pub(super) fn recipient<V: View>(
    reading: &Reading<'_, V>,
    local: &LocalPart,
    bytes: Option<u64>,
) -> Outcome<Answer, V::Error> {
    let domain = &reading.domain;
    if let Standing::Suspended { reason, .. } = &domain.standing {
        return Err(Refusal::DomainSuspended { reason: reason.clone() }.into());
    }
    let reached = resolve::recipient(reading.view, reading.id, domain, local)?;
    let limit_bytes = domain.plan.message_bytes_max;
    if bytes.is_some_and(|bytes| bytes > limit_bytes) {
        return Err(Refusal::MessageTooBig { limit_bytes }.into());
    }
    let copy = Usage::of_message(bytes.unwrap_or(1).max(1));
    let mut usage = reading.counters()?.usage;
    let mut answering = Answering::Nobody;
    let mut filters = None;
    for &id in &reached {
        let Some(account) = reading.view.row(&keys::account(reading.id, id))? else { continue };
        if account.answers {
            answering = Answering::Somebody;
        }
        if account.filters && reached.len() == 1 {
            filters = Some(id);
        }
        if forward::reading::copy(reading.view, reading.id, (id, &account))? == LocalCopy::Drop {
            continue;
        }
        if !account.effective_quota(domain).admits(account.usage, copy) {
            return Err(Refusal::OverQuota { scope: QuotaScope::Account }.into());
        }
        if !domain.effective_quota().admits(usage, copy) {
            return Err(Refusal::OverQuota { scope: QuotaScope::Domain }.into());
        }
        usage = usage.plus(copy);
    }
    let filtering = filtering::in_force(reading, filters)?;
    Ok(Answer::Recipient(RecipientFacts { message_bytes_max: limit_bytes, answering, filtering }))
}

/// What a login needs, of an account by its own name.
pub(super) fn credentials<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<Answer, V::Error> {
    let (id, account) = named(reading, local)?;
    let stored = reading.view.row(&keys::credentials(reading.id, id))?.ok_or(Refusal::NoSuchAccount)?;
    let refused = match (&reading.domain.standing, &account.standing) {
        (Standing::Suspended { reason, .. }, _) => Some(Refusal::DomainSuspended { reason: reason.clone() }),
        (Standing::Active, Standing::Suspended { .. }) => Some(Refusal::AccountSuspended),
        (Standing::Active, Standing::Active) => None,
    };
    let generation = account.generation + reading.domain.generation;
    // A verifier of an earlier generation says nothing about the password: a suspension ends generations too.
    let fast = stored.fast.filter(|(bound, _)| *bound == generation).map(|(_, mac)| mac);
    Ok(Answer::Credentials(Credentials {
        domain: reading.id,
        login: Login { account: id, generation },
        local: account.local,
        verifiers: stored.verifiers,
        fast,
        refused,
        countries: countries::rules(reading.view, reading.id, Some(id))?,
    }))
}

pub(super) fn account<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<Answer, V::Error> {
    let (id, account) = named(reading, local)?;
    let sending = reading::suspension(reading.view, reading.id, id)?;
    Ok(Answer::Account(account.record(id, &reading.domain, sending)))
}

pub(super) fn accounts<V: View>(
    reading: &Reading<'_, V>,
    after: Option<&LocalPart>,
    limit: u32,
) -> Outcome<Answer, V::Error> {
    let mut found = Vec::new();
    page(reading, after, page_size(limit), |name| match name {
        Name::Account(id) => Some(id),
        Name::Alias { .. } => None,
    })?
    .into_iter()
    .try_for_each(|id| {
        let account = reading.view.row(&keys::account(reading.id, id))?;
        let sending = reading::suspension(reading.view, reading.id, id)?;
        found.extend(account.map(|account| account.record(id, &reading.domain, sending)));
        Ok(())
    })
    .map(|()| Answer::Accounts(found))
}

pub(super) fn aliases<V: View>(
    reading: &Reading<'_, V>,
    after: Option<&LocalPart>,
    limit: u32,
) -> Outcome<Answer, V::Error> {
    let found = page(reading, after, page_size(limit), |name| match name {
        Name::Account(_) => None,
        Name::Alias { local, targets } => Some(AliasRecord { local, targets }),
    })?;
    Ok(Answer::Aliases(found))
}

/// Is this the account's own name, or an alias that leads to it and to nobody else?
pub(crate) fn is_own<V: View>(reading: &Reading<'_, V>, id: AccountId, local: &LocalPart) -> Outcome<bool, V::Error> {
    match resolve::exact(reading.view, reading.id, local)? {
        None => Ok(false),
        Some(Name::Account(account)) => Ok(account == id),
        Some(Name::Alias { local, .. }) => {
            match resolve::recipient(reading.view, reading.id, &reading.domain, &local) {
                Ok(reached) => Ok(*reached == [id]),
                Err(crate::stop::Stop::Refused(_)) => Ok(false),
                Err(disk) => Err(disk),
            }
        }
    }
}

/// The bound of a page.
fn page_size(limit: u32) -> usize {
    (limit as usize).min(limits::PAGE_SIZE_MAX)
}

/// Names after `after` in key order that `pick` takes.
fn page<V: View, T>(
    reading: &Reading<'_, V>,
    after: Option<&LocalPart>,
    limit: usize,
    pick: impl Fn(Name) -> Option<T>,
) -> Outcome<Vec<T>, V::Error> {
    let mut names = keys::names(reading.id);
    if let Some(after) = after {
        names = names.after(keys::name(reading.id, &after.key()).bytes());
    }
    let mut found = Vec::new();
    if limit > 0 {
        reading.view.each(&names, |_, name| {
            found.extend(pick(name));
            go_on_while(found.len() < limit)
        })?;
    }
    Ok(found)
}

/// The account of this name.
pub(crate) fn named<V: View>(reading: &Reading<'_, V>, local: &LocalPart) -> Outcome<(AccountId, Account), V::Error> {
    let Some(Name::Account(id)) = resolve::exact(reading.view, reading.id, local)? else {
        return Err(Refusal::NoSuchAccount.into());
    };
    let account = reading.view.row(&keys::account(reading.id, id))?.ok_or(Refusal::NoSuchAccount)?;
    Ok((id, account))
}
