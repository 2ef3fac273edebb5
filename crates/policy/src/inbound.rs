//! What becomes of a message from another server, once it is known what its authentication is worth.
//!
//! The author's domain decides about forgeries of itself (DMARC): refuse, or file as junk. A hosted domain can overrule that for its own
//! mail. Mail of a list or a forwarder that broke the author's signature is believed if every forwarder down to one that had seen it pass
//! is trusted by name (ARC, RFC 8617). SPF alone refuses nobody, since forwarding breaks it: where the author's domain has no policy, a
//! clear "not one of mine" makes junk. What nobody could find out makes a verdict of no kind: where an answer would have mattered, the
//! sender is asked to come again (451).

use yubin_types::{AuthResult, DmarcHandling, DmarcPolicy, DomainName};

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
pub struct InboundFacts<'a> {
    /// Whose mail it says it is.
    pub author: Author,
    /// DMARC for each author's domain.
    pub dmarc: &'a [DmarcFact<'a>],
    /// SPF of the envelope's sender.
    pub spf: AuthResult,
    /// The domain that SPF was asked of; none if it was not.
    pub spf_domain: Option<&'a DomainName>,
    /// Does a signature of an author's own domain pass?
    pub signed_by_author: Signed,
    /// Forwarders of a chain that passed, the latest first.
    pub forwarders: &'a [Forwarder<'a>],
    /// What lists say of the peer.
    pub reputation: Reputation,
}

/// DMARC for one author's domain.
#[derive(Clone, Copy, Debug)]
pub struct DmarcFact<'a> {
    /// The domain.
    pub author: &'a DomainName,
    /// The result.
    pub result: AuthResult,
    /// What the domain wants; none if nobody could say.
    pub policy: Option<DmarcPolicy>,
}

/// A forwarder, and the author's domain for which it had seen DMARC pass.
#[derive(Clone, Copy, Debug)]
pub struct Forwarder<'a> {
    /// Who sealed.
    pub sealer: &'a DomainName,
    /// What it had seen.
    pub dmarc_pass: Option<&'a DomainName>,
}

/// The field From.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// There is one, with at least one domain.
    Known,
    /// There is one, and no domain in it.
    NoDomain,
    /// There is none, or more than one: readers would show one and DMARC check another (RFC 5322 §3.6).
    Malformed,
}

/// Is there such a signature?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// What lists say of a peer that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reputation {
    /// Nothing of weight.
    Neutral,
    /// Enough for junk.
    Doubtful,
}

/// Rules in force for a message.
#[derive(Clone, Copy, Debug)]
pub struct InboundRules<'a> {
    /// The hosted domain's.
    pub dmarc: DmarcHandling,
    /// Forwarders who are believed.
    pub trusted_forwarders: &'a [DomainName],
}

/// Where a message that is taken goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Where mail goes.
    Inbox,
    /// Junk, and why.
    Junk(JunkReason),
}

/// Why a message is junk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JunkReason {
    /// DMARC failed.
    Dmarc,
    /// SPF failed, and nothing else speaks for the message.
    Spf,
    /// Its author has no domain.
    NoAuthor,
    /// The peer is on lists.
    Listed,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundDenial {
    /// The author's domain wants forgeries refused.
    Dmarc {
        /// It.
        author: DomainName,
    },
    /// The field From is missing or stands more than once.
    Author,
    /// Nobody could say whether it is forged.
    Unknown {
        /// Whose records can't be looked up.
        author: DomainName,
    },
}

/// What becomes of a message?
///
/// # Errors
/// [`InboundDenial`], for [`crate::refusal_text::inbound`].
pub fn judge(facts: InboundFacts<'_>, rules: InboundRules<'_>) -> Result<Disposition, InboundDenial> {
    if rules.dmarc == DmarcHandling::Report {
        return Ok(listed(facts.reputation).unwrap_or(Disposition::Inbox));
    }
    if facts.author == Author::Malformed {
        return match rules.dmarc {
            DmarcHandling::Enforce => Err(InboundDenial::Author),
            DmarcHandling::Junk | DmarcHandling::Report => Ok(Disposition::Junk(JunkReason::NoAuthor)),
        };
    }
    let mut junk = None;
    for fact in facts.dmarc {
        match verdict(fact, facts.forwarders, rules) {
            Verdict::Take => {}
            Verdict::Junk => junk = Some(Disposition::Junk(JunkReason::Dmarc)),
            Verdict::Refuse => return Err(InboundDenial::Dmarc { author: fact.author.clone() }),
            Verdict::Wait => return Err(InboundDenial::Unknown { author: fact.author.clone() }),
        }
    }
    let stranger = facts.dmarc.iter().all(|fact| fact.result == AuthResult::None);
    let by_spf_alone = stranger && facts.signed_by_author == Signed::No;
    let unfounded = by_spf_alone && facts.spf == AuthResult::Fail;
    let junk = junk
        .or_else(|| (facts.author == Author::NoDomain).then_some(Disposition::Junk(JunkReason::NoAuthor)))
        .or_else(|| unfounded.then_some(Disposition::Junk(JunkReason::Spf)))
        .or_else(|| listed(facts.reputation));
    match (junk, facts.spf_domain) {
        (Some(junk), _) => Ok(junk),
        (None, Some(domain)) if by_spf_alone && facts.spf == AuthResult::TempError => {
            Err(InboundDenial::Unknown { author: domain.clone() })
        }
        (None, _) => Ok(Disposition::Inbox),
    }
}

