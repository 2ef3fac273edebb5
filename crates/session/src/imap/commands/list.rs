//! LIST and LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9) with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819), SPECIAL-USE (RFC 6154)
//! and CHILDREN (RFC 3348).
//!
//! Everything is decided over one list of all mailboxes and subscriptions. Children and special uses are always shown, subscriptions
//! where they are asked for. There are no remote mailboxes: REMOTE selects nothing more.

mod options;
mod pattern;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use yubin_types::MailboxName;
use yubin_types::mailbox::DELIMITER;

use self::options::{ListOptions, parse_return, parse_selection};
use self::pattern::Pattern;
use super::status::{DeletedStorage, StatusItem, write_status};
use crate::imap::ask::{Answer, Ask, MailboxFacts};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Reject, Running, Turn};
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};
use crate::imap::registry::{Capability, Family, When};

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[
        Command { name: "LIST", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_list) },
        Command { name: "LSUB", allowed: Allowed::Authenticated, parse: Parse::Arguments(parse_lsub) },
    ],
    capabilities: &[
        Capability { name: "CHILDREN", when: When::Authenticated },
        Capability { name: "LIST-EXTENDED", when: When::Authenticated },
        Capability { name: "LIST-STATUS", when: When::Authenticated },
        Capability { name: "SPECIAL-USE", when: When::Authenticated },
    ],
};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    Lsub,
}

#[derive(Debug)]
struct List {
    kind: Kind,
    options: ListOptions,
    patterns: Vec<Pattern>,
    /// Responses still to be written.
    entries: VecDeque<Entry>,
    summing: Option<DeletedStorage>,
}

/// A mailbox that is listed.
#[derive(Debug)]
struct Entry {
    line: Vec<u8>,
    /// For STATUS, if it exists.
    mailbox: Option<MailboxFacts>,
}

fn parse_list(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let mut options = ListOptions::default();
    if parser.peek() == Some(b'(') {
        parse_selection(parser, &mut options)?;
        parser.space()?;
    }
    let reference = parser.astring()?;
    parser.space()?;
    let mut patterns = Vec::new();
    if parser.eat(b'(') {
        while !parser.eat(b')') {
            if patterns.len() >= yubin_types::limits::IMAP_LIST_PATTERNS_MAX {
                return Err(Reject::Bad("Too many patterns"));
            }
            patterns.push(Pattern::new(&reference, &parser.list_mailbox()?));
            parser.skip_spaces();
        }
        if patterns.is_empty() {
            return Err(Reject::Bad("Missing pattern"));
        }
    } else {
        patterns.push(Pattern::new(&reference, &parser.list_mailbox()?));
    }
    if !parser.at_end() {
        parser.space()?;
        parse_return(parser, &mut options)?;
    }
    Ok(Box::new(List { kind: Kind::List, options, patterns, entries: VecDeque::new(), summing: None }))
}

fn parse_lsub(parser: &mut Parser<'_>) -> Parsed<Box<dyn Running>> {
    parser.space()?;
    let reference = parser.astring()?;
    parser.space()?;
    let patterns = vec![Pattern::new(&reference, &parser.list_mailbox()?)];
    Ok(Box::new(List {
        kind: Kind::Lsub,
        options: ListOptions::lsub(),
        patterns,
        entries: VecDeque::new(),
        summing: None,
    }))
}

impl Running for List {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        if self.options.status.contains(&StatusItem::HighestModSeq) {
            cx.state.enable_condstore(cx.out);
        }
        // RFC 9051 §6.3.9: the empty pattern asks for the delimiter.
        if self.kind == Kind::List && self.options.selection.is_empty() && self.patterns.iter().all(Pattern::is_empty) {
            cx.out.text("* LIST (\\Noselect) \"/\" \"\"\r\n");
            return Turn::Finish(Completion::ok("List completed"));
        }
        Turn::Ask(Ask::Mailboxes)
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match (self.summing.take(), answer) {
            (None, Answer::Mailboxes { mailboxes, subscribed }) => {
                self.entries = self.select(&Tree::new(mailboxes, subscribed));
                Turn::Again
            }
            (Some(mut sum), answer) => match sum.go_on(answer) {
                Ok(ask) => {
                    self.summing = Some(sum);
                    Turn::Ask(ask)
                }
                Err(deleted_bytes) => {
                    self.write_next(deleted_bytes, cx.out);
                    Turn::Again
                }
            },
            _ => Turn::broken(),
        }
    }

    fn proceed(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some(entry) = self.entries.front() else {
            return Turn::Finish(Completion::ok(match self.kind {
                Kind::List => "List completed",
                Kind::Lsub => "Lsub completed",
            }));
        };
        if self.options.status.contains(&StatusItem::DeletedStorage)
            && let Some((sum, ask)) = entry.mailbox.as_ref().and_then(DeletedStorage::start)
        {
            self.summing = Some(sum);
            return Turn::Ask(ask);
        }
        self.write_next(0, cx.out);
        Turn::Again
    }
}

