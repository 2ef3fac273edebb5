//! The command line of `yubin ctl`.

mod auto_reply;
mod countries;
mod domain;
mod filtering;
mod forward;
mod mailbox;
mod membership;
mod queue;
mod retry;
mod send_as;
mod sending;
mod tokens;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) use auto_reply::{AutoReplyVerb, SetAutoReplyArgs};
pub(crate) use countries::{CountriesVerb, SetCountriesArgs};
pub(crate) use domain::{DkimVerb, DomainVerb};
pub(crate) use filtering::{Dmarc, FilteringVerb, Handling, ReverseDns, SetFilteringArgs, SpamArgs};
pub(crate) use forward::ForwardVerb;
pub(crate) use mailbox::MailboxVerb;
pub(crate) use membership::{GroupVerb, MoveArgs, NodeArgs, NodeVerb};
pub(crate) use queue::{
    CancelArgs, ControlArgs, EventsArgs, OutcomeArg, QueueVerb, SelectionArgs, StateArg, SuspensionArgs, TraceArgs,
};
pub(crate) use retry::PlanRetryArgs;
pub(crate) use send_as::SendAsVerb;
pub(crate) use sending::{AccountLimitArgs, PlanSendingArgs};
pub(crate) use tokens::TokenVerb;

/// Administer a running system.
#[derive(Args)]
pub struct CtlArgs {
    /// Where the admin API is.
    #[arg(long, global = true, env = "YUBIN_SERVER", default_value = "http://127.0.0.1:2700", value_name = "URL")]
    pub(crate) server: String,
    /// File with the token; a new data folder's is `admin-token` in it.
    #[arg(long, global = true, env = "YUBIN_TOKEN_FILE", default_value = "data/admin-token", value_name = "FILE")]
    pub(crate) token_file: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

#[derive(Subcommand)]
pub(crate) enum Noun {
    /// Hosted domains.
    #[command(subcommand)]
    Domain(DomainVerb),
    /// Accounts: an address with a mailbox and a password.
    #[command(subcommand)]
    Account(AccountVerb),
    /// Aliases: names that lead to accounts of their domain.
    #[command(subcommand)]
    Alias(AliasVerb),
    /// Plans: what a contract allows.
    #[command(subcommand)]
    Plan(PlanVerb),
    /// An account's mailboxes.
    #[command(subcommand)]
    Mailbox(MailboxVerb),
    /// Set the quota of a domain or of an account.
    #[command(subcommand)]
    Quota(QuotaVerb),
    /// From which countries a domain or an account may send.
    #[command(subcommand)]
    Countries(CountriesVerb),
    /// What is done with mail from other servers that looks like spam or forgery, by domain and account.
    #[command(subcommand)]
    Filtering(FilteringVerb),
    /// What a domain or an account holds, exact and live.
    Usage {
        /// Domain or address.
        name: String,
        #[command(flatten)]
        check: UsageCheck,
    },
    /// Mail on its way out.
    #[command(subcommand)]
    Queue(QueueVerb),
    /// What has become of queued mail, a line for each recipient; with --follow as it comes.
    Events(EventsArgs),
    /// Where is my mail? What waits and what has become of it, for 30 days.
    Trace(TraceArgs),
    /// Reports to other domains, of how mail in their names and TLS with their hosts went.
    #[command(subcommand)]
    Reports(ReportsVerb),
    /// Nodes of the cluster.
    #[command(subcommand)]
    Node(NodeVerb),
    /// Raft groups.
    #[command(subcommand)]
    Group(GroupVerb),
    /// Tokens of the administration.
    #[command(subcommand)]
    Token(TokenVerb),
}

#[derive(Subcommand)]
pub(crate) enum ReportsVerb {
    /// Send the reports on today up to now, instead of tomorrow. What comes later today is in other ones.
    Send,
}

#[derive(Subcommand)]
pub(crate) enum AccountVerb {
    /// Create one; it takes mail and logins when this returns. The password is the first line of standard input.
    Create {
        /// Its address.
        address: String,
        /// Its own quota; without it, the plan's.
        #[arg(long, value_parser = super::output::parse_bytes)]
        quota: Option<Bytes>,
        /// Read the password from standard input.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Show one.
    Show {
        /// Its address.
        address: String,
    },
    /// List a domain's.
    List {
        /// The domain.
        domain: String,
    },
    /// Set another password; the old one is refused when this returns.
    SetPassword {
        /// Its address.
        address: String,
        /// Read the password from standard input.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Stop its logins; mail is still delivered.
    Suspend {
        /// Its address.
        address: String,
        /// For the record.
        #[arg(long)]
        reason: String,
    },
    /// End a suspension.
    Resume {
        /// Its address.
        address: String,
    },
    /// Show how much it may send and has sent, and when its sending was suspended.
    Limits {
        /// Its address.
        address: String,
    },
    /// Give it sending limits of its own, all at once: what isn't named is its plan's.
    SetLimits(AccountLimitArgs),
    /// Stop its sending; it reads and receives, what it queued is kept, and its owner is told by mail.
    SuspendSending {
        /// Its address.
        address: String,
        /// Told to the owner.
        #[arg(long)]
        reason: String,
    },
    /// Let it send again; what it queued meanwhile goes out now.
    ResumeSending {
        /// Its address.
        address: String,
    },
    /// In whose names it may send beside its own.
    #[command(subcommand)]
    SendAs(SendAsVerb),
    /// Where its mail goes on to: other addresses, here or elsewhere.
    #[command(subcommand)]
    Forward(ForwardVerb),
    /// Answer its mail by itself: vacation notices.
    #[command(subcommand)]
    AutoReply(AutoReplyVerb),
    /// Delete it with its mail.
    Delete {
        /// Its address.
        address: String,
        /// The address again, so that nothing is deleted by a slip.
        #[arg(long, value_name = "ADDRESS")]
        confirm: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum AliasVerb {
    /// Create or replace one.
    Put {
        /// Its address.
        address: String,
        /// Addresses of the same domain.
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List a domain's.
    List {
        /// The domain.
        domain: String,
    },
    /// Delete one.
    Delete {
        /// Its address.
        address: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum PlanVerb {
    /// Create or change one; changes reach every domain that uses it when this returns.
    Put(Box<PlanArgs>),
    /// List all.
    List,
    /// Delete one that no domain uses.
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct PlanArgs {
    /// Its name.
    pub(crate) name: String,
    /// Shared quota of a domain.
    #[arg(long, default_value = "unlimited", value_parser = super::output::parse_bytes)]
    pub(crate) domain_quota: Bytes,
    /// Quota of an account.
    #[arg(long, default_value = "unlimited", value_parser = super::output::parse_bytes)]
    pub(crate) account_quota: Bytes,
    /// Largest message.
    #[arg(long, default_value = "100M", value_parser = super::output::parse_bytes)]
    pub(crate) message_size: Bytes,
    /// Accounts of one domain; without it, any number.
    #[arg(long)]
    pub(crate) accounts: Option<u64>,
    /// Seconds after the move into Trash until a message expires; 0: never.
    #[arg(long, default_value_t = yubin_types::limits::TRASH_EXPIRY_SECONDS_DEFAULT)]
    pub(crate) trash_expiry_seconds: u64,
    /// Seconds that expunged mail is kept for undelete.
    #[arg(long, default_value_t = yubin_types::limits::VAULT_SECONDS_DEFAULT)]
    pub(crate) vault_seconds: u64,
    /// What the name of a host that sends to its domains must be; without this as the front ends are configured.
    #[arg(long, value_enum)]
    pub(crate) reverse_dns: Option<ReverseDns>,
    #[command(flatten)]
    pub(crate) sending: PlanSendingArgs,
    #[command(flatten)]
    pub(crate) retry: PlanRetryArgs,
}

#[derive(Subcommand)]
pub(crate) enum QuotaVerb {
    /// Set it; effective when this returns.
    Set {
        /// Domain or address.
        name: String,
        /// Such as 500M, 10G, unlimited; or plan: back to an account's plan.
        #[arg(value_parser = super::output::parse_quota)]
        quota: QuotaWish,
    },
}

/// How far `usage` goes.
#[derive(Args)]
pub(crate) struct UsageCheck {
    /// Count all messages of the domain and compare with the kept figures.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// An amount of bytes; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Option<u64>);

/// What `quota set` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuotaWish {
    /// This.
    Own(Bytes),
    /// What the plan says.
    Plan,
}
