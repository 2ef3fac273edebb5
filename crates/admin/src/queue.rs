//! Mail on its way out: what waits, what became of it, and an operator's hand on it.
//!
//! A question that names no domain goes to every group in turn; its pages are read one after the other, and a call reads a bounded
//! number of them ([`selection`]). Taking a selection in hand works page by page too: the caller goes on until there is no next page.
//! What a server said comes with what it means and what to do (WEBL-10, WEBL-11).

pub(crate) mod convert;
pub(crate) mod follow;
mod selection;
pub(crate) mod suspensions;
pub(crate) mod watch;
mod why;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::queue::{QueueError, Waiting};
use yubin_proto::{Caller, Scope, StoreClient};
use yubin_state::queue::{
    ControlAction, ControlItem, ControlOutcome, Delivery, DeliveryStatus, EventFilter, Obstacles, QueueFilter,
    QueueSource, QueueTotals, QueuedMessage, SummaryLine,
};
use yubin_state::{Answer, Query};
use yubin_types::{AccountId, DestinationName, DomainId, DomainName, QueueId, Refusal, ReversePath, Timestamp, limits};

use crate::convert::{domain_name, page_size, reason};
use crate::domains::hosted;
use crate::status::{failed, refused, unexpected};

use convert::{delivery_to, event_to, message_to, outcome_from, sum_to};
use selection::{Selection, page, queue_id, scopes, some};
use why::Reasons;

pub(crate) async fn list(
    client: &StoreClient,
    request: api::ListQueueRequest,
) -> Result<api::ListQueueResponse, Status> {
    let selection = Selection::parse(request.selection.unwrap_or_default())?;
    let reasons = Reasons::read(client, now()).await;
    let found = select(client, &selection, &request.page_token, page_size(request.page_size)).await?;
    let deliveries = found.deliveries.iter().map(|Listed { domain, message, delivery, obstacles }| {
        delivery_to(message, delivery, reasons.of(*domain, (message, delivery), obstacles), now())
    });
    Ok(api::ListQueueResponse { deliveries: deliveries.collect(), next_page_token: found.next_page_token })
}

pub(crate) async fn get(client: &StoreClient, id: &str) -> Result<api::QueuedMessage, Status> {
    let id = queue_id(id)?;
    match find(client, &scopes(client, None).await?, id).await? {
        Some(Waiting { domain, message, deliveries, obstacles }) => {
            let reasons = Reasons::read(client, now()).await;
            let why = |delivery: &Delivery| reasons.of(domain, (&message, delivery), &obstacles);
            let shown = deliveries.iter().map(|delivery| delivery_to(&message, delivery, why(delivery), now()));
            Ok(message_to(&message, shown.collect()))
        }
        None => Err(Status::not_found("no such message waits; `yubin ctl trace` shows what became of it")),
    }
}

/// Takes a page of a selection in hand.
pub(crate) async fn control(
    client: &StoreClient,
    request: api::ControlQueueRequest,
    caller: &Caller,
) -> Result<api::ControlQueueResponse, Status> {
    let action = match request.action() {
        api::QueueAction::Hold => ControlAction::Hold { reason: reason(request.reason.clone())? },
        api::QueueAction::Release => ControlAction::Release,
        api::QueueAction::Retry => ControlAction::Retry,
        api::QueueAction::Cancel => ControlAction::Cancel,
        api::QueueAction::Unspecified => return Err(Status::invalid_argument("action: missing")),
    };
    let selection = Selection::parse(request.selection.unwrap_or_default())?;
    if selection.is_everything() && !request.everything {
        return Err(Status::invalid_argument("selection: which deliveries? Set `everything` for all of them"));
    }
    let limit = u32::try_from(limits::QUEUE_ITEMS_PER_COMMAND_MAX).unwrap_or(u32::MAX);
    let found = select(client, &selection, &request.page_token, limit).await?;
    let mut domains: BTreeMap<DomainId, (ReversePath, Vec<ControlItem>)> = BTreeMap::new();
    for Listed { domain, message, delivery, .. } in found.deliveries {
        let item = ControlItem { id: message.id, destination: delivery.destination };
        domains.entry(domain).or_insert_with(|| (message.sender, Vec::new())).1.push(item);
    }
    let mut response = api::ControlQueueResponse { next_page_token: found.next_page_token, ..Default::default() };
    for (domain, (sender, items)) in domains {
        match domain_scope(client, &selection, domain, &sender).await? {
            Some(scope) => control_domain(client, scope, items, &action, caller, &mut response).await?,
            // Deleted since it was listed, and its mail with it.
            None => response.gone += items.len() as u64,
        }
    }
    Ok(response)
}

