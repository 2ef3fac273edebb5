//! Is a message spam? The built-in score, for front ends without a scanner: what authentication, DNS lists and the header say, added up.
//!
//! Small on purpose: it looks at no text and learns nothing. Every finding has a weight, which an operator may change; a message that has
//! little against it never becomes junk by one finding. What follows from a score, built-in or a scanner's, is for [`handling`] to say.

pub mod handling;

use std::collections::BTreeMap;

use yubin_types::{AuthResult, DomainName, SpamCheck, SpamScore};

use crate::peer::ReverseDns;

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
pub struct SpamFacts<'a> {
    /// What verification found; none if nothing was verified.
    pub authentication: Option<&'a Authentication>,
    /// How the host calls itself.
    pub helo: Helo,
    /// The authors' domains.
    pub authors: &'a [DomainName],
    /// The recipients' domain.
    pub hosted: Option<&'a DomainName>,
    /// What was found in the message itself.
    pub found: &'a [SpamCheck],
}

/// What verification found about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// SPF of the envelope's sender.
    pub spf: AuthResult,
    /// Each signature.
    pub dkim: Vec<AuthResult>,
    /// DMARC for each author's domain.
    pub dmarc: Vec<AuthResult>,
    /// The chain of forwarders.
    pub arc: AuthResult,
    /// Does anything prove the author?
    pub author: Proof,
    /// Had a trusted forwarder seen the proof?
    pub forwarder: Proof,
    /// The host's name.
    pub host: ReverseDns,
    /// What DNS lists give the host, points.
    pub lists: i32,
}

impl Authentication {
    /// Is there something that nobody could say, so that what is not proven might be?
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        let unknown = |results: &[AuthResult]| results.contains(&AuthResult::TempError);
        self.spf == AuthResult::TempError || unknown(&self.dkim) || unknown(&self.dmarc)
    }
}

/// Is something proven?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Yes.
    Proven,
    /// No.
    Unproven,
}

/// How a host calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helo {
    /// By a host name of two labels or more.
    Name,
    /// By a single word or an address.
    Unqualified,
    /// By our own name.
    Ours,
}

/// A score and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    /// The sum.
    pub score: SpamScore,
    /// What was found.
    pub hits: Vec<Hit>,
}

/// Something that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its name.
    pub name: String,
    /// What it adds.
    pub score: SpamScore,
}

/// What each finding adds to the score, points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights(pub BTreeMap<SpamCheck, i32>);

impl Default for Weights {
    fn default() -> Self {
        Weights(SpamCheck::ALL.into_iter().map(|check| (check, weight(check))).collect())
    }
}

/// The name by which what DNS lists say stands among the hits.
const LISTS: &str = "dns_lists";

/// From which score on mail is spam where nothing else is set: what is merely careless adds up to less.
pub const SPAM_POINTS_DEFAULT: i32 = 6;

/// What a finding adds where nothing else is set.
const fn weight(check: SpamCheck) -> i32 {
    match check {
        SpamCheck::ForwarderTrusted => -2,
        SpamCheck::DmarcPass => -1,
        SpamCheck::DkimFail
        | SpamCheck::SpfSoftfail
        | SpamCheck::Unauthenticated
        | SpamCheck::ArcFail
        | SpamCheck::HostNameMissing
        | SpamCheck::HostNameForged
        | SpamCheck::HeloUnqualified
        | SpamCheck::DateMissing
        | SpamCheck::DateUnreadable
        | SpamCheck::DatePast
        | SpamCheck::MessageIdMissing
        | SpamCheck::RecipientsMissing
        | SpamCheck::SubjectMissing
        | SpamCheck::AuthorsSeveral
        | SpamCheck::HeaderOctets => 1,
        SpamCheck::DateFuture | SpamCheck::FieldRepeated | SpamCheck::NameIsAddress => 2,
        SpamCheck::DmarcFail | SpamCheck::SpfFail | SpamCheck::HeloOurs => 3,
        SpamCheck::OwnDomainForged | SpamCheck::ProgramAttached => 4,
    }
}

