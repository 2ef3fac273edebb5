//! The queue worker's settings from the configuration, and the DNS that it asks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use yubin_dns_auth::https::HttpsClient;
use yubin_dns_auth::mta_sts::FetchConfig;
use yubin_dns_auth::tls::{PeerCheck, client_config, system_roots};
use yubin_dns_auth::verify::Verifier;
use yubin_dns_auth::{AddressScope, Resolver, ResolverConfig};
use yubin_proto::StoreClient;
use yubin_queue::{
    Dns, Dnssec, MailHosts, PermittedAddresses, QueueConfig, SmartHost, SmartHostName, SmartHostTls, TlsReports,
};
use yubin_reports::{Metrics, Reporter, ReporterConfig};
use yubin_session::sasl::Credentials;
use yubin_store::StoreSettings;
use yubin_types::{DestinationName, DomainName, Secret, limits};

use crate::config::{Config, pools, queue as told};
use crate::dns::name_servers;

/// What the worker is told.
pub(crate) fn settings(config: &Config, cluster_secret: &Secret) -> anyhow::Result<QueueConfig> {
    let queue = &config.queue;
    let hostname = DomainName::parse(&config.hostname).context("hostname")?;
    let worker = match queue.worker.as_str() {
        "" => format!("{}-{}", config.hostname, config.store.node),
        name => name.to_owned(),
    };
    let mut settings = QueueConfig::new(worker, hostname, cluster_secret);
    settings.workers.clone_from(&queue.workers);
    settings.pools = pools::pools(&queue.pools, &queue.warm_up)?;
    settings.prefers = queue.address_family.into();
    settings.port = queue.port;
    settings.scope = PermittedAddresses { allowed: queue.allowed()?, own: own_addresses(config) };
    settings.deliveries_max = queue.deliveries;
    settings.waiting_max = queue.waiting;
    settings.pace.lanes_max = queue.deliveries_per_destination;
    settings.profiles = queue.receivers.iter().map(told::Receiver::profile).collect::<anyhow::Result<_>>()?;
    settings.schedule = queue.schedule()?;
    if queue.arc == told::Switch::On {
        settings.arc_hosts = std::iter::once(&config.hostname).chain(&config.dns.mx_hosts).cloned().collect();
    }
    settings.lease = Duration::from_secs(queue.lease_seconds);
    if config.reports.organization(&config.hostname)?.is_some() {
        settings.tls_reports = TlsReports::Count;
    }
    settings.smart_hosts = queue.smart_hosts.iter().map(smart_host).collect::<anyhow::Result<_>>()?;
    Ok(settings)
}

/// The DNS as the worker asks it, and as the reporter does.
pub(crate) fn resolver(config: &Config) -> anyhow::Result<Resolver> {
    let nameservers = name_servers(&config.queue.name_servers);
    Resolver::new(&ResolverConfig { nameservers, ..ResolverConfig::default() }).context("queue")
}

/// Who sends reports to other domains, if anybody does.
pub(crate) fn reporter(
    config: &Config,
    worker: &QueueConfig,
    store: &Arc<StoreClient>,
    resolver: Resolver,
    registry: &mut Registry,
) -> anyhow::Result<Option<Reporter>> {
    let Some(organization) = config.reports.organization(&config.hostname)? else { return Ok(None) };
    let lateness = Duration::from_secs(limits::REPORT_TAKEOVER_SECONDS) * worker.rank("reports");
    let post_retry = Duration::from_secs(limits::REPORT_POST_RETRY_SECONDS);
    let told = ReporterConfig { organization, lateness, post_retry, clock: StoreSettings::system_clock() };
    let verifier = Verifier::new(resolver).context("reports")?;
    // What strangers publish must not lead to machines of this network.
    let client = HttpsClient::new(Arc::new(system_roots()), AddressScope::Public).context("reports")?;
    Ok(Some(Reporter::new(Arc::clone(store), (verifier, client), told, Metrics::register(registry))))
}

/// What the worker is told of mail hosts.
pub(crate) fn mail_hosts(config: &Config, resolver: Resolver) -> anyhow::Result<Arc<dyn MailHosts>> {
    let dnssec = match config.queue.dnssec {
        told::Switch::On => Dnssec::Validate,
        told::Switch::Off => Dnssec::Ignore,
    };
    let fetch = FetchConfig { roots: Arc::new(system_roots()), port: 443, scope: AddressScope::Public };
    let dns = Dns::new(resolver, dnssec, fetch)?;
    let folder = config.data_dir.join("mta-sts");
    let dns = dns.keeping_policies_in(folder.clone()).with_context(|| format!("reading {}", folder.display()))?;
    Ok(Arc::new(dns))
}

/// Where this process takes mail for hosted domains, as far as its addresses tell.
fn own_addresses(config: &Config) -> Vec<IpAddr> {
    let listening = config.listen.smtp.iter().filter(|address| address.port() == config.queue.port);
    let named = listening.map(SocketAddr::ip).filter(|address| !address.is_unspecified());
    config.queue.own_addresses.iter().copied().chain(named).collect()
}

fn smart_host(told: &told::SmartHost) -> anyhow::Result<SmartHost> {
    let login = if told.user.is_empty() {
        None
    } else {
        let path = &told.password_file;
        let password = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Some(Credentials::new(told.user.as_bytes(), password.trim_ascii_end()).context("queue.smart_hosts")?)
    };
    let host = match told.host.parse::<IpAddr>() {
        Ok(address) => SmartHostName::Address(address),
        Err(_) => SmartHostName::Name(DomainName::parse(&told.host).context("queue.smart_hosts: host")?),
    };
    let verified = || anyhow::Ok(Arc::new(client_config(PeerCheck::WebPki(Arc::new(system_roots())))?));
    let domain = |text: &String| DomainName::parse(text).context("queue.smart_hosts: sender_domains");
    let destination = |text: &String| DestinationName::parse(text).context("queue.smart_hosts: destinations");
    Ok(SmartHost {
        sender_domains: told.sender_domains.iter().map(domain).collect::<anyhow::Result<_>>()?,
        destinations: told.destinations.iter().map(destination).collect::<anyhow::Result<_>>()?,
        host,
        port: told.port,
        tls: match told.tls {
            told::SmartHostTls::Implicit => SmartHostTls::Implicit(verified()?),
            told::SmartHostTls::Starttls => SmartHostTls::StartTls(verified()?),
            told::SmartHostTls::Opportunistic => SmartHostTls::Opportunistic,
            told::SmartHostTls::Off => SmartHostTls::Off,
        },
        login,
    })
}
