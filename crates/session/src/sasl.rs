//! SASL exchanges of all three protocols (RFC 4422): SCRAM-SHA-256 with and without channel binding (RFC 7677, RFC 9266), OAUTHBEARER
//! (RFC 7628) and XOAUTH2, PLAIN (RFC 4616) and LOGIN (obsolete, and what Outlook speaks).
//!
//! An [`Exchange`] starts from a mechanism and, if the client sent one, an initial response (RFC 4954 §4, RFC 5034 §4, RFC 4959 §3);
//! each line of the client consumes it and gives the next challenge, a question to the rim, what the client claims, or an error.
//! Nothing is checked against anything here, and nothing is random: verifiers and nonces are the rim's. Whether anybody may log in
//! at all (TLS) is the protocol's decision; what is on offer then, an [`Offer`] says.
//!
//! Bounds: the caller bounds the line; the decoded user name and password are bounded by `PATH_BYTES_MAX` and
//! `PASSWORD_BYTES_MAX`. Decoded octets are wiped when dropped. The authorization identity must be empty or equal to the
//! authentication identity: there is no acting for others.

mod bearer;
mod contract;
mod offer;
mod scram;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yubin_types::{Secret, limits};

pub use contract::{BearerToken, Claim, Credentials, Question, Reply, SaslError, ScramParameters, ScramProof};
pub use offer::{Offer, TokenLogin};

/// What is spoken, the best first.
pub const MECHANISMS: [Mechanism; 6] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
    Mechanism::Plain,
    Mechanism::Login,
];

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 7677, bound to the TLS connection.
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7628.
    OAuthBearer,
    /// What came before it.
    XOAuth2,
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
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::XOAuth2 => "XOAUTH2",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

/// Where an exchange stands after a message of the client, or an answer of the rim.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send [`Exchange::challenge`], read a line, feed it.
    Continue(Exchange),
    /// Ask the rim, feed its reply to [`Exchange::answer`]; a refusal ends the exchange.
    Ask(Question, Exchange),
    /// The client has said all.
    Done(Claim),
}

/// An exchange that waits for the client, or for the rim.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange(State);

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// PLAIN without an initial response.
    Plain,
    /// LOGIN waits for the user name.
    LoginUser,
    /// LOGIN waits for the password.
    LoginPassword { user: Vec<u8> },
    /// SCRAM waits for the client's first message.
    ScramFirst(scram::Start),
    /// The rim was asked for salt and nonce.
    ScramAsked(scram::First),
    /// SCRAM waits for the proof.
    ScramFinal(scram::Challenged),
    /// The rim was asked about what the client showed.
    Asked,
    /// A token is awaited.
    Token(TokenForm),
    /// The rim was asked about a token.
    TokenAsked(TokenForm),
    /// The token is refused, which is told; whatever the client says to that.
    TokenRejected(TokenForm),
    /// The rim is satisfied; this goes to the client, and it says nothing more.
    Last(String),
}

/// Which of the two mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenForm {
    OAuthBearer,
    XOAuth2,
}

