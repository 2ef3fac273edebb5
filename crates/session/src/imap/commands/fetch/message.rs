//! One message's FETCH response, written item by item.
//!
//! The text before the first octets from the rim is held back, so that a message that turns out to be gone leaves no half response.

use bytes::{Bytes, BytesMut};
use yubin_message::imap::{BodyForm, Utf8, write_body, write_envelope};
use yubin_message::{DateTime, PartTree, ScanLimits, Scanner, SectionText, select_fields};
use yubin_types::{Timestamp, UtcOffset, limits};

use super::items::{Item, Items};
use super::section::{Section, SectionPart, shown_range};
use crate::imap::ask::MessageRow;
use crate::imap::output::Output;
use crate::imap::state::Condstore;

/// A message to be shown.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) row: MessageRow,
    /// Its own header with the prefix, if it was read.
    pub(super) header: Option<Bytes>,
    tree: Option<PartTree>,
    flags: FlagsShown,
}

/// Are the flags shown without being asked for?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlagsShown {
    IfAsked,
    /// This command changed them.
    Always,
}

impl Message {
    pub(super) fn new(row: MessageRow) -> Message {
        let tree = row.cold.as_ref().and_then(|cold| PartTree::from_bytes(&cold.facts).ok());
        Message { row, header: None, tree, flags: FlagsShown::IfAsked }
    }

    pub(super) fn flags_changed(&mut self) {
        self.flags = FlagsShown::Always;
    }

    /// How much of its own header is read to choose fields from; `None` if that is not known, or nothing.
    pub(super) fn header_bytes(&self) -> Option<u64> {
        let range = shown_range(self.tree.as_ref()?, self.prefix_bytes(), &[], SectionText::Header)?;
        Some(range.end.min(HEADER_BYTES_MAX)).filter(|&bytes| bytes > 0)
    }

    fn prefix_bytes(&self) -> u64 {
        self.row.cold.as_ref().map_or(0, |cold| cold.prefix_bytes)
    }
}

/// Fields are chosen from so much of a header: what comes later is not found.
const HEADER_BYTES_MAX: u64 = limits::STRUCTURE_BYTES_MAX as u64;

/// What must be there before the response can go on.
#[derive(Debug)]
pub(super) enum Need {
    /// Nothing: it is complete.
    Nothing,
    /// Octets for [`Writer::feed`].
    Octets { offset: u64, length: u64 },
    /// The message's own header for [`Writer::take_header`].
    Header { offset: u64, length: u64 },
}

/// A response in the making.
#[derive(Debug)]
pub(super) struct Writer {
    message: Message,
    condstore: Condstore,
    utc_offset: UtcOffset,
    /// Not handed over yet.
    held: Output,
    sent: Sent,
    /// The item that comes next.
    item: usize,
    reading: Reading,
}

/// Was some of the response handed over?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    Some,
}

/// What octets are being read for.
#[derive(Debug)]
enum Reading {
    Nothing,
    /// The client: `left` more from `offset` on.
    Literal {
        offset: u64,
        left: u64,
    },
    /// Choosing fields from the header of a part inside the message.
    Header {
        offset: u64,
        end: u64,
        gathered: BytesMut,
    },
    /// The structure, which was not kept or by another scanner.
    Structure {
        offset: u64,
        scanner: Box<Scanner>,
    },
}

impl Writer {
    pub(super) fn new(message: Message, number: u32, condstore: Condstore, utc_offset: UtcOffset) -> Writer {
        let mut held = Output::default();
        held.text("* ").show(number).text(" FETCH (");
        Writer { message, condstore, utc_offset, held, sent: Sent::Nothing, item: 0, reading: Reading::Nothing }
    }

    pub(super) fn uid(&self) -> yubin_types::Uid {
        self.message.row.uid
    }

    /// Would the client be left with half a response if it ended here?
    pub(super) fn is_partly_sent(&self) -> bool {
        self.sent == Sent::Some
    }

