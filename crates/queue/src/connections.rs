//! Connections that wait for their next transaction, by host, source address and protection; bounded in number and in time.
//!
//! A connection is lent to one delivery at a time and comes back only if its last transaction left it usable. The newest is lent first, so
//! that the others can end; one that the server closed, or on which it said something unasked, is never lent again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::route::{Hop, Protection};

/// Where a connection may be used again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    host: String,
    addresses: Vec<std::net::SocketAddr>,
    source: Option<IpAddr>,
    protection: &'static str,
    identity: String,
    user: Option<String>,
}

impl Place {
    pub(crate) fn of(hop: &Hop, source: Option<IpAddr>) -> Place {
        let (protection, identity) = match &hop.protection {
            Protection::Clear => ("clear", ""),
            Protection::Opportunistic => ("opportunistic", ""),
            Protection::Encrypted => ("encrypted", ""),
            Protection::Verified { identity, .. } => ("verified", identity.as_str()),
            Protection::Implicit(_) => ("implicit", ""),
        };
        Place {
            host: hop.name.clone(),
            addresses: hop.addresses.clone(),
            source,
            protection,
            identity: identity.to_owned(),
            user: hop.login.as_ref().map(|login| login.user.clone()),
        }
    }
}

/// Connections at rest.
#[derive(Debug)]
pub(crate) struct Connections {
    idle_time_max: Duration,
    count_max: usize,
    resting: Mutex<Resting>,
}

#[derive(Debug, Default)]
struct Resting {
    places: BTreeMap<Place, Vec<(Instant, Connection)>>,
    count: usize,
}

impl Connections {
    pub(crate) fn new(count_max: usize, idle_time_max: Duration) -> Connections {
        Connections { idle_time_max, count_max, resting: Mutex::default() }
    }

    /// A connection that can be used now.
    pub(crate) async fn take(&self, place: &Place) -> Option<Connection> {
        loop {
            let (rested, mut connection) = self.pop(place)?;
            if rested.elapsed() < self.idle_time_max && connection.is_quiet().await {
                return Some(connection);
            }
        }
    }

    fn pop(&self, place: &Place) -> Option<(Instant, Connection)> {
        let mut resting = self.resting.lock();
        let connections = resting.places.get_mut(place)?;
        let found = connections.pop();
        if connections.is_empty() {
            resting.places.remove(place);
        }
        resting.count -= usize::from(found.is_some());
        found
    }

    /// Takes a connection back. One that has had its transactions, or finds no room, is the caller's to end before another one is opened in its place.
    #[must_use]
    pub(crate) fn put(&self, place: Place, connection: Connection, transactions_max: u32) -> Option<Connection> {
        let worn = connection.transactions >= transactions_max || self.idle_time_max.is_zero();
        if worn { Some(connection) } else { self.push(place, connection) }
    }

    /// Gives it back if there is no room.
    fn push(&self, place: Place, connection: Connection) -> Option<Connection> {
        let mut resting = self.resting.lock();
        if resting.count >= self.count_max {
            return Some(connection);
        }
        resting.count += 1;
        resting.places.entry(place).or_default().push((Instant::now(), connection));
        None
    }

    /// Ends those that have rested for too long.
    pub(crate) fn sweep(&self) {
        self.end(|rested| rested.elapsed() >= self.idle_time_max);
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        self.end(|_| true);
    }

    /// Connections at rest.
    pub(crate) fn count(&self) -> usize {
        self.resting.lock().count
    }

    fn end(&self, old: impl Fn(&Instant) -> bool) {
        let mut ended = Vec::new();
        {
            let mut resting = self.resting.lock();
            for connections in resting.places.values_mut() {
                ended.extend(connections.extract_if(.., |(rested, _)| old(rested)).map(|(_, connection)| connection));
            }
            resting.places.retain(|_, connections| !connections.is_empty());
            resting.count -= ended.len();
        }
        for connection in ended {
            tokio::spawn(connection.quit());
        }
    }
}

/// Ends connections, all at the same time.
pub(crate) async fn goodbye(connections: Vec<Connection>) {
    join_all(connections.into_iter().map(Connection::quit)).await;
}
