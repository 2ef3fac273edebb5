//! Passwords: who is this, and is it their password?
//!
//! Every login makes one linearizable read of the account's generation and verifiers, so that a changed password or a suspension
//! counts from the moment that its administrative call returned. A password is tried with the fast verifier first; the first login
//! after a change takes Argon2id on a bounded pool and writes the fast verifier back for all front ends. A SCRAM proof costs neither,
//! and two reads: one for the salt, one when the proof came.
//!
//! A login that fails is answered [`FAILURE_TIME`] after it came, whatever it failed for: unknown domain, unknown user, wrong password
//! with or without Argon2. Time tells nothing about which addresses exist, and guessing costs the guesser, not this machine; users
//! that don't exist have a salt for SCRAM, too. That an account is suspended is told only to who knows its password. Infrastructure
//! that fails is never called a wrong password. Who guesses waits ([`guard`]), and is told so after the same time.
//! A token says who it is by itself, and its issuer vouches for it ([`issuers`]); one that is no good counts as a wrong password does.

mod guard;
pub(crate) mod issuers;
mod slow;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use yubin_password::{FakeSalts, FastVerifier, verify_scram};
use yubin_policy::LoginDenial;
use yubin_proto::{Caller, Hosted, StoreClient, StoreError};
use yubin_session::sasl::{BearerToken, ScramParameters, ScramProof};
use yubin_state::command::{DomainCommand, Login};
use yubin_state::query::Credentials;
use yubin_state::{Answer, Command, Query};
use yubin_types::{Address, CountryRules, Secret};

use crate::config::FrontendConfig;
use guard::{Guard, Guess};
use issuers::Issuers;
use slow::{SlowVerifier, Verified};

/// When a failed login is answered; longer than Argon2id takes on a machine in use.
const FAILURE_TIME: Duration = Duration::from_secs(1);

/// Checks logins. One for all connections of a process.
#[derive(Debug)]
pub(crate) struct Authenticator {
    store: Arc<StoreClient>,
    fast: FastVerifier,
    slow: SlowVerifier,
    fakes: FakeSalts,
    guard: Guard,
    issuers: Option<Issuers>,
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
    /// From where it may send.
    pub(crate) countries: CountryRules,
}

impl Authenticator {
    pub(crate) fn new(store: Arc<StoreClient>, cluster_secret: &Secret, config: &FrontendConfig) -> Self {
        Authenticator {
            store,
            fast: FastVerifier::new(cluster_secret),
            slow: SlowVerifier::new(),
            fakes: FakeSalts::new(cluster_secret),
            guard: Guard::new(config.guessing.clone()),
            issuers: config.issuers.clone().map(Issuers::new),
        }
    }

    /// Checks a login by full address and password.
    ///
    /// # Errors
    /// Why not; a suspension is named only to who knows the password.
    pub(crate) async fn login(&self, user: &str, password: &Secret, caller: &Caller) -> Result<Identity, LoginDenial> {
        let check = async {
            let (hosted, credentials) = self.look_up(user).await?.ok_or(LoginDenial::WrongCredentials)?;
            self.verify(&hosted, &credentials, password, caller).await?;
            Ok((hosted, credentials))
        };
        let (hosted, credentials) = self.guarded(user, caller, Some(password), check).await?;
        admit(hosted, credentials)
    }

    /// How a user proves the password by SCRAM; who does not exist gets an answer as well.
    ///
    /// # Errors
    /// [`LoginDenial::Unavailable`], [`LoginDenial::TooManyFailures`].
    pub(crate) async fn scram_parameters(&self, user: &str, caller: &Caller) -> Result<ScramParameters, LoginDenial> {
        let key = name_key(user);
        self.guard.admit(Guess { peer: caller.peer, user: &key })?;
        let verifier = match self.look_up(user).await? {
            Some((_, credentials)) => credentials.verifiers.scram_sha_256,
            None => self.fakes.verifier(&key),
        };
        let nonce = format!("{:032x}", rand::random::<u128>());
        Ok(ScramParameters { salt: verifier.salt.to_vec(), iterations: verifier.iterations, nonce })
    }

