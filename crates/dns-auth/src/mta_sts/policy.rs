//! The text of an MTA-STS policy and of the TXT record that announces it (RFC 8461 §3.1, §3.2, §4.1).
//!
//! Reading is as wide as the grammar: LF or CRLF, unknown fields passed over, of a repeated field (all but `mx`) the first counts.
//! A text that lacks what it must have is no policy at all.

use std::time::Duration;

use yubin_types::{DomainName, limits};

/// What a domain demands of those who send to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How strictly.
    pub mode: Mode,
    /// For how long it holds after it was fetched.
    pub max_age: Duration,
    /// Which hosts may take the domain's mail; at least one, except in mode `none`.
    pub mx: Vec<MxPattern>,
}

/// How strictly a policy is meant (RFC 8461 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No delivery to a host that fails.
    Enforce,
    /// Deliver all the same, and report.
    Testing,
    /// The domain has no policy any more.
    None,
}

/// A host, or all hosts one label below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MxPattern {
    /// `mx.example.com`
    Host(DomainName),
    /// `*.example.com`: exactly one label more.
    Below(DomainName),
}

/// Why a text is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The first thing it must say is missing or of another version.
    #[error("the policy does not say version: STSv1")]
    Version,
    /// No mode, or an unknown one.
    #[error("the policy has no mode, or an unknown one")]
    Mode,
    /// No number of seconds, or more than a year and a day.
    #[error("the policy has no valid max_age")]
    MaxAge,
    /// No host, one that can't exist, or too many.
    #[error("the policy has no valid list of mx")]
    Mx,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let fields: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let first = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        if first("version") != Some("STSv1") {
            return Err(PolicyError::Version);
        }
        let mode = match first("mode") {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err(PolicyError::Mode),
        };
        let digits = first("max_age").filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
        let seconds: u64 = digits.and_then(|value| value.parse().ok()).ok_or(PolicyError::MaxAge)?;
        if seconds > limits::MTA_STS_MAX_AGE_SECONDS_MAX {
            return Err(PolicyError::MaxAge);
        }
        let hosts = fields.iter().filter(|(name, _)| *name == "mx").map(|(_, value)| MxPattern::parse(value));
        let mx = hosts.collect::<Option<Vec<MxPattern>>>().ok_or(PolicyError::Mx)?;
        if mx.len() > limits::MTA_STS_HOSTS_MAX || (mx.is_empty() && mode != Mode::None) {
            return Err(PolicyError::Mx);
        }
        Ok(Policy { mode, max_age: Duration::from_secs(seconds), mx })
    }

    /// Its lines in the order of RFC 8461 §3.2: what reports repeat.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mode = match self.mode {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        let hosts = self.mx.iter().map(|pattern| format!("mx: {pattern}"));
        let first = ["version: STSv1".to_owned(), format!("mode: {mode}")];
        first.into_iter().chain([format!("max_age: {}", self.max_age.as_secs())]).chain(hosts).collect()
    }

    /// May this host take the domain's mail? (RFC 8461 §4.1) Its certificate is another question.
    #[must_use]
    pub fn permits(&self, host: &DomainName) -> bool {
        self.mx.iter().any(|pattern| pattern.matches(host))
    }
}

impl MxPattern {
    fn parse(text: &str) -> Option<MxPattern> {
        match text.strip_prefix("*.") {
            Some(parent) => DomainName::parse(parent).ok().map(MxPattern::Below),
            None => DomainName::parse(text).ok().map(MxPattern::Host),
        }
    }

    fn matches(&self, host: &DomainName) -> bool {
        match self {
            MxPattern::Host(name) => name == host,
            MxPattern::Below(parent) => host.as_str().split_once('.').is_some_and(|(_, rest)| rest == parent.as_str()),
        }
    }
}

impl std::fmt::Display for MxPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MxPattern::Host(name) => name.fmt(f),
            MxPattern::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// The id that the TXT records at `_mta-sts` announce, if exactly one of them is an MTA-STS record and it is valid.
pub(crate) fn announced_id(texts: &[String]) -> Option<String> {
    let mut records = texts.iter().filter(|text| text.starts_with("v=STSv1;"));
    let (record, None) = (records.next()?, records.next()) else { return None };
    let mut fields = record.split(';').filter_map(|field| field.split_once('='));
    let (_, id) = fields.find(|(name, _)| name.trim() == "id")?;
    let id = id.trim();
    let valid = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    valid.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use yubin_types::DomainName;

    use super::{Mode, Policy, PolicyError, announced_id};

    const EXAMPLE: &str = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n";

    #[test]
    fn the_example_of_the_rfc() {
        let policy = Policy::parse(EXAMPLE).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        for (host, permitted) in [
            ("mail.example.com", true),
            ("backupmx.example.com", true),
            ("a.example.net", true),
            ("example.net", false),
            ("a.b.example.net", false),
            ("mail.example.com.evil.example", false),
            ("other.example.com", false),
        ] {
            assert_eq!(policy.permits(&DomainName::parse(host).unwrap()), permitted, "{host}");
        }
        assert_eq!(Policy::parse(&EXAMPLE.replace('\n', "\r\n")), Ok(policy));
    }

    #[test]
    fn of_a_repeated_field_the_first_counts_and_unknown_ones_are_passed_over() {
        let text = format!("{EXAMPLE}mode: none\nmax_age: 1\nfoo: bar\nno field\n");
        assert_eq!(Policy::parse(&text), Policy::parse(EXAMPLE));
    }

    #[test]
    fn what_is_no_policy() {
        for (from, to, error) in [
            ("version: STSv1", "version: STSv2", PolicyError::Version),
            ("version: STSv1\n", "", PolicyError::Version),
            ("mode: enforce", "mode: Enforce", PolicyError::Mode),
            ("mode: enforce\n", "", PolicyError::Mode),
            ("max_age: 604800", "max_age: 31557601", PolicyError::MaxAge),
            ("max_age: 604800", "max_age: -1", PolicyError::MaxAge),
            ("max_age: 604800", "max_age: +1", PolicyError::MaxAge),
            ("max_age: 604800", "max_age:", PolicyError::MaxAge),
            ("mx: mail.example.com", "mx: *.*.example.com", PolicyError::Mx),
            ("mx: mail.example.com", "mx: mail example", PolicyError::Mx),
        ] {
            assert_eq!(Policy::parse(&EXAMPLE.replace(from, to)), Err(error), "{to}");
        }
        let without = "version: STSv1\nmode: enforce\nmax_age: 1\n";
        assert_eq!(Policy::parse(without), Err(PolicyError::Mx));
        assert!(Policy::parse(&without.replace("enforce", "none")).is_ok());
        let many = format!("{without}{}", "mx: a.example\n".repeat(1_000));
        assert_eq!(Policy::parse(&many), Err(PolicyError::Mx));
    }

    #[test]
    fn one_record_announces_the_policy() {
        let id = |texts: &[&str]| announced_id(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(id(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(id(&["something else", "v=STSv1;id=1"]).as_deref(), Some("1"));
        assert_eq!(id(&["v=STSv1; id=1", "v=STSv1; id=2"]), None, "two are as none");
        for bad in [
            "v=STSv1; id=;",
            "v=STSv1",
            "v=STSv1; id=a-b",
            "id=1; v=STSv1;",
            "v=STSv1; id=123456789012345678901234567890123",
        ] {
            assert_eq!(id(&[bad]), None, "{bad}");
        }
    }
}
