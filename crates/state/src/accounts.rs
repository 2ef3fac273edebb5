//! Accounts: created with INBOX and a subscribed mailbox for each use, suspended, given other passwords and quotas, deleted.
//!
//! Whatever must end the account's sessions raises its generation. A deleted account is gone at once with its name and its usage; its
//! rows are swept by the command up to [`limits::MESSAGES_PER_COMMAND_MAX`] and by maintenance beyond. Its id is never used again.

use yubin_types::{
    AccountId, LocalPart, MailboxId, MailboxName, Quota, Refusal, SpecialUse, UidValidity, Usage, limits,
};

use crate::auto_reply;
use crate::command::Login;
use crate::filtering;
use crate::forward::settings;
use crate::keys;
use crate::kv::Txn;
use crate::mailboxes::make;
use crate::opened::too_many;
use crate::record::{Standing, Verifiers};
use crate::reply::{More, Reply};
use crate::resolve::exact;
use crate::rows::{Account, Credentials, Name};
use crate::sending::suspend;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;
use crate::vault;
use crate::work::Work;

/// Creates an account.
pub(crate) fn create<T: Txn>(
    work: &mut Work<'_, T>,
    local: LocalPart,
    verifiers: Verifiers,
    quota: Option<Quota>,
) -> Outcome<Reply, T::Error> {
    local.creatable().map_err(|error| Refusal::InvalidName { why: error.to_string() })?;
    check_free(exact(work.txn, work.id, &local)?.as_ref())?;
    if let Some(most) = work.domain.plan.accounts_max.at_most()
        && work.counters.accounts >= most
    {
        return Err(too_many("accounts", most).into());
    }
    let id = work.next_account();
    work.counters.accounts += 1;
    work.txn.set(&keys::name(work.id, &local.key()), &Name::Account(id));
    work.txn.set(&keys::credentials(work.id, id), &Credentials { verifiers, fast: None });
    let mut account = Account {
        local,
        standing: Standing::Active,
        generation: 1,
        quota,
        usage: Usage::default(),
        created: work.now,
        inbox: MailboxId(0),
        uses: [None; 5],
        mailboxes: 0,
        subscriptions: 0,
        retired_names: 0,
        uid_validity_floor: UidValidity(0),
        forwards: false,
        answers: false,
        filters: false,
    };
    account.inbox = make_subscribed(work, id, &mut account, &MailboxName::inbox(), None)?;
    for special_use in SpecialUse::ALL {
        if let Some(name) = MailboxName::parse(special_use.default_name()) {
            make_subscribed(work, id, &mut account, &name, Some(special_use))?;
        }
    }
    work.save_account(id, &account);
    work.changed(Topic::AccountLogin(work.id, id));
    Ok(Reply::AccountCreated(id))
}

fn make_subscribed<T: Txn>(
    work: &mut Work<'_, T>,
    id: AccountId,
    account: &mut Account,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
) -> Outcome<MailboxId, T::Error> {
    work.txn.set(&keys::subscription(work.id, id, name), &());
    account.subscriptions += 1;
    make(work, id, account, name, special_use)
}

/// Sets another password.
pub(crate) fn set_password<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    verifiers: Verifiers,
) -> Outcome<Reply, T::Error> {
    let (id, mut account) = named(work, local)?;
    account.generation += 1;
    work.txn.set(&keys::credentials(work.id, id), &Credentials { verifiers, fast: None });
    save_login(work, id, &account)
}

/// Sets another quota; a lower one stops growth only.
pub(crate) fn set_quota<T: Txn>(
    work: &mut Work<'_, T>,
    local: &LocalPart,
    quota: Option<Quota>,
) -> Outcome<Reply, T::Error> {
    let (id, mut account) = named(work, local)?;
    account.quota = quota;
    work.save_account(id, &account);
    work.changed(Topic::Mail(work.id, id));
    Ok(Reply::Done)
}

/// Stops logins.
pub(crate) fn suspend<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart, reason: String) -> Outcome<Reply, T::Error> {
    check_reason(&reason)?;
    let (id, mut account) = named(work, local)?;
    account.generation += 1;
    account.standing = Standing::Suspended { reason, since: work.now };
    save_login(work, id, &account)
}

/// Allows logins again.
pub(crate) fn resume<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart) -> Outcome<Reply, T::Error> {
    let (id, mut account) = named(work, local)?;
    account.standing = Standing::Active;
    save_login(work, id, &account)
}

/// Deletes an account.
pub(crate) fn delete<T: Txn>(work: &mut Work<'_, T>, local: &LocalPart) -> Outcome<Reply, T::Error> {
    let (id, account) = named(work, local)?;
    work.txn.unset(&keys::name(work.id, &local.key()));
    work.txn.unset(&keys::account(work.id, id));
    work.txn.unset(&keys::credentials(work.id, id));
    suspend::forget(work, id)?;
    settings::forget(work, id)?;
    auto_reply::settings::forget(work, id)?;
    filtering::forget(work, id);
    work.refund_domain(account.usage);
    work.counters.accounts = work.counters.accounts.saturating_sub(1);
    vault::dig(work, id, MailboxId(0));
    let left = vault::sweep(work, limits::MESSAGES_PER_COMMAND_MAX)?;
    work.changed(Topic::AccountLogin(work.id, id));
    work.changed(Topic::Mail(work.id, id));
    let touched = (limits::MESSAGES_PER_COMMAND_MAX - left) as u64;
    Ok(Reply::Progress { more: More::No, touched, next_due: None })
}

/// Remembers the fast verifier of the password that is in force.
pub(crate) fn put_fast_verifier<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    mac: [u8; 32],
) -> Outcome<Reply, T::Error> {
    work.login(login)?;
    let key = keys::credentials(work.id, login.account);
    let stored = work.txn.row(&key)?.ok_or(Refusal::NoSuchAccount)?;
    work.txn.set(&key, &Credentials { fast: Some((login.generation, mac)), ..stored });
    Ok(Reply::Done)
}

/// Refuses a name that something has already.
pub(crate) fn check_free(taken: Option<&Name>) -> Result<(), Refusal> {
    match taken {
        None => Ok(()),
        Some(Name::Account(_)) => Err(Refusal::NameTaken { owner: "account".to_owned() }),
        Some(Name::Alias { .. }) => Err(Refusal::NameTaken { owner: "alias".to_owned() }),
    }
}

/// Refuses too long a reason.
pub(crate) fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.len() > limits::REASON_BYTES_MAX {
        let why = format!("a reason has at most {} bytes", limits::REASON_BYTES_MAX);
        return Err(Refusal::InvalidValue { why });
    }
    Ok(())
}

/// The account of this name.
pub(crate) fn named<T: Txn>(work: &Work<'_, T>, local: &LocalPart) -> Outcome<(AccountId, Account), T::Error> {
    let Some(Name::Account(id)) = exact(work.txn, work.id, local)? else {
        return Err(Refusal::NoSuchAccount.into());
    };
    let account = work.txn.row(&keys::account(work.id, id))?.ok_or(Refusal::NoSuchAccount)?;
    Ok((id, account))
}

fn save_login<T: Txn>(work: &mut Work<'_, T>, id: AccountId, account: &Account) -> Outcome<Reply, T::Error> {
    work.save_account(id, account);
    work.changed(Topic::AccountLogin(work.id, id));
    Ok(Reply::Done)
}
