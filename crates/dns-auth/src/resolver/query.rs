//! One question to the name servers: sent, retried, validated, and its CNAMEs followed.
//!
//! Stands on the library's transport and validator directly, not on its resolver: that one loses what the validator says of the
//! aliases on the way, and of names without a record. A chain of CNAMEs (RFC 1034 §3.6.2) is followed within a reply first, then by
//! further questions, up to [`limits::DNS_ALIASES_MAX`]; its answer is as secure as its weakest link (RFC 4035 §4.3). Questions under
//! way are shared by the library's pool. Search lists and the hosts file are never consulted: mail names are complete.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverOpts};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle as _, FirstAnswer as _, RetryDnsHandle};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use rustls::{ClientConfig, RootCertStore};
use yubin_types::limits;

use super::answer::{LookupError, Security, TemporaryCause, Validation};
use super::cache::Question;
use super::{ConfigError, ResolverConfig};

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The records of the type asked for, or why there are none.
    pub(super) result: Result<Records, LookupError>,
    /// How long this holds; 0 for what must not be remembered.
    pub(super) ttl_seconds: u32,
    /// What the messages weighed.
    pub(super) bytes: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Records {
    pub(super) data: Vec<RData>,
    pub(super) security: Security,
    /// Where they stand: the name asked for, or the end of its aliases.
    pub(super) name: Name,
}

type Plain = RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>;

/// The way to the name servers.
pub(super) struct Exchange {
    plain: Plain,
    validating: DnssecDnsHandle<Plain>,
    timeout: Duration,
}

impl Exchange {
    pub(super) fn new(
        servers: Vec<NameServerConfig>,
        anchors: TrustAnchors,
        config: &ResolverConfig,
    ) -> Result<Exchange, ConfigError> {
        let mut options = ResolverOpts::default();
        options.timeout = config.attempt_timeout;
        options.attempts = config.retries;
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        // Beside this many questions on one TCP connection others wait; UDP has no such bound.
        options.max_active_requests = 256;
        let pool = NameServerPool::from_config(
            servers,
            Arc::new(PoolContext::new(options, no_tls()?)),
            TokioRuntimeProvider::default(),
        );
        let plain = RetryDnsHandle::new(pool, config.retries);
        let validating = DnssecDnsHandle::with_trust_anchor(plain.clone(), Arc::new(anchors));
        Ok(Exchange { plain, validating, timeout: config.timeout })
    }

    /// Asks, within the time allowed.
    pub(super) async fn ask(&self, question: &Question) -> Outcome {
        match tokio::time::timeout(self.timeout, Box::pin(self.follow(question))).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::failure(error),
            Err(_) => Outcome::failure(LookupError::Temporary(TemporaryCause::Timeout)),
        }
    }

    /// Asks and follows aliases.
    async fn follow(&self, question: &Question) -> Result<Outcome, LookupError> {
        let mut name = question.name.clone();
        let mut chain = Chain::new(question.validation);
        loop {
            let reply = self.send(&name, question).await?;
            chain.bytes += reply.bytes;
            let asked = name.clone();
            while let Some((record, target)) = reply.alias(&name) {
                chain.pass(record)?;
                name = target;
            }
            let data = chain.collect(&reply, &name, question.kind)?;
            if !data.is_empty() {
                let security = chain.security.and(reply.ceiling);
                return Ok(Outcome {
                    result: Ok(Records { data, security, name }),
                    ttl_seconds: chain.ttl_seconds,
                    bytes: chain.bytes,
                });
            }
            if name == asked || reply.code == ResponseCode::NXDomain {
                return Ok(chain.negative(&reply));
            }
        }
    }

    async fn send(&self, name: &Name, question: &Question) -> Result<Reply, LookupError> {
        let query = Query::query(name.clone(), question.kind);
        let options = DnsRequestOptions::default();
        let response = match question.validation {
            Validation::Off => self.plain.lookup(query, options).first_answer().await,
            Validation::On => self.validating.lookup(query, options).first_answer().await,
        };
        match response {
            Ok(response) => Reply::read(response, Security::Secure),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => Ok(Reply {
                code: none.response_code,
                answers: Vec::new(),
                authorities: Vec::new(),
                negative_ttl_seconds: none.negative_ttl,
                ceiling: Security::Secure,
                bytes: 0,
            }),
            // What proves that there is no record, or no nearer wildcard, is not signed well enough.
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) if proof != Proof::Bogus => {
                Reply::read(*response, Security::Insecure)
            }
            Err(NetError::Dns(DnsError::Nsec { .. } | DnsError::DnssecBogus)) => Err(LookupError::Bogus),
            Err(NetError::Dns(_)) => Err(LookupError::Temporary(TemporaryCause::ServerFailure)),
            Err(NetError::Timeout) => Err(LookupError::Temporary(TemporaryCause::Timeout)),
            Err(_) => Err(LookupError::Temporary(TemporaryCause::Network)),
        }
    }
}

