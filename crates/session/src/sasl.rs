//! SASL exchanges of all three protocols (RFC 4422): PLAIN (RFC 4616) and LOGIN (obsolete, and what Outlook speaks).
//!
//! An [`Exchange`] starts from a mechanism and, if the client sent one, an initial response (RFC 4954 §4, RFC 5034 §4, RFC 4959 §3);
//! each line of the client consumes it and gives the next challenge, the credentials, or an error. Nothing is checked against
//! anything here: that is the rim's answer. Whether the mechanism may be used at all (TLS) is the protocol's decision.
//!
//! Bounds: the caller bounds the line; the decoded user name and password are bounded by `PATH_BYTES_MAX` and
//! `PASSWORD_BYTES_MAX`. Decoded octets are wiped when dropped. The authorization identity must be empty or equal to the
//! authentication identity: there is no acting for others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yubin_types::{Secret, limits};

/// What is offered in EHLO, CAPA and CAPABILITY, in this order.
pub const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// `User Name`, then `Password`.
    Login,
}

impl Mechanism {
    /// Its name as a client writes it, in any case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Mechanism> {
        MECHANISMS.into_iter().find(|mechanism| mechanism.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

/// What a client claims; for the rim to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user name as it was sent; valid UTF-8, not empty, without NUL.
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

/// Why an exchange ended without credentials.
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
    /// A user name or password beyond its bound.
    #[error("response too long")]
    TooLong,
    /// The client asked to act for another user.
    #[error("authorization identity must be empty or equal to the user name")]
    Authorization,
}

/// Where an exchange stands after a message of the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send [`Exchange::challenge`], read a line, feed it.
    Continue(Exchange),
    /// The client has said all.
    Done(Credentials),
}

/// An exchange that waits for the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Exchange {
    /// PLAIN without an initial response.
    Plain,
    /// LOGIN waits for the user name.
    LoginUser,
    /// LOGIN waits for the password.
    LoginPassword {
        /// The decoded user name.
        user: Vec<u8>,
    },
}

impl Exchange {
    /// Starts; `initial` is the initial response as it was sent: base64, or `=` for an empty one.
    ///
    /// # Errors
    /// See [`SaslError`].
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> Result<Progress, SaslError> {
        let exchange = match mechanism {
            Mechanism::Plain => Exchange::Plain,
            Mechanism::Login => Exchange::LoginUser,
        };
        match initial {
            None => Ok(Progress::Continue(exchange)),
            Some(b"=") => exchange.decoded(&[]),
            Some(text) => exchange.respond(text),
        }
    }

    /// The challenge in base64, as it goes after `334 ` or `+ `.
    #[must_use]
    pub const fn challenge(&self) -> &'static str {
        match self {
            Exchange::Plain => "",
            Exchange::LoginUser => "VXNlcm5hbWU6",
            Exchange::LoginPassword { .. } => "UGFzc3dvcmQ6",
        }
    }

    /// The client's next line, without its line end.
    ///
    /// # Errors
    /// See [`SaslError`].
    pub fn respond(self, line: &[u8]) -> Result<Progress, SaslError> {
        if line == b"*" {
            return Err(SaslError::Cancelled);
        }
        // Secret: the octets are wiped when it is dropped.
        let message = Secret::new(STANDARD.decode(line).map_err(|_| SaslError::Base64)?);
        self.decoded(message.expose())
    }

    fn decoded(self, message: &[u8]) -> Result<Progress, SaslError> {
        match self {
            Exchange::Plain => plain(message).map(Progress::Done),
            Exchange::LoginUser if message.len() > limits::PATH_BYTES_MAX => Err(SaslError::TooLong),
            Exchange::LoginUser => Ok(Progress::Continue(Exchange::LoginPassword { user: message.to_vec() })),
            Exchange::LoginPassword { user } => Credentials::new(&user, message).map(Progress::Done),
        }
    }
}

