//! `[logins]`: how users log in.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_types::Network;

use super::queue::Switch;

/// How users log in.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logins {
    /// How much guessing of passwords is suffered.
    pub(crate) guessing: Guessing,
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

#[cfg(test)]
mod tests {
    use super::Guessing;

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
