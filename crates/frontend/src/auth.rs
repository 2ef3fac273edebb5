//! Logins: who is this, and is it their password?
//!
//! Every login makes one linearizable read of the account's generation and verifiers, so that a changed password or a suspension
//! counts from the moment that its administrative call returned. The fast verifier is tried first; the first login after a change
//! takes Argon2id on a bounded pool and writes the fast verifier back for all front ends.
//!
//! A login that fails is answered [`FAILURE_TIME`] after it came, whatever it failed for: unknown domain, unknown user, wrong password
//! with or without Argon2. Time tells nothing about which addresses exist, and guessing costs the guesser, not this machine. That an
//! account is suspended is told only to who knows its password. Infrastructure that fails is never called a wrong password.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use yubin_password::{FastVerifier, verify_argon2id};
use yubin_policy::LoginDenial;
use yubin_proto::{Caller, Hosted, StoreClient, StoreError};
use yubin_state::command::{DomainCommand, Login};
use yubin_state::query::Credentials;
use yubin_state::{Answer, Command, Query};
use yubin_types::{Address, Secret, limits};

use crate::domain;

/// When a failed login is answered; longer than Argon2id takes on a machine in use.
const FAILURE_TIME: Duration = Duration::from_secs(1);

/// Checks logins. One for all connections of a process.
#[derive(Debug)]
pub(crate) struct Authenticator {
    store: Arc<StoreClient>,
    fast: FastVerifier,
    /// Places for Argon2id computations.
    slow_places: Arc<Semaphore>,
    /// Computations that run or wait.
    slow_queue: AtomicUsize,
}

/// Who logged in.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The domain and its place.
    pub(crate) hosted: Arc<Hosted>,
    /// What commands and queries carry.
    pub(crate) login: Login,
    /// The account's own address.
    pub(crate) address: Address,
}

impl Authenticator {
    pub(crate) fn new(store: Arc<StoreClient>, cluster_secret: &Secret) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Authenticator {
            store,
            fast: FastVerifier::new(cluster_secret),
            slow_places: Arc::new(Semaphore::new((processors / 2).max(1))),
            slow_queue: AtomicUsize::new(0),
        }
    }

    /// Checks a login by full address.
    ///
    /// # Errors
    /// Why not; a suspension is named only to who knows the password.
    pub(crate) async fn login(&self, user: &str, password: &Secret, caller: &Caller) -> Result<Identity, LoginDenial> {
        let answered = Instant::now() + FAILURE_TIME;
        let outcome = match Address::parse(user) {
            Ok(address) => self.look_up(&address, password, caller).await,
            Err(_) => Err(LoginDenial::WrongCredentials),
        };
        if matches!(outcome, Err(LoginDenial::WrongCredentials)) {
            tokio::time::sleep_until(answered).await;
        }
        outcome
    }

    async fn look_up(&self, address: &Address, password: &Secret, caller: &Caller) -> Result<Identity, LoginDenial> {
        let asked = domain::ask(&self.store, &address.domain, Query::Credentials(address.local.clone())).await;
        match asked.map_err(unavailable)? {
            None => Err(LoginDenial::WrongCredentials),
            Some((hosted, Answer::Credentials(credentials))) => {
                self.verify(hosted, credentials, password, caller).await
            }
            // Who did not show a password yet learns of no suspension.
            Some((_, Answer::Refused(refusal))) => match LoginDenial::from(refusal) {
                LoginDenial::Unavailable => Err(LoginDenial::Unavailable),
                _ => Err(LoginDenial::WrongCredentials),
            },
            Some(_) => Err(LoginDenial::Unavailable),
        }
    }

    async fn verify(
        &self,
        hosted: Arc<Hosted>,
        credentials: Credentials,
        password: &Secret,
        caller: &Caller,
    ) -> Result<Identity, LoginDenial> {
        let login = credentials.login;
        match credentials.fast {
            Some(mac) if self.fast.verify(credentials.domain, login, password, &mac) => {}
            // It was made of the one right password of this generation: another one is wrong.
            Some(_) => return Err(LoginDenial::WrongCredentials),
            None => match self.verify_slowly(credentials.verifiers.argon2id, password).await {
                Some(Verified::Right) => self.write_back(&hosted, login, password, caller),
                Some(Verified::Wrong) => return Err(LoginDenial::WrongCredentials),
                None => return Err(LoginDenial::Unavailable),
            },
        }
        match credentials.refused {
            Some(refusal) => Err(LoginDenial::from(refusal)),
            None => {
                let address = Address { local: credentials.local, domain: hosted.name.clone() };
                Ok(Identity { hosted, login, address })
            }
        }
    }

    /// Argon2id outside the runtime; `None`: too many wait already.
    async fn verify_slowly(&self, phc: String, password: &Secret) -> Option<Verified> {
        let _queued = Queued::enter(&self.slow_queue)?;
        let place = Arc::clone(&self.slow_places).acquire_owned().await.ok()?;
        let password = password.clone();
        let computed = tokio::task::spawn_blocking(move || {
            let right = verify_argon2id(&phc, &password);
            // The place is free when the computation ends, also if nobody waits for it any more.
            drop(place);
            if right { Verified::Right } else { Verified::Wrong }
        });
        computed.await.ok()
    }

    /// Remembers a verified password for all front ends; the login doesn't wait for it, and without it the next one is slow again.
    fn write_back(&self, hosted: &Hosted, login: Login, password: &Secret, caller: &Caller) {
        let Login { account, generation } = login;
        let mac = self.fast.mac(hosted.id, login, password);
        let command = Command::Domain(DomainCommand::PutFastVerifier { account, generation, mac });
        let (store, scope, caller) = (Arc::clone(&self.store), hosted.scope(), caller.clone());
        tokio::spawn(async move {
            if let Err(error) = store.propose_once(scope, &command, &caller).await {
                tracing::debug!(%error, "a fast verifier was not written");
            }
        });
    }
}

fn unavailable(error: StoreError) -> LoginDenial {
    tracing::warn!(%error, "the store is out of reach");
    LoginDenial::Unavailable
}

enum Verified {
    Right,
    Wrong,
}

/// A place in the queue for slow verification.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(queue: &'a AtomicUsize) -> Option<Self> {
        let before = queue.fetch_add(1, Ordering::Relaxed);
        let queued = Queued(queue);
        (before < limits::SLOW_LOGINS_QUEUED_MAX).then_some(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
