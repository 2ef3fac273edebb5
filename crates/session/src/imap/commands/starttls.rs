//! STARTTLS (RFC 9051 §6.2.1). What a client sent behind it in clear is dropped.

use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Running, Then, Turn};
use crate::imap::config::Tls;
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
        Turn::Finish(match cx.state.tls {
            Tls::Offered => Completion::ok("Begin TLS negotiation now").then(Then::StartTls),
            Tls::Active => Completion::bad("TLS is active already"),
            Tls::None => Completion::bad("TLS is not available"),
        })
    }
}
