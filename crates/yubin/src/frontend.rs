//! The front end's settings from the configuration.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use yubin_dns_auth::https::HttpsClient;
use yubin_dns_auth::tls::system_roots;
use yubin_dns_auth::verify::{DnsList, Verifier};
use yubin_dns_auth::{AddressScope, ConfigError, Resolver, ResolverConfig};
use yubin_frontend::{
    CertificateFiles, DmarcHandling, DomainRules, FrontendConfig, GuessingRule, InboundConfig, IssuersConfig, ListRule,
    ListenerConfig, ListenerTls, PlaintextLogin, Protocol, ReverseDnsRule, TlsSource,
};
use yubin_types::{DomainName, limits};

use crate::config::Config;
use crate::config::inbound::{self as told, domains};
use crate::config::logins::{Guessing, Issuer};
use crate::config::queue::Switch;
use crate::dns::name_servers;

/// Memory for incoming messages, all connections together, bytes.
const SPOOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// What the front end is told.
pub(crate) fn settings(config: &Config) -> anyhow::Result<FrontendConfig> {
    let listen = &config.listen;
    let services = [
        ("smtp", &listen.smtp, Protocol::Mx, ListenerTls::Upgrade),
        ("submission", &listen.submission, Protocol::Submission, ListenerTls::Upgrade),
        ("submissions", &listen.submissions, Protocol::Submission, ListenerTls::Implicit),
        ("lmtp", &listen.lmtp, Protocol::Lmtp, ListenerTls::Upgrade),
        ("pop3", &listen.pop3, Protocol::Pop3, ListenerTls::Upgrade),
        ("pop3s", &listen.pop3s, Protocol::Pop3, ListenerTls::Implicit),
        ("imap", &listen.imap, Protocol::Imap, ListenerTls::Upgrade),
        ("imaps", &listen.imaps, Protocol::Imap, ListenerTls::Implicit),
    ];
    let listener = |name: &str, address: SocketAddr, protocol, tls| ListenerConfig {
        name: name.to_owned(),
        protocol,
        address,
        tls,
        plaintext_login: PlaintextLogin::Refuse,
    };
    let listeners = services
        .iter()
        .flat_map(|(name, addresses, protocol, tls)| {
            addresses.iter().map(|address| listener(name, *address, *protocol, *tls))
        })
        .collect();
    Ok(FrontendConfig {
        hostname: config.hostname.clone(),
        utc_offset: config.imap.utc_offset,
        listeners,
        tls: Some(tls_source(config)),
        spool_directory: config.data_dir.join("spool"),
        spool_memory_bytes_max: SPOOL_MEMORY_BYTES_MAX,
        spool_file_bytes_max: u64::from(config.smtp.spool_mib) << 20,
        connections: config.connections.settings()?,
        message_bytes_max: limits::MESSAGE_BYTES_MAX,
        lmtp: config.smtp.lmtp()?,
        xclient: config.smtp.xclient()?,
        authors: config.smtp.submission.authors()?,
        postmaster: config.smtp.postmaster()?,
        priority_max: config.smtp.priority_max,
        proxies: config.proxy.networks()?,
        networks: config.limits.settings()?,
        tarpit: config.smtp.tarpit(),
        inbound: inbound(config)?,
        countries: config.smtp.countries.settings()?,
        content: Some(config.smtp.content()?),
        guessing: guessing(&config.logins.guessing)?,
        issuers: issuers(config)?,
    })
}

/// How much guessing of passwords is suffered, if there is a limit.
fn guessing(told: &Guessing) -> anyhow::Result<Option<GuessingRule>> {
    let rule = GuessingRule {
        trusted: told.trusted()?,
        failures_per_account: told.failures_per_account,
        failures_per_network: told.failures_per_network,
        window_seconds: told.window_seconds,
        ipv4_prefix_bits: told.ipv4_prefix_bits,
        ipv6_prefix_bits: told.ipv6_prefix_bits,
    };
    Ok((told.defence == Switch::On).then_some(rule))
}

/// Whose tokens are taken, if there are any.
fn issuers(config: &Config) -> anyhow::Result<Option<IssuersConfig>> {
    if config.logins.issuers.is_empty() {
        return Ok(None);
    }
    let issuers = config.logins.issuers.iter().map(Issuer::settings).collect::<anyhow::Result<_>>()?;
    let client = HttpsClient::new(Arc::new(system_roots()), AddressScope::Any).context("logins.issuers")?;
    Ok(Some(IssuersConfig { issuers, resolver: resolver(config).context("logins.issuers")?, client: Arc::new(client) }))
}

fn resolver(config: &Config) -> Result<Resolver, ConfigError> {
    let nameservers = name_servers(&config.smtp.inbound.name_servers);
    Resolver::new(&ResolverConfig { nameservers, ..ResolverConfig::default() })
}

/// How mail from other servers is verified, if it is.
fn inbound(config: &Config) -> anyhow::Result<Option<InboundConfig>> {
    let told = &config.smtp.inbound;
    if told.verification == Switch::Off {
        return Ok(None);
    }
    let verifier = Verifier::new(resolver(config).context("smtp.inbound")?).context("smtp.inbound")?;
    let zones = domains(told.lists.iter().map(|list| &list.zone), "smtp.inbound.lists: zone")?;
    let list = |(zone, list): (DomainName, &told::List)| {
        let (score, lookup) = (list.score, list.lookup.clone());
        Ok(DnsList { zone, score, lookup, answers: list.answers()? })
    };
    let hosted = domains(told.domains.iter().map(|rules| &rules.domain), "smtp.inbound.domains: domain")?;
    let of_domains = hosted.into_iter().zip(&told.domains);
    Ok(Some(InboundConfig {
        verifier,
        exempt: told.exempt()?,
        rules: rules(told.dmarc, told.reverse_dns),
        domains: of_domains.map(|(name, own)| (name, rules(own.dmarc, own.reverse_dns))).collect(),
        trusted_forwarders: domains(&told.trusted_forwarders, "smtp.inbound.trusted_forwarders")?,
        lists: zones.into_iter().zip(&told.lists).map(list).collect::<anyhow::Result<_>>()?,
        list_rule: ListRule { refuse: told.refuse_score, junk: told.junk_score },
        greylisting: config.smtp.greylisting.settings()?,
        hosts: config.dns.mx_hosts.clone(),
        reports: config.reports.organization(&config.hostname)?.map(|organization| organization.from),
    }))
}

fn rules(dmarc: told::DmarcHandling, reverse_dns: told::ReverseDns) -> DomainRules {
    DomainRules {
        dmarc: match dmarc {
            told::DmarcHandling::Enforce => DmarcHandling::Enforce,
            told::DmarcHandling::Junk => DmarcHandling::Junk,
            told::DmarcHandling::Report => DmarcHandling::Report,
        },
        reverse_dns: match reverse_dns {
            told::ReverseDns::Accept => ReverseDnsRule::Accept,
            told::ReverseDns::Require => ReverseDnsRule::Require,
        },
    }
}

fn tls_source(config: &Config) -> TlsSource {
    if config.tls.certificates.is_empty() {
        let mut names = vec![config.hostname.clone()];
        if config.hostname != "localhost" {
            names.push("localhost".to_owned());
        }
        return TlsSource::SelfSigned { directory: config.data_dir.join("tls"), names };
    }
    let files = |certificate: &crate::config::Certificate| CertificateFiles {
        certificate: certificate.chain.clone(),
        key: certificate.key.clone(),
    };
    TlsSource::Files(config.tls.certificates.iter().map(files).collect())
}
