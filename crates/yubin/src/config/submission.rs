//! `[smtp.submission]`: what users may send.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_frontend::{AuthorRule, AuthorsConfig};
use yubin_types::{SenderName, limits};

/// What users may send.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Submission {
    /// Whom From may name.
    pub(crate) from: FromRule,
    /// Accounts, or domains whose accounts, may name anybody.
    pub(crate) from_exempt: Vec<String>,
}

/// Whom From may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FromRule {
    /// Anybody.
    Off,
    /// As hosted; anybody if Sender or a Resent field names the account.
    Sender,
    /// The account, and whoever is not hosted here.
    #[default]
    Hosted,
    /// The account.
    Strict,
}

impl Submission {
    /// As a front end is told.
    pub(crate) fn authors(&self) -> anyhow::Result<AuthorsConfig> {
        let most = limits::AUTHORS_EXEMPT_MAX;
        ensure!(self.from_exempt.len() <= most, "smtp.submission.from_exempt: at most {most}");
        let name =
            |text: &String| SenderName::parse(text).with_context(|| format!("smtp.submission.from_exempt: {text}"));
        let rule = match self.from {
            FromRule::Off => AuthorRule::Off,
            FromRule::Sender => AuthorRule::Sender,
            FromRule::Hosted => AuthorRule::Hosted,
            FromRule::Strict => AuthorRule::Strict,
        };
        Ok(AuthorsConfig { rule, exempt: self.from_exempt.iter().map(name).collect::<anyhow::Result<_>>()? })
    }
}
