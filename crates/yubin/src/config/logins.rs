//! `[logins]`: how users log in.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_frontend::{IssuerConfig, KeySource, TokenRule};
use yubin_types::{DomainName, Network};

use super::inbound::domains;
use super::queue::Switch;

/// How users log in.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logins {
    /// How much guessing of passwords is suffered.
    pub(crate) guessing: Guessing,
    /// Issuers whose tokens are taken in place of passwords.
    pub(crate) issuers: Vec<Issuer>,
}

/// An issuer of tokens (OAuth 2.0, OpenID Connect).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// What its tokens say in `iss`.
    pub(crate) issuer: String,
    /// What they say in `aud`, alone or among others.
    pub(crate) audience: String,
    /// Its keys: a page, `https://...`, or a file.
    pub(crate) keys: String,
    /// The claim that holds the mail address.
    pub(crate) claim: String,
    /// The hosted domains whose users it may name; empty: all.
    pub(crate) domains: Vec<String>,
}

/// How much guessing of passwords is suffered.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Guessing {
    /// Does who guesses have to wait?
    pub(crate) defence: Switch,
    /// From there nothing is counted.
    pub(crate) trusted_networks: Vec<String>,
    /// Different wrong passwords for one account from one network within the window.
    pub(crate) failures_per_account: u64,
    /// Failed logins from one network within the window.
    pub(crate) failures_per_network: u64,
    /// In which an allowance grows back, seconds.
    pub(crate) window_seconds: u64,
    /// What one network is, bits of an IPv4 address.
    pub(crate) ipv4_prefix_bits: u8,
    /// What one network is, bits of an IPv6 address.
    pub(crate) ipv6_prefix_bits: u8,
}

impl Default for Guessing {
    fn default() -> Self {
        Guessing {
            defence: Switch::On,
            trusted_networks: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            failures_per_account: 10,
            failures_per_network: 100,
            window_seconds: 3_600,
            ipv4_prefix_bits: 32,
            ipv6_prefix_bits: 64,
        }
    }
}

impl Guessing {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.trusted()?;
        let counts = 1..=1_000_000;
        ensure!(counts.contains(&self.failures_per_account), "logins.guessing.failures_per_account: 1 to 1000000");
        ensure!(counts.contains(&self.failures_per_network), "logins.guessing.failures_per_network: 1 to 1000000");
        ensure!((60..=86_400).contains(&self.window_seconds), "logins.guessing.window_seconds: 60 to 86400");
        ensure!((8..=32).contains(&self.ipv4_prefix_bits), "logins.guessing.ipv4_prefix_bits: 8 to 32");
        ensure!((16..=128).contains(&self.ipv6_prefix_bits), "logins.guessing.ipv6_prefix_bits: 16 to 128");
        Ok(())
    }

    /// From where nothing is counted.
    pub(crate) fn trusted(&self) -> anyhow::Result<Vec<Network>> {
        self.trusted_networks.iter().map(|text| text.parse().context("logins.guessing.trusted_networks")).collect()
    }
}

impl Logins {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.guessing.check()?;
        for (place, issuer) in self.issuers.iter().enumerate() {
            let known = self.issuers.iter().take(place).any(|other| other.issuer == issuer.issuer);
            ensure!(!known, "logins.issuers: {} is there twice", issuer.issuer);
            issuer.settings()?;
        }
        Ok(())
    }
}

impl Issuer {
    /// As the front end is told.
    pub(crate) fn settings(&self) -> anyhow::Result<IssuerConfig> {
        for (value, key) in [(&self.issuer, "issuer"), (&self.audience, "audience"), (&self.claim, "claim")] {
            ensure!(!value.is_empty(), "logins.issuers: {key} must not be empty");
        }
        let rule = TokenRule {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            address_claim: self.claim.clone(),
        };
        let domains = domains(&self.domains, "logins.issuers: domains")?;
        Ok(IssuerConfig { rule, keys: self.source().context("logins.issuers: keys")?, domains })
    }

    fn source(&self) -> anyhow::Result<KeySource> {
        let Some(address) = self.keys.strip_prefix("https://") else {
            ensure!(
                !self.keys.is_empty() && !self.keys.contains("://"),
                "{:?} is neither https:// nor a file",
                self.keys
            );
            return Ok(KeySource::File(self.keys.clone().into()));
        };
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let path = format!("/{path}");
        ensure!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{path:?} is no path");
        Ok(KeySource::Https {
            host: DomainName::parse(host).with_context(|| format!("{host} is no host name"))?,
            port: port.parse().with_context(|| format!("{port} is no port"))?,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use yubin_frontend::KeySource;
    use yubin_types::DomainName;

    use super::{Guessing, Issuer, Logins};

    const ISSUER: &str =
        "{ issuer = 'https://login.example', audience = 'mail', keys = 'KEYS', claim = 'email', domains = [] }";

    #[test]
    fn keys_are_a_page_or_a_file() {
        let source = |keys: &str| {
            let logins: Logins = toml::from_str(&format!("issuers = [{}]", ISSUER.replace("KEYS", keys))).unwrap();
            logins.check()?;
            logins.issuers.iter().map(Issuer::settings).next().unwrap().map(|settings| settings.keys)
        };
        let page = |port, path: &str| KeySource::Https {
            host: DomainName::parse("login.example").unwrap(),
            port,
            path: path.into(),
        };
        assert_eq!(source("https://login.example/keys?v=1").unwrap(), page(443, "/keys?v=1"));
        assert_eq!(source("https://login.example:8443").unwrap(), page(8_443, "/"));
        assert_eq!(source("/etc/yubin/keys.json").unwrap(), KeySource::File("/etc/yubin/keys.json".into()));
        for wrong in
            ["", "http://login.example/keys", "https://", "https://login.example:x/", "https://a/b c", "https://a b/"]
        {
            assert!(source(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn issuers_that_can_not_work_are_refused() {
        let good = ISSUER.replace("KEYS", "keys.json");
        let check = |issuers: &str| toml::from_str::<Logins>(&format!("issuers = [{issuers}]")).unwrap().check();
        check(&good).unwrap();
        for wrong in [
            format!("{good}, {good}"),
            good.replace("'mail'", "''"),
            good.replace("'email'", "''"),
            good.replace("[]", "['a b']"),
        ] {
            assert!(check(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_can_not_work_is_refused() {
        let guessing = |text: &str| toml::from_str::<Guessing>(text).unwrap();
        guessing("").check().unwrap();
        guessing("defence = 'off'\nipv6_prefix_bits = 48").check().unwrap();
        for text in [
            "trusted_networks = ['10.0.0.0/99']",
            "failures_per_account = 0",
            "failures_per_network = 1000001",
            "window_seconds = 59",
            "ipv4_prefix_bits = 33",
            "ipv6_prefix_bits = 0",
        ] {
            assert!(guessing(text).check().is_err(), "{text}");
        }
    }
}
