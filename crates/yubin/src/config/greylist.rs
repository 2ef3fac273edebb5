//! `[smtp.greylisting]`: strangers who are asked to come again.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use yubin_frontend::{GreylistTerms, GreylistingConfig, SpfWelcome};
use yubin_types::limits;

use super::inbound::domains;
use super::queue::Switch;

/// Whether strangers are asked to come again, and on which terms.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Greylisting {
    /// Are they?
    pub(crate) greylisting: Switch,
    /// How long a stranger waits, seconds.
    pub(crate) delay_seconds: u64,
    /// Within what time it must come again, hours.
    pub(crate) retry_hours: u64,
    /// How long one that did is welcome after its last visit, days.
    pub(crate) welcome_days: u64,
    /// After so many strangers of a network have come again all of it is welcome; 0: never.
    pub(crate) network_passes: u32,
    /// Whether a host that passes SPF is asked.
    pub(crate) spf_pass: SpfPass,
    /// Hosted domains whose mail it is for; empty: all.
    pub(crate) domains: Vec<String>,
}

/// Whether a host that passes SPF is asked to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SpfPass {
    /// No.
    Welcome,
    /// Like others.
    Wait,
}

impl Default for Greylisting {
    fn default() -> Self {
        Greylisting {
            greylisting: Switch::Off,
            delay_seconds: 300,
            retry_hours: 24,
            welcome_days: 36,
            network_passes: 5,
            spf_pass: SpfPass::Welcome,
            domains: Vec::new(),
        }
    }
}

impl Greylisting {
    /// As a front end is told; none if it is off.
    pub(crate) fn settings(&self) -> anyhow::Result<Option<GreylistingConfig>> {
        let (most, days) = (limits::GREYLIST_DELAY_SECONDS_MAX, limits::GREYLIST_SECONDS_MAX / 86_400);
        ensure!((1..=most).contains(&self.delay_seconds), "smtp.greylisting.delay_seconds: 1 to {most}");
        ensure!((1..=days * 24).contains(&self.retry_hours), "smtp.greylisting.retry_hours: 1 to {}", days * 24);
        let retry_seconds = self.retry_hours * 3_600;
        ensure!(self.delay_seconds < retry_seconds, "smtp.greylisting.retry_hours: longer than delay_seconds");
        ensure!((1..=days).contains(&self.welcome_days), "smtp.greylisting.welcome_days: 1 to {days}");
        let config = GreylistingConfig {
            terms: GreylistTerms {
                delay_seconds: self.delay_seconds,
                retry_seconds,
                welcome_seconds: self.welcome_days * 86_400,
                network_passes: self.network_passes,
            },
            spf_pass: match self.spf_pass {
                SpfPass::Welcome => SpfWelcome::Welcome,
                SpfPass::Wait => SpfWelcome::Wait,
            },
            domains: domains(&self.domains, "smtp.greylisting.domains")?,
        };
        Ok((self.greylisting == Switch::On).then_some(config))
    }
}

#[cfg(test)]
mod tests {
    use super::Greylisting;

    #[test]
    fn what_can_not_work_is_refused_and_off_is_nothing() {
        let told = |text: &str| toml::from_str::<Greylisting>(text).unwrap();
        assert!(told("").settings().unwrap().is_none());
        assert!(told("greylisting = 'on'\ndelay_seconds = 1").settings().unwrap().is_some());
        for text in [
            "delay_seconds = 0",
            "delay_seconds = 3601",
            "delay_seconds = 3600\nretry_hours = 1",
            "retry_hours = 0",
            "welcome_days = 367",
            "domains = ['a b']",
        ] {
            assert!(told(text).settings().is_err(), "{text}");
        }
    }
}
