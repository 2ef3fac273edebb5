//! STARTTLS (RFC 9051 §6.2.1). What a client sent behind it in clear is dropped.

use crate::Security;
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Running, Then, Turn};
use crate::imap::registry::{Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command {
        name: "STARTTLS",
        allowed: Allowed::NotAuthenticated,
        parse: Parse::Arguments(|_| Ok(Box::new(StartTls))),
    }],
    capabilities: &[Capability { name: "STARTTLS", when: When::TlsOffered }],
};

#[derive(Debug)]
struct StartTls;

impl Running for StartTls {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        Turn::Finish(match cx.state.security {
            Security::Upgradable => Completion::ok("Begin TLS negotiation now").then(Then::StartTls),
            Security::Encrypted(_) => Completion::bad("TLS is active already"),
            Security::Clear => Completion::bad("TLS is not available"),
        })
    }
}
