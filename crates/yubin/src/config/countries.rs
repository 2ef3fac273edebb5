//! `[smtp.countries]`: from which countries logins to send may come.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_frontend::{CountriesConfig, UnknownCountry};
use yubin_types::{CountryCode, limits};

use super::edge::networks;

/// From where may be sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Countries {
    /// The database; none: countries don't matter.
    pub(crate) database: Option<PathBuf>,
    /// Where accounts may send from that neither have a rule nor their domains; empty: from everywhere.
    pub(crate) permitted: Vec<String>,
    /// Networks whose country does not matter.
    pub(crate) exempt_networks: Vec<String>,
    /// What becomes of addresses that the database doesn't know.
    pub(crate) unknown: Unknown,
}

/// What becomes of addresses that the database doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unknown {
    /// One may send from there.
    Permit,
    /// One may not.
    Refuse,
}

impl Default for Countries {
    fn default() -> Self {
        let exempt = ["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
        Countries {
            database: None,
            permitted: Vec::new(),
            exempt_networks: exempt.map(str::to_owned).to_vec(),
            unknown: Unknown::Permit,
        }
    }
}

impl Countries {
    /// As a front end is told; none without a database.
    pub(crate) fn settings(&self) -> anyhow::Result<Option<CountriesConfig>> {
        let code =
            |text: &String| CountryCode::parse(text).with_context(|| format!("smtp.countries.permitted: {text}"));
        let permitted = self.permitted.iter().map(code).collect::<anyhow::Result<Vec<_>>>()?;
        let most = limits::COUNTRIES_MAX;
        ensure!(permitted.len() <= most, "smtp.countries.permitted: at most {most}");
        let exempt = networks(&self.exempt_networks, "smtp.countries.exempt_networks")?;
        ensure!(
            self.database.is_some() || permitted.is_empty(),
            "smtp.countries.database: needed where countries are named"
        );
        let unknown = match self.unknown {
            Unknown::Permit => UnknownCountry::Permit,
            Unknown::Refuse => UnknownCountry::Refuse,
        };
        Ok(self.database.clone().map(|database| CountriesConfig { database, permitted, exempt, unknown }))
    }
}

#[cfg(test)]
mod tests {
    use super::Countries;

    #[test]
    fn what_can_not_work_is_refused() {
        let told = |text: &str| toml::from_str::<Countries>(text).unwrap();
        assert!(told("").settings().unwrap().is_none());
        assert!(told("database = 'countries.mmdb'\npermitted = ['jp', 'US']").settings().unwrap().is_some());
        for text in [
            "permitted = ['JP']",
            "database = 'x'\npermitted = ['Japan']",
            "database = 'x'\nexempt_networks = ['10.0.0.0/99']",
        ] {
            assert!(told(text).settings().is_err(), "{text}");
        }
    }
}
