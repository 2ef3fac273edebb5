//! All that changed in a mailbox since a MODSEQ: the store tells it in pages, a session takes it whole.
//!
//! A session numbers new messages by UID, and pages are in the order of MODSEQs: one page alone may leave out a message whose UID is
//! smaller than another's on it. So all pages are gathered before anything is shown. The mailbox goes on changing between two pages;
//! what a later page says of a message counts, and nothing is said of a message that has gone meanwhile.
//!
//! Bounded by the messages of the mailbox: each is kept once for every page that names it.

use yubin_session::imap::ask;
use yubin_state::query::{ChangedMessage, Changes};
use yubin_types::UidSet;

use super::convert;

/// The pages so far.
#[derive(Debug)]
pub(super) struct Pages(Changes);

impl Pages {
    pub(super) fn begin(first: Changes) -> Pages {
        Pages(first)
    }

    /// The page after the last one.
    pub(super) fn add(&mut self, page: Changes) {
        let Pages(all) = self;
        all.live = match (page.live, all.live.take()) {
            (Some(live), _) => Some(live),
            // Tombstones tell from this page on; what went before it, only the earlier page knows.
            (None, Some(live)) => {
                let kept = live.difference(&page.vanished);
                Some(kept.iter().chain(page.changed.iter().map(|message| message.uid)).collect())
            }
            (None, None) => None,
        };
        for &(first, last) in page.vanished.ranges() {
            all.vanished.insert_range(first, last);
        }
        all.changed.extend(page.changed);
        (all.highest_modseq, all.uid_next) = (page.highest_modseq, page.uid_next);
    }

    /// There is no further page.
    pub(super) fn finish(self) -> ask::Changes {
        let Pages(mut all) = self;
        all.changed.sort_by_key(|message| (message.uid, message.modseq));
        all.changed.dedup_by(|later, earlier| {
            let same = later.uid == earlier.uid;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let (vanished, live) = (&all.vanished, all.live.as_ref());
        let is_there = |message: &ChangedMessage| {
            live.map_or_else(|| !vanished.contains(message.uid), |live: &UidSet| live.contains(message.uid))
        };
        all.changed.retain(is_there);
        convert::changes(all)
    }
}

#[cfg(test)]
mod tests {
    use yubin_session::imap::ask;
    use yubin_state::query::{ChangedMessage, Changes};
    use yubin_types::{EmailId, FlagSet, ModSeq, Uid, UidSet};

    use super::Pages;

    fn page(changed: &[(u32, u64)], vanished: &[u32], live: Option<UidSet>) -> Changes {
        let message = |&(uid, modseq): &(u32, u64)| ChangedMessage {
            uid: Uid(uid),
            modseq: ModSeq(modseq),
            flags: FlagSet::default(),
            email_id: EmailId([0; 16]),
        };
        Changes {
            highest_modseq: ModSeq(changed.iter().map(|&(_, modseq)| modseq).max().unwrap_or(0)),
            uid_next: Uid(100),
            changed: changed.iter().map(message).collect(),
            vanished: vanished.iter().copied().map(Uid).collect(),
            live,
            next: None,
        }
    }

    fn gathered(first: Changes, second: Changes) -> ask::Changes {
        let mut pages = Pages::begin(first);
        pages.add(second);
        pages.finish()
    }

    fn shown(changes: &ask::Changes) -> Vec<(u32, u64)> {
        changes.changed.iter().map(|message| (message.uid.0, message.modseq.0)).collect()
    }

    #[test]
    fn a_later_page_counts_and_what_is_gone_is_not_named() {
        let all = gathered(page(&[(3, 7), (5, 6), (9, 8)], &[1, 2], None), page(&[(4, 10), (5, 11)], &[1, 2, 9], None));
        assert_eq!(shown(&all), [(3, 7), (4, 10), (5, 11)]);
        assert_eq!((all.vanished.to_string(), all.live), ("1:2,9".into(), None));
        assert_eq!((all.highest_modseq, all.uid_next), (ModSeq(11), Uid(100)));
    }

    #[test]
    fn what_only_an_early_page_knows_to_be_alive_stays_known() {
        let live = || Some(UidSet::range(3, 9));
        let told_again = gathered(page(&[(3, 7), (4, 8)], &[], live()), page(&[], &[], Some(UidSet::range(4, 9))));
        assert_eq!((shown(&told_again), told_again.live), (vec![(4, 8)], Some(UidSet::range(4, 9))));
        let tombstones = gathered(page(&[(3, 7), (4, 8)], &[], live()), page(&[(10, 9)], &[4], None));
        assert_eq!(shown(&tombstones), [(3, 7), (10, 9)]);
        assert_eq!(tombstones.live.map(|live| live.to_string()).as_deref(), Some("3,5:10"));
    }
}
