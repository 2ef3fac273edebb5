//! LOGIN and AUTHENTICATE (RFC 9051 §6.2.2, §6.2.3; SASL-IR, RFC 4959).
//!
//! The rim says whether a password is right. A wrong one is `AUTHENTICATIONFAILED`, a rim that can't tell is `UNAVAILABLE` and doesn't
//! count as a failure. Without TLS neither command is taken (`PRIVACYREQUIRED`) unless the listener allows it; `Allowed::Login` sees
//! to that before a literal with a password is asked for.

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Turn};
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{self, Capability, Family, When};
use crate::imap::state::{Condstore, User};
use crate::sasl::{Claim, Credentials, Exchange, Mechanism, Progress, SaslError};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command { name: "LOGIN", allowed: Allowed::Login, parse: Parse::Arguments(parse_login) },
        Command { name: "AUTHENTICATE", allowed: Allowed::Login, parse: Parse::Arguments(parse_authenticate) },
    ],
    capabilities: &[
        Capability { name: "SASL-IR", when: When::Always },
        Capability { name: "LOGINDISABLED", when: When::LoginDisabled },
        Capability { name: "AUTH=SCRAM-SHA-256-PLUS", when: When::Offered(Mechanism::ScramSha256Plus) },
        Capability { name: "AUTH=SCRAM-SHA-256", when: When::Offered(Mechanism::ScramSha256) },
        Capability { name: "AUTH=OAUTHBEARER", when: When::Offered(Mechanism::OAuthBearer) },
        Capability { name: "AUTH=XOAUTH2", when: When::Offered(Mechanism::XOAuth2) },
        Capability { name: "AUTH=PLAIN", when: When::LoginAllowed },
        Capability { name: "AUTH=LOGIN", when: When::LoginAllowed },
    ],
};

/// Checks credentials, however they came.
#[derive(Debug)]
struct Login {
    step: LoginStep,
}

#[derive(Debug)]
enum LoginStep {
    /// The exchange before its first message.
    Start(Mechanism, Option<Vec<u8>>),
    /// The exchange waits for a line, or for the rim.
    Exchange(Exchange),
    /// Complete.
    Claim(Claim),
    /// Asked, or over.
    Spent,
}

fn parse_login(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let user = parser.astring()?;
    parser.space()?;
    let password = parser.astring()?;
    // Credentials that can't be anyone's are wrong, not malformed.
    let step = Credentials::new(&user, &password).map(Claim::Password).map_or(LoginStep::Spent, LoginStep::Claim);
    Ok(Box::new(Login { step }))
}

fn parse_authenticate(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let mechanism = Mechanism::parse(parser.atom()?.as_bytes()).ok_or_else(|| Reject::Refused(not_offered()))?;
    parser.skip_spaces();
    let initial = parser.take_while(|byte| byte.is_ascii_graphic());
    let initial = (!initial.is_empty()).then(|| initial.to_vec());
    Ok(Box::new(Login { step: LoginStep::Start(mechanism, initial) }))
}

impl Login {
    fn go_on(&mut self, progress: Result<Progress, SaslError>, out: &mut Output) -> Turn {
        match progress {
            Ok(Progress::Continue(exchange)) => {
                out.text("+ ").text(&exchange.challenge()).text("\r\n");
                self.step = LoginStep::Exchange(exchange);
                Turn::Line
            }
            Ok(Progress::Ask(question, exchange)) => {
                self.step = LoginStep::Exchange(exchange);
                Turn::Ask(Ask::Sasl(question))
            }
            Ok(Progress::Done(claim)) => Turn::Ask(Ask::Authenticate(claim)),
            Err(SaslError::NotOffered) => Turn::Finish(not_offered()),
            Err(error @ (SaslError::BindingType | SaslError::Downgrade | SaslError::Binding)) => {
                let code = Some("AUTHENTICATIONFAILED".to_owned());
                Turn::Finish(Completion::refused(Refusal { code, text: error.to_string() }))
            }
            Err(SaslError::Cancelled) => Turn::Finish(Completion::bad("Authentication cancelled")),
            Err(SaslError::Base64) => Turn::Finish(Completion::bad("Invalid base64")),
            Err(SaslError::Malformed) => Turn::Finish(Completion::bad("Malformed response")),
            Err(SaslError::TooLong) => Turn::Finish(Completion::bad("Response too long")),
            Err(SaslError::Authorization) => {
                Turn::Finish(Completion::no(Some("AUTHORIZATIONFAILED"), "Not allowed to act for another user"))
            }
        }
    }
}

fn not_offered() -> Completion {
    Completion::no(Some("CANNOT"), "Unsupported authentication mechanism")
}

fn failed(cx: &mut Context<'_>) -> Turn {
    cx.state.login_failures += 1;
    Turn::Finish(Completion::no(Some("AUTHENTICATIONFAILED"), "Invalid user name or password"))
}

impl Running for Login {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        match std::mem::replace(&mut self.step, LoginStep::Spent) {
            LoginStep::Start(mechanism, initial) => {
                let progress = Exchange::start(mechanism, initial.as_deref(), cx.config.offer(&cx.state.security));
                self.go_on(progress, cx.out)
            }
            LoginStep::Claim(claim) => Turn::Ask(Ask::Authenticate(claim)),
            LoginStep::Exchange(_) | LoginStep::Spent => failed(cx),
        }
    }

    fn line(&mut self, line: &[u8], cx: &mut Context<'_>) -> Turn {
        match std::mem::replace(&mut self.step, LoginStep::Spent) {
            LoginStep::Exchange(exchange) => self.go_on(exchange.respond(line), cx.out),
            _ => Turn::broken(),
        }
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match answer {
            Answer::Sasl(reply) => match std::mem::replace(&mut self.step, LoginStep::Spent) {
                LoginStep::Exchange(exchange) => match exchange.answer(reply) {
                    Some(progress) => self.go_on(Ok(progress), cx.out),
                    None => Turn::broken(),
                },
                _ => Turn::broken(),
            },
            Answer::LoggedIn => {
                cx.state.user = Some(User { condstore: Condstore::Off, selected: None });
                let mut line = Output::default();
                registry::write_capabilities(cx.state, cx.config, &mut line);
                let capabilities = line.take().unwrap_or_default();
                let code = String::from_utf8_lossy(&capabilities).into_owned();
                Turn::Finish(Completion::ok("Logged in").with_code(code))
            }
            Answer::AuthenticationFailed => failed(cx),
            _ => Turn::broken(),
        }
    }
}
