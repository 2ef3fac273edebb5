//! How much one network may ask of a front end: connections at a time and in a minute, for each service, and failures in an hour.
//!
//! A network is an IPv4 address or an IPv6 /64, or as wide as configured: one host must not take the places of all others. A table
//! remembers networks that are or were connected; its size is bounded, and whoever was connected least recently is forgotten first.
//! A network with an open connection is never forgotten, so its count is exact; a forgotten one only begins its minute and hour anew.
//! Refused connections are not counted: a network gets in again as soon as its minute allows.
//!
//! Rates are those of a sliding window: the part of the previous period that is still within one period counts by its share. Users
//! who log in have limits of their own, which the store counts for all front ends; these here are each front end's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use yubin_types::{Limit, Timestamp};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// Which addresses belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkWidth {
    /// Leading bits that IPv4 addresses of one network share, at most 32.
    pub ipv4_bits: u8,
    /// Leading bits that IPv6 addresses of one network share, at most 128.
    pub ipv6_bits: u8,
}

/// A network: its first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkId {
    first: IpAddr,
    bits: u8,
}

/// What a network connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Mail from other servers.
    Smtp,
    /// Mail from users.
    Submission,
    /// POP3.
    Pop3,
    /// IMAP.
    Imap,
}

/// What one network may have of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceLimits {
    /// Connections at a time.
    pub connections: Limit,
    /// New connections in a minute.
    pub connections_per_minute: Limit,
}

/// What one network may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Of [`Service::Smtp`].
    pub smtp: ServiceLimits,
    /// Of [`Service::Submission`].
    pub submission: ServiceLimits,
    /// Of [`Service::Pop3`].
    pub pop3: ServiceLimits,
    /// Of [`Service::Imap`].
    pub imap: ServiceLimits,
    /// Commands that failed and recipients that were refused for good, of [`Service::Smtp`], in an hour.
    pub failures_per_hour: Limit,
}

/// Why a network is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkDenial {
    /// Its connections.
    Connections,
    /// How fast it makes new ones.
    ConnectionRate,
    /// What it asked in vain.
    Failures,
}

/// A connection that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub why: NetworkDenial,
    /// How often its network was denied one in the minute before, for whoever writes it down.
    pub before: u64,
}

/// All networks that are, or were not long ago, connected to a front end.
#[derive(Debug)]
pub struct NetworkTable {
    limits: NetworkLimits,
    networks_max: usize,
    networks: BTreeMap<NetworkId, Usage>,
    /// Those without a connection, the one forgotten next first.
    idle: BTreeMap<u64, NetworkId>,
    departures: u64,
}

#[derive(Debug, Default)]
struct Usage {
    smtp: ServiceUsage,
    submission: ServiceUsage,
    pop3: ServiceUsage,
    imap: ServiceUsage,
    failures: Window,
    denials: Window,
    /// Its key in [`NetworkTable::idle`].
    idle_since: Option<u64>,
}

#[derive(Debug, Default)]
struct ServiceUsage {
    open: u64,
    opened: Window,
}

/// Events of this period and of the one before.
#[derive(Debug, Default)]
struct Window {
    started: Timestamp,
    count: u64,
    before: u64,
}

impl NetworkWidth {
    /// The network of an address; IPv4 addresses written as IPv6 are IPv4.
    #[must_use]
    pub fn network_of(self, address: IpAddr) -> NetworkId {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = self.ipv4_bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                NetworkId { first: Ipv4Addr::from_bits(address.to_bits() & mask).into(), bits }
            }
            IpAddr::V6(address) => {
                let bits = self.ipv6_bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                NetworkId { first: Ipv6Addr::from_bits(address.to_bits() & mask).into(), bits }
            }
        }
    }
}

impl fmt::Display for NetworkId {
    /// An address alone, or in CIDR notation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.bits) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => write!(f, "{}", self.first),
            (first, bits) => write!(f, "{first}/{bits}"),
        }
    }
}

impl NetworkTable {
    /// Remembers at most `networks_max` networks, which must be more than there can be connections.
    #[must_use]
    pub const fn new(limits: NetworkLimits, networks_max: usize) -> NetworkTable {
        NetworkTable { limits, networks_max, networks: BTreeMap::new(), idle: BTreeMap::new(), departures: 0 }
    }

