//! Replies of a remote server (RFC 5321 §4.2): read over any segmentation, with bounds on everything.
//!
//! A line is three digits, `-` or a space, and text; all lines of a reply have one code; the line with a space (or nothing) is the last.
//! CRLF and a bare LF end a line: a reply is never passed on as it came, so being forgiving harms nobody. A line beyond
//! `SMTP_REPLY_LINE_BYTES_MAX`, a reply beyond `SMTP_REPLY_LINES_MAX` lines and whatever is no reply are [`Garbled`], after which the
//! connection is of no use. Of the text, `SMTP_REPLY_BYTES_MAX` are kept.
//!
//! [`Reply`] also carries conclusions of our own (a lost connection, an extension that is not offered) in the same form, marked as such.

use bytes::{Buf as _, BytesMut};
use memchr::memchr;
use yubin_types::{EnhancedStatus, limits};

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The remote server.
    Peer,
    /// This client: a conclusion, in the form of a reply.
    Client,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// Its enhanced status (RFC 2034), if it has one of the code's class.
    pub status: Option<EnhancedStatus>,
    /// Who said it.
    pub speaker: Speaker,
    text: String,
}

impl Reply {
    /// A conclusion of our own. `status` is (class, subject, detail).
    #[must_use]
    pub fn conclusion(code: u16, status: (u8, u16, u16), text: &str) -> Reply {
        let status = Some(EnhancedStatus::new(status.0, status.1, status.2));
        Reply { code, status, speaker: Speaker::Client, text: shown(text.as_bytes()) }
    }

    /// Its text as one line without codes and control characters, at most `REMOTE_REPLY_BYTES_MAX` octets of UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// 2yz: done.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz: may be tried again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: never.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        write!(f, " {}", self.text)
    }
}

/// What came is no reply, or has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// A reply with its lines, for EHLO.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) reply: Reply,
    text: Vec<u8>,
}

impl Lines {
    /// The text of each line, as it came.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'\n')
    }
}

/// Reads replies out of a stream.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    input: BytesMut,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    code: u16,
    lines: usize,
    /// Lines, divided by LF.
    text: Vec<u8>,
}

impl ReplyReader {
    /// More from the server.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Is everything that came consumed?
    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty() && self.partial.is_none()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = ReplyReader::default();
    }

    /// Memory in use, bytes.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.input.capacity() + self.partial.as_ref().map_or(0, |partial| partial.text.capacity())
    }

    /// The next reply; `None` while it is not complete.
    pub(super) fn next(&mut self) -> Result<Option<Lines>, Garbled> {
        loop {
            let Some(end) = memchr(b'\n', &self.input) else {
                if self.input.len() >= limits::SMTP_REPLY_LINE_BYTES_MAX {
                    return Err(Garbled);
                }
                if self.input.is_empty() {
                    // An idle connection holds no buffer.
                    self.input = BytesMut::new();
                }
                return Ok(None);
            };
            let line = self.input.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if end + 1 > limits::SMTP_REPLY_LINE_BYTES_MAX {
                return Err(Garbled);
            }
            let place = add(&mut self.partial, line)?;
            self.input.advance(end + 1);
            if place == Place::Last
                && let Some(partial) = self.partial.take()
            {
                return Ok(Some(partial.finish()));
            }
        }
    }
}

/// Where a line stands in its reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Middle,
    Last,
}

/// Adds a line to the reply that it belongs to.
fn add(partial: &mut Option<Partial>, line: &[u8]) -> Result<Place, Garbled> {
    let (digits, rest) = line.split_at_checked(3).ok_or(Garbled)?;
    let [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] = digits else { return Err(Garbled) };
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let (place, text) = match rest {
        [b'-', text @ ..] => (Place::Middle, text),
        [b' ', text @ ..] => (Place::Last, text),
        [] => (Place::Last, rest),
        _ => return Err(Garbled),
    };
    let reply = partial.get_or_insert_with(|| Partial { code, lines: 0, text: Vec::new() });
    if reply.code != code || reply.lines >= limits::SMTP_REPLY_LINES_MAX {
        return Err(Garbled);
    }
    if reply.lines > 0 && reply.text.len() < limits::SMTP_REPLY_BYTES_MAX {
        reply.text.push(b'\n');
    }
    reply.lines += 1;
    let room = limits::SMTP_REPLY_BYTES_MAX.saturating_sub(reply.text.len());
    reply.text.extend_from_slice(text.get(..room).unwrap_or(text));
    Ok(place)
}

impl Partial {
    fn finish(self) -> Lines {
        let mut status = None;
        let mut joined = Vec::new();
        for line in self.text.split(|&byte| byte == b'\n') {
            let line = match enhanced(line, self.code) {
                Some((found, rest)) => {
                    status.get_or_insert(found);
                    rest
                }
                None => line,
            };
            let line = line.trim_ascii();
            if !joined.is_empty() && !line.is_empty() {
                joined.push(b' ');
            }
            joined.extend_from_slice(line);
        }
        let reply = Reply { code: self.code, status, speaker: Speaker::Peer, text: shown(&joined) };
        Lines { reply, text: self.text }
    }
}

