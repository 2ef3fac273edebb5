//! What a submitted message lacks: Date and Message-ID are added in front of it (RFC 6409 §8.1, §8.2).
//!
//! The header is held until its end is found, at most [`HEADER_BYTES_HELD`]; a longer one is taken as it is.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use yubin_message::{DateTime, HeaderFields, HeaderWriter};
use yubin_types::EmailId;

use crate::driver::now;

/// How much of a header is looked at, bytes.
const HEADER_BYTES_HELD: usize = 64 * 1024;

/// A header that is still coming in.
#[derive(Debug, Default)]
pub(super) struct Completion {
    held: BytesMut,
}

impl Completion {
    /// Takes the next octets; when the header is complete, gives what goes in front and everything that was held.
    pub(super) fn push(&mut self, piece: Bytes, hostname: &str) -> Option<[Bytes; 2]> {
        if self.held.is_empty() && has_header(&piece) {
            return Some([missing(&piece, hostname), piece]);
        }
        self.held.extend_from_slice(&piece);
        let complete = has_header(&self.held) || self.held.len() > HEADER_BYTES_HELD;
        complete.then(|| self.finish(hostname))
    }

    /// There is no more: the header is what was held.
    pub(super) fn finish(&mut self, hostname: &str) -> [Bytes; 2] {
        let held = std::mem::take(&mut self.held).freeze();
        [missing(&held, hostname), held]
    }
}

fn has_header(octets: &[u8]) -> bool {
    octets.starts_with(b"\r\n") || memmem::find(octets, b"\r\n\r\n").is_some()
}

fn missing(message: &[u8], hostname: &str) -> Bytes {
    let (mut date, mut message_id) = (false, false);
    for field in HeaderFields::new(message) {
        date |= field.is("Date");
        message_id |= field.is("Message-ID");
    }
    let mut writer = HeaderWriter::new();
    if !date {
        let seconds = i64::try_from(now().seconds()).unwrap_or(i64::MAX);
        writer.field("Date", &DateTime::utc(seconds).to_rfc5322());
    }
    if !message_id {
        writer.field("Message-ID", &format!("<{}@{hostname}>", EmailId(rand::random())));
    }
    Bytes::from(writer.into_bytes())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Completion;

    fn completed(pieces: &[&str]) -> String {
        let mut completion = Completion::default();
        let mut out = Vec::new();
        let mut done = false;
        for piece in pieces {
            let piece = Bytes::copy_from_slice(piece.as_bytes());
            if done {
                out.push(piece);
            } else if let Some(completed) = completion.push(piece, "mx.example") {
                out.extend(completed);
                done = true;
            }
        }
        if !done {
            out.extend(completion.finish("mx.example"));
        }
        String::from_utf8(out.concat()).unwrap()
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let message = "date: x\r\nMESSAGE-ID: <y@z>\r\n\r\nDate is not here\r\n";
        assert_eq!(completed(&[message]), message);
    }

    #[test]
    fn what_is_missing_goes_in_front_however_the_message_is_cut() {
        let message = "Subject: a\r\nDate: x\r\n\r\nMessage-ID: in the body\r\n";
        for cut in 0..message.len() {
            let (first, second) = message.split_at(cut);
            let whole = completed(&[first, second]);
            let added = whole.strip_suffix(message).unwrap_or_else(|| panic!("{whole}"));
            assert!(added.starts_with("Message-ID: <") && added.ends_with("@mx.example>\r\n"), "{added}");
        }
        let bare = completed(&["Subject: no end"]);
        assert!(bare.starts_with("Date: ") && bare.contains("\r\nMessage-ID: <") && bare.ends_with("Subject: no end"));
        assert!(completed(&["\r\nbody\r\n"]).ends_with(".example>\r\n\r\nbody\r\n"));
    }
}
