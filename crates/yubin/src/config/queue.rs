//! `[queue]`: how mail leaves.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_types::Network;

/// How mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Queue {
    /// This worker's name, unique in the cluster; empty: the host name and the node's id.
    pub(crate) worker: String,
    /// The names of all workers, the same everywhere: they share destinations. Empty for a worker alone.
    pub(crate) workers: Vec<String>,
    /// Addresses that mail is sent from, chosen by the sender's domain; empty: the system chooses.
    pub(crate) source_addresses: Vec<IpAddr>,
    /// Addresses at which this cluster takes mail; mail is never sent there.
    pub(crate) own_addresses: Vec<IpAddr>,
    /// Networks beside the public internet that mail may be sent to, such as "10.0.0.0/8".
    pub(crate) networks: Vec<String>,
    /// The port of mail servers.
    pub(crate) port: u16,
    /// Name servers to ask; empty: those of the system.
    pub(crate) name_servers: Vec<SocketAddr>,
    /// Are answers of the DNS validated, and DANE honoured? Off only where the name servers can't be asked for proofs.
    pub(crate) dnssec: Switch,
    /// Deliveries under way at a time.
    pub(crate) deliveries: usize,
    /// Due deliveries that wait in memory.
    pub(crate) waiting: usize,
    /// Deliveries to one destination at a time, once it has shown that it takes them.
    pub(crate) deliveries_per_destination: u32,
    /// Ways for some mail: the first that fits the sender's domain and the destination.
    pub(crate) smart_hosts: Vec<SmartHost>,
}

/// A smart host.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmartHost {
    /// Its name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How the connection is protected.
    pub(crate) tls: SmartHostTls,
    /// Mail from these domains; none: from all.
    pub(crate) sender_domains: Vec<String>,
    /// Mail to these domains; none: to all.
    pub(crate) destinations: Vec<String>,
    /// Log in as this user; empty: no login.
    pub(crate) user: String,
    /// A file with the user's password.
    pub(crate) password_file: PathBuf,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// How the connection to a smart host is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SmartHostTls {
    /// TLS from the first octet; the certificate is checked.
    Implicit,
    /// STARTTLS; the certificate is checked.
    #[default]
    Starttls,
    /// STARTTLS where it is offered; the certificate is not checked.
    Opportunistic,
    /// None: the network is trusted.
    Off,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            worker: String::new(),
            workers: Vec::new(),
            source_addresses: Vec::new(),
            own_addresses: Vec::new(),
            networks: Vec::new(),
            port: 25,
            name_servers: Vec::new(),
            dnssec: Switch::On,
            deliveries: 500,
            waiting: 20_000,
            deliveries_per_destination: 20,
            smart_hosts: Vec::new(),
        }
    }
}

impl Queue {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.allowed()?;
        ensure!((1..=100_000).contains(&self.deliveries), "queue.deliveries: 1 to 100000");
        ensure!((1..=1_000_000).contains(&self.waiting), "queue.waiting: 1 to 1000000");
        ensure!((1..=1_000).contains(&self.deliveries_per_destination), "queue.deliveries_per_destination: 1 to 1000");
        let named = self.workers.is_empty() || self.workers.contains(&self.worker);
        ensure!(named, "queue.workers: must list this worker, queue.worker");
        for smart_host in &self.smart_hosts {
            let paired = smart_host.user.is_empty() == smart_host.password_file.as_os_str().is_empty();
            ensure!(paired, "queue.smart_hosts: user and password_file go together");
        }
        Ok(())
    }

    /// The networks that mail may be sent to.
    pub(crate) fn allowed(&self) -> anyhow::Result<Vec<Network>> {
        self.networks.iter().map(|text| text.parse().context("queue.networks")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn what_can_not_work_is_refused() {
        let queue = |text: &str| toml::from_str::<Queue>(text).unwrap();
        queue("").check().unwrap();
        queue("networks = ['10.0.0.0/8', '::1']\nworker = 'a'\nworkers = ['a', 'b']").check().unwrap();
        for text in [
            "networks = ['10.0.0.0/99']",
            "deliveries = 0",
            "workers = ['a']",
            "[[smart_hosts]]\nhost = 'x'\nport = 25\ntls = 'off'\nsender_domains = []\ndestinations = []\nuser = 'u'\npassword_file = ''",
        ] {
            assert!(queue(text).check().is_err(), "{text}");
        }
        assert!(toml::from_str::<Queue>("delivery = 1").is_err());
    }
}