pub(crate) async fn summary(
    client: &StoreClient,
    request: api::SummarizeQueueRequest,
) -> Result<api::SummarizeQueueResponse, Status> {
    let domain = some(&request.domain).map(domain_name).transpose()?;
    let mut totals = QueueTotals::default();
    let mut sums: BTreeMap<(DestinationName, DeliveryStatus), SummaryLine> = BTreeMap::new();
    for scope in scopes(client, domain.as_ref()).await? {
        let of_scope = client.queue_totals(scope).await.map_err(queue_failed)?;
        totals.messages += of_scope.messages;
        totals.bytes += of_scope.bytes;
        totals.deliveries += of_scope.deliveries;
        let mut after = None;
        loop {
            let (lines, next) = client.queue_summary(scope, after).await.map_err(queue_failed)?;
            for line in lines {
                add(&mut sums, line);
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
    }
    let mut lines: Vec<SummaryLine> = sums.into_values().collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.deliveries));
    let shown = usize::try_from(page_size(request.page_size)).unwrap_or(usize::MAX);
    Ok(api::SummarizeQueueResponse {
        messages: totals.messages,
        bytes: totals.bytes,
        deliveries: totals.deliveries,
        more: lines.len().saturating_sub(shown) as u64,
        lines: lines.iter().take(shown).map(sum_to).collect(),
    })
}

pub(crate) async fn events(
    client: &StoreClient,
    request: api::ListEventsRequest,
) -> Result<api::ListEventsResponse, Status> {
    let domain = some(&request.domain).map(domain_name).transpose()?;
    let filter = EventFilter {
        from: request.from_time_ms.map(Timestamp),
        to: request.to_time_ms.map(Timestamp),
        id: some(&request.id).map(queue_id).transpose()?,
        message_id: some(&request.message_id).map(str::to_owned),
        address: some(&request.address).map(str::to_owned),
        outcome: outcome_from(request.outcome()),
        source: some(&request.source_address).map(ip_address).transpose()?,
    };
    let limit = page_size(request.page_size);
    let scopes = scopes(client, domain.as_ref()).await?;
    let (found, next_page_token) = page(&scopes, &request.page_token, |scope, after| {
        let filter = filter.clone();
        async move { client.events(scope, filter, after, limit).await }
    })
    .await?;
    Ok(api::ListEventsResponse { events: found.iter().map(event_to).collect(), next_page_token })
}

/// A delivery with its domain, and what keeps it and its neighbours.
struct Listed {
    domain: DomainId,
    message: QueuedMessage,
    delivery: Delivery,
    obstacles: Arc<Obstacles>,
}

/// Deliveries of one group.
struct Selected {
    deliveries: Vec<Listed>,
    next_page_token: String,
}

async fn select(client: &StoreClient, selection: &Selection, token: &str, limit: u32) -> Result<Selected, Status> {
    let scopes = scopes(client, selection.domain.as_ref()).await?;
    if let Some(id) = selection.id {
        let found = find(client, &scopes, id).await?;
        let Some(Waiting { domain, message, deliveries, obstacles }) = found else {
            return Err(Status::not_found("no such message waits; `yubin ctl trace` shows what became of it"));
        };
        let to = selection.filter.destination.as_ref();
        let chosen = deliveries.into_iter().filter(|one| to.is_none_or(|to| one.destination == *to));
        let obstacles = Arc::new(obstacles);
        let deliveries = chosen.map(|delivery| {
            let (message, obstacles) = (message.clone(), Arc::clone(&obstacles));
            Listed { domain, message, delivery, obstacles }
        });
        let deliveries = deliveries.collect();
        return Ok(Selected { deliveries, next_page_token: String::new() });
    }
    let (found, next_page_token) = page(&scopes, token, |scope, after| {
        let (filter, wanted) = (selection.filter.clone(), selection.message_id.clone());
        async move {
            let found = client.list_queue(scope, filter, after, limit).await?;
            let obstacles = Arc::new(found.obstacles);
            let listed = found.deliveries.into_iter().map(|(domain, message, delivery)| {
                let obstacles = Arc::clone(&obstacles);
                Listed { domain, message, delivery, obstacles }
            });
            let listed = listed.filter(|one| wanted.is_none() || one.message.message_id == wanted);
            Ok::<_, QueueError>((listed.collect(), found.next))
        }
    })
    .await?;
    Ok(Selected { deliveries: found, next_page_token })
}

/// A message in whichever of the scopes it waits.
async fn find(client: &StoreClient, scopes: &[Scope], id: QueueId) -> Result<Option<Waiting>, Status> {
    for scope in scopes {
        match client.queued_message(*scope, id).await {
            Ok(found) => return Ok(Some(found)),
            Err(QueueError::Refused(Refusal::NotFound { .. })) => {}
            Err(error) => return Err(queue_failed(error)),
        }
    }
    Ok(None)
}

