//! From the connection to readiness: greeting, EHLO or HELO, STARTTLS, AUTH.
//!
//! Whatever stands behind the reply to STARTTLS in clear was put there by somebody else, and ends the connection. A refused or missing
//! STARTTLS ends it where TLS is required, and is passed over where it is not. A password goes over TLS only, unless configured.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yubin_types::Secret;

use super::contract::{Ask, FailureKind, Stage, StartTls};
use super::extensions::{Extension, Extensions};
use super::reply::{Lines, Reply};
use super::session::{Heard, Phase, SmtpClient, conclusion};
use crate::sasl::{Credentials, Mechanism};
use crate::security::PlaintextLogin;
use crate::step::Step;

/// What the server owes a reply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth(AuthStep),
}

/// What AUTH waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthStep {
    /// LOGIN: the challenge for the user name.
    User,
    /// LOGIN: the challenge for the password.
    Password,
    /// The verdict.
    Verdict,
}

impl Opening {
    const fn stage(self) -> Stage {
        match self {
            Opening::Greeting => Stage::Greeting,
            Opening::Ehlo | Opening::Helo => Stage::Hello,
            Opening::StartTls => Stage::StartTls,
            Opening::Auth(_) => Stage::Auth,
        }
    }
}

impl SmtpClient {
    pub(super) fn open(&mut self, opening: Opening) -> Option<Step<Ask>> {
        let limits = &self.config.time_limits;
        let seconds_max = if opening == Opening::Greeting { limits.greeting_seconds } else { limits.hello_seconds };
        match self.hear(seconds_max) {
            Heard::Wait(step) => {
                self.phase = Phase::Opening(opening);
                Some(step)
            }
            Heard::Never(kind) => {
                self.failed(opening.stage(), kind, conclusion(kind, opening.stage()));
                None
            }
            Heard::Reply(lines) => {
                self.opened(opening, &lines);
                None
            }
        }
    }

    /// Says EHLO.
    pub(super) fn hello(&mut self) {
        let line = format!("EHLO {}", self.config.hello);
        self.command(&line);
        self.phase = Phase::Opening(Opening::Ehlo);
    }

    fn opened(&mut self, opening: Opening, lines: &Lines) {
        let reply = &lines.reply;
        match opening {
            Opening::Greeting if reply.code == 220 => self.hello(),
            Opening::Ehlo if reply.is_positive() => {
                self.server.extensions = Extensions::parse(lines.lines());
                self.greeted();
            }
            // RFC 5321 §3.2: older servers.
            Opening::Ehlo if reply.is_permanent() => {
                let line = format!("HELO {}", self.config.hello);
                self.command(&line);
                self.phase = Phase::Opening(Opening::Helo);
            }
            Opening::Helo if reply.is_positive() => self.greeted(),
            Opening::StartTls if reply.code == 220 => {
                if self.replies.is_empty() {
                    self.phase = Phase::Handshake;
                } else {
                    self.note(|| "more than a reply to STARTTLS".to_owned());
                    let kind = FailureKind::Garbled;
                    self.failed(Stage::StartTls, kind, conclusion(kind, Stage::StartTls));
                }
            }
            Opening::StartTls if reply.code != 421 && reply.code >= 400 => self.without_tls("refused by the server"),
            Opening::Auth(step) => self.authenticating(step, reply),
            _ => self.refused(opening.stage(), reply),
        }
    }

    /// A reply that ends the connection.
    fn refused(&mut self, stage: Stage, reply: &Reply) {
        if reply.is_transient() || reply.is_permanent() {
            self.failed(stage, FailureKind::Refused, reply.clone());
        } else {
            self.failed(stage, FailureKind::Garbled, conclusion(FailureKind::Garbled, stage));
        }
    }

    /// The server is greeted: what comes next?
    fn greeted(&mut self) {
        let offered = self.server.extensions.has(Extension::StartTls);
        match (&self.config.tls, self.server.tls.is_some()) {
            (StartTls::WhenOffered | StartTls::Required, false) if offered => {
                self.command("STARTTLS");
                self.phase = Phase::Opening(Opening::StartTls);
            }
            (StartTls::Required, false) => self.without_tls("not offered by the server"),
            _ => self.login(),
        }
    }

    /// There is no TLS to be had.
    fn without_tls(&mut self, why: &str) {
        if self.config.tls == StartTls::Required {
            let reply = Reply::conclusion(451, (4, 7, 4), &format!("TLS is required but was {why}"));
            self.failed(Stage::StartTls, FailureKind::NoTls, reply);
        } else {
            self.note(|| format!("going on without TLS, which was {why}"));
            self.login();
        }
    }

    fn login(&mut self) {
        let Some(login) = self.config.login.clone() else { return self.ready() };
        if self.server.tls.is_none() && self.config.plaintext_login == PlaintextLogin::Refuse {
            return self.no_login("a password is sent over TLS only, and there is none");
        }
        match self.server.extensions.mechanism() {
            Some(Mechanism::Plain) => {
                let response = Secret::new(STANDARD.encode(plain(&login).expose()));
                let line = Secret::new([b"AUTH PLAIN ", response.expose()].concat());
                self.secret_line("AUTH PLAIN ***", line.expose());
                self.phase = Phase::Opening(Opening::Auth(AuthStep::Verdict));
            }
            Some(Mechanism::Login) => {
                self.command("AUTH LOGIN");
                self.phase = Phase::Opening(Opening::Auth(AuthStep::User));
            }
            _ => self.no_login("the server offers neither AUTH PLAIN nor AUTH LOGIN"),
        }
    }

    fn no_login(&mut self, why: &str) {
        self.failed(Stage::Auth, FailureKind::NoLogin, Reply::conclusion(451, (4, 7, 0), why));
    }

    fn authenticating(&mut self, step: AuthStep, reply: &Reply) {
        let Some(login) = self.config.login.clone() else { return self.ready() };
        let (secret, next) = match (step, reply.code) {
            (AuthStep::Verdict, 200..=299) => return self.ready(),
            (AuthStep::User, 334) => (login.user.as_bytes(), AuthStep::Password),
            (AuthStep::Password, 334) => (login.password.expose(), AuthStep::Verdict),
            _ => return self.refused(Stage::Auth, reply),
        };
        let line = Secret::new(STANDARD.encode(secret));
        self.secret_line("***", line.expose());
        self.phase = Phase::Opening(Opening::Auth(next));
    }

    fn ready(&mut self) {
        self.phase = Phase::Asking(Ask::Next(self.server.extensions));
    }
}

/// RFC 4616 §2.
fn plain(login: &Credentials) -> Secret {
    Secret::new([b"\0", login.user.as_bytes(), b"\0", login.password.expose()].concat())
}
