//! The command line of `yubin ctl queue` and `yubin ctl trace`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Subcommand)]
pub(crate) enum QueueVerb {
    /// List deliveries that wait: a message and one destination each.
    List(SelectionArgs),
    /// Show a message with its recipients, the last replies, and what they mean.
    Show {
        /// Its id.
        id: String,
    },
    /// Show what is said while a message is delivered, as it is said, until an attempt has ended. Works where the process that is
    /// asked has both roles, admin and queue, and delivers the message itself.
    Watch {
        /// Its id.
        id: String,
        /// Have it tried now.
        #[arg(long)]
        retry: bool,
    },
    /// Try deliveries now, unless they are held.
    Retry(ControlArgs),
    /// Try deliveries no more until they are released; their time goes on.
    Hold {
        #[command(flatten)]
        which: ControlArgs,
        /// For the record.
        #[arg(long)]
        reason: String,
    },
    /// End a hold: tried now.
    Release(ControlArgs),
    /// Give deliveries up; their senders hear nothing.
    Cancel(CancelArgs),
    /// Leave mail to a destination, or from a domain, alone for a while; or send none from one of our addresses to a destination.
    Suspend {
        #[command(flatten)]
        what: SuspensionArgs,
        /// For the record.
        #[arg(long)]
        reason: String,
        /// How long, such as 90s, 30m, 2h or 7d; without it, until it is resumed.
        #[arg(long = "for", value_name = "TIME", value_parser = super::super::output::parse_seconds)]
        seconds: Option<u64>,
    },
    /// End a suspension.
    Resume(SuspensionArgs),
    /// List suspensions, and which of our addresses are set aside at which destinations because they are blocked there.
    Suspensions,
    /// Count what waits, by destination and state.
    Summary {
        /// Only mail from this domain.
        #[arg(long, default_value = "")]
        domain: String,
        /// Lines at most, those with most deliveries first.
        #[arg(long, default_value_t = 100)]
        lines: u32,
    },
}

/// Which deliveries; everything that is given must hold.
#[derive(Args)]
pub(crate) struct SelectionArgs {
    /// A message's id.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) id: String,
    /// The domain that the mail is from.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) domain: String,
    /// Where it goes: a domain name, or an address literal in brackets.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) destination: String,
    /// Envelope sender; `<>` for notices.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) sender: String,
    /// A recipient.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) recipient: String,
    /// What is happening to it.
    #[arg(long)]
    pub(crate) state: Option<StateArg>,
}

/// What is happening to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateArg {
    /// Waits for its next attempt.
    Scheduled,
    /// A worker tries it.
    InFlight,
    /// Its worker was lost while it tried.
    MaybeDelivered,
    /// Held by an operator.
    Held,
}

/// Deliveries that are taken in hand.
#[derive(Args)]
pub(crate) struct ControlArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// All there are; without it, some selection must be given.
    #[arg(long)]
    pub(crate) everything: bool,
}

/// Deliveries that are given up.
#[derive(Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    pub(crate) which: ControlArgs,
    /// The id, domain, destination, sender or recipient again, or `everything`, so that nothing is given up by a slip.
    #[arg(long, value_name = "WHAT")]
    pub(crate) confirm: String,
}

/// Which mail a suspension is about.
#[derive(Args)]
pub(crate) struct SuspensionArgs {
    /// Mail to this destination.
    #[arg(long, required_unless_present = "domain", conflicts_with = "domain")]
    pub(crate) destination: Option<String>,
    /// Mail from this domain.
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Only mail from this address of ours; the pool's other addresses send it.
    #[arg(long, requires = "destination", value_name = "ADDRESS")]
    pub(crate) source: Option<std::net::IpAddr>,
}

/// What is looked for.
#[derive(Args)]
pub(crate) struct TraceArgs {
    /// An address (sender or recipient), a message's id in the queue, its Message-ID, a trace, a hosted domain, or an IP address: a
    /// client's, or ours that mail left from.
    pub(crate) what: String,
    /// Only mail from this domain: other groups need not be asked.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) domain: String,
    /// How far back, such as 2h or 7d; without it, 30 days.
    #[arg(long, value_name = "TIME", value_parser = super::super::output::parse_seconds)]
    pub(crate) since: Option<u64>,
}

#[derive(Args)]
pub(crate) struct EventsArgs {
    /// Only mail from this domain.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) domain: String,
    /// Only mail to this destination.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) destination: String,
    /// Only such ends.
    #[arg(long)]
    pub(crate) outcome: Option<OutcomeArg>,
    /// From how far back on, such as 2h or 7d; without it a day, or with --follow from now on.
    #[arg(long, value_name = "TIME", value_parser = super::super::output::parse_seconds, conflicts_with = "after")]
    pub(crate) since: Option<u64>,
    /// Behind the event that came with this cursor (--json shows it).
    #[arg(long, value_name = "CURSOR", default_value = "", hide_default_value = true)]
    pub(crate) after: String,
    /// Go on as more comes, until interrupted.
    #[arg(long)]
    pub(crate) follow: bool,
}

/// How a recipient ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutcomeArg {
    /// Another server took it.
    Delivered,
    /// Refused for good.
    Bounced,
    /// Its time was over.
    Expired,
    /// An operator gave it up.
    Cancelled,
}