/// All names there are, in order.
struct Tree {
    mailboxes: BTreeMap<MailboxName, MailboxFacts>,
    subscribed: BTreeSet<MailboxName>,
}

impl Tree {
    fn new(mailboxes: Vec<MailboxFacts>, subscribed: Vec<MailboxName>) -> Tree {
        Tree {
            mailboxes: mailboxes.into_iter().map(|mailbox| (mailbox.name.clone(), mailbox)).collect(),
            subscribed: subscribed.into_iter().collect(),
        }
    }

    /// Existing mailboxes, subscribed names, and the names above those.
    fn names(&self) -> BTreeSet<MailboxName> {
        let mut names: BTreeSet<MailboxName> = self.mailboxes.keys().cloned().collect();
        for name in &self.subscribed {
            let mut name = Some(name.clone());
            while let Some(next) = name.take_if(|next| !names.contains(next)) {
                name = next.parent();
                names.insert(next);
            }
        }
        names
    }
}

/// Every name that has another below it for which `wanted` holds: one step for each level of each name.
fn ancestors<'a>(wanted: impl Iterator<Item = &'a MailboxName>) -> BTreeSet<MailboxName> {
    let mut above = BTreeSet::new();
    for name in wanted {
        let mut parent = name.parent();
        while let Some(next) = parent.take_if(|next| !above.contains(next)) {
            parent = next.parent();
            above.insert(next);
        }
    }
    above
}

impl List {
    fn select(&self, tree: &Tree) -> VecDeque<Entry> {
        let parents = ancestors(tree.mailboxes.keys());
        let above_selected = ancestors(tree.names().iter().filter(|name| self.is_selected(name, tree)));
        let mut entries = VecDeque::new();
        for name in tree.names() {
            if !self.patterns.iter().any(|pattern| pattern.matches(name.as_str())) {
                continue;
            }
            let mailbox = tree.mailboxes.get(&name);
            let selected = self.is_selected(&name, tree);
            let recursive = self.options.is_recursive() && above_selected.contains(&name);
            if self.kind == Kind::Lsub {
                // RFC 3501 §6.3.9: `%` shows a name that isn't subscribed for what is subscribed below it.
                let shown_for_children =
                    above_selected.contains(&name) && self.patterns.iter().any(Pattern::ends_at_level);
                if selected || shown_for_children {
                    let mut line = Output::default();
                    line.text(if selected { "* LSUB ()" } else { "* LSUB (\\Noselect)" });
                    entries.push_back(Entry { line: finish_line(line, &name), mailbox: None });
                }
                continue;
            }
            if selected || recursive {
                let mut line = Output::default();
                line.text("* LIST ").list(self.attributes(&name, mailbox, tree, &parents));
                let mut line = finish_line(line, &name);
                if recursive && let Some(info) = self.options.child_info() {
                    line.truncate(line.len().saturating_sub(2));
                    line.extend_from_slice(format!(" (\"CHILDINFO\" ({info}))\r\n").as_bytes());
                }
                entries.push_back(Entry { line, mailbox: mailbox.cloned() });
            }
        }
        entries
    }

    /// Do the selection options choose this name?
    fn is_selected(&self, name: &MailboxName, tree: &Tree) -> bool {
        let mailbox = tree.mailboxes.get(name);
        let selection = &self.options.selection;
        (selection.subscribed.is_none() || tree.subscribed.contains(name))
            && (selection.special_use.is_none() || mailbox.is_some_and(|mailbox| mailbox.special_use.is_some()))
            && (mailbox.is_some() || selection.subscribed.is_some())
    }

    fn attributes(
        &self,
        name: &MailboxName,
        mailbox: Option<&MailboxFacts>,
        tree: &Tree,
        parents: &BTreeSet<MailboxName>,
    ) -> Vec<&'static str> {
        let mut attributes = Vec::new();
        if mailbox.is_none() {
            attributes.push("\\NonExistent");
        }
        attributes.push(if parents.contains(name) { "\\HasChildren" } else { "\\HasNoChildren" });
        if self.options.shows_subscribed() && tree.subscribed.contains(name) {
            attributes.push("\\Subscribed");
        }
        attributes.extend(mailbox.and_then(|mailbox| mailbox.special_use).map(|special_use| special_use.attribute()));
        attributes
    }

    fn write_next(&mut self, deleted_bytes: u64, out: &mut Output) {
        let Some(entry) = self.entries.pop_front() else { return };
        out.bytes(&entry.line);
        if let Some(mailbox) = entry.mailbox.filter(|_| !self.options.status.is_empty()) {
            write_status(&mailbox, &self.options.status, deleted_bytes, out);
        }
    }
}

fn finish_line(mut line: Output, name: &MailboxName) -> Vec<u8> {
    line.text(" \"").show(DELIMITER).text("\" ").mailbox(name.as_str()).text("\r\n");
    line.take().map(|bytes| bytes.to_vec()).unwrap_or_default()
}
