//! What the script can say, and what it means: arguments of MAIL and RCPT, and responses of SASL exchanges.

/// A SASL exchange, by the response that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    Plain,
    User,
    PasswordOfTim,
    PasswordOfNobody,
    ScramFirst,
    ScramProof,
    ScramEnd,
    Token,
    TokenEnd,
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another challenge.
    Next(Login),
    /// Logged in.
    In,
    /// The login is wrong.
    Refused,
    /// The response is.
    Wrong(u16),
}

/// Names of mechanisms that work over TLS without channel binding.
pub const MECHANISMS: [(&str, Login); 5] = [
    ("PLAIN", Login::Plain),
    ("LOGIN", Login::User),
    ("SCRAM-SHA-256", Login::ScramFirst),
    ("OAUTHBEARER", Login::Token),
    ("scram-sha-256", Login::ScramFirst),
];

/// Names that are not offered.
pub const NO_MECHANISMS: [&str; 3] = ["CRAM-MD5", "SCRAM-SHA-256-PLUS", "X"];

/// `tim@example.jp` and `tanstaaf`, the user and the nonce of RFC 7677 §3, and a token `good`.
pub const RESPONSES: [(Login, &str, Outcome); 30] = [
    (Login::Plain, "AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm", Outcome::In),
    (Login::Plain, "dGltQGV4YW1wbGUuanAAdGltQGV4YW1wbGUuanAAdGFuc3RhYWY=", Outcome::In),
    (Login::Plain, "AHRpbUBleGFtcGxlLmpwAHdyb25n", Outcome::Refused),
    (Login::Plain, "YW5uQGV4YW1wbGUuanAAdGltQGV4YW1wbGUuanAAdGFuc3RhYWY=", Outcome::Wrong(535)),
    (Login::Plain, "dGlt", Outcome::Wrong(501)),
    (Login::Plain, "dGlt=", Outcome::Wrong(501)),
    (Login::Plain, "*", Outcome::Wrong(501)),
    (Login::User, "dGltQGV4YW1wbGUuanA=", Outcome::Next(Login::PasswordOfTim)),
    (Login::User, "bm9ib2R5", Outcome::Next(Login::PasswordOfNobody)),
    (Login::User, "*", Outcome::Wrong(501)),
    (Login::User, "%", Outcome::Wrong(501)),
    (Login::PasswordOfTim, "dGFuc3RhYWY=", Outcome::In),
    (Login::PasswordOfTim, "d3Jvbmc=", Outcome::Refused),
    (Login::PasswordOfTim, "*", Outcome::Wrong(501)),
    (Login::PasswordOfNobody, "dGFuc3RhYWY=", Outcome::Refused),
    (Login::PasswordOfNobody, "====", Outcome::Wrong(501)),
    (Login::ScramFirst, "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=", Outcome::Next(Login::ScramProof)),
    (Login::ScramFirst, "biwsdXNlcg==", Outcome::Wrong(501)),
    (Login::ScramFirst, "cD10bHMtZXhwb3J0ZXIsLG49dXNlcixyPWFiYw==", Outcome::Wrong(535)),
    (Login::ScramProof, RIGHT_PROOF, Outcome::Next(Login::ScramEnd)),
    (Login::ScramProof, WRONG_PROOF, Outcome::Refused),
    (Login::ScramProof, "*", Outcome::Wrong(501)),
    (Login::ScramEnd, "", Outcome::In),
    (Login::ScramEnd, "*", Outcome::Wrong(501)),
    (Login::Token, "biwsAWF1dGg9QmVhcmVyIGdvb2QBAQ==", Outcome::In),
    (Login::Token, "biwsAWF1dGg9QmVhcmVyIGJhZAEB", Outcome::Next(Login::TokenEnd)),
    (Login::Token, "biwsYXV0aD1CZWFyZXIgZ29vZA==", Outcome::Wrong(501)),
    (Login::TokenEnd, "AQ==", Outcome::Refused),
    (Login::TokenEnd, "", Outcome::Refused),
    (Login::TokenEnd, "*", Outcome::Wrong(501)),
];

