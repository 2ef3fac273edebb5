//! Random command sequences against a small model of RFC 5321 §4.1.4: the same replies, the same messages stored, whatever is pipelined.

use proptest::prelude::*;
use yubin_session::Security;
use yubin_session::smtp::Listener;

use crate::harness::{Waits, tls_facts};
use crate::rim::connect;

/// A command, or a command with the message behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Ehlo,
    Helo,
    StartTls,
    Login(Password),
    Mail,
    MailTooBig,
    Rcpt(Who),
    Data(Text),
    Bdat(Text, Last),
    Reset,
    Noop,
    Verify,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Password {
    Right,
    Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Tim,
    Nobody,
    Flaky,
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Good,
    Empty,
    BareLf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

impl Text {
    fn octets(self) -> &'static str {
        match self {
            Text::Good => "Subject: x\r\n\r\nRSET\r\n",
            Text::Empty => "",
            Text::BareLf => "QUIT\n",
        }
    }
}

#[derive(Clone, Debug, Default)]
enum Envelope {
    #[default]
    None,
    Open {
        accepted: usize,
        tried: usize,
    },
    Chunked {
        recipients: usize,
        text: String,
    },
}

/// What a server must do.
#[derive(Debug, Default)]
struct Model {
    submission: Option<Tls>,
    greeted: Option<()>,
    user: Option<()>,
    failures: u32,
    envelope: Envelope,
    /// Recipients and text.
    stored: Vec<(usize, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Offered,
    Active,
}

impl Model {
    fn store(&mut self, recipients: usize, text: String) -> u16 {
        self.envelope = Envelope::None;
        self.stored.push((recipients, text));
        250
    }

    /// The codes of the replies; 354 is followed by that of the message.
    fn step(&mut self, op: Op) -> Vec<u16> {
        let reply = match op {
            Op::Ehlo | Op::Helo => {
                self.greeted = Some(());
                self.envelope = Envelope::None;
                250
            }
            Op::Reset => {
                self.envelope = Envelope::None;
                250
            }
            Op::Noop => 250,
            Op::Verify => 252,
            Op::Unknown => 500,
            Op::StartTls => match (self.submission, &self.envelope) {
                (Some(Tls::Active), _) => 503,
                (Some(Tls::Offered), Envelope::None) => {
                    self.submission = Some(Tls::Active);
                    self.greeted = None;
                    220
                }
                (Some(Tls::Offered), _) => 503,
                (None, _) => 502,
            },
            Op::Login(password) => self.login(password),
            Op::Mail | Op::MailTooBig => self.mail(op),
            Op::Rcpt(who) => match (&mut self.envelope, who) {
                (_, Who::Malformed) => 501,
                (Envelope::Open { accepted, tried }, who) => {
                    *tried += 1;
                    *accepted += usize::from(who == Who::Tim);
                    match who {
                        Who::Tim => 250,
                        Who::Flaky => 451,
                        Who::Nobody | Who::Malformed => 550,
                    }
                }
                _ => 503,
            },
            Op::Data(text) => return self.data(text),
            Op::Bdat(text, last) => self.chunk(text, last),
        };
        vec![reply]
    }

    fn login(&mut self, password: Password) -> u16 {
        match (self.submission, self.greeted, self.user, &self.envelope) {
            (None, ..) => 502,
            (_, None, ..) => 503,
            (_, _, Some(()), _) => 503,
            (_, _, _, Envelope::Open { .. } | Envelope::Chunked { .. }) => 503,
            (Some(Tls::Offered), ..) => 538,
            (Some(Tls::Active), ..) if password == Password::Right => {
                self.user = Some(());
                self.failures = 0;
                235
            }
            (Some(Tls::Active), ..) => {
                self.failures += 1;
                535
            }
        }
    }

    fn mail(&mut self, op: Op) -> u16 {
        match (self.greeted, self.submission, self.user, &self.envelope) {
            (None, ..) => 503,
            (_, Some(_), None, _) => 530,
            (_, _, _, Envelope::Open { .. } | Envelope::Chunked { .. }) => 503,
            _ if op == Op::MailTooBig => 552,
            _ => {
                self.envelope = Envelope::Open { accepted: 0, tried: 0 };
                250
            }
        }
    }

    fn data(&mut self, text: Text) -> Vec<u16> {
        match self.envelope {
            Envelope::None | Envelope::Chunked { .. } | Envelope::Open { tried: 0, .. } => vec![503],
            Envelope::Open { accepted: 0, .. } => vec![554],
            Envelope::Open { accepted, .. } if text != Text::BareLf => {
                vec![354, self.store(accepted, text.octets().into())]
            }
            Envelope::Open { .. } => {
                self.envelope = Envelope::None;
                vec![354, 554]
            }
        }
    }

