//! What goes to the client, gathered until the session waits: text in one growing buffer, large octets as they came.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};

use yubin_message::imap::{Utf8, write_string};

use super::parser::is_atom_byte;
use super::utf7;

/// Octets from this length on are passed through, not copied.
const PASSED_THROUGH_BYTES_MIN: usize = 4 * 1024;
/// So much is gathered before it is handed over, bytes.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Bytes to write.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: VecDeque<Bytes>,
    tail: BytesMut,
}

impl Output {
    /// Something to write, in order.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        self.queue.pop_front().or_else(|| (!self.tail.is_empty()).then(|| std::mem::take(&mut self.tail).freeze()))
    }

    /// Is it time to hand over what is here although the session could go on?
    pub(super) fn is_full(&self) -> bool {
        !self.queue.is_empty() || self.tail.len() >= GATHERED_BYTES_MAX
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.tail.put_slice(text.as_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.tail.put_slice(bytes);
        self
    }

    /// A number, a set, a flag: what prints as the grammar wants it.
    pub(super) fn show(&mut self, value: impl std::fmt::Display) -> &mut Self {
        // Writing to memory does not fail.
        let _ = write!(self.tail, "{value}");
        self
    }

    /// Text for people, or a code made elsewhere: what would break the line becomes a space.
    pub(super) fn human(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.tail.put_slice((if c.is_control() { ' ' } else { c }).encode_utf8(&mut [0; 4]).as_bytes());
        }
        self
    }

    /// Octets of a message.
    pub(super) fn octets(&mut self, octets: Bytes) -> &mut Self {
        if octets.len() < PASSED_THROUGH_BYTES_MIN {
            return self.bytes(&octets);
        }
        if !self.tail.is_empty() {
            self.queue.push_back(std::mem::take(&mut self.tail).freeze());
        }
        self.queue.push_back(octets);
        self
    }

    /// `string`: quoted where it can be, else a literal.
    pub(super) fn string(&mut self, text: &[u8]) -> &mut Self {
        write_string(&mut self.tail, text, Utf8::No);
        self
    }

    /// `astring`.
    pub(super) fn astring(&mut self, text: &[u8]) -> &mut Self {
        let atom =
            !text.is_empty() && text.iter().all(|&byte| is_atom_byte(byte)) && !text.eq_ignore_ascii_case(b"NIL");
        if atom { self.bytes(text) } else { self.string(text) }
    }

    /// A mailbox name.
    pub(super) fn mailbox(&mut self, name: &str) -> &mut Self {
        self.astring(utf7::encode(name).as_bytes())
    }

    /// For what `message` writes.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Takes over all that `other` has.
    pub(super) fn append(&mut self, other: &mut Output) {
        while let Some(bytes) = other.take() {
            self.octets(bytes);
        }
    }

    /// `(a b c)`.
    pub(super) fn list<T: std::fmt::Display>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        self.text("(");
        for (i, value) in values.into_iter().enumerate() {
            self.text(if i == 0 { "" } else { " " }).show(value);
        }
        self.text(")")
    }
}

#[cfg(test)]
mod tests {
    use super::Output;

    fn written(mut out: Output) -> String {
        let mut all = Vec::new();
        while let Some(bytes) = out.take() {
            all.extend_from_slice(&bytes);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn strings_take_the_form_that_holds_them() {
        let mut out = Output::default();
        out.string(b"a b").text(" ").string(b"a\"b").text(" ").string("é".as_bytes()).text(" ").string(b"");
        assert_eq!(written(out), "\"a b\" \"a\\\"b\" {2}\r\né \"\"");
        let mut out = Output::default();
        out.mailbox("INBOX").text(" ").mailbox("a b").text(" ").mailbox("ゴミ箱").text(" ").mailbox("nil");
        assert_eq!(written(out), "INBOX \"a b\" &MLQw33ux- \"nil\"");
    }

    #[test]
    fn text_of_others_stays_on_its_line() {
        let mut out = Output::default();
        out.human("a\r\n* BYE\0").text("\r\n");
        assert_eq!(written(out), "a  * BYE \r\n");
    }

    #[test]
    fn order_is_kept_around_large_octets() {
        let mut out = Output::default();
        out.text("{5000}\r\n").octets(vec![b'x'; 5000].into()).text(")\r\n");
        assert_eq!(written(out), format!("{{5000}}\r\n{})\r\n", "x".repeat(5000)));
    }
}