const RIGHT_PROOF: &str = "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==";
const WRONG_PROOF: &str = "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1BQUFBWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==";

/// The exchange that a mechanism begins, if it is offered.
pub fn login(mechanism: &str) -> Option<Login> {
    MECHANISMS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(mechanism)).map(|(_, login)| login)
}

/// What becomes of a response of the list.
pub fn outcome(login: Login, text: &str) -> Outcome {
    let known = RESPONSES.into_iter().find(|(state, response, _)| (*state, *response) == (login, text));
    known.unwrap_or_else(|| panic!("the list does not have {text:?} for {login:?}")).2
}

/// MAIL, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    pub sender: &'static str,
    /// As it is declared, octets.
    pub size: usize,
    pub parameters: Parameters,
}

/// Who may give the parameters of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    Anybody,
    /// Those of RFC 3461.
    Users,
    /// Whoever is protected by TLS (RFC 8689).
    OverTls,
}

const fn from(sender: &'static str, size: usize) -> Result<Mail, u16> {
    Ok(Mail { sender, size, parameters: Parameters::Anybody })
}

const fn by_users(sender: &'static str) -> Result<Mail, u16> {
    Ok(Mail { sender, size: 0, parameters: Parameters::Users })
}

const fn over_tls(sender: &'static str) -> Result<Mail, u16> {
    Ok(Mail { sender, size: 0, parameters: Parameters::OverTls })
}

/// What follows `MAIL `.
pub const MAILS: [(&str, Result<Mail, u16>); 42] = [
    ("FROM:<>", from("", 0)),
    ("FROM:<tim@example.jp>", from("tim@example.jp", 0)),
    ("from: <tim@EXAMPLE.jp>", from("tim@example.jp", 0)),
    ("FROM:<@relay.example:joe@b.example>", from("joe@b.example", 0)),
    ("FROM:<a+b@b.example> SIZE=100", from("a+b@b.example", 100)),
    ("FROM:<tim@example.jp>   BODY=8bitmime  size=7", from("tim@example.jp", 7)),
    ("FROM:<> BODY=7BIT AUTH=<>", from("", 0)),
    ("FROM:<tim@example.jp> SIZE=10000000", from("tim@example.jp", 10_000_000)),
    ("FROM:<tim@example.jp> RET=HDRS", by_users("tim@example.jp")),
    ("FROM:<> ENVID=ab+2Bc RET=FULL", by_users("")),
    ("FROM:<tim@example.jp> REQUIRETLS", over_tls("tim@example.jp")),
    ("FROM:<> requiretls BODY=8BITMIME", over_tls("")),
    ("FROM:<> REQUIRETLS=1", Err(501)),
    ("FROM:<tim@example.jp> HOLDFOR=60 MT-PRIORITY=-9", by_users("tim@example.jp")),
    ("FROM:<> HOLDUNTIL=1970-01-01T00:00:00Z BY=120;RT", by_users("")),
    ("FROM:<tim@example.jp> mt-priority=9 by=-5;n", by_users("tim@example.jp")),
    ("FROM:<> HOLDFOR=60 HOLDUNTIL=1970-01-01T00:00:00Z", Err(501)),
    ("FROM:<> HOLDFOR=0", Err(501)),
    ("FROM:<> HOLDUNTIL=tomorrow", Err(501)),
    ("FROM:<> MT-PRIORITY=10", Err(501)),
    ("FROM:<> MT-PRIORITY", Err(501)),
    ("FROM:<> BY=0;R", Err(501)),
    ("FROM:<> BY=60", Err(501)),
    ("FROM:<> SIZE=1 SIZE=1", Err(501)),
    ("FROM:<> SIZE=x", Err(501)),
    ("FROM:<> SIZE", Err(501)),
    ("FROM:<> RET=NONE", Err(501)),
    ("FROM:<> ENVID=+0", Err(501)),
    ("FROM:<> BODY=BINARYMIME", Err(555)),
    ("FROM:<> XYZZY", Err(555)),
    ("FROM:tim@example.jp", Err(501)),
    ("FROM:<tim@example.jp", Err(501)),
    ("FROM:<tim@@example.jp>", Err(501)),
    ("FROM:<tim>", Err(501)),
    ("FROM:<\"\"@>", Err(501)),
    ("FROM:<tim@example.jp>x", Err(501)),
    ("FROM:", Err(501)),
    ("FROM", Err(501)),
    ("", Err(501)),
    ("TO:<tim@example.jp>", Err(501)),
    ("FROM:<tim@[127.0.0.1]>", Err(553)),
    ("FROM:<\u{3042}@example.jp>", Err(553)),
];

