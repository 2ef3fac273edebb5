//! Dates of mail: the Date field (RFC 5322 §3.3 and its obsolete forms) and IMAP's date-time (RFC 9051 §9).
//!
//! Reads tolerantly, writes exactly. Times are seconds or milliseconds since 1970-01-01T00:00:00Z; there is no clock
//! and no time zone database here. Years 1900 to 9999; a leap second counts as the second before it.

use serde::{Deserialize, Serialize};
use yubin_types::time::{Timestamp, UtcOffset};

use crate::lex::Cursor;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_S: i64 = 86_400;
const MINUTE_S: i64 = 60;

/// An instant and the offset from UTC at which it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateTime {
    /// Seconds since the epoch.
    pub epoch_s: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
}

/// A day of the calendar, as IMAP's SEARCH compares: without time and zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(
    /// Days since 1970-01-01.
    pub i64,
);

impl DateTime {
    /// Reads the body of a Date field.
    ///
    /// ```
    /// let date = yubin_message::DateTime::parse_rfc5322(b"Fri, 21 Nov 1997 09:55:06 -0600");
    /// assert_eq!(date.map(|it| it.epoch_s), Some(880_127_706));
    /// ```
    pub fn parse_rfc5322(field_body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(field_body);
        word(&mut cursor, |byte| byte.is_ascii_alphabetic());
        cursor.skip_cfws();
        cursor.eat(b',');
        let day = number(&mut cursor)?;
        separator(&mut cursor);
        let month = month(word(&mut cursor, |byte| byte.is_ascii_alphabetic()))?;
        separator(&mut cursor);
        let year_text = word(&mut cursor, |byte| byte.is_ascii_digit());
        let year = match (year_text.len(), digits(year_text)?) {
            // RFC 5322 §4.3: two digits below 50 are of this century, three digits count from 1900.
            (1 | 2, year) if year < 50 => year + 2000,
            (1..=3, year) => year + 1900,
            (_, year) => year,
        };
        let hour = number(&mut cursor)?;
        cursor.skip_cfws();
        let minute = if cursor.eat(b':') || cursor.eat(b'.') { number(&mut cursor)? } else { return None };
        cursor.skip_cfws();
        let second = if cursor.eat(b':') || cursor.eat(b'.') { number(&mut cursor)? } else { 0 };
        let offset_minutes = zone(&mut cursor);
        DateTime::from_parts([year, month, day], [hour, minute, second], offset_minutes)
    }

    /// Reads the content of an IMAP date-time, as in `17-Jul-1996 02:44:25 -0700` (day also with a leading space).
    pub fn parse_imap(text: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(b" ").unwrap_or(text);
        let mut cursor = Cursor::new(text);
        let day = digits(cursor.take_while(|byte| byte.is_ascii_digit()))?;
        let month = cursor.eat(b'-').then(|| month(cursor.take_while(|byte| byte.is_ascii_alphabetic())))??;
        let year = cursor.eat(b'-').then(|| digits(cursor.take_while(|byte| byte.is_ascii_digit())))??;
        let hour = cursor.eat(b' ').then(|| digits(cursor.take_while(|byte| byte.is_ascii_digit())))??;
        let minute = cursor.eat(b':').then(|| digits(cursor.take_while(|byte| byte.is_ascii_digit())))??;
        let second = cursor.eat(b':').then(|| digits(cursor.take_while(|byte| byte.is_ascii_digit())))??;
        if !cursor.eat(b' ') {
            return None;
        }
        let offset_minutes = numeric_zone(&mut cursor)?;
        if !cursor.is_empty() || year < 1900 {
            return None;
        }
        DateTime::from_parts([year, month, day], [hour, minute, second], offset_minutes)
    }

