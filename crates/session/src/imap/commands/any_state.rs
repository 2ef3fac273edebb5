//! CAPABILITY, NOOP, LOGOUT (RFC 9051 §6.1), ID (RFC 2971), and the capabilities that have no command.

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Then, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{self, Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command {
            name: "CAPABILITY",
            allowed: Allowed::Always,
            parse: Parse::Arguments(|_| Ok(Box::new(CapabilityCommand))),
        },
        Command { name: "NOOP", allowed: Allowed::Always, parse: Parse::Arguments(|_| Ok(Box::new(Noop))) },
        // A checkpoint is what every command here ends with.
        Command { name: "CHECK", allowed: Allowed::Selected, parse: Parse::Arguments(|_| Ok(Box::new(Noop))) },
        Command { name: "LOGOUT", allowed: Allowed::Always, parse: Parse::Arguments(|_| Ok(Box::new(Logout))) },
        Command { name: "ID", allowed: Allowed::Always, parse: Parse::Arguments(parse_id) },
    ],
    capabilities: &[Capability { name: "LITERAL+", when: When::Always }, Capability { name: "ID", when: When::Always }],
};

/// RFC 2971 §3.3: at most so many pairs, and octets of a name or value.
const ID_PAIRS_MAX: usize = 30;
const ID_VALUE_BYTES_MAX: usize = 1024;

#[derive(Debug)]
struct CapabilityCommand;

impl Running for CapabilityCommand {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        cx.out.text("* ");
        registry::write_capabilities(cx.state, cx.config, cx.out);
        cx.out.text("\r\n");
        Turn::Finish(Completion::ok("Capability completed"))
    }
}

#[derive(Debug)]
struct Noop;

impl Running for Noop {
    fn start(&mut self, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::ok("Completed"))
    }
}

#[derive(Debug)]
struct Logout;

impl Running for Logout {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        cx.out.text("* BYE Logging out\r\n");
        Turn::Finish(Completion::ok("Logout completed").without_sync().then(Then::Close))
    }
}

#[derive(Debug)]
struct Id {
    client: Vec<(String, String)>,
}

fn parse_id(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let mut client = Vec::new();
    if !parser.eat_word("NIL") {
        parser.expect(b'(', "Missing list")?;
        parser.skip_spaces();
        while !parser.eat(b')') {
            let name = text(parser.string()?.as_ref());
            parser.space()?;
            let value = text(parser.nstring()?.unwrap_or_default().as_ref());
            parser.skip_spaces();
            client.push((name, value));
            if client.len() > ID_PAIRS_MAX {
                return Err(Reject::Bad("Too many fields"));
            }
        }
    }
    Ok(Box::new(Id { client }))
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.get(..ID_VALUE_BYTES_MAX).unwrap_or(octets)).into_owned()
}

impl Running for Id {
    fn start(&mut self, _cx: &mut Context<'_>) -> Turn {
        Turn::Ask(Ask::ClientId(std::mem::take(&mut self.client)))
    }

    fn answer(&mut self, _answer: Answer, cx: &mut Context<'_>) -> Turn {
        cx.out.text("* ID (\"name\" \"yubin\")\r\n");
        Turn::Finish(Completion::ok("ID completed"))
    }
}
