//! A mailbox under change: its row and the sets of UIDs that were touched, written back together.
//!
//! The only place that adds, changes or removes message rows, so that counters, UID sets, the change index, keyword counts and the
//! Trash index can't disagree. UIDs are allocated here, ascending. Usage and bodies are the caller's.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{DomainId, Flag, FlagSet, Keyword, MailboxId, ModSeq, Refusal, Timestamp, Uid, UidSet, limits};

use crate::keys::{self, DueKind, UIDS_PER_CHUNK};
use crate::kv::{Txn, View};
use crate::record::{ColdRow, HotRow};
use crate::rows::{Chunk, KeywordCount, Mailbox, Tombstone};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;
use crate::work::Work;

/// What a message brings along into a mailbox.
pub(crate) struct Incoming {
    pub(crate) flags: FlagSet,
    pub(crate) bytes: u64,
    pub(crate) internal_date: Timestamp,
    pub(crate) email_id: yubin_types::EmailId,
    pub(crate) cold: ColdRow,
}

/// A mailbox under change.
pub(crate) struct Opened {
    pub(crate) id: MailboxId,
    pub(crate) row: Mailbox,
    chunks: BTreeMap<u32, Chunk>,
    keywords: BTreeMap<Keyword, i64>,
    vanished: UidSet,
}

impl Opened {
    pub(crate) fn new(id: MailboxId, row: Mailbox) -> Self {
        Opened { id, row, chunks: BTreeMap::new(), keywords: BTreeMap::new(), vanished: UidSet::new() }
    }

    /// Is there room for so many more messages?
    pub(crate) fn admits(&self, messages: usize) -> Result<(), Refusal> {
        let left = u64::from(u32::MAX - self.row.uid_next.0);
        if messages as u64 <= left {
            Ok(())
        } else {
            Err(too_many("messages in the life of a mailbox", u64::from(u32::MAX)))
        }
    }

