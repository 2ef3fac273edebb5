//! A domain: its usage and counters, names, accounts, bodies and due times.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{AccountId, DomainId, MailboxId, Usage, limits};

use super::{Dues, Findings, auto_reply, filtering, forward, mailbox, queue, sending};
use crate::answer::usage;
use crate::keys::{self, DueKind};
use crate::kv::{BodyRef, View};
use crate::rows::{Account, Counters, Domain, Mailbox, Name};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

/// The rows of a domain that the checks share.
pub(super) struct Rows {
    pub(super) id: DomainId,
    pub(super) domain: Domain,
    pub(super) counters: Counters,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) mailboxes: BTreeMap<MailboxId, Mailbox>,
    graves: BTreeSet<(AccountId, MailboxId)>,
}

pub(super) fn check<V: View>(
    view: &V,
    id: DomainId,
    domain: &Domain,
    dues: &Dues,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let rows = load(view, id, domain)?;
    usages(view, &rows, found)?;
    names(view, &rows, found)?;
    dkim_keys(view, &rows, found)?;
    accounts(view, &rows, found)?;
    messages_have_owners(view, &rows, found)?;
    bodies(view, &rows, found)?;
    due_times(view, &rows, dues, found)?;
    sending::check(view, &rows, found)?;
    forward::check(view, &rows, found)?;
    auto_reply::check(view, &rows, found)?;
    filtering::check(view, &rows, found)?;
    queue::check(view, id, &rows.counters, found)?;
    mailbox::check(view, &rows, found)
}

fn load<V: View>(view: &V, id: DomainId, domain: &Domain) -> Outcome<Rows, V::Error> {
    let (mut accounts, mut mailboxes) = (BTreeMap::new(), BTreeMap::new());
    view.each(&keys::accounts(id), |key, account| {
        accounts.insert(AccountId(keys::parse_second(key)), account);
        go_on_while(true)
    })?;
    view.each(&keys::mailboxes(id), |key, mailbox| {
        mailboxes.insert(MailboxId(keys::parse_second(key)), mailbox);
        go_on_while(true)
    })?;
    let graves = view.first_keys(&keys::graves(id), usize::MAX)?.iter().map(|key| keys::parse_grave(key)).collect();
    let counters = view.row(&keys::counters(id))?.unwrap_or_default();
    Ok(Rows { id, domain: domain.clone(), counters, accounts, mailboxes, graves })
}

fn usages<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let counted = usage::count(view, rows.id)?;
    for (id, account) in &rows.accounts {
        let usage = counted.get(id).copied().unwrap_or_default();
        found.equal("usage of an account", &format!("account {id}"), &account.usage, &usage);
    }
    let sum = counted.values().fold(Usage::default(), |sum, usage| sum.plus(*usage));
    found.equal("usage of a domain", &format!("domain {}", rows.id), &rows.counters.usage, &sum);
    let accounts = rows.accounts.len() as u64;
    found.equal("accounts of a domain", &format!("domain {}", rows.id), &rows.counters.accounts, &accounts);
    Ok(())
}

fn names<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let mut named = BTreeSet::new();
    view.each(&keys::names(rows.id), |key, name| {
        let local = match name {
            Name::Account(id) => {
                named.insert(id);
                rows.accounts.get(&id).map(|account| account.local.clone())
            }
            Name::Alias { local, .. } => Some(local),
        };
        let expected = local.map(|local| keys::name(rows.id, &local.key()).bytes().to_vec());
        found.holds("names lead somewhere", expected.as_deref() == Some(key), || format!("name {key:02x?}"));
        go_on_while(true)
    })?;
    let all: BTreeSet<AccountId> = rows.accounts.keys().copied().collect();
    found.equal("accounts have names", &format!("domain {}", rows.id), &all, &named);
    Ok(())
}

fn dkim_keys<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let (place, mut count) = (format!("domain {}", rows.id), 0);
    view.each(&keys::dkim_keys(rows.id), |at, key| {
        let expected = keys::dkim_key(rows.id, &key.selector);
        found.holds("DKIM keys stand at their selectors", expected.bytes() == at, || format!("{place}: {at:02x?}"));
        count += 1;
        go_on_while(true)
    })?;
    let most = limits::DKIM_KEYS_PER_DOMAIN_MAX;
    found.holds("DKIM keys are few", count <= most, || format!("{place}: {count}"));
    Ok(())
}

