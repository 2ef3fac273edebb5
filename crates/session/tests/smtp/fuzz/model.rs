//! What an SMTP server must answer, and what it must have stored: RFC 5321, 2033, 2920, 3030, 3207 and 4954 as one slow page.
//!
//! It is fed the same segments as the session and shares no code with it: all input is kept in one buffer, a message is looked at as a
//! whole each time more of it has come, and lines are compared with lists of what the script can say ([`super::words`]).

use super::words::{self, Login, Parameters, Verdict};

/// What the model is in the middle of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    Command(Envelope),
    /// AUTH goes on: the response that would be right comes next.
    Sasl(Login),
    /// Message text, as it came.
    Data(Envelope, Vec<u8>),
    Chunk(Chunk),
    Handshake,
    Closed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    #[default]
    None,
    Open {
        sender: &'static str,
        accepted: Vec<&'static str>,
        tried: usize,
    },
    /// Chunks were taken.
    Chunked {
        sender: &'static str,
        accepted: Vec<&'static str>,
        text: Vec<u8>,
    },
}

/// Octets of BDAT are on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub left: u64,
    last: bool,
    sender: &'static str,
    accepted: Vec<&'static str>,
    text: Vec<u8>,
    /// The octets are skipped, and this is told then.
    refused: Option<Refused>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Refused {
    Counted(u16),
    Forgiven(u16),
}

/// Does more of a text follow?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// How a listener is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Mx,
    Submission,
    Lmtp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Absent,
    Offered,
    Active,
}

/// Where the rim fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    Nowhere,
    Mail,
    Begin,
    Finish,
}

/// A message that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub sender: String,
    pub recipients: Vec<String>,
    pub text: Vec<u8>,
}

/// The codes that one reply may have.
pub type Codes = Vec<u16>;

#[derive(Clone, Debug)]
pub struct Model {
    pub service: Service,
    pub tls: Tls,
    pub phase: Phase,
    pub failing: Failing,
    pub stored: Vec<Stored>,
    pub bytes_max: usize,
    pub greeted: Option<()>,
    pub user: Option<()>,
    draining: Option<()>,
    buffer: Vec<u8>,
    said: Vec<Codes>,
    errors: u32,
    idle: u32,
    refused: u32,
    failed_logins: u32,
}

impl Model {
    pub fn new(service: Service, tls: Tls, bytes_max: usize) -> Model {
        Model {
            service,
            tls,
            phase: Phase::Command(Envelope::None),
            failing: Failing::Nowhere,
            stored: Vec::new(),
            bytes_max,
            greeted: None,
            user: None,
            draining: None,
            buffer: Vec::new(),
            said: Vec::new(),
            errors: 0,
            idle: 0,
            refused: 0,
            failed_logins: 0,
        }
    }

    /// A segment comes in; the replies that are said before more is waited for.
    pub fn receive(&mut self, segment: &[u8]) -> Vec<Codes> {
        self.buffer.extend_from_slice(segment);
        self.go_on()
    }

    /// TLS is active: nothing that was said before it counts.
    pub fn tls_started(&mut self) -> Vec<Codes> {
        self.tls = Tls::Active;
        self.greeted = None;
        self.user = None;
        self.phase = Phase::Command(Envelope::None);
        self.go_on()
    }

    /// The server is about to end.
    pub fn drain(&mut self) -> Vec<Codes> {
        self.draining = Some(());
        self.go_on()
    }

    /// The client says nothing for too long.
    pub fn silence(&mut self) -> Vec<Codes> {
        self.close(421);
        std::mem::take(&mut self.said)
    }

    fn go_on(&mut self) -> Vec<Codes> {
        while self.step() {}
        if self.draining.is_some() && matches!(self.phase, Phase::Command(Envelope::None) | Phase::Sasl(_)) {
            self.close(421);
        }
        std::mem::take(&mut self.said)
    }

