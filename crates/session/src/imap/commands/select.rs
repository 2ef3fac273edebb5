//! SELECT, EXAMINE, CLOSE (RFC 9051 §6.3.2, §6.3.3, §6.4.1), UNSELECT (RFC 3691), with CONDSTORE's parameter (RFC 7162 §3.1.8).

use yubin_types::search::SearchKey;
use yubin_types::{Flag, MailboxId, MailboxName, UidSet};

use super::expunge::Expunging;
use crate::imap::ask::{Answer, Ask, Refusal, SelectedFacts};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Turn};
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::{Access, Condstore, Selected};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command {
            name: "SELECT",
            allowed: Allowed::Authenticated,
            parse: Parse::Arguments(|parser| parse(parser, Access::ReadWrite)),
        },
        Command {
            name: "EXAMINE",
            allowed: Allowed::Authenticated,
            parse: Parse::Arguments(|parser| parse(parser, Access::ReadOnly)),
        },
        Command {
            name: "CLOSE",
            allowed: Allowed::Selected,
            parse: Parse::Arguments(|_| Ok(Box::new(Close { expunging: None }))),
        },
        Command { name: "UNSELECT", allowed: Allowed::Selected, parse: Parse::Arguments(|_| Ok(Box::new(Unselect))) },
    ],
    capabilities: &[Capability { name: "UNSELECT", when: When::Authenticated }],
};

#[derive(Debug)]
struct Select {
    name: MailboxName,
    access: Access,
    condstore: Condstore,
}

fn parse(parser: &mut Parser<'_>, access: Access) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let name = parser.mailbox()?;
    let mut condstore = Condstore::Off;
    if !parser.at_end() {
        parser.space()?;
        parser.expect(b'(', "Invalid parameters")?;
        while !parser.eat(b')') {
            if !parser.word()?.eq_ignore_ascii_case("CONDSTORE") {
                return Err(Reject::Bad("Unknown parameter"));
            }
            condstore = Condstore::On;
            parser.skip_spaces();
        }
    }
    Ok(Box::new(Select { name, access, condstore }))
}

impl Running for Select {
    /// Whatever comes of it, the mailbox that was open is closed (RFC 9051 §6.3.2), and nothing of it is expunged.
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if let Some(user) = &mut cx.state.user
            && user.selected.take().is_some()
        {
            cx.out.text("* OK [CLOSED] Previous mailbox closed\r\n");
        }
        if self.condstore == Condstore::On {
            cx.state.enable_condstore(cx.out);
        }
        Turn::Ask(Ask::Select(self.name.clone()))
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        let (Answer::Selected(facts), Some(user)) = (answer, &mut cx.state.user) else { return Turn::broken() };
        describe(&facts, self.access, cx.out);
        let SelectedFacts { mailbox, uids, .. } = facts;
        user.selected = Some(Selected::new(mailbox.id, self.access, uids, mailbox.uid_next, mailbox.highest_modseq));
        let (code, text) = match self.access {
            Access::ReadWrite => ("READ-WRITE", "Select completed"),
            Access::ReadOnly => ("READ-ONLY", "Examine completed"),
        };
        Turn::Finish(Completion::ok(text).with_code(code.to_owned()).without_sync())
    }
}

const SYSTEM_FLAGS: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

/// The untagged responses of RFC 9051 §6.3.2, and those that RFC 3501 asks for besides.
fn describe(facts: &SelectedFacts, access: Access, out: &mut Output) {
    let mut flags = SYSTEM_FLAGS.to_owned();
    for keyword in &facts.keywords {
        flags.push(' ');
        flags.push_str(keyword.as_str());
    }
    out.text("* FLAGS (").text(&flags).text(")\r\n");
    match access {
        Access::ReadWrite => out.text("* OK [PERMANENTFLAGS (").text(&flags).text(" \\*)] Flags permitted\r\n"),
        Access::ReadOnly => out.text("* OK [PERMANENTFLAGS ()] No permanent flags permitted\r\n"),
    };
    out.text("* ").show(facts.uids.len()).text(" EXISTS\r\n* 0 RECENT\r\n");
    if let Some(number) = facts.first_unseen.and_then(|uid| facts.uids.position(uid)) {
        out.text("* OK [UNSEEN ").show(number).text("] First unseen\r\n");
    }
    let mailbox = &facts.mailbox;
    out.text("* OK [UIDVALIDITY ").show(mailbox.uid_validity.0).text("] UIDs valid\r\n");
    out.text("* OK [UIDNEXT ").show(mailbox.uid_next).text("] Predicted next UID\r\n");
    out.text("* OK [").text(&mailbox_id(mailbox.id)).text("] Id\r\n");
    out.text("* OK [HIGHESTMODSEQ ").show(mailbox.highest_modseq.0).text("] Highest\r\n");
}

/// RFC 8474 §4: an id that no other mailbox has, now or later, whatever the mailbox is called.
pub(super) fn mailbox_id(id: MailboxId) -> String {
    format!("MAILBOXID (F{})", id.0)
}

/// Expunges without saying so, then closes. Nothing is expunged where the mailbox was opened read-only.
#[derive(Debug)]
struct Close {
    expunging: Option<Expunging>,
}

impl Close {
    fn close(cx: &mut Context<'_>) -> Turn {
        if let Some(user) = &mut cx.state.user {
            user.selected = None;
        }
        Turn::Finish(Completion::ok("Close completed"))
    }
}

impl Running for Close {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        match cx.state.selected() {
            Some(selected) if selected.access == Access::ReadWrite => {
                let (expunging, ask) = Expunging::start(selected.id, selected.uids.clone());
                self.expunging = Some(expunging);
                Turn::Ask(ask)
            }
            _ => Close::close(cx),
        }
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match self.expunging.as_mut().and_then(|expunging| expunging.go_on(answer)) {
            Some(ask) => Turn::Ask(ask),
            None => Close::close(cx),
        }
    }

    /// The mailbox stays open, so that the client can see that what it deleted is still there.
    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::refused(refusal))
    }
}

#[derive(Debug)]
struct Unselect;

impl Running for Unselect {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if let Some(user) = &mut cx.state.user {
            user.selected = None;
        }
        Turn::Finish(Completion::ok("Unselect completed"))
    }
}

/// Those of `uids` that are flagged `\Deleted`.
pub(super) fn deleted_among(uids: UidSet) -> SearchKey {
    SearchKey::And(vec![SearchKey::Uids(uids), SearchKey::Flag(Flag::Deleted)])
}
