//! Questions about messages: rows, changes, SEARCH, STORE, COPY, MOVE, EXPUNGE.

use yubin_proto::{SearchOutcome, SearchRequest};
use yubin_session::imap::Answer;
use yubin_session::imap::ask::{ExpungeWhich, FlagOperation, RowDetail};
use yubin_state::command::MailCommand;
use yubin_state::query::Changes;
use yubin_state::{Answer as StoreAnswer, Command, Query, Reply};
use yubin_types::search::{SearchKey, SortCriterion};
use yubin_types::{FlagSet, MailboxId, MailboxName, ModSeq, UidSet};

use super::changes::Pages;
use super::{User, convert};
use crate::account::{Trouble, unexpected};

impl User {
    pub(super) async fn rows(
        &mut self,
        mailbox: MailboxId,
        uids: UidSet,
        changed_since: Option<ModSeq>,
        detail: RowDetail,
    ) -> Result<Answer, Trouble> {
        let (login, detail) = (self.account.login(), convert::detail(detail));
        match self.account.query(Query::Rows { login, mailbox, uids, changed_since, detail }).await? {
            StoreAnswer::Rows { rows, next } => {
                Ok(Answer::Rows { rows: rows.into_iter().map(convert::row).collect(), next })
            }
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn changes(&mut self, mailbox: MailboxId, since: ModSeq) -> Result<Answer, Trouble> {
        let mut page = self.page_of_changes(mailbox, since).await?;
        let mut next = page.next.take();
        let mut pages = Pages::begin(page);
        while let Some(since) = next {
            let mut page = self.page_of_changes(mailbox, since).await?;
            next = page.next.take();
            pages.add(page);
        }
        Ok(Answer::Changes(pages.finish()))
    }

    async fn page_of_changes(&mut self, mailbox: MailboxId, since: ModSeq) -> Result<Changes, Trouble> {
        let login = self.account.login();
        match self.account.query(Query::Changes { login, mailbox, since }).await? {
            StoreAnswer::Changes(changes) => Ok(changes),
            _ => Err(unexpected()),
        }
    }

    /// In this order, if in any.
    pub(super) async fn search(
        &mut self,
        mailbox: MailboxId,
        program: SearchKey,
        criteria: Vec<SortCriterion>,
    ) -> Result<Answer, Trouble> {
        let names_modseq = names_modseq(&program);
        let login = self.account.login();
        let among = UidSet::range(1, u32::MAX);
        let request = SearchRequest { login, mailbox, among, key: program, sort: criteria };
        match self.account.search(request).await? {
            SearchOutcome::Found { uids, highest_modseq } => {
                Ok(Answer::Found { uids, highest_modseq: names_modseq.then_some(highest_modseq) })
            }
            SearchOutcome::Sorted { uids, highest_modseq } => {
                Ok(Answer::Sorted { uids, highest_modseq: names_modseq.then_some(highest_modseq) })
            }
            SearchOutcome::Refused(_) => Err(unexpected()),
        }
    }

    pub(super) async fn store_flags(
        &mut self,
        mailbox: MailboxId,
        uids: UidSet,
        (operation, flags): (FlagOperation, FlagSet),
        unchanged_since: Option<ModSeq>,
    ) -> Result<Answer, Trouble> {
        let (login, operation) = (self.account.login(), convert::operation(operation));
        let command = MailCommand::StoreFlags { login, mailbox, uids, operation, flags, unchanged_since };
        match self.account.propose(&Command::Mail(command), Vec::new()).await? {
            Reply::FlagsStored { modified, modseq } => Ok(Answer::FlagsStored { modified, modseq }),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn copy(&mut self, mailbox: MailboxId, uids: UidSet, to: MailboxName) -> Result<Answer, Trouble> {
        let login = self.account.login();
        self.store_messages(MailCommand::Copy { login, mailbox, uids, to }).await
    }

    pub(super) async fn move_messages(
        &mut self,
        mailbox: MailboxId,
        uids: UidSet,
        to: MailboxName,
    ) -> Result<Answer, Trouble> {
        let login = self.account.login();
        self.store_messages(MailCommand::Move { login, mailbox, uids, to }).await
    }

    async fn store_messages(&mut self, command: MailCommand) -> Result<Answer, Trouble> {
        stored(self.account.propose(&Command::Mail(command), Vec::new()).await?)
    }

    pub(super) async fn expunge(
        &mut self,
        mailbox: MailboxId,
        uids: UidSet,
        which: ExpungeWhich,
    ) -> Result<Answer, Trouble> {
        let (login, which) = (self.account.login(), convert::which(which));
        let command = MailCommand::Expunge { login, mailbox, uids, which };
        match self.account.propose(&Command::Mail(command), Vec::new()).await? {
            Reply::Expunged { .. } | Reply::Done => Ok(Answer::Done),
            _ => Err(unexpected()),
        }
    }
}

/// What APPEND, COPY and MOVE tell.
pub(super) fn stored(reply: Reply) -> Result<Answer, Trouble> {
    match reply {
        Reply::Stored { mailbox, uid_validity, from, to, .. } => Ok(Answer::Stored { mailbox, uid_validity, from, to }),
        _ => Err(unexpected()),
    }
}

/// Walks without recursion.
fn names_modseq(program: &SearchKey) -> bool {
    let mut left = vec![program];
    while let Some(key) = left.pop() {
        match key {
            SearchKey::ModSeq(_) => return true,
            SearchKey::And(keys) => left.extend(keys),
            SearchKey::Or(a, b) => left.extend([&**a, &**b]),
            SearchKey::Not(key) => left.push(key),
            _ => {}
        }
    }
    false
}
