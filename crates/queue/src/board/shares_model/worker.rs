//! A worker of the model: its board, and what it has under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use yubin_state::queue::{DeliveryKey, DestinationName};
use yubin_types::limits;

use super::super::Board;
use super::super::tests::board_of;
use crate::pools::SourceId;
use crate::profile::{Profile, Profiles};
use crate::rights::Rights;
use crate::shipped::SHIPPED;

/// Shorter than in life, so that a few dozen messages are many.
pub(super) const TAKEOVER_MS: u64 = 1_000;
pub(super) const RESTS_MS: u64 = 5_000;
/// Of a destination, as the boards of these tests are told.
pub(super) const LANES_MAX: usize = 4;
pub(super) const SITE_MAX: u32 = 6;
pub(super) const SITE_PER_MINUTE: u32 = 240;
/// What the workers' buckets hold comes on top of a minute's rate: a second's, or one delivery each.
pub(super) const SITE_BURST: usize = 4 + 4;
/// The last two are one receiver's.
pub(super) const DESTINATIONS: [&str; 4] = ["a.example", "b.example", "docomo.ne.jp", "mail.docomo.ne.jp"];
pub(super) const RECEIVERS: [&str; 3] = ["a.example", "b.example", "=docomo"];

pub(super) struct Delivery {
    pub(super) key: DeliveryKey,
    pub(super) source: SourceId,
    pub(super) ends: u64,
}

pub(super) struct Worker {
    pub(super) board: Board,
    /// When the last answered report was made.
    pub(super) asked: Option<u64>,
    pub(super) seen: u64,
    pub(super) reported: u64,
    /// The report under way: when it was made, and its number.
    pub(super) waits: Option<(u64, u64)>,
    pub(super) cut_off_until: u64,
    pub(super) ends: bool,
    pub(super) deliveries: Vec<Delivery>,
    /// Connections at rest, by receiver: when they are ended.
    pub(super) resting: BTreeMap<&'static str, Vec<u64>>,
}

pub(super) fn to(text: &str) -> DestinationName {
    DestinationName::parse(text).unwrap()
}

pub(super) fn receiver(destination: &DestinationName) -> &'static str {
    match destination.to_string().as_str() {
        "a.example" => RECEIVERS[0],
        "b.example" => RECEIVERS[1],
        _ => RECEIVERS[2],
    }
}

pub(super) fn limit(receiver: &str) -> usize {
    if receiver == RECEIVERS[2] { SITE_MAX as usize } else { LANES_MAX }
}

pub(super) fn name(place: usize) -> String {
    format!("worker-{place}")
}

impl Worker {
    pub(super) fn new(place: usize, now: u64) -> Worker {
        let mut board = board_of(Rights::among_others(&name(place)), &[], 1_000, 100);
        let profile =
            Profile { deliveries_max: SITE_MAX, per_minute_max: SITE_PER_MINUTE, ..Profile::from(&SHIPPED[0]) };
        board.profiles = Arc::new(Profiles::new(&[profile], &[]));
        Worker {
            board,
            asked: None,
            seen: 0,
            reported: now,
            waits: None,
            cut_off_until: 0,
            ends: false,
            deliveries: Vec::new(),
            resting: BTreeMap::new(),
        }
    }

    pub(super) fn connections(&self, of: &str) -> usize {
        let under_way = self.deliveries.iter().filter(|delivery| receiver(&delivery.key.destination) == of).count();
        under_way + self.resting.get(of).map_or(0, Vec::len)
    }

    pub(super) fn may_begin(&self, now: u64) -> bool {
        !self.ends && self.asked.is_some_and(|asked| now - asked < limits::QUEUE_SHARE_BEGIN_SECONDS * 1_000)
    }

    pub(super) fn has_lapsed(&self, now: u64) -> bool {
        self.asked.is_some_and(|asked| now - asked >= limits::QUEUE_SHARE_CUT_SECONDS * 1_000)
    }
}