    /// A connection; if it is admitted, [`NetworkTable::close`] must follow when it ends.
    ///
    /// # Errors
    /// [`Denied`], for [`crate::refusal_text`]; nothing else is counted then.
    pub fn open(&mut self, network: NetworkId, service: Service, now: Timestamp) -> Result<(), Denied> {
        let limits = self.limits;
        let allowed = limits.of(service);
        let usage = self.usage(network);
        let failures = usage.failures.sum(now, HOUR_MS);
        let used = usage.of(service);
        let why = if !allowed.connections.admits(used.open + 1) {
            Some(NetworkDenial::Connections)
        } else if !allowed.connections_per_minute.admits(used.opened.sum(now, MINUTE_MS) + 1) {
            Some(NetworkDenial::ConnectionRate)
        } else if service == Service::Smtp && !limits.failures_per_hour.admits(failures) {
            Some(NetworkDenial::Failures)
        } else {
            used.open += 1;
            used.opened.count += 1;
            None
        };
        let denied = why.map(|why| {
            let before = usage.denials.sum(now, MINUTE_MS);
            usage.denials.count += 1;
            Denied { why, before }
        });
        self.settle(network);
        denied.map_or(Ok(()), Err)
    }

    /// A connection that was admitted has ended.
    pub fn close(&mut self, network: NetworkId, service: Service) {
        let used = self.usage(network).of(service);
        used.open = used.open.saturating_sub(1);
        self.settle(network);
    }

    /// A connection to [`Service::Smtp`] asked so often in vain since this was said last.
    ///
    /// # Errors
    /// [`NetworkDenial::Failures`]: it was once too often.
    pub fn failed(&mut self, network: NetworkId, failures: u32, now: Timestamp) -> Result<(), NetworkDenial> {
        let allowed = self.limits.failures_per_hour;
        let window = &mut self.usage(network).failures;
        let sum = window.sum(now, HOUR_MS) + u64::from(failures);
        window.count += u64::from(failures);
        self.settle(network);
        if allowed.admits(sum) { Ok(()) } else { Err(NetworkDenial::Failures) }
    }

    /// Networks that are remembered.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// What is known of a network, which is not idle now; somebody else is forgotten if there is no room.
    fn usage(&mut self, network: NetworkId) -> &mut Usage {
        if !self.networks.contains_key(&network)
            && self.networks.len() >= self.networks_max
            && let Some((_, forgotten)) = self.idle.pop_first()
        {
            self.networks.remove(&forgotten);
        }
        let usage = self.networks.entry(network).or_default();
        if let Some(since) = usage.idle_since.take() {
            self.idle.remove(&since);
        }
        usage
    }

    /// A network without a connection may be forgotten, this one after all others.
    fn settle(&mut self, network: NetworkId) {
        let Some(usage) = self.networks.get_mut(&network).filter(|usage| usage.is_idle()) else { return };
        self.departures += 1;
        usage.idle_since = Some(self.departures);
        self.idle.insert(self.departures, network);
    }
}

impl NetworkLimits {
    const fn of(&self, service: Service) -> ServiceLimits {
        match service {
            Service::Smtp => self.smtp,
            Service::Submission => self.submission,
            Service::Pop3 => self.pop3,
            Service::Imap => self.imap,
        }
    }
}

impl Usage {
    const fn of(&mut self, service: Service) -> &mut ServiceUsage {
        match service {
            Service::Smtp => &mut self.smtp,
            Service::Submission => &mut self.submission,
            Service::Pop3 => &mut self.pop3,
            Service::Imap => &mut self.imap,
        }
    }

    const fn is_idle(&self) -> bool {
        self.smtp.open == 0 && self.submission.open == 0 && self.pop3.open == 0 && self.imap.open == 0
    }
}

impl Window {
    /// What happened within the last period, as nearly as two counts tell.
    fn sum(&mut self, now: Timestamp, period_ms: u64) -> u64 {
        let elapsed = now.millis_since(self.started);
        if elapsed >= 2 * period_ms || now < self.started {
            *self = Window { started: now, count: 0, before: 0 };
        } else if elapsed >= period_ms {
            *self = Window { started: Timestamp(self.started.0 + period_ms), count: 0, before: self.count };
        }
        let left = period_ms.saturating_sub(now.millis_since(self.started));
        self.count + self.before * left / period_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: NetworkWidth = NetworkWidth { ipv4_bits: 32, ipv6_bits: 64 };

    fn network(address: &str) -> NetworkId {
        WIDTH.network_of(address.parse().unwrap())
    }

    fn limits(connections: u64, per_minute: u64, failures: u64) -> NetworkLimits {
        let of = ServiceLimits {
            connections: Limit::AtMost(connections),
            connections_per_minute: Limit::AtMost(per_minute),
        };
        NetworkLimits { smtp: of, submission: of, pop3: of, imap: of, failures_per_hour: Limit::AtMost(failures) }
    }

    fn second(second: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + second)
    }