impl Exchange {
    /// Starts; `initial` is the initial response as it was sent: base64, or `=` for an empty one.
    ///
    /// # Errors
    /// See [`SaslError`].
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>, offer: Offer<'_>) -> Result<Progress, SaslError> {
        if !offer.includes(mechanism) {
            return Err(SaslError::NotOffered);
        }
        let binding = offer.security.channel_binding().cloned();
        let exchange = Exchange(match mechanism {
            Mechanism::ScramSha256Plus => State::ScramFirst(scram::Start::bound(binding)),
            Mechanism::ScramSha256 => State::ScramFirst(scram::Start::unbound(binding)),
            Mechanism::OAuthBearer => State::Token(TokenForm::OAuthBearer),
            Mechanism::XOAuth2 => State::Token(TokenForm::XOAuth2),
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginUser,
        });
        match initial {
            None => Ok(Progress::Continue(exchange)),
            Some(b"=") => exchange.decoded(&[]),
            Some(text) => exchange.respond(text),
        }
    }

    /// The challenge in base64, as it goes after `334 ` or `+ `.
    #[must_use]
    pub fn challenge(&self) -> Cow<'static, str> {
        match &self.0 {
            State::LoginUser => Cow::Borrowed("VXNlcm5hbWU6"),
            State::LoginPassword { .. } => Cow::Borrowed("UGFzc3dvcmQ6"),
            State::ScramFinal(challenged) => Cow::Owned(STANDARD.encode(challenged.message())),
            State::Last(message) => Cow::Owned(STANDARD.encode(message)),
            // RFC 7628 §3.2.2, and what XOAUTH2 has in its place.
            State::TokenRejected(TokenForm::OAuthBearer) => {
                Cow::Owned(STANDARD.encode(r#"{"status":"invalid_token"}"#))
            }
            State::TokenRejected(TokenForm::XOAuth2) => {
                Cow::Owned(STANDARD.encode(r#"{"status":"401","schemes":"bearer"}"#))
            }
            State::Plain
            | State::ScramFirst(_)
            | State::ScramAsked(_)
            | State::Asked
            | State::Token(_)
            | State::TokenAsked(_) => Cow::Borrowed(""),
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

    /// The rim's reply to the question; `None` if it answers another one.
    #[must_use]
    pub fn answer(self, reply: Reply) -> Option<Progress> {
        let state = match (self.0, reply) {
            (State::ScramAsked(first), Reply::Scram(parameters)) => State::ScramFinal(first.challenged(&parameters)),
            (State::Asked, Reply::Proven { signature }) => State::Last(format!("v={}", STANDARD.encode(signature))),
            (State::TokenAsked(_), Reply::Granted) => return Some(Progress::Done(Claim::Proven)),
            (State::TokenAsked(form), Reply::Rejected) => State::TokenRejected(form),
            _ => return None,
        };
        Some(Progress::Continue(Exchange(state)))
    }

    fn decoded(self, message: &[u8]) -> Result<Progress, SaslError> {
        match self.0 {
            State::Plain => plain(message).map(|credentials| Progress::Done(Claim::Password(credentials))),
            State::LoginUser if message.len() > limits::PATH_BYTES_MAX => Err(SaslError::TooLong),
            State::LoginUser => Ok(Progress::Continue(Exchange(State::LoginPassword { user: message.to_vec() }))),
            State::LoginPassword { user } => {
                Credentials::new(&user, message).map(|credentials| Progress::Done(Claim::Password(credentials)))
            }
            State::ScramFirst(start) => {
                let first = start.first(message)?;
                let question = Question::Scram { user: first.user().to_owned() };
                Ok(Progress::Ask(question, Exchange(State::ScramAsked(first))))
            }
            State::ScramFinal(challenged) => {
                Ok(Progress::Ask(Question::Proof(challenged.proof(message)?), Exchange(State::Asked)))
            }
            State::Token(form) => {
                let token = match form {
                    TokenForm::OAuthBearer => bearer::oauthbearer(message)?,
                    TokenForm::XOAuth2 => bearer::xoauth2(message)?,
                };
                Ok(Progress::Ask(Question::Token(token), Exchange(State::TokenAsked(form))))
            }
            State::TokenRejected(_) => Ok(Progress::Done(Claim::Proven)),
            State::Last(_) if message.is_empty() => Ok(Progress::Done(Claim::Proven)),
            State::Last(_) | State::ScramAsked(_) | State::Asked | State::TokenAsked(_) => Err(SaslError::Malformed),
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

    use super::{Claim, Credentials, Exchange, Mechanism, Offer, Progress, SaslError, TokenLogin};
    use crate::security::Security;
    use crate::step::TlsFacts;

    fn tls() -> Security {
        Security::Encrypted(TlsFacts {
            version: String::new(),
            cipher: String::new(),
            server_name: None,
            channel_binding: None,
        })
    }

    fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> Result<Progress, SaslError> {
        let offer = Offer { security: &tls(), tokens: TokenLogin::Allow };
        Exchange::start(mechanism, initial, offer)
    }

    fn plain(message: &str) -> Result<Progress, SaslError> {
        start(Mechanism::Plain, Some(STANDARD.encode(message).as_bytes()))
    }

    fn done(user: &str, password: &str) -> Result<Progress, SaslError> {
        let credentials = Credentials { user: user.into(), password: Secret::new(password) };
        Ok(Progress::Done(Claim::Password(credentials)))
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
        let Ok(Progress::Continue(exchange)) = start(Mechanism::Plain, None) else { panic!() };
        assert_eq!(exchange.challenge(), "");
        assert_eq!(exchange.respond(b"AHRpbQB0YW5zdGFhZg=="), done("tim", "tanstaaf"));
    }

    #[test]
    fn login_asks_for_user_then_password() {
        let Ok(Progress::Continue(user)) = start(Mechanism::Login, None) else { panic!() };
        assert_eq!(STANDARD.decode(user.challenge().as_ref()).unwrap(), b"Username:");
        let Ok(Progress::Continue(password)) = user.respond(b"dGlt") else { panic!() };
        assert_eq!(STANDARD.decode(password.challenge().as_ref()).unwrap(), b"Password:");
        assert_eq!(password.respond(b"dGFuc3RhYWY="), done("tim", "tanstaaf"));

        let Ok(Progress::Continue(password)) = start(Mechanism::Login, Some(b"dGlt")) else { panic!() };
        assert_eq!(password.respond(b""), Err(SaslError::Malformed));
    }

    #[test]
    fn an_exchange_can_be_cancelled_and_bad_base64_is_told_apart() {
        for mechanism in [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login] {
            assert_eq!(start(mechanism, Some(b"*")), Err(SaslError::Cancelled));
            for bad in [&b"dGlt="[..], b"dG t", b"====", b"dGl", b"\xff", b"=="] {
                assert_eq!(start(mechanism, Some(bad)), Err(SaslError::Base64), "{bad:?}");
            }
        }
        assert_eq!(start(Mechanism::Plain, Some(b"=")), Err(SaslError::Malformed));
    }

    #[test]
    fn tokens_need_tls_and_an_issuer() {
        for (security, tokens) in [
            (Security::Clear, TokenLogin::Allow),
            (Security::Upgradable, TokenLogin::Allow),
            (tls(), TokenLogin::Refuse),
        ] {
            let offer = Offer { security: &security, tokens };
            assert_eq!(offer.names(), "SCRAM-SHA-256 PLAIN LOGIN");
            for mechanism in [Mechanism::OAuthBearer, Mechanism::XOAuth2] {
                assert_eq!(Exchange::start(mechanism, None, offer), Err(SaslError::NotOffered));
            }
        }
        let offer = Offer { security: &tls(), tokens: TokenLogin::Allow };
        assert_eq!(offer.names(), "SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN");
    }

    #[test]
    fn mechanism_names_ignore_case() {
        assert_eq!(Mechanism::parse(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::parse(b"LOGIN"), Some(Mechanism::Login));
        assert_eq!(Mechanism::parse(b"scram-sha-256-plus"), Some(Mechanism::ScramSha256Plus));
        assert_eq!(Mechanism::parse(b"CRAM-MD5"), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(first in prop::collection::vec(any::<u8>(), 0..64), second in ".{0,64}") {
            for mechanism in super::MECHANISMS {
                if let Ok(Progress::Continue(exchange)) = start(mechanism, Some(&first)) {
                    let _ = exchange.respond(STANDARD.encode(&second).as_bytes());
                }
            }
        }
    }
}
