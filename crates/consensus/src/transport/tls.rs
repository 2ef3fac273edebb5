//! Mutual TLS between nodes, from PEM files. Without it, peers speak plain text and the network
//! between them must be private.
//!
//! Both sides present a certificate of the cluster's own authority. The name in it is the cluster's,
//! not a host's: which node answers is settled by the exchange of identities.

use std::io;
use std::path::PathBuf;

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// Where the files are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// This node's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that signed every node's certificate, PEM.
    pub authority: PathBuf,
    /// The DNS name that every node's certificate carries.
    pub name: String,
}

/// The files' contents.
#[derive(Clone)]
pub(crate) struct Tls {
    identity: Identity,
    authority: Certificate,
    name: String,
}

impl Tls {
    /// Reads the files. What is in them is checked when they are used.
    pub(crate) fn load(files: &TlsFiles) -> io::Result<Self> {
        Ok(Self {
            identity: Identity::from_pem(std::fs::read(&files.certificate)?, std::fs::read(&files.key)?),
            authority: Certificate::from_pem(std::fs::read(&files.authority)?),
            name: files.name.clone(),
        })
    }

    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(self.identity.clone()).client_ca_root(self.authority.clone())
    }

    pub(crate) fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .identity(self.identity.clone())
            .ca_certificate(self.authority.clone())
            .domain_name(self.name.clone())
    }
}
