//! `[queue]`: how mail leaves.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_queue::warm_up::SCHEDULE_DEFAULT;
use yubin_queue::{KnownBy, Profile, RetrySchedule};
use yubin_types::{DomainName, Network, limits};

use super::pools::{AddressFamily, Pool, pools};

/// How mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Queue {
    /// This worker's name, unique in the cluster; empty: the host name and the node's id.
    pub(crate) worker: String,
    /// The names of all workers, the same everywhere: they share destinations. Empty for a worker alone.
    pub(crate) workers: Vec<String>,
    /// Messages that a new address sends per day to each destination, from its first day on.
    pub(crate) warm_up: Vec<u32>,
    /// Which addresses of a destination without a profile are tried first.
    pub(crate) address_family: AddressFamily,
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
    /// Is forwarded mail sealed (ARC)?
    pub(crate) arc: Switch,
    /// Deliveries under way at a time.
    pub(crate) deliveries: usize,
    /// Due deliveries that wait in memory.
    pub(crate) waiting: usize,
    /// Deliveries to one destination at a time, once it has shown that it takes them.
    pub(crate) deliveries_per_destination: u32,
    /// How long mail waits after its first attempts, seconds; each later wait is twice the one before.
    pub(crate) retry_seconds: Vec<u64>,
    /// The longest wait between attempts, seconds.
    pub(crate) retry_seconds_max: u64,
    /// How long leases of deliveries last, seconds.
    pub(crate) lease_seconds: u64,
    /// Addresses that mail is sent from; without any the system chooses.
    pub(crate) pools: Vec<Pool>,
    /// Ways for some mail: the first that fits the sender's domain and the destination.
    pub(crate) smart_hosts: Vec<SmartHost>,
    /// Receivers and what they take, beside those that ship or in their place.
    pub(crate) receivers: Vec<Receiver>,
}

/// A receiver of mail and what it takes, from this worker.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receiver {
    /// Its name; one of a shipped profile takes its place.
    pub(crate) name: String,
    /// Its domains, and those below them.
    pub(crate) domains: Vec<String>,
    /// Its MX hosts, and those below them.
    pub(crate) mx_hosts: Vec<String>,
    /// Deliveries at a time.
    pub(crate) deliveries: u32,
    /// Deliveries per minute; 0: any number.
    pub(crate) deliveries_per_minute: u32,
    /// Recipients of one transaction.
    pub(crate) recipients_per_transaction: usize,
    /// Transactions of one connection.
    pub(crate) transactions_per_connection: u32,
    /// The first pause of a destination that wants less, seconds.
    pub(crate) pause_seconds: u64,
    /// The longest pause, seconds.
    pub(crate) pause_seconds_max: u64,
    /// Which of its addresses are tried first.
    pub(crate) address_family: AddressFamily,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// Yes.
    #[default]
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
            warm_up: SCHEDULE_DEFAULT.to_vec(),
            address_family: AddressFamily::default(),
            own_addresses: Vec::new(),
            networks: Vec::new(),
            port: 25,
            name_servers: Vec::new(),
            dnssec: Switch::On,
            arc: Switch::Off,
            deliveries: 500,
            waiting: 20_000,
            deliveries_per_destination: 20,
            retry_seconds: limits::RETRY_FIRST_WAITS_SECONDS_DEFAULT.to_vec(),
            retry_seconds_max: limits::RETRY_WAIT_SECONDS_MAX_DEFAULT,
            lease_seconds: 30,
            pools: Vec::new(),
            smart_hosts: Vec::new(),
            receivers: Vec::new(),
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
        ensure!((5..=limits::QUEUE_LEASE_SECONDS_MAX).contains(&self.lease_seconds), "queue.lease_seconds: 5 to 3600");
        self.schedule()?;
        pools(&self.pools, &self.warm_up)?;
        for smart_host in &self.smart_hosts {
            let paired = smart_host.user.is_empty() == smart_host.password_file.as_os_str().is_empty();
            ensure!(paired, "queue.smart_hosts: user and password_file go together");
        }
        self.receivers.iter().try_for_each(Receiver::check)
    }

    /// Refuses what a process that sends mail can't work with. The others may read the same file.
    pub(crate) fn check_worker(&self) -> anyhow::Result<()> {
        let named = self.workers.is_empty() || self.workers.contains(&self.worker);
        ensure!(named, "queue.workers: must list this worker, queue.worker");
        Ok(())
    }

    /// When mail is tried again.
    pub(crate) fn schedule(&self) -> anyhow::Result<RetrySchedule> {
        let lifetime = limits::QUEUE_LIFETIME_SECONDS_DEFAULT;
        let schedule = RetrySchedule::new(self.retry_seconds.clone(), self.retry_seconds_max, lifetime);
        schedule.context("queue.retry_seconds")
    }

    /// The networks that mail may be sent to.
    pub(crate) fn allowed(&self) -> anyhow::Result<Vec<Network>> {
        self.networks.iter().map(|text| text.parse().context("queue.networks")).collect()
    }
}

