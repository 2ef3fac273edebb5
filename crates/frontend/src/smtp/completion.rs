//! What a submitted message lacks: Date and Message-ID are added in front of it (RFC 6409 §8.1, §8.2).
//!
//! The header is held until its end is found, at most [`limits::DKIM_HEADER_BYTES_MAX`]; a longer one is taken as it is: what it lacks
//! nobody knows, and a second Date would be worse than none. What it says that matters to the way of the message is kept
//! ([`HeaderFacts`]).

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use yubin_message::{DateTime, HeaderFields, HeaderWriter};
use yubin_session::smtp::AddressEncoding;
use yubin_types::{EmailId, limits};

use super::own_fields::Claims;
use crate::driver::now;

/// A header that is still coming in.
#[derive(Debug, Default)]
pub(super) struct Completion {
    held: BytesMut,
    /// So much of it needs no second look for the end.
    searched: usize,
}

/// What the header of a submission says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderFacts {
    /// The message's own Message-ID, or the one it was given.
    pub(super) message_id: Option<String>,
    /// Does it need a way that takes UTF-8 (RFC 6532)?
    pub(super) encoding: AddressEncoding,
    /// May it have fields in our name?
    pub(super) claims: Claims,
}

/// A header that is complete.
#[derive(Debug)]
pub(super) struct Completed {
    /// What goes in front, and what was held.
    pub(super) pieces: [Bytes; 2],
    /// What it says.
    pub(super) facts: HeaderFacts,
}

impl Completion {
    /// Takes the next octets; when the header is complete, gives what goes in front and everything that was held.
    pub(super) fn push(&mut self, piece: Bytes, hostname: &str) -> Option<Completed> {
        if self.held.is_empty() && has_header(&piece) {
            return Some(completed(piece, hostname, Extent::Whole));
        }
        self.held.extend_from_slice(&piece);
        let extent = if self.is_whole() {
            Extent::Whole
        } else if self.held.len() > limits::DKIM_HEADER_BYTES_MAX {
            Extent::Part
        } else {
            return None;
        };
        Some(completed(std::mem::take(&mut self.held).freeze(), hostname, extent))
    }

    /// Is the end of the header there? Each octet is looked at once.
    fn is_whole(&mut self) -> bool {
        let from = self.searched.saturating_sub(END.len() - 1);
        self.searched = self.held.len();
        self.held.starts_with(b"\r\n") || memmem::find(self.held.get(from..).unwrap_or_default(), END).is_some()
    }

    /// There is no more: the header is what was held.
    pub(super) fn finish(&mut self, hostname: &str) -> Completed {
        completed(std::mem::take(&mut self.held).freeze(), hostname, Extent::Whole)
    }
}

/// The end of the last field and the empty line.
const END: &[u8] = b"\r\n\r\n";

fn has_header(octets: &[u8]) -> bool {
    octets.starts_with(b"\r\n") || memmem::find(octets, END).is_some()
}

/// How much of the header was held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Part,
}

fn completed(held: Bytes, hostname: &str, extent: Extent) -> Completed {
    let (mut date, mut message_id, mut encoding) = (Presence::Missing, None, AddressEncoding::Ascii);
    let mut claims = Claims::None;
    for field in HeaderFields::new(&held) {
        if field.is("Date") {
            date = Presence::Present;
        }
        if field.is("Message-ID") {
            message_id = Some(String::from_utf8_lossy(&field.unfolded()).into_owned());
        }
        if !field.body.is_ascii() {
            encoding = AddressEncoding::Utf8;
        }
        claims.note(&field);
    }
    if extent == Extent::Part {
        let facts = HeaderFacts { message_id, encoding, claims: Claims::Some };
        return Completed { pieces: [Bytes::new(), held], facts };
    }
    let mut writer = HeaderWriter::new();
    if date == Presence::Missing {
        let seconds = i64::try_from(now().seconds()).unwrap_or(i64::MAX);
        writer.field("Date", &DateTime::utc(seconds).to_rfc5322());
    }
    let message_id = message_id.unwrap_or_else(|| {
        let minted = format!("<{}@{hostname}>", EmailId(rand::random()));
        writer.field("Message-ID", &minted);
        minted
    });
    let facts = HeaderFacts { message_id: Some(message_id), encoding, claims };
    Completed { pieces: [Bytes::from(writer.into_bytes()), held], facts }
}

#[derive(PartialEq, Eq)]
enum Presence {
    Present,
    Missing,
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
                out.extend(completed.pieces);
                done = true;
            }
        }
        if !done {
            out.extend(completion.finish("mx.example").pieces);
        }
        String::from_utf8(out.concat()).unwrap()
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let message = "date: x\r\nMESSAGE-ID: <y@z>\r\n\r\nDate is not here\r\n";
        assert_eq!(completed(&[message]), message);
    }

    #[test]
    fn nothing_goes_in_front_of_a_header_whose_end_is_far() {
        for bytes in [100_000, 300_000] {
            let long: String = (0..bytes / 100).map(|n| format!("X-{n:08}: {}\r\n", "x".repeat(86))).collect();
            let message = format!("{long}Date: x\r\nMessage-ID: <y@z>\r\n\r\nbody\r\n");
            let pieces: Vec<&str> = message.as_bytes().chunks(1_000).map(|it| str::from_utf8(it).unwrap()).collect();
            assert_eq!(completed(&pieces), message);
        }
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
