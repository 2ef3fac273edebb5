//! Final outcomes of queued mail as they come, of all groups, for whoever follows them: billing, a panel, a search index.
//!
//! Each group has an order of its own, in which nothing is ever added before what was read; the cursor that comes with each event names a place in every
//! group, so that whoever comes back with it misses nothing and sees nothing twice. Groups are asked again after a moment, as long as somebody follows: a
//! follower costs nothing while nobody does. At most [`limits::EVENT_FOLLOWERS_MAX`] at once; they end when the process does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::queue::whole_group;
use yubin_proto::{Scope, StoreClient};
use yubin_state::queue::{EndFilter, EndPlace, EndStart};
use yubin_types::{GroupNumber, Timestamp, limits};

use super::convert::{event_to, outcome_from};
use super::selection::{destination, scopes, some};
use super::{now, queue_failed};
use crate::convert::domain_name;

/// Events as they come.
pub(crate) type Followed = BoxStream<'static, Result<api::FollowedEvent, Status>>;

/// How long to wait where nothing was new.
const REST: Duration = Duration::from_millis(500);
/// How often to look whether there are new groups.
const LOOK: Duration = Duration::from_secs(10);

/// Follows events of a selection from a place or a time on.
pub(crate) async fn follow(
    client: &Arc<StoreClient>,
    request: api::WatchEventsRequest,
    permit: OwnedSemaphorePermit,
) -> Result<Followed, Status> {
    let domain = some(&request.domain).map(domain_name).transpose()?;
    let filter = EndFilter {
        destination: some(&request.destination).map(destination).transpose()?,
        outcome: outcome_from(request.outcome()),
    };
    let scopes = scopes(client, domain.as_ref()).await?;
    let starts = match some(&request.cursor) {
        Some(cursor) => parse(cursor).ok_or_else(|| Status::invalid_argument("cursor: not one of ours"))?,
        None => {
            let from = request.from_time_ms.map_or_else(now, Timestamp);
            scopes.iter().map(|scope| (scope.group, EndStart::From(from))).collect()
        }
    };
    let end = if request.until_now { End::AtPresent } else { End::Never };
    let of_all = domain.is_none();
    let mut follower = Follower {
        client: Arc::clone(client),
        filter,
        scopes,
        starts,
        ready: VecDeque::new(),
        end,
        groups_read: of_all.then(tokio::time::Instant::now),
        _permit: permit,
    };
    let begins = api::FollowedEvent { event: None, cursor: follower.cursor() };
    follower.ready.push_back(begins);
    Ok(stream::unfold(follower, |mut follower| async move { follower.next().await.map(|event| (event, follower)) })
        .boxed())
}

/// When does it end?
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Never,
    /// When everything up to the present was told.
    AtPresent,
    /// Now.
    Over,
}

struct Follower {
    client: Arc<StoreClient>,
    filter: EndFilter,
    /// Where to ask.
    scopes: Vec<Scope>,
    /// Where to go on, by group.
    starts: BTreeMap<GroupNumber, EndStart>,
    ready: VecDeque<api::FollowedEvent>,
    end: End,
    /// When groups were read last, if all of them are followed.
    groups_read: Option<tokio::time::Instant>,
    _permit: OwnedSemaphorePermit,
}

/// Is there more to read?
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<api::FollowedEvent, Status>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.end == End::Over {
                return None;
            }
            match self.round().await {
                Ok(More::Yes) => {}
                Ok(More::No) if self.ready.is_empty() && self.end == End::AtPresent => return None,
                Ok(More::No) => tokio::time::sleep(REST).await,
                Err(status) if self.end == End::AtPresent => {
                    // Whoever asks for all there is must know that it is not.
                    self.end = End::Over;
                    return Some(Err(status));
                }
                Err(_) => tokio::time::sleep(REST).await,
            }
        }
    }

    /// A page of each group. A group that can't be asked holds up no other one.
    async fn round(&mut self) -> Result<More, Status> {
        self.look_for_groups().await;
        let (mut more, mut failed) = (More::No, None);
        for scope in self.scopes.clone() {
            match self.page(scope).await {
                Ok(More::Yes) => more = More::Yes,
                Ok(More::No) => {}
                Err(status) => failed = Some(status),
            }
        }
        match failed {
            Some(status) if self.ready.is_empty() => Err(status),
            _ => Ok(more),
        }
    }

    async fn page(&mut self, scope: Scope) -> Result<More, Status> {
        let start = self.starts.get(&scope.group).copied().unwrap_or(EndStart::After(EndPlace::default()));
        let limit = limits::EVENTS_FOLLOWED_AT_ONCE;
        let page = self.client.ends(scope, self.filter.clone(), start, limit).await.map_err(queue_failed)?;
        for event in page.events {
            self.starts.insert(scope.group, EndStart::After(event.place));
            let cursor = self.cursor();
            self.ready.push_back(api::FollowedEvent { event: Some(event_to(&event.record)), cursor });
        }
        self.starts.insert(scope.group, EndStart::After(page.next));
        Ok(if page.more { More::Yes } else { More::No })
    }

    /// A group that came later is followed from its beginning.
    async fn look_for_groups(&mut self) {
        let Some(read) = self.groups_read.filter(|read| read.elapsed() >= LOOK) else { return };
        self.groups_read = Some(tokio::time::Instant::now().max(read));
        if let Ok(groups) = self.client.data_groups().await {
            let known: Vec<GroupNumber> = self.scopes.iter().map(|scope| scope.group).collect();
            self.scopes.extend(groups.into_iter().filter(|group| !known.contains(group)).map(whole_group));
        }
    }

    /// Where all groups are.
    fn cursor(&self) -> String {
        let place = |(group, start): (&GroupNumber, &EndStart)| match start {
            EndStart::After(place) => format!("{}:{}:{}", group.0, place.index, place.number),
            EndStart::From(then) => format!("{}@{}", group.0, then.millis()),
        };
        self.starts.iter().map(place).collect::<Vec<_>>().join(",")
    }
}

/// The places in a cursor.
fn parse(cursor: &str) -> Option<BTreeMap<GroupNumber, EndStart>> {
    let place = |text: &str| {
        if let Some((group, then)) = text.split_once('@') {
            return Some((GroupNumber(group.parse().ok()?), EndStart::From(Timestamp(then.parse().ok()?))));
        }
        let mut parts = text.splitn(3, ':');
        let group = GroupNumber(parts.next()?.parse().ok()?);
        let place = EndPlace { index: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? };
        Some((group, EndStart::After(place)))
    };
    cursor.split(',').map(place).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use yubin_state::queue::{EndPlace, EndStart};
    use yubin_types::{GroupNumber, Timestamp};

    use super::parse;

    #[test]
    fn a_cursor_names_a_place_in_every_group() {
        let place = EndStart::After(EndPlace { index: 70, number: 3 });
        let expected = BTreeMap::from([(GroupNumber(1), place), (GroupNumber(12), EndStart::From(Timestamp(5)))]);
        assert_eq!(parse("1:70:3,12@5"), Some(expected));
        for wrong in ["", "1", "1:2", "1:2:x", "x:1:1", "1:1:1,", "1@"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
