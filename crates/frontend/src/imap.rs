//! What an IMAP session asks, answered: a thin translation between its questions and the store's queries and commands.
//!
//! - [`mailboxes`], [`messages`], [`octets`], [`append`]: the questions, by what they are about.
//! - [`changes`]: pages of changes as one.
//! - [`convert`]: the store's words into the session's.
//! - [`news`]: what a session is told unasked.

mod append;
mod changes;
mod convert;
mod mailboxes;
mod messages;
mod news;
mod octets;

use yubin_policy::LoginDenial;
use yubin_policy::refusal_text::{self, Mailbox};
use yubin_session::imap::{Answer, Ask, ImapSession, ask};
use yubin_session::sasl::{Claim, Question};
use yubin_types::ResponseText;

use crate::account::{Account, Trouble, unexpected};
use crate::connection::Connection;
use crate::driver::Rim;
use crate::logins::Logins;
use append::Appending;
use news::News;

/// Answers one IMAP session.
pub(crate) struct ImapRim {
    connection: Connection,
    logins: Logins,
    user: Option<User>,
}

/// Who logged in, and what is under way for them.
struct User {
    connection: Connection,
    account: Account,
    news: News,
    appending: Option<Appending>,
}

impl ImapRim {
    pub(crate) fn new(connection: Connection) -> Self {
        ImapRim { connection, logins: Logins::default(), user: None }
    }

    async fn sasl(&mut self, question: Question) -> Answer {
        self.logins.ask(&self.connection, question).await.map_or_else(|denial| denied(&denial), Answer::Sasl)
    }

    async fn authenticate(&mut self, claim: Claim) -> Answer {
        match self.logins.claim(&self.connection, claim).await {
            Ok(identity) => {
                let account = Account::new(&self.connection, identity);
                let news = News::of(&account);
                self.user = Some(User { connection: self.connection.clone(), account, news, appending: None });
                Answer::LoggedIn
            }
            Err(denial) => denied(&denial),
        }
    }
}

impl User {
    async fn ask(&mut self, ask: Ask) -> Result<Answer, Trouble> {
        match ask {
            Ask::Mailboxes => self.mailboxes().await,
            Ask::Select(name) => self.select(name).await,
            Ask::Watch { .. } => {
                self.news.watch_mail(&self.account);
                Ok(Answer::Done)
            }
            Ask::Unwatch => {
                self.news.unwatch_mail();
                Ok(Answer::Done)
            }
            Ask::Changes { mailbox, since } => {
                let changes = self.changes(mailbox, since).await;
                if matches!(changes, Err(Trouble::Unavailable)) {
                    self.news.look_again();
                }
                changes
            }
            Ask::Rows { mailbox, uids, changed_since, detail } => self.rows(mailbox, uids, changed_since, detail).await,
            Ask::Octets { mailbox, ranges } => self.octets(mailbox, &ranges).await,
            Ask::Search { mailbox, program } => self.search(mailbox, program, Vec::new()).await,
            Ask::Sort { mailbox, criteria, program } => self.search(mailbox, program, criteria).await,
            Ask::StoreFlags { mailbox, uids, operation, flags, unchanged_since } => {
                self.store_flags(mailbox, uids, (operation, flags), unchanged_since).await
            }
            Ask::Copy { mailbox, uids, to } => self.copy(mailbox, uids, to).await,
            Ask::Move { mailbox, uids, to } => self.move_messages(mailbox, uids, to).await,
            Ask::Expunge { mailbox, uids, which } => self.expunge(mailbox, uids, which).await,
            Ask::CreateMailbox { name, special_use } => self.create_mailbox(name, special_use).await,
            Ask::DeleteMailbox(name) => self.delete_mailbox(name).await,
            Ask::RenameMailbox { from, to } => self.rename_mailbox(from, to).await,
            Ask::SetSubscribed { name, subscription } => self.set_subscribed(name, subscription).await,
            Ask::Quotas => self.quotas().await,
            Ask::AppendBegin(message) => self.append_begin(message).await,
            Ask::AppendOctets(octets) => self.append_octets(octets).await,
            Ask::AppendEnd => self.append_end().await,
            Ask::AppendAbort => {
                self.appending = None;
                Ok(Answer::Done)
            }
            // Answered before login too, by the rim itself.
            Ask::Sasl(_) | Ask::Authenticate(_) | Ask::ClientId(_) => Err(unexpected()),
        }
    }
}

impl Rim<ImapSession> for ImapRim {
    async fn ask(&mut self, ask: Ask) -> Answer {
        match (ask, &mut self.user) {
            (Ask::Sasl(question), _) => self.sasl(question).await,
            (Ask::Authenticate(claim), _) => self.authenticate(claim).await,
            (Ask::ClientId(fields), _) => {
                tracing::debug!(?fields, "the client names itself");
                Answer::Done
            }
            (ask, Some(user)) => {
                let mailbox = mailbox_of(&ask);
                user.ask(ask).await.unwrap_or_else(|trouble| answer(trouble, mailbox))
            }
            (_, None) => answer(unexpected(), Mailbox::Subject),
        }
    }

    async fn event(&mut self) -> Answer {
        match &mut self.user {
            Some(user) => user.news.next(&mut user.account).await,
            None => std::future::pending().await,
        }
    }

    async fn close(&mut self, _: Option<String>) {
        self.user = None;
    }
}

fn denied(denial: &LoginDenial) -> Answer {
    match denial {
        LoginDenial::WrongCredentials => Answer::AuthenticationFailed,
        LoginDenial::Unavailable => Answer::Unavailable,
        denial => Answer::Refused(response(refusal_text::imap_login(denial))),
    }
}

fn answer(trouble: Trouble, mailbox: Mailbox) -> Answer {
    match trouble {
        Trouble::Refused(refusal) => Answer::Refused(response(refusal_text::imap(&refusal, mailbox))),
        Trouble::LoginLost => Answer::LoginRevoked,
        Trouble::Unavailable => Answer::Unavailable,
    }
}

fn response(text: ResponseText) -> ask::Refusal {
    ask::Refusal { code: text.code.map(str::to_owned), text: text.text().to_owned() }
}

/// Whose absence a refusal may speak of.
const fn mailbox_of(ask: &Ask) -> Mailbox {
    match ask {
        Ask::Copy { .. } | Ask::Move { .. } | Ask::AppendBegin(_) | Ask::AppendEnd => Mailbox::Target,
        _ => Mailbox::Subject,
    }
}