    /// Goes on as far as it can.
    pub(super) fn write(&mut self, items: &Items, out: &mut Output) -> Need {
        loop {
            if let Some(need) = self.more_octets() {
                return need;
            }
            let Some(item) = items.list.get(self.item) else {
                self.finish(items);
                out.append(&mut self.held);
                return Need::Nothing;
            };
            if let Some(need) = self.write_item(item) {
                return need;
            }
        }
    }

    /// Octets that [`Need::Octets`] asked for.
    pub(super) fn feed(&mut self, octets: Bytes, out: &mut Output) {
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        match &mut self.reading {
            Reading::Nothing => {}
            Reading::Literal { offset, left } => {
                let taken = length.min(*left);
                *offset += taken;
                *left -= taken;
                self.held.octets(octets.slice(..usize::try_from(taken).unwrap_or(octets.len())));
                self.sent = Sent::Some;
                out.append(&mut self.held);
            }
            Reading::Header { offset, gathered, .. } => {
                *offset += length;
                gathered.extend_from_slice(&octets);
            }
            Reading::Structure { offset, scanner } => {
                *offset += length;
                scanner.feed(&octets);
            }
        }
    }

    /// The octets that [`Need::Header`] asked for.
    pub(super) fn take_header(&mut self, header: Bytes) {
        self.message.header = Some(header);
    }

    /// The next piece of what is being read, or its end.
    fn more_octets(&mut self) -> Option<Need> {
        let (offset, end) = match &self.reading {
            Reading::Nothing => return None,
            Reading::Literal { offset, left } => (*offset, offset + left),
            Reading::Header { offset, end, .. } => (*offset, *end),
            Reading::Structure { offset, .. } => (*offset, self.message.row.bytes),
        };
        if offset < end {
            return Some(Need::Octets { offset, length: (end - offset).min(limits::BODY_CHUNK_BYTES as u64) });
        }
        match std::mem::replace(&mut self.reading, Reading::Nothing) {
            Reading::Structure { scanner, .. } => self.message.tree = Some(scanner.finish()),
            // Kept under the item that asked for it, which comes next.
            Reading::Header { gathered, .. } => self.reading = Reading::Header { offset, end, gathered },
            Reading::Literal { .. } => self.item += 1,
            Reading::Nothing => {}
        }
        None
    }

    fn finish(&mut self, items: &Items) {
        if self.message.flags == FlagsShown::Always {
            if !items.list.contains(&Item::Flags) {
                self.begin_item();
                self.held.text("FLAGS ").list(self.message.row.flags.iter());
            }
            if self.condstore == Condstore::On && !items.names_modseq() {
                self.begin_item();
                self.held.text("MODSEQ (").show(self.message.row.modseq.0).text(")");
            }
        }
        self.held.text(")\r\n");
    }

    fn begin_item(&mut self) {
        let first = self.item == 0;
        self.held.text(if first { "" } else { " " });
        self.item += 1;
    }

    /// Writes an item whole, or begins to read for it.
    fn write_item(&mut self, item: &Item) -> Option<Need> {
        let needs_tree = matches!(item, Item::Envelope | Item::Body | Item::BodyStructure)
            || matches!(item, Item::Section(section) if !section.is_whole_message());
        if needs_tree && self.message.tree.is_none() {
            let scanner = Box::new(Scanner::new(ScanLimits::default()));
            self.reading = Reading::Structure { offset: self.message.prefix_bytes(), scanner };
            return self.more_octets();
        }
        if let Item::Section(section) = item {
            return self.write_section(section);
        }
        self.begin_item();
        let row = &self.message.row;
        let out = &mut self.held;
        match item {
            Item::Flags => out.text("FLAGS ").list(row.flags.iter()),
            Item::Uid => out.text("UID ").show(row.uid),
            Item::InternalDate => {
                out.text("INTERNALDATE \"").text(&date_time(row.internal_date, self.utc_offset)).text("\"")
            }
            Item::Size => out.text("RFC822.SIZE ").show(row.bytes),
            Item::ModSeq => out.text("MODSEQ (").show(row.modseq.0).text(")"),
            Item::SaveDate => out.text("SAVEDATE \"").text(&date_time(row.save_date, self.utc_offset)).text("\""),
            Item::EmailId => out.text("EMAILID (").show(row.email_id).text(")"),
            Item::ThreadId => out.text("THREADID NIL"),
            Item::Envelope | Item::Body | Item::BodyStructure => {
                if let Some(tree) = &self.message.tree {
                    write_structure(item, tree, out);
                }
                out
            }
            Item::Section(_) => out,
        };
        None
    }

