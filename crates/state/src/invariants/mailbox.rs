//! A mailbox: its counters, UID sets, change index, keywords and tombstones against its message rows.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{Flag, Keyword, MailboxId, ModSeq, Timestamp, Uid, UidSet};

use super::Findings;
use super::domain::Rows;
use crate::keys;
use crate::kv::View;
use crate::record::HotRow;
use crate::rows::Mailbox;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn check<V: View>(view: &V, rows: &Rows, found: &mut Findings) -> Outcome<(), V::Error> {
    let mut validities = BTreeSet::new();
    let mut filed = BTreeSet::new();
    for (&id, mailbox) in &rows.mailboxes {
        let place = format!("domain {} mailbox {id} ({})", rows.id, mailbox.name);
        found.holds("UIDVALIDITY is unique", validities.insert(mailbox.uid_validity), || place.clone());
        let allotted = mailbox.uid_validity.0 <= rows.counters.uid_validity;
        found.holds("UIDVALIDITY comes from the counter", allotted, || place.clone());
        let mut hot = BTreeMap::new();
        view.each(&keys::hot_rows(rows.id, id, 0, u32::MAX), |key, row| {
            hot.insert(keys::parse_uid(key), row);
            go_on_while(true)
        })?;
        counters(mailbox, &place, &hot, found);
        sets(view, rows, id, &hot, found)?;
        changes(view, rows, (id, mailbox), &hot, found)?;
        keywords(view, rows, (id, mailbox), &hot, found)?;
        tombstones(view, rows, (id, mailbox), &hot, found)?;
        if let Some(queue) = mailbox.trash {
            filed.extend(queue.filed.map(|date| (date, id)));
            let oldest = hot.values().next().map(|row| row.save_date.max(queue.since));
            let in_time = match (queue.filed, oldest) {
                (Some(filed), Some(oldest)) => filed <= oldest,
                (filed, oldest) => filed.is_none() && oldest.is_none(),
            };
            found.holds("Trash mailboxes are filed", in_time, || place.clone());
        }
    }
    let indexed: BTreeSet<(Timestamp, MailboxId)> =
        view.first_keys(&keys::trashes(rows.id), usize::MAX)?.iter().map(|key| keys::parse_dated(key)).collect();
    found.equal("the Trash index", &format!("domain {}", rows.id), &filed, &indexed);
    Ok(())
}

fn counters(mailbox: &Mailbox, place: &str, hot: &BTreeMap<Uid, HotRow>, found: &mut Findings) {
    let count = |keep: &dyn Fn(&HotRow) -> bool| hot.values().filter(|row| keep(row)).count();
    found.equal("MESSAGES", place, &(mailbox.messages as usize), &hot.len());
    found.equal("UNSEEN", place, &(mailbox.unseen as usize), &count(&|row| !row.flags.contains(&Flag::Seen)));
    found.equal("DELETED", place, &(mailbox.deleted as usize), &count(&|row| row.flags.contains(&Flag::Deleted)));
    found.equal("SIZE", place, &mailbox.bytes, &hot.values().map(|row| row.bytes).sum());
    let last = hot.keys().next_back().copied().unwrap_or(Uid(0));
    found.holds("UIDNEXT lies above every UID", mailbox.uid_next > last, || place.to_owned());
    let dates: Vec<_> = hot.values().map(|row| row.save_date).collect();
    found.holds("save dates follow UIDs", dates.is_sorted(), || place.to_owned());
}

fn sets<V: View>(
    view: &V,
    rows: &Rows,
    id: MailboxId,
    hot: &BTreeMap<Uid, HotRow>,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let (mut live, mut unseen, mut deleted) = (UidSet::new(), UidSet::new(), UidSet::new());
    view.each(&keys::chunks(rows.id, id, 0, u32::MAX), |_, chunk| {
        for (all, some) in [(&mut live, chunk.live), (&mut unseen, chunk.unseen), (&mut deleted, chunk.deleted)] {
            some.ranges().iter().for_each(|&(first, last)| all.insert_range(first, last));
        }
        go_on_while(true)
    })?;
    let of = |keep: &dyn Fn(&HotRow) -> bool| -> UidSet {
        hot.iter().filter(|(_, row)| keep(row)).map(|(&uid, _)| uid).collect()
    };
    let place = format!("mailbox {id}");
    found.equal("the set of UIDs", &place, &live, &of(&|_| true));
    found.equal("the set of unseen UIDs", &place, &unseen, &of(&|row| !row.flags.contains(&Flag::Seen)));
    found.equal("the set of deleted UIDs", &place, &deleted, &of(&|row| row.flags.contains(&Flag::Deleted)));
    Ok(())
}

fn changes<V: View>(
    view: &V,
    rows: &Rows,
    (id, mailbox): (MailboxId, &Mailbox),
    hot: &BTreeMap<Uid, HotRow>,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let place = format!("mailbox {id}");
    let indexed: BTreeSet<(ModSeq, Uid)> = view
        .first_keys(&keys::changes_after(rows.id, id, ModSeq(0)), usize::MAX)?
        .iter()
        .map(|key| keys::parse_change(key))
        .collect();
    let expected = hot.iter().map(|(&uid, row)| (row.modseq, uid)).collect();
    found.equal("the change index", &place, &indexed, &expected);
    let highest = hot.values().map(|row| row.modseq).max().unwrap_or_default();
    let ordered = highest <= mailbox.highest_modseq && mailbox.highest_modseq <= rows.counters.modseq;
    found.holds("HIGHESTMODSEQ", ordered, || place.clone());
    for &uid in hot.keys() {
        let cold = view.row(&keys::cold(rows.id, id, uid))?;
        let same = cold.is_some_and(|cold| {
            hot.get(&uid).is_some_and(|hot| cold.body_bytes + cold.prefix.len() as u64 == hot.bytes)
        });
        found.holds("cold rows beside hot ones", same, || format!("{place} UID {uid}"));
    }
    Ok(())
}

fn keywords<V: View>(
    view: &V,
    rows: &Rows,
    (id, mailbox): (MailboxId, &Mailbox),
    hot: &BTreeMap<Uid, HotRow>,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let mut counted: BTreeMap<Keyword, u32> = BTreeMap::new();
    for keyword in hot.values().flat_map(|row| &row.flags.keywords) {
        *counted.entry(keyword.clone()).or_default() += 1;
    }
    let mut kept = BTreeMap::new();
    view.each(&keys::keywords(rows.id, id), |_, count| {
        kept.insert(count.keyword, count.messages);
        go_on_while(true)
    })?;
    let place = format!("mailbox {id}");
    found.equal("keywords in use", &place, &kept, &counted);
    found.equal("different keywords", &place, &(mailbox.keywords as usize), &counted.len());
    Ok(())
}

fn tombstones<V: View>(
    view: &V,
    rows: &Rows,
    (id, mailbox): (MailboxId, &Mailbox),
    hot: &BTreeMap<Uid, HotRow>,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let place = format!("mailbox {id}");
    let tombstones = view.first_rows(&keys::tombstones_after(rows.id, id, ModSeq(0)), usize::MAX)?;
    found.equal("tombstones", &place, &(mailbox.tombstones as usize), &tombstones.len());
    for (key, tombstone) in tombstones {
        let modseq = keys::parse_tombstone(&key);
        found.holds("tombstones lie above the floor", modseq > mailbox.floor, || place.clone());
        let alive = tombstone.0.iter().any(|uid| hot.contains_key(&uid));
        found.holds("what is buried is not alive", !alive, || place.clone());
    }
    Ok(())
}
