//! FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5, CONDSTORE's parts of RFC 7162 §3.1.4, ids of RFC 8474 §5).
//!
//! Rows are asked for a frame at a time, a small one where `\Seen` is set, which is set for the whole frame before its texts are shown;
//! then each message is written item by item ([`message`]). Octets are streamed: nothing of a body is gathered but the header fields that
//! are chosen from. Headers that many messages need are read together.
//!
//! A message that was expunged meanwhile is left out; with sequence numbers the command then ends with `NO [EXPUNGEISSUED]`.
//! If the rim fails in the middle of a literal the connection is closed: there is no other way to tell.

mod items;
mod message;
mod section;

use std::collections::VecDeque;

use yubin_types::{Flag, FlagSet, MailboxId, ModSeq, Uid, UidSet, limits};

use self::items::{Items, Marking, parse_items};
use self::message::{Message, Need, Writer};
use super::expunge::take_first;
use crate::imap::ask::{Answer, Ask, FlagOperation, MessageRow, OctetRange, Refusal};
use crate::imap::command::{Allowed, Command, Completion, Context, Numbering, Parse, Reject, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::{Access, NumberCursor, Selected};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "FETCH", allowed: Allowed::Selected, parse: Parse::Numbered(parse) }],
    capabilities: &[
        Capability { name: "SAVEDATE", when: When::Authenticated },
        Capability { name: "OBJECTID", when: When::Authenticated },
    ],
};

/// Headers that are read with one question.
const HEADERS_TOGETHER_MAX: usize = 64;

#[derive(Debug)]
struct Fetch {
    numbering: Numbering,
    /// Messages to show.
    named: UidSet,
    items: Items,
    changed_since: Option<ModSeq>,
    mailbox: MailboxId,
    /// UIDs whose rows were not asked for yet.
    unread: UidSet,
    /// Rows that are not shown yet.
    rows: VecDeque<Message>,
    cursor: NumberCursor,
    current: Option<Writer>,
    waiting: Waiting,
    /// Messages that are to be shown and were not seen in any row yet.
    missing: u64,
}

/// What was asked last.
#[derive(Debug)]
enum Waiting {
    Rows,
    /// `\Seen` for these.
    Marking(UidSet),
    /// Octets for the current message.
    Octets,
    /// Headers of the current message and of so many of those behind it.
    Headers(usize),
}

fn parse(parser: &mut Parser<'_>, numbering: Numbering, selected: &Selected) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let named = parser.messages(numbering, selected)?;
    parser.space()?;
    let mut items = parse_items(parser)?;
    let mut changed_since = None;
    if !parser.at_end() {
        parser.space()?;
        parser.expect(b'(', "Invalid modifiers")?;
        if !parser.eat_word("CHANGEDSINCE") {
            return Err(Reject::Bad("Unknown modifier"));
        }
        parser.space()?;
        changed_since = Some(ModSeq(parser.number64()?));
        parser.expect(b')', "Invalid modifiers")?;
        items.add_modseq();
    }
    if numbering == Numbering::Unique {
        items.add_uid();
    }
    if selected.access == Access::ReadOnly {
        items.marking = Marking::Peek;
    }
    Ok(Box::new(Fetch {
        numbering,
        missing: if changed_since.is_none() { named.len() } else { 0 },
        unread: named.clone(),
        named,
        items,
        changed_since,
        mailbox: selected.id,
        rows: VecDeque::new(),
        cursor: NumberCursor::default(),
        current: None,
        waiting: Waiting::Rows,
    }))
}

impl Running for Fetch {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.items.names_modseq() {
            cx.state.enable_condstore(cx.out);
        }
        self.ask_rows()
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match (std::mem::replace(&mut self.waiting, Waiting::Rows), answer) {
            (Waiting::Rows, Answer::Rows { rows, next }) => self.take_rows(rows, next),
            (Waiting::Marking(uids), Answer::FlagsStored { modified, modseq }) => {
                if let Some(modseq) = modseq {
                    self.mark(&uids.difference(&modified), modseq);
                    if let Some(selected) = cx.state.selected_mut() {
                        selected.mark_shown(modseq);
                    }
                }
                Turn::Again
            }
            (Waiting::Octets, Answer::Octets(pieces)) => {
                let piece = pieces.into_iter().next().flatten();
                match (piece, &mut self.current) {
                    (Some(piece), Some(current)) => {
                        current.feed(piece, cx.out);
                        Turn::Again
                    }
                    _ => self.lose_current(),
                }
            }
            (Waiting::Headers(others), Answer::Octets(pieces)) => self.take_headers(others, pieces),
            _ => Turn::broken(),
        }
    }

    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        match std::mem::replace(&mut self.waiting, Waiting::Rows) {
            // Reading goes on where writing does not.
            Waiting::Marking(_) => Turn::Again,
            Waiting::Octets if self.current.as_ref().is_some_and(Writer::is_partly_sent) => Turn::Abort,
            _ => Turn::Finish(Completion::refused(refusal).keeping(self.numbering)),
        }
    }

    /// Writes the next message, up to what must be asked first.
    fn proceed(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.current.is_none() {
            let Some(message) = self.rows.pop_front() else { return self.ask_rows() };
            let condstore = cx.state.condstore();
            let Some(selected) = cx.state.selected() else { return Turn::broken() };
            let Some(number) = self.cursor.number(&selected.uids, message.row.uid) else { return Turn::Again };
            self.current = Some(Writer::new(message, number, condstore, cx.config.utc_offset));
        }
        let Some(current) = &mut self.current else { return Turn::Again };
        match current.write(&self.items, cx.out) {
            Need::Nothing => {
                self.current = None;
                Turn::Again
            }
            Need::Octets { offset, length } => {
                let ranges = vec![OctetRange { uid: current.uid(), offset, length }];
                self.waiting = Waiting::Octets;
                Turn::Ask(Ask::Octets { mailbox: self.mailbox, ranges })
            }
            Need::Header { offset, length } => {
                let range = OctetRange { uid: current.uid(), offset, length };
                self.ask_headers(range)
            }
        }
    }
}

