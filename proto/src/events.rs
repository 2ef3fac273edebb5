//! Final outcomes of queued mail: looked up, or followed as they come.

use yubin_state::queue::{
    EndFilter, EndPlace, EndStart, EventCursor, EventFilter, EventRecord, FollowedEvent, QueueAnswer, QueueQuery,
};

use crate::client::StoreClient;
use crate::contract::Scope;
use crate::queue::{QueueError, strange};

/// Final outcomes in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndPage {
    /// Those that were wanted.
    pub events: Vec<FollowedEvent>,
    /// Where to go on, for good.
    pub next: EndPlace,
    /// Is there more already?
    pub more: bool,
}

impl StoreClient {
    /// Final outcomes; a page may be short or empty and still have a next.
    ///
    /// # Errors
    /// The store.
    pub async fn events(
        &self,
        scope: Scope,
        filter: EventFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<(Vec<EventRecord>, Option<EventCursor>), QueueError> {
        match self.ask_queue(scope, QueueQuery::Events { filter, after, limit }).await? {
            QueueAnswer::Events { events, next } => Ok((events, next)),
            other => Err(strange(other)),
        }
    }

    /// Final outcomes of a domain or a [`whole_group`](crate::queue::whole_group) in the order in which they came to be.
    ///
    /// # Errors
    /// The store.
    pub async fn ends(
        &self,
        scope: Scope,
        filter: EndFilter,
        start: EndStart,
        limit: u32,
    ) -> Result<EndPage, QueueError> {
        match self.ask_queue(scope, QueueQuery::Ends { filter, start, limit }).await? {
            QueueAnswer::Ends { events, next, more } => Ok(EndPage { events, next, more }),
            other => Err(strange(other)),
        }
    }
}