/// The enhanced status at the start of a line, and what follows it (RFC 2034 §4).
fn enhanced(line: &[u8], code: u16) -> Option<(EnhancedStatus, &[u8])> {
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end)?;
    let mut numbers = word.split(|&byte| byte == b'.');
    let class = number(numbers.next()?)?;
    let (subject, detail) = (number(numbers.next()?)?, number(numbers.next()?)?);
    if numbers.next().is_some() || class != code / 100 {
        return None;
    }
    Some((EnhancedStatus::new(u8::try_from(class).ok()?, subject, detail), rest.trim_ascii_start()))
}

/// One to three digits.
fn number(text: &[u8]) -> Option<u16> {
    let valid = (1..=3).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    valid.then(|| text.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

/// Text that can stand in a log line, a notice and a terminal.
fn shown(text: &[u8]) -> String {
    let mut shown = String::new();
    for c in String::from_utf8_lossy(text).chars() {
        let c = if c.is_control() { '?' } else { c };
        if shown.len() + c.len_utf8() > limits::REMOTE_REPLY_BYTES_MAX {
            break;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yubin_types::{EnhancedStatus, limits};

    use super::{Garbled, Reply, ReplyReader};

    fn read(text: &[u8], segment: usize) -> Result<Vec<Reply>, Garbled> {
        let mut reader = ReplyReader::default();
        let mut replies = Vec::new();
        for piece in text.chunks(segment) {
            reader.extend(piece);
            while let Some(lines) = reader.next()? {
                replies.push(lines.reply);
            }
            assert!(reader.held_bytes() < 4 * limits::SMTP_REPLY_BYTES_MAX + 2 * segment.min(text.len()));
        }
        Ok(replies)
    }

    fn one(text: &str) -> Reply {
        read(text.as_bytes(), 1_000_000).unwrap().remove(0)
    }

    #[test]
    fn replies_of_real_servers_are_understood() {
        for (text, code, status, shown) in [
            ("250 2.1.0 Ok\r\n", 250, Some((2, 1, 0)), "Ok"),
            ("250\r\n", 250, None, ""),
            ("250 \r\n", 250, None, ""),
            ("354 End data with <CR><LF>.<CR><LF>\n", 354, None, "End data with <CR><LF>.<CR><LF>"),
            (
                "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n550-5.7.26  \r\n550 5.7.26 x - gsmtp\r\n",
                550,
                Some((5, 7, 26)),
                "This mail has been blocked because the sender is unauthenticated. x - gsmtp",
            ),
            ("421 4.7.0 [203.0.113.5] try later\r\n", 421, Some((4, 7, 0)), "[203.0.113.5] try later"),
            // A status of another class, and one with too many digits, are text.
            ("550 4.1.1 no\r\n", 550, None, "4.1.1 no"),
            ("550 5.1.1000 no\r\n", 550, None, "5.1.1000 no"),
            ("550 5.1.1\r\n", 550, Some((5, 1, 1)), ""),
            ("550 \x1b[2Jno\0\tuser\r\n", 550, None, "?[2Jno??user"),
            ("550 ユーザー不明\r\n", 550, None, "ユーザー不明"),
        ] {
            let reply = one(text);
            let status = status.map(|(class, subject, detail)| EnhancedStatus::new(class, subject, detail));
            assert_eq!((reply.code, reply.status, reply.text()), (code, status, shown), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_told_apart() {
        for text in [
            "\r\n",
            "25\r\n",
            "25x ok\r\n",
            "100 continue\r\n",
            "650 ok\r\n",
            "250ok\r\n",
            "250-a\r\n251 b\r\n",
            "250-a\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "\0\0\0\0\n",
            "+OK POP3\r\n",
        ] {
            assert_eq!(read(text.as_bytes(), 1_000), Err(Garbled), "{text:?}");
        }
    }

    #[test]
    fn endless_lines_and_endless_replies_end() {
        let endless = [b"250 ".as_slice(), &vec![b'x'; 1_000_000]].concat();
        assert_eq!(read(&endless, 8_192), Err(Garbled));
        let lines = "250-x\r\n".repeat(10_000);
        assert_eq!(read(lines.as_bytes(), 8_192), Err(Garbled));
        let allowed = format!("{}250 end\r\n", "250-x\r\n".repeat(limits::SMTP_REPLY_LINES_MAX - 1));
        assert_eq!(read(allowed.as_bytes(), 100).unwrap().len(), 1);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let reply = one(&format!("550 {}\r\n", "あ".repeat(1_000)));
        assert_eq!(reply.text().len(), 510);
        let many = format!("{}550 end\r\n", format!("550-{}\r\n", "y".repeat(1_000)).repeat(100));
        assert_eq!(one(&many).text().len(), limits::REMOTE_REPLY_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn segments_make_no_difference(words in prop::collection::vec(prop::sample::select(vec![
            "250", "2", "5", "-", " ", "\r\n", "\n", "\r", "5.1.1", "ok", "\0", "250-x\r\n", "250 y\r\n", "550 5.1.1 z\r\n",
        ]), 0..40), cut in 1usize..9) {
            let text = words.concat();
            prop_assert_eq!(read(text.as_bytes(), cut), read(text.as_bytes(), 10_000));
        }

        #[test]
        fn no_octets_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&text, 7);
        }
    }
}
