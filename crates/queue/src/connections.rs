//! Connections that wait for their next transaction, by host, source address and protection; bounded in number and in time.
//!
//! A connection is lent to one delivery at a time and comes back only if its last transaction left it usable. The newest is lent first, so
//! that the others can end; one that the server closed, or on which it said something unasked, is never lent again.
//!
//! Connections at rest count for whom their last delivery went to. Before another one is opened for the same receiver from the same address, one of them
//! is ended, or those that are being ended have ended: what rests and what deliveries use are never more than the deliveries that there were at a time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use yubin_state::queue::Receiver;

use crate::connection::Connection;
use crate::route::{Hop, Protection};

/// Where a connection may be used again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    host: String,
    addresses: Vec<SocketAddr>,
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
        // A name server gives them in another order each time.
        let mut addresses = hop.addresses.clone();
        addresses.sort_unstable();
        Place {
            host: hop.name.clone(),
            addresses,
            source,
            protection,
            identity: identity.to_owned(),
            user: hop.login.as_ref().map(|login| login.user.clone()),
        }
    }
}

/// Whose limit a connection counts for, and from where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Account {
    pub(crate) receiver: Receiver,
    pub(crate) source: Option<IpAddr>,
}

/// Connections at rest.
#[derive(Debug)]
pub(crate) struct Connections {
    idle_time_max: Duration,
    count_max: usize,
    resting: Arc<Mutex<Resting>>,
    /// One that was at rest has ended.
    ended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Resting {
    places: BTreeMap<Place, Vec<Rest>>,
    count: usize,
    /// Connections that are being ended.
    ending: BTreeMap<Account, usize>,
}

/// A connection at rest.
#[derive(Debug)]
struct Rest {
    account: Account,
    since: Instant,
    connection: Connection,
}

/// What stands in the way of a new connection.
enum Obstacle {
    None,
    /// It is to be ended.
    Rest(Box<Connection>),
    /// It has to be waited for those that are being ended.
    Ending,
}

impl Connections {
    pub(crate) fn new(count_max: usize, idle_time_max: Duration) -> Connections {
        Connections { idle_time_max, count_max, resting: Arc::default(), ended: Arc::default() }
    }

    /// A connection that can be used now.
    pub(crate) async fn take(&self, place: &Place) -> Option<Connection> {
        loop {
            let mut connection = self.pop(place)?;
            if connection.is_quiet().await {
                return Some(connection);
            }
            // Its server has ended it, and counts it no more.
            tokio::spawn(connection.quit());
        }
    }

    /// The newest, if it has not rested for too long.
    fn pop(&self, place: &Place) -> Option<Connection> {
        let mut resting = self.resting.lock();
        let connections = resting.places.get_mut(place)?;
        let found = connections.pop_if(|rest| rest.since.elapsed() < self.idle_time_max)?;
        if connections.is_empty() {
            resting.places.remove(place);
        }
        resting.count -= 1;
        Some(found.connection)
    }

    /// Is there one that may be used?
    pub(crate) fn rests_at(&self, place: &Place) -> bool {
        let resting = self.resting.lock();
        let newest = resting.places.get(place).and_then(|connections| connections.last());
        newest.is_some_and(|rest| rest.since.elapsed() < self.idle_time_max)
    }

    /// Ends one in whose place another may be opened.
    pub(crate) async fn make_room(&self, account: &Account) {
        loop {
            let ended = self.ended.notified();
            let obstacle = self.resting.lock().obstacle(account);
            match obstacle {
                Obstacle::None => return,
                Obstacle::Rest(connection) => return connection.quit().await,
                Obstacle::Ending => {}
            }
            ended.await;
        }
    }

    /// Takes a connection back. One that has had its transactions, or finds no room, is the caller's to end before another one is opened in its place.
    #[must_use]
    pub(crate) fn put(
        &self,
        place: Place,
        account: Account,
        connection: Connection,
        transactions_max: u32,
    ) -> Option<Connection> {
        let worn = connection.transactions >= transactions_max || self.idle_time_max.is_zero();
        let mut resting = self.resting.lock();
        if worn || resting.count >= self.count_max {
            return Some(connection);
        }
        resting.count += 1;
        let rest = Rest { account, since: Instant::now(), connection };
        resting.places.entry(place).or_default().push(rest);
        None
    }

    /// Ends those that have rested for too long.
    pub(crate) fn sweep(&self) {
        self.end(|rest| rest.since.elapsed() >= self.idle_time_max);
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        self.end(|_| true);
    }

    /// Connections at rest.
    pub(crate) fn count(&self) -> usize {
        self.resting.lock().count
    }

    fn end(&self, old: impl Fn(&Rest) -> bool) {
        let old = self.resting.lock().extract(old);
        for Rest { account, connection, .. } in old {
            let (resting, ended) = (Arc::clone(&self.resting), Arc::clone(&self.ended));
            tokio::spawn(async move {
                connection.quit().await;
                resting.lock().has_ended(&account);
                ended.notify_waiters();
            });
        }
    }
}

impl Resting {
    /// What has to go before another connection is opened: the one that has rested for longest, whatever host it leads to.
    fn obstacle(&mut self, account: &Account) -> Obstacle {
        let own = |rest: &Rest| rest.account == *account;
        // Each place has its oldest first.
        let oldest = self.places.iter().filter_map(|(place, connections)| {
            let (index, rest) = connections.iter().enumerate().find(|(_, rest)| own(rest))?;
            Some((rest.since, place.clone(), index))
        });
        let Some((_, place, index)) = oldest.min_by_key(|(since, ..)| *since) else {
            return if self.ending.contains_key(account) { Obstacle::Ending } else { Obstacle::None };
        };
        let Some(connections) = self.places.get_mut(&place) else { return Obstacle::None };
        let Rest { connection, .. } = connections.remove(index);
        if connections.is_empty() {
            self.places.remove(&place);
        }
        self.count -= 1;
        Obstacle::Rest(Box::new(connection))
    }

    /// Takes out those that are to be ended.
    fn extract(&mut self, old: impl Fn(&Rest) -> bool) -> Vec<Rest> {
        let all = self.places.values_mut();
        let out: Vec<Rest> = all.flat_map(|connections| connections.extract_if(.., |rest| old(rest))).collect();
        self.places.retain(|_, connections| !connections.is_empty());
        self.count -= out.len();
        for rest in &out {
            *self.ending.entry(rest.account.clone()).or_default() += 1;
        }
        out
    }

    /// One that was taken out has ended.
    fn has_ended(&mut self, account: &Account) {
        if let Some(count) = self.ending.get_mut(account) {
            *count -= 1;
            if *count == 0 {
                self.ending.remove(account);
            }
        }
    }
}

/// Ends connections, all at the same time.
pub(crate) async fn goodbye(connections: Vec<Connection>) {
    join_all(connections.into_iter().map(Connection::quit)).await;
}
