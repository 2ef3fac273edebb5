//! What MAIL wishes of the time at which its message is sent: FUTURERELEASE (RFC 4865), MT-PRIORITY (RFC 6710), DELIVERBY (RFC 2852).
//!
//! Values are checked here for what they are, and against what EHLO offers; seconds become times by the clock of the command. HOLDUNTIL a
//! time that is over is no hold. A deadline counts from the release, since nothing can be delivered before. A priority above the configured
//! one is lowered, and the client told so (RFC 6710 §4.1).

use yubin_message::DateTime;
use yubin_types::{ByMode, ByTrace, Deadline, Handling, Priority, Release, Timestamp, limits};

use super::violation::Violation;

/// As MAIL said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) hold: Option<Hold>,
    pub(crate) priority: Option<Priority>,
    pub(crate) by: Option<By>,
}

/// HOLDFOR or HOLDUNTIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    For { seconds: u32 },
    Until(Timestamp),
}

/// BY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct By {
    seconds: i64,
    mode: ByMode,
    trace: ByTrace,
}

impl Hold {
    /// HOLDFOR: one to nine digits, the first of them not 0 (RFC 4865 §4).
    pub(crate) fn parse_for(value: &[u8]) -> Option<Hold> {
        digits(value).filter(|seconds| *seconds > 0 && !value.starts_with(b"0")).map(|seconds| Hold::For { seconds })
    }

    /// HOLDUNTIL: a date-time of RFC 3339, whole.
    pub(crate) fn parse_until(value: &[u8]) -> Option<Hold> {
        // Ten for the day, `T`, eight for the time, at least one for the zone.
        let whole = value.len() >= 20 && matches!(value.get(10), Some(b'T' | b't')) && value.get(16) == Some(&b':');
        let date = DateTime::parse_rfc3339(std::str::from_utf8(value).ok().filter(|_| whole)?)?;
        u64::try_from(date.epoch_s).ok().map(|seconds| Hold::Until(Timestamp::from_seconds(seconds)))
    }

    fn release(self, now: Timestamp) -> Result<Option<Release>, Violation> {
        let (at, held_for_seconds) = match self {
            Hold::For { seconds } => (now.plus_seconds(u64::from(seconds)), Some(seconds)),
            Hold::Until(at) => (at, None),
        };
        if at > now.plus_seconds(limits::FUTURE_RELEASE_SECONDS_MAX) {
            return Err(Violation::LongHold);
        }
        Ok((at > now).then_some(Release { at, held_for_seconds }))
    }
}

impl By {
    /// `120;R`, `-7;NT`: seconds, of which those of `R` are above 0, a mode, perhaps `T` (RFC 2852 §3).
    pub(crate) fn parse(value: &[u8]) -> Option<By> {
        let semicolon = value.iter().position(|&byte| byte == b';')?;
        let (time, mode) = (value.get(..semicolon)?, value.get(semicolon + 1..)?);
        let seconds = match time {
            [b'-', rest @ ..] => -i64::from(digits(rest)?),
            [b'+', rest @ ..] => i64::from(digits(rest)?),
            _ => i64::from(digits(time)?),
        };
        let (mode, trace) = match mode.to_ascii_uppercase().as_slice() {
            b"R" => (ByMode::Return, ByTrace::Off),
            b"RT" => (ByMode::Return, ByTrace::On),
            b"N" => (ByMode::Notify, ByTrace::Off),
            b"NT" => (ByMode::Notify, ByTrace::On),
            _ => return None,
        };
        (mode == ByMode::Notify || seconds > 0).then_some(By { seconds, mode, trace })
    }

    fn deadline(self, begins: Timestamp) -> Result<Deadline, Violation> {
        let By { seconds, mode, trace } = self;
        if mode == ByMode::Return && seconds < i64::try_from(limits::DELIVER_BY_SECONDS_MIN).unwrap_or(i64::MAX) {
            return Err(Violation::ShortDeadline);
        }
        let at = Timestamp(begins.millis().saturating_add_signed(seconds.saturating_mul(1_000)));
        Ok(Deadline { at, mode, trace })
    }
}

