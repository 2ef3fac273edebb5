//! What a sender wants to hear of its message (RFC 3461): NOTIFY, ORCPT, RET and ENVID as they travel with it.
//!
//! What was not asked for stays apart from every asked-for value: a relay must pass on what came and add nothing (RFC 3461 §5.2.1).
//! ENVID and ORCPT are kept as xtext, as the client sent them; decoding them is the reader's business.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What may be notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotifyOn {
    /// Delivered.
    Success,
    /// Failed for good.
    Failure,
    /// Not delivered yet.
    Delay,
}

impl NotifyOn {
    /// In the order in which they are written.
    pub const ALL: [NotifyOn; 3] = [NotifyOn::Success, NotifyOn::Failure, NotifyOn::Delay];

    /// The keyword (RFC 3461 §4.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NotifyOn::Success => "SUCCESS",
            NotifyOn::Failure => "FAILURE",
            NotifyOn::Delay => "DELAY",
        }
    }
}

/// A recipient's NOTIFY (RFC 3461 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NotifySet(u8);

impl NotifySet {
    /// Nothing was asked for: failures and delays are told.
    pub const UNSPECIFIED: NotifySet = NotifySet(0b1000);
    /// `NEVER`.
    pub const NEVER: NotifySet = NotifySet(0);

    /// Tells of these; of nothing if there are none.
    #[must_use]
    pub fn of(events: &[NotifyOn]) -> Self {
        NotifySet(events.iter().fold(0, |bits, event| bits | bit(*event)))
    }

    /// Parses the value of the parameter, without regard to case: `NEVER`, or a list of the three others.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(NotifySet::NEVER);
        }
        let known = |word: &str| NotifyOn::ALL.into_iter().find(|event| event.as_str().eq_ignore_ascii_case(word));
        let events: Option<Vec<NotifyOn>> = text.split(',').map(known).collect();
        events.map(|events| NotifySet::of(&events))
    }

    /// Is the sender to be told of this?
    #[must_use]
    pub fn wants(self, event: NotifyOn) -> bool {
        if self == NotifySet::UNSPECIFIED { event != NotifyOn::Success } else { self.0 & bit(event) != 0 }
    }

    /// Was the parameter given? Only then it is passed on.
    #[must_use]
    pub fn is_given(self) -> bool {
        self != NotifySet::UNSPECIFIED
    }
}

fn bit(event: NotifyOn) -> u8 {
    match event {
        NotifyOn::Success => 1,
        NotifyOn::Failure => 2,
        NotifyOn::Delay => 4,
    }
}

impl Default for NotifySet {
    fn default() -> Self {
        NotifySet::UNSPECIFIED
    }
}

impl std::fmt::Display for NotifySet {
    /// The value of the parameter; empty if it wasn't given.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == NotifySet::NEVER {
            return f.write_str("NEVER");
        }
        let mut separator = "";
        for event in NotifyOn::ALL.into_iter().filter(|event| self.is_given() && self.wants(*event)) {
            write!(f, "{separator}{}", event.as_str())?;
            separator = ",";
        }
        Ok(())
    }
}

impl std::fmt::Debug for NotifySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NotifySet({self})")
    }
}

/// RET (RFC 3461 §4.3): how much of the message a notice of failure gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DsnReturn {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// What MAIL asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnEnvelope {
    /// ENVID, xtext of at most [`crate::limits::ENVID_BYTES_MAX`] octets.
    pub envid: Option<Bytes>,
    /// RET.
    pub ret: Option<DsnReturn>,
}

/// Is this xtext (RFC 3461 §4): printable ASCII, with `+` and `=` only as `+` and two upper-case hex digits?
#[must_use]
pub fn is_xtext(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    let hex = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'+' => hex(bytes.next()) && hex(bytes.next()),
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        };
        if !good {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{NotifyOn, NotifySet, is_xtext};

    #[test]
    fn xtext_is_printable_and_escapes_in_capitals() {
        for good in ["", "QQ314159", "a+2Bb+3D", "!~"] {
            assert!(is_xtext(good.as_bytes()), "{good}");
        }
        for bad in ["a b", "a=b", "+", "+2", "+2b", "\u{7f}", "\u{e9}"] {
            assert!(!is_xtext(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn notify_is_passed_on_as_it_came_and_never_made_up() {
        for (text, shown) in
            [("never", "NEVER"), ("DELAY,success", "SUCCESS,DELAY"), ("SUCCESS,FAILURE,DELAY", "SUCCESS,FAILURE,DELAY")]
        {
            let set = NotifySet::parse(text).unwrap();
            assert!(set.is_given());
            assert_eq!(set.to_string(), shown);
        }
        for wrong in ["", "NEVER,DELAY", "SUCCESS,", "OTHER"] {
            assert_eq!(NotifySet::parse(wrong), None, "{wrong}");
        }
        assert_eq!(NotifySet::default().to_string(), "");
    }

    #[test]
    fn silence_asks_for_failures_and_delays() {
        let told = |set: NotifySet| NotifyOn::ALL.map(|event| set.wants(event));
        assert_eq!(told(NotifySet::UNSPECIFIED), [false, true, true]);
        assert_eq!(told(NotifySet::NEVER), [false, false, false]);
        assert_eq!(told(NotifySet::of(&[NotifyOn::Success])), [true, false, false]);
    }
}