    /// Is there room for these keywords among those in use?
    pub(crate) fn admits_keywords<'k, V: View>(
        &self,
        view: &V,
        id: DomainId,
        keywords: impl Iterator<Item = &'k Keyword>,
    ) -> Outcome<(), V::Error> {
        let wanted: BTreeSet<&Keyword> = keywords.collect();
        let most = limits::KEYWORDS_PER_MAILBOX_MAX;
        let mut in_use = self.row.keywords as usize;
        if in_use + wanted.len() <= most {
            return Ok(());
        }
        for keyword in wanted {
            in_use += usize::from(view.row(&keys::keyword(id, self.id, keyword))?.is_none());
        }
        if in_use <= most { Ok(()) } else { Err(too_many("keywords in a mailbox", most as u64).into()) }
    }

    /// Stores a message under the next UID.
    pub(crate) fn insert<T: Txn>(&mut self, work: &mut Work<'_, T>, message: Incoming) -> Outcome<Uid, T::Error> {
        let uid = self.row.uid_next;
        self.row.uid_next = Uid(uid.0.saturating_add(1));
        let Incoming { flags, bytes, internal_date, email_id, cold } = message;
        let modseq = work.modseq();
        let hot = HotRow { flags, modseq, bytes, internal_date, save_date: work.now, email_id };
        work.txn.set(&keys::hot(work.id, self.id, uid), &hot);
        work.txn.set(&keys::cold(work.id, self.id, uid), &cold);
        work.txn.set(&keys::change(work.id, self.id, modseq, uid), &());
        self.row.messages += 1;
        self.row.bytes += bytes;
        self.chunk(work, uid)?.live.insert(uid);
        self.count_flags(work, uid, &FlagSet::default(), &hot.flags, Arrival::New)?;
        Ok(uid)
    }

    /// Gives a message other flags under this entry's MODSEQ.
    pub(crate) fn reflag<T: Txn>(
        &mut self,
        work: &mut Work<'_, T>,
        uid: Uid,
        mut hot: HotRow,
        flags: FlagSet,
    ) -> Outcome<(), T::Error> {
        self.count_flags(work, uid, &hot.flags, &flags, Arrival::Old)?;
        work.txn.unset(&keys::change(work.id, self.id, hot.modseq, uid));
        hot.modseq = work.modseq();
        hot.flags = flags;
        work.txn.set(&keys::change(work.id, self.id, hot.modseq, uid), &());
        work.txn.set(&keys::hot(work.id, self.id, uid), &hot);
        Ok(())
    }

    /// Removes a message's rows; its body is the caller's.
    pub(crate) fn remove<T: Txn>(&mut self, work: &mut Work<'_, T>, uid: Uid, hot: &HotRow) -> Outcome<(), T::Error> {
        self.count_flags(work, uid, &hot.flags, &FlagSet::default(), Arrival::Gone)?;
        self.chunk(work, uid)?.live.remove(uid);
        self.row.messages = self.row.messages.saturating_sub(1);
        self.row.bytes = self.row.bytes.saturating_sub(hot.bytes);
        self.vanished.insert(uid);
        work.txn.unset(&keys::hot(work.id, self.id, uid));
        work.txn.unset(&keys::cold(work.id, self.id, uid));
        work.txn.unset(&keys::change(work.id, self.id, hot.modseq, uid));
        Ok(())
    }

    /// Writes the row and the sets back, stamps the mailbox and tells its watchers.
    pub(crate) fn save<T: Txn>(mut self, work: &mut Work<'_, T>) -> Outcome<(), T::Error> {
        let modseq = work.modseq();
        self.row.highest_modseq = modseq;
        for (number, chunk) in std::mem::take(&mut self.chunks) {
            let key = keys::chunk(work.id, self.id, number);
            if chunk.live.is_empty() { work.txn.unset(&key) } else { work.txn.set(&key, &chunk) }
        }
        for (keyword, delta) in std::mem::take(&mut self.keywords) {
            self.count_keyword(work, keyword, delta)?;
        }
        if !self.vanished.is_empty() {
            self.bury(work, modseq)?;
        }
        self.file_in_trash(work);
        work.txn.set(&keys::mailbox(work.id, self.id), &self.row);
        work.changed(Topic::Mail(work.id, self.row.account));
        Ok(())
    }

    /// Files the mailbox among Trash mailboxes under this date, or nowhere.
    pub(crate) fn file<T: Txn>(&mut self, work: &mut Work<'_, T>, date: Option<Timestamp>) {
        let Some(queue) = &mut self.row.trash else { return };
        if queue.filed == date {
            return;
        }
        if let Some(old) = std::mem::replace(&mut queue.filed, date) {
            work.txn.unset(&keys::trash(work.id, old, self.id));
        }
        if let Some(new) = date {
            work.txn.set(&keys::trash(work.id, new, self.id), &());
            if let Some(seconds) = work.domain.plan.trash_expiry_seconds {
                work.due_by(DueKind::Trash, new.plus_seconds(seconds));
            }
        }
    }

    fn file_in_trash<T: Txn>(&mut self, work: &mut Work<'_, T>) {
        match self.row.trash {
            Some(queue) if self.row.messages == 0 && queue.filed.is_some() => self.file(work, None),
            Some(queue) if self.row.messages > 0 && queue.filed.is_none() => self.file(work, Some(work.now)),
            _ => {}
        }
    }

    fn chunk<T: Txn>(&mut self, work: &Work<'_, T>, uid: Uid) -> Outcome<&mut Chunk, T::Error> {
        match self.chunks.entry(uid.0 / UIDS_PER_CHUNK) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let stored = work.txn.row(&keys::chunk(work.id, self.id, *entry.key()))?;
                Ok(entry.insert(stored.unwrap_or_default()))
            }
        }
    }

    /// Moves a message's share of counters and sets from its old flags to its new ones.
    fn count_flags<T: Txn>(
        &mut self,
        work: &Work<'_, T>,
        uid: Uid,
        old: &FlagSet,
        new: &FlagSet,
        arrival: Arrival,
    ) -> Outcome<(), T::Error> {
        let was_unseen = arrival != Arrival::New && !old.contains(&Flag::Seen);
        let is_unseen = arrival != Arrival::Gone && !new.contains(&Flag::Seen);
        let was_deleted = old.contains(&Flag::Deleted);
        let is_deleted = new.contains(&Flag::Deleted);
        match (was_unseen, is_unseen) {
            (false, true) => {
                self.chunk(work, uid)?.unseen.insert(uid);
                self.row.unseen += 1;
            }
            (true, false) => {
                self.chunk(work, uid)?.unseen.remove(uid);
                self.row.unseen = self.row.unseen.saturating_sub(1);
            }
            _ => {}
        }
        match (was_deleted, is_deleted) {
            (false, true) => {
                self.chunk(work, uid)?.deleted.insert(uid);
                self.row.deleted += 1;
            }
            (true, false) => {
                self.chunk(work, uid)?.deleted.remove(uid);
                self.row.deleted = self.row.deleted.saturating_sub(1);
            }
            _ => {}
        }
        if old.keywords != new.keywords {
            for keyword in &old.keywords {
                *self.keywords.entry(keyword.clone()).or_default() -= 1;
            }
            for keyword in &new.keywords {
                *self.keywords.entry(keyword.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    fn count_keyword<T: Txn>(&mut self, work: &mut Work<'_, T>, keyword: Keyword, delta: i64) -> Outcome<(), T::Error> {
        let key = keys::keyword(work.id, self.id, &keyword);
        let stored = work.txn.row(&key)?;
        let before = stored.as_ref().map_or(0, |count| count.messages);
        let after = u32::try_from(i64::from(before) + delta).unwrap_or(0);
        match (before, after) {
            (0, 1..) => self.row.keywords += 1,
            (1.., 0) => self.row.keywords = self.row.keywords.saturating_sub(1),
            _ => {}
        }
        if after == 0 {
            work.txn.unset(&key);
        } else {
            let keyword = stored.map_or(keyword, |count| count.keyword);
            work.txn.set(&key, &KeywordCount { keyword, messages: after });
        }
        Ok(())
    }

    /// Leaves a tombstone, and lets the oldest go where there are too many.
    fn bury<T: Txn>(&mut self, work: &mut Work<'_, T>, modseq: ModSeq) -> Outcome<(), T::Error> {
        let vanished = std::mem::take(&mut self.vanished);
        work.txn.set(&keys::tombstone(work.id, self.id, modseq), &Tombstone(vanished));
        self.row.tombstones += 1;
        let over = self.row.tombstones.saturating_sub(limits::TOMBSTONES_PER_MAILBOX_MAX);
        if over > 0 {
            let all = keys::tombstones_after(work.id, self.id, ModSeq(0));
            for key in work.txn.first_keys(&all, over as usize)? {
                self.row.floor = keys::parse_tombstone(&key);
                self.row.tombstones -= 1;
                work.txn.delete(&key);
            }
        }
        Ok(())
    }
}

/// Was the message in the mailbox before, and will it be?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    New,
    Old,
    Gone,
}

/// A bound of the product was reached.
pub(crate) fn too_many(what: &str, limit: u64) -> Refusal {
    Refusal::TooMany { what: what.to_owned(), limit }
}
