//! What is known of a receiver before anything was learned: how much it takes at a time, per minute, per transaction and per connection,
//! and how long to leave it alone when it wants less.
//!
//! A receiver is more than a destination: many domains' mail goes to the same servers. A profile names the domains that are known to be
//! its, and the MX hosts that others point to; what it bounds, it bounds for all its destinations together, for each source address of this
//! worker. What a destination's pace learns stays within it. Profiles that are configured go before those that ship (`shipped`), and one
//! with the name of a shipped one takes its place. Where none fits, a receiver is the MX hosts that destinations prefer: domains with the same
//! ones share the limit of one destination. Mail that a smart host takes is none of the receiver's business.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use yubin_types::{DestinationName, DomainName};

use crate::pace::PaceLimits;
use crate::route::SmartHost;
use crate::shipped::SHIPPED;

/// Transactions of one connection before it is ended, where no profile says how many: servers count too.
pub(crate) const TRANSACTIONS_MAX: u32 = 100;

/// Concurrent deliveries to a destination before it has shown anything.
const LANES_INITIAL: u32 = 5;

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name, in metrics and to be replaced by.
    pub name: String,
    /// Its domains, and those below them.
    pub domains: Vec<DomainName>,
    /// Its MX hosts, and those below them.
    pub mx_hosts: Vec<DomainName>,
    /// Deliveries at a time, to all its destinations together.
    pub deliveries_max: u32,
    /// Deliveries that begin per minute, to all its destinations together; 0: any number.
    pub per_minute_max: u32,
    /// Recipients of one transaction.
    pub recipients_per_transaction_max: usize,
    /// Transactions of one connection.
    pub transactions_per_connection_max: u32,
    /// The first pause of a destination that wants less, seconds; each that follows is twice as long.
    pub pause_seconds: u64,
    /// The longest pause, seconds.
    pub pause_seconds_max: u64,
    /// Which of its addresses are tried first.
    pub prefers: Family,
    /// What tells it from other receivers.
    pub known_by: KnownBy,
}

/// What tells a receiver from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// A profile that is configured or ships.
    Profile,
    /// The MX hosts that its destinations prefer: no profile fits.
    MxHosts,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// IPv4: receivers judge IPv6 senders more severely.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

impl Family {
    /// Of an address.
    pub(crate) const fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl Profile {
    /// Deliveries at a time that each worker may have under way without a share.
    pub(crate) fn unshared(&self) -> u32 {
        u32::from(self.known_by == KnownBy::MxHosts)
    }

    /// Bounds of the pace of each of its destinations, where those of a destination of no known receiver are `unknown`.
    pub(crate) fn pace(&self, unknown: PaceLimits) -> PaceLimits {
        if self.known_by == KnownBy::MxHosts {
            return unknown;
        }
        PaceLimits {
            lanes_initial: LANES_INITIAL.min(self.deliveries_max),
            lanes_max: self.deliveries_max,
            pause_ms_min: self.pause_seconds.saturating_mul(1_000),
            pause_ms_max: self.pause_seconds_max.saturating_mul(1_000),
        }
    }
}

/// All profiles, those first that go first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles {
    all: Vec<Arc<Profile>>,
    /// Destinations whose mail smart hosts take, whoever sends it; without any: all.
    elsewhere: Vec<Vec<DestinationName>>,
}

impl Profiles {
    /// The configured ones, then those that ship.
    pub(crate) fn new(configured: &[Profile], smart_hosts: &[SmartHost]) -> Profiles {
        let shipped = SHIPPED.iter().filter(|shipped| configured.iter().all(|own| own.name != shipped.name));
        let for_all = smart_hosts.iter().filter(|host| host.sender_domains.is_empty());
        Profiles {
            all: configured.iter().cloned().chain(shipped.map(Into::into)).map(Arc::new).collect(),
            elsewhere: for_all.map(|host| host.destinations.clone()).collect(),
        }
    }

    /// By the name of a destination.
    pub(crate) fn of_destination(&self, destination: &DestinationName) -> Option<&Arc<Profile>> {
        let mut elsewhere = self.elsewhere.iter();
        if elsewhere.any(|destinations| destinations.is_empty() || destinations.contains(destination)) {
            return None;
        }
        let name = destination.domain()?.as_str();
        self.all.iter().find(|profile| profile.domains.iter().any(|domain| is_within(name, domain.as_str())))
    }