    fn chunk(&mut self, text: Text, last: Last) -> u16 {
        let (recipients, mut whole) = match std::mem::take(&mut self.envelope) {
            Envelope::None | Envelope::Open { tried: 0, .. } => return 503,
            Envelope::Open { accepted: 0, .. } => return 554,
            Envelope::Open { accepted, .. } => (accepted, String::new()),
            Envelope::Chunked { recipients, text } => (recipients, text),
        };
        if text == Text::BareLf {
            return 554;
        }
        whole.push_str(text.octets());
        match last {
            Last::Yes => self.store(recipients, whole),
            Last::No => {
                self.envelope = Envelope::Chunked { recipients, text: whole };
                250
            }
        }
    }
}

fn line(op: Op) -> String {
    match op {
        Op::Ehlo => "EHLO client.example\r\n".into(),
        Op::Helo => "HELO client.example\r\n".into(),
        Op::StartTls => "STARTTLS\r\n".into(),
        Op::Login(Password::Right) => "AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHRhbnN0YWFm\r\n".into(),
        Op::Login(Password::Wrong) => "AUTH PLAIN AHRpbUBleGFtcGxlLmpwAHdyb25n\r\n".into(),
        Op::Mail => "MAIL FROM:<tim@example.jp>\r\n".into(),
        Op::MailTooBig => "MAIL FROM:<tim@example.jp> SIZE=2000000\r\n".into(),
        Op::Rcpt(Who::Tim) => "RCPT TO:<tim@example.jp>\r\n".into(),
        Op::Rcpt(Who::Nobody) => "RCPT TO:<nobody@example.jp>\r\n".into(),
        Op::Rcpt(Who::Flaky) => "RCPT TO:<flaky@example.jp>\r\n".into(),
        Op::Rcpt(Who::Malformed) => "RCPT TO:<tim\r\n".into(),
        Op::Data(_) => "DATA\r\n".into(),
        Op::Bdat(text, last) => {
            let keyword = if last == Last::Yes { " LAST" } else { "" };
            format!("BDAT {}{keyword}\r\n{}", text.octets().len(), text.octets())
        }
        Op::Reset => "RSET\r\n".into(),
        Op::Noop => "NOOP\r\n".into(),
        Op::Verify => "VRFY tim\r\n".into(),
        Op::Unknown => "FOO\r\n".into(),
    }
}

/// The codes of final reply lines.
fn codes(said: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(said).unwrap();
    let last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
    text.split_terminator("\r\n").filter(last).map(|line| line[..3].parse().unwrap()).collect()
}

fn op() -> impl Strategy<Value = Op> {
    let text = prop::sample::select(vec![Text::Good, Text::Good, Text::Empty, Text::BareLf]);
    let last = prop::sample::select(vec![Last::Yes, Last::No]);
    let who = prop::sample::select(vec![Who::Tim, Who::Tim, Who::Tim, Who::Nobody, Who::Flaky, Who::Malformed]);
    prop_oneof![
        1 => Just(Op::Ehlo),
        1 => Just(Op::Helo),
        1 => Just(Op::StartTls),
        2 => prop::sample::select(vec![Password::Right, Password::Right, Password::Wrong]).prop_map(Op::Login),
        4 => Just(Op::Mail),
        1 => Just(Op::MailTooBig),
        5 => who.prop_map(Op::Rcpt),
        3 => text.clone().prop_map(Op::Data),
        4 => (text, last).prop_map(|(text, last)| Op::Bdat(text, last)),
        2 => prop::sample::select(vec![Op::Reset, Op::Noop, Op::Verify, Op::Unknown]),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Sending {
    OneByOne,
    Pipelined,
}

fn check(submission: Option<Tls>, ops: &[Op], sending: Sending, segment: usize) {
    let listener = if submission.is_some() { Listener::Submission } else { Listener::Mx };
    let security = if submission.is_some() { Security::Upgradable } else { Security::Clear };
    let mut connection = connect(listener, security);
    connection.run();
    let mut model = Model { submission, ..Model::default() };
    let (mut group, mut expected) = (String::new(), Vec::new());
    for &op in ops {
        let replies = model.step(op);
        group.push_str(&line(op));
        expected.extend_from_slice(&replies[..1]);
        let synchronizes = matches!(op, Op::Ehlo | Op::Helo | Op::StartTls | Op::Data(_) | Op::Login(_));
        if matches!(sending, Sending::Pipelined) && !synchronizes {
            continue;
        }
        let (said, waits) = connection.send(std::mem::take(&mut group).as_bytes(), segment);
        if model.failures == 3 {
            expected.push(421);
            assert_eq!((codes(&said), waits), (expected, Waits::Closed), "{ops:?}");
            return;
        }
        assert_eq!(codes(&said), std::mem::take(&mut expected), "{ops:?}");
        if replies == [220] {
            assert_eq!(waits, Waits::Handshake);
            yubin_session::Session::tls_started(&mut connection.session, tls_facts());
        } else {
            assert_eq!(waits, Waits::Client);
        }
        if let (Op::Data(text), [354, end]) = (op, replies.as_slice()) {
            let (said, _) = connection.send(format!("{}.\r\n", text.octets()).as_bytes(), segment);
            // A bare LF is no line end: the message still needs one.
            let (said, _) = if text == Text::BareLf { connection.send(b"\r\n.\r\n", segment) } else { (said, waits) };
            assert_eq!(codes(&said), [*end], "{ops:?}");
        }
    }
    let stored: Vec<(usize, String)> = connection
        .rim
        .stored
        .iter()
        .map(|message| (message.recipients.len(), String::from_utf8(message.text.clone()).unwrap()))
        .collect();
    assert!(model.stored.starts_with(&stored), "{ops:?}");
    assert!(model.stored.len() == stored.len() || !group.is_empty(), "{ops:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_session_does_what_the_model_does(
        ops in prop::collection::vec(op(), 0..20),
        submission in prop::sample::select(vec![None, Some(Tls::Offered)]),
        sending in prop::sample::select(vec![Sending::OneByOne, Sending::Pipelined]),
        segment in prop::sample::select(vec![usize::MAX, usize::MAX, 1, 6]),
    ) {
        // So that every sequence gets past the beginning.
        let mut ops = ops;
        ops.insert(0, Op::Ehlo);
        if submission.is_some() && ops.len() % 2 == 0 {
            ops.splice(0..0, [Op::Ehlo, Op::StartTls, Op::Ehlo, Op::Login(Password::Right)]);
        }
        check(submission, &ops, sending, segment);
    }
}
