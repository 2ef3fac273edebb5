//! Message data as it streams: finds its end, removes dot-stuffing, counts, and finds what can't be taken.
//!
//! Only CRLF.CRLF ends DATA (RFC 5321 §4.1.1.4); a bare CR, a bare LF and NUL never end a line, never end the message, and make it
//! unacceptable as a whole ([`Fault`]): every look-alike of the end of data is either text or refused, so that no two servers can
//! disagree about where a message ends. BDAT (RFC 3030) is checked likewise, since its text may travel on by DATA.
//!
//! Works in place on what was received, in one pass, over any segmentation; searches with memchr and copies only where dots were
//! removed. NUL is refused rather than kept: RFC 5322 has no place for it and clients hang on it.

use memchr::memchr3;
use yubin_types::limits;

use super::contract::MessageFacts;

/// How the end of the data is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// DATA: a line with a single dot; others lose their first dot.
    Dots,
    /// BDAT: by count, which the caller keeps.
    Counted,
}

/// Why a message can't be taken, whoever it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A CR or LF that is not part of a CRLF.
    BareLineEnd,
    /// An octet 0.
    Nul,
    /// A line beyond `SMTP_TEXT_LINE_BYTES_MAX`.
    LongLine,
    /// More than the listener takes.
    TooBig,
    /// `HOPS_MAX` Received fields.
    TooManyHops,
}

/// How far a pass over received data got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Octets of the buffer that were read.
    pub(crate) consumed: usize,
    /// Octets of message that now stand at the start of the buffer.
    pub(crate) kept: usize,
    /// Was the end of DATA among them?
    pub(crate) end: End,
}

/// Is the message complete?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// CRLF.CRLF was read.
    Reached,
    /// Not yet.
    Open,
}

/// Where in a line the stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    /// After a dot at a line's start, which is never part of the message.
    Dot,
    /// After that dot and a CR.
    DotCr,
    InLine,
    /// After a CR that was kept.
    Cr,
}

/// The state of a message that streams in.
#[derive(Debug)]
pub(crate) struct Content {
    framing: Framing,
    bytes_max: u64,
    place: Place,
    line_bytes: usize,
    header: Header,
    facts: MessageFacts,
    fault: Option<Fault>,
}

impl Content {
    /// A message of at most `bytes_max` octets begins.
    pub(crate) fn new(framing: Framing, bytes_max: u64) -> Content {
        Content {
            framing,
            bytes_max,
            place: Place::LineStart,
            line_bytes: 0,
            header: Header::default(),
            facts: MessageFacts::default(),
            fault: None,
        }
    }

    /// The first thing found that makes the message unacceptable.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// What was counted.
    pub(crate) fn facts(&self) -> MessageFacts {
        self.facts
    }

    /// BDAT LAST: the data ended here. A CR at the very end has lost its LF.
    pub(crate) fn finish(&mut self) {
        if self.place == Place::Cr {
            self.blame(Fault::BareLineEnd);
        }
    }

    /// Reads on. Message octets are moved to the start of `buffer`; a faulty message is read to its end but not kept.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Pass {
        let (mut at, mut kept) = (0, 0);
        let mut end = End::Open;
        while let Some(&byte) = buffer.get(at) {
            match (self.place, byte) {
                (Place::LineStart, b'.') if self.framing == Framing::Dots => {
                    self.place = Place::Dot;
                    at += 1;
                }
                (Place::Dot, b'\r') => {
                    self.place = Place::DotCr;
                    at += 1;
                }
                (Place::DotCr, b'\n') => {
                    at += 1;
                    end = End::Reached;
                    break;
                }
                (Place::Cr, b'\n') => {
                    kept = keep(buffer, at..at + 1, kept);
                    at += 1;
                    self.end_line();
                }
                (Place::Cr | Place::DotCr, _) => {
                    self.blame(Fault::BareLineEnd);
                    self.place = Place::InLine;
                }
                (Place::LineStart | Place::Dot | Place::InLine, _) => {
                    let run = self.run(buffer.get(at..).unwrap_or_default());
                    kept = keep(buffer, at..at + run, kept);
                    at += run;
                }
            }
        }
        self.facts.bytes = self.facts.bytes.saturating_add(u64::try_from(kept).unwrap_or(u64::MAX));
        if self.facts.bytes > self.bytes_max {
            self.blame(Fault::TooBig);
        }
        Pass { consumed: at, kept: if self.fault.is_some() { 0 } else { kept }, end }
    }

    /// Text up to and with the next octet that matters; its length.
    fn run(&mut self, rest: &[u8]) -> usize {
        let special = memchr3(b'\r', b'\n', 0, rest);
        let (text, length) = match special {
            Some(index) => (rest.get(..index).unwrap_or_default(), index + 1),
            None => (rest, rest.len()),
        };
        self.place = Place::InLine;
        self.header.text(text);
        self.line_bytes = self.line_bytes.saturating_add(text.len());
        if self.line_bytes > limits::SMTP_TEXT_LINE_BYTES_MAX {
            self.blame(Fault::LongLine);
        }
        match special.and_then(|index| rest.get(index)) {
            Some(b'\r') => self.place = Place::Cr,
            Some(0) => self.blame(Fault::Nul),
            Some(_) => self.blame(Fault::BareLineEnd),
            None => {}
        }
        length
    }

    fn end_line(&mut self) {
        self.place = Place::LineStart;
        self.line_bytes = 0;
        self.header.end_line();
        self.facts.hops = self.header.hops;
        if self.facts.hops > limits::HOPS_MAX {
            self.blame(Fault::TooManyHops);
        }
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

/// Moves a run to where the kept octets end; where they end then.
fn keep(buffer: &mut [u8], run: std::ops::Range<usize>, kept: usize) -> usize {
    let after = kept + run.len();
    if run.start != kept {
        buffer.copy_within(run, kept);
    }
    after
}

const RECEIVED: [u8; 9] = *b"received:";

/// Counts Received fields until the empty line.
#[derive(Debug, Default)]
struct Header {
    /// How much of the field's name the current line has.
    matched: Matched,
    hops: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matched {
    /// So many octets of the name.
    Name(usize),
    /// Another line of the header.
    Other,
    /// The header is over.
    Over,
}

impl Default for Matched {
    fn default() -> Self {
        Matched::Name(0)
    }
}

impl Header {
    fn text(&mut self, text: &[u8]) {
        for byte in text {
            let Matched::Name(matched) = self.matched else { return };
            match RECEIVED.get(matched) {
                Some(expected) if byte.eq_ignore_ascii_case(expected) => self.matched = Matched::Name(matched + 1),
                // Obsolete syntax (RFC 5322 §4.5.7): blanks before the colon.
                Some(b':') if matches!(byte, b' ' | b'\t') => {}
                Some(_) => self.matched = Matched::Other,
                None => return,
            }
        }
    }

    fn end_line(&mut self) {
        self.matched = match self.matched {
            // An empty line.
            Matched::Name(0) | Matched::Over => Matched::Over,
            Matched::Name(matched) => {
                self.hops += usize::from(matched == RECEIVED.len());
                Matched::Name(0)
            }
            Matched::Other => Matched::Name(0),
        };
    }
}
