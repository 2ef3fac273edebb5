//! What a domain, or an account of it, wants done with mail from other servers: with forgeries (DMARC), with spam (SHIN-11, SHIN-12), and with
//! hosts that have no name (SONET-09, SONET-10), of which a plan may speak for its domains.
//!
//! Senders can be allowed or denied by address or domain. How a message is judged by such rules is for `policy`; where nobody has set any,
//! those of the front ends' configuration hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, DomainName, SpamScore, limits};

/// The rules of a domain or of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filtering {
    /// What is done with mail that fails DMARC; `None`: as the front ends are configured. Of domains alone: a message has one answer.
    pub dmarc: Option<DmarcHandling>,
    /// What is done with spam; `None`: an account's as its domain says, a domain's as the front ends are configured.
    pub spam: Option<SpamRules>,
    /// What a sending host's name must be; `None`: an account's as its domain says, a domain's as its plan says, or else as the front ends are
    /// configured.
    pub reverse_dns: Option<ReverseDnsRule>,
}

/// The rules that an account, its domain and its plan have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilteringRules {
    /// Its own.
    pub account: Option<Filtering>,
    /// Those of its domain.
    pub domain: Option<Filtering>,
    /// What its domain's plan says of hosts' names.
    pub plan_reverse_dns: Option<ReverseDnsRule>,
}

impl FilteringRules {
    /// What holds for the account, rule by rule: its own, else its domain's, else its plan's; `None` if there is nothing of all that.
    #[must_use]
    pub fn in_force(self) -> Option<Filtering> {
        let (account, domain) = (self.account.unwrap_or_default(), self.domain.unwrap_or_default());
        let in_force = Filtering {
            dmarc: domain.dmarc,
            spam: account.spam.or(domain.spam),
            reverse_dns: account.reverse_dns.or(domain.reverse_dns).or(self.plan_reverse_dns),
        };
        (in_force != Filtering::default()).then_some(in_force)
    }
}

/// What a hosted domain demands of the name of a host that sends to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReverseDnsRule {
    /// Nothing.
    #[default]
    Accept,
    /// A name that leads back to the address (SONET-09, SONET-10).
    Require,
}

/// What a hosted domain does with mail that fails DMARC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DmarcHandling {
    /// What the author's domain wants.
    #[default]
    Enforce,
    /// Files it as junk, whether the author's domain wants it refused or quarantined.
    Junk,
    /// Nothing: the results are written down, and that is all.
    Report,
}

/// What a recipient wants done with spam.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpamRules {
    /// Is anything done?
    pub filter: SpamFilter,
    /// From which score on mail is spam; none: as the scanner says, or from the default on.
    pub threshold: Option<SpamScore>,
    /// What becomes of spam.
    pub spam: SpamHandling,
    /// What becomes of what the scanner would refuse.
    pub certain: SpamHandling,
    /// What goes before the subject of spam; empty: nothing. At most [`limits::SUBJECT_TAG_BYTES_MAX`] bytes.
    pub subject_tag: String,
    /// Whose mail is no spam; at most [`limits::SENDER_PATTERNS_MAX`].
    pub allow: Vec<SenderPattern>,
    /// Whose mail is; at most as many.
    pub deny: Vec<SenderPattern>,
}

/// Is mail filtered (SHIN-12)?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpamFilter {
    /// Yes.
    #[default]
    On,
    /// No: it goes where other mail goes.
    Off,
}

/// Where spam goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpamHandling {
    /// Where other mail goes.
    Inbox,
    /// Junk.
    #[default]
    Junk,
    /// Back.
    Reject,
}

/// Senders: one address, a domain's, or those of all domains below one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SenderPattern {
    /// `abc@x.example`
    Address(Address),
    /// `*@x.example`, or `x.example`
    Domain(DomainName),
    /// `*@*.x.example`
    Below(DomainName),
}

/// Rules for spam that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpamRulesError {
    /// What goes before the subject.
    #[error(
        "a subject tag has at most {} bytes, no control characters and no spaces around it",
        limits::SUBJECT_TAG_BYTES_MAX
    )]
    SubjectTag,
    /// Too many senders.
    #[error("at most {} senders are allowed or denied", limits::SENDER_PATTERNS_MAX)]
    TooManySenders,
}

impl Default for SpamRules {
    fn default() -> Self {
        SpamRules {
            filter: SpamFilter::On,
            threshold: None,
            spam: SpamHandling::Junk,
            certain: SpamHandling::Reject,
            subject_tag: String::new(),
            allow: Vec::new(),
            deny: Vec::new(),
        }
    }
}

