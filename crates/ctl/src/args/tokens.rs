//! The command line of `yubin ctl token`.

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum TokenVerb {
    /// List all, by name and by the SHA-256 of the token (`tr -d '\n' < FILE | sha256sum`); the tokens themselves are kept nowhere.
    List,
    /// Make one and print it, this once: put it into a file that only its holder reads.
    Create {
        /// Its name, such as that of its holder: letters a to z, digits, `-` and `.`. What is done with it is noted under this name.
        name: String,
    },
    /// Let no call succeed with it from now on. Its name is never used again; the only token stays.
    Revoke {
        /// Its name.
        name: String,
    },
}
