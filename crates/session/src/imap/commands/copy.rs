//! COPY (RFC 9051 §6.4.7), MOVE (RFC 6851) and their UID forms, with COPYUID (RFC 4315 §3).
//!
//! At most `MESSAGES_PER_COMMAND_MAX` messages go at a time, all or none. More than that go in several commands: a COPY of which one
//! fails takes the copies of the earlier ones back, so that the target is as it was before (RFC 9051 §6.4.7); only if that fails too do
//! they stay, and the refusal says so. A MOVE is atomic for each message, as RFC 6851 §3.3 asks, and tells what did move.

use yubin_types::{MailboxId, MailboxName, UidSet, UidValidity, limits};

use super::expunge::take_first;
use crate::imap::ask::{Answer, Ask, ExpungeWhich, Refusal};
use crate::imap::command::{Allowed, Command, Completion, Context, Numbering, Parse, Running, Turn};
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::{Access, Selected};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command {
            name: "COPY",
            allowed: Allowed::Selected,
            parse: Parse::Numbered(|parser, numbering, selected| parse(parser, numbering, selected, Kind::Copy)),
        },
        Command {
            name: "MOVE",
            allowed: Allowed::Selected,
            parse: Parse::Numbered(|parser, numbering, selected| parse(parser, numbering, selected, Kind::Move)),
        },
    ],
    capabilities: &[Capability { name: "MOVE", when: When::Authenticated }],
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Copy,
    Move,
}

#[derive(Debug)]
struct Transfer {
    kind: Kind,
    numbering: Numbering,
    access: Access,
    to: MailboxName,
    mailbox: MailboxId,
    /// Messages that were named.
    named: u64,
    /// To be done.
    left: UidSet,
    done: Option<Done>,
    /// Why copies are being taken back.
    undoing: Option<Refusal>,
}

/// What is in the target already.
#[derive(Debug)]
struct Done {
    mailbox: MailboxId,
    uid_validity: UidValidity,
    from: UidSet,
    to: UidSet,
}

fn parse(parser: &mut Parser<'_>, numbering: Numbering, selected: &Selected, kind: Kind) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let left = parser.messages(numbering, selected)?;
    parser.space()?;
    let to = parser.mailbox()?;
    Ok(Box::new(Transfer {
        kind,
        numbering,
        access: selected.access,
        to,
        mailbox: selected.id,
        named: left.len(),
        left,
        done: None,
        undoing: None,
    }))
}

impl Running for Transfer {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        match (self.kind, self.access) {
            (Kind::Move, Access::ReadOnly) => Turn::Finish(Completion::read_only()),
            _ => self.transfer_more(cx),
        }
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match answer {
            Answer::Stored { mailbox, uid_validity, from, to } => {
                let done =
                    self.done.get_or_insert(Done { mailbox, uid_validity, from: UidSet::new(), to: UidSet::new() });
                done.from = done.from.iter().chain(from.iter()).collect();
                done.to = done.to.iter().chain(to.iter()).collect();
                self.transfer_more(cx)
            }
            Answer::Done => self.undo_more(),
            _ => Turn::broken(),
        }
    }

    fn refused(&mut self, refusal: Refusal, cx: &mut Context<'_>) -> Turn {
        match (self.kind, &self.done, self.undoing.take()) {
            (_, None, _) => Turn::Finish(Completion::refused(refusal)),
            (Kind::Move, Some(done), _) => {
                cx.out.text("* OK [").text(&done.code()).text("] Moved\r\n");
                Turn::Finish(Completion::refused(refusal))
            }
            (Kind::Copy, Some(_), None) => {
                self.undoing = Some(refusal);
                self.undo_more()
            }
            (Kind::Copy, Some(_), Some(first)) => {
                let text = format!("{}; some messages were copied and could not be taken back", first.text);
                Turn::Finish(Completion::refused(Refusal { text, ..first }))
            }
        }
    }
}

impl Done {
    fn code(&self) -> String {
        format!("COPYUID {} {} {}", self.uid_validity.0, self.from, self.to)
    }
}

impl Transfer {
    fn transfer_more(&mut self, cx: &mut Context<'_>) -> Turn {
        let uids = take_first(&mut self.left, limits::MESSAGES_PER_COMMAND_MAX);
        if uids.is_empty() {
            return self.finish(cx.out);
        }
        let (mailbox, to) = (self.mailbox, self.to.clone());
        Turn::Ask(match self.kind {
            Kind::Copy => Ask::Copy { mailbox, uids, to },
            Kind::Move => Ask::Move { mailbox, uids, to },
        })
    }

    fn undo_more(&mut self) -> Turn {
        let copies =
            self.done.as_mut().map(|done| (done.mailbox, take_first(&mut done.to, limits::MESSAGES_PER_COMMAND_MAX)));
        match copies.filter(|(_, uids)| !uids.is_empty()) {
            Some((mailbox, uids)) => Turn::Ask(Ask::Expunge { mailbox, uids, which: ExpungeWhich::All }),
            None => Turn::Finish(self.undoing.take().map_or(Completion::ok("Done"), Completion::refused)),
        }
    }

    fn finish(&mut self, out: &mut Output) -> Turn {
        let Some(done) = self.done.take().filter(|done| !done.from.is_empty()) else {
            return Turn::Finish(match (self.named, self.numbering) {
                (1.., Numbering::Sequence) => Completion::no(Some("EXPUNGEISSUED"), "The messages no longer exist"),
                _ => Completion::ok("No messages"),
            });
        };
        match self.kind {
            Kind::Copy => Turn::Finish(Completion::ok("Copy completed").with_code(done.code())),
            // RFC 6851 §4.3: before the messages are said to be gone.
            Kind::Move => {
                out.text("* OK [").text(&done.code()).text("] Moved\r\n");
                Turn::Finish(Completion::ok("Move completed"))
            }
        }
    }
}
