//! What new addresses may send, asked of the directory before they do (`warm_up`), and given back when it is not used, or when the worker ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use yubin_proto::Caller;
use yubin_state::queue::WarmUpItem;
use yubin_types::limits;

use crate::connection::now;
use crate::sources::Unused;
use crate::worker::Shared;

/// How often it looks whether there is anything to ask.
const LOOK: Duration = Duration::from_millis(100);
/// How often it looks for what is not used.
const IDLE: Duration = Duration::from_secs(30);
/// How long giving back at the end may take.
const LAST: Duration = Duration::from_secs(3);
/// Pause after the directory did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks and gives back until the worker drains.
pub(crate) async fn keep_books(shared: Arc<Shared>) {
    let mut looked = Instant::now();
    while has_new(&shared) && !shared.drain.is_cancelled() {
        let wishes = shared.board.lock().sources().wishes(now());
        let mut pause = LOOK;
        if !wishes.is_empty() {
            match count(&shared, wishes.clone()).await {
                Ok(granted) => {
                    shared.board.lock().sources().fill(now(), wishes, &granted);
                    shared.wake();
                }
                // Whoever waits asks again.
                Err(()) => pause = PAUSE,
            }
        }
        if looked.elapsed() >= IDLE {
            looked = Instant::now();
            give_back(&shared, Unused::ForLong).await;
        }
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Gives back what is left.
pub(crate) async fn close_books(shared: &Shared) {
    if has_new(shared) {
        // What can't be given back is not sent today.
        let _ = tokio::time::timeout(LAST, give_back(shared, Unused::All)).await;
    }
}

/// Is there an address in its warm-up?
fn has_new(shared: &Shared) -> bool {
    shared.engine.pools.addressed().any(|(.., source)| source.warm_up.is_some())
}

async fn give_back(shared: &Shared, which: Unused) {
    let items = shared.board.lock().sources().unused(now(), which);
    for items in items.chunks(limits::QUEUE_WARM_UP_ITEMS_MAX) {
        let _ = count(shared, items.to_vec()).await;
    }
}

async fn count(shared: &Shared, items: Vec<WarmUpItem>) -> Result<Vec<u32>, ()> {
    shared.engine.metrics.command("warm-up");
    let counted = shared.engine.store.count_warm_up(items, &Caller::internal("queue")).await;
    counted.map_err(|error| tracing::warn!(%error, "what new addresses send can't be counted"))
}
