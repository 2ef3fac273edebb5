//! Delivery: one message, recipients of one domain, for all of them or for none (RFC 5321 §6.1).
//!
//! Each account gets one copy, even if several recipients lead to it: that of the first. Refused here and nowhere else, so exactly: a
//! suspended domain, an unknown recipient, a message larger than the plan allows, an account's quota, the domain's shared quota over
//! the sum (SPPD-11, SHIN-09, SONET-20), too much in the queue for what is forwarded ([`crate::forward`]). A suspended account still gets its mail. If anyone is to blame nothing is stored, and
//! the reply says for each recipient why not; whoever could have had the message has no reason there. What an account submits within its
//! domain counts among what it sends ([`crate::sending`]). Accounts that answer by themselves do so here ([`crate::auto_reply`]).

use std::collections::BTreeMap;

use smallvec::SmallVec;
use yubin_types::{AccountId, Address, FlagSet, QuotaScope, Refusal, Usage, limits};

use crate::auto_reply::answering;
use crate::command::{Login, NewMessage, Recipient};
use crate::forward::LocalCopy;
use crate::forward::onward::{self, Forwarded, Onward};
use crate::keys;
use crate::kv::Txn;
use crate::opened::{Incoming, Opened, too_many};
use crate::record::{ColdRow, Standing};
use crate::reply::{Reply, StoredCopy};
use crate::resolve::{self, Reached};
use crate::rows::Account;
use crate::sending::admit::{self, Load};
use crate::stop::{Outcome, Stop};
use crate::table::Read as _;
use crate::work::Work;

/// What is to be stored, while it is being weighed.
#[derive(Default)]
struct Plan {
    /// Accounts that get a copy, and where.
    targets: BTreeMap<AccountId, (Account, Opened)>,
    /// For each recipient, whom it reaches.
    reached: Vec<Reached>,
    /// Copies in the order of recipients: which recipient's, to whom.
    copies: Vec<(usize, AccountId)>,
    /// What goes on, by the account that forwards it.
    forwards: BTreeMap<AccountId, Forwarded>,
    /// Who answers it.
    replies: BTreeMap<AccountId, answering::Reply>,
}

/// Delivers; nothing is forwarded or answered without `onward`.
pub(crate) fn deliver<T: Txn>(
    work: &mut Work<'_, T>,
    login: Option<Login>,
    recipients: &[Recipient],
    message: &NewMessage,
    onward: Option<&Onward<'_>>,
) -> Outcome<Reply, T::Error> {
    if recipients.is_empty() || recipients.len() > limits::SMTP_RECIPIENTS_MAX {
        let why = format!("a delivery has 1 to {} recipients", limits::SMTP_RECIPIENTS_MAX);
        return Err(Refusal::InvalidValue { why }.into());
    }
    work.body(message.body_ordinal)?;
    if let Standing::Suspended { reason, .. } = &work.domain.standing {
        let refusal = Refusal::DomainSuspended { reason: reason.clone() };
        return Ok(Reply::DeliveryRefused(vec![Some(refusal); recipients.len()]));
    }
    let charge = match login {
        None => None,
        Some(login) => {
            work.login(login)?;
            match admit::weigh(work, login.account, Load::within(recipients.len()))? {
                Ok(charge) => Some(charge),
                Err(refusal) => return admit::refuse(work, login.account, refusal),
            }
        }
    };
    let mut refusals: Vec<Option<Refusal>> = vec![None; recipients.len()];
    let mut plan = Plan::default();
    let mut scale = Scale { message, onward, domain_usage: work.counters.usage };
    for ((index, recipient), refusal) in recipients.iter().enumerate().zip(&mut refusals) {
        match scale.weigh(work, &mut plan, index, recipient) {
            Ok(()) => {}
            Err(Stop::Refused(why)) => *refusal = Some(why),
            Err(disk) => return Err(disk),
        }
    }
    if let Err(why) = onward::check_room(work, &plan.forwards, message)? {
        for forwarded in plan.forwards.values() {
            refusals.iter_mut().skip(forwarded.recipient).take(1).for_each(|refusal| *refusal = Some(why.clone()));
        }
    }
    if refusals.iter().any(Option::is_some) {
        return Ok(Reply::DeliveryRefused(refusals));
    }
    let (forwards, replies) = (std::mem::take(&mut plan.forwards), std::mem::take(&mut plan.replies));
    let reply = store(work, recipients, message, plan)?;
    if let Some(onward) = onward {
        onward::queue(work, forwards, recipients, message, onward)?;
        answering::queue(work, replies, recipients, onward)?;
    }
    if let Some(charge) = charge {
        charge.write(work);
    }
    Ok(reply)
}

/// What recipients are weighed with.
struct Scale<'a> {
    message: &'a NewMessage,
    onward: Option<&'a Onward<'a>>,
    /// What the domain holds, with the copies that were counted in.
    domain_usage: Usage,
}

