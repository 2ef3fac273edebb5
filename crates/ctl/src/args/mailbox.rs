//! The command line of `yubin ctl mailbox`.

use clap::{Args, Subcommand};

use super::super::output::{now_ms, parse_seconds};

#[derive(Subcommand)]
pub(crate) enum MailboxVerb {
    /// List an account's.
    List {
        /// Its address.
        address: String,
    },
    /// Delete all messages of a mailbox, or of every one.
    Clear {
        /// The account's address.
        address: String,
        /// Which; without it, every one.
        #[arg(long, default_value = "")]
        mailbox: String,
        /// The address again, so that nothing is deleted by a slip.
        #[arg(long, value_name = "ADDRESS")]
        confirm: String,
    },
    /// Show what was expunged and is still kept, as long as the plan's --vault-seconds say: of an account by mailbox, of a domain by account.
    Expunged {
        /// An address, or a domain: then with accounts that were deleted.
        name: String,
        #[command(flatten)]
        time: ExpungedTimeArgs,
    },
    /// Bring expunged mail back. It counts against the quota again.
    Restore {
        /// The account that gets it.
        address: String,
        /// Whose mail it was, as `expunged DOMAIN` names an account that was deleted; without it, the same account's.
        #[arg(long, value_name = "UID")]
        from_account: Option<u32>,
        /// Only what was in this mailbox; without it, what was in any, also in one that was deleted.
        #[arg(long, default_value = "", hide_default_value = true, conflicts_with = "from_account")]
        mailbox: String,
        /// The mailbox that gets it; made where there is none.
        #[arg(long, default_value = "Restored")]
        into: String,
        #[command(flatten)]
        time: ExpungedTimeArgs,
    },
}

/// When mail was expunged.
#[derive(Args)]
pub(crate) struct ExpungedTimeArgs {
    /// Expunged not longer ago than this, such as 2h or 3d; without it, all that is kept.
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    since: Option<u64>,
    /// Expunged longer ago than this; without it, up to now.
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    until: Option<u64>,
}

impl ExpungedTimeArgs {
    /// From when, and before when, in milliseconds since 1970.
    pub(crate) fn bounds(&self) -> (Option<u64>, Option<u64>) {
        let ago = |seconds: u64| now_ms().saturating_sub(seconds.saturating_mul(1_000));
        (self.since.map(ago), self.until.map(ago))
    }
}