    /// By the name of the host that takes the mail.
    pub(crate) fn of_host(&self, host: &str) -> Option<&Arc<Profile>> {
        self.all.iter().find(|profile| profile.mx_hosts.iter().any(|known| is_within(host, known.as_str())))
    }
}

/// Is it this name, or one below it? Both are in lower case.
fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use yubin_types::{DestinationName, DomainName};

    use super::{Profile, Profiles};
    use crate::route::{SmartHost, SmartHostName, SmartHostTls};
    use crate::shipped::SHIPPED;

    fn destination(text: &str) -> DestinationName {
        DestinationName::parse(text).unwrap()
    }

    fn of_domain<'a>(profiles: &'a Profiles, text: &str) -> Option<&'a str> {
        profiles.of_destination(&destination(text)).map(|profile| profile.name.as_str())
    }

    #[test]
    fn receivers_are_known_by_their_domains_and_by_their_hosts() {
        let profiles = Profiles::new(&[], &[]);
        for (domain, name) in [
            ("docomo.ne.jp", Some("docomo")),
            ("ezweb.ne.jp", Some("au")),
            ("au.com", Some("au")),
            ("i.softbank.jp", Some("softbank")),
            ("t.vodafone.ne.jp", Some("softbank")),
            ("yahoo.co.jp", Some("yahoo-japan")),
            ("gmail.com", Some("gmail")),
            ("outlook.jp", Some("microsoft")),
            ("notdocomo.ne.jp", None),
            ("[192.0.2.1]", None),
        ] {
            assert_eq!(of_domain(&profiles, domain), name, "{domain}");
        }
        for (host, name) in [
            ("aspmx.l.google.com", Some("gmail")),
            ("gmail-smtp-in.l.google.com", Some("gmail")),
            ("example-co-jp.mail.protection.outlook.com", Some("microsoft")),
            ("mx.example.jp", None),
            ("aspmx.l.google.com.example.jp", None),
        ] {
            assert_eq!(profiles.of_host(host).map(|profile| profile.name.as_str()), name, "{host}");
        }
    }

    #[test]
    fn configured_profiles_go_first_and_smart_hosts_have_none() {
        let own = Profile {
            name: "docomo".to_owned(),
            domains: vec![DomainName::parse("docomo.example").unwrap(), DomainName::parse("gmail.com").unwrap()],
            ..Profile::from(&SHIPPED[0])
        };
        let profiles = Profiles::new(std::slice::from_ref(&own), &[]);
        assert_eq!(of_domain(&profiles, "mail.docomo.example"), Some("docomo"));
        assert_eq!(of_domain(&profiles, "docomo.ne.jp"), None, "the shipped one is replaced");
        assert_eq!(of_domain(&profiles, "gmail.com"), Some("docomo"));
        let smart_host = |senders: &[&str], destinations: &[&str]| SmartHost {
            sender_domains: senders.iter().map(|text| DomainName::parse(text).unwrap()).collect(),
            destinations: destinations.iter().map(|text| destination(text)).collect(),
            host: SmartHostName::Address([127, 0, 0, 1].into()),
            port: 25,
            tls: SmartHostTls::Off,
            login: None,
        };
        for (host, known) in [
            (smart_host(&[], &[]), false),
            (smart_host(&[], &["au.com"]), false),
            (smart_host(&[], &["docomo.ne.jp"]), true),
            (smart_host(&["one.example"], &[]), true),
        ] {
            assert_eq!(of_domain(&Profiles::new(&[], &[host]), "au.com").is_some(), known);
        }
    }

    #[test]
    fn what_ships_is_sound() {
        for shipped in SHIPPED {
            let profile = Profile::from(shipped);
            assert!(profile.deliveries_max > 0 && profile.transactions_per_connection_max > 0, "{}", profile.name);
            assert!((1..=100).contains(&profile.recipients_per_transaction_max), "{}", profile.name);
            assert!(
                profile.pause_seconds > 0 && profile.pause_seconds <= profile.pause_seconds_max,
                "{}",
                profile.name
            );
            assert_eq!(profile.domains.len(), shipped.domains.len(), "a domain of {} is none", profile.name);
            assert_eq!(profile.mx_hosts.len(), shipped.mx_hosts.len(), "a host of {} is none", profile.name);
        }
    }
}
