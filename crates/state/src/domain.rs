//! A domain in its group: created, given another plan, quota or catch-all, suspended, deleted.
//!
//! The plan is copied into the domain, so that no command needs the directory. A suspension raises the domain's generation, which ends
//! every session of its accounts. Deletion makes the domain invisible with its first step and erases a bounded number of rows with each;
//! nothing of it goes to the vault. Deleting what is gone already is finished at once, so that a retry is harmless.

use yubin_types::{DomainId, DomainName, LocalPart, Quota, Refusal, Timestamp, limits};

use crate::accounts::check_reason;
use crate::command::Envelope;
use crate::directory::check_plan;
use crate::keys::{self, DueKind, Table};
use crate::kv::Txn;
use crate::record::{Plan, Standing};
use crate::reply::{More, Reply};
use crate::resolve::exact;
use crate::rows::{Counters, Domain, Phase};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _, go_on_while};
use crate::topic::Topic;
use crate::work::{Topics, Work};
use crate::{auto_reply, expiry, queue, vault};

/// What a new domain begins with.
pub(crate) struct New {
    pub(crate) name: DomainName,
    pub(crate) plan: Plan,
    pub(crate) quota: Option<Quota>,
}

/// Creates a domain; doing it again changes nothing.
pub(crate) fn create<T: Txn>(txn: &mut T, envelope: &Envelope, now: Timestamp, new: New) -> Outcome<Reply, T::Error> {
    let id = envelope.domain;
    let New { name, plan, quota } = new;
    if id == DomainId(0) {
        return Err(Refusal::InvalidValue { why: "a domain has an id from the directory".to_owned() }.into());
    }
    check_plan(&plan)?;
    match txn.row(&keys::domain(id))? {
        None => {}
        Some(domain) if domain.phase == Phase::Live && domain.name == name => return Ok(Reply::Done),
        Some(_) => return Err(Refusal::NoSuchDomain.into()),
    }
    let domain = Domain {
        name,
        epoch: envelope.epoch,
        phase: Phase::Live,
        standing: Standing::Active,
        plan,
        quota,
        catch_all: None,
        created: now,
        generation: 0,
        filters: false,
    };
    txn.set(&keys::domain(id), &domain);
    txn.set(&keys::counters(id), &Counters::default());
    Ok(Reply::Done)
}

/// Changes what is given.
pub(crate) fn update<T: Txn>(
    work: &mut Work<'_, T>,
    plan: Option<Plan>,
    quota: Option<Quota>,
    catch_all: Option<Option<LocalPart>>,
) -> Outcome<Reply, T::Error> {
    plan.as_ref().map_or(Ok(()), check_plan)?;
    if let Some(Some(local)) = &catch_all
        && exact(work.txn, work.id, local)?.is_none()
    {
        return Err(Refusal::NotFound { what: format!("account or alias {local}") }.into());
    }
    work.domain.quota = quota.or(work.domain.quota);
    if let Some(catch_all) = catch_all {
        work.domain.catch_all = catch_all;
    }
    match plan {
        Some(plan) => set_plan(work, plan)?,
        None => work.save_domain(),
    }
    Ok(Reply::Done)
}

/// Stops logins and deliveries.
pub(crate) fn suspend<T: Txn>(work: &mut Work<'_, T>, reason: String) -> Outcome<Reply, T::Error> {
    check_reason(&reason)?;
    work.domain.generation += 1;
    work.domain.standing = Standing::Suspended { reason, since: work.now };
    work.save_domain();
    work.changed(Topic::DomainLogin(work.id));
    Ok(Reply::Done)
}

/// Ends a suspension.
pub(crate) fn resume<T: Txn>(work: &mut Work<'_, T>) -> Outcome<Reply, T::Error> {
    work.domain.standing = Standing::Active;
    work.save_domain();
    work.changed(Topic::DomainLogin(work.id));
    Ok(Reply::Done)
}

