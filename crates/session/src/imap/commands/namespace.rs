//! NAMESPACE (RFC 2342): one personal namespace without a prefix; nothing is shared.

use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Running, Turn};
use crate::imap::registry::{Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command {
        name: "NAMESPACE",
        allowed: Allowed::Authenticated,
        parse: Parse::Arguments(|_| Ok(Box::new(Namespace))),
    }],
    capabilities: &[Capability { name: "NAMESPACE", when: When::Authenticated }],
};

#[derive(Debug)]
struct Namespace;

impl Running for Namespace {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        cx.out.text("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
        Turn::Finish(Completion::ok("Namespace completed"))
    }
}
