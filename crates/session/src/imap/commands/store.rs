//! STORE and UID STORE (RFC 9051 §6.4.6) with UNCHANGEDSINCE (RFC 7162 §3.1.3).
//!
//! At most `MESSAGES_PER_COMMAND_MAX` messages are changed at a time; each is changed or not, as STORE allows. What the client
//! asked to be silent is not echoed, but what others changed before is shown first, since it would be covered by the silence.

use yubin_types::{FlagSet, MailboxId, ModSeq, UidSet, limits};

use super::expunge::take_first;
use crate::imap::ask::{Answer, Ask, FlagOperation, MessageRow, Refusal, RowDetail};
use crate::imap::command::{Allowed, Command, Completion, Context, Numbering, Parse, Reject, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::Family;
use crate::imap::state::{Access, Condstore, Expunges, NumberCursor, Selected};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "STORE", allowed: Allowed::Selected, parse: Parse::Numbered(parse) }],
    capabilities: &[],
};

#[derive(Debug)]
struct Store {
    numbering: Numbering,
    operation: FlagOperation,
    flags: FlagSet,
    echo: Echo,
    unchanged_since: Option<ModSeq>,
    mailbox: MailboxId,
    access: Access,
    /// To be changed.
    left: UidSet,
    /// Asked for in this question.
    asked: UidSet,
    /// Left alone by UNCHANGEDSINCE.
    modified: UidSet,
    cursor: NumberCursor,
}

/// Is the client shown what became of its flags?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    Flags,
    /// `.SILENT`
    Silent,
}

fn parse(parser: &mut Parser<'_>, numbering: Numbering, selected: &Selected) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let left = parser.messages(numbering, selected)?;
    parser.space()?;
    let mut unchanged_since = None;
    if parser.eat(b'(') {
        if !parser.eat_word("UNCHANGEDSINCE") {
            return Err(Reject::Bad("Unknown modifier"));
        }
        parser.space()?;
        unchanged_since = Some(ModSeq(parser.number64()?));
        parser.expect(b')', "Invalid modifiers")?;
        parser.space()?;
    }
    let operation = if parser.eat(b'+') {
        FlagOperation::Add
    } else if parser.eat(b'-') {
        FlagOperation::Remove
    } else {
        FlagOperation::Replace
    };
    let echo = match parser.word()?.to_ascii_uppercase().as_str() {
        "FLAGS" => Echo::Flags,
        "FLAGS.SILENT" => Echo::Silent,
        _ => return Err(Reject::Bad("Unknown data item")),
    };
    parser.space()?;
    let flags = parse_flags(parser)?;
    Ok(Box::new(Store {
        numbering,
        operation,
        flags,
        echo,
        unchanged_since,
        mailbox: selected.id,
        access: selected.access,
        left,
        asked: UidSet::new(),
        modified: UidSet::new(),
        cursor: NumberCursor::default(),
    }))
}

/// A list, or flags one after the other.
fn parse_flags(parser: &mut Parser<'_>) -> Parsed<FlagSet> {
    if parser.peek() == Some(b'(') {
        return parser.flag_list();
    }
    let mut flags = FlagSet::default();
    loop {
        parser.flag(&mut flags)?;
        if parser.at_end() {
            return Ok(flags);
        }
        parser.space()?;
    }
}

impl Running for Store {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.unchanged_since.is_some() {
            cx.state.enable_condstore(cx.out);
        }
        match cx.state.selected() {
            _ if self.access == Access::ReadOnly => Turn::Finish(Completion::read_only()),
            Some(selected) if self.echo == Echo::Silent && !self.left.is_empty() => {
                Turn::Ask(Ask::Changes { mailbox: selected.id, since: selected.modseq })
            }
            _ => self.store_more(cx),
        }
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        let condstore = cx.state.condstore();
        let Some(selected) = cx.state.selected_mut() else { return Turn::broken() };
        match answer {
            Answer::Changes(changes) => {
                selected.apply(&changes, Expunges::Hold, condstore, cx.out);
                self.store_more(cx)
            }
            Answer::FlagsStored { modified, modseq } => {
                let changed = self.asked.difference(&modified);
                if let Some(modseq) = modseq {
                    selected.mark_shown(modseq);
                }
                self.modified = modified.iter().chain(self.modified.iter()).collect();
                if (self.echo == Echo::Silent && condstore == Condstore::Off) || changed.is_empty() {
                    return self.store_more(cx);
                }
                self.ask_rows(changed)
            }
            Answer::Rows { rows, next } => {
                for row in &rows {
                    self.show(row, cx);
                }
                match next {
                    Some(next) => {
                        let rest = self.asked.intersection(&UidSet::range(next.0, u32::MAX));
                        self.ask_rows(rest)
                    }
                    None => self.store_more(cx),
                }
            }
            _ => Turn::broken(),
        }
    }

    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::refused(refusal).keeping(self.numbering))
    }
}

impl Store {
    fn store_more(&mut self, cx: &Context<'_>) -> Turn {
        self.asked = take_first(&mut self.left, limits::MESSAGES_PER_COMMAND_MAX);
        if self.asked.is_empty() {
            return self.finish(cx);
        }
        Turn::Ask(Ask::StoreFlags {
            mailbox: self.mailbox,
            uids: self.asked.clone(),
            operation: self.operation,
            flags: self.flags.clone(),
            unchanged_since: self.unchanged_since,
        })
    }

    fn finish(&self, cx: &Context<'_>) -> Turn {
        let completion = Completion::ok("Store completed").keeping(self.numbering);
        let modified = match (self.numbering, cx.state.selected()) {
            (Numbering::Sequence, Some(selected)) => selected.numbers_of(&self.modified),
            _ => self.modified.clone(),
        };
        Turn::Finish(if modified.is_empty() {
            completion
        } else {
            completion.with_code(format!("MODIFIED {modified}"))
        })
    }

    fn ask_rows(&mut self, uids: UidSet) -> Turn {
        self.asked = uids.clone();
        Turn::Ask(Ask::Rows { mailbox: self.mailbox, uids, changed_since: None, detail: RowDetail::Hot })
    }

    fn show(&mut self, row: &MessageRow, cx: &mut Context<'_>) {
        let condstore = cx.state.condstore();
        let Some(selected) = cx.state.selected() else { return };
        let Some(number) = self.cursor.number(&selected.uids, row.uid) else { return };
        cx.out.text("* ").show(number).text(" FETCH (");
        let mut between = "";
        if self.numbering == Numbering::Unique {
            cx.out.text("UID ").show(row.uid);
            between = " ";
        }
        if condstore == Condstore::On {
            cx.out.text(between).text("MODSEQ (").show(row.modseq.0).text(")");
            between = " ";
        }
        if self.echo == Echo::Flags {
            cx.out.text(between).text("FLAGS ").list(row.flags.iter());
        }
        cx.out.text(")\r\n");
    }
}