    /// Reads a time as RFC 3339 writes it, as in `2026-12-29T09:00:00+09:00`; seconds may be left out, and a day alone is its first
    /// moment in UTC.
    ///
    /// ```
    /// let date = yubin_message::DateTime::parse_rfc3339("1997-11-21T09:55:06-06:00");
    /// assert_eq!(date.map(|it| it.epoch_s), Some(880_127_706));
    /// ```
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let mut cursor = Cursor::new(text);
        let number = |cursor: &mut Cursor<'_>| digits(cursor.take_while(|byte| byte.is_ascii_digit()));
        let year = number(&mut cursor).filter(|year| *year >= 1900)?;
        let month = cursor.eat(b'-').then(|| number(&mut cursor))??;
        let day = cursor.eat(b'-').then(|| number(&mut cursor))??;
        if cursor.is_empty() {
            return DateTime::from_parts([year, month, day], [0, 0, 0], 0);
        }
        if !cursor.eat(b'T') && !cursor.eat(b't') && !cursor.eat(b' ') {
            return None;
        }
        let hour = number(&mut cursor)?;
        let minute = cursor.eat(b':').then(|| number(&mut cursor))??;
        let second = if cursor.eat(b':') { number(&mut cursor)? } else { 0 };
        let zone: Vec<u8> = cursor.rest().iter().copied().filter(|byte| *byte != b':').collect();
        let offset_minutes = if zone.eq_ignore_ascii_case(b"Z") {
            0
        } else {
            let mut zone = Cursor::new(&zone);
            let offset_minutes = numeric_zone(&mut zone)?;
            zone.is_empty().then_some(offset_minutes)?
        };
        DateTime::from_parts([year, month, day], [hour, minute, second], offset_minutes)
    }

    /// `1997-11-21T15:55:06Z`, always in UTC.
    pub fn to_rfc3339(self) -> String {
        let utc = DateTime::utc(self.epoch_s);
        let (year, month, day) = utc.day().calendar();
        format!("{year:04}-{month:02}-{day:02}T{}Z", utc.clock())
    }

    fn from_parts([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3], offset_minutes: i16) -> Option<Self> {
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
            return None;
        }
        let day = Day::from_calendar(year, month, day)?;
        let local_s = day.0 * DAY_S + hour * 3600 + minute * MINUTE_S + second.min(59);
        Some(DateTime { epoch_s: local_s - i64::from(offset_minutes) * MINUTE_S, offset_minutes })
    }

    /// An instant written in UTC.
    pub fn utc(epoch_s: i64) -> Self {
        DateTime { epoch_s, offset_minutes: 0 }
    }

    /// An instant as clocks show it that are so far ahead of UTC.
    pub fn at(stamp: Timestamp, offset: UtcOffset) -> Self {
        DateTime { offset_minutes: offset.minutes(), ..DateTime::from(stamp) }
    }

    /// The day as written, its time and zone disregarded (SENTBEFORE, SENTON, SENTSINCE, BEFORE, ON, SINCE).
    pub fn day(self) -> Day {
        Day(self.local_s().div_euclid(DAY_S))
    }

    /// `Fri, 21 Nov 1997 09:55:06 -0600`, for a Date or Received field.
    pub fn to_rfc5322(self) -> String {
        let (year, month, day) = self.day().calendar();
        let weekday = name(&DAYS, (self.day().0 + 4).rem_euclid(7));
        format!("{weekday}, {day} {} {year:04} {} {}", name(&MONTHS, month - 1), self.clock(), self.zone())
    }

    /// `17-Jul-1996 02:44:25 -0700` with the day padded by a space, for INTERNALDATE; without its quotes.
    pub fn to_imap(self) -> String {
        let (year, month, day) = self.day().calendar();
        format!("{day:>2}-{}-{year:04} {} {}", name(&MONTHS, month - 1), self.clock(), self.zone())
    }

    fn local_s(self) -> i64 {
        self.epoch_s + i64::from(self.offset_minutes) * MINUTE_S
    }

    fn clock(self) -> String {
        let second = self.local_s().rem_euclid(DAY_S);
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }

    fn zone(self) -> String {
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

impl From<Timestamp> for DateTime {
    /// The second the stamp lies in, written in UTC.
    fn from(stamp: Timestamp) -> Self {
        DateTime::utc(i64::try_from(stamp.seconds()).unwrap_or(i64::MAX))
    }
}

impl Day {
    /// The day of the Gregorian calendar; `None` if there is no such day or its year is outside 1900 to 9999.
    pub fn from_calendar(year: i64, month: i64, day: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1900..=9999).contains(&year) || !(1..=last).contains(&day) {
            return None;
        }
        // Years that begin in March put the leap day last.
        let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let year_days = shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
        Some(Day(year_days + (shifted_month * 153 + 2) / 5 + day - 1 - 719_468))
    }

    /// Reads IMAP's date, as in `1-Feb-1994`; without its quotes.
    pub fn parse_imap(text: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(text);
        let day = digits(cursor.take_while(|byte| byte.is_ascii_digit()))?;
        let month = cursor.eat(b'-').then(|| month(cursor.take_while(|byte| byte.is_ascii_alphabetic())))??;
        let year = cursor.eat(b'-').then(|| digits(cursor.take_while(|byte| byte.is_ascii_digit())))??;
        if cursor.is_empty() { Day::from_calendar(year, month, day) } else { None }
    }

    /// When the day begins where clocks are so far ahead of UTC; the epoch for days before it.
    pub fn begins(self, offset: UtcOffset) -> Timestamp {
        let seconds = self.0.saturating_mul(DAY_S).saturating_sub(i64::from(offset.minutes()) * MINUTE_S);
        Timestamp::from_seconds(u64::try_from(seconds).unwrap_or(0))
    }

    /// Year, month and day.
    fn calendar(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }
}

fn name(names: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("???")
}

/// White space, comments, and the dashes some mailers write between day, month and year.
fn separator(cursor: &mut Cursor<'_>) {
    cursor.skip_cfws();
    cursor.eat(b'-');
}

fn word<'a>(cursor: &mut Cursor<'a>, keep: impl Fn(u8) -> bool) -> &'a [u8] {
    cursor.skip_cfws();
    cursor.take_while(keep)
}

fn number(cursor: &mut Cursor<'_>) -> Option<i64> {
    digits(word(cursor, |byte| byte.is_ascii_digit()))
}

