//! What mail asks of the DNS, and what it proves with it: where mail goes, and whether the one who takes it is the right one.
//!
//! - [`resolver`]: typed lookups with DNSSEC validation: mail exchangers, addresses, TXT, PTR, TLSA.
//!
//! An edge crate: it talks to name servers and to policy hosts, and to nothing else of the house. It decides nothing about mail: what
//! an answer means for a message is for `policy` and the queue to say. TLS is rustls on ring.

pub mod resolver;

pub use resolver::{
    Addresses, Answer, ConfigError, Destination, HostSource, LookupError, MailHosts, MxHost, NameServers, Resolver,
    ResolverConfig, Route, Security, TemporaryCause, TlsaRecord, TrustAnchor, Validation,
};