/// Where a domain is, by its id: most mail is from an address of its domain, so that is tried before the directory is read through.
async fn domain_scope(
    client: &StoreClient,
    selection: &Selection,
    id: DomainId,
    sender: &ReversePath,
) -> Result<Option<Scope>, Status> {
    let from = sender.address().map(|address| &address.domain);
    for name in [selection.domain.as_ref(), from].into_iter().flatten() {
        if let Some(hosted) = client.resolve(name).await.map_err(failed)?.filter(|hosted| hosted.id == id) {
            return Ok(Some(hosted.scope()));
        }
    }
    match domain_by_id(client, id).await? {
        Some(name) => Ok(Some(hosted(client, &name).await?.scope())),
        None => Ok(None),
    }
}

/// A domain's name, from the directory.
pub(crate) async fn domain_by_id(client: &StoreClient, id: DomainId) -> Result<Option<DomainName>, Status> {
    let limit = u32::try_from(limits::PAGE_SIZE_MAX).unwrap_or(u32::MAX);
    let mut after = None;
    loop {
        match client.query(Scope::DIRECTORY, Query::Domains { after, limit }).await.map_err(failed)? {
            Answer::DirectoryDomains(found) => {
                if let Some(domain) = found.iter().find(|domain| domain.id == id) {
                    return Ok(Some(domain.name.clone()));
                }
                after = found.last().map(|last| last.name.clone());
                if found.len() < limits::PAGE_SIZE_MAX {
                    return Ok(None);
                }
            }
            other => return Err(unexpected(&other)),
        }
    }
}

/// Has mail of an account tried now that is due within the time for which a suspension puts mail off. Other mail keeps its time.
pub(crate) async fn release_suspended(
    client: &StoreClient,
    scope: Scope,
    account: AccountId,
    caller: &Caller,
) -> Result<(), Status> {
    // The group's clock may be ahead of ours.
    let until = now().plus_seconds(limits::QUEUE_SUSPENDED_SECONDS + 60);
    let filter = QueueFilter { status: Some(DeliveryStatus::Scheduled), ..QueueFilter::default() };
    let limit = u32::try_from(limits::QUEUE_ITEMS_PER_COMMAND_MAX).unwrap_or(u32::MAX);
    let (mut after, mut counted) = (None, api::ControlQueueResponse::default());
    loop {
        let page = client.list_queue(scope, filter.clone(), after, limit).await.map_err(queue_failed)?;
        let of_account = page
            .deliveries
            .into_iter()
            .filter(|(_, message, delivery)| is_of(&message.source, account) && delivery.next_attempt <= until);
        let items =
            of_account.map(|(_, message, delivery)| ControlItem { id: message.id, destination: delivery.destination });
        control_domain(client, scope, items.collect(), &ControlAction::Retry, caller, &mut counted).await?;
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

/// Did an account submit it?
fn is_of(source: &QueueSource, sender: AccountId) -> bool {
    matches!(source, QueueSource::Submission { account, .. } if *account == sender)
}

/// Takes deliveries of a domain in hand, in as many commands as the state machine wants.
async fn control_domain(
    client: &StoreClient,
    scope: Scope,
    mut items: Vec<ControlItem>,
    action: &ControlAction,
    caller: &Caller,
    counted: &mut api::ControlQueueResponse,
) -> Result<(), Status> {
    while !items.is_empty() {
        let before = items.len();
        let outcomes =
            client.control_queue(scope, items.clone(), action.clone(), caller).await.map_err(queue_failed)?;
        let mut later = Vec::new();
        for (item, outcome) in items.into_iter().zip(outcomes) {
            match outcome {
                ControlOutcome::Done => counted.done += 1,
                ControlOutcome::AfterLease => counted.after_attempt += 1,
                ControlOutcome::Unchanged => counted.unchanged += 1,
                ControlOutcome::NotFound => counted.gone += 1,
                ControlOutcome::Later => later.push(item),
            }
        }
        if later.len() == before {
            return Err(Status::internal("the queue makes no progress"));
        }
        items = later;
    }
    Ok(())
}

fn add(sums: &mut BTreeMap<(DestinationName, DeliveryStatus), SummaryLine>, line: SummaryLine) {
    match sums.get_mut(&(line.destination.clone(), line.status)) {
        Some(sum) => {
            sum.deliveries += line.deliveries;
            sum.recipients += line.recipients;
            sum.bytes += line.bytes;
            sum.oldest = sum.oldest.min(line.oldest);
        }
        None => {
            sums.insert((line.destination.clone(), line.status), line);
        }
    }
}

fn ip_address(text: &str) -> Result<IpAddr, Status> {
    text.parse().map_err(|_| Status::invalid_argument(format!("{text}: an IP address expected")))
}

fn queue_failed(error: QueueError) -> Status {
    match error {
        QueueError::Refused(refusal) => refused(&refusal),
        QueueError::Store(error) => failed(error),
    }
}

/// The present, for states that follow from it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
