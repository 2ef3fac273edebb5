//! Configuration: one TOML file, parsed once into checked types.
//!
//! Unknown keys are refused. Every key has a default, so that no file at all is a working single process; `yubin config print` shows
//! the whole with its values, `yubin config check` refuses what can't work. Secrets are files, never values. For whoever writes one,
//! docs/configuration.md says the same; a test holds the two together.

pub(crate) mod countries;
pub(crate) mod dns;
pub(crate) mod edge;
pub(crate) mod greylist;
pub(crate) mod inbound;
pub(crate) mod logins;
pub(crate) mod peer_tls;
pub(crate) mod pools;
pub(crate) mod queue;
pub(crate) mod reports;
pub(crate) mod scan;
pub(crate) mod spam;
pub(crate) mod submission;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use yubin_types::{DomainName, UtcOffset};

use self::peer_tls::PeerTls;

/// Everything a process is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The name in greetings, `Received` fields and the self-signed certificate.
    pub(crate) hostname: String,
    /// Where everything is kept: the store, the spool of incoming messages, keys and tokens.
    pub(crate) data_dir: PathBuf,
    /// What this process does: any of "store", "frontend", "queue", "admin".
    pub(crate) roles: Vec<Role>,
    /// Addresses to listen on; an empty list turns a service off, port 0 takes any free port.
    pub(crate) listen: Listen,
    /// Proxies and load balancers in front of this process.
    pub(crate) proxy: edge::Proxy,
    /// How many connections each service has.
    pub(crate) connections: edge::Connections,
    /// How much one network may have of the front ends.
    pub(crate) limits: edge::Limits,
    /// The store role.
    pub(crate) store: Store,
    /// The queue role.
    pub(crate) queue: queue::Queue,
    /// SMTP of the front ends.
    pub(crate) smtp: inbound::Smtp,
    /// Reports to other domains.
    pub(crate) reports: reports::Reports,
    /// IMAP of the front ends.
    pub(crate) imap: Imap,
    /// Logins at the front ends.
    pub(crate) logins: logins::Logins,
    /// Certificates of the front ends.
    pub(crate) tls: Tls,
    /// The secret that all front ends of a cluster share.
    pub(crate) secrets: Secrets,
    /// What hosted domains publish in the DNS.
    pub(crate) dns: dns::Dns,
    /// Logs and traces.
    pub(crate) telemetry: Telemetry,
    /// How long a shutdown waits for sessions and deliveries to end, seconds; all else is over 15 seconds later.
    pub(crate) drain_seconds: u64,
}

/// A part of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Keeps mail: a replica of Raft groups on this machine's disk.
    Store,
    /// Speaks SMTP, POP3 and IMAP.
    Frontend,
    /// Sends queued mail on.
    Queue,
    /// Offers the admin API.
    Admin,
}

/// Addresses to listen on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// SMTP for the world (RFC 5321, port 25).
    pub(crate) smtp: Vec<SocketAddr>,
    /// Submission with STARTTLS (RFC 6409, port 587).
    pub(crate) submission: Vec<SocketAddr>,
    /// Submission over TLS (RFC 8314, port 465).
    pub(crate) submissions: Vec<SocketAddr>,
    /// LMTP for own machines (RFC 2033), with STARTTLS.
    pub(crate) lmtp: Vec<SocketAddr>,
    /// POP3 with STLS (RFC 1939, port 110).
    pub(crate) pop3: Vec<SocketAddr>,
    /// POP3 over TLS (RFC 8314, port 995).
    pub(crate) pop3s: Vec<SocketAddr>,
    /// IMAP with STARTTLS (IMAP4rev1, RFC 3501, port 143).
    pub(crate) imap: Vec<SocketAddr>,
    /// IMAP over TLS (RFC 8314, port 993).
    pub(crate) imaps: Vec<SocketAddr>,
    /// The admin API (gRPC).
    pub(crate) admin: Vec<SocketAddr>,
    /// `/livez`, `/readyz`, `/metrics`.
    pub(crate) http: Vec<SocketAddr>,
    /// The store service (gRPC), for front ends in other processes; unauthenticated: keep it inside the cluster's network.
    pub(crate) store: Vec<SocketAddr>,
}