    /// Takes what comes next out of the buffer; false: more must come first.
    fn step(&mut self) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Command(envelope) => match self.line() {
                Some(line) => self.command(&line, envelope),
                None => return self.stays(Phase::Command(envelope)),
            },
            Phase::Sasl(login) => match self.line() {
                Some(line) => self.respond(&line, login),
                None => return self.stays(Phase::Sasl(login)),
            },
            Phase::Data(envelope, mut raw) => {
                raw.append(&mut self.buffer);
                return self.text(envelope, raw);
            }
            Phase::Chunk(mut chunk) => {
                let came = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(self.buffer.len());
                chunk.text.extend(self.buffer.drain(..came));
                chunk.left -= came as u64;
                if chunk.left.saturating_add(chunk.text.len() as u64) > 2 * self.bytes_max as u64 {
                    self.close(552);
                } else if chunk.left > 0 {
                    return self.stays(Phase::Chunk(chunk));
                } else {
                    self.chunk_ended(chunk);
                }
            }
            phase => return self.stays(phase),
        }
        true
    }

    fn stays(&mut self, phase: Phase) -> bool {
        self.phase = phase;
        false
    }

    /// Up to and with the next LF.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|&byte| byte == b'\n')?;
        Some(self.buffer.drain(..=end).collect())
    }

    fn say(&mut self, code: u16) {
        self.said.push(vec![code]);
    }

    fn close(&mut self, code: u16) {
        self.say(code);
        self.phase = Phase::Closed;
    }

    /// An error of the client: told and counted.
    fn wrong(&mut self, code: u16) {
        self.say(code);
        self.count_error();
    }

    fn count_error(&mut self) {
        self.errors += 1;
        if self.errors > 20 {
            self.close(421);
        }
    }

    /// A command that does nothing.
    fn idle(&mut self, code: u16) {
        self.say(code);
        self.idle += 1;
        if self.idle > 100 {
            self.count_error();
        }
    }

    fn command(&mut self, line: &[u8], envelope: Envelope) {
        self.phase = Phase::Command(envelope.clone());
        let long = if line.to_ascii_uppercase().starts_with(b"AUTH ") { 12_288 } else { 2_048 };
        let Some(text) = line.strip_suffix(b"\r\n").filter(|text| !text.iter().any(|byte| b"\r\0".contains(byte)))
        else {
            return self.wrong(500);
        };
        if line.len() > long {
            return self.wrong(500);
        }
        let text = String::from_utf8_lossy(text.trim_ascii_end()).into_owned();
        let (verb, arguments) = text.split_once(' ').unwrap_or((&text, ""));
        let arguments = arguments.trim_start();
        let verb = verb.to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" | "LHLO" => self.hello(&verb, arguments),
            "DATA" | "RSET" | "QUIT" | "STARTTLS" if !arguments.is_empty() => self.wrong(501),
            "RSET" => {
                self.phase = Phase::Command(Envelope::None);
                self.idle(250);
            }
            "NOOP" => self.idle(250),
            "HELP" => self.idle(214),
            "VRFY" if arguments.is_empty() => self.wrong(501),
            "VRFY" => self.idle(252),
            "QUIT" => self.close(221),
            "STARTTLS" => self.start_tls(&envelope),
            "AUTH" => self.auth(arguments, &envelope),
            "MAIL" => self.mail(arguments, &envelope),
            "RCPT" => self.rcpt(arguments, envelope),
            "DATA" => self.data(envelope),
            "BDAT" => self.bdat(arguments, envelope),
            "EXPN" | "ETRN" | "TURN" => self.wrong(502),
            "GET" | "POST" => self.close(554),
            _ => self.wrong(500),
        }
    }

    fn hello(&mut self, verb: &str, arguments: &str) {
        if arguments.is_empty() {
            return self.wrong(501);
        }
        if (verb == "LHLO") != (self.service == Service::Lmtp) {
            return self.wrong(500);
        }
        if !self.buffer.is_empty() {
            return self.close(554);
        }
        self.greeted = Some(());
        self.phase = Phase::Command(Envelope::None);
        self.idle(250);
    }

    fn start_tls(&mut self, envelope: &Envelope) {
        match (self.tls, envelope) {
            (Tls::Active, _) => self.wrong(503),
            (Tls::Absent, _) => self.wrong(502),
            (Tls::Offered, Envelope::None) if !self.buffer.is_empty() => self.close(554),
            (Tls::Offered, Envelope::None) => {
                self.say(220);
                self.phase = Phase::Handshake;
            }
            (Tls::Offered, _) => self.wrong(503),
        }
    }

    fn auth(&mut self, arguments: &str, envelope: &Envelope) {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let (mechanism, initial) = match words.as_slice() {
            [mechanism] => (mechanism, None),
            [mechanism, initial] => (mechanism, Some(*initial)),
            _ => return self.wrong(501),
        };
        let code = match (self.service, self.greeted, self.user, envelope, self.tls) {
            (Service::Mx | Service::Lmtp, ..) => 502,
            (_, None, ..) | (_, _, Some(()), ..) => 503,
            (_, _, _, Envelope::Open { .. } | Envelope::Chunked { .. }, _) => 503,
            (_, _, _, _, Tls::Absent | Tls::Offered) => 538,
            _ => match words::login(mechanism) {
                Some(login) => return self.exchange(login, initial),
                None => 504,
            },
        };
        self.wrong(code);
    }

    fn exchange(&mut self, login: Login, initial: Option<&str>) {
        match initial {
            None => {
                self.say(334);
                self.phase = Phase::Sasl(login);
            }
            Some(initial) => self.response(initial, login),
        }
    }

    fn respond(&mut self, line: &[u8], login: Login) {
        self.phase = Phase::Command(Envelope::None);
        match line.strip_suffix(b"\r\n").and_then(|text| std::str::from_utf8(text).ok()) {
            Some(text) if line.len() <= 12_288 && !text.contains(['\r', '\0']) => self.response(text, login),
            // Too long is told apart.
            _ if line.len() > 12_288 => self.wrong(500),
            _ => self.wrong(501),
        }
    }

    /// A response of the client, as the list of them has it.
    fn response(&mut self, text: &str, login: Login) {
        match words::outcome(login, text) {
            words::Outcome::Next(login) => {
                self.say(334);
                self.phase = Phase::Sasl(login);
            }
            words::Outcome::In => {
                self.say(235);
                self.user = Some(());
                self.failed_logins = 0;
            }
            words::Outcome::Refused => {
                self.say(535);
                self.failed_logins += 1;
                if self.failed_logins >= 3 {
                    self.close(421);
                }
            }
            words::Outcome::Wrong(code) => self.wrong(code),
        }
    }

    fn mail(&mut self, arguments: &str, envelope: &Envelope) {
        let mail = match words::mail(arguments) {
            Ok(mail) => mail,
            Err(code) => return self.wrong(code),
        };
        if self.greeted.is_none() {
            return self.wrong(503);
        }
        match (self.service, self.user, envelope) {
            (Service::Submission, None, _) => self.wrong(530),
            (_, _, Envelope::Open { .. } | Envelope::Chunked { .. }) => self.wrong(503),
            (Service::Mx | Service::Lmtp, ..) if mail.parameters == Parameters::Users => self.wrong(555),
            _ if mail.parameters == Parameters::OverTls && self.tls != Tls::Active => self.wrong(555),
            _ if mail.size > self.bytes_max => self.say(552),
            _ if self.failing == Failing::Mail => self.say(451),
            _ => {
                self.say(250);
                let (sender, accepted) = (mail.sender, Vec::new());
                self.phase = Phase::Command(Envelope::Open { sender, accepted, tried: 0 });
            }
        }
    }

    fn rcpt(&mut self, arguments: &str, envelope: Envelope) {
        let recipient = match words::recipient(arguments) {
            Ok(recipient) => recipient,
            Err(code) => return self.wrong(code),
        };
        let Envelope::Open { sender, mut accepted, mut tried } = envelope else { return self.wrong(503) };
        tried += 1;
        let verdict = match (self.service, recipient.parameters) {
            _ if matches!(recipient.verdict, Verdict::Wrong(_)) => recipient.verdict,
            (Service::Mx | Service::Lmtp, Parameters::Users) => Verdict::Wrong(555),
            _ => recipient.verdict,
        };
        if let Verdict::Accepted(name) = verdict {
            accepted.push(name);
        }
        self.phase = Phase::Command(Envelope::Open { sender, accepted, tried });
        match verdict {
            Verdict::Accepted(_) => self.say(250),
            Verdict::Later => self.say(451),
            Verdict::Wrong(code) => self.wrong(code),
            Verdict::Refused(code) => {
                self.say(code);
                self.refused += 1;
                if self.refused > 100 {
                    self.close(421);
                }
            }
        }
    }

    fn data(&mut self, envelope: Envelope) {
        if !self.buffer.is_empty() {
            return self.close(554);
        }
        match &envelope {
            Envelope::None | Envelope::Chunked { .. } | Envelope::Open { tried: 0, .. } => self.wrong(503),
            Envelope::Open { accepted, .. } if accepted.is_empty() => self.nobody(),
            Envelope::Open { .. } if self.failing == Failing::Begin => {
                self.say(451);
                self.phase = Phase::Command(Envelope::None);
            }
            Envelope::Open { .. } => {
                self.say(354);
                self.phase = Phase::Data(envelope, Vec::new());
            }
        }
    }

    /// All recipients were refused (RFC 2033 §4.2).
    fn nobody(&mut self) {
        match self.service {
            Service::Lmtp => self.wrong(503),
            Service::Mx | Service::Submission => self.say(554),
        }
    }

    /// Message text of DATA, all that came so far.
    fn text(&mut self, envelope: Envelope, raw: Vec<u8>) -> bool {
        let Envelope::Open { sender, accepted, .. } = envelope else { panic!("text without a transaction") };
        // The line that ends DATA may be the first.
        let whole = [b"\r\n".as_slice(), &raw].concat();
        let end = whole.windows(5).position(|window| window == b"\r\n.\r\n");
        let came = end.map_or(raw.as_slice(), |end| &raw[..end]);
        let (text, stray) = unstuffed(came);
        if text.len() - stray > 2 * self.bytes_max {
            self.close(552);
            return false;
        }
        let Some(end) = end else {
            self.phase = Phase::Data(Envelope::Open { sender, accepted, tried: 1 }, raw);
            return false;
        };
        self.buffer = raw[end + 3..].to_vec();
        self.finish(sender, accepted, text);
        true
    }

    fn bdat(&mut self, arguments: &str, envelope: Envelope) {
        let words: Vec<&str> = arguments.split(' ').filter(|word| !word.is_empty()).collect();
        let digits = |text: &&str| text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        let size = |text: &str| Some(text).filter(digits).and_then(|text| text.parse::<u128>().ok());
        let (size, last) = match words.as_slice() {
            [number] => (size(number), false),
            [number, last] if last.eq_ignore_ascii_case("LAST") => (size(number), true),
            _ => (None, false),
        };
        let Some(size) = size else { return self.close(501) };
        let left = u64::try_from(size).unwrap_or(u64::MAX / 2);
        let skipped = |refused| (("", Vec::new(), Vec::new()), Some(refused));
        let failing = (self.failing == Failing::Begin).then_some(Refused::Forgiven(451));
        let ((sender, accepted, text), refused) = match envelope {
            Envelope::Chunked { sender, accepted, text } => ((sender, accepted, text), None),
            Envelope::None | Envelope::Open { tried: 0, .. } => skipped(Refused::Counted(503)),
            Envelope::Open { accepted, .. } if accepted.is_empty() => skipped(match self.service {
                Service::Lmtp => Refused::Counted(503),
                Service::Mx | Service::Submission => Refused::Forgiven(554),
            }),
            Envelope::Open { sender, accepted, .. } => ((sender, accepted, Vec::new()), failing),
        };
        self.phase = Phase::Chunk(Chunk { left, last, sender, accepted, text, refused });
    }

    fn chunk_ended(&mut self, chunk: Chunk) {
        let Chunk { last, sender, accepted, text, refused, .. } = chunk;
        self.phase = Phase::Command(Envelope::None);
        let times = if last { self.replies(accepted.len()) } else { 1 };
        match refused {
            Some(Refused::Counted(code)) => self.wrong(code),
            Some(Refused::Forgiven(code)) => (0..times.max(1)).for_each(|_| self.say(code)),
            None if last => self.finish(sender, accepted, text),
            None => match self.faults(&text, End::Open) {
                codes if codes.is_empty() => {
                    self.say(250);
                    self.phase = Phase::Command(Envelope::Chunked { sender, accepted, text });
                }
                codes => {
                    self.said.push(codes);
                    self.count_error();
                }
            },
        }
    }

    /// A message is complete.
    fn finish(&mut self, sender: &'static str, recipients: Vec<&'static str>, text: Vec<u8>) {
        self.phase = Phase::Command(Envelope::None);
        let times = self.replies(recipients.len());
        let codes = self.faults(&text, End::Reached);
        if !codes.is_empty() {
            self.said.extend(vec![codes; times]);
            return self.count_error();
        }
        if self.failing == Failing::Finish {
            return (0..times).for_each(|_| self.say(451));
        }
        (0..times).for_each(|_| self.say(250));
        (self.errors, self.idle) = (0, 0);
        let recipients = recipients.into_iter().map(str::to_owned).collect();
        self.stored.push(Stored { sender: sender.to_owned(), recipients, text });
    }

    /// LMTP answers for each recipient (RFC 2033 §4.2).
    fn replies(&self, recipients: usize) -> usize {
        if self.service == Service::Lmtp { recipients } else { 1 }
    }

    /// With which codes the text is refused; with none, it is good. Where several things are wrong with it, each of them may be told.
    fn faults(&self, text: &[u8], end: End) -> Codes {
        let mut codes = Vec::new();
        let bare = |at: usize, byte: u8| match byte {
            0 => true,
            b'\n' => at == 0 || text[at - 1] != b'\r',
            b'\r' => text.get(at + 1).map_or(end == End::Reached, |&next| next != b'\n'),
            _ => false,
        };
        let header = text.windows(4).position(|window| window == b"\r\n\r\n").map_or(text, |end| &text[..end + 2]);
        let header = if text.starts_with(b"\r\n") { &[][..] } else { header };
        let mut lines = header.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\r\n"));
        let mut hops = 0;
        lines.by_ref().for_each(|line| hops += usize::from(line.to_ascii_lowercase().starts_with(b"received:")));
        if text.iter().enumerate().any(|(at, &byte)| bare(at, byte)) || hops > 50 {
            codes.push(554);
        }
        if text.len() > self.bytes_max {
            codes.push(552);
        }
        codes
    }
}

/// Without the first dot of lines that begin with one (RFC 5321 §4.5.2), and how many of these have a CR behind it that ends no message:
/// it spoils one, and is not counted.
fn unstuffed(raw: &[u8]) -> (Vec<u8>, usize) {
    let (mut text, mut stray) = (Vec::new(), 0);
    let mut rest = raw;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|window| window == b"\r\n").map_or(rest.len(), |end| end + 2);
        let (line, after) = rest.split_at(end);
        stray += usize::from(line.starts_with(b".\r"));
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = after;
    }
    (text, stray)
}
