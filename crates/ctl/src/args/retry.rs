//! The command line of `yubin ctl plan put` for mail that waits. A plan without any of it leaves that to the queue workers' configuration.

use clap::{Args, ValueEnum};
use yubin_proto::r#gen::admin as api;
use yubin_types::limits;

use super::super::output::parse_seconds;

/// How a plan's mail is tried.
#[derive(Args)]
#[command(next_help_heading = "Mail that waits (90s, 30m, 2h, 7d; nothing given: as the queue workers are configured)")]
pub(crate) struct PlanRetryArgs {
    /// Waits after the first attempts, then each twice the one before [default: 1m,5m,15m,30m]
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = parse_short)]
    retry: Option<Vec<u32>>,
    /// The longest wait [default: 4h]
    #[arg(long, value_name = "TIME", value_parser = parse_short)]
    retry_max: Option<u32>,
    /// When mail is given up [default: 5d]
    #[arg(long, value_name = "TIME", value_parser = parse_short)]
    lifetime: Option<u32>,
    /// When a sender is told that mail still waits, or never [default: 4h]
    #[arg(long, value_name = "TIME", value_parser = parse_notice)]
    delay_notice: Option<DelayNotice>,
    /// Whose words notices use [default: plain]
    #[arg(long, value_enum)]
    notices: Option<NoticesArg>,
}

#[derive(Clone, Copy, ValueEnum)]
enum NoticesArg {
    Plain,
    Qmail,
    Postfix,
}

#[derive(Clone, Copy)]
enum DelayNotice {
    After(u32),
    Never,
}

impl PlanRetryArgs {
    /// The terms; what is not given is the default, unless nothing is.
    pub(crate) fn terms(self) -> Option<api::RetryTerms> {
        let PlanRetryArgs { retry, retry_max, lifetime, delay_notice, notices } = self;
        let nothing = retry.is_none() && retry_max.is_none() && lifetime.is_none() && delay_notice.is_none();
        if nothing && notices.is_none() {
            return None;
        }
        let seconds = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
        let first_waits_seconds =
            retry.unwrap_or_else(|| limits::RETRY_FIRST_WAITS_SECONDS_DEFAULT.map(seconds).to_vec());
        let longest = first_waits_seconds.iter().copied().max().unwrap_or_default();
        let notices = match notices.unwrap_or(NoticesArg::Plain) {
            NoticesArg::Plain => api::NoticeProfile::Unspecified,
            NoticesArg::Qmail => api::NoticeProfile::Qmail,
            NoticesArg::Postfix => api::NoticeProfile::Postfix,
        };
        Some(api::RetryTerms {
            wait_seconds_max: retry_max.unwrap_or(seconds(limits::RETRY_WAIT_SECONDS_MAX_DEFAULT).max(longest)),
            first_waits_seconds,
            lifetime_seconds: lifetime.unwrap_or(seconds(limits::QUEUE_LIFETIME_SECONDS_DEFAULT)),
            delay_notice_seconds: match delay_notice {
                None => Some(seconds(limits::DELAY_NOTICE_SECONDS_DEFAULT)),
                Some(DelayNotice::After(seconds)) => Some(seconds),
                Some(DelayNotice::Never) => None,
            },
            notices: notices.into(),
        })
    }
}

fn parse_short(text: &str) -> Result<u32, String> {
    u32::try_from(parse_seconds(text)?).map_err(|_| "too long".to_owned())
}

fn parse_notice(text: &str) -> Result<DelayNotice, String> {
    if text == "never" { Ok(DelayNotice::Never) } else { parse_short(text).map(DelayNotice::After) }
}