    /// Checks a login by full address and SCRAM proof. The verifiers are read again: a password that was changed since the exchange
    /// began is refused.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub(crate) async fn scram_login(
        &self,
        proof: &ScramProof,
        caller: &Caller,
    ) -> Result<(Identity, [u8; 32]), LoginDenial> {
        let check = async {
            let (hosted, credentials) = self.look_up(&proof.user).await?.ok_or(LoginDenial::WrongCredentials)?;
            let verifier = &credentials.verifiers.scram_sha_256;
            let signature = verify_scram(verifier, proof.auth_message.as_bytes(), &proof.proof);
            Ok((hosted, credentials, signature.ok_or(LoginDenial::WrongCredentials)?))
        };
        let (hosted, credentials, signature) = self.guarded(&proof.user, caller, None, check).await?;
        Ok((admit(hosted, credentials)?, signature))
    }

    /// Checks a login by token, of whom it names or of whom the client says that it names.
    ///
    /// # Errors
    /// Why not; a suspension is named only to whom the issuer vouches for.
    pub(crate) async fn token_login(&self, bearer: &BearerToken, caller: &Caller) -> Result<Identity, LoginDenial> {
        let check = async {
            let issuers = self.issuers.as_ref().ok_or(LoginDenial::InvalidToken)?;
            let named = issuers.judge(&bearer.token).await?.to_string();
            if bearer.user.as_ref().is_some_and(|claimed| name_key(claimed) != name_key(&named)) {
                return Err(LoginDenial::InvalidToken);
            }
            self.look_up(&named).await?.ok_or(LoginDenial::InvalidToken)
        };
        // The same old token again, as clients show it, counts once.
        let user = bearer.user.as_deref().unwrap_or_default();
        let (hosted, credentials) = self.guarded(user, caller, Some(&bearer.token), check).await?;
        admit(hosted, credentials)
    }

    /// Checks a password or token unless its guesser has to wait, and counts what came of it. All failures take the same time.
    async fn guarded<T>(
        &self,
        user: &str,
        caller: &Caller,
        password: Option<&Secret>,
        check: impl Future<Output = Result<T, LoginDenial>>,
    ) -> Result<T, LoginDenial> {
        let answered = Instant::now() + FAILURE_TIME;
        let key = name_key(user);
        let guess = Guess { peer: caller.peer, user: &key };
        let outcome = match self.guard.admit(guess) {
            Ok(()) => check.await,
            Err(denial) => Err(denial),
        };
        let outcome = match outcome {
            Ok(checked) => self.guard.right(guess).map(|()| checked),
            Err(denial) => {
                if matches!(denial, LoginDenial::WrongCredentials | LoginDenial::InvalidToken) {
                    self.guard.wrong(guess, password);
                }
                Err(denial)
            }
        };
        let failed = matches!(
            outcome,
            Err(LoginDenial::WrongCredentials | LoginDenial::InvalidToken | LoginDenial::TooManyFailures { .. })
        );
        if failed {
            tokio::time::sleep_until(answered).await;
        }
        outcome
    }

    /// What is known of a user; `None`: there is no such user. Who did not show a password yet learns of no suspension.
    async fn look_up(&self, user: &str) -> Result<Option<(Arc<Hosted>, Credentials)>, LoginDenial> {
        let Ok(address) = Address::parse(user) else { return Ok(None) };
        let asked = self.store.ask(&address.domain, Query::Credentials(address.local)).await;
        match asked.map_err(unavailable)? {
            None => Ok(None),
            Some((hosted, Answer::Credentials(credentials))) => Ok(Some((hosted, credentials))),
            Some((_, Answer::Refused(refusal))) => match LoginDenial::from(refusal) {
                LoginDenial::Unavailable => Err(LoginDenial::Unavailable),
                _ => Ok(None),
            },
            Some(_) => Err(LoginDenial::Unavailable),
        }
    }

    async fn verify(
        &self,
        hosted: &Hosted,
        credentials: &Credentials,
        password: &Secret,
        caller: &Caller,
    ) -> Result<(), LoginDenial> {
        let login = credentials.login;
        match credentials.fast {
            Some(mac) if self.fast.verify(credentials.domain, login, password, &mac) => Ok(()),
            // It was made of the one right password of this generation: another one is wrong.
            Some(_) => Err(LoginDenial::WrongCredentials),
            None => match self.slow.verify(credentials.verifiers.argon2id.clone(), password).await {
                Some(Verified::Right) => {
                    self.write_back(hosted, login, password, caller);
                    Ok(())
                }
                Some(Verified::Wrong) => Err(LoginDenial::WrongCredentials),
                None => Err(LoginDenial::Unavailable),
            },
        }
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

/// The user name as lookups compare it, so that all spellings of an address are one; a name that is none, as it came.
fn name_key(user: &str) -> String {
    match Address::parse(user) {
        Ok(address) => format!("{}@{}", address.local.key(), address.domain),
        Err(_) => user.to_owned(),
    }
}

/// The password was right: may the account be used?
fn admit(hosted: Arc<Hosted>, credentials: Credentials) -> Result<Identity, LoginDenial> {
    match credentials.refused {
        Some(refusal) => Err(LoginDenial::from(refusal)),
        None => {
            let address = Address { local: credentials.local, domain: hosted.name.clone() };
            Ok(Identity { hosted, login: credentials.login, address, countries: credentials.countries })
        }
    }
}

fn unavailable(error: StoreError) -> LoginDenial {
    tracing::warn!(%error, "the store is out of reach");
    LoginDenial::Unavailable
}
