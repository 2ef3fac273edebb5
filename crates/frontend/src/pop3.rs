//! What a POP3 session asks, answered: login and exclusive lock, the listing, octets, deletion at QUIT.
//!
//! The maildrop is INBOX as it was at login: mail that comes later is not in it. The lock is renewed in the background and given back
//! when the session ends, however it ends; deletion happens only while it is held.

mod lock;

use yubin_policy::{LoginDenial, refusal_text};
use yubin_session::pop3::{Answer, Ask, Entry, Pop3Session};
use yubin_session::sasl::{Claim, Question};
use yubin_state::command::{ExpungeWhich, MailCommand};
use yubin_state::query::RowDetail;
use yubin_state::{Answer as StoreAnswer, Command, Query, Reply};
use yubin_types::{MailboxId, MailboxName, Refusal, Uid, UidSet};

use crate::account::{Account, Trouble, unexpected};
use crate::connection::Connection;
use crate::driver::Rim;
use crate::logins::Logins;
use lock::Lock;

/// Answers one POP3 session.
pub(crate) struct Pop3Rim {
    connection: Connection,
    logins: Logins,
    maildrop: Option<Maildrop>,
}

/// A locked INBOX.
struct Maildrop {
    account: Account,
    lock: Lock,
    mailbox: MailboxId,
    /// What is in it for this session.
    uids: UidSet,
}

impl Pop3Rim {
    pub(crate) fn new(connection: Connection) -> Self {
        Pop3Rim { connection, logins: Logins::default(), maildrop: None }
    }

    async fn sasl(&mut self, question: Question) -> Result<Answer, Answer> {
        self.logins.ask(&self.connection, question).await.map(Answer::Sasl).map_err(|denial| denied(&denial))
    }

    async fn login(&mut self, claim: Claim) -> Result<Answer, Answer> {
        let identity = self.logins.claim(&self.connection, claim).await.map_err(|denial| denied(&denial))?;
        let mut account = Account::new(&self.connection, identity);
        let lock = Lock::take(&account).await.map_err(answer)?.ok_or_else(|| denied(&LoginDenial::Locked))?;
        let select = Query::Select { login: account.login(), name: MailboxName::inbox() };
        let selected = match account.query(select).await {
            Ok(StoreAnswer::Selected(selected)) => selected,
            Ok(_) => return Err(answer(unexpected())),
            Err(trouble) => return Err(answer(trouble)),
        };
        self.maildrop = Some(Maildrop { account, lock, mailbox: selected.mailbox.id, uids: selected.uids });
        self.listing(Uid(1)).await
    }

    async fn listing(&mut self, from: Uid) -> Result<Answer, Answer> {
        let Maildrop { account, mailbox, uids, .. } = self.locked()?;
        let query = Query::Rows {
            login: account.login(),
            mailbox: *mailbox,
            uids: uids.intersection(&UidSet::range(from.0, u32::MAX)),
            changed_since: None,
            detail: RowDetail::Hot,
        };
        match account.query(query).await.map_err(answer)? {
            StoreAnswer::Rows { rows, next } => {
                let entry = |row: yubin_state::query::MessageRow| Entry {
                    uid: row.uid,
                    bytes: row.hot.bytes,
                    email_id: row.hot.email_id,
                };
                Ok(Answer::Listing { entries: rows.into_iter().map(entry).collect(), next })
            }
            _ => Err(answer(unexpected())),
        }
    }

    async fn body(&mut self, uid: Uid, offset: u64, bytes_max: usize) -> Result<Answer, Answer> {
        let Maildrop { account, mailbox, .. } = self.locked()?;
        account.read(*mailbox, uid, offset, bytes_max).await.map(Answer::Body).map_err(answer)
    }

    async fn commit(&mut self, uids: UidSet) -> Result<Answer, Answer> {
        let Maildrop { account, lock, mailbox, .. } = self.locked()?;
        if !lock.confirm().await.map_err(answer)? {
            return Err(lost());
        }
        let login = account.login();
        let expunge = MailCommand::Expunge { login, mailbox: *mailbox, uids, which: ExpungeWhich::All };
        match account.propose(&Command::Mail(expunge), Vec::new()).await.map_err(answer)? {
            Reply::Expunged { .. } | Reply::Done => Ok(Answer::Committed),
            _ => Err(answer(unexpected())),
        }
    }

    fn locked(&mut self) -> Result<&mut Maildrop, Answer> {
        self.maildrop.as_mut().ok_or_else(|| answer(unexpected()))
    }
}

impl Rim<Pop3Session> for Pop3Rim {
    async fn ask(&mut self, ask: Ask) -> Answer {
        let answered = match ask {
            Ask::Sasl(question) => self.sasl(question).await,
            Ask::Login(claim) => self.login(claim).await,
            Ask::Listing { from } => self.listing(from).await,
            Ask::Body { uid, offset, bytes_max } => self.body(uid, offset, bytes_max).await,
            Ask::Commit { uids } => self.commit(uids).await,
            Ask::Release => {
                Rim::<Pop3Session>::close(self, None).await;
                Ok(Answer::Released)
            }
        };
        answered.unwrap_or_else(|refused| refused)
    }

    async fn event(&mut self) -> Answer {
        match &self.maildrop {
            Some(maildrop) => {
                maildrop.lock.lost().await;
                lost()
            }
            None => std::future::pending().await,
        }
    }

    async fn close(&mut self, _: Option<String>) {
        if let Some(maildrop) = self.maildrop.take() {
            maildrop.lock.release().await;
        }
    }
}

fn denied(denial: &LoginDenial) -> Answer {
    Answer::Refused(refusal_text::pop3_login(denial))
}

fn lost() -> Answer {
    Answer::Ended(refusal_text::pop3(&Refusal::MailboxLocked))
}

fn answer(trouble: Trouble) -> Answer {
    match trouble {
        Trouble::Refused(refusal) => Answer::Refused(refusal_text::pop3(&refusal)),
        Trouble::LoginLost => Answer::Ended(refusal_text::pop3(&Refusal::StaleGeneration)),
        Trouble::Unavailable => Answer::Refused(refusal_text::pop3_unavailable()),
    }
}
