//! `[[queue.pools]]`: the addresses that mail is sent from, and which mail is sent from which.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_message::Day;
use yubin_queue::{Family, MailKind, SourceAddress, WarmUp, pools};
use yubin_types::DomainName;

/// Addresses that mail is sent from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pool {
    /// Its name.
    pub(crate) name: String,
    /// Kinds of mail that leave by it, whosever they are.
    pub(crate) mail: Vec<Mail>,
    /// Hosted domains whose mail leaves by it.
    pub(crate) domains: Vec<String>,
    /// Plans whose domains' mail leaves by it.
    pub(crate) plans: Vec<String>,
    /// The pool that helps out where none of its addresses may be used; empty: none.
    pub(crate) fallback: String,
    /// Its addresses.
    pub(crate) addresses: Vec<Address>,
}

/// An address that mail is sent from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    /// The address.
    pub(crate) address: String,
    /// What EHLO says.
    pub(crate) hello: String,
    /// Its first day, as 2026-11-01; empty: it is known to receivers.
    pub(crate) warm_up_from: String,
}

/// A kind of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mail {
    /// What users send.
    Submission,
    /// What came in for an account and goes on.
    Forward,
    /// What accounts answer by themselves.
    AutoReply,
    /// Delivery status notifications.
    Notice,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AddressFamily {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl From<AddressFamily> for Family {
    fn from(told: AddressFamily) -> Family {
        match told {
            AddressFamily::Ipv4 => Family::V4,
            AddressFamily::Ipv6 => Family::V6,
        }
    }
}

/// As the worker is told.
///
/// # Errors
/// When they can't work.
pub(crate) fn pools(told: &[Pool], per_day: &[u32]) -> anyhow::Result<Vec<pools::Pool>> {
    let names: BTreeSet<&str> = told.iter().map(|pool| pool.name.as_str()).collect();
    ensure!(names.len() == told.len() && !names.contains(""), "queue.pools: each has a name of its own");
    ensure!(!per_day.is_empty() && !per_day.contains(&0), "queue.warm_up: at least one number, and none of them 0");
    let made: Vec<pools::Pool> = told.iter().map(|pool| pool.made(&names, per_day)).collect::<anyhow::Result<_>>()?;
    let mut seen = BTreeSet::new();
    for source in made.iter().flat_map(|pool| &pool.addresses) {
        ensure!(seen.insert(source.address), "queue.pools: the address {} is there twice", source.address);
    }
    Ok(made)
}

impl Pool {
    fn made(&self, names: &BTreeSet<&str>, per_day: &[u32]) -> anyhow::Result<pools::Pool> {
        let domain = |text: &String| DomainName::parse(text).context("queue.pools: domains");
        ensure!(!self.addresses.is_empty(), "queue.pools: {} has no address", self.name);
        let known = self.fallback.is_empty() || names.contains(self.fallback.as_str());
        ensure!(
            known && self.fallback != self.name,
            "queue.pools: fallback of {}: another pool, or nothing",
            self.name
        );
        Ok(pools::Pool {
            name: self.name.clone(),
            mail: self.mail.iter().map(|kind| MailKind::from(*kind)).collect(),
            domains: self.domains.iter().map(domain).collect::<anyhow::Result<_>>()?,
            plans: self.plans.clone(),
            fallback: Some(self.fallback.clone()).filter(|name| !name.is_empty()),
            addresses: self.addresses.iter().map(|one| one.made(per_day)).collect::<anyhow::Result<_>>()?,
        })
    }
}

impl Address {
    fn made(&self, per_day: &[u32]) -> anyhow::Result<SourceAddress> {
        let address: IpAddr = self.address.parse().context("queue.pools: addresses: address")?;
        ensure!(!address.is_unspecified(), "queue.pools: addresses: address: {address} is none to send from");
        let warm_up = match self.warm_up_from.as_str() {
            "" => None,
            text => {
                let first_day =
                    first_day(text).context("queue.pools: addresses: warm_up_from: a day, as 2026-11-01")?;
                Some(WarmUp { first_day, per_day: per_day.to_vec() })
            }
        };
        let hello = DomainName::parse(&self.hello).context("queue.pools: addresses: hello")?;
        Ok(SourceAddress { address, hello, warm_up })
    }
}

impl From<Mail> for MailKind {
    fn from(told: Mail) -> MailKind {
        match told {
            Mail::Submission => MailKind::Submission,
            Mail::Forward => MailKind::Forward,
            Mail::AutoReply => MailKind::AutoReply,
            Mail::Notice => MailKind::Notice,
        }
    }
}

/// A day as ISO 8601 writes it, counted from 1970-01-01.
fn first_day(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(str::parse::<i64>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Day::from_calendar(year, month, day).and_then(|day| u64::try_from(day.0).ok())
}

#[cfg(test)]
mod tests {
    use super::super::queue::Queue;
    use super::first_day;

    fn pool(name: &str, fallback: &str, addresses: &str) -> String {
        format!(
            "[[pools]]\nname = '{name}'\nmail = ['forward', 'auto-reply']\ndomains = ['one.example']\nplans = ['basic']\n\
             fallback = '{fallback}'\naddresses = [{addresses}]\n"
        )
    }

    fn address(address: &str, hello: &str, from: &str) -> String {
        format!("{{ address = '{address}', hello = '{hello}', warm_up_from = '{from}' }}")
    }

    #[test]
    fn pools_that_can_not_work_are_refused() {
        let check = |text: &str| toml::from_str::<Queue>(text).unwrap().check();
        let fine = address("192.0.2.1", "out.example", "2026-11-01");
        check(&pool("new", "", &fine)).unwrap();
        check(&(pool("new", "old", &fine) + &pool("old", "", &address("2001:db8::1", "out.example", "")))).unwrap();
        for text in [
            pool("", "", &fine),
            pool("new", "", ""),
            pool("new", "new", &fine),
            pool("new", "old", &fine),
            pool("new", "", &fine) + &pool("old", "", &fine),
            pool("new", "", &fine) + &pool("new", "", &address("192.0.2.2", "out.example", "")),
            pool("new", "", &address("192.0.2", "out.example", "")),
            pool("new", "", &address("0.0.0.0", "out.example", "")),
            pool("new", "", &address("192.0.2.1", "out_1 example", "")),
            pool("new", "", &address("192.0.2.1", "out.example", "2026-02-30")),
            format!("warm_up = []\n{}", pool("new", "", &fine)),
            format!("warm_up = [0]\n{}", pool("new", "", &fine)),
        ] {
            assert!(check(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_read_as_iso_writes_it() {
        assert_eq!((first_day("1970-01-02"), first_day("2026-11-22")), (Some(1), Some(20_779)));
        assert_eq!((first_day("2026-11"), first_day("1-Nov-2026"), first_day("")), (None, None, None));
    }
}