/// The store role, and where stores are.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// This node's id; never another node's, even after this one is gone.
    pub(crate) node: u64,
    /// The cluster's id, 32 hex digits, the same everywhere; empty for a node alone.
    pub(crate) cluster_id: String,
    /// Where other store nodes connect; none for a node alone.
    pub(crate) peer_listen: Option<SocketAddr>,
    /// Certificates that store nodes show each other; without them nodes speak plain text.
    pub(crate) peer_tls: Option<PeerTls>,
    /// The store nodes that the cluster begins with; empty for a node alone. A store that is not listed waits to be added.
    pub(crate) members: Vec<Member>,
    /// Data groups that a new cluster begins with.
    pub(crate) data_groups: u32,
    /// Memory for buffers and caches, MiB.
    pub(crate) memory_mib: usize,
    /// Free space of the disk that new mail leaves alone, MiB: below it mail is refused for a time, and deleting still works.
    pub(crate) reserve_mib: u64,
    /// MiB of the disk that the mail log takes at most.
    pub(crate) mail_log_mib: u64,
    /// Threads of Raft's own runtime.
    pub(crate) raft_threads: usize,
    /// How this process reaches a store in itself.
    pub(crate) transport: Transport,
}

/// How a process reaches the store that runs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// By a function call.
    Direct,
    /// Through gRPC on a loopback port, as from another process.
    Grpc,
}

/// A store node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// Its id.
    pub(crate) id: u64,
    /// Where other store nodes reach it, `host:port`.
    pub(crate) peer: String,
    /// Where front ends reach its store service, `host:port`.
    pub(crate) store: String,
}

/// IMAP.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Imap {
    /// The clock by which the days of a search begin and end and times are shown, as far as it is ahead of UTC.
    pub(crate) utc_offset: UtcOffset,
}

/// Certificates.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// Certificate chains and their keys, PEM; chosen by SNI among the names in them, the first where none fits. None at all: a
    /// self-signed one for `hostname` is made in the data folder.
    pub(crate) certificates: Vec<Certificate>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// The chain, leaf first.
    pub(crate) chain: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Where secrets are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Secrets {
    /// 32 random bytes in hex that key the fast password verifiers and seal DKIM keys; the same file on every front end, queue
    /// worker and administration. A process alone makes its own at the first start, `cluster-secret` in the data folder.
    pub(crate) cluster_secret: Option<PathBuf>,
}

