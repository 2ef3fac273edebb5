//! What becomes of spam for one recipient, by the rules of its domain or its own (SHIN-11, SHIN-12).
//!
//! A score is spam from the recipient's threshold on; a scanner may say so itself, and may be certain. Senders can be allowed or denied by
//! address or domain. An allowed sender is believed unless its address is proven to be forged: else everybody would write in its name.
//! Forwarding breaks SPF, so where the author is proven otherwise, only the envelope's sender is not believed.
//! One transaction has one answer, so a message is refused only if all its recipients' rules refuse it; for the others it is junk then.

use yubin_types::{Address, AuthResult, ReversePath, SenderPattern, SpamFilter, SpamHandling, SpamRules, SpamScore};

use super::{Authentication, Proof, Scored};

/// What was found about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpamFinding {
    /// Its score.
    pub scored: Scored,
    /// From which score on it is spam where the recipient does not say.
    pub required: SpamScore,
    /// What the scanner says; none of the built-in score.
    pub says: Option<Suspicion>,
}

/// What a scanner says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// No spam.
    Clean,
    /// Spam.
    Spam,
    /// Spam that it would refuse.
    Certain,
}

/// Who sent it.
#[derive(Clone, Copy, Debug)]
pub struct SpamSender<'a> {
    /// By the envelope.
    pub envelope: &'a ReversePath,
    /// By the field From.
    pub authors: &'a [Address],
    /// Are these forged?
    pub forged: Forged,
}

/// Is a sender's address forged?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forged {
    /// DMARC failed, or SPF and nothing else proves the author.
    Proven,
    /// SPF failed, but the author is proven: the envelope alone is not believed.
    Envelope,
    /// Nothing says so.
    No,
}

impl Forged {
    /// What verification found says.
    #[must_use]
    pub fn of(found: &Authentication) -> Forged {
        let vouched = found.forwarder == Proof::Proven;
        let author_failed = found.dmarc.contains(&AuthResult::Fail) && !vouched;
        let spf_failed = matches!(found.spf, AuthResult::Fail | AuthResult::SoftFail);
        match (spf_failed, found.author) {
            _ if author_failed => Forged::Proven,
            (false, _) => Forged::No,
            (true, Proof::Unproven) if !vouched => Forged::Proven,
            (true, _) => Forged::Envelope,
        }
    }
}

/// What a message is to a recipient, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// What it is.
    pub verdict: SpamVerdict,
    /// From which score on it would have been spam.
    pub required: SpamScore,
    /// Where it goes.
    pub handling: SpamHandling,
}

/// What a message is to a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpamVerdict {
    /// Nobody wants to know.
    Unfiltered,
    /// No spam.
    Clean,
    /// No spam, since its sender is allowed.
    Allowed,
    /// Spam.
    Spam,
    /// Spam that the scanner would refuse.
    Certain,
    /// Spam, since its sender is denied.
    Denied,
}

impl SpamVerdict {
    /// Is it spam?
    #[must_use]
    pub const fn is_spam(self) -> bool {
        matches!(self, SpamVerdict::Spam | SpamVerdict::Certain | SpamVerdict::Denied)
    }
}

/// How closely a pattern names a sender; none if it doesn't.
fn fit(pattern: &SenderPattern, sender: &Address) -> Option<Fit> {
    match pattern {
        SenderPattern::Address(address) => {
            let same = address.domain == sender.domain && address.local.key() == sender.local.key();
            same.then_some(Fit::Exact)
        }
        SenderPattern::Domain(domain) => (*domain == sender.domain).then_some(Fit::Wide),
        SenderPattern::Below(parent) => {
            let head = sender.domain.as_str().strip_suffix(parent.as_str());
            head.is_some_and(|head| head.ends_with('.')).then_some(Fit::Wide)
        }
    }
}

/// How closely a pattern names a sender.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Wide,
    Exact,
}

impl SpamSender<'_> {
    /// How closely any of these patterns names what this sender says of itself.
    fn denied(&self, patterns: &[SenderPattern]) -> Option<Fit> {
        closest(patterns, self.authors.iter().chain(self.envelope.address()))
    }

    /// How closely any of these patterns names what is believed of this sender.
    fn allowed(&self, patterns: &[SenderPattern]) -> Option<Fit> {
        match self.forged {
            Forged::Proven => None,
            Forged::Envelope => closest(patterns, self.authors.iter()),
            Forged::No => closest(patterns, self.authors.iter().chain(self.envelope.address())),
        }
    }
}

fn closest<'a>(patterns: &[SenderPattern], senders: impl Iterator<Item = &'a Address>) -> Option<Fit> {
    senders.flat_map(|sender| patterns.iter().filter_map(|pattern| fit(pattern, sender))).max()
}

