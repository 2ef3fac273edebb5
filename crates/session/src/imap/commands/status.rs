//! STATUS (RFC 9051 §6.3.11, RFC 3501's RECENT) with SIZE (RFC 8438), HIGHESTMODSEQ (RFC 7162 §3.1.7), MAILBOXID (RFC 8474 §4.3) and
//! the two items of RFC 9208 §4.1.4, of which DELETED-STORAGE is summed over the messages flagged `\Deleted`.

use yubin_types::{Flag, MailboxId, MailboxName, UidSet, search::SearchKey};

use super::select::mailbox_id;
use crate::imap::ask::{Answer, Ask, MailboxFacts, RowDetail};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Turn};
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "STATUS", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse) }],
    capabilities: &[Capability { name: "STATUS=SIZE", when: When::Authenticated }],
};

/// An item of STATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    DeletedStorage,
    Size,
    HighestModSeq,
    MailboxId,
}

const ITEMS: [(&str, StatusItem); 10] = [
    ("MESSAGES", StatusItem::Messages),
    ("RECENT", StatusItem::Recent),
    ("UIDNEXT", StatusItem::UidNext),
    ("UIDVALIDITY", StatusItem::UidValidity),
    ("UNSEEN", StatusItem::Unseen),
    ("DELETED", StatusItem::Deleted),
    ("DELETED-STORAGE", StatusItem::DeletedStorage),
    ("SIZE", StatusItem::Size),
    ("HIGHESTMODSEQ", StatusItem::HighestModSeq),
    ("MAILBOXID", StatusItem::MailboxId),
];

/// `(item item ...)`.
pub(super) fn parse_items(parser: &mut Parser<'_>) -> Parsed<Vec<StatusItem>> {
    parser.expect(b'(', "Missing status items")?;
    parser.skip_spaces();
    let mut items = Vec::new();
    while !parser.eat(b')') {
        let name = parser.word()?;
        let known = ITEMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, item) = known.ok_or(Reject::Bad("Unknown status item"))?;
        if !items.contains(item) {
            items.push(*item);
        }
        parser.skip_spaces();
    }
    Ok(items)
}

/// The STATUS response of a mailbox.
pub(super) fn write_status(mailbox: &MailboxFacts, items: &[StatusItem], deleted_bytes: u64, out: &mut Output) {
    out.text("* STATUS ").mailbox(mailbox.name.as_str()).text(" ");
    out.list(items.iter().map(|item| {
        let value = match item {
            StatusItem::Messages => u64::from(mailbox.messages),
            StatusItem::Recent => 0,
            StatusItem::UidNext => u64::from(mailbox.uid_next.0),
            StatusItem::UidValidity => u64::from(mailbox.uid_validity.0),
            StatusItem::Unseen => u64::from(mailbox.unseen),
            StatusItem::Deleted => u64::from(mailbox.deleted),
            StatusItem::DeletedStorage => deleted_bytes,
            StatusItem::Size => mailbox.bytes,
            StatusItem::HighestModSeq => mailbox.highest_modseq.0,
            StatusItem::MailboxId => return mailbox_id(mailbox.id),
        };
        let name = ITEMS.iter().find(|(_, known)| known == item).map_or("", |(name, _)| name);
        format!("{name} {value}")
    }));
    out.text("\r\n");
}

/// Sums the sizes of the messages flagged `\Deleted` in a mailbox.
#[derive(Debug)]
pub(super) struct DeletedStorage {
    mailbox: MailboxId,
    uids: UidSet,
    bytes: u64,
}

impl DeletedStorage {
    /// Begins, if there is anything to sum.
    pub(super) fn start(mailbox: &MailboxFacts) -> Option<(DeletedStorage, Ask)> {
        (mailbox.deleted > 0).then(|| {
            let sum = DeletedStorage { mailbox: mailbox.id, uids: UidSet::new(), bytes: 0 };
            (sum, Ask::Search { mailbox: mailbox.id, program: SearchKey::Flag(Flag::Deleted) })
        })
    }

    /// The next question, or the sum.
    pub(super) fn go_on(&mut self, answer: Answer) -> Result<Ask, u64> {
        match answer {
            Answer::Found { uids, .. } => self.uids = uids,
            Answer::Rows { rows, next } => {
                self.bytes += rows.iter().map(|row| row.bytes).sum::<u64>();
                let rest = next.map(|next| self.uids.intersection(&UidSet::range(next.0, u32::MAX)));
                self.uids = rest.unwrap_or_default();
            }
            _ => self.uids = UidSet::new(),
        }
        if self.uids.is_empty() {
            return Err(self.bytes);
        }
        let (mailbox, uids) = (self.mailbox, self.uids.clone());
        Ok(Ask::Rows { mailbox, uids, changed_since: None, detail: RowDetail::Hot })
    }
}

#[derive(Debug)]
struct Status {
    name: MailboxName,
    items: Vec<StatusItem>,
    /// Found, and its deleted messages are being summed.
    summing: Option<(MailboxFacts, DeletedStorage)>,
}

fn parse(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let name = parser.mailbox()?;
    parser.space()?;
    let items = parse_items(parser)?;
    if items.is_empty() {
        Err(Reject::Bad("Missing status items"))
    } else {
        Ok(Box::new(Status { name, items, summing: None }))
    }
}

impl Running for Status {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.items.contains(&StatusItem::HighestModSeq) {
            cx.state.enable_condstore(cx.out);
        }
        Turn::Ask(Ask::Mailboxes)
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        let (mailbox, deleted_bytes) = match (self.summing.take(), answer) {
            (None, Answer::Mailboxes { mailboxes, .. }) => {
                let Some(mailbox) = mailboxes.into_iter().find(|mailbox| mailbox.name == self.name) else {
                    return Turn::Finish(Completion::no(Some("NONEXISTENT"), "No such mailbox"));
                };
                if self.items.contains(&StatusItem::DeletedStorage)
                    && let Some((sum, ask)) = DeletedStorage::start(&mailbox)
                {
                    self.summing = Some((mailbox, sum));
                    return Turn::Ask(ask);
                }
                (mailbox, 0)
            }
            (Some((mailbox, mut sum)), answer) => match sum.go_on(answer) {
                Ok(ask) => {
                    self.summing = Some((mailbox, sum));
                    return Turn::Ask(ask);
                }
                Err(deleted_bytes) => (mailbox, deleted_bytes),
            },
            _ => return Turn::broken(),
        };
        write_status(&mailbox, &self.items, deleted_bytes, cx.out);
        Turn::Finish(Completion::ok("Status completed"))
    }
}
