//! Mutual TLS between nodes, from PEM files. Without it, peers speak plain text and the network
//! between them must be private.
//!
//! Both sides present a certificate of the cluster's own authority. The name in it is the cluster's,
//! not a host's: which node answers is settled by the exchange of identities.

use std::io;
use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};

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
    /// Reads the files; an error names the one that can't be read, or says what is wrong with them.
    pub(crate) fn load(files: &TlsFiles) -> io::Result<Self> {
        let tls = Self {
            identity: Identity::from_pem(read(&files.certificate)?, read(&files.key)?),
            authority: Certificate::from_pem(read(&files.authority)?),
            name: files.name.clone(),
        };
        // Said now rather than when the first peer is met.
        Server::builder().tls_config(tls.server()).map_err(|error| unfit(&error))?;
        Endpoint::from_static("https://peer").tls_config(tls.client()).map_err(|error| unfit(&error))?;
        Ok(tls)
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

fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn unfit(error: &tonic::transport::Error) -> io::Error {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    io::Error::new(io::ErrorKind::InvalidInput, format!("certificates of peers: {cause}"))
}
