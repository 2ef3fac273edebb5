//! Tells owners that the sending of their accounts is suspended or their forward paused: the leader of a group writes what is due and
//! proposes it.
//!
//! The state says who is to be told and takes each notice once, so a leader that dies in between is followed by another that does it
//! again. A notice that can't be stored, because the mailbox is full, is given up there.

use bytes::Bytes;
use yubin_message::{DateTime, ForwardNotice as WrittenForward, HeaderWriter, SendingNotice as Written, scan};
use yubin_proto::{Body, Proposal, Scope, StoreError, StoreNode as _};
use yubin_state::command::{DomainCommand, NewMessage, Recipient};
use yubin_state::forward::{ForwardCommand, ForwardNotice};
use yubin_state::sending::{SendingCommand, SendingNotice};
use yubin_state::{Answer, Command, Envelope, Query, Reply};
use yubin_types::{Address, EmailId, GroupNumber, Timestamp};

use crate::groups::own_proposal;
use crate::service::Shared;

/// Tells the owners of a group who are to be told.
pub(crate) async fn tell(shared: &Shared, group: GroupNumber) -> Result<(), StoreError> {
    let scope = Scope { group, ..Scope::DIRECTORY };
    let Answer::SendingNotices(notices) = shared.query(scope, Query::SendingNotices).await? else { return Ok(()) };
    for notice in notices {
        let reply = shared.propose(proposal(group, &notice, shared.now())).await?;
        let (domain, account) = (notice.domain.0, notice.account.0);
        match reply {
            Reply::Delivered(_) => {
                tracing::warn!(
                    domain.id = domain,
                    account.id = account,
                    cause = %notice.suspension.cause,
                    "an account's sending is suspended; its owner is told"
                );
            }
            other => tracing::warn!(domain.id = domain, account.id = account, ?other, "an owner can't be told"),
        }
    }
    let Answer::ForwardNotices(notices) = shared.query(scope, Query::ForwardNotices).await? else { return Ok(()) };
    for notice in notices {
        let Some(since) = notice.forward.last_pause() else { continue };
        let reply = shared.propose(forward_proposal(group, &notice, since, shared.now())).await?;
        let (domain, account) = (notice.domain.0, notice.account.0);
        match reply {
            Reply::Delivered(_) => {
                tracing::warn!(domain.id = domain, account.id = account, "a forward is paused; its owner is told");
            }
            other => tracing::warn!(domain.id = domain, account.id = account, ?other, "an owner can't be told"),
        }
    }
    Ok(())
}

fn proposal(group: GroupNumber, notice: &SendingNotice, now: Timestamp) -> Proposal {
    let email_id = EmailId(rand::random());
    let to = Address { local: notice.local.clone(), domain: notice.name.clone() };
    let bytes = Written {
        to: &to,
        id: &email_id.to_string(),
        date: DateTime::from(now),
        since: DateTime::from(notice.suspension.since),
        cause: &notice.suspension.cause,
    }
    .write();
    let (recipient, message) = letter(&to, email_id, &bytes, now);
    let (account, since) = (notice.account, notice.suspension.since);
    let tell = SendingCommand::Tell { account, since, recipient, message };
    let whole = own_proposal(group, "sweeper", &Command::Domain(DomainCommand::Sending(tell)));
    let envelope = Envelope { domain: notice.domain, epoch: notice.epoch, ..whole.envelope };
    Proposal { envelope, bodies: vec![Body::Inline(Bytes::from(bytes))], ..whole }
}

fn forward_proposal(group: GroupNumber, notice: &ForwardNotice, since: Timestamp, now: Timestamp) -> Proposal {
    let email_id = EmailId(rand::random());
    let to = Address { local: notice.local.clone(), domain: notice.name.clone() };
    let paused: Vec<(&Address, &str)> =
        notice.forward.paused().map(|(address, pause)| (address, pause.reply.as_str())).collect();
    let id = email_id.to_string();
    let bytes = WrittenForward { to: &to, id: &id, date: DateTime::from(now), paused: &paused }.write();
    let (recipient, message) = letter(&to, email_id, &bytes, now);
    let tell = ForwardCommand::Tell { account: notice.account, since, recipient, message };
    let whole = own_proposal(group, "sweeper", &Command::Domain(DomainCommand::Forward(tell)));
    let envelope = Envelope { domain: notice.domain, epoch: notice.epoch, ..whole.envelope };
    Proposal { envelope, bodies: vec![Body::Inline(Bytes::from(bytes))], ..whole }
}

/// A notice as it is delivered.
fn letter(to: &Address, email_id: EmailId, bytes: &[u8], now: Timestamp) -> (Recipient, NewMessage) {
    let mut prefix = HeaderWriter::new();
    prefix.return_path(None);
    prefix.delivered_to(&to.to_string());
    let recipient =
        Recipient { local: to.local.clone(), special_use: None, prefix: Bytes::from(prefix.into_bytes()), email_id };
    let message = NewMessage {
        body_bytes: bytes.len() as u64,
        cold: Bytes::from(scan(bytes).to_bytes()),
        internal_date: now,
        body_ordinal: 0,
    };
    (recipient, message)
}
