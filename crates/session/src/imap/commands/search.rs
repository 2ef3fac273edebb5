//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4), ESEARCH (RFC 4731), MODSEQ (RFC 7162 §3.1.5), WITHIN (RFC 5032) and the
//! keys of SAVEDATE (RFC 8514). The program runs in the store; the session maps message numbers and charsets.

mod charset;
mod program;

use yubin_types::search::SearchKey;
use yubin_types::{MailboxId, ModSeq, UidSet};

pub(super) use self::charset::Charset;
pub(super) use self::program::parse_program;
use crate::imap::ask::{Answer, Ask, Refusal, RowDetail};
use crate::imap::command::{Allowed, Command, Completion, Context, Numbering, Parse, Reject, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::Selected;

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "SEARCH", allowed: Allowed::Selected, parse: Parse::Numbered(parse) }],
    capabilities: &[
        Capability { name: "ESEARCH", when: When::Authenticated },
        Capability { name: "WITHIN", when: When::Authenticated },
    ],
};

#[derive(Debug)]
struct Search {
    numbering: Numbering,
    mailbox: MailboxId,
    program: SearchKey,
    modseq: ModSeqKey,
    results: Results,
    /// Found; the MODSEQs of the shown messages are being read.
    found: Option<UidSet>,
}

/// Is there a MODSEQ key, so that the answer carries a MODSEQ too?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModSeqKey {
    Absent,
    Present,
}

/// Which response is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Results {
    /// `* SEARCH`
    Plain,
    /// `* ESEARCH`, with these in the order of [`Return`].
    Extended(Vec<Return>),
}

/// A result option of RFC 4731 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Return {
    Min,
    Max,
    All,
    Count,
}

fn parse(parser: &mut Parser<'_>, numbering: Numbering, selected: &Selected) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let results = parse_results(parser)?;
    let mut charset = Charset::default();
    if parser.eat_word("CHARSET") {
        parser.space()?;
        charset = Charset::find(&parser.astring()?)?;
        parser.space()?;
    }
    let program = parse_program(parser, charset, selected)?;
    let modseq = if mentions_modseq(&program) { ModSeqKey::Present } else { ModSeqKey::Absent };
    Ok(Box::new(Search { numbering, mailbox: selected.id, program, modseq, results, found: None }))
}

fn parse_results(parser: &mut Parser<'_>) -> Parsed<Results> {
    if !parser.eat_word("RETURN") {
        return Ok(Results::Plain);
    }
    parser.space()?;
    parser.expect(b'(', "Missing result options")?;
    let mut wanted = Vec::new();
    while !parser.eat(b')') {
        wanted.push(match parser.word()?.to_ascii_uppercase().as_str() {
            "MIN" => Return::Min,
            "MAX" => Return::Max,
            "ALL" => Return::All,
            "COUNT" => Return::Count,
            _ => return Err(Reject::Bad("Unknown result option")),
        });
        parser.skip_spaces();
    }
    parser.space()?;
    if wanted.is_empty() {
        wanted.push(Return::All);
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(Results::Extended(wanted))
}

pub(super) fn mentions_modseq(program: &SearchKey) -> bool {
    let mut left = vec![program];
    while let Some(key) = left.pop() {
        match key {
            SearchKey::ModSeq(_) => return true,
            SearchKey::And(keys) => left.extend(keys),
            SearchKey::Or(a, b) => left.extend([&**a, &**b]),
            SearchKey::Not(key) => left.push(key),
            _ => {}
        }
    }
    false
}

impl Running for Search {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.modseq == ModSeqKey::Present {
            cx.state.enable_condstore(cx.out);
        }
        let program = std::mem::replace(&mut self.program, SearchKey::All);
        Turn::Ask(Ask::Search { mailbox: self.mailbox, program })
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match (self.found.take(), answer) {
            (None, Answer::Found { uids, highest_modseq }) => {
                let Some(selected) = cx.state.selected() else { return Turn::broken() };
                // Only what the client knows: it has not been told of newer messages.
                let uids = uids.intersection(&selected.uids);
                match self.ends_only(&uids) {
                    Some(ends) => {
                        self.found = Some(uids);
                        let (mailbox, detail) = (self.mailbox, RowDetail::Hot);
                        Turn::Ask(Ask::Rows { mailbox, uids: ends, changed_since: None, detail })
                    }
                    None => self.respond(&uids, highest_modseq, cx),
                }
            }
            (Some(uids), Answer::Rows { rows, .. }) => self.respond(&uids, rows.iter().map(|row| row.modseq).max(), cx),
            _ => Turn::broken(),
        }
    }

    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::refused(refusal).keeping(self.numbering))
    }
}

impl Search {
    /// RFC 4731 §3.2: where only ends are shown, the MODSEQ is theirs.
    fn ends_only(&self, uids: &UidSet) -> Option<UidSet> {
        let Results::Extended(wanted) = &self.results else { return None };
        let ends = wanted.iter().all(|wanted| matches!(wanted, Return::Min | Return::Max));
        if self.modseq == ModSeqKey::Absent || !ends {
            return None;
        }
        let end = |wanted: &Return| if *wanted == Return::Min { uids.at(1) } else { uids.last() };
        let ends: UidSet = wanted.iter().filter_map(end).collect();
        (!ends.is_empty()).then_some(ends)
    }

    fn respond(&self, uids: &UidSet, highest_modseq: Option<ModSeq>, cx: &mut Context<'_>) -> Turn {
        let Some(selected) = cx.state.selected() else { return Turn::broken() };
        let shown = match self.numbering {
            Numbering::Sequence => selected.numbers_of(uids),
            Numbering::Unique => uids.clone(),
        };
        let modseq = highest_modseq.filter(|_| self.modseq == ModSeqKey::Present && !shown.is_empty());
        match &self.results {
            Results::Plain => {
                cx.out.text("* SEARCH");
                for number in shown.iter() {
                    cx.out.text(" ").show(number);
                }
                if let Some(modseq) = modseq {
                    cx.out.text(" (MODSEQ ").show(modseq.0).text(")");
                }
            }
            Results::Extended(wanted) => {
                cx.out.text("* ESEARCH (TAG ").string(cx.tag.as_bytes()).text(")");
                if self.numbering == Numbering::Unique {
                    cx.out.text(" UID");
                }
                for wanted in wanted {
                    write_result(*wanted, &shown, cx);
                }
                if let Some(modseq) = modseq {
                    cx.out.text(" MODSEQ ").show(modseq.0);
                }
            }
        }
        cx.out.text("\r\n");
        Turn::Finish(Completion::ok("Search completed").keeping(self.numbering))
    }
}

fn write_result(wanted: Return, shown: &UidSet, cx: &mut Context<'_>) {
    match (wanted, shown.at(1), shown.last()) {
        (Return::Count, ..) => cx.out.text(" COUNT ").show(shown.len()),
        (Return::Min, Some(first), _) => cx.out.text(" MIN ").show(first),
        (Return::Max, _, Some(last)) => cx.out.text(" MAX ").show(last),
        (Return::All, Some(_), _) => cx.out.text(" ALL ").show(shown),
        _ => cx.out,
    };
}