impl Wishes {
    /// What becomes of them now, with at most this priority.
    pub(crate) fn handling(self, now: Timestamp, priority_max: Priority) -> Result<Handling, Violation> {
        let release = self.hold.map(|hold| hold.release(now)).transpose()?.flatten();
        let priority = self.priority.unwrap_or_default().min(priority_max);
        let begins = Handling { release, ..Handling::default() }.begins(now);
        let deadline = self.by.map(|by| by.deadline(begins)).transpose()?;
        Ok(Handling { release, priority, deadline })
    }
}

/// One to nine digits.
fn digits(text: &[u8]) -> Option<u32> {
    let good = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    good.then(|| text.iter().fold(0, |total, digit| total * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use yubin_types::{Priority, Timestamp, limits};

    use super::{By, Hold, Wishes};
    use crate::smtp::violation::Violation;

    const NOW: Timestamp = Timestamp(1_790_000_000_500);

    #[test]
    fn holds_are_whole_and_bounded() {
        assert_eq!(Hold::parse_for(b"60"), Some(Hold::For { seconds: 60 }));
        for bad in ["", "0", "060", "-1", "+1", "1.5", "1h", "1234567890"] {
            assert_eq!(Hold::parse_for(bad.as_bytes()), None, "{bad}");
        }
        let until = Hold::Until(Timestamp::from_seconds(1_790_000_000));
        for good in ["2026-09-21T14:13:20Z", "2026-09-21T23:13:20+09:00", "2026-09-21t14:13:20z"] {
            assert_eq!(Hold::parse_until(good.as_bytes()), Some(until), "{good}");
        }
        for bad in [
            "",
            "2026-09-21",
            "2026-09-21T14:13Z",
            "2026-09-21T14:13:20",
            "2026-13-21T14:13:20Z",
            "tomorrow",
            "1790000000",
            "2026-09-21 14:13:20Z",
        ] {
            assert_eq!(Hold::parse_until(bad.as_bytes()), None, "{bad}");
        }
        let released = |hold| Wishes { hold: Some(hold), ..Wishes::default() }.handling(NOW, Priority::MAX);
        let held = released(Hold::For { seconds: 60 }).unwrap().release.unwrap();
        assert_eq!((held.at, held.held_for_seconds), (NOW.plus_seconds(60), Some(60)));
        assert_eq!(released(Hold::Until(Timestamp(1))).unwrap().release, None, "it is over");
        let most = limits::FUTURE_RELEASE_SECONDS_MAX;
        assert!(released(Hold::Until(NOW.plus_seconds(most))).is_ok());
        assert_eq!(released(Hold::Until(NOW.plus_seconds(most + 1))), Err(Violation::LongHold));
        assert_eq!(released(Hold::For { seconds: u32::MAX }), Err(Violation::LongHold));
    }

    #[test]
    fn deadlines_count_from_the_release_and_returns_have_a_least_time() {
        for bad in ["", ";R", "60", "60;", "60;X", "60;TR", "60;RTT", "0;R", "-1;R", "1234567890;N", "6 0;R", "--1;N"] {
            assert_eq!(By::parse(bad.as_bytes()), None, "{bad}");
        }
        let handled = |hold, by: &str| {
            let wishes = Wishes { hold, by: Some(By::parse(by.as_bytes()).unwrap()), ..Wishes::default() };
            wishes.handling(NOW, Priority::MAX).map(|handling| handling.deadline.unwrap())
        };
        assert_eq!(handled(None, "+60;rt").unwrap().value(NOW), "60;RT");
        assert_eq!(handled(None, "-5;N").unwrap().value(NOW), "-5;N");
        assert_eq!(handled(None, "-999999999;N").unwrap().at, Timestamp(790_000_001_500));
        assert_eq!(handled(None, "9;R"), Err(Violation::ShortDeadline));
        let held = Some(Hold::For { seconds: 100 });
        assert_eq!(handled(held, "10;R").unwrap().at, NOW.plus_seconds(110));
    }
}
