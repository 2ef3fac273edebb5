//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8), with CREATE's USE (RFC 6154 §3) and the new
//! mailbox's id (RFC 8474 §4.2).

use yubin_types::{MailboxName, SpecialUse};

use super::select::mailbox_id;
use crate::imap::ask::{Answer, Ask, Subscription};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command { name: "CREATE", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_create) },
        Command { name: "DELETE", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_delete) },
        Command { name: "RENAME", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_rename) },
        Command {
            name: "SUBSCRIBE",
            allowed: Allowed::Authenticated,
            parse: Parse::Arguments(|parser| parse_subscription(parser, Subscription::Subscribed)),
        },
        Command {
            name: "UNSUBSCRIBE",
            allowed: Allowed::Authenticated,
            parse: Parse::Arguments(|parser| parse_subscription(parser, Subscription::Unsubscribed)),
        },
    ],
    capabilities: &[Capability { name: "CREATE-SPECIAL-USE", when: When::Authenticated }],
};

/// One question, one answer.
#[derive(Debug)]
struct Change {
    ask: Option<Ask>,
    done: &'static str,
}

impl Change {
    fn boxed(ask: Ask, done: &'static str) -> Box<dyn Running> {
        Box::new(Change { ask: Some(ask), done })
    }
}

impl Running for Change {
    fn start(&mut self, _cx: &mut Context<'_>) -> Turn {
        self.ask.take().map_or_else(Turn::broken, Turn::Ask)
    }

    fn answer(&mut self, answer: Answer, _cx: &mut Context<'_>) -> Turn {
        let completion = Completion::ok(self.done);
        Turn::Finish(match answer {
            Answer::Created(id) => completion.with_code(mailbox_id(id)),
            _ => completion,
        })
    }
}

fn parse_create(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let name = parser.mailbox()?;
    let mut special_use = None;
    if !parser.at_end() {
        parser.space()?;
        parser.expect(b'(', "Invalid parameters")?;
        if !parser.eat_word("USE") {
            return Err(Reject::Bad("Unknown parameter"));
        }
        parser.space()?;
        special_use = parse_uses(parser)?;
        parser.expect(b')', "Invalid parameters")?;
    }
    Ok(Change::boxed(Ask::CreateMailbox { name, special_use }, "Create completed"))
}

/// RFC 6154 §3: none, or one that this server knows. A mailbox has one use here; more are refused as the RFC allows.
fn parse_uses(parser: &mut Parser<'_>) -> Parsed<Option<SpecialUse>> {
    let unsupported = || Reject::Refused(Completion::no(Some("USEATTR"), "Special use not supported"));
    parser.expect(b'(', "Invalid special use")?;
    let mut found = None;
    while !parser.eat(b')') {
        parser.expect(b'\\', "Invalid special use")?;
        let name = parser.atom()?;
        let known = |special_use: &SpecialUse| {
            special_use.attribute().strip_prefix('\\').is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        let special_use = SpecialUse::ALL.into_iter().find(known).ok_or_else(unsupported)?;
        if found.replace(special_use).is_some() {
            return Err(unsupported());
        }
        parser.skip_spaces();
    }
    Ok(found)
}

fn parse_delete(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let name = parser.mailbox()?;
    if name.is_inbox() {
        return Err(Reject::Refused(Completion::no(Some("CANNOT"), "INBOX can't be deleted")));
    }
    Ok(Change::boxed(Ask::DeleteMailbox(name), "Delete completed"))
}

fn parse_rename(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let from = parser.mailbox()?;
    parser.space()?;
    let to = parser.mailbox()?;
    if to.is_below(&from) && !from.is_inbox() {
        return Err(Reject::Refused(Completion::no(Some("CANNOT"), "A mailbox can't be moved into itself")));
    }
    Ok(Change::boxed(Ask::RenameMailbox { from, to }, "Rename completed"))
}

fn parse_subscription(parser: &mut Parser<'_>, subscription: Subscription) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let name: MailboxName = parser.mailbox()?;
    let done = match subscription {
        Subscription::Subscribed => "Subscribe completed",
        Subscription::Unsubscribed => "Unsubscribe completed",
    };
    Ok(Change::boxed(Ask::SetSubscribed { name, subscription }, done))
}
