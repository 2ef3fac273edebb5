//! Runs a client against a server that is a script.
//!
//! Lines: `C: ` what the client must say next (all of it, until it waits), `S: ` what the server says then (consecutive lines in one
//! go), `T:` the handshake takes place, `E:` the server closes, `Z:` the server is silent, `X:` the client closes. CRLF is implied; a
//! `C:` line may end in `\` for no line end. `#` begins a comment.

use bytes::Bytes;
use yubin_session::smtp::client::{
    Answer, Ask, ClientConfig, Failure, Outcome, OutgoingMail, OutgoingRecipient, SmtpClient, StartTls, TimeLimits,
    TranscriptKeeping, Verdict,
};
use yubin_session::smtp::{AddressEncoding, BodyType};
use yubin_session::{PlaintextLogin, Session as _, Step, TlsFacts};
use yubin_types::{Address, Priority, RecipientAddress, ReversePath, Timestamp, TlsDemand};

/// A mail and how its message comes.
#[derive(Clone)]
pub struct Letter {
    pub mail: OutgoingMail,
    pub message: Message,
}

#[derive(Clone)]
pub enum Message {
    /// In pieces of this many octets.
    Pieces(Vec<u8>, usize),
    /// This much, and then no more can be had.
    BreaksAfter(Vec<u8>),
}

/// What the client reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reports {
    pub failure: Option<Failure>,
    pub outcomes: Vec<Outcome>,
    pub transcript: Vec<String>,
}

impl Reports {
    /// Verdict and reply of each recipient of the transaction.
    pub fn of(&self, transaction: usize) -> Vec<(Verdict, String)> {
        let outcome = &self.outcomes[transaction];
        outcome.recipients.iter().map(|recipient| (recipient.verdict, recipient.reply.to_string())).collect()
    }
}

pub fn config() -> ClientConfig {
    ClientConfig {
        hello: "mta.example.jp".into(),
        tls: StartTls::WhenOffered,
        login: None,
        plaintext_login: PlaintextLogin::Refuse,
        time_limits: TimeLimits::default(),
        transcript: TranscriptKeeping::Keep,
    }
}

pub fn mail(recipients: &[&str]) -> OutgoingMail {
    let recipient =
        |text: &&str| OutgoingRecipient { address: RecipientAddress::parse(text).unwrap(), notify: None, orcpt: None };
    OutgoingMail {
        sender: ReversePath::Address(Address::parse("tim@example.jp").unwrap()),
        recipients: recipients.iter().map(recipient).collect(),
        bytes: 12,
        body: BodyType::SevenBit,
        encoding: AddressEncoding::Ascii,
        ret: None,
        envid: None,
        tls_demand: TlsDemand::None,
        priority: Priority::NORMAL,
        deadline: None,
    }
}

pub fn letter(recipients: &[&str]) -> Letter {
    Letter { mail: mail(recipients), message: Message::Pieces(b"S: x\r\n\r\n.dot\r\n".to_vec(), 1_000) }
}

pub fn tls_facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".into(),
        cipher: "TLS13_AES_256_GCM_SHA384".into(),
        server_name: None,
        channel_binding: None,
    }
}

/// A client with its letters, and what it wrote since the last look.
pub struct Running {
    client: SmtpClient,
    letters: std::vec::IntoIter<Letter>,
    message: Option<(Message, usize)>,
    pub now: Timestamp,
    pub reports: Reports,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Server { seconds_max: u64 },
    Handshake,
    Closed,
}

impl Running {
    pub fn new(config: ClientConfig, letters: Vec<Letter>) -> Running {
        Running {
            client: SmtpClient::new(config),
            letters: letters.into_iter(),
            message: None,
            now: Timestamp::from_seconds(1_000_000),
            reports: Reports::default(),
        }
    }

    pub fn client(&mut self) -> &mut SmtpClient {
        &mut self.client
    }

