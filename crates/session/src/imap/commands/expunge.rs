//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).
//!
//! What is flagged `\Deleted` is found first, so that a mailbox without such messages costs a read; then it goes in commands of at most
//! `MESSAGES_PER_COMMAND_MAX`. Each is atomic, all together need not be, as EXPUNGE allows. Only messages that the client
//! knows are taken. That they are gone is said by the update that follows every command.

use yubin_types::{MailboxId, UidSet, limits};

use super::select::deleted_among;
use crate::imap::ask::{Answer, Ask, ExpungeWhich};
use crate::imap::command::{Allowed, Command, Completion, Context, Numbering, Parse, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::{Access, Selected};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "EXPUNGE", allowed: Allowed::Selected, parse: Parse::Numbered(parse) }],
    capabilities: &[Capability { name: "UIDPLUS", when: When::Authenticated }],
};

#[derive(Debug)]
struct Expunge {
    access: Access,
    expunging: Expunging,
    first: Option<Ask>,
}

fn parse(parser: &mut Parser<'_>, numbering: Numbering, selected: &Selected) -> Parsed<Box<dyn Running>> {
    let among = match numbering {
        Numbering::Sequence => selected.uids.clone(),
        Numbering::Unique => {
            parser.space()?;
            parser.messages(numbering, selected)?
        }
    };
    let (expunging, ask) = Expunging::start(selected.id, among);
    Ok(Box::new(Expunge { access: selected.access, expunging, first: Some(ask) }))
}

impl Running for Expunge {
    fn start(&mut self, _cx: &mut Context<'_>) -> Turn {
        match self.access {
            Access::ReadWrite => self.first.take().map_or_else(Turn::broken, Turn::Ask),
            Access::ReadOnly => Turn::Finish(Completion::read_only()),
        }
    }

    fn answer(&mut self, answer: Answer, _cx: &mut Context<'_>) -> Turn {
        match self.expunging.go_on(answer) {
            Some(ask) => Turn::Ask(ask),
            None => Turn::Finish(Completion::ok("Expunge completed")),
        }
    }
}

/// Removes the messages flagged `\Deleted`, for EXPUNGE and CLOSE.
#[derive(Debug)]
pub(super) struct Expunging {
    mailbox: MailboxId,
    left: UidSet,
}

impl Expunging {
    pub(super) fn start(mailbox: MailboxId, among: UidSet) -> (Expunging, Ask) {
        let ask = Ask::Search { mailbox, program: deleted_among(among) };
        (Expunging { mailbox, left: UidSet::new() }, ask)
    }

    /// The next question; `None` at the end.
    pub(super) fn go_on(&mut self, answer: Answer) -> Option<Ask> {
        if let Answer::Found { uids, .. } = answer {
            self.left = uids;
        }
        let uids = take_first(&mut self.left, limits::MESSAGES_PER_COMMAND_MAX);
        let ask = Ask::Expunge { mailbox: self.mailbox, uids, which: ExpungeWhich::FlaggedDeleted };
        match &ask {
            Ask::Expunge { uids, .. } if uids.is_empty() => None,
            _ => Some(ask),
        }
    }
}

/// Takes the first `count` UIDs out of a set.
pub(super) fn take_first(set: &mut UidSet, count: usize) -> UidSet {
    let mut left = u32::try_from(count).unwrap_or(u32::MAX);
    let mut taken = UidSet::new();
    for &(from, to) in set.ranges() {
        if left == 0 {
            break;
        }
        let last = to.min(from.saturating_add(left - 1));
        taken.insert_range(from, last);
        left -= last - from + 1;
    }
    *set = set.difference(&taken);
    taken
}

#[cfg(test)]
mod tests {
    use yubin_types::UidSet;

    use super::take_first;

    #[test]
    fn a_set_is_taken_in_pieces() {
        let mut set = UidSet::range(1, 3);
        set.insert_range(7, 9);
        set.insert_range(u32::MAX, u32::MAX);
        let pieces: Vec<String> =
            std::iter::from_fn(|| Some(take_first(&mut set, 2)).filter(|piece| !piece.is_empty()))
                .map(|piece| piece.to_string())
                .collect();
        assert_eq!(pieces, ["1:2", "3,7", "8:9", "4294967295"]);
    }
}
