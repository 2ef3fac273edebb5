//! Looks after source addresses: which of them this machine has, and whether their names are in order.
//!
//! An address is there if a socket can be bound to it. One that is missing is used by nobody here until it comes: looked for every minute, said in
//! the log when it changes and in `yubin_queue_source_usable` always. A name is in order if the address's PTR record is the name that EHLO says, and
//! that name leads back to the address: many receivers refuse mail otherwise. It is asked for at the start and once an hour, said as a warning
//! and in `yubin_queue_source_named`, and changes nothing else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use yubin_types::DomainName;

use crate::connect::{bound, is_missing};
use crate::connection::now;
use crate::pools::SourceId;
use crate::route::LookupFailure;
use crate::sources::{MISSING_SECONDS, Presence};
use crate::worker::Shared;

/// How often addresses are looked for.
const LOOK: Duration = Duration::from_secs(MISSING_SECONDS);
/// How often names are asked for.
const NAMES: Duration = Duration::from_secs(3_600);

/// Looks after all sources until the worker drains.
pub(crate) async fn look_after(shared: Arc<Shared>) {
    let sources: Vec<(SourceId, IpAddr, DomainName)> =
        shared.engine.pools.addressed().map(|(id, address, source)| (id, address, source.hello.clone())).collect();
    let mut asked: Option<Instant> = None;
    while !sources.is_empty() && !shared.drain.is_cancelled() {
        for (id, address, _) in &sources {
            look(&shared, *id, *address);
        }
        if asked.is_none_or(|asked| asked.elapsed() >= NAMES) {
            asked = Some(Instant::now());
            for (_, address, hello) in &sources {
                tokio::select! {
                    () = shared.drain.cancelled() => return,
                    () = ask(&shared, *address, hello) => {}
                }
            }
        }
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Is the address there?
fn look(shared: &Shared, id: SourceId, address: IpAddr) {
    match bound(address) {
        Ok(_) => shared.present(id, Presence::Here),
        Err(error) if is_missing(&error) => shared.present(id, Presence::Missing),
        // It says nothing of the address: too many open files, perhaps.
        Err(error) => tracing::warn!(%address, %error, "a source address could not be looked for"),
    }
    shared.engine.metrics.aside(address, shared.board.lock().sources().asides(now(), id));
}

/// Do an address's PTR record and its name lead to each other?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    InOrder,
    Wrong,
}

/// Is its name in order?
async fn ask(shared: &Shared, address: IpAddr, hello: &DomainName) {
    match naming(shared, address, hello).await {
        Ok(naming) => {
            if naming == Naming::Wrong {
                tracing::warn!(
                    %address,
                    %hello,
                    "the PTR record of a source address is not its name, or the name does not lead back: receivers may refuse its mail"
                );
            }
            shared.engine.metrics.named(address, naming);
        }
        Err(error) => tracing::warn!(%address, %hello, %error, "the name of a source address can't be looked up"),
    }
}

async fn naming(shared: &Shared, address: IpAddr, hello: &DomainName) -> Result<Naming, LookupFailure> {
    let hosts = &shared.engine.hosts;
    let found = async {
        let leads_back =
            hosts.names(address).await?.contains(hello) && hosts.addresses(hello).await?.contains(&address);
        Ok::<_, LookupFailure>(if leads_back { Naming::InOrder } else { Naming::Wrong })
    };
    match found.await {
        Err(LookupFailure::NotFound) => Ok(Naming::Wrong),
        found => found,
    }
}
