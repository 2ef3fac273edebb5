//! SORT and UID SORT (RFC 5256 §3): SEARCH whose answer is in an order. The store finds and sorts; the session maps message numbers.

use yubin_types::search::{SearchKey, SortCriterion, SortKey, SortOrder};
use yubin_types::{MailboxId, ModSeq, Uid, limits};

use super::search::{Charset, ModSeqKey, mentions_modseq, parse_program};
use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::{Allowed, Command, Completion, Context, Numbering, Parse, Reject, Running, Turn};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::Selected;

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command { name: "SORT", allowed: Allowed::Selected, parse: Parse::Numbered(parse) }],
    capabilities: &[Capability { name: "SORT", when: When::Authenticated }],
};

const KEYS: [(&str, SortKey); 7] = [
    ("ARRIVAL", SortKey::Arrival),
    ("CC", SortKey::Cc),
    ("DATE", SortKey::Date),
    ("FROM", SortKey::From),
    ("SIZE", SortKey::Size),
    ("SUBJECT", SortKey::Subject),
    ("TO", SortKey::To),
];

#[derive(Debug)]
struct Sort {
    numbering: Numbering,
    mailbox: MailboxId,
    criteria: Vec<SortCriterion>,
    program: SearchKey,
    modseq: ModSeqKey,
}

fn parse(parser: &mut Parser<'_>, numbering: Numbering, selected: &Selected) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let criteria = parse_criteria(parser)?;
    parser.space()?;
    let charset = Charset::find(&parser.astring()?)?;
    parser.space()?;
    let program = parse_program(parser, charset, selected)?;
    let modseq = if mentions_modseq(&program) { ModSeqKey::Present } else { ModSeqKey::Absent };
    Ok(Box::new(Sort { numbering, mailbox: selected.id, criteria, program, modseq }))
}

/// `(REVERSE DATE SUBJECT)`
fn parse_criteria(parser: &mut Parser<'_>) -> Parsed<Vec<SortCriterion>> {
    parser.expect(b'(', "Missing sort criteria")?;
    parser.skip_spaces();
    let (mut criteria, mut order) = (Vec::new(), SortOrder::Ascending);
    while order == SortOrder::Descending || !parser.eat(b')') {
        let name = parser.word()?;
        if name.eq_ignore_ascii_case("REVERSE") && order == SortOrder::Ascending {
            order = SortOrder::Descending;
        } else {
            let known = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let (_, key) = known.ok_or(Reject::Bad("Unknown sort criterion"))?;
            criteria.push(SortCriterion { key: *key, order });
            order = SortOrder::Ascending;
        }
        parser.skip_spaces();
    }
    if criteria.is_empty() || criteria.len() > limits::SORT_CRITERIA_MAX {
        return Err(Reject::Bad("Invalid sort criteria"));
    }
    Ok(criteria)
}

impl Running for Sort {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.modseq == ModSeqKey::Present {
            cx.state.enable_condstore(cx.out);
        }
        let program = std::mem::replace(&mut self.program, SearchKey::All);
        Turn::Ask(Ask::Sort { mailbox: self.mailbox, criteria: std::mem::take(&mut self.criteria), program })
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        let Answer::Sorted { uids, highest_modseq } = answer else { return Turn::broken() };
        self.respond(&uids, highest_modseq, cx)
    }

    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::refused(refusal).keeping(self.numbering))
    }
}

impl Sort {
    fn respond(&self, uids: &[Uid], highest_modseq: Option<ModSeq>, cx: &mut Context<'_>) -> Turn {
        let Some(selected) = cx.state.selected() else { return Turn::broken() };
        let places = selected.places();
        cx.out.text("* SORT");
        let mut shown = 0_usize;
        // Only what the client knows: it has not been told of newer messages.
        for (uid, number) in uids.iter().filter_map(|uid| places.number(*uid).map(|number| (uid, number))) {
            match self.numbering {
                Numbering::Sequence => cx.out.text(" ").show(number),
                Numbering::Unique => cx.out.text(" ").show(uid),
            };
            shown += 1;
        }
        if let Some(modseq) = highest_modseq.filter(|_| self.modseq == ModSeqKey::Present && shown > 0) {
            cx.out.text(" (MODSEQ ").show(modseq.0).text(")");
        }
        cx.out.text("\r\n");
        Turn::Finish(Completion::ok("Sort completed").keeping(self.numbering))
    }
}
