//! The directory (group 0): nodes, groups, where domains live, plans, tokens, settings,
//! suspensions of queued mail.
//!
//! A domain's id is the log index of its reservation, so no two are ever the same. A name resolves once it is active; a reservation that
//! was never activated answers the same id again, so that creation can be retried from the start.

use yubin_types::{DomainId, DomainName, Epoch, GroupNumber, Placement, Refusal, Timestamp, limits};

use crate::command::DirectoryCommand;
use crate::keys;
use crate::kv::{Position, Txn};
use crate::queue::{SuspensionScope, share, suspend, warm_up};
use crate::record::{DirectoryDomain, DomainPhase, GroupRecord, NodeRecord, Plan, RetryTerms};
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _, go_on_while};
use crate::tokens;
use crate::topic::Topic;
use crate::work::Topics;

/// Carries out a directory command.
pub(crate) fn carry_out<T: Txn>(
    txn: &mut T,
    position: Position,
    now: Timestamp,
    command: DirectoryCommand,
    topics: &mut Topics,
) -> Outcome<Reply, T::Error> {
    // Workers report all the time: nobody else wakes for that.
    match command {
        DirectoryCommand::ReportShares(report) => return share::report(txn, now, &report, topics),
        DirectoryCommand::CountWarmUp(items) => return warm_up::count(txn, now, &items),
        _ => topics.push(Topic::Directory),
    }
    match command {
        DirectoryCommand::PutNode(node) => put_node(txn, node),
        DirectoryCommand::RemoveNode(id) => remove_node(txn, id),
        DirectoryCommand::PutGroup { group, voters } => put_group(txn, group, voters),
        DirectoryCommand::ReserveDomain { name, group } => reserve(txn, position, name, group),
        DirectoryCommand::ActivateDomain(id) => activate(txn, id),
        DirectoryCommand::RemoveDomain(id) => remove_domain(txn, id),
        DirectoryCommand::PutPlan(plan) => {
            check_plan(&plan)?;
            txn.set(&keys::plan(&plan.name), &plan);
            Ok(Reply::Done)
        }
        DirectoryCommand::RemovePlan(name) => remove(txn, &keys::plan(&name), "plan"),
        DirectoryCommand::PutToken(token) => tokens::put(txn, &token),
        DirectoryCommand::RemoveToken(id) => tokens::remove(txn, now, &id),
        DirectoryCommand::PutSetting { key, value } => {
            check_name(&key)?;
            if value.len() > limits::SETTING_BYTES_MAX {
                let why = format!("a setting has at most {} bytes", limits::SETTING_BYTES_MAX);
                return Err(Refusal::InvalidValue { why }.into());
            }
            txn.set(&keys::setting(&key), &value.to_vec());
            Ok(Reply::Done)
        }
        DirectoryCommand::PutQueueSuspension(suspension) => suspend::put(txn, now, suspension),
        DirectoryCommand::RemoveQueueSuspension(scope) => suspend::remove(txn, now, &scope),
        DirectoryCommand::ReportShares(_) | DirectoryCommand::CountWarmUp(_) => Err(Refusal::Unsupported.into()),
    }
}

/// Refuses a plan that can't be kept.
pub(crate) fn check_plan(plan: &Plan) -> Result<(), Refusal> {
    check_name(&plan.name)?;
    if plan.message_bytes_max == 0 || plan.message_bytes_max > limits::MESSAGE_BYTES_MAX {
        let why = format!("a message has 1 to {} bytes", limits::MESSAGE_BYTES_MAX);
        return Err(Refusal::InvalidValue { why });
    }
    plan.retry.as_deref().map_or(Ok(()), check_retry)
}

/// Refuses what no schedule can be.
fn check_retry(retry: &RetryTerms) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::InvalidValue { why });
    let waits = &retry.first_waits_seconds;
    let (shortest, longest) = (waits.iter().min().copied(), waits.iter().max().copied());
    let long_enough = shortest.is_some_and(|wait| u64::from(wait) >= limits::RETRY_WAIT_SECONDS_MIN);
    if !long_enough || waits.len() > limits::RETRY_WAITS_MAX {
        let (count, least) = (limits::RETRY_WAITS_MAX, limits::RETRY_WAIT_SECONDS_MIN);
        return invalid(format!("a schedule has 1 to {count} first waits of at least {least} seconds"));
    }
    if longest.is_some_and(|wait| wait > retry.wait_seconds_max) {
        return invalid("the longest wait is at least as long as the first waits".to_owned());
    }
    if !(1..=limits::QUEUE_LIFETIME_SECONDS_MAX).contains(&u64::from(retry.lifetime_seconds)) {
        return invalid(format!("mail is tried for 1 second to {} seconds", limits::QUEUE_LIFETIME_SECONDS_MAX));
    }
    Ok(())
}

