//! Suspensions: mail to a destination, from a domain, or from one of our addresses to a destination that blocks it, that workers leave alone, with
//! a reason and perhaps an end. Those of addresses are the workers' own, and an operator's to end.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::queue::{QueueSuspension, SuspensionScope};
use yubin_types::Timestamp;

use crate::convert::{domain_name, reason};
use crate::domains::hosted;
use crate::status::failed;

use super::selection::{destination, some};
use super::{domain_by_id, now, queue_failed};

pub(crate) async fn suspend(
    client: &StoreClient,
    request: api::SuspendQueueRequest,
    caller: &Caller,
) -> Result<api::QueueSuspension, Status> {
    let now = now();
    let suspension = QueueSuspension {
        scope: scope(client, &request.destination, &request.domain, &request.source).await?,
        reason: reason(request.reason)?,
        since: now,
        expires: request.seconds.map(|seconds| now.plus_seconds(seconds)),
    };
    client.suspend_queue(suspension.clone(), caller).await.map_err(queue_failed)?;
    suspension_to(client, suspension).await
}

pub(crate) async fn resume(
    client: &StoreClient,
    request: api::ResumeQueueRequest,
    caller: &Caller,
) -> Result<api::DeleteResponse, Status> {
    let scope = scope(client, &request.destination, &request.domain, &request.source).await?;
    client.resume_queue(scope, caller).await.map_err(queue_failed)?;
    Ok(api::DeleteResponse { removed: 0 })
}

/// Those in force.
pub(crate) async fn list(client: &StoreClient) -> Result<api::ListQueueSuspensionsResponse, Status> {
    let now = now();
    let mut suspensions = Vec::new();
    for suspension in client.queue_suspensions().await.map_err(failed)? {
        if suspension.expires.is_none_or(|expires| expires > now) {
            suspensions.push(suspension_to(client, suspension).await?);
        }
    }
    Ok(api::ListQueueSuspensionsResponse { suspensions })
}

async fn scope(client: &StoreClient, to: &str, from: &str, source: &str) -> Result<SuspensionScope, Status> {
    match (some(to), some(from), some(source)) {
        (Some(to), None, None) => Ok(SuspensionScope::Destination(destination(to)?)),
        (Some(to), None, Some(source)) => {
            let address = source.parse().map_err(|_| Status::invalid_argument("source: no IP address"))?;
            Ok(SuspensionScope::Source { destination: destination(to)?, address })
        }
        (None, Some(from), None) => Ok(SuspensionScope::Tenant(hosted(client, &domain_name(from)?).await?.id)),
        _ => Err(Status::invalid_argument(
            "one of `destination` and `domain` must be set; `source` goes with `destination`",
        )),
    }
}

async fn suspension_to(client: &StoreClient, suspension: QueueSuspension) -> Result<api::QueueSuspension, Status> {
    let (destination, domain, source) = match &suspension.scope {
        SuspensionScope::Destination(destination) => (destination.to_string(), String::new(), String::new()),
        SuspensionScope::Tenant(id) => {
            let name = domain_by_id(client, *id).await?;
            (String::new(), name.map_or_else(|| format!("domain {id}"), |name| name.to_string()), String::new())
        }
        SuspensionScope::Source { destination, address } => {
            (destination.to_string(), String::new(), address.to_string())
        }
    };
    Ok(api::QueueSuspension {
        destination,
        domain,
        source,
        reason: suspension.reason,
        since_time_ms: suspension.since.millis(),
        expire_time_ms: suspension.expires.map(Timestamp::millis),
    })
}
