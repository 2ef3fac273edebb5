//! `[dns]`: what hosted domains publish in the DNS, as `yubin ctl domain dns` tells their owners.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_admin::DnsSettings;
use yubin_dns_auth::mta_sts::Mode;
use yubin_dns_auth::published::OptionalRecords;
use yubin_types::{Address, DomainName};

/// What hosted domains publish in the DNS.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dns {
    /// The MX hosts, the preferred one first; none: `hostname`.
    pub(crate) mx_hosts: Vec<String>,
    /// The SPF record.
    pub(crate) spf: String,
    /// The host that users' mail programs connect to; empty: domains announce none (RFC 6186).
    pub(crate) client_host: String,
    /// The web server that tells programs their settings; empty: domains announce none.
    pub(crate) autoconfig_host: String,
    /// Where aggregate reports of DMARC go; empty: nowhere.
    pub(crate) dmarc_reports: String,
    /// Where reports of TLS go; empty: nowhere.
    pub(crate) tls_reports: String,
    /// Whether domains announce that mail must come over TLS (RFC 8461).
    pub(crate) mta_sts: MtaSts,
    /// Name servers that are asked what domains have published, `address:port`; none: those of the system.
    pub(crate) name_servers: Vec<SocketAddr>,
}

/// How strictly hosted domains' MTA-STS policy is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MtaSts {
    /// There is none.
    #[default]
    Off,
    /// Failures are reported.
    Testing,
    /// Mail that can't come over TLS does not come.
    Enforce,
}

impl Default for Dns {
    fn default() -> Self {
        Dns {
            mx_hosts: Vec::new(),
            spf: "v=spf1 mx ~all".to_owned(),
            client_host: String::new(),
            autoconfig_host: String::new(),
            dmarc_reports: String::new(),
            tls_reports: String::new(),
            mta_sts: MtaSts::Off,
            name_servers: Vec::new(),
        }
    }
}

impl Dns {
    /// The records' parts, checked.
    pub(crate) fn settings(&self, hostname: &str) -> anyhow::Result<DnsSettings> {
        let named: Vec<&str> = self.mx_hosts.iter().map(String::as_str).collect();
        let hosts = if named.is_empty() { vec![hostname] } else { named };
        let sound = (self.spf == "v=spf1" || self.spf.starts_with("v=spf1 "))
            && self.spf.len() <= 255
            && self.spf.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        ensure!(sound, "dns.spf: begins with v=spf1 and has at most 255 ASCII characters");
        let optional = OptionalRecords {
            client_host: unless_empty(&self.client_host, |text| host(text, "dns.client_host"))?,
            autoconfig_host: unless_empty(&self.autoconfig_host, |text| host(text, "dns.autoconfig_host"))?,
            dmarc_reports: unless_empty(&self.dmarc_reports, |text| mailbox(text, "dns.dmarc_reports"))?,
            tls_reports: unless_empty(&self.tls_reports, |text| mailbox(text, "dns.tls_reports"))?,
            mta_sts: match self.mta_sts {
                MtaSts::Off => None,
                MtaSts::Testing => Some(Mode::Testing),
                MtaSts::Enforce => Some(Mode::Enforce),
            },
        };
        Ok(DnsSettings {
            mx_hosts: hosts.into_iter().map(|text| host(text, "dns.mx_hosts")).collect::<Result<_, _>>()?,
            spf: self.spf.clone(),
            optional,
        })
    }
}

fn unless_empty<T>(text: &str, read: impl FnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn host(text: &str, key: &'static str) -> anyhow::Result<DomainName> {
    DomainName::parse(text).with_context(|| format!("{key}: {text} is no host name"))
}

/// An address that stands in a URI as it is.
fn mailbox(text: &str, key: &'static str) -> anyhow::Result<Address> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+".contains(&byte);
    ensure!(text.bytes().all(plain), "{key}: {text} has more than letters, digits and . - _ + before and after its @");
    Address::parse(text).with_context(|| format!("{key}: {text} is no address"))
}
