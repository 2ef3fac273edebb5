//! `/livez`, `/readyz` and `/metrics`.
//!
//! Liveness depends on nothing but this process answering: a cluster without quorum must not be restarted node by node. Readiness asks
//! whether a store leader answers, with hysteresis, so that one election doesn't take every front end out of service at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use yubin_proto::{Scope, StoreClient};
use yubin_state::Query;

/// How long the last good answer of the store counts.
const READY_HYSTERESIS: Duration = Duration::from_secs(10);
/// How long a probe waits for the store.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the pages show.
pub(crate) struct Pages {
    client: Arc<StoreClient>,
    registry: Arc<Registry>,
    last_ready: Mutex<Option<Instant>>,
}

/// The pages, ready to be served.
pub(crate) fn router(client: Arc<StoreClient>, registry: Arc<Registry>) -> Router {
    let pages = Arc::new(Pages { client, registry, last_ready: Mutex::new(None) });
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(pages)
}

async fn ready(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let probe = tokio::time::timeout(PROBE_TIMEOUT, pages.client.query(Scope::DIRECTORY, Query::Nodes)).await;
    let now = Instant::now();
    let mut last_ready = pages.last_ready.lock();
    if matches!(probe, Ok(Ok(_))) {
        *last_ready = Some(now);
    }
    if last_ready.is_some_and(|at| now < at + READY_HYSTERESIS) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no store leader answers\n")
    }
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &pages.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], format!("{error}\n")),
    }
}