/// RCPT, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub verdict: Verdict,
    pub parameters: Parameters,
}

/// What the rim says of a recipient, or why it is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted(&'static str),
    /// Refused for now.
    Later,
    /// Refused for good.
    Refused(u16),
    /// Refused, since the sender's MAIL does not allow it.
    Wrong(u16),
}

const fn to(name: &'static str) -> Result<Recipient, u16> {
    Ok(Recipient { verdict: Verdict::Accepted(name), parameters: Parameters::Anybody })
}

const fn with(name: &'static str) -> Result<Recipient, u16> {
    Ok(Recipient { verdict: Verdict::Accepted(name), parameters: Parameters::Users })
}

const fn not_to(verdict: Verdict) -> Result<Recipient, u16> {
    Ok(Recipient { verdict, parameters: Parameters::Anybody })
}

/// What follows `RCPT `.
pub const RCPTS: [(&str, Result<Recipient, u16>); 27] = [
    ("TO:<tim@example.jp>", to("tim@example.jp")),
    ("TO:<ann@example.jp>", to("ann@example.jp")),
    ("to: <ann@EXAMPLE.JP>", to("ann@example.jp")),
    ("TO:<@a.example,@b.example:tim@example.jp>", to("tim@example.jp")),
    ("TO:<PostMaster>", to("postmaster")),
    ("TO:<tim@example.jp> NOTIFY=NEVER", with("tim@example.jp")),
    ("TO:<ann@example.jp> ORCPT=rfc822;tim@example.jp NOTIFY=SUCCESS,DELAY", with("ann@example.jp")),
    ("TO:<full@example.jp>", not_to(Verdict::Refused(552))),
    ("TO:<flaky@example.jp>", not_to(Verdict::Later)),
    ("TO:<nobody@example.jp>", not_to(Verdict::Refused(550))),
    ("TO:<tim@elsewhere.example>", not_to(Verdict::Refused(550))),
    ("TO:<tim%elsewhere.example@example.jp>", not_to(Verdict::Refused(550))),
    ("TO:<\u{3042}@example.jp>", not_to(Verdict::Wrong(553))),
    ("TO:<tim@[127.0.0.1]>", Err(550)),
    ("TO:<tim@example.jp> NOTIFY=NEVER,SUCCESS", Err(501)),
    ("TO:<tim@example.jp> NOTIFY", Err(501)),
    ("TO:<tim@example.jp> ORCPT=rfc822;+0", Err(501)),
    ("TO:<tim@example.jp> FOO=bar", Err(555)),
    ("TO:<tim@example.jp", Err(501)),
    ("TO:<tim", Err(501)),
    ("TO:tim@example.jp", Err(501)),
    ("TO:<>", Err(501)),
    ("TO:<tim@>", Err(501)),
    ("TO:<tim@example.jp>;", Err(501)),
    ("TO:", Err(501)),
    ("", Err(501)),
    ("FROM:<tim@example.jp>", Err(501)),
];

/// The meaning of what follows `MAIL `.
pub fn mail(arguments: &str) -> Result<Mail, u16> {
    meaning(&MAILS, arguments)
}

/// The meaning of what follows `RCPT `.
pub fn recipient(arguments: &str) -> Result<Recipient, u16> {
    meaning(&RCPTS, arguments)
}

fn meaning<T: Copy>(list: &[(&str, Result<T, u16>)], arguments: &str) -> Result<T, u16> {
    let known = list.iter().find(|(text, _)| *text == arguments);
    known.unwrap_or_else(|| panic!("the list does not have {arguments:?}")).1
}