impl SpamRules {
    /// Can they be kept and applied?
    ///
    /// # Errors
    /// [`SpamRulesError`].
    pub fn check(&self) -> Result<(), SpamRulesError> {
        let tag = self.subject_tag.as_str();
        if tag.len() > limits::SUBJECT_TAG_BYTES_MAX || tag.contains(char::is_control) || tag.trim() != tag {
            return Err(SpamRulesError::SubjectTag);
        }
        if self.allow.len().max(self.deny.len()) > limits::SENDER_PATTERNS_MAX {
            return Err(SpamRulesError::TooManySenders);
        }
        Ok(())
    }
}

impl SenderPattern {
    /// Reads a pattern; none if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<SenderPattern> {
        match text.rsplit_once('@') {
            None => DomainName::parse(text).ok().map(SenderPattern::Domain),
            Some(("*", domain)) => match domain.strip_prefix("*.") {
                Some(parent) => DomainName::parse(parent).ok().map(SenderPattern::Below),
                None => DomainName::parse(domain).ok().map(SenderPattern::Domain),
            },
            Some(_) => Address::parse(text).ok().map(SenderPattern::Address),
        }
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SenderPattern::Address(address) => address.fmt(f),
            SenderPattern::Domain(domain) => write!(f, "*@{domain}"),
            SenderPattern::Below(parent) => write!(f, "*@*.{parent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        DmarcHandling, Filtering, FilteringRules, ReverseDnsRule, SenderPattern, SpamFilter, SpamRules, SpamRulesError,
    };
    use crate::limits;

    #[test]
    fn patterns_are_written_as_they_are_read() {
        for (text, written) in [
            ("Ann@X.example", "Ann@x.example"),
            ("x.example", "*@x.example"),
            ("*@x.example", "*@x.example"),
            ("*@*.x.example", "*@*.x.example"),
        ] {
            let pattern = SenderPattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), written);
            assert_eq!(SenderPattern::parse(written), Some(pattern));
        }
        assert_eq!(SenderPattern::parse("a b@x.example"), None);
    }

    #[test]
    fn an_account_s_own_rules_go_before_its_domain_s() {
        let rules = |filter| SpamRules { filter, ..SpamRules::default() };
        let nothing = Filtering::default();
        let domain = Filtering {
            dmarc: Some(DmarcHandling::Junk),
            spam: Some(rules(SpamFilter::Off)),
            reverse_dns: Some(ReverseDnsRule::Accept),
        };
        let own = Filtering { spam: Some(rules(SpamFilter::On)), ..nothing.clone() };
        let in_force = |account: Option<&Filtering>, domain: Option<&Filtering>| {
            FilteringRules { account: account.cloned(), domain: domain.cloned(), plan_reverse_dns: None }.in_force()
        };
        assert_eq!(in_force(None, None), None);
        assert_eq!(in_force(None, Some(&domain)), Some(domain.clone()));
        assert_eq!(in_force(Some(&Filtering::default()), Some(&domain)), Some(domain.clone()));
        assert_eq!(in_force(Some(&own), None), Some(own.clone()));
        let both = Filtering { spam: own.spam.clone(), ..domain.clone() };
        assert_eq!(in_force(Some(&own), Some(&domain)), Some(both));
        assert_eq!(in_force(Some(&nothing), Some(&nothing)), None);
    }

    #[test]
    fn a_plan_speaks_of_hosts_names_where_nobody_else_does() {
        use ReverseDnsRule::{Accept, Require};
        let rules =
            |rule: Option<ReverseDnsRule>| rule.map(|_| Filtering { reverse_dns: rule, ..Filtering::default() });
        for (account, domain, plan, expected) in [
            (None, None, None, None),
            (None, None, Some(Require), Some(Require)),
            (None, Some(Accept), Some(Require), Some(Accept)),
            (Some(Require), Some(Accept), None, Some(Require)),
            (Some(Accept), Some(Require), Some(Require), Some(Accept)),
        ] {
            let all = FilteringRules { account: rules(account), domain: rules(domain), plan_reverse_dns: plan };
            assert_eq!(all.in_force().and_then(|filtering| filtering.reverse_dns), expected);
        }
    }

    #[test]
    fn rules_are_bounded() {
        let tag = |tag: &str| SpamRules { subject_tag: tag.to_owned(), ..SpamRules::default() }.check();
        assert_eq!(tag("[SPAM]"), Ok(()));
        for text in ["[SPAM] ", "a\r\nb", &"x".repeat(limits::SUBJECT_TAG_BYTES_MAX + 1)] {
            assert_eq!(tag(text), Err(SpamRulesError::SubjectTag), "{text}");
        }
        let sender = SenderPattern::parse("x.example").unwrap();
        let deny = vec![sender; limits::SENDER_PATTERNS_MAX + 1];
        assert_eq!(SpamRules { deny, ..SpamRules::default() }.check(), Err(SpamRulesError::TooManySenders));
    }
}