/// One to four digits.
fn digits(text: &[u8]) -> Option<i64> {
    if !(1..=4).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

fn month(text: &[u8]) -> Option<i64> {
    let short = text.get(..3)?;
    let index = MONTHS.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(short))?;
    i64::try_from(index + 1).ok()
}

/// A numeric zone, or one of RFC 5322 §4.3's names; an unknown one counts as UTC.
fn zone(cursor: &mut Cursor<'_>) -> i16 {
    cursor.skip_cfws();
    if let Some(minutes) = numeric_zone(&mut cursor.clone()) {
        return minutes;
    }
    match cursor.take_while(|byte| byte.is_ascii_alphabetic()).to_ascii_uppercase().as_slice() {
        b"EDT" => -4 * 60,
        b"EST" | b"CDT" => -5 * 60,
        b"CST" | b"MDT" => -6 * 60,
        b"MST" | b"PDT" => -7 * 60,
        b"PST" => -8 * 60,
        b"JST" => 9 * 60,
        _ => 0,
    }
}

/// `+hhmm` or `-hhmm`, less than a day.
fn numeric_zone(cursor: &mut Cursor<'_>) -> Option<i16> {
    let sign = match cursor.bump()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let text = cursor.take_while(|byte| byte.is_ascii_digit());
    if text.len() != 4 {
        return None;
    }
    let value = i16::try_from(digits(text)?).ok()?;
    let (hours, minutes) = (value / 100, value % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_of_mail() {
        let table: &[(&str, Option<(i64, i16)>)] = &[
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some((880_127_706, -360))),
            ("21 Nov 97 09:55:06 GMT", Some((880_106_106, 0))),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", Some((880_127_706, -360))),
            ("Thu,\r\n 1 Jan 1970 09:00 JST", Some((0, 540))),
            ("Thu, 1 Jan 1970 00:00:00 +0000 (UTC)", Some((0, 0))),
            ("Tue, 29 Feb 2000 23:59:60 +0000", Some((951_868_799, 0))),
            ("1-Jan-2001 00:00:00 EST", Some((978_325_200, -300))),
            ("Sat, 1 Jan 0101 00:00:00 +0000", None),
            ("Tue, 30 Feb 2000 00:00:00 +0000", None),
            ("Mon, 1 Jan 2001 24:00:00 +0000", None),
            ("Mon, 1 Jan 101 00:00:00 Z", Some((978_307_200, 0))),
            ("Mon, 1 Jan 2001", None),
            ("99999999999999999999 Jan 2001 00:00:00 +0000", None),
            ("now", None),
            ("", None),
        ];
        for (input, want) in table {
            let got = DateTime::parse_rfc5322(input.as_bytes()).map(|it| (it.epoch_s, it.offset_minutes));
            assert_eq!(got, *want, "{input}");
        }
    }

    #[test]
    fn imap_dates_go_there_and_back() {
        for text in [
            "17-Jul-1996 02:44:25 -0700",
            " 1-Feb-1994 00:00:00 +0000",
            "31-Dec-9999 23:59:59 +2359",
            " 1-Jan-1900 00:00:00 +0000",
        ] {
            let date = DateTime::parse_imap(text.as_bytes()).expect(text);
            assert_eq!(date.to_imap(), text);
        }
        for text in [
            "17-Jul-1996",
            "17-Jul-1996 02:44:25",
            "17-Jul-1996 02:44:25 0700",
            "32-Jul-1996 02:44:25 +0000",
            "17-Jul-1996 02:44:25 -0700 ",
            "17-Jul-96 02:44:25 +0000",
        ] {
            assert_eq!(DateTime::parse_imap(text.as_bytes()), None, "{text}");
        }
        let early = DateTime::parse_imap(b"1-Feb-1994 23:30:00 -0500");
        assert_eq!(early.map(DateTime::day), Day::parse_imap(b"1-Feb-1994"));
        assert_eq!(Day::parse_imap(b"01-feb-1994"), Day::parse_imap(b"1-Feb-1994"));
    }

    #[test]
    fn every_day_goes_there_and_back() {
        let (mut year, mut month, mut day) = (1900, 1, 1);
        let first = Day::from_calendar(year, month, day).expect("a day");
        for days in first.0..first.0 + 365 * 250 {
            assert_eq!(Day(days).calendar(), (year, month, day));
            assert_eq!(Day::from_calendar(year, month, day), Some(Day(days)));
            let next = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)];
            let Some(&found) = next.iter().find(|it| Day::from_calendar(it.0, it.1, it.2).is_some()) else {
                panic!("no next day")
            };
            (year, month, day) = found;
        }
    }

    #[test]
    fn writes_rfc5322() {
        assert_eq!(
            DateTime { epoch_s: 880_127_706, offset_minutes: -360 }.to_rfc5322(),
            "Fri, 21 Nov 1997 09:55:06 -0600"
        );
        assert_eq!(DateTime::utc(0).to_rfc5322(), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(DateTime::from(Timestamp(880_127_706_999)).to_rfc5322(), "Fri, 21 Nov 1997 15:55:06 +0000");
        assert_eq!(DateTime::utc(-1).to_rfc5322(), "Wed, 31 Dec 1969 23:59:59 +0000");
    }
}
