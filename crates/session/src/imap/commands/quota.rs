//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): two roots, the account's own and the one all accounts of its domain share.
//!
//! Storage is told in units of 1,024 octets: usage rounded up, limits down. A resource without a limit is left out. Quotas are set by
//! the operator: SETQUOTA is refused, and QUOTASET not announced.

use yubin_types::{MailboxName, Quota, Usage};

use crate::imap::ask::{Answer, Ask};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Running, Turn};
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command { name: "GETQUOTA", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_get) },
        Command { name: "GETQUOTAROOT", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_get_root) },
        Command { name: "SETQUOTA", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_set) },
    ],
    capabilities: &[
        Capability { name: "QUOTA", when: When::Authenticated },
        Capability { name: "QUOTA=RES-STORAGE", when: When::Authenticated },
        Capability { name: "QUOTA=RES-MESSAGE", when: When::Authenticated },
    ],
};

const ACCOUNT_ROOT: &str = "account";
const DOMAIN_ROOT: &str = "domain";

/// What is asked for.
#[derive(Debug)]
enum GetQuota {
    Root(String),
    Mailbox(MailboxName),
}

fn parse_get(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    Ok(Box::new(GetQuota::Root(parser.astring_utf8()?)))
}

fn parse_get_root(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    Ok(Box::new(GetQuota::Mailbox(parser.mailbox()?)))
}

fn parse_set(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    parser.astring()?;
    parser.space()?;
    parser.take_while(|_| true);
    Ok(Box::new(SetQuota))
}

impl Running for GetQuota {
    fn start(&mut self, _cx: &mut Context<'_>) -> Turn {
        match self {
            GetQuota::Root(root) if root != ACCOUNT_ROOT && root != DOMAIN_ROOT => {
                Turn::Finish(Completion::no(Some("NONEXISTENT"), "No such quota root"))
            }
            GetQuota::Root(_) => Turn::Ask(Ask::Quotas),
            // RFC 9208 §4.1.2: the mailbox must exist.
            GetQuota::Mailbox(_) => Turn::Ask(Ask::Mailboxes),
        }
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match (&*self, answer) {
            (GetQuota::Mailbox(name), Answer::Mailboxes { mailboxes, .. }) => {
                if mailboxes.iter().any(|mailbox| mailbox.name == *name) {
                    return Turn::Ask(Ask::Quotas);
                }
                Turn::Finish(Completion::no(Some("NONEXISTENT"), "No such mailbox"))
            }
            (_, Answer::Quotas { account, domain }) => {
                if let GetQuota::Mailbox(name) = self {
                    cx.out.text("* QUOTAROOT ").mailbox(name.as_str());
                    cx.out.text(" ").text(ACCOUNT_ROOT).text(" ").text(DOMAIN_ROOT).text("\r\n");
                }
                for (root, quota) in [(ACCOUNT_ROOT, account), (DOMAIN_ROOT, domain)] {
                    if !matches!(self, GetQuota::Root(asked) if asked != root) {
                        describe(root, quota, cx.out);
                    }
                }
                Turn::Finish(Completion::ok("Quota completed"))
            }
            _ => Turn::broken(),
        }
    }
}

fn describe(root: &str, (quota, usage): (Quota, Usage), out: &mut Output) {
    let storage = quota.bytes.at_most().map(|limit| format!("STORAGE {} {}", usage.bytes.div_ceil(1024), limit / 1024));
    let messages = quota.messages.at_most().map(|limit| format!("MESSAGE {} {limit}", usage.messages));
    out.text("* QUOTA ").text(root).text(" ").list([storage, messages].into_iter().flatten()).text("\r\n");
}

#[derive(Debug)]
struct SetQuota;

impl Running for SetQuota {
    fn start(&mut self, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::no(Some("NOPERM"), "Quotas are set by the operator"))
    }
}
