//! A rim for SMTP tests: hosts `example.jp` with `tim` (password `tanstaaf`), `ann`, `full` (over quota) and `flaky` (temporary
//! failure), keeps what it stored, and checks the order of the questions.

use yubin_session::sasl::{Claim, Credentials, TokenLogin};
use yubin_session::smtp::{
    Answer, Ask, ClientClaim, Config, ForwardPath, Listener, Mail, MessageFacts, Origin, Recipient, SmtpSession,
    Verdict, Xclient,
};
use yubin_session::{PlaintextLogin, Security};
use yubin_types::{Priority, SmtpReply, TraceId};

use crate::harness::{Connection, Rim};
use crate::scram;

/// A message that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub mail: Mail,
    pub recipients: Vec<Recipient>,
    pub text: Vec<u8>,
    pub facts: MessageFacts,
}

#[derive(Debug)]
pub struct SmtpRim {
    pub stored: Vec<Stored>,
    pub origin: Option<Origin>,
    pub largest_piece: usize,
    open: Option<(Mail, Vec<Recipient>)>,
    receiving: Option<Vec<u8>>,
    pub fail: Fail,
    /// A token was shown and is no good.
    rejected: bool,
    /// Of the network, as the session tells them.
    pub failures: u32,
    pub failures_max: u32,
    /// What a trusted peer said of its client.
    pub client: Option<ClientClaim>,
    /// One recipient after the other is refused at the end, the second of each message.
    pub picky: bool,
}

impl Default for SmtpRim {
    fn default() -> Self {
        SmtpRim {
            stored: Vec::new(),
            origin: None,
            largest_piece: 0,
            open: None,
            receiving: None,
            fail: Fail::Nowhere,
            rejected: false,
            failures: 0,
            failures_max: u32::MAX,
            client: None,
            picky: false,
        }
    }
}

/// Where the rim fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fail {
    #[default]
    Nowhere,
    Mail,
    Begin,
    Chunk,
    Finish,
}

fn wrong() -> Answer {
    Answer::Refused(SmtpReply::new(535, (5, 7, 8), "Authentication credentials invalid"))
}

pub fn temporary() -> SmtpReply {
    SmtpReply::new(451, (4, 3, 0), "Temporary failure; try again later")
}

fn verdict(recipient: &Recipient) -> Verdict {
    let ForwardPath::Address(address) = &recipient.path else { return Verdict::Accepted };
    match (address.local.as_str(), address.domain.as_str()) {
        ("tim" | "ann", "example.jp") => Verdict::Accepted,
        ("full", "example.jp") => Verdict::Refused(SmtpReply::new(552, (5, 2, 2), "Over quota")),
        ("flaky", "example.jp") => Verdict::Refused(temporary()),
        (_, "example.jp") => Verdict::Refused(SmtpReply::new(550, (5, 1, 1), "User unknown")),
        _ => Verdict::Refused(SmtpReply::new(550, (5, 7, 1), "Relaying denied")),
    }
}

impl SmtpRim {
    fn fails(&mut self, here: Fail) -> bool {
        let fails = self.fail == here;
        if fails {
            self.open = None;
            self.receiving = None;
        }
        fails
    }

    fn failed(&mut self, failures: u32) -> Answer {
        assert!(failures > 0, "nothing failed");
        self.failures += failures;
        if self.failures > self.failures_max {
            self.open = None;
            return Answer::Refused(SmtpReply::new(421, (4, 7, 0), "Too much of your network"));
        }
        Answer::Accepted
    }

    fn authenticate(&mut self, claim: Claim) -> Answer {
        match claim {
            Claim::Proven if scram::stands(&mut self.rejected) => {
                Answer::Authenticated { user: "tim@example.jp".into() }
            }
            Claim::Proven => Answer::Refused(SmtpReply::new(535, (5, 7, 8), "The token is not valid")),
            Claim::Password(Credentials { user, password })
                if (user.as_str(), password.expose()) == ("tim@example.jp", b"tanstaaf") =>
            {
                Answer::Authenticated { user }
            }
            Claim::Password(_) => wrong(),
        }
    }

    fn take(&mut self, piece: &[u8]) {
        self.largest_piece = self.largest_piece.max(piece.len());
        self.receiving.as_mut().expect("data after Begin").extend_from_slice(piece);
    }
}