    fn write_section(&mut self, section: &Section) -> Option<Need> {
        let prefix_bytes = self.message.prefix_bytes();
        let range = |text| match &self.message.tree {
            _ if section.is_whole_message() => Some(0..self.message.row.bytes),
            Some(tree) => shown_range(tree, prefix_bytes, &section.numbers, text),
            None => None,
        };
        let (selection, names) = match &section.part {
            SectionPart::Text(text) => {
                let range = range(*text);
                return self.begin_literal(section, range);
            }
            SectionPart::Fields { selection, names } => (*selection, names),
        };
        let Some(range) = range(SectionText::Header) else { return self.begin_literal(section, None) };
        let end = range.end.min(range.start.saturating_add(HEADER_BYTES_MAX));
        if range.is_empty() {
            self.write_chosen(section, &select_fields(b"", selection, names));
            return None;
        }
        let chosen = match (&self.message.header, std::mem::replace(&mut self.reading, Reading::Nothing)) {
            (Some(header), _) if section.numbers.is_empty() => select_fields(header, selection, names),
            (_, Reading::Header { gathered, .. }) if section.numbers.is_empty() => {
                let header = gathered.freeze();
                let chosen = select_fields(&header, selection, names);
                self.message.header = Some(header);
                chosen
            }
            (_, Reading::Header { gathered, .. }) => select_fields(&gathered, selection, names),
            _ if section.numbers.is_empty() && end <= limits::BODY_CHUNK_BYTES as u64 => {
                return Some(Need::Header { offset: range.start, length: end - range.start });
            }
            _ => {
                self.reading = Reading::Header { offset: range.start, end, gathered: BytesMut::new() };
                return self.more_octets();
            }
        };
        self.write_chosen(section, &chosen);
        None
    }

    /// Announces a literal whose octets come next, or says that there is no such section.
    fn begin_literal(&mut self, section: &Section, range: Option<std::ops::Range<u64>>) -> Option<Need> {
        let first = self.item == 0;
        self.held.text(if first { "" } else { " " }).bytes(&section.label);
        let Some(range) = range else {
            self.held.text(" NIL");
            self.item += 1;
            return None;
        };
        let range = section.partial.map_or(range.clone(), |partial| partial.of(range));
        let length = range.end - range.start;
        if length == 0 {
            self.held.text(" \"\"");
            self.item += 1;
            return None;
        }
        self.held.text(" {").show(length).text("}\r\n");
        self.reading = Reading::Literal { offset: range.start, left: length };
        self.more_octets()
    }

    fn write_chosen(&mut self, section: &Section, chosen: &[u8]) {
        let all = 0..u64::try_from(chosen.len()).unwrap_or(u64::MAX);
        let range = section.partial.map_or(all.clone(), |partial| partial.of(all));
        let bound = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        let shown = chosen.get(bound(range.start)..bound(range.end)).unwrap_or_default();
        self.begin_item();
        self.held.bytes(&section.label).text(" {").show(shown.len()).text("}\r\n").bytes(shown);
    }
}

fn write_structure(item: &Item, tree: &PartTree, out: &mut Output) {
    let form = match item {
        Item::Envelope => {
            out.text("ENVELOPE ");
            return write_envelope(out.buffer(), tree.envelope(), Utf8::No);
        }
        Item::BodyStructure => BodyForm::BodyStructure,
        _ => BodyForm::Body,
    };
    out.text(if form == BodyForm::Body { "BODY " } else { "BODYSTRUCTURE " });
    write_body(out.buffer(), tree, form, Utf8::No);
}

/// RFC 9051 date-time.
fn date_time(time: Timestamp, utc_offset: UtcOffset) -> String {
    DateTime::at(time, utc_offset).to_imap()
}
