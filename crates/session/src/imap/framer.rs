//! From bytes to commands: lines and literals (RFC 9051 §2.2.1, §4.3; RFC 7888), bounded.
//!
//! A command is kept in one piece, literals and their line ends included, as `parser` reads it. At each announced literal the session
//! decides: [`Framer::accept_literal`], [`Framer::refuse_literal`], or [`Framer::split_at_literal`] for a message, whose octets are
//! then taken piece by piece with [`Framer::take`] and never gathered. Each byte is looked at once, however small the pieces it comes
//! in. LF alone ends a line too.
//!
//! What is refused is dropped as it arrives: the literal if the client doesn't wait for permission, the rest of the line, and whatever
//! non-synchronizing literals follow on it.

use bytes::{Buf as _, Bytes, BytesMut};

/// A literal that the line so far announces at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Its octets; [`u64::MAX`] stands for all numbers beyond it.
    pub(super) bytes: u64,
    /// Does the client wait for `+`?
    pub(super) kind: LiteralKind,
}

/// RFC 7888 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LiteralKind {
    /// `{n}`
    Synchronizing,
    /// `{n+}`
    NonSynchronizing,
}

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Not enough.
    Incomplete,
    /// A command without its final line end.
    Command(Bytes),
    /// The command so far ([`Framer::assembled`]) announces a literal.
    Literal(Literal),
    /// The line goes on beyond the limit.
    TooLong,
}

#[derive(Debug)]
enum Mode {
    /// Looking for the end of a line of a command.
    Line,
    /// A literal within the command; its last octet is at this length of `input`.
    Literal { end: usize },
    /// The line at the start of `input` announces a literal; it is this long with its line end.
    Announced { end: usize, literal: Literal },
    /// Dropping a literal, then the rest of the line.
    Discard { literal_bytes: u64 },
}

/// The bytes of one connection that are not consumed yet.
#[derive(Debug)]
pub(super) struct Framer {
    input: BytesMut,
    /// So much of `input` needs no second look for a line end.
    scanned: usize,
    /// Where the last literal of the command in `input` ended: octets before it announce nothing.
    text_from: usize,
    mode: Mode,
}

/// Longest literal announcement that can matter: `{`, 20 digits, `+`, `}`, line end.
const ANNOUNCEMENT_BYTES_MAX: usize = 32;

impl Framer {
    pub(super) fn new() -> Self {
        Framer { input: BytesMut::new(), scanned: 0, text_from: 0, mode: Mode::Line }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Forgets everything (STARTTLS, RFC 9051 §6.2.1).
    pub(super) fn clear(&mut self) {
        *self = Framer::new();
    }

    /// The next command, if it is complete; `bytes_max` bounds it without its literals' announcements being checked.
    pub(super) fn next_command(&mut self, bytes_max: usize) -> Frame {
        if !self.finish_discarding() {
            return Frame::Incomplete;
        }
        match self.mode {
            Mode::Announced { literal, .. } => return Frame::Literal(literal),
            Mode::Literal { end } if self.input.len() < end => return Frame::Incomplete,
            Mode::Literal { end } => {
                self.scanned = end;
                self.text_from = end;
                self.mode = Mode::Line;
            }
            Mode::Line | Mode::Discard { .. } => {}
        }
        let Some(end) = self.find_line_end() else {
            return if self.input.len() > bytes_max { Frame::TooLong } else { Frame::Incomplete };
        };
        if end > bytes_max {
            self.scanned = 0;
            return Frame::TooLong;
        }
        let text = without_line_end(self.input.get(self.text_from..end).unwrap_or_default());
        if let Some(literal) = announced_literal(text) {
            self.mode = Mode::Announced { end, literal };
            return Frame::Literal(literal);
        }
        let content = self.text_from + text.len();
        let mut command = self.split(end);
        command.truncate(content);
        Frame::Command(command.freeze())
    }

    /// The command so far, with the line end after the announcement if there is one.
    pub(super) fn assembled(&self) -> &[u8] {
        match self.mode {
            Mode::Announced { end, .. } => self.input.get(..end).unwrap_or_default(),
            _ => &self.input,
        }
    }

    /// The announced literal becomes part of the command.
    pub(super) fn accept_literal(&mut self) {
        if let Mode::Announced { end, literal } = self.mode {
            let literal_bytes = usize::try_from(literal.bytes).unwrap_or(usize::MAX);
            self.mode = Mode::Literal { end: end.saturating_add(literal_bytes) };
        }
    }

    /// The command was refused at the announced literal: drops it all.
    pub(super) fn refuse_literal(&mut self) {
        if let Mode::Announced { end, literal } = self.mode {
            self.split(end);
            if literal.kind == LiteralKind::NonSynchronizing {
                self.mode = Mode::Discard { literal_bytes: literal.bytes };
            }
        }
    }

    /// The command up to the announced literal's line end, out of the way; the literal's octets come next.
    pub(super) fn split_at_literal(&mut self) -> Bytes {
        match self.mode {
            Mode::Announced { end, .. } => self.split(end).freeze(),
            _ => Bytes::new(),
        }
    }

    /// The line was refused: drops it as it arrives.
    pub(super) fn discard_line(&mut self) {
        self.split(self.text_from);
        self.mode = Mode::Discard { literal_bytes: 0 };
    }

    /// Up to `bytes_max` octets of what comes next, as they are; `None` if there are none yet.
    pub(super) fn take(&mut self, bytes_max: usize) -> Option<Bytes> {
        let length = self.input.len().min(bytes_max);
        (length > 0).then(|| self.split(length).freeze())
    }

    /// The next line without its end; `None` if it is not complete, an error if it is longer than `bytes_max`.
    pub(super) fn next_line(&mut self, bytes_max: usize) -> Option<Result<Bytes, TooLong>> {
        match self.find_line_end() {
            Some(end) if end <= bytes_max => {
                let content = without_line_end(self.input.get(..end).unwrap_or_default()).len();
                let mut line = self.split(end);
                line.truncate(content);
                Some(Ok(line.freeze()))
            }
            None if self.input.len() <= bytes_max => None,
            _ => {
                self.discard_line();
                Some(Err(TooLong))
            }
        }
    }

    fn split(&mut self, length: usize) -> BytesMut {
        let front = self.input.split_to(length.min(self.input.len()));
        if self.input.is_empty() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
        }
        self.scanned = 0;
        self.text_from = 0;
        self.mode = Mode::Line;
        front
    }