impl Rim<SmtpSession> for SmtpRim {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(question) => scram::answer(question, &mut self.rejected).map_or_else(wrong, Answer::Sasl),
            Ask::Authenticate(claim) => self.authenticate(claim),
            Ask::Mail(mail) => {
                assert!(self.open.is_none(), "one transaction at a time");
                if self.fails(Fail::Mail) {
                    return Answer::Refused(temporary());
                }
                self.open = Some((mail, Vec::new()));
                Answer::Accepted
            }
            Ask::Recipients(recipients) => {
                assert!(self.receiving.is_none());
                let verdicts: Vec<Verdict> = recipients.iter().map(verdict).collect();
                let (_, accepted) = self.open.as_mut().expect("Recipients after Mail");
                let welcome = recipients.into_iter().zip(&verdicts).filter(|(_, v)| **v == Verdict::Accepted);
                accepted.extend(welcome.map(|(recipient, _)| recipient));
                Answer::Recipients(verdicts)
            }
            Ask::Begin(origin) => {
                assert!(!self.open.as_ref().expect("Begin after Mail").1.is_empty(), "Begin needs a recipient");
                assert!(self.receiving.is_none());
                if self.fails(Fail::Begin) {
                    return Answer::Refused(temporary());
                }
                self.origin = Some(origin);
                self.receiving = Some(Vec::new());
                Answer::Accepted
            }
            Ask::Chunk(piece) => {
                self.take(&piece);
                if self.fails(Fail::Chunk) { Answer::Refused(temporary()) } else { Answer::Accepted }
            }
            Ask::Finish { last, facts } => {
                self.take(&last);
                if self.fails(Fail::Finish) {
                    return Answer::Refused(temporary());
                }
                let (mail, recipients) = self.open.take().expect("Finish after Mail");
                let text = self.receiving.take().expect("Finish after Begin");
                assert_eq!(facts.bytes, text.len() as u64);
                let mut verdicts = vec![Verdict::Accepted; recipients.len()];
                self.stored.push(Stored { mail, recipients, text, facts });
                if self.picky {
                    verdicts[1] = Verdict::Refused(SmtpReply::new(552, (5, 2, 2), "Over quota"));
                    return Answer::Outcomes { id: TraceId([7; 16]), verdicts };
                }
                Answer::Stored { id: TraceId([7; 16]) }
            }
            Ask::Abort => {
                assert!(self.open.take().is_some(), "Abort of nothing");
                self.receiving = None;
                Answer::Accepted
            }
            Ask::Client(claim) => {
                assert!(self.open.is_none(), "inside a transaction");
                self.client = Some(claim);
                Answer::Accepted
            }
            Ask::Failed(failures) => self.failed(failures),
        }
    }
}

pub fn config(listener: Listener, security: Security) -> Config {
    Config {
        listener,
        hostname: "mx.example.jp".into(),
        security,
        plaintext_login: PlaintextLogin::Refuse,
        tokens: TokenLogin::Refuse,
        xclient: Xclient::Off,
        priority_max: Priority::new(4).unwrap(),
        message_bytes_max: 1_000_000,
    }
}

pub fn connect(listener: Listener, security: Security) -> Connection<SmtpSession, SmtpRim> {
    Connection::new(SmtpSession::new(config(listener, security)), SmtpRim::default())
}

/// A connection of a peer that may say whose client it speaks for.
pub fn trusted(listener: Listener, security: Security) -> Connection<SmtpSession, SmtpRim> {
    let config = Config { xclient: Xclient::Offered, ..config(listener, security) };
    Connection::new(SmtpSession::new(config), SmtpRim::default())
}

/// A submission connection under TLS that takes tokens.
pub fn taking_tokens() -> Connection<SmtpSession, SmtpRim> {
    let security = Security::Encrypted(crate::harness::tls_facts());
    let config = Config { tokens: TokenLogin::Allow, ..config(Listener::Submission, security) };
    Connection::new(SmtpSession::new(config), SmtpRim::default())
}

/// An MX connection after EHLO.
pub fn greeted() -> Connection<SmtpSession, SmtpRim> {
    let mut connection = connect(Listener::Mx, Security::Clear);
    connection.say("EHLO client.example\r\n");
    connection
}

/// An MX connection after 354.
pub fn in_data() -> Connection<SmtpSession, SmtpRim> {
    let mut connection = greeted();
    let said = connection.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<tim@example.jp>\r\nDATA\r\n");
    assert!(said.ends_with("354 End data with <CR><LF>.<CR><LF>\r\n"), "{said}");
    connection
}
