//! Whose limits an attempt counts for: the receiver that a profile knows, by the name of a destination or of its most preferred MX hosts; or whoever
//! takes mail at those hosts, where no profile fits. All domains with the same preferred hosts are one receiver, as their mail goes to the same
//! servers.
//!
//! Known before anything is sent, since the hosts are looked up first. A domain whose MX records change moves with its next attempt. Hosts of
//! literals tell nothing, and those of the operator are none of a receiver's.

use std::sync::Arc;

use yubin_types::{DestinationName, DomainName, limits};

use crate::config::QueueConfig;
use crate::profile::{KnownBy, Profile, Profiles, TRANSACTIONS_MAX};
use crate::route::{Hop, Owner};

/// Before the names of the MX hosts that a receiver is known by: no profile's name has it.
pub const MX_PREFIX: &str = "mx:";

/// Octets of a hash that stand for names that are too long, in hexadecimal.
const DIGEST_CHARS: usize = 16;

/// Whose limits mail for a destination that leaves by this host counts for; `None`: the destination's own.
pub(crate) fn receiver_of(
    profiles: &Profiles,
    config: &QueueConfig,
    hop: &Hop,
    destination: &DestinationName,
) -> Option<Arc<Profile>> {
    if hop.owner == Owner::Operator {
        return None;
    }
    let mut hosts: Vec<&str> = hop.preferred.iter().map(DomainName::as_str).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let known = hosts.iter().find_map(|host| profiles.of_host(host)).or_else(|| profiles.of_destination(destination));
    match known {
        Some(profile) => Some(Arc::clone(profile)),
        None if hosts.is_empty() => None,
        None => Some(Arc::new(of_hosts(&hosts, config))),
    }
}

/// Whoever takes mail at these hosts, of whom nobody has told anything: all their destinations together get what one destination would. Of that,
/// each other worker has one delivery at a time without asking, so that few messages to a receiver cost no share.
fn of_hosts(hosts: &[&str], config: &QueueConfig) -> Profile {
    let others = u32::try_from(config.workers.len().saturating_sub(1)).unwrap_or(u32::MAX);
    Profile {
        name: name(hosts),
        domains: Vec::new(),
        mx_hosts: Vec::new(),
        deliveries_max: config.pace.lanes_max.saturating_sub(others).max(1),
        per_minute_max: 0,
        recipients_per_transaction_max: config.recipients_per_transaction_max,
        transactions_per_connection_max: TRANSACTIONS_MAX,
        pause_seconds: config.pace.pause_ms_min / 1_000,
        pause_seconds_max: config.pace.pause_ms_max / 1_000,
        prefers: config.prefers,
        known_by: KnownBy::MxHosts,
    }
}

/// The hosts' names; where they are longer than a receiver's name may be, the first one's beginning and a hash of all.
fn name(hosts: &[&str]) -> String {
    let all = hosts.join(",");
    if MX_PREFIX.len() + all.len() <= limits::OBJECT_NAME_BYTES_MAX {
        return format!("{MX_PREFIX}{all}");
    }
    let digest = blake3::hash(all.as_bytes()).to_hex();
    let room = limits::OBJECT_NAME_BYTES_MAX - MX_PREFIX.len() - DIGEST_CHARS - 1;
    let beginning: String = all.chars().take(room).collect();
    let digest: String = digest.chars().take(DIGEST_CHARS).collect();
    format!("{MX_PREFIX}{beginning}~{digest}")
}

#[cfg(test)]
mod tests {
    use yubin_types::{DestinationName, DomainName, Secret, limits};

    use super::receiver_of;
    use crate::config::QueueConfig;
    use crate::profile::{KnownBy, Profiles};
    use crate::route::{Hop, Owner, Protection};

    fn receiver(destination: &str, preferred: &[&str], owner: Owner) -> Option<(String, KnownBy)> {
        let config = QueueConfig::new("w".to_owned(), DomainName::parse("w.example").unwrap(), &Secret::new("secret"));
        let hop = Hop {
            name: "any.example".to_owned(),
            addresses: Vec::new(),
            protection: Protection::Clear,
            login: None,
            owner,
            preference: 0,
            counted: None,
            preferred: preferred.iter().map(|host| DomainName::parse(host).unwrap()).collect(),
        };
        let destination = DestinationName::parse(destination).unwrap();
        let found = receiver_of(&Profiles::new(&[], &[]), &config, &hop, &destination)?;
        Some((found.name.clone(), found.known_by))
    }

    #[test]
    fn domains_with_the_same_preferred_hosts_are_one_receiver() {
        let of = |destination: &str, hosts: &[&str]| receiver(destination, hosts, Owner::Destination).unwrap();
        let one = of("one.example", &["mx2.host.example", "mx1.host.example"]);
        assert_eq!(one, ("mx:mx1.host.example,mx2.host.example".to_owned(), KnownBy::MxHosts));
        assert_eq!(of("two.example", &["mx1.host.example", "mx2.host.example"]), one, "in any order");
        assert_ne!(of("two.example", &["mx1.host.example"]), one);
        assert_eq!(of("one.example", &["aspmx.l.google.com"]), ("gmail".to_owned(), KnownBy::Profile));
        assert_eq!(of("docomo.ne.jp", &["mx.other.example"]), ("docomo".to_owned(), KnownBy::Profile));
        let long: Vec<String> = (0..20).map(|number| format!("mx{number:02}.a-rather-long-name.example")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let (all, most) = (of("one.example", &long).0, of("one.example", &long[..19]).0);
        assert!(all.len() == limits::OBJECT_NAME_BYTES_MAX && all.starts_with("mx:mx00.a-rather"), "{all}");
        assert_ne!(all, most);
    }

    #[test]
    fn literals_and_smart_hosts_have_no_receiver() {
        assert_eq!(receiver("[192.0.2.1]", &[], Owner::Destination), None);
        assert_eq!(receiver("gmail.com", &["aspmx.l.google.com"], Owner::Operator), None);
    }
}