    #[test]
    fn addresses_of_one_customer_are_one_network() {
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:0:0:1"));
        assert_eq!(network("2001:db8::1").to_string(), "2001:db8::/64");
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        let wide = NetworkWidth { ipv4_bits: 24, ipv6_bits: 0 };
        assert_eq!(wide.network_of("192.0.2.9".parse().unwrap()).to_string(), "192.0.2.0/24");
        assert_eq!(wide.network_of("2001:db8::1".parse().unwrap()).to_string(), "::/0");
    }

    #[test]
    fn a_network_has_so_many_connections_of_each_service_and_others_are_not_touched() {
        let mut table = NetworkTable::new(limits(2, 100, 100), 100);
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        let full = |before| Err(Denied { why: NetworkDenial::Connections, before });
        for _ in 0..2 {
            assert_eq!(table.open(one, Service::Smtp, second(0)), Ok(()));
        }
        assert_eq!(table.open(one, Service::Smtp, second(0)), full(0));
        assert_eq!(table.open(one, Service::Imap, second(0)), Ok(()));
        assert_eq!(table.open(other, Service::Smtp, second(0)), Ok(()));
        table.close(one, Service::Smtp);
        assert_eq!(table.open(one, Service::Smtp, second(0)), Ok(()));
        assert_eq!(table.open(one, Service::Smtp, second(0)), full(1));
        assert_eq!(table.open(one, Service::Smtp, second(120)), full(0));
    }

    #[test]
    fn new_connections_of_a_minute_are_bounded_whatever_minute_it_is() {
        let mut table = NetworkTable::new(limits(100, 10, 100), 100);
        let one = network("192.0.2.1");
        let mut visit = |at| {
            let admitted = table.open(one, Service::Pop3, second(at));
            if admitted.is_ok() {
                table.close(one, Service::Pop3);
            }
            admitted.map_err(|denied| denied.why)
        };
        for _ in 0..10 {
            assert_eq!(visit(30), Ok(()));
        }
        assert_eq!(visit(30), Err(NetworkDenial::ConnectionRate));
        assert_eq!(visit(89), Err(NetworkDenial::ConnectionRate));
        // Half of the ten are more than a minute ago.
        for _ in 0..5 {
            assert_eq!(visit(120), Ok(()));
        }
        assert_eq!(visit(120), Err(NetworkDenial::ConnectionRate));
        for _ in 0..10 {
            assert_eq!(visit(300), Ok(()));
        }
        // A clock that was set back starts anew.
        assert_eq!(visit(0), Ok(()));
    }

    #[test]
    fn failures_end_an_smtp_connection_and_the_next_ones_for_an_hour() {
        let mut table = NetworkTable::new(limits(100, 100, 3), 100);
        let one = network("192.0.2.1");
        table.open(one, Service::Smtp, second(0)).unwrap();
        assert_eq!(table.failed(one, 3, second(0)), Ok(()));
        assert_eq!(table.failed(one, 1, second(1)), Err(NetworkDenial::Failures));
        table.close(one, Service::Smtp);
        assert_eq!(table.open(one, Service::Smtp, second(10)).unwrap_err().why, NetworkDenial::Failures);
        assert_eq!(table.open(one, Service::Imap, second(10)), Ok(()));
        assert_eq!(table.open(one, Service::Smtp, second(7_200)), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_open_connections_are_never_forgotten() {
        let mut table = NetworkTable::new(limits(1, 1, 1), 4);
        let host = |number: u32| WIDTH.network_of(Ipv4Addr::from_bits(0xc000_0200 + number).into());
        table.open(host(0), Service::Smtp, second(0)).unwrap();
        for number in 1..1_000 {
            table.open(host(number), Service::Smtp, second(0)).unwrap();
            table.close(host(number), Service::Smtp);
            assert!(table.networks() <= 4);
        }
        let mut open = |number| table.open(host(number), Service::Smtp, second(0)).map_err(|denied| denied.why);
        assert_eq!(open(0), Err(NetworkDenial::Connections));
        // The last ones are remembered, the first ones are not.
        assert_eq!(open(999), Err(NetworkDenial::ConnectionRate));
        assert_eq!(open(1), Ok(()));
        assert_eq!(table.idle.len() + 2, table.networks());
    }

    #[test]
    fn without_limits_everybody_is_served() {
        let mut table = NetworkTable::new(NetworkLimits::default(), 4);
        for _ in 0..1_000 {
            table.open(network("192.0.2.1"), Service::Smtp, second(0)).unwrap();
        }
        assert_eq!(table.failed(network("192.0.2.1"), u32::MAX, second(0)), Ok(()));
    }
}