/// Adds up what speaks for and against a message.
#[must_use]
pub fn score(facts: SpamFacts<'_>, weights: &Weights) -> Scored {
    let mut checks: Vec<SpamCheck> = facts.authentication.map(of_authentication).unwrap_or_default();
    checks.extend(match facts.helo {
        Helo::Name => None,
        Helo::Unqualified => Some(SpamCheck::HeloUnqualified),
        Helo::Ours => Some(SpamCheck::HeloOurs),
    });
    let unproven = facts.authentication.is_some_and(|found| found.author == Proof::Unproven && !found.is_undecided());
    if unproven && facts.hosted.is_some_and(|hosted| facts.authors.contains(hosted)) {
        checks.push(SpamCheck::OwnDomainForged);
    }
    checks.extend(facts.found);
    let points = |check: &SpamCheck| weights.0.get(check).copied().unwrap_or_default();
    let hit = |check: &SpamCheck| Hit { name: check.name().to_owned(), score: SpamScore::points(points(check)) };
    let mut hits: Vec<Hit> = checks.iter().filter(|check| points(check) != 0).map(hit).collect();
    let lists = facts.authentication.map_or(0, |found| found.lists);
    if lists != 0 {
        hits.push(Hit { name: LISTS.to_owned(), score: SpamScore::points(lists) });
    }
    Scored { score: hits.iter().fold(SpamScore::default(), |sum, hit| sum.plus(hit.score)), hits }
}

