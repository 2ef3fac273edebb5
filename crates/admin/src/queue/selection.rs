//! Which deliveries are meant, and reading them page by page over groups.
//!
//! A page token names a group, and the last row that was read of it. Groups are read in the order of their numbers, so a page belongs
//! to one group; groups without a match are passed over, up to [`READS_PER_PAGE_MAX`] reads in one call.

use std::future::Future;

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::queue::{QueueError, whole_group};
use yubin_proto::{Scope, StoreClient};
use yubin_state::queue::{DeliveryKey, DeliveryStatus, EventCursor, QueueFilter};
use yubin_types::{DestinationName, DomainId, DomainName, GroupNumber, QueueId, RecipientAddress, Timestamp};

use crate::convert::domain_name;
use crate::domains::hosted;
use crate::status::failed;

use super::queue_failed;

/// Reads of the store in one call before an empty page is answered: each takes some milliseconds.
const READS_PER_PAGE_MAX: usize = 100;

/// Which deliveries.
pub(super) struct Selection {
    pub(super) id: Option<QueueId>,
    pub(super) domain: Option<DomainName>,
    pub(super) filter: QueueFilter,
    pub(super) message_id: Option<String>,
}

impl Selection {
    /// Checks what was asked for.
    pub(super) fn parse(wanted: api::QueueSelection) -> Result<Self, Status> {
        let status = match wanted.state() {
            api::DeliveryState::Unspecified => None,
            api::DeliveryState::Scheduled => Some(DeliveryStatus::Scheduled),
            api::DeliveryState::InFlight => Some(DeliveryStatus::InFlight),
            api::DeliveryState::MaybeDelivered => Some(DeliveryStatus::MaybeDelivered),
            api::DeliveryState::Held => Some(DeliveryStatus::Held),
        };
        let recipient = |text: &str| {
            RecipientAddress::parse(text).map_err(|error| Status::invalid_argument(format!("{text}: {error}")))
        };
        let filter = QueueFilter {
            destination: some(&wanted.destination).map(destination).transpose()?,
            status,
            sender: some(&wanted.sender).map(|sender| if sender == "<>" { String::new() } else { sender.to_owned() }),
            recipient: some(&wanted.recipient).map(recipient).transpose()?,
        };
        let id = some(&wanted.id).map(queue_id).transpose()?;
        let message_id = some(&wanted.message_id).map(str::to_owned);
        let more = filter.status.is_some() || filter.sender.is_some() || filter.recipient.is_some();
        if id.is_some() && (more || message_id.is_some()) {
            return Err(Status::invalid_argument("selection: beside `id`, only `domain` and `destination` can be set"));
        }
        Ok(Selection { id, domain: some(&wanted.domain).map(domain_name).transpose()?, filter, message_id })
    }

    /// Nothing was set.
    pub(super) fn is_everything(&self) -> bool {
        let nothing = self.id.is_none() && self.domain.is_none() && self.message_id.is_none();
        nothing && self.filter == QueueFilter::default()
    }
}

/// The text, unless it is empty.
pub(super) fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A message's id.
pub(super) fn queue_id(text: &str) -> Result<QueueId, Status> {
    text.parse().map_err(|error| Status::invalid_argument(format!("{text}: {error}")))
}

/// A destination.
pub(super) fn destination(text: &str) -> Result<DestinationName, Status> {
    DestinationName::parse(text).map_err(|error| Status::invalid_argument(format!("{text}: {error}")))
}

/// Where to ask: a domain, or every data group.
pub(super) async fn scopes(client: &StoreClient, domain: Option<&DomainName>) -> Result<Vec<Scope>, Status> {
    if let Some(name) = domain {
        return Ok(vec![hosted(client, name).await?.scope()]);
    }
    let mut groups = client.data_groups().await.map_err(failed)?;
    groups.sort_unstable();
    Ok(groups.into_iter().map(whole_group).collect())
}

/// One page: what `ask` finds in the first scope that has something, from the token on, and the next page's token.
pub(super) async fn page<T, C, F>(
    scopes: &[Scope],
    token: &str,
    ask: impl Fn(Scope, Option<C>) -> F,
) -> Result<(Vec<T>, String), Status>
where
    C: Cursor,
    F: Future<Output = Result<(Vec<T>, Option<C>), QueueError>>,
{
    let (group, mut after) = match some(token) {
        Some(token) => place(token)?,
        None => (GroupNumber(0), None),
    };
    let mut left = scopes.get(scopes.partition_point(|scope| scope.group < group)..).unwrap_or_default();
    if left.first().is_none_or(|scope| scope.group != group) {
        after = None;
    }
    for _ in 0..READS_PER_PAGE_MAX {
        let [scope, behind @ ..] = left else { return Ok((Vec::new(), String::new())) };
        let (found, next) = ask(*scope, after.take()).await.map_err(queue_failed)?;
        if next.is_none() {
            left = behind;
        }
        after = next;
        if !found.is_empty() {
            return Ok((found, token_of(left, after.as_ref())));
        }
    }
    Ok((Vec::new(), token_of(left, after.as_ref())))
}

/// The token of what is left: the first scope behind `after`. Empty if nothing is.
fn token_of<C: Cursor>(left: &[Scope], after: Option<&C>) -> String {
    match (left.first(), after) {
        (None, _) => String::new(),
        (Some(scope), None) => scope.group.0.to_string(),
        (Some(scope), Some(after)) => format!("{}:{}", scope.group.0, after.to_text()),
    }
}

fn place<C: Cursor>(token: &str) -> Result<(GroupNumber, Option<C>), Status> {
    let invalid = || Status::invalid_argument("page_token: not one of ours");
    let (group, after) = match token.split_once(':') {
        Some((group, after)) => (group, Some(C::parse(after).ok_or_else(invalid)?)),
        None => (token, None),
    };
    Ok((GroupNumber(group.parse().map_err(|_| invalid())?), after))
}

/// A row's place as text.
pub(super) trait Cursor: Sized {
    fn to_text(&self) -> String;
    fn parse(text: &str) -> Option<Self>;
}

impl Cursor for DeliveryKey {
    fn to_text(&self) -> String {
        format!("{}:{}:{}", self.domain.0, self.id, self.destination)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Some(DeliveryKey {
            domain: DomainId(parts.next()?.parse().ok()?),
            id: parts.next()?.parse().ok()?,
            destination: DestinationName::parse(parts.next()?).ok()?,
        })
    }
}

impl Cursor for EventCursor {
    fn to_text(&self) -> String {
        format!("{}:{}:{}", self.domain.0, self.at.millis(), self.sequence)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':').map(str::parse::<u64>);
        Some(EventCursor {
            domain: DomainId(parts.next()?.ok()?),
            at: Timestamp(parts.next()?.ok()?),
            sequence: parts.next()?.ok()?,
        })
    }
}
