//! What goes out in many pieces: the rows of LIST and UIDL, and messages.
//!
//! Rows are written a frame at a time and a message is pulled piece by piece, so that neither a large maildrop nor a large message
//! grows a buffer. The terminator goes out with the last data. A message that can't be read to its end leaves without a terminator
//! and the connection is closed, so that no client takes half of it for the whole.

use std::fmt::Write as _;

use yubin_types::limits;

use super::contract::{Answer, Ask};
use super::maildrop::{Maildrop, Message};
use super::session::{OUTPUT_BYTES_MAX, Phase, Pop3Session};
use super::stuffing::{Extent, Flow, Stuffing};

/// What TOP reads at a time: most headers fit, bytes.
const TOP_PIECE_BYTES: usize = 16 * 1024;

/// A listing that goes out.
#[derive(Debug)]
pub(super) struct Scan {
    listing: Listing,
    /// The number of the next row.
    number: u32,
}

/// Which listing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Listing {
    Sizes,
    UniqueIds,
}

impl Scan {
    pub(super) fn new(listing: Listing) -> Scan {
        Scan { listing, number: 1 }
    }
}

/// A message that goes out.
#[derive(Debug)]
pub(super) struct Sending {
    message: Message,
    /// Octets that were fetched.
    offset: u64,
    stuffing: Stuffing,
    piece_bytes: usize,
}

impl Sending {
    pub(super) fn new(message: Message, extent: Extent) -> Sending {
        let piece_bytes = match extent {
            Extent::Whole => limits::BODY_CHUNK_BYTES,
            Extent::Header { .. } | Extent::Body { .. } => TOP_PIECE_BYTES,
        };
        Sending { message, offset: 0, stuffing: Stuffing::new(extent), piece_bytes }
    }

    pub(super) fn next_piece(&self) -> Ask {
        Ask::Body { uid: self.message.uid, offset: self.offset, bytes_max: self.piece_bytes }
    }
}

impl Pop3Session {
    /// The row of one message.
    pub(super) fn write_row(&mut self, listing: Listing, number: u32, message: &Message) {
        let _ = match listing {
            Listing::Sizes => write!(self.output, "{number} {}\r\n", message.bytes()),
            Listing::UniqueIds => write!(self.output, "{number} {}\r\n", message.email_id),
        };
    }

    /// The next frame of a listing.
    pub(super) fn write_rows(&mut self, maildrop: Maildrop, mut scan: Scan) {
        while scan.number <= maildrop.last_number() {
            if let Some(message) = maildrop.get(scan.number) {
                self.write_row(scan.listing, scan.number, &message);
            }
            scan.number += 1;
            if self.output.len() >= OUTPUT_BYTES_MAX && scan.number <= maildrop.last_number() {
                self.phase = Phase::Scanning(maildrop, scan);
                return;
            }
        }
        self.say(".");
        self.phase = Phase::Transaction(maildrop);
    }

    /// RETR and TOP.
    pub(super) fn send(&mut self, maildrop: Maildrop, message: Message, extent: Extent) {
        let sending = Sending::new(message, extent);
        if message.bytes() == 0 {
            self.say("+OK 0 octets\r\n.");
            self.phase = Phase::Transaction(maildrop);
        } else {
            self.phase = Phase::Sending(maildrop, sending);
        }
    }

    /// A piece of the message came, or did not.
    pub(super) fn fetched(&mut self, maildrop: Maildrop, mut sending: Sending, answer: Answer) {
        let first = sending.offset == 0;
        let piece = match answer {
            Answer::Body(piece) if !piece.is_empty() => piece,
            Answer::Refused(text) if first => {
                self.refuse(&text);
                self.phase = Phase::Transaction(maildrop);
                return;
            }
            Answer::Ended(text) if first => {
                self.refuse(&text);
                self.phase = Phase::Closed;
                return;
            }
            _ if first => return self.unexpected(),
            _ => {
                self.phase = Phase::Closed;
                return;
            }
        };
        if first {
            let _ = write!(self.output, "+OK {} octets\r\n", sending.message.bytes());
        }
        sending.offset = sending.offset.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let (text, flow) = sending.stuffing.stuff(piece);
        if flow == Flow::Complete || sending.offset >= sending.message.bytes() {
            self.output.extend_from_slice(&text);
            self.output.extend_from_slice(sending.stuffing.terminator());
            self.phase = Phase::Transaction(maildrop);
        } else {
            self.piece = Some(text);
            self.phase = Phase::Sending(maildrop, sending);
        }
    }
}
