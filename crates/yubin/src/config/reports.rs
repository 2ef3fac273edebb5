//! `[reports]`: what other domains are told of their mail and of TLS with their hosts.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_dns_auth::reports::Organization;
use yubin_types::{Address, limits};

/// Whether other domains get the reports that they ask for, and in whose name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reports {
    /// Whom reports are from, an address of a hosted domain; empty: none are sent.
    pub(crate) from: String,
    /// The organization's name in them; empty: `hostname`.
    pub(crate) organization: String,
    /// How to reach somebody about them; empty: `from`.
    pub(crate) contact: String,
}

impl Reports {
    /// Who reports; none if nobody does.
    pub(crate) fn organization(&self, hostname: &str) -> anyhow::Result<Option<Organization>> {
        for (key, text) in [("organization", &self.organization), ("contact", &self.contact)] {
            let sound = text.len() <= limits::REPORT_NAME_BYTES_MAX && !text.chars().any(char::is_control);
            ensure!(sound, "reports.{key}: at most {} bytes on one line", limits::REPORT_NAME_BYTES_MAX);
        }
        if self.from.is_empty() {
            return Ok(None);
        }
        let name = if self.organization.is_empty() { hostname } else { &self.organization };
        let from = Address::parse(&self.from).with_context(|| format!("reports.from: {} is no address", self.from))?;
        ensure!(self.from.is_ascii(), "reports.from: {} is not ASCII, which receivers need", self.from);
        Ok(Some(Organization { name: name.to_owned(), from, contact: self.contact.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::Reports;

    #[test]
    fn nobody_reports_unless_from_is_set() {
        let told = |text: &str| toml::from_str::<Reports>(text).unwrap().organization("mx.host.example");
        assert!(told("organization = 'Host'").unwrap().is_none());
        let organization = told("from = 'dmarc@host.example'").unwrap().unwrap();
        assert_eq!(
            (organization.name.as_str(), organization.from.domain.as_str()),
            ("mx.host.example", "host.example")
        );
        for wrong in
            ["from = 'host.example'", "from = '郵@host.example'", "contact = \"a\\nb\"", "organization = \"\\u0007\""]
        {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }
}
