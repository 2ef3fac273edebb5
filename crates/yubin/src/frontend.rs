//! The front end's settings from the configuration.

use std::net::SocketAddr;

use yubin_frontend::{
    CertificateFiles, FrontendConfig, ListenerConfig, ListenerTls, PlaintextLogin, Protocol, TlsSource,
};
use yubin_types::limits;

use crate::config::Config;

/// Memory for incoming messages, all connections together, bytes.
const SPOOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// What the front end is told.
pub(crate) fn settings(config: &Config) -> anyhow::Result<FrontendConfig> {
    let listen = &config.listen;
    let services = [
        ("smtp", &listen.smtp, Protocol::Mx, ListenerTls::Upgrade),
        ("submission", &listen.submission, Protocol::Submission, ListenerTls::Upgrade),
        ("submissions", &listen.submissions, Protocol::Submission, ListenerTls::Implicit),
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
        listeners,
        tls: Some(tls_source(config)),
        spool_directory: config.data_dir.join("spool"),
        spool_memory_bytes_max: SPOOL_MEMORY_BYTES_MAX,
        connections_max: limits::CONNECTIONS_MAX,
        message_bytes_max: limits::MESSAGE_BYTES_MAX,
        postmaster: None,
    })
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
