//! What new addresses may send is counted in the directory before it is sent: what is asked for there, granted, and given back.

use yubin_state::queue::{Receiver, WarmUpItem};
use yubin_types::{Timestamp, limits};

use super::{Sources, Unused};
use crate::pools::SourceId;
use crate::warm_up::day;

impl Sources {
    /// What is to be asked for, so that new addresses may go on.
    pub(crate) fn wishes(&mut self, now: Timestamp) -> Vec<WarmUpItem> {
        let wanting = std::mem::take(&mut self.wanting);
        let wish = |(receiver, source): (Receiver, SourceId)| {
            let limit = self.limit(now, source)?;
            let messages = self.purse(&receiver, source).wants(now, limit)?;
            self.item(now, receiver, source, (messages, 0))
        };
        wanting.into_iter().filter_map(wish).take(limits::QUEUE_WARM_UP_ITEMS_MAX).collect()
    }

    /// This was asked for, and so much of it granted.
    pub(crate) fn fill(&mut self, now: Timestamp, items: Vec<WarmUpItem>, granted: &[u32]) {
        for (item, granted) in items.into_iter().zip(granted) {
            let Some(source) = self.pools.at(item.address) else { continue };
            let purse = self.purses.entry((item.receiver, source)).or_default();
            purse.fill(now, item.day.into(), item.messages, *granted);
        }
    }

    /// What is given back because it was not used for a while, or all that is left.
    pub(crate) fn unused(&mut self, now: Timestamp, which: Unused) -> Vec<WarmUpItem> {
        let mut items = Vec::new();
        for ((receiver, source), purse) in &mut self.purses {
            let left = match which {
                Unused::ForLong => purse.idle(now),
                Unused::All => purse.empty(now),
            };
            if left > 0 {
                items.push((receiver.clone(), *source, left));
            }
        }
        let item = |(receiver, source, left)| self.item(now, receiver, source, (0, left));
        items.into_iter().filter_map(item).collect()
    }

    fn item(
        &self,
        now: Timestamp,
        receiver: Receiver,
        source: SourceId,
        (messages, returned): (u32, u32),
    ) -> Option<WarmUpItem> {
        let (limit, address) = (self.limit(now, source)?, self.pools.source(source)?.address?);
        let day = u32::try_from(day(now)).unwrap_or(u32::MAX);
        Some(WarmUpItem { day, address, receiver, messages, returned, limit })
    }
}
