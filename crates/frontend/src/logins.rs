//! The login of a connection: what its session asks in the middle of a SASL exchange, and what a client claims in the end, answered,
//! counted and written to the log.
//!
//! SCRAM proves a password, and a token is judged, before the exchange is over; what came of it is kept here until then.
//! Between its question for the salt and the proof nothing is kept: the proof is checked against what the store says then. Checking a
//! login is boxed, so that a connection does not take the memory for it all its life.

use yubin_policy::LoginDenial;
use yubin_session::sasl::{Claim, Question, Reply};

use crate::auth::Identity;
use crate::connection::Connection;
use crate::metrics::LoginResult;

/// What was found out about the one on this connection.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    settled: Option<Result<Identity, LoginDenial>>,
}

impl Logins {
    /// Answers a question.
    ///
    /// # Errors
    /// The login is refused.
    pub(crate) async fn ask(&mut self, connection: &Connection, question: Question) -> Result<Reply, LoginDenial> {
        let authenticator = &connection.shared.authenticator;
        match question {
            Question::Scram { user } => {
                let caller = connection.caller(&user);
                let asked = Box::pin(authenticator.scram_parameters(&user, &caller)).await;
                match asked {
                    Ok(parameters) => Ok(Reply::Scram(parameters)),
                    Err(denial) => settled(connection, &user, Err(denial)),
                }
            }
            Question::Proof(proof) => {
                let caller = connection.caller(&proof.user);
                let outcome = Box::pin(authenticator.scram_login(&proof, &caller)).await;
                self.settled = None;
                let (identity, signature) = settled(connection, &proof.user, outcome)?;
                self.settled = Some(Ok(identity));
                Ok(Reply::Proven { signature })
            }
            Question::Token(bearer) => {
                let claimed = bearer.user.as_deref().unwrap_or("(whom the token names)");
                let caller = connection.caller(claimed);
                let outcome = Box::pin(authenticator.token_login(&bearer, &caller)).await;
                self.settled = None;
                let user =
                    outcome.as_ref().map_or_else(|_| claimed.to_owned(), |identity| identity.address.to_string());
                let outcome = settled(connection, &user, outcome);
                let reply = match outcome {
                    Ok(_) => Reply::Granted,
                    Err(LoginDenial::InvalidToken) => Reply::Rejected,
                    // The token is not to blame: the client is not told to get another one.
                    Err(denial) => return Err(denial),
                };
                self.settled = Some(outcome);
                Ok(reply)
            }
        }
    }

    /// Decides a claim.
    ///
    /// # Errors
    /// The login is refused.
    pub(crate) async fn claim(&mut self, connection: &Connection, claim: Claim) -> Result<Identity, LoginDenial> {
        match claim {
            Claim::Password(credentials) => {
                let caller = connection.caller(&credentials.user);
                let authenticator = &connection.shared.authenticator;
                let login = authenticator.login(&credentials.user, &credentials.password, &caller);
                let outcome = Box::pin(login).await;
                settled(connection, &credentials.user, outcome)
            }
            Claim::Proven => self.settled.take().unwrap_or(Err(LoginDenial::WrongCredentials)),
        }
    }
}

/// Counts an outcome and writes it to the log.
fn settled<T>(connection: &Connection, user: &str, outcome: Result<T, LoginDenial>) -> Result<T, LoginDenial> {
    let result = match &outcome {
        Ok(_) => LoginResult::Accepted,
        Err(LoginDenial::WrongCredentials | LoginDenial::InvalidToken) => LoginResult::Rejected,
        Err(LoginDenial::Suspended { .. } | LoginDenial::Locked) => LoginResult::Refused,
        Err(LoginDenial::TooManyFailures { .. }) => LoginResult::Throttled,
        Err(LoginDenial::Unavailable) => LoginResult::Unavailable,
    };
    connection.shared.metrics.login(connection.protocol.name(), result);
    if let Err(denial) = &outcome {
        connection.shared.refusals.login(connection, user, denial);
    }
    tracing::info!(user, result = ?result, "login");
    outcome
}