/// Gives a changed plan to the domains that have it, at most [`limits::MESSAGES_PER_COMMAND_MAX`] of them.
pub(crate) fn put_plan<T: Txn>(
    txn: &mut T,
    now: Timestamp,
    plan: &Plan,
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    check_plan(plan)?;
    let mut outdated = Vec::new();
    txn.each(&keys::domains(), |key, domain| {
        if domain.plan.name == plan.name && domain.plan != *plan {
            outdated.push(keys::parse_domain(key));
        }
        go_on_while(outdated.len() <= limits::MESSAGES_PER_COMMAND_MAX)
    })?;
    let more = if outdated.len() > limits::MESSAGES_PER_COMMAND_MAX { More::Yes } else { More::No };
    let mut touched = 0;
    for id in outdated.into_iter().take(limits::MESSAGES_PER_COMMAND_MAX) {
        if let Some(mut work) = Work::open(txn, id, now, &[])? {
            set_plan(&mut work, plan.clone())?;
            topics.extend(work.finish());
            touched += 1;
        }
    }
    Ok(Reply::Progress { more, touched, next_due: None })
}

/// Deletes the next rows of a domain.
pub(crate) fn delete<T: Txn>(
    txn: &mut T,
    envelope: &Envelope,
    now: Timestamp,
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    let Some(mut work) = Work::open(txn, envelope.domain, now, &[])? else {
        return Ok(Reply::Progress { more: More::No, touched: 0, next_due: None });
    };
    if work.domain.epoch != envelope.epoch {
        return Err(Refusal::StaleEpoch.into());
    }
    if work.domain.phase == Phase::Live {
        work.domain.phase = Phase::Deleting;
        work.save_domain();
        for kind in DueKind::ALL {
            work.due_at(kind, None);
        }
        work.changed(Topic::DomainLogin(work.id));
    }
    let mut left = erase_messages(&mut work, limits::MESSAGES_PER_COMMAND_MAX)?;
    left = queue::tray::erase(&mut work, left)?;
    left = auto_reply::settings::erase(&mut work, left)?;
    for table in Table::OF_DOMAIN.into_iter().filter(|table| !matches!(table, Table::Domain | Table::Counters)) {
        left = work.txn.erase(&keys::rows_of(table, work.id), left)?;
    }
    let touched = (limits::MESSAGES_PER_COMMAND_MAX - left) as u64;
    let id = work.id;
    *topics = work.finish();
    if left == 0 {
        return Ok(Reply::Progress { more: More::Yes, touched, next_due: None });
    }
    txn.unset(&keys::counters(id));
    txn.unset(&keys::domain(id));
    Ok(Reply::Progress { more: More::No, touched, next_due: None })
}

/// Erases rows that hold bodies, and lets the bodies go.
fn erase_messages<T: Txn>(work: &mut Work<'_, T>, budget: usize) -> Outcome<usize, T::Error> {
    let messages = work.txn.first_rows(&keys::cold_rows_of(work.id), budget)?;
    let vaulted = work.txn.first_rows(&keys::vaults(work.id), budget - messages.len())?;
    let left = budget - messages.len() - vaulted.len();
    let bodies = messages.into_iter().map(|(key, cold)| (key, cold.body));
    for (key, body) in bodies.chain(vaulted.into_iter().map(|(key, vaulted)| (key, vaulted.cold.body))) {
        work.txn.delete(&key);
        work.release_body(&body)?;
    }
    Ok(left)
}

/// Sets a plan and files due times anew.
fn set_plan<T: Txn>(work: &mut Work<'_, T>, plan: Plan) -> Outcome<(), T::Error> {
    work.domain.plan = plan;
    work.save_domain();
    if work.domain.phase == Phase::Live {
        let trash = expiry::next_due(work)?;
        work.due_at(DueKind::Trash, trash);
        let waiting = vault::next_due(work)?;
        work.due_at(DueKind::Vault, waiting);
        work.changed(Topic::Due);
    }
    Ok(())
}
