//! What time reports to other domains are about: days (UTC), and the parts of a day that an operator has reported on before it ends.
//!
//! Where a day is cut stands in a directory setting, text, a time in milliseconds a line; at most [`limits::REPORT_CUTS_PER_DAY_MAX`] a day
//! (`ctl reports send`). Who reports reads it. Periods never overlap, so no message is reported twice.

use bytes::Bytes;
use yubin_state::command::DirectoryCommand;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{Refusal, Timestamp, limits};

use crate::client::{Caller, StoreClient, unexpected};
use crate::contract::{Scope, StoreError};

/// The setting with the cuts.
const CUTS: &str = "report-cuts";
const DAY_MS: u64 = 86_400_000;

/// From then, and before then.
pub type Span = (Timestamp, Timestamp);

/// The periods that ended on this day or on the one before, in order, each with how it ended.
#[must_use]
pub fn ended(now: Timestamp, cuts: &[Timestamp]) -> Vec<(Span, Ending)> {
    let today = midnight(now);
    let first = Timestamp(today.0.saturating_sub(DAY_MS));
    let cut = |at: Timestamp| (at, Ending::Cut);
    let mut ends: Vec<(Timestamp, Ending)> =
        cuts.iter().copied().filter(|at| *at > first && *at <= now).map(cut).chain([(today, Ending::Day)]).collect();
    ends.sort_by_key(|(at, ending)| (*at, *ending == Ending::Cut));
    ends.dedup_by_key(|(at, _)| *at);
    let begins: Vec<Timestamp> = [first].into_iter().chain(ends.iter().map(|(end, _)| *end)).collect();
    begins.into_iter().zip(ends).map(|(begin, (end, ending))| ((begin, end), ending)).collect()
}

/// How a period ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its day: its reports are spread over the next one.
    Day,
    /// By an operator: its reports are due.
    Cut,
}

impl StoreClient {
    /// Where days are cut.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn report_cuts(&self) -> Result<Vec<Timestamp>, StoreError> {
        let text = self.setting(CUTS).await?;
        Ok(text.lines().filter_map(|line| line.parse().ok().map(Timestamp)).collect())
    }

    /// Ends the period that runs, now; which one that is.
    ///
    /// # Errors
    /// The directory can't be reached. Refused: today was cut often enough.
    pub async fn cut_reports(&self, now: Timestamp, caller: &Caller) -> Result<Result<Span, Refusal>, StoreError> {
        let today = midnight(now);
        let mut cuts = self.report_cuts().await?;
        // Those of yesterday may still be reported on.
        cuts.retain(|cut| cut.0 >= today.0.saturating_sub(DAY_MS) && *cut < now);
        if cuts.iter().filter(|cut| **cut > today).count() >= limits::REPORT_CUTS_PER_DAY_MAX {
            let why = format!("reports are sent early at most {} times a day", limits::REPORT_CUTS_PER_DAY_MAX);
            return Ok(Err(Refusal::InvalidValue { why }));
        }
        let begin = cuts.iter().copied().max().unwrap_or_default().max(today);
        cuts.push(now);
        let text: String = cuts.iter().map(|cut| format!("{}\n", cut.0)).collect();
        match self.put_setting(CUTS, &text, caller).await? {
            Reply::Refused(refusal) => Ok(Err(refusal)),
            _ => Ok(Ok((begin, now))),
        }
    }

    /// A setting of the directory; empty if it isn't set.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn setting(&self, key: &str) -> Result<String, StoreError> {
        match self.query(Scope::DIRECTORY, Query::Setting(key.to_owned())).await? {
            Answer::Setting(found) => Ok(String::from_utf8(found.unwrap_or_default()).unwrap_or_default()),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes a setting of the directory.
    ///
    /// # Errors
    /// The directory can't be reached.
    pub async fn put_setting(&self, key: &str, text: &str, caller: &Caller) -> Result<Reply, StoreError> {
        let value = Bytes::copy_from_slice(text.as_bytes());
        let put = Command::Directory(DirectoryCommand::PutSetting { key: key.to_owned(), value });
        self.propose_once(Scope::DIRECTORY, &put, caller).await
    }
}

/// The beginning of a time's day.
const fn midnight(at: Timestamp) -> Timestamp {
    Timestamp(at.0 / DAY_MS * DAY_MS)
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;

    use super::{DAY_MS, Ending, ended};

    #[test]
    fn days_and_their_parts_follow_each_other_without_a_gap() {
        let at = |hours: u64| Timestamp(100 * DAY_MS + hours * 3_600_000);
        let of = |now, cuts: &[Timestamp]| {
            ended(now, cuts).into_iter().map(|((begin, end), ending)| (begin.0, end.0, ending)).collect::<Vec<_>>()
        };
        let (first, today) = (99 * DAY_MS, 100 * DAY_MS);
        assert_eq!(of(at(10), &[]), [(first, today, Ending::Day)]);
        let yesterday = Timestamp(first + 7);
        assert_eq!(
            of(at(10), &[at(9), yesterday, at(11), Timestamp(5)]),
            [(first, first + 7, Ending::Cut), (first + 7, today, Ending::Day), (today, at(9).0, Ending::Cut)],
            "older days are past, and the eleventh hour is not come yet"
        );
        assert_eq!(of(at(0), &[at(0)]), [(first, today, Ending::Day)], "a cut at midnight is none");
    }
}
