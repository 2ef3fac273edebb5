//! The name servers that each part asks, and who looks up what hosted domains have published.
//!
//! Verification, the queue and the check of published records have settings of their own, since they may run on different machines. Where
//! none are named, the system's are asked.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use yubin_dns_auth::mta_sts::FetchConfig;
use yubin_dns_auth::published::Inspector;
use yubin_dns_auth::tls::system_roots;
use yubin_dns_auth::{AddressScope, NameServers};

use crate::config::Config;

/// Those that are named, or the system's.
pub(crate) fn name_servers(named: &[SocketAddr]) -> NameServers {
    match named {
        [] => NameServers::System,
        addresses => NameServers::Addresses(addresses.to_vec()),
    }
}

/// Looks up what hosted domains have published.
pub(crate) fn inspector(config: &Config) -> anyhow::Result<Inspector> {
    let fetch = FetchConfig { roots: Arc::new(system_roots()), port: 443, scope: AddressScope::Public };
    Inspector::new(name_servers(&config.dns.name_servers), fetch).context("dns")
}
