//! How far periods are reported on, as it stands in the directory: a reporter that starts again, or takes over, goes on there.
//!
//! Text, a line for each period and kind: `END KIND NEXT SENT`: the period's end in milliseconds, `dmarc` or `tls`, the first hash of a domain that is
//! not done yet or `done`, and how many reports were sent. Only the periods of two days are in it. What is lost of it is done again, and the
//! store's memory of requests keeps reports from being sent twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use yubin_types::Timestamp;
use yubin_types::report::ReportKind;

/// The setting.
pub(crate) const KEY: &str = "report-progress";

/// How far all periods are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress(BTreeMap<(Timestamp, ReportKind), Done>);

/// How far one is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// The first hash that is not; none: all are.
    pub(crate) next: Next,
    /// Reports that were sent.
    pub(crate) sent: u64,
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this hash.
    Hash(u64),
    /// Nowhere: all is done.
    End,
}

impl Default for Next {
    fn default() -> Self {
        Next::Hash(0)
    }
}

impl Next {
    /// Behind this hash.
    pub(crate) fn after(hash: u64) -> Next {
        hash.checked_add(1).map_or(Next::End, Next::Hash)
    }
}

impl Progress {
    pub(crate) fn parse(text: &str) -> Progress {
        Progress(text.lines().filter_map(parse).collect())
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for ((end, kind), done) in &self.0 {
            let next = match done.next {
                Next::Hash(hash) => hash.to_string(),
                Next::End => "done".to_owned(),
            };
            // Writing to a string can't fail.
            let _ = writeln!(text, "{} {} {next} {}", end.0, name(*kind), done.sent);
        }
        text
    }

    pub(crate) fn of(&self, end: Timestamp, kind: ReportKind) -> Done {
        self.0.get(&(end, kind)).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, end: Timestamp, kind: ReportKind, done: Done) {
        self.0.insert((end, kind), done);
    }

    /// Forgets periods that ended before.
    pub(crate) fn forget(&mut self, before: Timestamp) {
        self.0.retain(|(end, _), _| *end >= before);
    }
}

/// A kind in the setting and in metrics.
pub(crate) const fn name(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Dmarc => "dmarc",
        ReportKind::Tls => "tls",
        ReportKind::Received => "received",
    }
}

fn parse(line: &str) -> Option<((Timestamp, ReportKind), Done)> {
    let mut words = line.split(' ');
    let (end, kind, next, sent) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let kind = [ReportKind::Dmarc, ReportKind::Tls].into_iter().find(|known| name(*known) == kind)?;
    let next = match next {
        "done" => Next::End,
        hash => Next::Hash(hash.parse().ok()?),
    };
    Some(((Timestamp(end.parse().ok()?), kind), Done { next, sent: sent.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use yubin_types::Timestamp;
    use yubin_types::report::ReportKind;

    use super::{Done, Next, Progress};

    #[test]
    fn what_is_written_is_read_again() {
        let mut progress = Progress::default();
        progress.set(Timestamp(5), ReportKind::Tls, Done { next: Next::after(7), sent: 3 });
        progress.set(Timestamp(6), ReportKind::Dmarc, Done { next: Next::after(u64::MAX), sent: 0 });
        assert_eq!(progress.text(), "5 tls 8 3\n6 dmarc done 0\n");
        assert_eq!(Progress::parse(&progress.text()), progress);
        assert_eq!(Progress::parse("x\n5 tls\n5 other 8 3\n\n"), Progress::default());
        progress.forget(Timestamp(6));
        assert_eq!(progress.of(Timestamp(5), ReportKind::Tls), Done::default());
        assert_eq!(progress.of(Timestamp(6), ReportKind::Dmarc).next, Next::End);
    }
}
