//! The command line of `yubin ctl account forward`.

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum ForwardVerb {
    /// Forward its mail from now on, in place of how it was forwarded before. Junk stays; so does what would go in a circle.
    Set {
        /// The account's address.
        address: String,
        /// 1 to 5 addresses.
        #[arg(required = true)]
        targets: Vec<String>,
        /// Keep no copy in the mailbox; mail is then taken even where the mailbox is full.
        #[arg(long)]
        no_copy: bool,
    },
    /// Show it: targets that refused message after message are suspended, and why.
    Show {
        /// The account's address.
        address: String,
    },
    /// Forward no more.
    Clear {
        /// The account's address.
        address: String,
    },
    /// Forward to suspended targets again.
    Resume {
        /// The account's address.
        address: String,
    },
}
