//! `yubin ctl events`: what has become of queued mail, as it comes.
//!
//! A line for each recipient that came to its end. With `--follow` it goes on until it is interrupted: a server that ends or can't be reached is asked again,
//! from the last cursor on, so nothing is missed and nothing is printed twice.

use std::time::Duration;

use yubin_proto::r#gen::admin as api;

use super::args::{EventsArgs, OutcomeArg};
use super::connection::Connection;
use super::output::now_ms;
use super::show::{Form, event_line};
use crate::say;

/// Before a server is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints events.
pub(crate) async fn events(mut api: Connection, args: EventsArgs, form: Form) -> anyhow::Result<String> {
    let EventsArgs { domain, destination, outcome, since, after, follow } = args;
    let outcome = match outcome {
        None => api::Outcome::Unspecified,
        Some(OutcomeArg::Delivered) => api::Outcome::Delivered,
        Some(OutcomeArg::Bounced) => api::Outcome::Bounced,
        Some(OutcomeArg::Expired) => api::Outcome::Expired,
        Some(OutcomeArg::Cancelled) => api::Outcome::Cancelled,
    };
    let since = since.or((!follow && after.is_empty()).then_some(DAY_SECONDS));
    let mut request = api::WatchEventsRequest {
        domain,
        destination,
        outcome: outcome.into(),
        cursor: after,
        from_time_ms: since.map(|seconds| now_ms().saturating_sub(seconds.saturating_mul(1_000))),
        until_now: !follow,
    };
    loop {
        match told(&mut api, &mut request, form).await {
            Ok(()) if !follow => return Ok(String::new()),
            Err(status) if !follow || !may_pass(&status) => return Err(status.into()),
            Ok(()) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// What is shown where nothing else is asked for.
const DAY_SECONDS: u64 = 86_400;

/// Prints what comes; the request goes on behind it.
async fn told(api: &mut Connection, request: &mut api::WatchEventsRequest, form: Form) -> Result<(), tonic::Status> {
    let mut stream = api.watch_events(request.clone()).await?.into_inner();
    while let Some(followed) = stream.message().await? {
        if let Some(event) = &followed.event {
            say(&event_line(event, &followed.cursor, form));
        }
        request.cursor = followed.cursor;
    }
    Ok(())
}

/// Does asking again help?
fn may_pass(status: &tonic::Status) -> bool {
    use tonic::Code::{Aborted, Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    matches!(
        status.code(),
        Aborted | Cancelled | DeadlineExceeded | Internal | ResourceExhausted | Unavailable | Unknown
    )
}
