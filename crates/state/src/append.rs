//! APPEND and MULTIAPPEND (RFC 9051 §6.3.12, RFC 3502): all messages or none, within size, quota and keyword bounds.

use yubin_types::{EmailId, FlagSet, MailboxName, Quota, QuotaScope, Refusal, UidSet, Usage, limits};

use crate::command::{Login, NewMessage};
use crate::keys;
use crate::kv::Txn;
use crate::opened::{Incoming, Opened, too_many};
use crate::record::ColdRow;
use crate::reply::Reply;
use crate::rows::Account;
use crate::stop::Outcome;
use crate::table::Read as _;
use crate::work::Work;

/// Appends.
pub(crate) fn append<T: Txn>(
    work: &mut Work<'_, T>,
    login: Login,
    mailbox: &MailboxName,
    messages: Vec<(NewMessage, FlagSet, EmailId)>,
) -> Outcome<Reply, T::Error> {
    let mut account = work.login(login)?;
    let mut opened = open(work, login, mailbox)?;
    check(work, &account, &opened, &messages)?;
    let mut to = UidSet::new();
    for (message, flags, email_id) in messages {
        let body = work.body(message.body_ordinal)?;
        let NewMessage { body_bytes, cold: facts, internal_date, body_ordinal } = message;
        let cold = ColdRow { prefix: bytes::Bytes::new(), body, body_bytes, facts };
        let incoming = Incoming { flags, bytes: body_bytes, internal_date, email_id, cold };
        to.insert(opened.insert(work, incoming)?);
        work.take_body(body_ordinal);
        work.charge(&mut account, Usage::of_message(body_bytes));
    }
    work.save_account(login.account, &account);
    let (mailbox, uid_validity) = (opened.id, opened.row.uid_validity);
    opened.save(work)?;
    Ok(Reply::Stored { mailbox, uid_validity, from: UidSet::new(), to, modseq: work.modseq() })
}

/// Opens a mailbox of the login by name.
pub(crate) fn open<T: Txn>(work: &Work<'_, T>, login: Login, name: &MailboxName) -> Outcome<Opened, T::Error> {
    let id = work.txn.row(&keys::mailbox_name(work.id, login.account, name))?.ok_or(Refusal::NoSuchMailbox)?;
    Ok(Opened::new(id, work.mailbox(login.account, id)?))
}

fn check<T: Txn>(
    work: &Work<'_, T>,
    account: &Account,
    opened: &Opened,
    messages: &[(NewMessage, FlagSet, EmailId)],
) -> Outcome<(), T::Error> {
    if messages.is_empty() || messages.len() > limits::MESSAGES_PER_COMMAND_MAX {
        return Err(too_many("messages in one command", limits::MESSAGES_PER_COMMAND_MAX as u64).into());
    }
    let limit_bytes = work.domain.plan.message_bytes_max;
    let mut growth = Usage::default();
    for (message, flags, _) in messages {
        work.body(message.body_ordinal)?;
        if message.body_bytes > limit_bytes {
            return Err(Refusal::MessageTooBig { limit_bytes }.into());
        }
        if flags.keywords.len() > limits::KEYWORDS_PER_MESSAGE_MAX {
            return Err(too_many("keywords on a message", limits::KEYWORDS_PER_MESSAGE_MAX as u64).into());
        }
        growth = growth.plus(Usage::of_message(message.body_bytes));
    }
    opened.admits(messages.len())?;
    room(work, account, growth)?;
    opened.admits_keywords(&*work.txn, work.id, messages.iter().flat_map(|(_, flags, _)| &flags.keywords))
}

/// Do both quotas admit the growth?
pub(crate) fn room<T: Txn>(work: &Work<'_, T>, account: &Account, growth: Usage) -> Result<(), Refusal> {
    let within = |quota: Quota, usage, scope| match quota.admits(usage, growth) {
        true => Ok(()),
        false => Err(Refusal::OverQuota { scope }),
    };
    within(account.effective_quota(&work.domain), account.usage, QuotaScope::Account)?;
    within(work.domain.effective_quota(), work.counters.usage, QuotaScope::Domain)
}