    /// The length of the input up to and with the first line end that was not seen yet.
    fn find_line_end(&mut self) -> Option<usize> {
        let found = memchr::memchr(b'\n', self.input.get(self.scanned..).unwrap_or_default());
        let end = found.map(|at| self.scanned + at + 1);
        self.scanned = end.unwrap_or(self.input.len());
        end
    }

    /// Drops what is to be dropped; is it all gone?
    fn finish_discarding(&mut self) -> bool {
        while let Mode::Discard { literal_bytes } = self.mode {
            let dropped = self.input.len().min(usize::try_from(literal_bytes).unwrap_or(usize::MAX));
            self.input.advance(dropped);
            let left = literal_bytes - u64::try_from(dropped).unwrap_or(u64::MAX);
            self.mode = Mode::Discard { literal_bytes: left };
            if left > 0 {
                return false;
            }
            let Some(end) = memchr::memchr(b'\n', &self.input).map(|at| at + 1) else {
                // The announcement at the end of the line decides what else is dropped.
                self.input.advance(self.input.len().saturating_sub(ANNOUNCEMENT_BYTES_MAX));
                return false;
            };
            let announced = announced_literal(without_line_end(self.input.get(..end).unwrap_or_default()));
            self.split(end);
            if let Some(Literal { bytes, kind: LiteralKind::NonSynchronizing }) = announced {
                self.mode = Mode::Discard { literal_bytes: bytes };
            }
        }
        true
    }
}

/// A line beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `{n}` or `{n+}` at the end of a line.
pub(super) fn announced_literal(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let (inner, kind) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, LiteralKind::NonSynchronizing),
        None => (inner, LiteralKind::Synchronizing),
    };
    let tail = inner.get(inner.len().saturating_sub(ANNOUNCEMENT_BYTES_MAX)..)?;
    let digits = tail.get(memchr::memrchr(b'{', tail)? + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(Literal { bytes: digits.iter().fold(0, add), kind })
}

#[cfg(test)]
mod tests {
    use super::{Frame, Framer, Literal, LiteralKind, TooLong, announced_literal};

    fn command(text: &'static str) -> Frame {
        Frame::Command(text.into())
    }

    #[test]
    fn commands_come_whole_however_they_are_cut() {
        let wire = b"a NOOP\r\nb LOGIN {3}\r\nx\r\n {2+}\r\nyz\r\nc NOOP\n";
        for size in 1..wire.len() {
            let mut framer = Framer::new();
            let mut commands = Vec::new();
            for chunk in wire.chunks(size) {
                framer.receive(chunk);
                loop {
                    match framer.next_command(100) {
                        Frame::Command(command) => commands.push(command),
                        Frame::Literal(_) => framer.accept_literal(),
                        Frame::Incomplete => break,
                        Frame::TooLong => panic!(),
                    }
                }
            }
            assert_eq!(commands, ["a NOOP", "b LOGIN {3}\r\nx\r\n {2+}\r\nyz", "c NOOP"], "{size}");
        }
    }

