//! From frames to commands: which command it is, whether it may be given now, and what becomes of its literals.

use bytes::Bytes;
use yubin_types::limits;

use super::{Activity, ImapSession, Next};
use crate::imap::command::{Command, Completion, Numbering, Parse, Reject, Streamed};
use crate::imap::framer::{Frame, Literal, LiteralKind};
use crate::imap::parser::Parser;
use crate::imap::registry;

impl ImapSession {
    /// Looks for the next command in the input.
    pub(super) fn take_command(&mut self) -> Next {
        self.activity = Activity::AwaitingCommand;
        let bytes_max = self.command_bytes_max();
        match self.framer.next_command(bytes_max) {
            Frame::Incomplete => Next::Read,
            Frame::Command(command) => self.take_whole(&command),
            Frame::Literal(literal) => self.take_literal(literal, bytes_max),
            Frame::TooLong => {
                let tag = Parser::new(self.framer.assembled()).tag().map(str::to_owned);
                self.framer.discard_line();
                self.too_big(tag.as_deref().unwrap_or("*"))
            }
        }
    }

    fn take_whole(&mut self, line: &Bytes) -> Next {
        let mut parser = Parser::new(line).in_zone(self.config.utc_offset);
        let (tag, found) = self.identify(&mut parser);
        let command = found.and_then(|(command, numbering)| match (command.parse, numbering) {
            (Parse::Arguments(parse), Numbering::Sequence) => parse(&mut parser),
            (Parse::Numbered(parse), numbering) => match self.state.selected() {
                Some(selected) => parse(&mut parser, numbering, selected),
                None => Err(Reject::Bad("No mailbox selected")),
            },
            (Parse::Streamed(parse), Numbering::Sequence) => {
                parse(&mut parser).and(Err(Reject::Bad("Missing message literal")))
            }
            (Parse::Arguments(_) | Parse::Streamed(_), Numbering::Unique) => Err(Reject::Bad("Unknown UID command")),
        });
        match command.and_then(|command| parser.end().map(|()| command)) {
            Ok(command) => self.run(tag, command),
            Err(reject) => self.reject(&tag, reject),
        }
    }

    /// A literal is announced: may it come, and does it come here or to the command itself?
    fn take_literal(&mut self, literal: Literal, bytes_max: usize) -> Next {
        let assembled = self.framer.assembled();
        let assembled_bytes = assembled.len();
        let mut parser = Parser::new(assembled);
        let (tag, found) = self.identify(&mut parser);
        let streamed = match found {
            Err(reject) => Err(reject),
            Ok((Command { parse: Parse::Streamed(parse), .. }, Numbering::Sequence)) => parse(&mut parser),
            Ok(_) => Ok(Streamed::NotYet),
        };
        match streamed {
            Err(reject) => self.refuse_literal(literal, bytes_max, |session| session.reject(&tag, reject)),
            Ok(Streamed::Message(command)) => {
                self.framer.split_at_literal();
                self.run(tag, command)
            }
            Ok(Streamed::NotYet) => {
                let literal_bytes = usize::try_from(literal.bytes).unwrap_or(usize::MAX);
                let command_bytes = assembled_bytes.saturating_add(literal_bytes);
                if literal_bytes > limits::IMAP_LITERAL_BYTES_MAX || command_bytes > bytes_max {
                    return self.refuse_literal(literal, bytes_max, |session| session.too_big(&tag));
                }
                self.framer.accept_literal();
                if literal.kind == LiteralKind::Synchronizing {
                    self.out.text("+ OK\r\n");
                }
                Next::Again
            }
        }
    }

    /// What the client sends unasked is skipped, unless it is more than a command may be.
    fn refuse_literal(&mut self, literal: Literal, bytes_max: usize, reply: impl FnOnce(&mut Self) -> Next) -> Next {
        let skipped = usize::try_from(literal.bytes).unwrap_or(usize::MAX);
        if literal.kind == LiteralKind::NonSynchronizing && skipped > bytes_max {
            return self.bye("Literal too large to be skipped");
        }
        self.framer.refuse_literal();
        reply(self)
    }

    /// Reads tag and name, and UID before a name; finds the command, if it may be given now.
    fn identify(&self, parser: &mut Parser<'_>) -> (String, Result<(&'static Command, Numbering), Reject>) {
        let Some(tag) = parser.tag().map(str::to_owned) else {
            return ("*".to_owned(), Err(Reject::Bad("Missing or invalid tag")));
        };
        let find = |parser: &mut Parser<'_>| {
            parser.space()?;
            registry::find(parser.atom()?).ok_or(Reject::Bad("Unknown command"))
        };
        let numbered = |parser: &mut Parser<'_>| {
            let mut ahead = parser.clone();
            if ahead.space().is_ok() && ahead.eat_word("UID") {
                *parser = ahead;
                return find(parser).map(|command| (command, Numbering::Unique));
            }
            find(parser).map(|command| (command, Numbering::Sequence))
        };
        let found = numbered(parser).and_then(|found| {
            found.0.allowed.check(&self.state, &self.config)?;
            Ok(found)
        });
        (tag, found)
    }

    fn too_big(&mut self, tag: &str) -> Next {
        if self.state.user.is_none() {
            return self.bye("Command too long");
        }
        self.complete(tag, &Completion::bad("Command too long").with_code("TOOBIG".to_owned()))
    }

    fn command_bytes_max(&self) -> usize {
        match self.state.user {
            None => limits::IMAP_PREAUTH_LINE_BYTES_MAX,
            Some(_) => limits::IMAP_COMMAND_BYTES_MAX,
        }
    }
}
