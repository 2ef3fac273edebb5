//! `yubin ctl filtering`: its arguments.

use clap::{Args, Subcommand, ValueEnum};
use yubin_proto::r#gen::admin as api;

#[derive(Subcommand)]
pub(crate) enum FilteringVerb {
    /// Show the rules of a domain, or of an account and its domain.
    Show {
        /// Domain or address.
        name: String,
    },
    /// Set the rules, in place of those before.
    Set(SetFilteringArgs),
    /// Forget the rules: as the domain says; for a domain, as the front ends are configured.
    Clear {
        /// Domain or address.
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct SetFilteringArgs {
    /// Domain or address.
    pub(crate) name: String,
    /// What is done with mail that fails DMARC, of domains only: what its author's domain wants, into Junk, or nothing. Without this as the
    /// front ends are configured.
    #[arg(long, value_enum)]
    pub(crate) dmarc: Option<Dmarc>,
    /// What a sending host's name must be: anything, or one that leads back to its address. Without this as the domain says, of a domain as
    /// its plan says, or else as the front ends are configured.
    #[arg(long, value_enum)]
    pub(crate) reverse_dns: Option<ReverseDns>,
    #[command(flatten)]
    pub(crate) spam: SpamArgs,
}

/// About spam; without any of them: as the domain says, or for a domain as the front ends are configured.
#[derive(Args)]
pub(crate) struct SpamArgs {
    /// Mail is never spam.
    #[arg(long)]
    pub(crate) off: bool,
    /// From which score on mail is spam, points. Without this from 6 on, or as a scanner says.
    #[arg(long, value_name = "POINTS")]
    pub(crate) score: Option<u32>,
    /// What becomes of spam; without this it is junk.
    #[arg(long, value_enum)]
    pub(crate) spam: Option<Handling>,
    /// What becomes of what a scanner would refuse; without this it is refused.
    #[arg(long, value_enum)]
    pub(crate) certain: Option<Handling>,
    /// What goes before the subject of spam that is taken, like "[SPAM]".
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject_tag: Option<String>,
    /// Whose mail is no spam: abc@x.example, *@x.example, *@*.x.example.
    #[arg(long, value_delimiter = ',', value_name = "SENDERS")]
    pub(crate) allow: Vec<String>,
    /// Whose mail is spam.
    #[arg(long, value_delimiter = ',', value_name = "SENDERS")]
    pub(crate) deny: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Dmarc {
    Enforce,
    Junk,
    Report,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ReverseDns {
    Accept,
    Require,
}

impl ReverseDns {
    /// As the API has it.
    pub(crate) const fn rule(given: Option<ReverseDns>) -> api::ReverseDnsRule {
        match given {
            None => api::ReverseDnsRule::Unspecified,
            Some(ReverseDns::Accept) => api::ReverseDnsRule::Accept,
            Some(ReverseDns::Require) => api::ReverseDnsRule::Require,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Handling {
    Inbox,
    Junk,
    Reject,
}

impl SpamArgs {
    /// Is anything said about spam?
    pub(crate) fn is_given(&self) -> bool {
        let SpamArgs { off, score, spam, certain, subject_tag, allow, deny } = self;
        *off || score.is_some()
            || spam.is_some()
            || certain.is_some()
            || subject_tag.is_some()
            || !allow.is_empty()
            || !deny.is_empty()
    }
}