impl Fetch {
    fn ask_rows(&mut self) -> Turn {
        if self.unread.is_empty() {
            return self.finish();
        }
        self.waiting = Waiting::Rows;
        let uids = match self.items.marking {
            Marking::Peek => std::mem::take(&mut self.unread),
            Marking::Seen => take_first(&mut self.unread, limits::IMAP_SEEN_TOGETHER_MAX),
        };
        Turn::Ask(Ask::Rows {
            mailbox: self.mailbox,
            uids,
            changed_since: self.changed_since,
            detail: self.items.detail(),
        })
    }

    fn finish(&self) -> Turn {
        let completion = if self.missing > 0 && self.numbering == Numbering::Sequence {
            Completion::no(Some("EXPUNGEISSUED"), "Some of the messages no longer exist")
        } else {
            Completion::ok("Fetch completed")
        };
        Turn::Finish(completion.keeping(self.numbering))
    }

    fn take_rows(&mut self, rows: Vec<MessageRow>, next: Option<Uid>) -> Turn {
        if let Some(next) = next {
            self.unread = self.named.intersection(&UidSet::range(next.0, u32::MAX));
        }
        self.missing = self.missing.saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        self.rows = rows.into_iter().map(Message::new).collect();
        if self.items.marking == Marking::Peek {
            return Turn::Again;
        }
        let unseen = self.rows.iter().filter(|message| !message.row.flags.contains(&Flag::Seen));
        let uids: UidSet = unseen.map(|message| message.row.uid).collect();
        if uids.is_empty() {
            return Turn::Again;
        }
        self.waiting = Waiting::Marking(uids.clone());
        Turn::Ask(Ask::StoreFlags {
            mailbox: self.mailbox,
            uids,
            operation: FlagOperation::Add,
            flags: FlagSet::from_iter([Flag::Seen]),
            unchanged_since: None,
        })
    }

    /// These are `\Seen` now, and show it.
    fn mark(&mut self, uids: &UidSet, modseq: ModSeq) {
        for message in self.rows.iter_mut().filter(|message| uids.contains(message.row.uid)) {
            message.row.flags.insert(Flag::Seen);
            message.row.modseq = modseq;
            message.flags_changed();
        }
    }

    /// The header of the current message, and with the same question those of the messages behind it.
    fn ask_headers(&mut self, first: OctetRange) -> Turn {
        let mut left = limits::BODY_CHUNK_BYTES.saturating_sub(usize::try_from(first.length).unwrap_or(usize::MAX));
        let mut ranges = vec![first];
        for message in self.rows.iter_mut().take(HEADERS_TOGETHER_MAX - 1) {
            let Some(header_bytes) = message.header_bytes() else { break };
            let Some(rest) = left.checked_sub(usize::try_from(header_bytes).unwrap_or(usize::MAX)) else { break };
            left = rest;
            ranges.push(OctetRange { uid: message.row.uid, offset: 0, length: header_bytes });
        }
        self.waiting = Waiting::Headers(ranges.len() - 1);
        Turn::Ask(Ask::Octets { mailbox: self.mailbox, ranges })
    }

    fn take_headers(&mut self, others: usize, pieces: Vec<Option<bytes::Bytes>>) -> Turn {
        let mut pieces = pieces.into_iter();
        match (pieces.next().flatten(), &mut self.current) {
            (Some(header), Some(current)) => current.take_header(header),
            _ => return self.lose_current(),
        }
        for (message, piece) in self.rows.iter_mut().take(others).zip(pieces) {
            message.header = piece;
        }
        Turn::Again
    }

    /// The current message is gone.
    fn lose_current(&mut self) -> Turn {
        if self.current.take().is_some_and(|current| current.is_partly_sent()) {
            return Turn::Abort;
        }
        self.missing += 1;
        Turn::Again
    }
}