/// RFC 4616 §2: `[authzid] NUL authcid NUL passwd`.
fn plain(message: &[u8]) -> Result<Credentials, SaslError> {
    let mut fields = message.split(|&byte| byte == 0);
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(authorization), Some(user), Some(password), None) => {
            if !authorization.is_empty() && authorization != user {
                return Err(SaslError::Authorization);
            }
            Credentials::new(user, password)
        }
        _ => Err(SaslError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use yubin_types::Secret;

    use super::{Credentials, Exchange, Mechanism, Progress, SaslError};

    fn plain(message: &str) -> Result<Progress, SaslError> {
        Exchange::start(Mechanism::Plain, Some(STANDARD.encode(message).as_bytes()))
    }

    fn done(user: &str, password: &str) -> Result<Progress, SaslError> {
        Ok(Progress::Done(Credentials { user: user.into(), password: Secret::new(password) }))
    }

    #[test]
    fn plain_takes_its_three_fields() {
        assert_eq!(plain("\0tim@example.jp\0tan staaf"), done("tim@example.jp", "tan staaf"));
        assert_eq!(plain("tim\0tim\0pässword"), done("tim", "pässword"));
        assert_eq!(plain("other\0tim\0secret"), Err(SaslError::Authorization));
        for malformed in ["", "\0", "\0\0", "\0tim\0", "\0\0secret", "\0tim", "\0tim\0a\0b", "\0t\nim\0secret"] {
            assert_eq!(plain(malformed), Err(SaslError::Malformed), "{malformed:?}");
        }
        assert_eq!(plain(&format!("\0tim\0{}", "x".repeat(1_025))), Err(SaslError::TooLong));
        assert_eq!(plain(&format!("\0{}\0x", "x".repeat(321))), Err(SaslError::TooLong));
    }

    #[test]
    fn plain_without_an_initial_response_gets_an_empty_challenge() {
        let Ok(Progress::Continue(exchange)) = Exchange::start(Mechanism::Plain, None) else { panic!() };
        assert_eq!(exchange.challenge(), "");
        assert_eq!(exchange.respond(b"AHRpbQB0YW5zdGFhZg=="), done("tim", "tanstaaf"));
    }

    #[test]
    fn login_asks_for_user_then_password() {
        let Ok(Progress::Continue(user)) = Exchange::start(Mechanism::Login, None) else { panic!() };
        assert_eq!(STANDARD.decode(user.challenge()).unwrap(), b"Username:");
        let Ok(Progress::Continue(password)) = user.respond(b"dGlt") else { panic!() };
        assert_eq!(STANDARD.decode(password.challenge()).unwrap(), b"Password:");
        assert_eq!(password.respond(b"dGFuc3RhYWY="), done("tim", "tanstaaf"));

        let Ok(Progress::Continue(password)) = Exchange::start(Mechanism::Login, Some(b"dGlt")) else { panic!() };
        assert_eq!(password.respond(b""), Err(SaslError::Malformed));
    }

    #[test]
    fn an_exchange_can_be_cancelled_and_bad_base64_is_told_apart() {
        for mechanism in super::MECHANISMS {
            assert_eq!(Exchange::start(mechanism, Some(b"*")), Err(SaslError::Cancelled));
            for bad in [&b"dGlt="[..], b"dG t", b"====", b"dGl", b"\xff", b"=="] {
                assert_eq!(Exchange::start(mechanism, Some(bad)), Err(SaslError::Base64), "{bad:?}");
            }
        }
        assert_eq!(Exchange::start(Mechanism::Plain, Some(b"=")), Err(SaslError::Malformed));
    }

    #[test]
    fn mechanism_names_ignore_case() {
        assert_eq!(Mechanism::parse(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::parse(b"LOGIN"), Some(Mechanism::Login));
        assert_eq!(Mechanism::parse(b"CRAM-MD5"), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(first in prop::collection::vec(any::<u8>(), 0..64), second in ".{0,64}") {
            for mechanism in super::MECHANISMS {
                if let Ok(Progress::Continue(exchange)) = Exchange::start(mechanism, Some(&first)) {
                    let _ = exchange.respond(STANDARD.encode(&second).as_bytes());
                }
            }
        }
    }
}
