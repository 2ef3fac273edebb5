//! Typed lookups: what mail asks of the DNS.
//!
//! [`Resolver`] asks the configured recursive name servers, validates DNSSEC itself where the caller wants proof (the `AD` bit of a
//! server across a network proves nothing), follows CNAMEs, and remembers answers within a bound. Names are complete; no search list
//! and no hosts file is consulted. It does not connect to mail hosts and does not choose between addresses.
//!
//! - [`answer`]: answers, how far they are vouched for, and the four ways of having none.
//! - `names`: names that no host could have, as SPF and DKIM make them.
//! - [`route`]: from a domain to the hosts that take its mail (RFC 5321 §5.1, RFC 7505).
//!
//! Run a caching, validating name server (unbound) on each machine: this cache is for bursts. Standards: RFC 1034, 2308, 4033–4035.

pub mod answer;
mod cache;
mod names;
mod query;
pub mod route;

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector, TLSA};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use yubin_types::{DomainName, limits};

pub use answer::{Addresses, Answer, LookupError, MailHosts, MxHost, Security, TemporaryCause, TlsaRecord, Validation};
pub use route::{HostSource, Route};

use cache::{AnswerCache, Question};
pub(crate) use names::Family;
use query::{Exchange, Records};

/// Whom to ask, how long, and from which key on to believe.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// Recursive name servers.
    pub nameservers: NameServers,
    /// For one lookup with everything it needs.
    pub timeout: Duration,
    /// For one question.
    pub attempt_timeout: Duration,
    /// How often an unanswered question is asked again.
    pub retries: usize,
    /// What remembered answers may weigh, bytes.
    pub cache_bytes_max: u64,
    /// Where validation begins.
    pub trust_anchor: TrustAnchor,
}

impl Default for ResolverConfig {
    fn default() -> ResolverConfig {
        ResolverConfig {
            nameservers: NameServers::System,
            timeout: Duration::from_secs(limits::DNS_LOOKUP_SECONDS_MAX),
            attempt_timeout: Duration::from_secs(limits::DNS_ATTEMPT_SECONDS_MAX),
            retries: limits::DNS_RETRIES,
            cache_bytes_max: limits::DNS_CACHE_BYTES_MAX,
            trust_anchor: TrustAnchor::Iana,
        }
    }
}

/// Recursive name servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameServers {
    /// Those of `/etc/resolv.conf`, read once.
    System,
    /// These, over UDP and TCP.
    Addresses(Vec<SocketAddr>),
}

/// Where DNSSEC validation begins (RFC 4033 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustAnchor {
    /// The keys of the root zone, as IANA publishes them.
    Iana,
    /// DNSKEY records in zone file form, of the root or of any other zone.
    Keys(String),
}

/// Why a resolver can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The system has no readable configuration.
    #[error("the system's name servers are unknown: {0}")]
    System(String),
    /// There is nobody to ask.
    #[error("no name server is configured")]
    NoNameServer,
    /// The trust anchor is not a list of DNSKEY records.
    #[error("the trust anchor can't be read: {0}")]
    TrustAnchor(String),
    /// The TLS library refuses its own defaults.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// Asks the DNS. A clone shares connections and memory with its original; needs a tokio runtime.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Exchange,
    cache: AnswerCache,
}

