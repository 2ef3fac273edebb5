//! The store as one login sees it: its account's queries and commands, wherever its domain lives, each under its generation.
//!
//! Three things can stand in the way, and they are never mixed: a refusal, a login that is no longer good, and a store that can't be
//! asked. A place that has become stale is looked up again once.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;
use yubin_proto::{
    Body, Caller, Hosted, MessagePiece, MessageSource, Scope, SearchOutcome, SearchRequest, StoreClient, StoreError,
};
use yubin_state::command::Login;
use yubin_state::{Answer, Command, DedupeClass, Query, Reply};
use yubin_types::{MailboxId, Refusal, RequestId, Uid, limits};

use crate::auth::Identity;
use crate::connection::Connection;

/// An account that logged in.
pub(crate) struct Account {
    store: Arc<StoreClient>,
    hosted: Arc<Hosted>,
    login: Login,
    caller: Caller,
    ahead: Option<Ahead>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Refused: nothing was changed.
    Refused(Refusal),
    /// The password, the account or its domain changed since the login.
    LoginLost,
    /// The store can't be asked; the outcome of a command is not known.
    Unavailable,
}

/// Octets that are asked for before the session wants them.
struct Ahead {
    piece: MessagePiece,
    reading: JoinHandle<Result<Result<Bytes, Refusal>, StoreError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Account {
    pub(crate) fn new(connection: &Connection, identity: Identity) -> Self {
        let store = Arc::clone(&connection.shared.store);
        let caller = connection.caller(&identity.address.to_string());
        Account { store, hosted: identity.hosted, login: identity.login, caller, ahead: None }
    }

    pub(crate) const fn login(&self) -> Login {
        self.login
    }

    pub(crate) fn store(&self) -> &Arc<StoreClient> {
        &self.store
    }

    pub(crate) fn scope(&self) -> Scope {
        self.hosted.scope()
    }

    /// Asks; the answer is never a refusal.
    pub(crate) async fn query(&mut self, query: Query) -> Result<Answer, Trouble> {
        let answer = self.store.query(self.scope(), query.clone()).await.map_err(unavailable)?;
        let answer = match answer {
            Answer::Refused(Refusal::StaleEpoch) => {
                self.find_again().await?;
                self.store.query(self.scope(), query).await.map_err(unavailable)?
            }
            answer => answer,
        };
        match answer {
            Answer::Refused(refusal) => Err(refused(refusal)),
            answer => Ok(answer),
        }
    }

    /// Proposes; the reply is never a refusal.
    pub(crate) async fn propose(&mut self, command: &Command, bodies: Vec<Body>) -> Result<Reply, Trouble> {
        let request = (RequestId(rand::random()), DedupeClass::Delivery);
        let reply = self.store.propose(self.scope(), command, request, &self.caller, bodies.clone()).await;
        let reply = match reply.map_err(unavailable)? {
            Reply::Refused(Refusal::StaleEpoch) => {
                self.find_again().await?;
                self.store.propose(self.scope(), command, request, &self.caller, bodies).await.map_err(unavailable)?
            }
            reply => reply,
        };
        match reply {
            Reply::Refused(refusal) => Err(refused(refusal)),
            reply => Ok(reply),
        }
    }

    /// Searches.
    pub(crate) async fn search(&mut self, request: SearchRequest) -> Result<SearchOutcome, Trouble> {
        match self.store.search(self.scope(), request).await.map_err(unavailable)? {
            SearchOutcome::Refused(refusal) => Err(refused(refusal)),
            found => Ok(found),
        }
    }

    /// Reads octets of a message; fewer than asked for come only at its end. When a whole chunk came the next one is asked for ahead.
    pub(crate) async fn read(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        offset: u64,
        length: usize,
    ) -> Result<Bytes, Trouble> {
        let piece = self.piece(mailbox, uid, offset, length);
        let came = match self.ahead.take() {
            Some(mut ahead) if serves(&ahead.piece, &piece) => (&mut ahead.reading)
                .await
                .unwrap_or_else(|_| Err(StoreError::Unavailable("reading ahead stopped".to_owned()))),
            _ => self.store.read_message(self.scope(), piece).await,
        };
        let octets = came.map_err(unavailable)?.map_err(refused)?;
        let octets = octets.slice(..octets.len().min(length));
        if octets.len() == limits::BODY_CHUNK_BYTES {
            self.read_ahead(MessagePiece { offset: offset + octets.len() as u64, ..piece });
        }
        Ok(octets)
    }

    /// The same for octets that nothing is read behind: many may be read at the same time.
    pub(crate) async fn read_alone(
        &self,
        mailbox: MailboxId,
        uid: Uid,
        offset: u64,
        length: usize,
    ) -> Result<Bytes, Trouble> {
        let piece = self.piece(mailbox, uid, offset, length);
        self.store.read_message(self.scope(), piece).await.map_err(unavailable)?.map_err(refused)
    }

    fn piece(&self, mailbox: MailboxId, uid: Uid, offset: u64, length: usize) -> MessagePiece {
        let source = MessageSource::Mailbox { login: self.login, mailbox, uid };
        MessagePiece { source, offset, length: u32::try_from(length).unwrap_or(u32::MAX) }
    }

    fn read_ahead(&mut self, piece: MessagePiece) {
        let (store, scope) = (Arc::clone(&self.store), self.scope());
        let reading = tokio::spawn(async move { store.read_message(scope, piece).await });
        self.ahead = Some(Ahead { piece, reading });
    }

    async fn find_again(&mut self) -> Result<(), Trouble> {
        self.store.forget(&self.hosted.name);
        self.hosted = self.store.resolve(&self.hosted.name).await.map_err(unavailable)?.ok_or(Trouble::LoginLost)?;
        Ok(())
    }
}

/// Do the octets of `ahead` begin with those of `wanted`?
fn serves(ahead: &MessagePiece, wanted: &MessagePiece) -> bool {
    MessagePiece { length: ahead.length, ..*wanted } == *ahead && wanted.length <= ahead.length
}

fn refused(refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::StaleGeneration
        | Refusal::NoSuchAccount
        | Refusal::NoSuchDomain
        | Refusal::AccountSuspended
        | Refusal::DomainSuspended { .. } => Trouble::LoginLost,
        Refusal::StaleEpoch | Refusal::DomainFrozen => Trouble::Unavailable,
        refusal => Trouble::Refused(refusal),
    }
}

fn unavailable(error: StoreError) -> Trouble {
    tracing::warn!(%error, "the store is out of reach");
    Trouble::Unavailable
}

/// An answer of another kind than was asked for: a bug on the other side, or a version too far apart.
pub(crate) fn unexpected() -> Trouble {
    tracing::error!("the store answered another question");
    Trouble::Unavailable
}