/// What is a message to a recipient with these rules?
#[must_use]
pub fn handle(finding: &SpamFinding, sender: SpamSender<'_>, rules: &SpamRules) -> Handled {
    let required = rules.threshold.unwrap_or(finding.required);
    let verdict = verdict(finding, sender, rules, required);
    let handling = match verdict {
        SpamVerdict::Unfiltered | SpamVerdict::Clean | SpamVerdict::Allowed => SpamHandling::Inbox,
        SpamVerdict::Spam | SpamVerdict::Denied => rules.spam,
        SpamVerdict::Certain => rules.certain,
    };
    Handled { verdict, required, handling }
}

fn verdict(finding: &SpamFinding, sender: SpamSender<'_>, rules: &SpamRules, required: SpamScore) -> SpamVerdict {
    if rules.filter == SpamFilter::Off {
        return SpamVerdict::Unfiltered;
    }
    let (allowed, denied) = (sender.allowed(&rules.allow), sender.denied(&rules.deny));
    if denied.is_some() && denied >= allowed {
        return SpamVerdict::Denied;
    }
    if allowed.is_some() {
        return SpamVerdict::Allowed;
    }
    let scored = if finding.scored.score >= required { SpamVerdict::Spam } else { SpamVerdict::Clean };
    match (finding.says, rules.threshold) {
        (Some(Suspicion::Certain), _) => SpamVerdict::Certain,
        (Some(Suspicion::Spam), None) => SpamVerdict::Spam,
        (Some(Suspicion::Clean), None) => SpamVerdict::Clean,
        (Some(Suspicion::Spam | Suspicion::Clean), Some(_)) | (None, _) => scored,
    }
}

/// Is the message refused? Else it goes to everybody, to those who would refuse it as junk.
#[must_use]
pub fn settle(recipients: &mut [Handled]) -> Settled {
    if !recipients.is_empty() && recipients.iter().all(|handled| handled.handling == SpamHandling::Reject) {
        return Settled::Refused;
    }
    for handled in recipients.iter_mut().filter(|handled| handled.handling == SpamHandling::Reject) {
        handled.handling = SpamHandling::Junk;
    }
    Settled::Taken
}

