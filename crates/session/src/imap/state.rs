//! What a session knows between commands: who is logged in, and the selected mailbox as its client sees it.
//!
//! The mailbox is a set of UIDs as ranges and a MODSEQ: memory per gap, not per message. Flags are never kept; [`Selected::apply`] turns
//! what the store says has changed into EXPUNGE, EXISTS and FETCH responses. What this session did itself and has shown already is
//! told by the MODSEQ that its command was given.

use yubin_types::{MailboxId, ModSeq, Uid, UidSet};

use super::ask::Changes;
use super::command::Numbering;
use super::output::Output;
use super::sequence_set::SequenceSet;
use crate::Security;

/// The state of RFC 9051 §3: not authenticated, authenticated, selected. Logout is the session's end.
#[derive(Debug)]
pub(super) struct State {
    pub(super) security: Security,
    /// Who is logged in; the rim knows the name.
    pub(super) user: Option<User>,
    /// Logins that failed on this connection.
    pub(super) login_failures: u32,
}

/// A logged-in user.
#[derive(Debug)]
pub(super) struct User {
    /// RFC 7162 §3.1: does the client know MODSEQs?
    pub(super) condstore: Condstore,
    /// The mailbox that is open.
    pub(super) selected: Option<Selected>,
}

/// RFC 7162 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condstore {
    /// No CONDSTORE enabling command was given.
    Off,
    /// Every FETCH response carries MODSEQ.
    On,
}

/// May this session change the selected mailbox?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// SELECT.
    ReadWrite,
    /// EXAMINE.
    ReadOnly,
}

/// The selected mailbox as the client sees it.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) id: MailboxId,
    pub(super) access: Access,
    /// The messages that the client knows; a message's number is its place here.
    pub(super) uids: UidSet,
    pub(super) uid_next: Uid,
    /// All changes up to here were shown.
    pub(super) modseq: ModSeq,
    /// Changes after `modseq` that this session made and has shown.
    shown: Vec<ModSeq>,
    /// Messages that went while their numbers were in use; the client still counts them.
    gone: UidSet,
}

/// May EXPUNGE responses be sent now? (RFC 9051 §7.5.1)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expunges {
    Show,
    /// A command with message numbers is in progress: another time.
    Hold,
}

impl State {
    pub(super) fn new(security: Security) -> Self {
        State { security, user: None, login_failures: 0 }
    }

    pub(super) fn selected(&self) -> Option<&Selected> {
        self.user.as_ref()?.selected.as_ref()
    }

    pub(super) fn selected_mut(&mut self) -> Option<&mut Selected> {
        self.user.as_mut()?.selected.as_mut()
    }

    pub(super) fn condstore(&self) -> Condstore {
        self.user.as_ref().map_or(Condstore::Off, |user| user.condstore)
    }

    /// A CONDSTORE enabling command was given (RFC 7162 §3.1).
    pub(super) fn enable_condstore(&mut self, out: &mut Output) {
        let Some(user) = &mut self.user else { return };
        if let (Condstore::Off, Some(selected)) = (user.condstore, &user.selected) {
            out.text("* OK [HIGHESTMODSEQ ").show(selected.modseq.0).text("] CONDSTORE enabled\r\n");
        }
        user.condstore = Condstore::On;
    }
}

impl Selected {
    pub(super) fn new(id: MailboxId, access: Access, uids: UidSet, uid_next: Uid, modseq: ModSeq) -> Self {
        Selected { id, access, uids, uid_next, modseq, shown: Vec::new(), gone: UidSet::new() }
    }

    /// This session's own command got this MODSEQ, and its client knows what it did.
    pub(super) fn mark_shown(&mut self, modseq: ModSeq) {
        if self.shown.last() != Some(&modseq) {
            self.shown.push(modseq);
        }
    }

