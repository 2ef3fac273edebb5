//! Questions about mailboxes: LIST, STATUS, SELECT, CREATE, DELETE, RENAME, SUBSCRIBE, QUOTA.

use yubin_session::imap::Answer;
use yubin_session::imap::ask::Subscription;
use yubin_state::command::MailCommand;
use yubin_state::reply::More;
use yubin_state::{Answer as StoreAnswer, Command, Query, Reply};
use yubin_types::{MailboxName, SpecialUse};

use super::{User, convert};
use crate::account::{Trouble, unexpected};

impl User {
    pub(super) async fn mailboxes(&mut self) -> Result<Answer, Trouble> {
        match self.account.query(Query::Mailboxes(self.account.login())).await? {
            StoreAnswer::Mailboxes { mailboxes, subscribed } => {
                let mailboxes = mailboxes.into_iter().map(convert::mailbox).collect();
                Ok(Answer::Mailboxes { mailboxes, subscribed })
            }
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn select(&mut self, name: MailboxName) -> Result<Answer, Trouble> {
        let login = self.account.login();
        match self.account.query(Query::Select { login, name }).await? {
            StoreAnswer::Selected(selected) => Ok(Answer::Selected(convert::selected(selected))),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn create_mailbox(
        &mut self,
        name: MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<Answer, Trouble> {
        let login = self.account.login();
        let command = Command::Mail(MailCommand::CreateMailbox { login, name, special_use });
        match self.account.propose(&command, Vec::new()).await? {
            Reply::Mailbox(id) => Ok(Answer::Created(id)),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn delete_mailbox(&mut self, name: MailboxName) -> Result<Answer, Trouble> {
        let login = self.account.login();
        self.change(MailCommand::DeleteMailbox { login, name }).await
    }

    pub(super) async fn rename_mailbox(&mut self, from: MailboxName, to: MailboxName) -> Result<Answer, Trouble> {
        let login = self.account.login();
        self.change(MailCommand::RenameMailbox { login, from, to }).await
    }

    pub(super) async fn set_subscribed(
        &mut self,
        name: MailboxName,
        subscription: Subscription,
    ) -> Result<Answer, Trouble> {
        let login = self.account.login();
        let subscription = convert::subscription(subscription);
        self.change(MailCommand::SetSubscribed { login, name, subscription }).await
    }

    pub(super) async fn quotas(&mut self) -> Result<Answer, Trouble> {
        match self.account.query(Query::QuotaRoots(self.account.login())).await? {
            StoreAnswer::QuotaRoots { account, domain } => Ok(Answer::Quotas { account, domain }),
            _ => Err(unexpected()),
        }
    }

    /// Proposes a change, piece by piece where it is larger than one command may be.
    async fn change(&mut self, command: MailCommand) -> Result<Answer, Trouble> {
        let command = Command::Mail(command);
        loop {
            match self.account.propose(&command, Vec::new()).await? {
                Reply::Progress { more: More::Yes, .. } => {}
                Reply::Done | Reply::Mailbox(_) | Reply::Progress { more: More::No, .. } => return Ok(Answer::Done),
                _ => return Err(unexpected()),
            }
        }
    }
}
