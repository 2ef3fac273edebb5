//! The command line of `yubin ctl account send-as`.

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum SendAsVerb {
    /// Let it send as another address. What it sends so counts against its own limits, and is signed by the domain of that address.
    Grant {
        /// The account's address.
        account: String,
        /// An account or alias that is hosted here, or @domain for all addresses of a hosted domain.
        #[arg(value_name = "ADDRESS|@DOMAIN")]
        name: String,
    },
    /// Let it no more.
    Revoke {
        /// The account's address.
        account: String,
        /// As it was granted.
        #[arg(value_name = "ADDRESS|@DOMAIN")]
        name: String,
    },
    /// Show what it may send as beside its own addresses.
    Show {
        /// The account's address.
        account: String,
    },
}
