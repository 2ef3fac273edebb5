//! What an exchange claims, asks of the rim and is answered, and how it fails.
//!
//! A password is one claim, checked when the client has said all. SCRAM asks on its way: salt and nonce for a user, then whether the
//! proof is right; what the rim found out it keeps until the exchange ends with [`Claim::Proven`].

use yubin_types::{Secret, limits};

/// What a client claims when an exchange is over; for the rim to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A name and its password.
    Password(Credentials),
    /// To be who the last question of this exchange has proven: the rim knows, and also whether it has.
    Proven,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user name as it was sent; valid UTF-8, not empty, without control characters.
    pub user: String,
    /// The password; not empty.
    pub password: Secret,
}

impl Credentials {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`SaslError::Malformed`], [`SaslError::TooLong`].
    pub fn new(user: &[u8], password: &[u8]) -> Result<Credentials, SaslError> {
        if user.len() > limits::PATH_BYTES_MAX || password.len() > limits::PASSWORD_BYTES_MAX {
            return Err(SaslError::TooLong);
        }
        let user = std::str::from_utf8(user).map_err(|_| SaslError::Malformed)?;
        if user.is_empty() || password.is_empty() || user.contains(char::is_control) || password.contains(&0) {
            return Err(SaslError::Malformed);
        }
        Ok(Credentials { user: user.to_owned(), password: Secret::new(password) })
    }
}

/// A token in place of a password (RFC 6750).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerToken {
    /// Whom the client says that it names, if it says so; as [`Credentials::user`].
    pub user: Option<String>,
    /// The token; printable ASCII.
    pub token: Secret,
}

/// What an exchange asks of the rim before it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How does this user prove the password? → [`Reply::Scram`], also for users that don't exist.
    Scram {
        /// As [`Credentials::user`].
        user: String,
    },
    /// Is the proof right? → [`Reply::Proven`], or a refusal of the login.
    Proof(ScramProof),
    /// Is the token good? → [`Reply::Granted`] or [`Reply::Rejected`].
    Token(BearerToken),
}

/// What the rim replies; a refusal of the login ends the exchange instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Question::Scram`].
    Scram(ScramParameters),
    /// To [`Question::Proof`]: it is.
    Proven {
        /// ServerSignature (RFC 5802 §3), which proves to the client that we know its password too.
        signature: [u8; 32],
    },
    /// To [`Question::Token`]: it is.
    Granted,
    /// To [`Question::Token`]: it is not; [`Claim::Proven`] will be refused.
    Rejected,
}

/// How a user proves a password (RFC 5802 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramParameters {
    /// `s`.
    pub salt: Vec<u8>,
    /// `i`.
    pub iterations: u32,
    /// Our part of the nonce: printable ASCII without comma, new for every exchange.
    pub nonce: String,
}

/// A client's proof that it knows a password (RFC 5802 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramProof {
    /// As [`Credentials::user`].
    pub user: String,
    /// AuthMessage.
    pub auth_message: String,
    /// ClientProof; 32 octets.
    pub proof: Secret,
}

/// Why an exchange ended without a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The client sent `*`.
    #[error("authentication cancelled")]
    Cancelled,
    /// Not base64.
    #[error("invalid base64")]
    Base64,
    /// Base64 of something that is not a message of the mechanism.
    #[error("malformed response")]
    Malformed,
    /// A user name, password or nonce beyond its bound.
    #[error("response too long")]
    TooLong,
    /// The client asked to act for another user.
    #[error("authorization identity must be empty or equal to the user name")]
    Authorization,
    /// The connection does not have what the mechanism needs.
    #[error("the mechanism is not offered on this connection")]
    NotOffered,
    /// The client wants to be bound to the connection in a way that is not spoken (RFC 9266 replaces `tls-unique`).
    #[error("unsupported channel binding; use SCRAM-SHA-256-PLUS with tls-exporter")]
    BindingType,
    /// The client was not told that channel binding is offered: somebody in between took it out (RFC 5802 §6).
    #[error("channel binding is offered here, and the client was not told so")]
    Downgrade,
    /// The client is bound to another connection: somebody is in between.
    #[error("channel binding does not match this connection")]
    Binding,
}
