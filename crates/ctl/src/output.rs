//! What `yubin ctl` prints, and the amounts that it reads.

use std::time::SystemTime;

use serde_json::Value;
use yubin_message::DateTime;
use yubin_types::Timestamp;

use super::args::{Bytes, QuotaWish};

/// Parses `500M`, `10G`, `1000000`, `unlimited`; K, M, G and T are powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Result<Bytes, String> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Ok(Bytes(None));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err("an amount like 500M, 10G, 1000000 or unlimited".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "an amount like 500M, 10G, 1000000 or unlimited".to_owned())?;
    number.checked_mul(1 << shift).map(|bytes| Bytes(Some(bytes))).ok_or_else(|| "too much".to_owned())
}

/// Parses a time like `2026-12-29` (its first moment in UTC) or `2026-12-29T09:00+09:00` into milliseconds since 1970.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let date = DateTime::parse_rfc3339(text).and_then(|date| u64::try_from(date.epoch_s).ok());
    let seconds = date.ok_or_else(|| "a time like 2026-12-29 or 2026-12-29T09:00+09:00".to_owned())?;
    Ok(Timestamp::from_seconds(seconds).millis())
}

/// Parses an amount or `plan`.
pub(crate) fn parse_quota(text: &str) -> Result<QuotaWish, String> {
    if text == "plan" { Ok(QuotaWish::Plan) } else { parse_bytes(text).map(QuotaWish::Own) }
}

/// Parses `90s`, `30m`, `2h`, `7d` into seconds.
pub(crate) fn parse_seconds(text: &str) -> Result<u64, String> {
    let wrong = || "a time like 90s, 30m, 2h or 7d".to_owned();
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

/// The present, milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A point in time for people, in UTC.
pub(crate) fn date(time_ms: u64) -> String {
    DateTime::from(Timestamp(time_ms)).to_rfc5322()
}

/// How long before `now_ms` it was, by its two largest units.
pub(crate) fn ago(time_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(time_ms) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// How long after `now_ms` it is.
pub(crate) fn until(time_ms: u64, now_ms: u64) -> String {
    if time_ms <= now_ms { "now".to_owned() } else { format!("in {}", ago(now_ms, time_ms)) }
}

/// Bytes for people.
pub(crate) fn human(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    while unit + 1 < units.len() && bytes >> (10 * (unit + 1)) > 0 {
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("B");
    if unit == 0 {
        return format!("{bytes} {name}");
    }
    // One decimal, by integers: no rounding surprises.
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A bound for people.
pub(crate) fn human_limit(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unlimited".to_owned(), human)
}

/// A table with aligned columns.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize, head: &str| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain([head.chars().count()])
            .max()
    };
    let widths: Vec<usize> = heads.iter().enumerate().filter_map(|(column, head)| width(column, head)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut heads.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// JSON for programs, indented, with a final newline.
pub(crate) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::{Bytes, ago, date, human, parse_bytes, parse_seconds, parse_time, table, until};

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("500M", 500 << 20), ("10g", 10 << 30), ("1KiB", 1024), ("1000000", 1_000_000)]
        {
            assert_eq!(parse_bytes(text), Ok(Bytes(Some(bytes))), "{text}");
        }
        assert_eq!(parse_bytes("unlimited"), Ok(Bytes(None)));
        for text in ["", "M", "-1", "1X", "1.5G", "99999999999T"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_with_their_unit() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(10 << 30), "10.0 GiB");
    }

    #[test]
    fn times_are_read_and_shown_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(parse_seconds(text), Ok(seconds));
        }
        for text in ["", "0s", "7", "d", "-1h", "1.5h", "7日", "99999999999999999d"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
        for (seconds, shown) in [(0, "0s"), (59, "59s"), (61, "1m01s"), (3_600, "1h00m"), (90_000, "1d01h")] {
            assert_eq!(ago(5_000, 5_000 + seconds * 1_000), shown);
        }
        assert_eq!((until(1, 2).as_str(), until(62_000, 1_000).as_str()), ("now", "in 1m01s"));
        assert_eq!(date(880_127_706_000), "Fri, 21 Nov 1997 15:55:06 +0000");
        for text in ["1997-11-21T15:55:06Z", "1997-11-22 00:55:06+09:00", "1997-11-21t09:55:06-0600"] {
            assert_eq!(parse_time(text), Ok(880_127_706_000), "{text}");
        }
        assert_eq!(parse_time("1970-01-02"), Ok(86_400_000));
        for text in
            ["", "tomorrow", "2026-13-01", "2026-12-29T09:00", "2026-12-29T09:00+9", "2026-12-29x", "1969-12-31"]
        {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["bbb".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["X", "Y"], &rows), "X    Y\na    1\nbbb  22\n");
    }
}
