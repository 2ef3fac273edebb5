//! How a sender wants a message handled on its way, beside notices ([`crate::dsn`]): what MAIL asked for, as it travels with the message.
//!
//! TLS (RFC 8689), a later release (RFC 4865), a priority (RFC 6710) and a deadline (RFC 2852). What was not asked for is the default of
//! each, and is not passed on. Times are absolute here; what MAIL said in seconds was added to the time at which it said so.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What the sender demands of TLS (RFC 8689).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsDemand {
    /// Nothing: policies decide.
    #[default]
    None,
    /// REQUIRETLS: verified TLS at every hop, or not at all.
    Required,
    /// `TLS-Required: No`: deliver even where a policy asks for TLS.
    Waived,
}

impl TlsDemand {
    /// What a message demands: by MAIL, or where that said nothing by its `TLS-Required` field, of which `No` is the only value (RFC 8689 §3,
    /// §4.1).
    #[must_use]
    pub fn with_field(self, field: Option<&str>) -> TlsDemand {
        match (self, field) {
            (TlsDemand::None, Some(value)) if value.trim().eq_ignore_ascii_case("no") => TlsDemand::Waived,
            (demand, _) => demand,
        }
    }

    /// What a message that answers one like this demands: no less TLS, and no promise that nobody needs any.
    #[must_use]
    pub const fn of_answer(self) -> TlsDemand {
        match self {
            TlsDemand::Required => TlsDemand::Required,
            TlsDemand::None | TlsDemand::Waived => TlsDemand::None,
        }
    }
}

/// When and how urgently a message is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Not before then.
    pub release: Option<Release>,
    /// Before or after other mail of the same domain.
    pub priority: Priority,
    /// By then, or the sender is told.
    pub deadline: Option<Deadline>,
}

impl Handling {
    /// When its way begins, if it was accepted then: from when its lifetime and its delay count.
    #[must_use]
    pub fn begins(&self, accepted: Timestamp) -> Timestamp {
        self.release.map_or(accepted, |release| release.at.max(accepted))
    }

    /// What goes on with a message that an account forwards: that it was held is over.
    #[must_use]
    pub const fn onward(self) -> Handling {
        Handling { release: None, ..self }
    }
}

/// HOLDFOR or HOLDUNTIL (RFC 4865 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// When.
    pub at: Timestamp,
    /// HOLDFOR's seconds; `None`: HOLDUNTIL.
    pub held_for_seconds: Option<u32>,
}

/// MT-PRIORITY (RFC 6710 §3): -9, the least, to 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i8", into = "i8")]
pub struct Priority(i8);

impl Priority {
    /// What nobody asked for.
    pub const NORMAL: Priority = Priority(0);
    /// The highest.
    pub const MAX: Priority = Priority(9);

    /// A priority of this value; `None` if there is none.
    #[must_use]
    pub const fn new(value: i8) -> Option<Priority> {
        if value >= -9 && value <= 9 { Some(Priority(value)) } else { None }
    }

    /// `0`, or a digit that may have a minus before it (RFC 6710 §6).
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Priority> {
        match text {
            b"0" => Some(Priority(0)),
            [digit @ b'1'..=b'9'] => Some(Priority((*digit - b'0').cast_signed())),
            [b'-', digit @ b'1'..=b'9'] => Some(Priority(-(*digit - b'0').cast_signed())),
            _ => None,
        }
    }
}

impl TryFrom<i8> for Priority {
    type Error = &'static str;

    fn try_from(value: i8) -> Result<Self, Self::Error> {
        Priority::new(value).ok_or("a priority is -9 to 9")
    }
}

impl From<Priority> for i8 {
    fn from(priority: Priority) -> i8 {
        priority.0
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// BY (RFC 2852 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// What becomes of the message then.
    pub mode: ByMode,
    /// `T`.
    pub trace: ByTrace,
}

/// What becomes of a message that is not delivered by its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByMode {
    /// `R`: it goes back.
    Return,
    /// `N`: its sender is told, and it is tried further.
    Notify,
}

/// Is the sender told of every server that passes the message on?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByTrace {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
}

impl Deadline {
    /// What BY says of it at that time, such as `120;RT`; a time that is over is negative.
    #[must_use]
    pub fn value(&self, now: Timestamp) -> String {
        let mode = match (self.mode, self.trace) {
            (ByMode::Return, ByTrace::Off) => "R",
            (ByMode::Return, ByTrace::On) => "RT",
            (ByMode::Notify, ByTrace::Off) => "N",
            (ByMode::Notify, ByTrace::On) => "NT",
        };
        let left = self.seconds_left(now);
        // A message that must come back by then is not passed on later: what is less is the clock's.
        format!("{};{mode}", if self.returns() { left.max(1) } else { left })
    }

    /// Whole seconds that are left, at most nine digits.
    #[must_use]
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        let signed = |millis: u64| i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
        let left = signed(self.at.millis_since(now)) - signed(now.millis_since(self.at));
        left.clamp(-999_999_999, 999_999_999)
    }

    /// Is the message given up then?
    #[must_use]
    pub fn returns(&self) -> bool {
        self.mode == ByMode::Return
    }
}

#[cfg(test)]
mod tests {
    use super::TlsDemand::{None as Nothing, Required, Waived};
    use super::{ByMode, ByTrace, Deadline, Handling, Priority, Release};
    use crate::time::Timestamp;

    #[test]
    fn the_field_says_no_and_never_against_requiretls() {
        for (mail, field, demand) in [
            (Nothing, None, Nothing),
            (Nothing, Some("No"), Waived),
            (Nothing, Some(" no "), Waived),
            (Nothing, Some("Yes"), Nothing),
            (Nothing, Some("No way"), Nothing),
            (Required, Some("No"), Required),
            (Required, None, Required),
        ] {
            assert_eq!(mail.with_field(field), demand, "{mail:?} {field:?}");
        }
    }

    #[test]
    fn priorities_have_one_digit_and_one_spelling() {
        for value in -9..=9_i8 {
            let priority = Priority::parse(value.to_string().as_bytes()).unwrap();
            assert_eq!((i8::from(priority), priority.to_string()), (value, value.to_string()));
        }
        for text in ["", "-", "-0", "+1", "10", "-10", "1 ", "a", "٣"] {
            assert_eq!(Priority::parse(text.as_bytes()), None, "{text}");
        }
        assert!(Priority::new(10).is_none() && Priority::MAX > Priority::NORMAL);
    }

    #[test]
    fn a_deadline_is_passed_on_with_what_is_left() {
        let now = Timestamp::from_seconds(1_000_000);
        let deadline = Deadline { at: now.plus_seconds(90), mode: ByMode::Return, trace: ByTrace::On };
        assert_eq!((deadline.value(now), deadline.value(now.plus_seconds(30))), ("90;RT".into(), "60;RT".into()));
        let late = Deadline { at: now, mode: ByMode::Notify, trace: ByTrace::Off };
        assert_eq!(late.value(now.plus_seconds(7)), "-7;N");
        let far = Deadline { at: Timestamp(u64::MAX), ..late };
        assert_eq!(far.value(now), "999999999;N");
    }

    #[test]
    fn a_way_begins_when_it_is_released() {
        let now = Timestamp::from_seconds(1_000);
        let held = |at| Handling { release: Some(Release { at, held_for_seconds: None }), ..Handling::default() };
        assert_eq!(Handling::default().begins(now), now);
        assert_eq!(held(now.plus_seconds(5)).begins(now), now.plus_seconds(5));
        assert_eq!(held(Timestamp(0)).begins(now), now);
    }
}