/// Refuses a name that is empty or too long.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > limits::OBJECT_NAME_BYTES_MAX {
        let why = format!("a name has 1 to {} bytes", limits::OBJECT_NAME_BYTES_MAX);
        return Err(Refusal::InvalidName { why });
    }
    Ok(())
}

fn remove<T: Txn, R: serde::de::DeserializeOwned>(
    txn: &mut T,
    key: &keys::Key<R>,
    what: &str,
) -> Outcome<Reply, T::Error> {
    if txn.row(key)?.is_none() {
        return Err(Refusal::NotFound { what: what.to_owned() }.into());
    }
    txn.unset(key);
    Ok(Reply::Done)
}

fn put_node<T: Txn>(txn: &mut T, node: NodeRecord) -> Outcome<Reply, T::Error> {
    let key = keys::node(node.id);
    if txn.row(&key)? == Some(None) {
        return Err(Refusal::InvalidValue { why: "the id belonged to a node that was removed".to_owned() }.into());
    }
    txn.set(&key, &Some(node));
    Ok(Reply::Done)
}

fn remove_node<T: Txn>(txn: &mut T, id: u64) -> Outcome<Reply, T::Error> {
    let key = keys::node(id);
    if txn.row(&key)?.flatten().is_none() {
        return Err(Refusal::NotFound { what: "node".to_owned() }.into());
    }
    let mut holding = None;
    txn.each(&keys::groups(), |_, group| {
        holding = group.voters.contains(&id).then_some(group.group);
        go_on_while(holding.is_none())
    })?;
    if let Some(group) = holding {
        return Err(Refusal::InUse { why: format!("it is a voter of group {group}") }.into());
    }
    txn.set(&key, &None);
    Ok(Reply::Done)
}

fn put_group<T: Txn>(txn: &mut T, group: GroupNumber, voters: Vec<u64>) -> Outcome<Reply, T::Error> {
    let key = keys::group(group);
    let domains = txn.row(&key)?.map_or(0, |known| known.domains);
    txn.set(&key, &GroupRecord { group, voters, domains });
    Ok(Reply::Done)
}

fn reserve<T: Txn>(txn: &mut T, position: Position, name: DomainName, group: GroupNumber) -> Outcome<Reply, T::Error> {
    let key = keys::directory_name(&name);
    if let Some(id) = txn.row(&key)? {
        let known = txn.row(&keys::directory_domain(id))?.ok_or(Refusal::NoSuchDomain)?;
        return match known.phase {
            DomainPhase::Creating => Ok(Reply::DomainPlaced { id, placement: known.placement }),
            DomainPhase::Active => Err(Refusal::NameTaken { owner: "domain".to_owned() }.into()),
        };
    }
    if group == GroupNumber::DIRECTORY {
        return Err(Refusal::InvalidValue { why: "the directory's group holds no domains".to_owned() }.into());
    }
    count_domain(txn, group, 1)?;
    let id = DomainId(position.index);
    let placement = Placement { cell: 0, group, epoch: Epoch(1) };
    txn.set(&key, &id);
    txn.set(&keys::directory_domain(id), &DirectoryDomain { id, name, placement, phase: DomainPhase::Creating });
    Ok(Reply::DomainPlaced { id, placement })
}

fn activate<T: Txn>(txn: &mut T, id: DomainId) -> Outcome<Reply, T::Error> {
    let key = keys::directory_domain(id);
    let mut domain = txn.row(&key)?.ok_or(Refusal::NoSuchDomain)?;
    domain.phase = DomainPhase::Active;
    txn.set(&key, &domain);
    Ok(Reply::Done)
}

fn remove_domain<T: Txn>(txn: &mut T, id: DomainId) -> Outcome<Reply, T::Error> {
    let key = keys::directory_domain(id);
    let Some(domain) = txn.row(&key)? else { return Ok(Reply::Done) };
    count_domain(txn, domain.placement.group, -1)?;
    txn.unset(&keys::directory_name(&domain.name));
    txn.unset(&keys::queue_suspension(&SuspensionScope::Tenant(id)));
    txn.unset(&key);
    Ok(Reply::Done)
}

fn count_domain<T: Txn>(txn: &mut T, group: GroupNumber, by: i64) -> Outcome<(), T::Error> {
    let key = keys::group(group);
    let mut record = txn.row(&key)?.ok_or_else(|| Refusal::NotFound { what: format!("group {group}") })?;
    record.domains = record.domains.saturating_add_signed(by);
    txn.set(&key, &record);
    Ok(())
}