fn accounts<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    for (&id, account) in &rows.accounts {
        let place = format!("account {id}");
        let mut named = BTreeMap::new();
        view.each(&keys::mailbox_names(rows.id, id), |key, mailbox| {
            named.insert(mailbox, keys::parse_mailbox_name(key));
            go_on_while(true)
        })?;
        let owned: BTreeMap<_, _> = rows
            .mailboxes
            .iter()
            .filter(|(_, mailbox)| mailbox.account == id)
            .map(|(&mailbox, row)| (mailbox, Some(row.name.clone())))
            .collect();
        found.equal("mailboxes have names", &place, &owned, &named);
        found.equal("mailboxes of an account", &place, &(account.mailboxes as usize), &owned.len());
        for mailbox in account.uses.iter().flatten().chain([&account.inbox]) {
            found.holds("INBOX and uses exist", owned.contains_key(mailbox), || format!("{place}: {mailbox}"));
        }
        for row in owned.values().flatten() {
            let parent = row.parent();
            let held = parent.is_none_or(|parent| owned.values().flatten().any(|name| *name == parent));
            found.holds("parents exist", held, || format!("{place}: {row}"));
        }
        let subscriptions = view.first_keys(&keys::subscriptions(rows.id, id), usize::MAX)?.len();
        found.equal("subscriptions of an account", &place, &(account.subscriptions as usize), &subscriptions);
        let retired = view.first_keys(&keys::retired_names(rows.id, id), usize::MAX)?.len();
        found.equal("retired names of an account", &place, &(account.retired_names as usize), &retired);
        let credentials = view.row(&keys::credentials(rows.id, id))?;
        found.holds("accounts have verifiers", credentials.is_some(), || place.clone());
    }
    Ok(())
}

/// Every hot row belongs to a mailbox or to one in a grave, and the same for mailboxes and accounts.
fn messages_have_owners<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let buried: BTreeSet<MailboxId> = rows.graves.iter().map(|&(_, mailbox)| mailbox).collect();
    view.each_key(&keys::hot_rows_of(rows.id), |key| {
        let mailbox = MailboxId(keys::parse_second(key));
        let owned = rows.mailboxes.contains_key(&mailbox) || buried.contains(&mailbox);
        found.holds("messages have a mailbox", owned, || format!("mailbox {mailbox}"));
        go_on_while(true)
    })?;
    for (id, mailbox) in &rows.mailboxes {
        let owned =
            rows.accounts.contains_key(&mailbox.account) || rows.graves.contains(&(mailbox.account, MailboxId(0)));
        found.holds("mailboxes have an account", owned, || format!("mailbox {id}"));
    }
    Ok(())
}

fn bodies<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let mut held: BTreeMap<BodyRef, u32> = BTreeMap::new();
    view.each(&keys::cold_rows_of(rows.id), |_, cold| {
        *held.entry(cold.body).or_default() += 1;
        go_on_while(true)
    })?;
    view.each(&keys::vaults(rows.id), |_, vaulted| {
        *held.entry(vaulted.cold.body).or_default() += 1;
        go_on_while(true)
    })?;
    view.each(&keys::queued_of(rows.id), |_, queued| {
        *held.entry(queued.body).or_default() += 1;
        go_on_while(true)
    })?;
    view.each(&keys::auto_replies_of(rows.id), |_, row| {
        *held.entry(row.body).or_default() += 1;
        go_on_while(true)
    })?;
    held.retain(|_, count| *count > 1);
    let mut kept = BTreeMap::new();
    view.each(&keys::body_counts(rows.id), |key, count| {
        kept.insert(keys::parse_body(key), count);
        go_on_while(true)
    })?;
    found.equal("references to bodies", &format!("domain {}", rows.id), &kept, &held);
    Ok(())
}

fn due_times<V: View>(view: &V, rows: &Rows, dues: &Dues, found: &mut Findings) -> Outcome<(), V::Error> {
    let Rows { id, domain, counters, graves, .. } = rows;
    let filed = [
        (DueKind::Trash, counters.due_trash),
        (DueKind::Vault, counters.due_vault),
        (DueKind::Graves, counters.due_graves),
        (DueKind::Events, counters.due_events),
        (DueKind::Notices, counters.due_notices),
    ];
    for (kind, at) in filed {
        let indexed = dues.get(&(kind, *id)).cloned().unwrap_or_default();
        found.equal("due times are filed", &format!("{kind:?} of {id}"), &at.into_iter().collect(), &indexed);
    }
    let first_trash = view.first_key(&keys::trashes(*id))?.map(|key| keys::parse_dated(&key).0);
    if let (Some(first), Some(seconds)) = (first_trash, domain.plan.trash_expiry_seconds) {
        let due = first.plus_seconds(seconds);
        found.holds("Trash is due in time", counters.due_trash.is_some_and(|at| at <= due), || format!("domain {id}"));
    }
    if let Some(first) = view.first_key(&keys::vaults(*id))?.map(|key| keys::parse_dated(&key).0) {
        let due = first.plus_seconds(domain.plan.vault_seconds);
        found.holds("the vault is due in time", counters.due_vault.is_some_and(|at| at <= due), || {
            format!("domain {id}")
        });
    }
    let swept = graves.is_empty() || counters.due_graves.is_some();
    found.holds("graves are due", swept, || format!("domain {id}"));
    Ok(())
}