/// What becomes of a message for all its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is taken.
    Taken,
    /// It is refused.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn finding(points: i32, says: Option<Suspicion>) -> SpamFinding {
        let scored = Scored { score: SpamScore::points(points), hits: Vec::new() };
        SpamFinding { scored, required: SpamScore::points(6), says }
    }

    fn handled(finding: &SpamFinding, author: &str, forged: Forged, rules: &SpamRules) -> (SpamVerdict, SpamHandling) {
        let sender = SpamSender { envelope: &ReversePath::Null, authors: &[address(author)], forged };
        let handled = handle(finding, sender, rules);
        (handled.verdict, handled.handling)
    }

    #[test]
    fn the_score_decides_where_no_scanner_says_anything() {
        let rules = SpamRules::default();
        let of = |points, rules: &SpamRules| handled(&finding(points, None), "a@x.example", Forged::No, rules).1;
        assert_eq!([5, 6, 60].map(|points| of(points, &rules)), {
            [SpamHandling::Inbox, SpamHandling::Junk, SpamHandling::Junk]
        });
        let strict = SpamRules { threshold: Some(SpamScore::points(3)), spam: SpamHandling::Reject, ..rules.clone() };
        assert_eq!([2, 3].map(|points| of(points, &strict)), [SpamHandling::Inbox, SpamHandling::Reject]);
        // SHIN-12: the filter can be off.
        let off = SpamRules { filter: SpamFilter::Off, ..rules };
        assert_eq!(of(60, &off), SpamHandling::Inbox);
    }

    #[test]
    fn a_scanner_is_believed_unless_the_recipient_has_a_threshold() {
        use Suspicion::{Certain, Clean, Spam};
        let (rules, own) = (SpamRules::default(), SpamScore::points(10));
        let own = SpamRules { threshold: Some(own), ..rules.clone() };
        for (points, says, rules, verdict, handling) in [
            (20, Clean, &rules, SpamVerdict::Clean, SpamHandling::Inbox),
            (0, Spam, &rules, SpamVerdict::Spam, SpamHandling::Junk),
            (0, Certain, &rules, SpamVerdict::Certain, SpamHandling::Reject),
            (9, Spam, &own, SpamVerdict::Clean, SpamHandling::Inbox),
            (10, Clean, &own, SpamVerdict::Spam, SpamHandling::Junk),
            (9, Certain, &own, SpamVerdict::Certain, SpamHandling::Reject),
        ] {
            let found = handled(&finding(points, Some(says)), "a@x.example", Forged::No, rules);
            assert_eq!(found, (verdict, handling), "{points} {says:?}");
        }
    }

    /// SHIN-12.
    #[test]
    fn senders_are_allowed_and_denied_the_closer_pattern_wins() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| SenderPattern::parse(text).unwrap()).collect();
        let rules = |allow: &[&str], deny: &[&str]| SpamRules {
            allow: patterns(allow),
            deny: patterns(deny),
            ..SpamRules::default()
        };
        let spam = finding(9, None);
        let of = |author, rules: &SpamRules| handled(&spam, author, Forged::No, rules).0;
        assert_eq!(of("abc@x.example", &rules(&["abc@x.example"], &[])), SpamVerdict::Allowed);
        assert_eq!(of("ABC@X.example", &rules(&["abc@x.example"], &[])), SpamVerdict::Allowed);
        assert_eq!(of("abd@x.example", &rules(&["abc@x.example"], &[])), SpamVerdict::Spam);
        assert_eq!(of("abc@x.example", &rules(&["*@x.example"], &[])), SpamVerdict::Allowed);
        assert_eq!(of("abc@x.example", &rules(&["x.example"], &["abc@x.example"])), SpamVerdict::Denied);
        assert_eq!(of("abc@x.example", &rules(&["abc@x.example"], &["*@x.example"])), SpamVerdict::Allowed);
        assert_eq!(of("a@y.x.example", &rules(&["*@*.x.example"], &[])), SpamVerdict::Allowed);
        assert_eq!(of("a@yx.example", &rules(&["*@*.x.example", "*@x.example"], &[])), SpamVerdict::Spam);
        assert_eq!(of("a@x.example", &rules(&["*@x.example"], &["*@x.example"])), SpamVerdict::Denied);
        assert!(SenderPattern::parse("a b").is_none() && SenderPattern::parse("*@").is_none());
        let forged = handled(&spam, "abc@x.example", Forged::Proven, &rules(&["abc@x.example"], &[]));
        assert_eq!(forged.0, SpamVerdict::Spam, "an allowed name that is forged");
    }

    /// SHIN-12: mail that was forwarded, so that SPF fails, and is proven to be its author's.
    #[test]
    fn an_allowed_author_is_believed_who_is_proven() {
        let found = |spf, dmarc, author, forwarder| {
            let (dkim, host) = (Vec::new(), crate::peer::ReverseDns::Confirmed);
            let arc = AuthResult::None;
            Forged::of(&Authentication { spf, dkim, dmarc: vec![dmarc], arc, author, forwarder, host, lists: 0 })
        };
        use AuthResult::{Fail, None, Pass, SoftFail};
        use Proof::{Proven, Unproven};
        assert_eq!(found(Fail, Pass, Proven, Unproven), Forged::Envelope);
        assert_eq!(found(SoftFail, None, Proven, Unproven), Forged::Envelope);
        assert_eq!(found(Fail, Fail, Unproven, Proven), Forged::Envelope);
        assert_eq!(found(Pass, Fail, Unproven, Proven), Forged::No);
        assert_eq!(found(Pass, Fail, Unproven, Unproven), Forged::Proven);
        assert_eq!(found(Pass, Fail, Proven, Unproven), Forged::Proven, "another of the authors is not proven");
        assert_eq!(found(SoftFail, None, Unproven, Unproven), Forged::Proven);
        assert_eq!(found(None, None, Unproven, Unproven), Forged::No);

        let pattern = |text: &str| vec![SenderPattern::parse(text).unwrap()];
        let (envelope, author) = (ReversePath::Address(address("list@l.example")), address("ann@a.example"));
        let verdict = |allow: &str, forged| {
            let rules = SpamRules { allow: pattern(allow), ..SpamRules::default() };
            let authors = std::slice::from_ref(&author);
            handle(&finding(9, Option::None), SpamSender { envelope: &envelope, authors, forged }, &rules).verdict
        };
        assert_eq!(verdict("ann@a.example", Forged::Envelope), SpamVerdict::Allowed);
        assert_eq!(verdict("list@l.example", Forged::Envelope), SpamVerdict::Spam);
        assert_eq!(verdict("list@l.example", Forged::No), SpamVerdict::Allowed);
        assert_eq!(verdict("ann@a.example", Forged::Proven), SpamVerdict::Spam);
    }

    #[test]
    fn one_recipient_alone_does_not_refuse_for_all() {
        let spam = |handling| Handled { verdict: SpamVerdict::Spam, required: SpamScore::points(6), handling };
        let mut mixed = [spam(SpamHandling::Reject), spam(SpamHandling::Inbox)];
        assert_eq!(settle(&mut mixed), Settled::Taken);
        assert_eq!(mixed.map(|handled| handled.handling), [SpamHandling::Junk, SpamHandling::Inbox]);
        assert_eq!(settle(&mut [spam(SpamHandling::Reject); 2]), Settled::Refused);
        assert_eq!(settle(&mut []), Settled::Taken);
    }
}
