//! `[proxy]`, `[connections]` and `[limits]`: whose word about addresses is taken, and how much everybody together and one network may have
//! of a front end.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_frontend::{ConnectionsConfig, NetworkLimits, NetworkWidth, NetworksConfig, ServiceLimits};
use yubin_types::{Limit, Network, limits};

/// Proxies and load balancers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Proxy {
    /// Where they are: every connection from there begins with a PROXY header, and no other does.
    pub(crate) networks: Vec<String>,
}

/// Connections at a time of each service, of everybody together.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Connections {
    /// SMTP from other servers.
    pub(crate) smtp: usize,
    /// Submission, on both kinds of port.
    pub(crate) submission: usize,
    /// LMTP.
    pub(crate) lmtp: usize,
    /// POP3, on both kinds of port.
    pub(crate) pop3: usize,
    /// IMAP, on both kinds of port.
    pub(crate) imap: usize,
}

/// How much one network may have of this process.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Networks that have no limits.
    pub(crate) exempt_networks: Vec<String>,
    /// Leading bits that IPv4 addresses of one network share.
    pub(crate) ipv4_prefix: u8,
    /// Leading bits that IPv6 addresses of one network share.
    pub(crate) ipv6_prefix: u8,
    /// SMTP from other servers.
    pub(crate) smtp: Smtp,
    /// Submission, on both kinds of port.
    pub(crate) submission: Service,
    /// POP3, on both kinds of port.
    pub(crate) pop3: Service,
    /// IMAP, on both kinds of port.
    pub(crate) imap: Service,
}

/// What one network may have of a service; 0 is no limit.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Service {
    /// Connections at a time.
    pub(crate) connections: u64,
    /// New connections in a minute.
    pub(crate) connections_per_minute: u64,
}

/// What one network may have of SMTP; 0 is no limit.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Smtp {
    /// Connections at a time.
    pub(crate) connections: u64,
    /// New connections in a minute.
    pub(crate) connections_per_minute: u64,
    /// Failed commands and refused recipients in an hour.
    pub(crate) failures_per_hour: u64,
}

impl Default for Connections {
    /// 18,000 together: fewer than the file descriptors of a plain machine.
    fn default() -> Self {
        Connections { smtp: 5_000, submission: 3_000, lmtp: 500, pop3: 2_500, imap: 7_000 }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Smtp { connections: 50, connections_per_minute: 600, failures_per_hour: 1_000 }
    }
}

impl Default for Service {
    /// For an office behind one address, with several connections for each of its people.
    fn default() -> Self {
        Service { connections: 500, connections_per_minute: 1_200 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            exempt_networks: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            smtp: Smtp::default(),
            submission: Service::default(),
            pop3: Service::default(),
            imap: Service::default(),
        }
    }
}

impl Proxy {
    /// Where proxies are.
    pub(crate) fn networks(&self) -> anyhow::Result<Vec<Network>> {
        networks(&self.networks, "proxy.networks")
    }
}

impl Connections {
    /// As a front end is told; refuses what can't work.
    pub(crate) fn settings(self) -> anyhow::Result<ConnectionsConfig> {
        let Connections { smtp, submission, lmtp, pop3, imap } = self;
        let keys = [("smtp", smtp), ("submission", submission), ("lmtp", lmtp), ("pop3", pop3), ("imap", imap)];
        for (key, connections) in keys {
            ensure!(
                connections > 0,
                "connections.{key}: at least 1; a service is turned off by an empty list in listen"
            );
        }
        let (all, most) =
            (keys.iter().fold(0_usize, |sum, (_, each)| sum.saturating_add(*each)), limits::CONNECTIONS_MAX);
        ensure!(all <= most, "connections: together at most {most}, not {all}");
        Ok(ConnectionsConfig { smtp, submission, lmtp, pop3, imap })
    }
}

impl Limits {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.ipv4_prefix <= 32, "limits.ipv4_prefix: at most 32");
        ensure!(self.ipv6_prefix <= 128, "limits.ipv6_prefix: at most 128");
        self.settings().map(drop)
    }

    /// As a front end is told.
    pub(crate) fn settings(&self) -> anyhow::Result<NetworksConfig> {
        let service = |service: Service| ServiceLimits {
            connections: limit(service.connections),
            connections_per_minute: limit(service.connections_per_minute),
        };
        let Smtp { connections, connections_per_minute, failures_per_hour } = self.smtp;
        Ok(NetworksConfig {
            width: NetworkWidth { ipv4_bits: self.ipv4_prefix, ipv6_bits: self.ipv6_prefix },
            limits: NetworkLimits {
                smtp: service(Service { connections, connections_per_minute }),
                submission: service(self.submission),
                pop3: service(self.pop3),
                imap: service(self.imap),
                failures_per_hour: limit(failures_per_hour),
            },
            exempt: networks(&self.exempt_networks, "limits.exempt_networks")?,
        })
    }
}

/// Networks of this key.
pub(crate) fn networks(texts: &[String], key: &'static str) -> anyhow::Result<Vec<Network>> {
    texts.iter().map(|text| text.parse().context(key)).collect()
}

const fn limit(number: u64) -> Limit {
    match number {
        0 => Limit::Unlimited,
        most => Limit::AtMost(most),
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::Limit;

    use super::{Limits, Proxy};

    #[test]
    fn what_can_not_work_is_refused_and_zero_is_no_limit() {
        let limits = |text: &str| toml::from_str::<Limits>(text).unwrap();
        limits("").check().unwrap();
        for text in ["exempt_networks = ['10.0.0.0/99']", "ipv4_prefix = 33", "ipv6_prefix = 129"] {
            assert!(limits(text).check().is_err(), "{text}");
        }
        let settings = limits("smtp = { connections = 0, failures_per_hour = 7 }").settings().unwrap();
        assert_eq!(settings.limits.smtp.connections, Limit::Unlimited);
        assert_eq!(settings.limits.smtp.connections_per_minute, Limit::AtMost(600));
        assert_eq!(settings.limits.failures_per_hour, Limit::AtMost(7));
        assert!(toml::from_str::<Proxy>("networks = ['10.0.0.0/8']").unwrap().networks().is_ok());
        assert!(toml::from_str::<Proxy>("networks = ['balancer']").unwrap().networks().is_err());
    }
}