fn of_authentication(found: &Authentication) -> Vec<SpamCheck> {
    let passed = |results: &[AuthResult]| results.contains(&AuthResult::Pass);
    let mut checks = Vec::new();
    if passed(&found.dmarc) && found.dmarc.iter().all(|result| *result == AuthResult::Pass) {
        checks.push(SpamCheck::DmarcPass);
    } else if found.forwarder == Proof::Proven {
        // What the forwarder broke is not held against it.
        return vec![SpamCheck::ForwarderTrusted];
    } else if found.dmarc.contains(&AuthResult::Fail) {
        checks.push(SpamCheck::DmarcFail);
    }
    match found.spf {
        AuthResult::Fail => checks.push(SpamCheck::SpfFail),
        AuthResult::SoftFail => checks.push(SpamCheck::SpfSoftfail),
        _ => {}
    }
    let unsigned = !passed(&found.dkim);
    if unsigned && found.dkim.contains(&AuthResult::Fail) {
        checks.push(SpamCheck::DkimFail);
    }
    if unsigned && found.spf != AuthResult::Pass && !found.is_undecided() {
        checks.push(SpamCheck::Unauthenticated);
    }
    if found.arc == AuthResult::Fail {
        checks.push(SpamCheck::ArcFail);
    }
    match found.host {
        ReverseDns::Missing => checks.push(SpamCheck::HostNameMissing),
        ReverseDns::Forged => checks.push(SpamCheck::HostNameForged),
        ReverseDns::Confirmed | ReverseDns::Unknown => {}
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Authentication {
        Authentication {
            spf: AuthResult::Pass,
            dkim: vec![AuthResult::Pass],
            dmarc: vec![AuthResult::Pass],
            arc: AuthResult::None,
            author: Proof::Proven,
            forwarder: Proof::Unproven,
            host: ReverseDns::Confirmed,
            lists: 0,
        }
    }

    fn names(authentication: &Authentication, found: &[SpamCheck]) -> (i64, Vec<String>) {
        let authentication = Some(authentication);
        let facts = SpamFacts { authentication, helo: Helo::Name, authors: &[], hosted: None, found };
        let scored = score(facts, &Weights::default());
        (scored.score.0 / 100, scored.hits.into_iter().map(|hit| hit.name).collect())
    }

    #[test]
    fn authentic_mail_has_little_against_it() {
        assert_eq!(names(&sound(), &[]), (-1, vec!["dmarc_pass".to_owned()]));
        let careless = [SpamCheck::DateMissing, SpamCheck::MessageIdMissing, SpamCheck::RecipientsMissing];
        assert_eq!(names(&sound(), &careless).0, 2);
    }

    /// A script on a host that nobody set up: careless, and still no spam.
    #[test]
    fn carelessness_alone_is_not_spam() {
        let unknown = Authentication {
            spf: AuthResult::None,
            dkim: Vec::new(),
            dmarc: vec![AuthResult::None],
            author: Proof::Unproven,
            host: ReverseDns::Missing,
            ..sound()
        };
        let careless = [SpamCheck::DateMissing, SpamCheck::MessageIdMissing, SpamCheck::RecipientsMissing];
        let (points, found) = names(&unknown, &careless);
        assert!(points < i64::from(SPAM_POINTS_DEFAULT), "{found:?}");
        let (points, found) = names(&unknown, &[SpamCheck::ProgramAttached]);
        assert!(points >= i64::from(SPAM_POINTS_DEFAULT), "{found:?}");
    }

    #[test]
    fn what_nobody_could_say_counts_for_nothing() {
        let unsure = Authentication {
            spf: AuthResult::TempError,
            dkim: vec![AuthResult::TempError],
            dmarc: vec![AuthResult::TempError],
            author: Proof::Unproven,
            host: ReverseDns::Unknown,
            ..sound()
        };
        assert_eq!(names(&unsure, &[]), (0, vec![]));
        // Nor is the recipient's own domain forged: its printer can't help the DNS.
        let own = [DomainName::parse("example.jp").unwrap()];
        for unsure in [
            unsure.clone(),
            Authentication { spf: AuthResult::None, dkim: Vec::new(), ..unsure.clone() },
            Authentication { spf: AuthResult::None, dmarc: vec![AuthResult::None], ..unsure.clone() },
            Authentication { dkim: Vec::new(), dmarc: vec![AuthResult::None], ..unsure },
        ] {
            let (authentication, hosted) = (Some(&unsure), own.first());
            let facts = SpamFacts { authentication, helo: Helo::Name, authors: &own, hosted, found: &[] };
            assert_eq!(score(facts, &Weights::default()), Scored::default(), "{unsure:?}");
        }
    }

    #[test]
    fn a_trusted_forwarder_is_not_blamed_for_what_it_broke() {
        let broken = Authentication {
            spf: AuthResult::Fail,
            dkim: vec![AuthResult::Fail],
            dmarc: vec![AuthResult::Fail],
            author: Proof::Unproven,
            ..sound()
        };
        assert_eq!(names(&broken, &[]).1, ["dmarc_fail", "spf_fail", "dkim_fail", "unauthenticated"]);
        let vouched = Authentication { forwarder: Proof::Proven, ..broken };
        assert_eq!(names(&vouched, &[]).1, ["forwarder_trusted"]);
    }

    #[test]
    fn the_recipients_own_domain_is_forged_where_nothing_proves_it() {
        let own = [DomainName::parse("example.jp").unwrap()];
        let scored = |author, authors: &[DomainName]| {
            let authentication = Authentication { author, ..sound() };
            let authentication = Some(&authentication);
            let facts = SpamFacts { authentication, helo: Helo::Ours, authors, hosted: own.first(), found: &[] };
            score(facts, &Weights::default()).score
        };
        let others = [DomainName::parse("a.example").unwrap()];
        assert_eq!(scored(Proof::Unproven, &own), SpamScore::points(6));
        assert_eq!(scored(Proof::Proven, &own), SpamScore::points(2));
        assert_eq!(scored(Proof::Unproven, &others), SpamScore::points(2));
    }

    #[test]
    fn lists_and_weights_of_the_operator_count() {
        let listed = Authentication { lists: 5, ..sound() };
        assert_eq!(names(&listed, &[]), (4, vec!["dmarc_pass".to_owned(), "dns_lists".to_owned()]));
        let weights = Weights([(SpamCheck::DateMissing, 50)].into());
        let found = &[SpamCheck::DateMissing, SpamCheck::DatePast];
        let facts = SpamFacts { authentication: None, helo: Helo::Name, authors: &[], hosted: None, found };
        let scored = score(facts, &weights);
        assert_eq!((scored.score, scored.hits.len()), (SpamScore::points(50), 1), "weight 0 is no finding");
    }
}
