//! The command line of `yubin ctl account auto-reply`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::output::parse_time;

#[derive(Subcommand)]
pub(crate) enum AutoReplyVerb {
    /// Answer its mail by itself from now on, in place of how it answered before. Junk, lists and what programs send is never answered.
    Set(SetAutoReplyArgs),
    /// Show it, and how many senders were answered.
    Show {
        /// The account's address.
        address: String,
    },
    /// Answer no more, and forget what was written.
    Clear {
        /// The account's address.
        address: String,
    },
}

#[derive(Args)]
pub(crate) struct SetAutoReplyArgs {
    /// The account's address.
    pub(crate) address: String,
    /// The text.
    #[arg(long, required_unless_present = "text_file", conflicts_with = "text_file")]
    pub(crate) text: Option<String>,
    /// A file with the text, in UTF-8.
    #[arg(long, value_name = "FILE")]
    pub(crate) text_file: Option<PathBuf>,
    /// The subject; without one, that of each message behind `Auto:`.
    #[arg(long, default_value = "")]
    pub(crate) subject: String,
    /// From when on: 2026-12-29 (UTC), or 2026-12-29T09:00+09:00.
    #[arg(long, value_parser = parse_time)]
    pub(crate) from: Option<u64>,
    /// Until when, written like --from.
    #[arg(long, value_parser = parse_time)]
    pub(crate) until: Option<u64>,
    /// Days between two answers to one sender, 1 to 90.
    #[arg(long, default_value_t = 7)]
    pub(crate) days: u32,
    /// Answer mail too that does not name an address of the account in To or Cc.
    #[arg(long)]
    pub(crate) everything: bool,
    /// Forward nothing while mail is answered: it stays in the mailbox.
    #[arg(long)]
    pub(crate) stop_forward: bool,
    /// Keep it switched off.
    #[arg(long)]
    pub(crate) off: bool,
}
