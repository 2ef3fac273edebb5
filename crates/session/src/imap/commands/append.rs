//! APPEND (RFC 9051 §6.3.12; APPENDUID, RFC 4315 §3): the message goes to the rim as it comes, never gathered here.
//!
//! Mailbox, size and quota are checked before the client is asked for the message. If it sends it unasked (LITERAL+), or storing fails
//! half way, the rest is read and dropped, so that the connection stays usable. NUL octets are passed on as they are.

use bytes::Bytes;
use yubin_message::DateTime;
use yubin_types::{FlagSet, Timestamp, limits};

use crate::imap::ask::{Answer, Ask, NewMessage, Refusal};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Streamed, Turn};
use crate::imap::framer::{Literal, LiteralKind, announced_literal};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::Family;

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "APPEND", allowed: Allowed::Authenticated, parse: Parse::Streamed(parse) }],
    capabilities: &[],
};

#[derive(Debug)]
struct Append {
    message: NewMessage,
    literal: LiteralKind,
    /// Octets still to come.
    left: u64,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// May it come?
    Begin,
    /// It comes and is kept.
    Keep,
    /// It comes and is dropped; the command ends so.
    Drop(Completion),
    /// The line after it broke the grammar; what was kept is being forgotten.
    Abort(Completion),
    /// It is all there and is being stored.
    Store,
}

fn parse(parser: &mut Parser<'_>) -> Parsed<Streamed> {
    parser.space()?;
    if parser.literal_to_come() {
        return Ok(Streamed::NotYet);
    }
    let mailbox = parser.mailbox()?;
    parser.space()?;
    let mut flags = FlagSet::default();
    if parser.peek() == Some(b'(') {
        flags = parser.flag_list()?;
        parser.space()?;
    }
    let mut internal_date = None;
    if parser.peek() == Some(b'"') {
        let date = DateTime::parse_imap(&parser.string()?).ok_or(Reject::Bad("Invalid date-time"))?;
        // Mail from before 1970 keeps the first moment that can be told.
        internal_date = Some(Timestamp::from_seconds(u64::try_from(date.epoch_s).unwrap_or(0)));
        parser.space()?;
    }
    let announcement = parser.take_while(|_| true).trim_ascii_end();
    let literal = announced_literal(announcement).filter(|_| announcement.starts_with(b"{"));
    let Literal { bytes, kind } = literal.ok_or(Reject::Bad("Missing message literal"))?;
    let message = NewMessage { mailbox, bytes, flags, internal_date };
    Ok(Streamed::Message(Box::new(Append { message, literal: kind, left: bytes, step: Step::Begin })))
}

impl Append {
    /// It won't be stored. A client that waits is told at once, what another sends must be read first.
    fn refuse(&mut self, completion: Completion) -> Turn {
        if self.literal == LiteralKind::Synchronizing && matches!(self.step, Step::Begin) {
            return Turn::Finish(completion);
        }
        if self.left > limits::MESSAGE_BYTES_MAX {
            return Turn::Bye("Message too large to be skipped");
        }
        self.step = Step::Drop(completion);
        self.more()
    }

    fn more(&self) -> Turn {
        if self.left > 0 { Turn::Octets(self.left) } else { Turn::Line }
    }
}

impl Running for Append {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.message.bytes > cx.config.message_bytes_max.min(limits::MESSAGE_BYTES_MAX) {
            return self.refuse(Completion::no(Some("TOOBIG"), "Message too large"));
        }
        if self.message.bytes == 0 {
            return self.refuse(Completion::no(Some("CANNOT"), "A message has at least one octet"));
        }
        Turn::Ask(Ask::AppendBegin(self.message.clone()))
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match (&self.step, answer) {
            (Step::Begin, Answer::Done) => {
                self.step = Step::Keep;
                if self.literal == LiteralKind::Synchronizing {
                    cx.out.text("+ OK\r\n");
                }
                self.more()
            }
            (Step::Keep, Answer::Done) => self.more(),
            (Step::Abort(completion), _) => Turn::Finish(completion.clone()),
            (Step::Store, Answer::Stored { uid_validity, to, .. }) => {
                let code = format!("APPENDUID {} {to}", uid_validity.0);
                Turn::Finish(Completion::ok("Append completed").with_code(code))
            }
            _ => Turn::broken(),
        }
    }

    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        match &self.step {
            Step::Begin | Step::Keep => self.refuse(Completion::refused(refusal)),
            Step::Abort(completion) => Turn::Finish(completion.clone()),
            Step::Drop(_) | Step::Store => Turn::Finish(Completion::refused(refusal)),
        }
    }

    fn octets(&mut self, octets: Bytes, _cx: &mut Context<'_>) -> Turn {
        self.left = self.left.saturating_sub(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        match self.step {
            Step::Keep => Turn::Ask(Ask::AppendOctets(octets)),
            _ => self.more(),
        }
    }

    /// What follows the message on its line: nothing.
    fn line(&mut self, line: &[u8], _cx: &mut Context<'_>) -> Turn {
        match std::mem::replace(&mut self.step, Step::Store) {
            Step::Drop(completion) => Turn::Finish(completion),
            _ if line.trim_ascii().is_empty() => Turn::Ask(Ask::AppendEnd),
            _ => {
                self.step = Step::Abort(Completion::bad("One message at a time"));
                Turn::Ask(Ask::AppendAbort)
            }
        }
    }
}
