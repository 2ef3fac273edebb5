//! What mail asks of the DNS, and what it proves with it: where mail goes, and whether the one who takes it is the right one.
//!
//! - [`resolver`]: typed lookups with DNSSEC validation: mail exchangers, addresses, TXT, PTR, TLSA.
//! - [`dane`]: what a mail host's TLSA records demand, and whether its certificate meets it.
//! - [`mta_sts`]: the policy of a domain, fetched and remembered. [`tls_rpt`]: counts of how it went.
//! - [`tls`]: TLS configurations towards mail hosts. [`scope`]: which addresses may be connected to.
//! - [`https`]: one page of the web.
//! - [`dkim`]: keys, and signatures of our own mail. [`header`]: a message taken apart as it goes by.
//! - [`published`]: what a hosted domain's owner has published, what is wrong with it and how to mend it.
//! - [`reports`]: what other domains want to hear of us, and where.
//! - [`verify`]: who sends us mail, and whether it is true: SPF, DKIM, DMARC, ARC, names of addresses, DNS lists.
//!
//! An edge crate: it talks to name servers and to policy hosts, and to nothing else of the house. It decides nothing about mail: what
//! an answer means for a message is for `policy` and the queue to say. TLS is rustls on ring.

pub mod dane;
pub mod dkim;
pub mod header;
pub mod https;
pub mod mta_sts;
pub mod published;
pub mod reports;
pub mod resolver;
pub mod scope;
pub mod tls;
pub mod tls_rpt;
pub mod verify;

pub use resolver::{
    Addresses, Answer, ConfigError, HostSource, LookupError, MailHosts, MxHost, NameServers, Resolver, ResolverConfig,
    Route, Security, TemporaryCause, TlsaRecord, TrustAnchor, Validation,
};
pub use scope::{AddressScope, is_public};