    /// How many messages the client knows.
    pub(super) fn exists(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    /// The known messages that a set names; `None` if it names a number beyond the last (RFC 9051 §9, seq-number).
    pub(super) fn named(&self, set: &SequenceSet, numbering: Numbering) -> Option<UidSet> {
        match numbering {
            Numbering::Unique => Some(set.resolve(self.uids.last().map(|uid| uid.0)).intersection(&self.uids)),
            Numbering::Sequence => {
                let exists = self.exists();
                let numbers = set.resolve(Some(exists).filter(|&exists| exists > 0));
                let beyond = numbers.last().is_some_and(|last| last.0 > exists);
                (!beyond).then(|| self.at_numbers(&numbers))
            }
        }
    }

    /// The UIDs at these message numbers; numbers beyond the last name nothing.
    pub(super) fn at_numbers(&self, numbers: &UidSet) -> UidSet {
        let mut uids = UidSet::new();
        let mut wanted = numbers.ranges().iter().copied().peekable();
        let mut before = 0u32;
        for &(from, to) in self.uids.ranges() {
            let last = before + (to - from) + 1;
            while let Some(&(first_wanted, last_wanted)) = wanted.peek() {
                if first_wanted > last {
                    break;
                }
                let first = first_wanted.max(before + 1);
                uids.insert_range(from + (first - before - 1), from + (last_wanted.min(last) - before - 1));
                if last_wanted > last {
                    break;
                }
                wanted.next();
            }
            before = last;
        }
        uids
    }

    /// The message numbers of these UIDs, unknown ones left out.
    pub(super) fn numbers_of(&self, uids: &UidSet) -> UidSet {
        let mut numbers = UidSet::new();
        let mut cursor = NumberCursor::default();
        for &(from, to) in uids.intersection(&self.uids).ranges() {
            if let Some(first) = cursor.number(&self.uids, Uid(from)) {
                numbers.insert_range(first, first + (to - from));
            }
        }
        numbers
    }

    /// For numbers of UIDs in any order.
    pub(super) fn places(&self) -> Places<'_> {
        let before = self.uids.ranges().iter().scan(0, |sum, (from, to)| {
            let before = *sum;
            *sum += to - from + 1;
            Some(before)
        });
        Places { uids: &self.uids, before: before.collect() }
    }

    /// Shows what changed, and takes it over.
    pub(super) fn apply(&mut self, changes: &Changes, expunges: Expunges, condstore: Condstore, out: &mut Output) {
        let gone = match &changes.live {
            Some(live) => self.uids.difference(live),
            None => changes.vanished.intersection(&self.uids),
        };
        self.gone = if self.gone.is_empty() { gone } else { self.gone.iter().chain(gone.iter()).collect() };
        if expunges == Expunges::Show {
            self.expunge(out);
        }
        let exists_before = self.exists();
        for message in changes.changed.iter().filter(|message| message.uid >= self.uid_next) {
            self.uids.insert(message.uid);
        }
        let exists = self.exists();
        if exists != exists_before {
            out.text("* ").show(exists).text(" EXISTS\r\n");
        }
        let mut cursor = NumberCursor::default();
        for message in changes.changed.iter().filter(|message| message.uid < self.uid_next) {
            if self.shown.contains(&message.modseq) {
                continue;
            }
            let Some(number) = cursor.number(&self.uids, message.uid) else { continue };
            out.text("* ").show(number).text(" FETCH (UID ").show(message.uid);
            if condstore == Condstore::On {
                out.text(" MODSEQ (").show(message.modseq.0).text(")");
            }
            out.text(" FLAGS ").list(message.flags.iter()).text(")\r\n");
        }
        self.uid_next = self.uid_next.max(changes.uid_next);
        self.modseq = self.modseq.max(changes.highest_modseq);
        self.shown.clear();
    }

    /// From the highest number down, so that no number moves before it is said (RFC 9051 §7.5.1).
    fn expunge(&mut self, out: &mut Output) {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        for &(first, last) in self.numbers_of(&gone).ranges().iter().rev() {
            for number in (first..=last).rev() {
                out.text("* ").show(number).text(" EXPUNGE\r\n");
            }
        }
        self.uids = self.uids.difference(&gone);
    }
}

/// Finds the numbers of UIDs in any order.
#[derive(Debug)]
pub(super) struct Places<'a> {
    uids: &'a UidSet,
    /// Messages before each range.
    before: Vec<u32>,
}

impl Places<'_> {
    pub(super) fn number(&self, uid: Uid) -> Option<u32> {
        let at = self.uids.ranges().partition_point(|&(_, to)| to < uid.0);
        let &(from, _) = self.uids.ranges().get(at).filter(|(from, _)| *from <= uid.0)?;
        Some(self.before.get(at)? + (uid.0 - from) + 1)
    }
}

/// Finds the numbers of ascending UIDs in one walk over the mailbox.
#[derive(Clone, Debug, Default)]
pub(super) struct NumberCursor {
    /// Ranges that lie wholly before the last UID asked for.
    passed: usize,
    /// Messages in them.
    before: u32,
}