enum Verdict {
    Take,
    Junk,
    Refuse,
    Wait,
}

fn verdict(fact: &DmarcFact<'_>, forwarders: &[Forwarder<'_>], rules: InboundRules<'_>) -> Verdict {
    match (fact.result, fact.policy) {
        (AuthResult::Fail | AuthResult::TempError, Some(DmarcPolicy::None)) => Verdict::Take,
        (AuthResult::Fail | AuthResult::TempError, _) if vouched(fact.author, forwarders, rules.trusted_forwarders) => {
            Verdict::Take
        }
        (AuthResult::TempError, _) => Verdict::Wait,
        (AuthResult::Fail, Some(DmarcPolicy::Reject)) if rules.dmarc == DmarcHandling::Enforce => Verdict::Refuse,
        (AuthResult::Fail, Some(_)) => Verdict::Junk,
        _ => Verdict::Take,
    }
}

/// Did a trusted forwarder see it pass, and is everybody since then trusted too?
#[must_use]
pub fn vouched(author: &DomainName, forwarders: &[Forwarder<'_>], trusted: &[DomainName]) -> bool {
    let believed = forwarders.iter().take_while(|forwarder| trusted.contains(forwarder.sealer));
    believed.into_iter().any(|forwarder| forwarder.dmarc_pass == Some(author))
}

fn listed(reputation: Reputation) -> Option<Disposition> {
    (reputation == Reputation::Doubtful).then_some(Disposition::Junk(JunkReason::Listed))
}

#[cfg(test)]
mod tests {
    use yubin_types::{AuthResult, DmarcPolicy, DomainName};

    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    const QUIET: InboundFacts<'_> = InboundFacts {
        author: Author::Known,
        dmarc: &[],
        spf: AuthResult::None,
        spf_domain: None,
        signed_by_author: Signed::No,
        forwarders: &[],
        reputation: Reputation::Neutral,
    };

    fn rules(dmarc: DmarcHandling) -> InboundRules<'static> {
        InboundRules { dmarc, trusted_forwarders: &[] }
    }

    #[test]
    fn the_author_decides_about_forgeries_and_the_hosted_domain_may_overrule() {
        use AuthResult::{Fail, None, Pass, TempError};
        use DmarcHandling::{Enforce, Junk, Report};
        const QUARANTINE: Option<DmarcPolicy> = Some(DmarcPolicy::Quarantine);
        const REJECT: Option<DmarcPolicy> = Some(DmarcPolicy::Reject);
        const NOTHING: Option<DmarcPolicy> = Some(DmarcPolicy::None);
        let author = name("a.example");
        let inbox = Ok(Disposition::Inbox);
        let junk = Ok(Disposition::Junk(JunkReason::Dmarc));
        let refused = Err(InboundDenial::Dmarc { author: author.clone() });
        let unknown = Err(InboundDenial::Unknown { author: author.clone() });
        for (result, policy, handling, expected) in [
            (Pass, REJECT, Enforce, &inbox),
            (Fail, REJECT, Enforce, &refused),
            (Fail, REJECT, Junk, &junk),
            (Fail, REJECT, Report, &inbox),
            (Fail, QUARANTINE, Enforce, &junk),
            (Fail, QUARANTINE, Junk, &junk),
            (Fail, NOTHING, Enforce, &inbox),
            (None, NOTHING, Enforce, &inbox),
            (TempError, Option::None, Enforce, &unknown),
            (TempError, NOTHING, Enforce, &inbox),
            (TempError, REJECT, Junk, &unknown),
            (TempError, REJECT, Report, &inbox),
        ] {
            let dmarc = [DmarcFact { author: &author, result, policy }];
            let judged = judge(InboundFacts { dmarc: &dmarc, ..QUIET }, rules(handling));
            assert_eq!(&judged, expected, "{result:?} {policy:?} {handling:?}");
        }
    }

    #[test]
    fn spf_makes_junk_of_what_nothing_else_speaks_for() {
        let author = name("a.example");
        let dmarc = |result| [DmarcFact { author: &author, result, policy: Some(DmarcPolicy::None) }];
        let judged = |spf, signed_by_author, result| {
            let dmarc = dmarc(result);
            judge(InboundFacts { spf, signed_by_author, dmarc: &dmarc, ..QUIET }, rules(DmarcHandling::Enforce))
                .unwrap()
        };
        let junk = Disposition::Junk(JunkReason::Spf);
        assert_eq!(judged(AuthResult::Fail, Signed::No, AuthResult::None), junk);
        assert_eq!(judged(AuthResult::SoftFail, Signed::No, AuthResult::None), Disposition::Inbox);
        assert_eq!(judged(AuthResult::TempError, Signed::Yes, AuthResult::None), Disposition::Inbox);
        assert_eq!(judged(AuthResult::TempError, Signed::No, AuthResult::Fail), Disposition::Inbox);
        assert_eq!(judged(AuthResult::Fail, Signed::Yes, AuthResult::None), Disposition::Inbox);
        assert_eq!(judged(AuthResult::Fail, Signed::No, AuthResult::Pass), Disposition::Inbox);
        assert_eq!(
            judged(AuthResult::Fail, Signed::No, AuthResult::Fail),
            Disposition::Inbox,
            "p=none asks for nothing"
        );
    }

    /// Who makes a domain's name servers slow does not get its forgeries into inboxes.
    #[test]
    fn what_spf_alone_would_decide_waits_for_it() {
        let (author, sender) = (name("a.example"), name("sender.example"));
        let dmarc = [DmarcFact { author: &author, result: AuthResult::None, policy: None }];
        let (spf, spf_domain) = (AuthResult::TempError, Some(&sender));
        let unsure = InboundFacts { spf, spf_domain, dmarc: &dmarc, ..QUIET };
        let judged = |facts, handling| judge(facts, rules(handling));
        let unknown = Err(InboundDenial::Unknown { author: sender.clone() });
        assert_eq!(judged(unsure, DmarcHandling::Enforce), unknown);
        assert_eq!(judged(unsure, DmarcHandling::Junk), unknown);
        assert_eq!(judged(unsure, DmarcHandling::Report), Ok(Disposition::Inbox));
        let signed = InboundFacts { signed_by_author: Signed::Yes, ..unsure };
        assert_eq!(judged(signed, DmarcHandling::Enforce), Ok(Disposition::Inbox));
        let listed = InboundFacts { reputation: Reputation::Doubtful, ..unsure };
        assert_eq!(judged(listed, DmarcHandling::Enforce), Ok(Disposition::Junk(JunkReason::Listed)));
    }

    #[test]
    fn a_message_has_one_author_field() {
        let judged = |author, handling| judge(InboundFacts { author, ..QUIET }, rules(handling));
        assert_eq!(judged(Author::Malformed, DmarcHandling::Enforce), Err(InboundDenial::Author));
        let junk = Ok(Disposition::Junk(JunkReason::NoAuthor));
        assert_eq!(judged(Author::Malformed, DmarcHandling::Junk), junk);
        assert_eq!(judged(Author::NoDomain, DmarcHandling::Enforce), junk);
        assert_eq!(judged(Author::Malformed, DmarcHandling::Report), Ok(Disposition::Inbox));
    }

    #[test]
    fn forwarders_are_believed_as_far_as_they_are_trusted() {
        let (author, list, stranger) = (name("a.example"), name("list.example"), name("stranger.example"));
        let dmarc = [DmarcFact { author: &author, result: AuthResult::Fail, policy: Some(DmarcPolicy::Reject) }];
        let saw = |sealer, dmarc_pass| Forwarder { sealer, dmarc_pass };
        let trusted = [list.clone(), name("relay.example")];
        let relay = &trusted[1];
        let judged = |forwarders: &[Forwarder<'_>]| {
            let rules = InboundRules { dmarc: DmarcHandling::Enforce, trusted_forwarders: &trusted };
            judge(InboundFacts { dmarc: &dmarc, forwarders, ..QUIET }, rules).is_ok()
        };
        assert!(judged(&[saw(&list, Some(&author))]));
        assert!(judged(&[saw(relay, None), saw(&list, Some(&author))]));
        assert!(!judged(&[saw(&list, Some(&list))]), "seen of another domain");
        assert!(!judged(&[saw(&stranger, Some(&author))]));
        assert!(!judged(&[saw(&stranger, None), saw(&list, Some(&author))]), "a stranger came after");
        assert!(judged(&[saw(&list, Some(&author)), saw(&stranger, None)]), "a stranger came before");
        assert!(!judged(&[]));
    }

    #[test]
    fn lists_make_junk_even_where_dmarc_is_only_written_down() {
        let facts = InboundFacts { reputation: Reputation::Doubtful, ..QUIET };
        for handling in [DmarcHandling::Enforce, DmarcHandling::Report] {
            assert_eq!(judge(facts, rules(handling)), Ok(Disposition::Junk(JunkReason::Listed)));
        }
    }
}
