//! What a session is told unasked: its mailbox changed (IDLE), its login is over.
//!
//! A wake-up says only that something may have changed. News of the mailbox are passed on, and the session looks; news of logins are
//! looked into here, and only a login that is really over is told. News that the session could not look at, because the store was out of
//! reach, are told again. Everything that was heard is kept in fields, so that a wait may be dropped at any point.

use std::time::Duration;

use tokio::time::Instant;
use yubin_proto::watch::Subscription;
use yubin_session::imap::Answer;
use yubin_state::{Query, Topic};

use crate::account::{Account, Trouble};

/// Pause before the login or the mailbox is looked at again while the store can't be reached.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A session's ears.
pub(super) struct News {
    logins: Subscription,
    standing: Standing,
    mail: Option<Subscription>,
    /// When the mailbox is to be looked at again.
    again: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Good when it was last looked at, and nothing was heard since.
    Good,
    /// Something was heard.
    Doubtful,
}

impl News {
    pub(super) fn of(account: &Account) -> Self {
        let (domain, id) = (account.scope().domain, account.login().account);
        let topics = [Topic::AccountLogin(domain, id).number(), Topic::DomainLogin(domain).number()];
        let logins = account.store().subscribe(account.scope().group, &topics);
        // What changed between the check of the password and this subscription has to be looked for.
        News { logins, standing: Standing::Doubtful, mail: None, again: None }
    }

    /// From now on changes of the account's mail are told. The session looks once by itself afterwards.
    pub(super) fn watch_mail(&mut self, account: &Account) {
        let scope = account.scope();
        let topic = Topic::Mail(scope.domain, account.login().account).number();
        self.mail = Some(account.store().subscribe(scope.group, &[topic]));
    }

    pub(super) fn unwatch_mail(&mut self) {
        self.mail = None;
        self.again = None;
    }

    /// The session looked in vain: the store is out of reach. While mail is watched it is told to look again.
    pub(super) fn look_again(&mut self) {
        if self.mail.is_some() {
            self.again = Some(Instant::now() + RETRY_PAUSE);
        }
    }

    /// The next news.
    pub(super) async fn next(&mut self, account: &mut Account) -> Answer {
        loop {
            if self.standing == Standing::Doubtful {
                match account.query(Query::CheckLogin(account.login())).await {
                    Ok(_) => self.standing = Standing::Good,
                    Err(Trouble::LoginLost | Trouble::Refused(_)) => return Answer::LoginRevoked,
                    Err(Trouble::Unavailable) => tokio::time::sleep(RETRY_PAUSE).await,
                }
                continue;
            }
            tokio::select! {
                () = self.logins.changed() => self.standing = Standing::Doubtful,
                () = changed(self.mail.as_ref()) => return Answer::Changed,
                () = reached(self.again) => {
                    self.again = None;
                    return Answer::Changed;
                }
            }
        }
    }
}

async fn changed(subscription: Option<&Subscription>) {
    match subscription {
        Some(subscription) => subscription.changed().await,
        None => std::future::pending().await,
    }
}

async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
