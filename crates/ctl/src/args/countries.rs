//! `yubin ctl countries`: its arguments.

use clap::{Args, Subcommand};

use crate::output::parse_time;

#[derive(Subcommand)]
pub(crate) enum CountriesVerb {
    /// Show the rules of a domain, or of an account and its domain.
    Show {
        /// Domain or address.
        name: String,
    },
    /// Set the rule, in place of the one before.
    Set(SetCountriesArgs),
    /// Forget the rule: as the domain says; for a domain, as the front ends are configured.
    Clear {
        /// Domain or address.
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct SetCountriesArgs {
    /// Domain or address.
    pub(crate) name: String,
    /// Countries that may be sent from: JP,US. Without this and --anywhere it stays as the domain, or the configuration, says.
    #[arg(long, value_delimiter = ',', value_name = "CODES", conflicts_with = "anywhere")]
    pub(crate) only: Vec<String>,
    /// From everywhere.
    #[arg(long)]
    pub(crate) anywhere: bool,
    /// Until then from everywhere, like 2026-12-29 or 2026-12-29T09:00+09:00; then as set.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) off_until: Option<u64>,
}
