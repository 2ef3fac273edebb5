//! The words of spam scoring: what speaks for or against a message, and how much that is.
//!
//! One list for all who find something: the header's reader (`message`), the verification of its sender (`policy`). Their names stand in
//! configuration, in the log and in the X-Spam-Status field. What each is worth by default is `policy`'s to say.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that the built-in score counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpamCheck {
    /// DMARC passed: the author is who the message says.
    DmarcPass,
    /// DMARC failed, and the message is taken nevertheless.
    DmarcFail,
    /// SPF: not one of the sender's hosts.
    SpfFail,
    /// SPF: probably not one of the sender's hosts.
    SpfSoftfail,
    /// It is signed, and no signature holds.
    DkimFail,
    /// Neither SPF nor a signature passed.
    Unauthenticated,
    /// A chain of forwarders does not hold (RFC 8617).
    ArcFail,
    /// A trusted forwarder had seen DMARC pass.
    ForwarderTrusted,
    /// The host has no name.
    HostNameMissing,
    /// The host has a name that does not lead back to it.
    HostNameForged,
    /// HELO gives no host name of two labels or more.
    HeloUnqualified,
    /// HELO gives our own name.
    HeloOurs,
    /// The author is an address of the recipient's own domain, and nothing proves it.
    OwnDomainForged,
    /// No Date field.
    DateMissing,
    /// A Date field that is no date.
    DateUnreadable,
    /// A date more than a day ahead.
    DateFuture,
    /// A date more than thirty days ago.
    DatePast,
    /// No Message-ID field.
    MessageIdMissing,
    /// None of To, Cc and Bcc.
    RecipientsMissing,
    /// No Subject field, or an empty one.
    SubjectMissing,
    /// A field that may stand once stands twice (RFC 5322 §3.6).
    FieldRepeated,
    /// Several authors and no Sender (RFC 5322 §3.6.2).
    AuthorsSeveral,
    /// The author's name shown is another address than the author's.
    NameIsAddress,
    /// Octets beyond ASCII in the header of a message that was not announced to have any (RFC 6532).
    HeaderOctets,
    /// A program is attached.
    ProgramAttached,
}

impl SpamCheck {
    /// All of them.
    pub const ALL: [SpamCheck; 25] = [
        SpamCheck::DmarcPass,
        SpamCheck::DmarcFail,
        SpamCheck::SpfFail,
        SpamCheck::SpfSoftfail,
        SpamCheck::DkimFail,
        SpamCheck::Unauthenticated,
        SpamCheck::ArcFail,
        SpamCheck::ForwarderTrusted,
        SpamCheck::HostNameMissing,
        SpamCheck::HostNameForged,
        SpamCheck::HeloUnqualified,
        SpamCheck::HeloOurs,
        SpamCheck::OwnDomainForged,
        SpamCheck::DateMissing,
        SpamCheck::DateUnreadable,
        SpamCheck::DateFuture,
        SpamCheck::DatePast,
        SpamCheck::MessageIdMissing,
        SpamCheck::RecipientsMissing,
        SpamCheck::SubjectMissing,
        SpamCheck::FieldRepeated,
        SpamCheck::AuthorsSeveral,
        SpamCheck::NameIsAddress,
        SpamCheck::HeaderOctets,
        SpamCheck::ProgramAttached,
    ];

    /// Its name in configuration, log and header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SpamCheck::DmarcPass => "dmarc_pass",
            SpamCheck::DmarcFail => "dmarc_fail",
            SpamCheck::SpfFail => "spf_fail",
            SpamCheck::SpfSoftfail => "spf_softfail",
            SpamCheck::DkimFail => "dkim_fail",
            SpamCheck::Unauthenticated => "unauthenticated",
            SpamCheck::ArcFail => "arc_fail",
            SpamCheck::ForwarderTrusted => "forwarder_trusted",
            SpamCheck::HostNameMissing => "host_name_missing",
            SpamCheck::HostNameForged => "host_name_forged",
            SpamCheck::HeloUnqualified => "helo_unqualified",
            SpamCheck::HeloOurs => "helo_ours",
            SpamCheck::OwnDomainForged => "own_domain_forged",
            SpamCheck::DateMissing => "date_missing",
            SpamCheck::DateUnreadable => "date_unreadable",
            SpamCheck::DateFuture => "date_future",
            SpamCheck::DatePast => "date_past",
            SpamCheck::MessageIdMissing => "message_id_missing",
            SpamCheck::RecipientsMissing => "recipients_missing",
            SpamCheck::SubjectMissing => "subject_missing",
            SpamCheck::FieldRepeated => "field_repeated",
            SpamCheck::AuthorsSeveral => "authors_several",
            SpamCheck::NameIsAddress => "name_is_address",
            SpamCheck::HeaderOctets => "header_octets",
            SpamCheck::ProgramAttached => "program_attached",
        }
    }
}

/// A score in hundredths of a point; the higher, the more like spam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpamScore(pub i64);

impl SpamScore {
    /// So many points.
    #[must_use]
    pub const fn points(points: i32) -> SpamScore {
        SpamScore(points as i64 * 100)
    }

    /// What a scanner gave as a fraction, if it is a number that a score can be.
    #[must_use]
    pub fn from_fraction(points: f64) -> Option<SpamScore> {
        let hundredths = (points * 100.0).round();
        let sane = hundredths.is_finite() && hundredths.abs() < 1e9;
        #[allow(clippy::cast_possible_truncation, reason = "its size was just looked at")]
        sane.then_some(SpamScore(hundredths as i64))
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: SpamScore) -> SpamScore {
        SpamScore(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for SpamScore {
    /// Points with as many decimals as they have: `7`, `-0.5`, `6.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match (size / 100, size % 100) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{sign}{whole}.{}", part / 10),
            (whole, part) => write!(f, "{sign}{whole}.{part:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SpamCheck, SpamScore};

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let mut names: Vec<&str> = SpamCheck::ALL.iter().map(|check| check.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SpamCheck::ALL.len());
    }

    #[test]
    fn scores_read_like_numbers() {
        let shown = |hundredths| SpamScore(hundredths).to_string();
        assert_eq!([700, -50, 625, 5, 0].map(shown), ["7", "-0.5", "6.25", "0.05", "0"]);
        assert_eq!(SpamScore::from_fraction(-1.239), Some(SpamScore(-124)));
        assert_eq!([f64::NAN, f64::INFINITY, 1e12].map(SpamScore::from_fraction), [None; 3]);
    }
}
