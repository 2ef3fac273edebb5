//! The command line of `yubin ctl domain`.

use clap::Subcommand;

use super::Bytes;

#[derive(Subcommand)]
pub(crate) enum DomainVerb {
    /// Host a domain; it takes mail when this returns.
    Create {
        /// Its name.
        name: String,
        /// Shared quota, such as 500M, 10G, 1000000 (bytes) or unlimited; without it, the plan's.
        #[arg(long, value_parser = crate::output::parse_bytes)]
        quota: Option<Bytes>,
        /// Its plan.
        #[arg(long, default_value = "")]
        plan: String,
    },
    /// Show one.
    Show {
        /// Its name.
        name: String,
    },
    /// List all.
    List,
    /// Change its plan or its catch-all.
    Update {
        /// Its name.
        name: String,
        /// Another plan.
        #[arg(long)]
        plan: Option<String>,
        /// Who gets mail for names that don't exist: a local part, or empty for nobody.
        #[arg(long)]
        catch_all: Option<String>,
    },
    /// Stop its logins and deliveries; mail is kept.
    Suspend {
        /// Its name.
        name: String,
        /// Shown to whoever is refused.
        #[arg(long)]
        reason: String,
    },
    /// End a suspension.
    Resume {
        /// Its name.
        name: String,
    },
    /// Look up what its owner has published in the DNS, and say what is missing or wrong and how to mend it. Exit status 3 if something
    /// is missing or wrong, 4 if nothing is but not everything could be looked up.
    Dns {
        /// Its name.
        name: String,
        /// Only show what to publish: MX, SPF, DKIM, DMARC, and what is configured beside them.
        #[arg(long)]
        expected: bool,
    },
    /// What others have reported on it: who sends in its name and how that fares with DMARC, and how TLS with its hosts goes. For that its DMARC
    /// record (`rua`) and its TLSRPT record name an address that is hosted here.
    Reports {
        /// Its name.
        name: String,
        /// Reports of so many days, today among them.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=30))]
        days: u32,
    },
    /// The keys that sign its mail.
    #[command(subcommand)]
    Dkim(DkimVerb),
    /// Delete it with all its accounts and mail.
    Delete {
        /// Its name.
        name: String,
        /// The name again, so that nothing is deleted by a slip.
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum DkimVerb {
    /// Make new keys; they sign nothing until their records are published and they are activated.
    Rotate {
        /// The domain.
        name: String,
    },
    /// Sign with the keys that wait, now that their records are published, which is looked up before; those before them retire.
    Activate {
        /// The domain.
        name: String,
        /// Don't look: the records are right, although they can't be seen from here.
        #[arg(long)]
        unchecked: bool,
    },
    /// Forget a key at once. A domain without keys sends unsigned mail.
    Remove {
        /// The domain.
        name: String,
        /// The key's selector.
        selector: String,
    },
}