/// Logs and traces.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// What is logged, as `tracing` filters say it, such as "info,openraft=warn,yubin_frontend=debug".
    pub(crate) log_filter: String,
    /// Where traces are sent (OTLP over gRPC), such as "http://collector:4317"; none: nowhere.
    pub(crate) otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            hostname: "localhost".to_owned(),
            data_dir: PathBuf::from("data"),
            roles: vec![Role::Store, Role::Frontend, Role::Queue, Role::Admin],
            listen: Listen::default(),
            proxy: edge::Proxy::default(),
            connections: edge::Connections::default(),
            limits: edge::Limits::default(),
            store: Store::default(),
            queue: queue::Queue::default(),
            smtp: inbound::Smtp::default(),
            reports: reports::Reports::default(),
            imap: Imap::default(),
            logins: logins::Logins::default(),
            tls: Tls::default(),
            secrets: Secrets::default(),
            dns: dns::Dns::default(),
            telemetry: Telemetry::default(),
            drain_seconds: 20,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| vec![SocketAddr::from(([127, 0, 0, 1], port))];
        Listen {
            smtp: local(2525),
            submission: local(2587),
            submissions: local(2465),
            lmtp: Vec::new(),
            pop3: local(2110),
            pop3s: local(2995),
            imap: local(2143),
            imaps: local(2993),
            admin: local(2700),
            http: local(2780),
            store: Vec::new(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Store {
            node: 1,
            cluster_id: String::new(),
            peer_listen: None,
            peer_tls: None,
            members: Vec::new(),
            data_groups: 4,
            memory_mib: 256,
            reserve_mib: 512,
            mail_log_mib: 2_048,
            raft_threads: 2,
            transport: Transport::Direct,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry { log_format: LogFormat::Text, log_filter: "info,openraft=warn".to_owned(), otlp_endpoint: None }
    }
}

impl Config {
    /// Reads a file, or takes the defaults where none is given.
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Config::default()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Refuses what can't work, with what to do about it.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.roles.is_empty(), "roles: name at least one of store, frontend, queue, admin");
        DomainName::parse(&self.hostname).with_context(|| format!("hostname: {} is no host name", self.hostname))?;
        ensure!(self.drain_seconds <= 3_600, "drain_seconds: at most 3600");
        ensure!(self.store.node > 0, "store.node: ids begin at 1");
        ensure!((32..=1 << 20).contains(&self.store.memory_mib), "store.memory_mib: 32 to 1048576");
        ensure!(self.store.reserve_mib <= 1 << 20, "store.reserve_mib: at most 1048576");
        ensure!((16..=16_384).contains(&self.store.mail_log_mib), "store.mail_log_mib: 16 to 16384");
        ensure!((1..=1024).contains(&self.store.data_groups), "store.data_groups: 1 to 1024");
        ensure!((1..=64).contains(&self.store.raft_threads), "store.raft_threads: 1 to 64");
        self.store.peer_tls.as_ref().map_or(Ok(()), PeerTls::check)?;
        EnvFilter::try_new(&self.telemetry.log_filter).context("telemetry.log_filter")?;
        self.dns.settings(&self.hostname)?;
        self.cluster_id()?;
        self.queue.check()?;
        if self.has(Role::Queue) {
            self.queue.check_worker()?;
        }
        self.proxy.networks()?;
        self.connections.settings()?;
        self.limits.check()?;
        self.smtp.check()?;
        self.logins.check()?;
        self.reports.organization(&self.hostname)?;
        if !self.has(Role::Store) {
            ensure!(!self.store.members.is_empty(), "store.members: needed in a process without the store role");
        } else if self.store.members.iter().any(|member| member.id != self.store.node) {
            ensure!(self.store.peer_listen.is_some(), "store.peer_listen: needed where there are other nodes");
            ensure!(self.cluster_id()?.is_some(), "store.cluster_id: needed where there are other nodes");
        }
        self.check_cluster_secret()
    }

    /// A secret that a process makes for itself is one that no other process has.
    fn check_cluster_secret(&self) -> anyhow::Result<()> {
        let uses_it = self.roles.iter().any(|role| *role != Role::Store);
        let is_alone = self.has(Role::Store) && self.store.members.is_empty();
        ensure!(
            !uses_it || is_alone || self.secrets.cluster_secret.is_some(),
            "secrets.cluster_secret: needed where there are other processes, the same for all \
             (openssl rand -hex 32 makes one)"
        );
        Ok(())
    }

    /// The cluster's id, if one is set.
    pub(crate) fn cluster_id(&self) -> anyhow::Result<Option<u128>> {
        match self.store.cluster_id.as_str() {
            "" => Ok(None),
            hex if hex.len() == 32 => {
                u128::from_str_radix(hex, 16).map(Some).context("store.cluster_id: 32 hex digits")
            }
            _ => bail!("store.cluster_id: 32 hex digits"),
        }
    }

    /// Does this process have the role?
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Certificate, Config, Member, PeerTls};

    const REFERENCE: &str = include_str!("../../../docs/configuration.md");

    #[test]
    fn the_defaults_work_and_print_as_they_parse() {
        let config = Config::default();
        config.check().unwrap();
        let printed = toml::to_string(&config).unwrap();
        let parsed: Config = toml::from_str(&printed).unwrap();
        assert_eq!(toml::to_string(&parsed).unwrap(), printed);
    }

    #[test]
    fn unknown_keys_and_impossible_values_are_refused() {
        for (text, word) in [
            ("hostnam = 'x'", "hostnam"),
            ("[store]\nnodes = 1", "nodes"),
            ("roles = ['smtp']", "smtp"),
            ("[listen]\nsmtp = ['nowhere']", "socket address"),
            ("[smtp]\npriority_max = 10", "a priority is -9 to 9"),
            ("[imap]\nutc_offset = 'JST'", "an offset from UTC is written +09:00"),
        ] {
            let error = toml::from_str::<Config>(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        for (text, key) in [
            ("roles = []", "roles"),
            ("roles = ['frontend']", "store.members"),
            (
                "roles = ['frontend']\n[store]\nmembers = [{ id = 1, peer = 'a:1', store = 'a:2' }]",
                "secrets.cluster_secret",
            ),
            ("[store]\nmembers = [{ id = 1, peer = 'a:1', store = 'a:2' }]", "secrets.cluster_secret"),
            ("hostname = 'mail_1 example'", "hostname"),
            ("drain_seconds = 3601", "drain_seconds"),
            ("[dns]\nmx_hosts = ['mx 1']", "dns.mx_hosts"),
            ("[dns]\nspf = 'spf1 mx'", "dns.spf"),
            ("[dns]\nclient_host = 'mail 1'", "dns.client_host"),
            ("[dns]\nautoconfig_host = 'web 1'", "dns.autoconfig_host"),
            ("[dns]\ndmarc_reports = 'host.example'", "dns.dmarc_reports"),
            ("[dns]\ntls_reports = 'a,b@host.example'", "dns.tls_reports"),
            ("[connections]\nimap = 0", "connections.imap"),
            ("[connections]\nimap = 60000", "connections"),
            ("[store]\nnode = 0", "store.node"),
            ("[store]\ncluster_id = 'xyz'", "store.cluster_id"),
            ("[store]\nmemory_mib = 31", "store.memory_mib"),
            ("[store]\nreserve_mib = 1048577", "store.reserve_mib"),
            ("[store]\nmail_log_mib = 15", "store.mail_log_mib"),
            ("[store]\ndata_groups = 0", "store.data_groups"),
            ("[store]\nraft_threads = 0", "store.raft_threads"),
            ("[store]\nmembers = [{ id = 2, peer = 'a:1', store = 'a:2' }]", "store.peer_listen"),
            ("[store.peer_tls]\ncertificate = 'a'\nkey = 'b'\nauthority = 'c'\nname = 'a b'", "store.peer_tls.name"),
            ("[queue]\ndeliveries = 0", "queue.deliveries"),
            ("[queue]\nworker = 'c'\nworkers = ['a', 'b']", "queue.workers"),
            ("[queue]\nwarm_up = []", "queue.warm_up"),
            ("[queue]\nnetworks = ['10.0.0.0/99']", "queue.networks"),
            ("[smtp.inbound]\nexempt_networks = ['10.0.0.0/99']", "smtp.inbound.exempt_networks"),
            ("[smtp]\npostmaster = 'somebody'", "smtp.postmaster"),
            ("[smtp.inbound]\njunk_score = 0", "smtp.inbound.junk_score"),
            ("[smtp.clamd]\nscans = 0", "smtp.clamd.scans"),
            ("[smtp.rspamd]\naddress = 'scanner'", "smtp.rspamd.address"),
            ("[smtp.spam]\nallow = ['a b@c']", "smtp.spam"),
            ("[smtp]\ntarpit_seconds = 61", "smtp.tarpit_seconds"),
            ("[smtp.greylisting]\ndelay_seconds = 0", "smtp.greylisting.delay_seconds"),
            (
                "[smtp]\ngreylisting = { greylisting = 'on' }\ninbound = { verification = 'off' }",
                "smtp.greylisting: needs smtp.inbound.verification",
            ),
            ("[smtp.countries]\npermitted = ['JP']", "smtp.countries.database"),
            ("[smtp.submission]\nfrom_exempt = ['list']", "smtp.submission.from_exempt"),
            ("[smtp]\nspool_mib = 100", "smtp.spool_mib"),
            ("[smtp]\nlmtp_networks = ['mail']", "smtp.lmtp_networks"),
            ("[smtp]\nxclient_networks = ['mail']", "smtp.xclient_networks"),
            ("[proxy]\nnetworks = ['10.0.0.0/99']", "proxy.networks"),
            ("[limits]\nipv6_prefix = 129", "limits.ipv6_prefix"),
            ("[logins.guessing]\nfailures_per_account = 0", "logins.guessing.failures_per_account"),
            ("[logins.guessing]\ntrusted_networks = ['10.0.0.0/99']", "logins.guessing.trusted_networks"),
            ("[telemetry]\nlog_filter = 'yubin=loud'", "telemetry.log_filter"),
        ] {
            let error = toml::from_str::<Config>(text).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(key), "{text}: {error}");
        }
    }

    #[test]
    fn processes_need_only_what_their_roles_use() {
        let config = |text: &str| toml::from_str::<Config>(text).unwrap();
        let members = "[store]\nmembers = [{ id = 1, peer = 'a:1', store = 'a:2' }]";
        let secret = "[secrets]\ncluster_secret = '/etc/yubin/cluster-secret'";
        // One file for all processes names the workers, and only they are among them.
        let workers = "[queue]\nworkers = ['a', 'b']";
        config(&format!("roles = ['frontend', 'admin']\n{members}\n{secret}\n{workers}")).check().unwrap();
        config(&format!("roles = ['store']\n{members}\n{workers}")).check().unwrap();
        config(&format!("{members}\n{secret}")).check().unwrap();
    }

    #[test]
    fn the_reference_has_every_key_with_its_default_and_no_other() {
        let path = std::path::PathBuf::from;
        let mut full = Config::default();
        full.store.peer_listen = Some(([127, 0, 0, 1], 1).into());
        full.store.members = vec![Member { id: 1, peer: String::new(), store: String::new() }];
        full.store.peer_tls =
            Some(PeerTls { certificate: path(""), key: path(""), authority: path(""), name: String::new() });
        full.tls.certificates = vec![Certificate { chain: path(""), key: path("") }];
        full.queue.smart_hosts = vec![super::queue::SmartHost::default()];
        let addresses = vec![super::pools::Address::default()];
        full.queue.pools = vec![super::pools::Pool { addresses, ..super::pools::Pool::default() }];
        full.queue.receivers = vec![super::queue::Receiver::default()];
        full.logins.issuers = vec![super::logins::Issuer::default()];
        full.smtp.inbound.lists = vec![super::inbound::List::default()];
        full.smtp.inbound.domains = vec![super::inbound::Domain::default()];
        full.smtp.milters = vec![super::scan::Milter::default()];
        full.smtp.spam.recipients = vec![super::spam::Recipient::default()];
        full.secrets.cluster_secret = Some(path(""));
        full.smtp.postmaster = Some(String::new());
        full.smtp.countries.database = Some(path(""));
        full.telemetry.otlp_endpoint = Some(String::new());
        let defaults = keys(&Config::default());
        // Not set by default is `none`; a key inside a list has no default, unless it may be left out.
        let told = |key: String| match defaults.get(&key) {
            Some(value) => (key, format!("`{value}`")),
            None if key == "smtp.inbound.lists[].answers" => (key, "`[]`".to_owned()),
            None if key.contains("[]") => (key, "required".to_owned()),
            None => (key, "none".to_owned()),
        };
        let expected: BTreeMap<String, String> = keys(&full).into_keys().map(told).collect();
        let rows = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert!(cells.len() == 5 && cells.iter().take(4).all(|cell| !cell.is_empty()), "{row}");
            (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned())
        });
        assert_eq!(rows.collect::<BTreeMap<_, _>>(), expected);
    }

    /// Every key with its value; keys of tables in a list, once for all, as `list[].key`.
    fn keys(config: &Config) -> BTreeMap<String, toml::Value> {
        let mut keys = BTreeMap::new();
        collect("", toml::Value::try_from(config).unwrap(), &mut keys);
        keys
    }

    fn collect(prefix: &str, value: toml::Value, keys: &mut BTreeMap<String, toml::Value>) {
        match value {
            toml::Value::Table(table) => {
                let dot = if prefix.is_empty() { "" } else { "." };
                for (key, value) in table {
                    collect(&format!("{prefix}{dot}{key}"), value, keys);
                }
            }
            toml::Value::Array(list) if list.first().is_some_and(toml::Value::is_table) => {
                keys.insert(prefix.to_owned(), toml::Value::Array(Vec::new()));
                for value in list {
                    collect(&format!("{prefix}[]"), value, keys);
                }
            }
            value => {
                keys.insert(prefix.to_owned(), value);
            }
        }
    }
}