impl Receiver {
    fn check(&self) -> anyhow::Result<()> {
        let names = self.domains.iter().chain(&self.mx_hosts);
        names.clone().try_for_each(|name| DomainName::parse(name).map(drop)).context("queue.receivers")?;
        ensure!(
            !self.name.is_empty() && names.count() > 0,
            "queue.receivers: each has a name, and domains or MX hosts"
        );
        let named_after_hosts = self.name.starts_with(yubin_queue::receiver::MX_PREFIX);
        ensure!(!named_after_hosts, "queue.receivers: names that begin with mx: are those of MX hosts");
        ensure!((1..=1_000).contains(&self.deliveries), "queue.receivers: deliveries: 1 to 1000");
        let recipients = self.recipients_per_transaction;
        ensure!((1..=100).contains(&recipients), "queue.receivers: recipients_per_transaction: 1 to 100");
        ensure!(self.transactions_per_connection > 0, "queue.receivers: transactions_per_connection: at least 1");
        let ordered = self.pause_seconds > 0 && self.pause_seconds <= self.pause_seconds_max;
        ensure!(ordered, "queue.receivers: pause_seconds: at least 1, and at most pause_seconds_max");
        ensure!(self.pause_seconds_max <= 86_400, "queue.receivers: pause_seconds_max: at most 86400");
        Ok(())
    }

    /// As the worker is told.
    pub(crate) fn profile(&self) -> anyhow::Result<Profile> {
        let names = |names: &[String]| -> anyhow::Result<Vec<DomainName>> {
            names.iter().map(|name| DomainName::parse(name).context("queue.receivers")).collect()
        };
        Ok(Profile {
            name: self.name.clone(),
            domains: names(&self.domains)?,
            mx_hosts: names(&self.mx_hosts)?,
            deliveries_max: self.deliveries,
            per_minute_max: self.deliveries_per_minute,
            recipients_per_transaction_max: self.recipients_per_transaction,
            transactions_per_connection_max: self.transactions_per_connection,
            pause_seconds: self.pause_seconds,
            pause_seconds_max: self.pause_seconds_max,
            prefers: self.address_family.into(),
            known_by: KnownBy::Profile,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn what_can_not_work_is_refused() {
        let queue = |text: &str| toml::from_str::<Queue>(text).unwrap();
        queue("").check().unwrap();
        queue("networks = ['10.0.0.0/8', '::1']").check().unwrap();
        queue("worker = 'a'\nworkers = ['a', 'b']").check_worker().unwrap();
        assert!(queue("workers = ['a']").check_worker().is_err());
        let receiver = |pause: u64, domains: &str| {
            format!(
                "[[receivers]]\nname = 'docomo'\ndomains = {domains}\nmx_hosts = []\ndeliveries = 8\ndeliveries_per_minute = 0\n\
                 recipients_per_transaction = 10\ntransactions_per_connection = 10\npause_seconds = {pause}\npause_seconds_max = 600\n\
                 address_family = 'ipv6'\n"
            )
        };
        queue(&receiver(600, "['docomo.ne.jp']")).check().unwrap();
        let named_after_hosts = receiver(60, "['docomo.ne.jp']").replace("'docomo'", "'mx:mx.a.example'");
        for text in
            [receiver(601, "['docomo.ne.jp']"), receiver(0, "['docomo.ne.jp']"), receiver(60, "[]"), named_after_hosts]
        {
            assert!(queue(&text).check().is_err(), "{text}");
        }
        for text in [
            "networks = ['10.0.0.0/99']",
            "deliveries = 0",
            "lease_seconds = 4",
            "retry_seconds = [9]",
            "retry_seconds = []",
            "retry_seconds_max = 1799",
            "[[smart_hosts]]\nhost = 'x'\nport = 25\ntls = 'off'\nsender_domains = []\ndestinations = []\nuser = 'u'\npassword_file = ''",
        ] {
            assert!(queue(text).check().is_err(), "{text}");
        }
        assert!(toml::from_str::<Queue>("delivery = 1").is_err());
    }
}