    /// Until it waits; what it wrote.
    pub fn run(&mut self) -> (Vec<u8>, Waits) {
        let mut written = Vec::new();
        loop {
            let step = self.client.next(self.now);
            self.reports.transcript.extend(self.client.take_transcript().into_iter().map(|line| line.text));
            match step {
                Step::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    written.extend_from_slice(&bytes);
                }
                Step::Ask(ask) => {
                    let answer = self.answer(ask);
                    self.client.answer(answer);
                }
                Step::Read { seconds_max } => return (written, Waits::Server { seconds_max }),
                Step::StartTls => return (written, Waits::Handshake),
                Step::Close => return (written, Waits::Closed),
            }
        }
    }

    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Next(_) => self.next_letter(),
            Ask::Outcome(outcome) => {
                self.reports.outcomes.push(outcome);
                self.next_letter()
            }
            Ask::Failed(failure) => {
                self.reports.failure = Some(failure);
                Answer::Quit
            }
            Ask::Body => {
                let (message, at) = self.message.as_mut().unwrap();
                match message {
                    Message::Pieces(text, piece) => {
                        let from = *at;
                        *at = text.len().min(from + *piece);
                        let bytes = Bytes::copy_from_slice(&text[from..*at]);
                        if *at == text.len() { Answer::End(bytes) } else { Answer::Piece(bytes) }
                    }
                    Message::BreaksAfter(text) if *at < text.len() => {
                        *at = text.len();
                        Answer::Piece(Bytes::copy_from_slice(text))
                    }
                    Message::BreaksAfter(_) => Answer::Broken,
                }
            }
        }
    }

    fn next_letter(&mut self) -> Answer {
        let Some(letter) = self.letters.next() else { return Answer::Quit };
        self.message = Some((letter.message, 0));
        Answer::Transaction(Box::new(letter.mail))
    }
}

/// Plays a script in segments of the given length.
pub fn play(script: &str, config: ClientConfig, letters: Vec<Letter>, segment: usize) -> Reports {
    let mut running = Running::new(config, letters);
    let lines: Vec<&str> =
        script.lines().map(str::trim_start).filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let (mut said, mut waits) = running.run();
    let mut at = 0;
    while at < lines.len() {
        let (kind, text) = lines[at].split_once(':').unwrap();
        let text = text.strip_prefix(' ').unwrap_or(text);
        let place = format!("line {} {:?} (segments of {segment})", at + 1, lines[at]);
        at += 1;
        if kind != "C" {
            assert_eq!(String::from_utf8_lossy(&said), "", "{place}: said without being expected");
        }
        match kind {
            "C" => {
                let expected = match text.strip_suffix('\\') {
                    Some(text) => text.to_owned(),
                    None => format!("{text}\r\n"),
                };
                let start = said.get(..expected.len()).unwrap_or(&said);
                assert_eq!(String::from_utf8_lossy(start), expected, "{place}");
                said.drain(..expected.len());
                continue;
            }
            "S" => {
                let mut bytes = format!("{text}\r\n").into_bytes();
                while at < lines.len() && lines[at].starts_with("S:") {
                    bytes.extend_from_slice(lines[at][2..].trim_start().as_bytes());
                    bytes.extend_from_slice(b"\r\n");
                    at += 1;
                }
                for piece in bytes.chunks(segment) {
                    if !matches!(waits, Waits::Server { .. }) {
                        break;
                    }
                    running.client.receive(piece);
                    let (more, then) = running.run();
                    said.extend(more);
                    waits = then;
                }
                continue;
            }
            "T" => {
                assert_eq!(waits, Waits::Handshake, "{place}");
                running.client.tls_started(tls_facts());
            }
            "E" => running.client.end_of_input(),
            "Z" => running.client.timed_out(),
            "X" => {
                assert_eq!(waits, Waits::Closed, "{place}");
                continue;
            }
            _ => panic!("{place}: unknown kind of line"),
        }
        let (more, then) = running.run();
        said.extend(more);
        waits = then;
    }
    assert_eq!(String::from_utf8_lossy(&said), "", "said at the end");
    running.reports
}

/// Whole, octet by octet, and in odd pieces; the reports are the same.
pub fn play_all(script: &str, config: &ClientConfig, letters: &[Letter]) -> Reports {
    let whole = play(script, config.clone(), letters.to_vec(), usize::MAX);
    for segment in [1, 7] {
        assert_eq!(play(script, config.clone(), letters.to_vec(), segment), whole);
    }
    whole
}