impl Resolver {
    /// A resolver; asks nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: &ResolverConfig) -> Result<Resolver, ConfigError> {
        let servers = match &config.nameservers {
            NameServers::System => read_system_conf().map_err(|e| ConfigError::System(e.to_string()))?.0.name_servers,
            NameServers::Addresses(addresses) => addresses.iter().copied().map(server).collect(),
        };
        if servers.is_empty() {
            return Err(ConfigError::NoNameServer);
        }
        let anchors = match &config.trust_anchor {
            TrustAnchor::Iana => TrustAnchors::default(),
            TrustAnchor::Keys(text) => {
                TrustAnchors::from_str(text).map_err(|error| ConfigError::TrustAnchor(error.to_string()))?
            }
        };
        let exchange = Exchange::new(servers, anchors, config)?;
        let cache = AnswerCache::new(config.cache_bytes_max);
        Ok(Resolver { shared: Arc::new(Shared { exchange, cache }) })
    }

    /// The mail exchangers of a domain, by preference. Equal preferences come in an order drawn from `seed` (RFC 5321 §5.1: the
    /// sender must spread load over them). No MX record is [`LookupError::NoData`]; [`Resolver::route`] knows what follows from it.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn mx(
        &self,
        domain: &DomainName,
        seed: u64,
        validation: Validation,
    ) -> Result<Answer<MailHosts>, LookupError> {
        let records = self.records(domain, RecordType::MX, validation).await?;
        Ok(Answer { value: route::mail_hosts(&records.data, seed), security: records.security })
    }

    /// The addresses of a host, IPv4 and IPv6. One family is enough: an error of the other is passed over, unless it is the answer
    /// that was forged or nothing was found at all.
    ///
    /// # Errors
    /// [`LookupError`]: that of the family which may still have an address, if one does.
    pub async fn addresses(&self, host: &DomainName, validation: Validation) -> Result<Answer<Addresses>, LookupError> {
        let (v4, v6) = tokio::join!(
            self.records(host, RecordType::A, validation),
            self.records(host, RecordType::AAAA, validation)
        );
        let security = match (&v4, &v6) {
            (Err(LookupError::Bogus), _) | (_, Err(LookupError::Bogus)) => return Err(LookupError::Bogus),
            (Ok(v4), Ok(v6)) => v4.security.and(v6.security),
            (Ok(records), Err(_)) | (Err(_), Ok(records)) => records.security,
            (Err(v4), Err(v6)) => return Err(if v4.is_temporary() { *v4 } else { *v6 }),
        };
        let mut value = Addresses::default();
        for records in v4.into_iter().chain(v6) {
            value.canonical = host_name(&records.name);
            for data in records.data {
                match data {
                    RData::A(address) => value.v4.push(address.0),
                    RData::AAAA(address) => value.v6.push(address.0),
                    _ => {}
                }
            }
        }
        Ok(Answer { value, security })
    }

    /// The texts of a name, each record's strings joined without anything between (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn txt(&self, name: &DomainName, validation: Validation) -> Result<Answer<Vec<String>>, LookupError> {
        let records = self.records(name, RecordType::TXT, validation).await?;
        let texts = records.data.iter().filter_map(|data| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(Answer { value: texts.collect(), security: records.security })
    }

    /// The names an address claims to have (RFC 1035 §3.5); names that no host can have are left out. A claim is proven only by
    /// looking the name up.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn ptr(&self, address: IpAddr, validation: Validation) -> Result<Answer<Vec<DomainName>>, LookupError> {
        let records = self.ask(Question { name: Name::from(address), kind: RecordType::PTR, validation }).await?;
        let names = records.data.iter().filter_map(|data| match data {
            RData::PTR(name) => host_name(&name.0),
            _ => None,
        });
        Ok(Answer { value: names.collect(), security: records.security })
    }

    /// The TLSA records of a host's TCP port (RFC 6698 §3), always validated: without proof they mean nothing (RFC 7672 §2.2).
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn tlsa(&self, host: &DomainName, port: u16) -> Result<Answer<Vec<TlsaRecord>>, LookupError> {
        let name = format!("_{port}._tcp.{host}");
        let records = self.records(&name, RecordType::TLSA, Validation::On).await?;
        let found = records.data.iter().filter_map(|data| match data {
            RData::TLSA(record) => Some(tlsa_record(record)),
            _ => None,
        });
        Ok(Answer { value: found.collect(), security: records.security })
    }

    async fn records(
        &self,
        name: &impl Display,
        kind: RecordType,
        validation: Validation,
    ) -> Result<Records, LookupError> {
        // A name too long for the DNS can't exist in it.
        let name = Name::from_ascii(format!("{name}.")).map_err(|_| LookupError::NoDomain(Security::Unchecked))?;
        self.ask(Question { name, kind, validation }).await
    }

    async fn ask(&self, question: Question) -> Result<Records, LookupError> {
        let shared = &self.shared;
        if let Some(outcome) = shared.cache.get(&question) {
            return outcome.result.clone();
        }
        let outcome = Arc::new(shared.exchange.ask(&question).await);
        shared.cache.put(question, &outcome);
        outcome.result.clone()
    }
}

/// A resolver of the library that has nobody to ask: for code of the library that wants one and is given its answers beforehand.
pub(crate) fn mute_resolver() -> Result<hickory_resolver::TokioResolver, ConfigError> {
    let config = hickory_resolver::config::ResolverConfig::from_name_servers(Vec::new());
    let builder = hickory_resolver::TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.with_tls_config(query::no_tls()?.config).build().map_err(|error| ConfigError::Tls(error.to_string()))
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// A name that a host can have, in lower case.
fn host_name(name: &Name) -> Option<DomainName> {
    DomainName::parse(&name.to_lowercase().to_ascii()).ok()
}

fn tlsa_record(record: &TLSA) -> TlsaRecord {
    TlsaRecord {
        usage: CertUsage::into(record.cert_usage),
        selector: Selector::into(record.selector),
        matching: Matching::into(record.matching),
        data: record.cert_data.clone(),
    }
}
