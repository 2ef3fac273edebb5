//! Runs a session as the front end's driver does, against a rim that lives in the test, and plays transcripts.
//!
//! A transcript has lines `C: ` (the client; consecutive ones go out in one segment), `S: ` (the server; all that it says until it
//! waits), `T:` (the TLS handshake takes place here), `X:` (the server closes), `D:` (the server begins to drain), `E:` (the client
//! closes its side), `Z:` (the client is silent for too long). `#` begins a comment. CRLF is implied; `\x..`, `\r`, `\n` are octets in
//! a `C: ` line, and a final `\` leaves its CRLF out.

#![allow(dead_code, reason = "each test binary uses its part")]

use yubin_session::{ChannelBinding, Session, Step, TlsFacts};
use yubin_types::Timestamp;

/// Answers questions.
pub trait Rim<S: Session> {
    /// The answer to a question.
    fn answer(&mut self, ask: S::Ask) -> S::Answer;
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// More from the client.
    Client,
    /// The handshake.
    Handshake,
    /// Nothing.
    Closed,
}

/// A session with its rim.
pub struct Connection<S: Session, R: Rim<S>> {
    pub session: S,
    pub rim: R,
    pub now: Timestamp,
    /// Steps taken.
    pub steps: usize,
}

impl<S: Session, R: Rim<S>> Connection<S, R> {
    pub fn new(session: S, rim: R) -> Self {
        Connection { session, rim, now: Timestamp::from_seconds(1_000_000), steps: 0 }
    }

    /// Runs until the session waits; what it wrote.
    pub fn run(&mut self) -> (Vec<u8>, Waits) {
        let mut written = Vec::new();
        loop {
            self.steps += 1;
            let waits = match self.session.next(self.now) {
                Step::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    written.extend_from_slice(&bytes);
                    continue;
                }
                Step::Ask(ask) => {
                    let answer = self.rim.answer(ask);
                    self.session.answer(answer);
                    continue;
                }
                Step::Read { seconds_max } => {
                    assert!((1..=1_800).contains(&seconds_max));
                    Waits::Client
                }
                Step::StartTls => Waits::Handshake,
                Step::Close => Waits::Closed,
            };
            return (written, waits);
        }
    }

    /// The client sends this in pieces of `segment` octets; all that the server wrote.
    pub fn send(&mut self, bytes: &[u8], segment: usize) -> (Vec<u8>, Waits) {
        let (mut written, mut waits) = self.run();
        for piece in bytes.chunks(segment.max(1)) {
            if waits != Waits::Client {
                break;
            }
            self.session.receive(piece);
            let (more, then) = self.run();
            written.extend_from_slice(&more);
            waits = then;
        }
        (written, waits)
    }

    /// As [`Self::send`] in one segment, as text.
    pub fn say(&mut self, text: &str) -> String {
        String::from_utf8(self.send(text.as_bytes(), usize::MAX).0).unwrap()
    }
}

pub fn tls_facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".into(),
        cipher: "TLS13_AES_256_GCM_SHA384".into(),
        server_name: None,
        channel_binding: None,
    }
}

/// The same, on a connection that logins can be bound to.
pub fn bound_facts() -> TlsFacts {
    TlsFacts { channel_binding: Some(ChannelBinding::new([9; 32])), ..tls_facts() }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [b'r', ..]) => bytes.push(b'\r'),
            (b'\\', [b'n', ..]) => bytes.push(b'\n'),
            (b'\\', [b'x', digits @ ..]) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits[..2]).unwrap(), 16).unwrap());
                rest = &digits[2..];
                continue;
            }
            (b'\\', []) => return bytes,
            (byte, _) => {
                bytes.push(*byte);
                continue;
            }
        }
        rest = &rest[1..];
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Plays a transcript with segments of the given length.
pub fn play<S: Session, R: Rim<S>>(name: &str, transcript: &str, connection: &mut Connection<S, R>, segment: usize) {
    let mut lines =
        transcript.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty()).peekable();
    let mut said = String::new();
    let mut waits = None;
    while let Some((number, line)) = lines.next() {
        let place = format!("{name}:{} (segments of {segment})", number + 1);
        let (kind, text) = line.split_once(':').unwrap_or_else(|| panic!("{place}: no kind of line"));
        let text = text.strip_prefix(' ').unwrap_or(text);
        if waits.is_none() || matches!(kind, "C" | "D" | "E" | "Z") {
            assert_eq!(said, "", "{place}: said without being expected");
        }
        let (written, then) = match kind {
            "C" => {
                let mut bytes = unescape(text);
                while let Some((_, next)) = lines.next_if(|(_, line)| line.starts_with("C:")) {
                    bytes.extend(unescape(next[2..].strip_prefix(' ').unwrap_or(&next[2..])));
                }
                connection.send(&bytes, segment)
            }
            "T" => {
                assert_eq!((said.as_str(), waits), ("", Some(Waits::Handshake)), "{place}");
                connection.session.tls_started(tls_facts());
                connection.run()
            }
            "D" => {
                connection.session.drain();
                connection.run()
            }
            "E" => {
                connection.session.end_of_input();
                connection.run()
            }
            "Z" => {
                connection.session.timed_out();
                connection.run()
            }
            "X" => {
                assert_eq!((said.as_str(), waits), ("", Some(Waits::Closed)), "{place}");
                continue;
            }
            "S" => {
                if waits.is_none() {
                    let (written, then) = connection.run();
                    said.push_str(std::str::from_utf8(&written).unwrap());
                    waits = Some(then);
                }
                let (first, rest) =
                    said.split_once("\r\n").unwrap_or_else(|| panic!("{place}: expected {text:?}, got {said:?}"));
                assert_eq!(first, text, "{place}");
                said = rest.to_owned();
                continue;
            }
            _ => panic!("{place}: unknown kind of line"),
        };
        said.push_str(std::str::from_utf8(&written).unwrap());
        waits = Some(then);
    }
    assert_eq!(said, "", "{name}: said at the end");
}

/// Plays it whole, octet by octet, and in odd pieces.
pub fn play_all<S: Session, R: Rim<S>>(name: &str, transcript: &str, connect: impl Fn() -> Connection<S, R>) {
    for segment in [usize::MAX, 1, 7] {
        play(name, transcript, &mut connect(), segment);
    }
}