    #[test]
    fn octets_of_a_literal_announce_nothing() {
        let wire = b"a X {5}\r\nab{3}\r\nb X {3+}\r\n{1} {2+}\r\n\r{\nc X {3}\r\nab\r\nd X {3}\r\nx{2}\r\n";
        for size in 1..=wire.len() {
            let mut framer = Framer::new();
            let mut commands = Vec::new();
            for chunk in wire.chunks(size) {
                framer.receive(chunk);
                loop {
                    match framer.next_command(100) {
                        Frame::Command(command) => commands.push(command),
                        Frame::Literal(_) => framer.accept_literal(),
                        Frame::Incomplete => break,
                        Frame::TooLong => panic!(),
                    }
                }
            }
            let whole = ["a X {5}\r\nab{3}", "b X {3+}\r\n{1} {2+}\r\n\r{", "c X {3}\r\nab\r", "d X {3}\r\nx{2}"];
            assert_eq!(commands, whole, "{size}");
        }
    }

    #[test]
    fn a_command_that_is_too_long_is_dropped_with_the_literals_it_had() {
        let mut framer = Framer::new();
        framer.receive(b"a X {3}\r\n");
        assert!(matches!(framer.next_command(30), Frame::Literal(_)));
        framer.accept_literal();
        framer.receive(b"a\nb and so on until it is too long");
        assert_eq!(framer.next_command(30), Frame::TooLong);
        framer.discard_line();
        framer.receive(b" and longer\r\nb NOOP\r\n");
        assert_eq!(framer.next_command(30), command("b NOOP"));
    }

    #[test]
    fn a_refused_command_is_dropped_with_the_literals_that_the_client_did_not_ask_for() {
        for size in [1, 3, 7, 1000] {
            let mut framer = Framer::new();
            let mut frames = Vec::new();
            for chunk in
                b"a X {10+}\r\n012\r\nx N\r\n {4+}\r\nab\r\n rest\r\nb NOOP\r\nc X {5}\r\nd NOOP\r\n".chunks(size)
            {
                framer.receive(chunk);
                loop {
                    match framer.next_command(100) {
                        Frame::Incomplete => break,
                        Frame::Literal(literal) => {
                            framer.refuse_literal();
                            frames.push(Frame::Literal(literal));
                        }
                        frame => frames.push(frame),
                    }
                }
            }
            let refused = |bytes, kind| Frame::Literal(Literal { bytes, kind });
            assert_eq!(
                frames,
                [
                    refused(10, LiteralKind::NonSynchronizing),
                    command("b NOOP"),
                    refused(5, LiteralKind::Synchronizing),
                    command("d NOOP")
                ]
            );
        }
    }

    #[test]
    fn a_long_line_is_dropped_without_being_kept() {
        let mut framer = Framer::new();
        framer.receive(&[b'x'; 200]);
        assert_eq!(framer.next_command(100), Frame::TooLong);
        framer.discard_line();
        for _ in 0..1000 {
            framer.receive(&[b'y'; 100]);
            assert_eq!(framer.next_command(100), Frame::Incomplete);
            assert!(framer.input.len() <= 32);
        }
        framer.receive(b"\r\na NOOP\r\n");
        assert_eq!(framer.next_command(100), command("a NOOP"));
        framer.receive(&[b'z'; 99]);
        assert_eq!(framer.next_line(100), None);
        framer.receive(b"zzz\r\nb NOOP\r\n");
        assert_eq!(framer.next_line(100), Some(Err(TooLong)));
        assert_eq!(framer.next_command(100), command("b NOOP"));
    }

    #[test]
    fn announcements_are_read_exactly() {
        let literal = |text: &str| announced_literal(text.as_bytes()).map(|literal| literal.bytes);
        for (text, bytes) in [
            ("a {12}", Some(12)),
            ("{0+}", Some(0)),
            ("a {99999999999999999999999}", Some(u64::MAX)),
            ("({3}", Some(3)),
        ] {
            assert_eq!(literal(text), bytes, "{text}");
        }
        for text in ["", "}", "{}", "{+}", "{-1}", "{1 }", "{1}x", "\"{1}\"", "{1++}", "{1x}"] {
            assert_eq!(literal(text), None, "{text}");
        }
    }
}
