//! ENABLE (RFC 5161, RFC 7162 §3.1). What is unknown is passed over.

use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::Condstore;

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "ENABLE", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse) }],
    capabilities: &[
        Capability { name: "ENABLE", when: When::Always },
        Capability { name: "CONDSTORE", when: When::Authenticated },
    ],
};

/// The extensions to enable that are known here.
#[derive(Debug)]
struct Enable {
    condstore: Condstore,
}

fn parse(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let mut condstore = Condstore::Off;
    loop {
        if parser.atom()?.eq_ignore_ascii_case("CONDSTORE") {
            condstore = Condstore::On;
        }
        if parser.at_end() {
            return Ok(Box::new(Enable { condstore }));
        }
        parser.space()?;
    }
}

impl Running for Enable {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        let newly = self.condstore == Condstore::On && cx.state.condstore() == Condstore::Off;
        cx.out.text(if newly { "* ENABLED CONDSTORE\r\n" } else { "* ENABLED\r\n" });
        if newly {
            cx.state.enable_condstore(cx.out);
        }
        Turn::Finish(Completion::ok("Enabled"))
    }
}
