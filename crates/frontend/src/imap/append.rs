//! APPEND: the message goes through the spool into one command.
//!
//! Before an octet is sent the mailbox and the quotas are looked at, so that a client learns early that a large message has no place;
//! what is decided in the end is decided when it is stored.

use bytes::Bytes;
use yubin_session::imap::Answer;
use yubin_session::imap::ask;
use yubin_state::command::{MailCommand, NewMessage};
use yubin_state::{Answer as StoreAnswer, Command, Query};
use yubin_types::{EmailId, QuotaScope, Refusal, Usage};

use super::User;
use super::messages::stored;
use crate::account::{Trouble, unexpected};
use crate::driver::now;
use crate::spool::Spool;

/// A message that a client is sending.
pub(super) struct Appending {
    message: ask::NewMessage,
    spool: Spool,
}

impl User {
    pub(super) async fn append_begin(&mut self, message: ask::NewMessage) -> Result<Answer, Trouble> {
        let login = self.account.login();
        self.account.query(Query::Select { login, name: message.mailbox.clone() }).await?;
        let StoreAnswer::QuotaRoots { account, domain } = self.account.query(Query::QuotaRoots(login)).await? else {
            return Err(unexpected());
        };
        let growth = Usage::of_message(message.bytes);
        for ((quota, usage), scope) in [(account, QuotaScope::Account), (domain, QuotaScope::Domain)] {
            if !quota.admits(usage, growth) {
                return Err(Trouble::Refused(Refusal::OverQuota { scope }));
            }
        }
        let spool = Spool::new(&self.connection.shared.spooler);
        self.appending = Some(Appending { message, spool });
        Ok(Answer::Done)
    }

    pub(super) async fn append_octets(&mut self, octets: Bytes) -> Result<Answer, Trouble> {
        let Some(appending) = &mut self.appending else { return Err(unexpected()) };
        match appending.spool.push(octets).await {
            Ok(()) => Ok(Answer::Done),
            Err(error) => {
                self.appending = None;
                Err(spool_failed(&error))
            }
        }
    }

    pub(super) async fn append_end(&mut self) -> Result<Answer, Trouble> {
        let Some(Appending { message, spool }) = self.appending.take() else { return Err(unexpected()) };
        let spooled = spool.finish().await.map_err(|error| spool_failed(&error))?;
        let new = NewMessage {
            body_bytes: spooled.bytes,
            cold: Bytes::from(spooled.tree.to_bytes()),
            internal_date: message.internal_date.unwrap_or_else(now),
            body_ordinal: 0,
        };
        let command = Command::Mail(MailCommand::Append {
            login: self.account.login(),
            mailbox: message.mailbox,
            messages: vec![(new, message.flags, EmailId(rand::random()))],
        });
        stored(self.account.propose(&command, vec![spooled.body.clone()]).await?)
    }
}

fn spool_failed(error: &std::io::Error) -> Trouble {
    tracing::error!(%error, "an incoming message can't be kept");
    Trouble::Unavailable
}
