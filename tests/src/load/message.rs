//! The messages that the load generator sends: each a function of its number and its recipient.
//!
//! The header is short and ordinary; the body is lines of 76 characters of random base64 text, taken from a pool at
//! a place that the number decides. So no two messages are alike, nothing compresses beyond base64's own quarter, no
//! line starts with a dot, and making a message costs one copy.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt;

/// Length of a body line with its CRLF.
const LINE_BYTES: usize = 78;
/// Lines in the pool beyond what one message takes.
const POOL_EXTRA_LINES: usize = 4096;

/// What tells a message from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number {
    /// The run that sent it.
    pub run: u32,
    /// The connection within the run.
    pub connection: u32,
    /// The message within the connection.
    pub sequence: u32,
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}.{:08x}.{:08x}", self.run, self.connection, self.sequence)
    }
}

impl Number {
    /// Reads back what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| u32::from_str_radix(part, 16).ok());
        let number = Self { run: parts.next()??, connection: parts.next()??, sequence: parts.next()?? };
        parts.next().is_none().then_some(number)
    }
}

/// Makes messages of one size.
#[derive(Debug)]
pub struct Content {
    size_bytes: usize,
    pool: Vec<u8>,
    /// Sent in turn in place of made ones.
    letters: Vec<Vec<u8>>,
}

impl Content {
    /// A maker of messages of `size_bytes`, header included (messages are never shorter than their header).
    #[must_use]
    pub fn new(size_bytes: usize) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let lines = size_bytes / LINE_BYTES + POOL_EXTRA_LINES;
        // The seed is fixed: the same number always makes the same message.
        let mut random = StdRng::seed_from_u64(0x796d_6269);
        let mut pool = Vec::with_capacity(lines * LINE_BYTES);
        for _ in 0..lines {
            pool.extend((0..LINE_BYTES - 2).filter_map(|_| ALPHABET.get(random.random_range(0..64_usize))));
            pool.extend_from_slice(b"\r\n");
        }
        Self { size_bytes, pool, letters: Vec::new() }
    }

    /// These messages in turn, in place of made ones. Each ends with CRLF and has no line that begins with a dot.
    #[must_use]
    pub fn of(letters: Vec<Vec<u8>>) -> Self {
        Self { size_bytes: 0, pool: Vec::new(), letters }
    }

    /// The message of this number, as it is sent after DATA and before the final dot.
    #[must_use]
    pub fn message(&self, number: Number, recipient: &str) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.size_bytes + LINE_BYTES);
        self.write(number, recipient, &mut message);
        message
    }

    /// Appends the message of this number.
    pub fn write(&self, number: Number, recipient: &str, message: &mut Vec<u8>) {
        let turn = u64::from(number.connection).wrapping_mul(7919).wrapping_add(u64::from(number.sequence));
        if !self.letters.is_empty() {
            let place = usize::try_from(turn % self.letters.len() as u64).unwrap_or(0);
            message.extend_from_slice(self.letters.get(place).map_or(&[], Vec::as_slice));
            return;
        }
        let before = message.len();
        let header = format!(
            "From: Load <load@sender.example>\r\nTo: <{recipient}>\r\nSubject: Load {number}\r\n\
             Date: Fri, 21 Nov 2025 09:00:00 +0900\r\nMessage-ID: <{number}@sender.example>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        );
        message.extend_from_slice(header.as_bytes());
        let body_bytes = self.size_bytes.saturating_sub(header.len() + 2);
        let line = usize::try_from(turn % POOL_EXTRA_LINES as u64).unwrap_or(0);
        let start = line * LINE_BYTES;
        // Cut within a line's text, so that the CRLF that ends the message is the only thing after it.
        let body = self.pool.get(start..start + body_bytes).unwrap_or_default();
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        message.extend_from_slice(body);
        message.extend_from_slice(b"\r\n");
        debug_assert!(message.len() > before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_size_and_is_a_function_of_its_number() {
        for size in [512, 4096, 50 * 1024, 1 << 20] {
            let content = Content::new(size);
            let number = Number { run: 7, connection: 3, sequence: 4_000_000 };
            let message = content.message(number, "u1@a.example");
            assert!(message.len() <= size && message.len() + 2 >= size, "{} of {size}", message.len());
            assert_eq!(message, Content::new(size).message(number, "u1@a.example"));
            assert!(message.ends_with(b"\r\n") && !message.windows(3).any(|part| part == b"\n.\r"));
            assert!(message.split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
        }
    }

    #[test]
    fn a_number_is_read_back() {
        let number = Number { run: 0xffff_ffff, connection: 1, sequence: 2 };
        assert_eq!(Number::parse(&number.to_string()), Some(number));
        assert_eq!(Number::parse("1.2"), None);
    }
}