impl Outcome {
    fn failure(error: LookupError) -> Outcome {
        Outcome { result: Err(error), ttl_seconds: 0, bytes: 0 }
    }
}

/// What one message said.
struct Reply {
    code: ResponseCode,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    negative_ttl_seconds: Option<u32>,
    /// The most that can be said of this reply.
    ceiling: Security,
    bytes: usize,
}

impl Reply {
    fn read(response: DnsResponse, ceiling: Security) -> Result<Reply, LookupError> {
        let (negative_ttl_seconds, bytes) = (response.negative_ttl(), response.as_buffer().len());
        let message = response.into_message();
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(Reply {
                code: message.metadata.response_code,
                answers: message.answers,
                authorities: message.authorities,
                negative_ttl_seconds,
                ceiling,
                bytes,
            }),
            _ => Err(LookupError::Temporary(TemporaryCause::ServerFailure)),
        }
    }

    /// The CNAME that stands at this name.
    fn alias(&self, name: &Name) -> Option<(&Record, Name)> {
        self.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *name => Some((record, target.0.clone())),
            _ => None,
        })
    }

    /// Is it proven that there is nothing?
    fn denial(&self) -> Security {
        let proofs = || self.authorities.iter().filter(|record| !record.record_type().is_rrsig());
        if proofs().next().is_some() && proofs().all(|record| record.proof == Proof::Secure) {
            Security::Secure
        } else {
            Security::Insecure
        }
    }
}

/// What holds for all links of a chain of aliases so far.
struct Chain {
    security: Security,
    ttl_seconds: u32,
    aliases: usize,
    bytes: usize,
}

impl Chain {
    fn new(validation: Validation) -> Chain {
        let security = match validation {
            Validation::Off => Security::Unchecked,
            Validation::On => Security::Secure,
        };
        Chain { security, ttl_seconds: u32::MAX, aliases: 0, bytes: 0 }
    }

    /// Goes through an alias.
    fn pass(&mut self, record: &Record) -> Result<(), LookupError> {
        self.aliases += 1;
        if self.aliases > limits::DNS_ALIASES_MAX {
            return Err(LookupError::Temporary(TemporaryCause::Aliases));
        }
        self.note(record)
    }

    /// The records of this type at the end of the chain.
    fn collect(&mut self, reply: &Reply, name: &Name, kind: RecordType) -> Result<Vec<RData>, LookupError> {
        let found = reply.answers.iter().filter(|record| record.record_type() == kind && record.name == *name);
        let mut data = Vec::new();
        for record in found.take(limits::DNS_RECORDS_MAX) {
            self.note(record)?;
            data.push(record.data.clone());
        }
        Ok(data)
    }

    fn note(&mut self, record: &Record) -> Result<(), LookupError> {
        self.ttl_seconds = self.ttl_seconds.min(record.ttl);
        if self.security != Security::Unchecked {
            self.security = self.security.and(match record.proof {
                Proof::Bogus => return Err(LookupError::Bogus),
                Proof::Secure => Security::Secure,
                Proof::Insecure | Proof::Indeterminate => Security::Insecure,
            });
        }
        Ok(())
    }

    fn negative(&self, reply: &Reply) -> Outcome {
        let security = self.security.and(reply.ceiling).and(reply.denial());
        let error = match reply.code {
            ResponseCode::NXDomain => LookupError::NoDomain(security),
            _ => LookupError::NoData(security),
        };
        // Without an SOA it must not be remembered (RFC 2308 §5).
        let ttl_seconds = reply.negative_ttl_seconds.unwrap_or(0).min(self.ttl_seconds);
        Outcome { result: Err(error), ttl_seconds, bytes: self.bytes }
    }
}

/// Name servers are asked in clear; the library wants a configuration all the same, and its own reads the system's certificates.
pub(super) fn no_tls() -> Result<TlsConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(|error| ConfigError::Tls(error.to_string()))?;
    Ok(TlsConfig { config: builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth() })
}