impl Scale<'_> {
    /// Finds whom a recipient reaches and whether there is room; only then counts its copies in.
    fn weigh<T: Txn>(
        &mut self,
        work: &Work<'_, T>,
        plan: &mut Plan,
        index: usize,
        recipient: &Recipient,
    ) -> Outcome<(), T::Error> {
        let bytes = message_bytes(recipient, self.message);
        let limit_bytes = work.domain.plan.message_bytes_max;
        if recipient.prefix.len() > limits::MESSAGE_PREFIX_BYTES_MAX {
            let why = format!("a prefix has at most {} bytes", limits::MESSAGE_PREFIX_BYTES_MAX);
            return Err(Refusal::InvalidValue { why }.into());
        }
        let reached = resolve::recipient(work.txn, work.id, &work.domain, &recipient.local)?;
        if bytes > limit_bytes {
            return Err(Refusal::MessageTooBig { limit_bytes }.into());
        }
        let mut new: SmallVec<[(AccountId, (Account, Opened)); 1]> = SmallVec::new();
        let (mut forwards, mut replies) = (Vec::new(), Vec::new());
        let mut usage = self.domain_usage;
        for &id in reached.iter().filter(|id| !plan.has(**id)) {
            let Some(account) = work.txn.row(&keys::account(work.id, id))? else { continue };
            if let Some(reply) = answering::reply(work, (id, &account), (index, recipient), self.onward)? {
                replies.push((id, reply));
            }
            let way = onward::way(work, (id, &account), recipient, self.onward)?;
            if !way.targets.is_empty() {
                let by = Address { local: account.local.clone(), domain: work.domain.name.clone() };
                forwards.push((id, Forwarded { recipient: index, by, targets: way.targets }));
            }
            if way.copy == LocalCopy::Drop {
                continue;
            }
            let copy = Usage::of_message(bytes);
            if !account.effective_quota(&work.domain).admits(account.usage, copy) {
                return Err(Refusal::OverQuota { scope: QuotaScope::Account }.into());
            }
            if !work.domain.effective_quota().admits(usage, copy) {
                return Err(Refusal::OverQuota { scope: QuotaScope::Domain }.into());
            }
            usage = usage.plus(copy);
            let mailbox = account.mailbox_for(recipient.special_use);
            let opened = Opened::new(mailbox, work.mailbox(id, mailbox)?);
            opened.admits(1)?;
            new.push((id, (account, opened)));
        }
        if plan.copies.len() + plan.forwards.len() + new.len() + forwards.len() > limits::MESSAGES_PER_COMMAND_MAX {
            return Err(too_many("copies of one message", limits::MESSAGES_PER_COMMAND_MAX as u64).into());
        }
        self.domain_usage = usage;
        for (id, target) in new {
            plan.copies.push((index, id));
            plan.targets.insert(id, target);
        }
        plan.forwards.extend(forwards);
        plan.replies.extend(replies);
        plan.reached.push(reached);
        Ok(())
    }
}

impl Plan {
    /// Has the account its copy, or what takes its place?
    fn has(&self, id: AccountId) -> bool {
        self.targets.contains_key(&id) || self.forwards.contains_key(&id)
    }
}

fn store<T: Txn>(
    work: &mut Work<'_, T>,
    recipients: &[Recipient],
    message: &NewMessage,
    plan: Plan,
) -> Outcome<Reply, T::Error> {
    let Plan { mut targets, reached, copies, .. } = plan;
    let body = work.body(message.body_ordinal)?;
    let mut stored: BTreeMap<AccountId, StoredCopy> = BTreeMap::new();
    for (index, id) in copies {
        let (Some(recipient), Some(target)) = (recipients.get(index), targets.remove(&id)) else { continue };
        let (mut account, mut opened) = target;
        let mailbox = opened.id;
        let bytes = message_bytes(recipient, message);
        let cold = ColdRow {
            prefix: recipient.prefix.clone(),
            body: body.clone(),
            body_bytes: message.body_bytes,
            facts: message.cold.clone(),
        };
        let incoming = Incoming {
            flags: FlagSet::default(),
            bytes,
            internal_date: message.internal_date,
            email_id: recipient.email_id,
            cold,
        };
        let uid = opened.insert(work, incoming)?;
        opened.save(work)?;
        work.take_body(message.body_ordinal);
        work.charge(&mut account, Usage::of_message(bytes));
        work.save_account(id, &account);
        stored.insert(id, StoredCopy { account: id, local: account.local, mailbox, uid });
    }
    let of_each = |reached: &Reached| reached.iter().filter_map(|id| stored.get(id).cloned()).collect();
    Ok(Reply::Delivered(reached.iter().map(of_each).collect()))
}

fn message_bytes(recipient: &Recipient, message: &NewMessage) -> u64 {
    message.body_bytes.saturating_add(recipient.prefix.len() as u64)
}