impl NumberCursor {
    /// The number of `uid`, which is no smaller than the last one asked for.
    pub(super) fn number(&mut self, uids: &UidSet, uid: Uid) -> Option<u32> {
        while let Some(&(from, to)) = uids.ranges().get(self.passed) {
            if uid.0 <= to {
                return (uid.0 >= from).then(|| self.before + (uid.0 - from) + 1);
            }
            self.before += to - from + 1;
            self.passed += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use yubin_types::{FlagSet, MailboxId, ModSeq, Uid, UidSet};

    use super::{Access, Condstore, Expunges, NumberCursor, Selected};
    use crate::imap::ask::{ChangedMessage, Changes};
    use crate::imap::output::Output;

    fn selected(uids: UidSet) -> Selected {
        let uid_next = Uid(uids.last().map_or(1, |uid| uid.0 + 1));
        Selected::new(MailboxId(1), Access::ReadWrite, uids, uid_next, ModSeq(10))
    }

    fn changes(vanished: UidSet, changed: &[(u32, u64)], uid_next: u32) -> Changes {
        let message = |&(uid, modseq): &(u32, u64)| ChangedMessage {
            uid: Uid(uid),
            modseq: ModSeq(modseq),
            flags: FlagSet::default(),
        };
        let changed = changed.iter().map(message).collect();
        Changes { highest_modseq: ModSeq(20), uid_next: Uid(uid_next), changed, vanished, live: None }
    }

    fn shown(mailbox: &mut Selected, changes: &Changes, condstore: Condstore) -> Vec<String> {
        let mut out = Output::default();
        mailbox.apply(changes, Expunges::Show, condstore, &mut out);
        let text = out.take().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn changes_are_shown_once_and_in_an_order_that_keeps_numbers_right() {
        let mut mailbox = selected([1, 2, 3, 5, 8].map(Uid).into_iter().collect());
        mailbox.mark_shown(ModSeq(15));
        let gone = [2, 5, 7].map(Uid).into_iter().collect();
        let news = changes(gone, &[(1, 15), (8, 16), (9, 17), (11, 18)], 12);
        assert_eq!(
            shown(&mut mailbox, &news, Condstore::On),
            ["* 4 EXPUNGE", "* 2 EXPUNGE", "* 5 EXISTS", "* 3 FETCH (UID 8 MODSEQ (16) FLAGS ())"]
        );
        assert_eq!(mailbox.uids.to_string(), "1,3,8:9,11");
        assert_eq!((mailbox.uid_next, mailbox.modseq), (Uid(12), ModSeq(20)));
        let live = Changes { live: Some(UidSet::range(3, 3)), ..changes(UidSet::new(), &[], 12) };
        assert_eq!(
            shown(&mut mailbox, &live, Condstore::Off),
            ["* 5 EXPUNGE", "* 4 EXPUNGE", "* 3 EXPUNGE", "* 1 EXPUNGE"]
        );
    }

    #[test]
    fn expunges_wait_while_numbers_are_in_use() {
        let mut mailbox = selected(UidSet::range(1, 4));
        let mut out = Output::default();
        mailbox.apply(&changes(UidSet::range(2, 2), &[(5, 11)], 6), Expunges::Hold, Condstore::Off, &mut out);
        assert_eq!(out.take().unwrap(), "* 5 EXISTS\r\n");
        assert_eq!(
            shown(&mut mailbox, &changes(UidSet::range(4, 4), &[], 6), Condstore::Off),
            ["* 4 EXPUNGE", "* 2 EXPUNGE"]
        );
        assert_eq!(mailbox.uids.to_string(), "1,3,5");
    }

    proptest! {
        #[test]
        fn numbers_and_uids_map_to_each_other(known in prop::collection::btree_set(1u32..60, 0..40), some in prop::collection::btree_set(1u32..60, 0..20)) {
            let mailbox = selected(known.iter().copied().map(Uid).collect());
            let order: Vec<u32> = known.iter().copied().collect();
            let some_set: UidSet = some.iter().copied().map(Uid).collect();
            let numbers: UidSet = some.iter().filter_map(|uid| order.binary_search(uid).ok()).map(|at| Uid(u32::try_from(at).unwrap() + 1)).collect();
            prop_assert_eq!(mailbox.numbers_of(&some_set), numbers);
            let uids: UidSet = some.iter().filter_map(|&number| order.get(number as usize - 1)).copied().map(Uid).collect();
            prop_assert_eq!(mailbox.at_numbers(&some_set), uids);
            let mut cursor = NumberCursor::default();
            for uid in 1..60 {
                prop_assert_eq!(cursor.number(&mailbox.uids, Uid(uid)), mailbox.uids.position(Uid(uid)));
                prop_assert_eq!(mailbox.places().number(Uid(uid)), mailbox.uids.position(Uid(uid)));
            }
        }

        #[test]
        fn expunges_lead_a_client_to_the_same_mailbox(known in prop::collection::btree_set(1u32..40, 0..30), gone in prop::collection::btree_set(1u32..40, 0..20)) {
            let mut client: Vec<u32> = known.iter().copied().collect();
            let mut mailbox = selected(known.iter().copied().map(Uid).collect());
            for line in shown(&mut mailbox, &changes(gone.iter().copied().map(Uid).collect(), &[], 1), Condstore::Off) {
                let number: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
                client.remove(number - 1);
            }
            let left: BTreeSet<u32> = known.difference(&gone).copied().collect();
            prop_assert_eq!(client, left.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(mailbox.exists() as usize, left.len());
        }
    }
}
