//! `[store.peer_tls]`: certificates between store nodes. Files are read when the store opens, which says what is wrong with them.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use yubin_store::TlsFiles;
use yubin_types::DomainName;

/// What a store node shows other nodes, and wants to see of them: certificates of an authority of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerTls {
    /// This node's certificate chain, PEM, leaf first.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
    /// The authority that signed every node's certificate, PEM.
    pub(crate) authority: PathBuf,
    /// The DNS name that every node's certificate carries.
    pub(crate) name: String,
}

impl PeerTls {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let name = &self.name;
        DomainName::parse(name).map(drop).with_context(|| format!("store.peer_tls.name: {name} is no host name"))
    }
}

impl From<PeerTls> for TlsFiles {
    fn from(told: PeerTls) -> Self {
        TlsFiles { certificate: told.certificate, key: told.key, authority: told.authority, name: told.name }
    }
}
