//! Does what passed belong to the author's domain, and what does that domain want done if not? (DMARC, RFC 9989)
//!
//! Policies and organizational domains are found by walking up the DNS tree (§4.10), at most [`limits::DMARC_WALK_MAX`] names a walk; no list
//! of public suffixes is needed. `t=y` lowers a policy by one step (§4.7). `pct=`, which RFC 9989 dropped, is ignored. Where
//! a domain asks for reports, the check says what they tell of the message; they are written in [`crate::reports`].
//!
//! A walk that nobody could answer is a temporary error, and so is a method whose result is one and could have made the difference.

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::dmarc::{Alignment, Dmarc, Policy, Psd};
use yubin_types::report::{self, AlignmentMode, PolicyForce, PublishedPolicy};
use yubin_types::{AuthResult, DmarcPolicy, DomainName, limits};

use super::Verifier;
use super::message::DkimCheck;
use super::spf::SpfCheck;
use crate::resolver::{Family, LookupError};

/// What DMARC is asked of a message.
#[derive(Clone, Copy, Debug)]
pub struct DmarcQuestion<'a> {
    /// The author's domain, from the field From.
    pub author: &'a DomainName,
    /// What SPF said of the envelope's sender.
    pub spf: Option<&'a SpfCheck>,
    /// What became of the signatures.
    pub dkim: &'a [DkimCheck],
}

/// What DMARC says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmarcCheck {
    /// Whose mail it says it is.
    pub author: DomainName,
    /// None: the domain has no policy.
    pub result: AuthResult,
    /// What the domain wants done with mail that fails; none if that can't be looked up.
    pub policy: Option<DmarcPolicy>,
    /// What a report would say, if the domain asks for reports.
    pub asked: Option<AskedReport>,
}

/// A domain asks for aggregate reports (`rua`): what they say of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedReport {
    /// The domain whose record applies.
    pub domain: DomainName,
    /// The record.
    pub policy: PublishedPolicy,
    /// Does a signature of the author's organization pass?
    pub dkim: report::Alignment,
    /// Does SPF pass for it?
    pub spf: report::Alignment,
}

/// Does anything that passed belong to the author's organization?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aligned {
    result: AuthResult,
    dkim: report::Alignment,
    spf: report::Alignment,
}

/// Is it known by one method that a message is its author's: are the others asked too?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thoroughness {
    /// No.
    FirstPass,
    /// Yes, a report tells of each.
    Each,
}

/// A record and the name below which it stands, from the longest name to the shortest.
type Walk = Vec<(DomainName, Dmarc)>;

/// Nobody could say.
#[derive(Debug)]
struct Unknown;

/// What may prove that a message is its author's.
#[derive(Clone, Copy, Debug)]
enum Method {
    Dkim,
    Spf,
}

impl Verifier {
    /// Checks DMARC for one author's domain.
    pub async fn dmarc(&self, question: DmarcQuestion<'_>) -> DmarcCheck {
        let author = question.author.clone();
        match self.dmarc_of(question).await {
            Ok((result, policy, asked)) => DmarcCheck { author, result, policy: Some(policy), asked },
            Err(Unknown) => DmarcCheck { author, result: AuthResult::TempError, policy: None, asked: None },
        }
    }

    /// The organizational domain of a name (RFC 9989 §4.10.2); none if nobody could say.
    pub(crate) async fn organization(&self, name: &DomainName) -> Option<DomainName> {
        self.walk(name).await.ok().map(|walk| organization(&walk, name))
    }

    async fn dmarc_of(
        &self,
        question: DmarcQuestion<'_>,
    ) -> Result<(AuthResult, DmarcPolicy, Option<AskedReport>), Unknown> {
        let author = question.author;
        let walk = self.walk(author).await?;
        let organization = organization(&walk, author);
        let own = walk.iter().find(|(name, _)| name == author);
        let above = || walk.iter().find(|(name, _)| *name == organization).or_else(|| walk.last());
        let nothing = (AuthResult::None, DmarcPolicy::None, None);
        let Some((name, record)) = own.or_else(above) else { return Ok(nothing) };
        if record.p == Policy::Unspecified && record.rua.is_empty() {
            return Ok(nothing);
        }
        let stated = if record.p == Policy::Unspecified {
            Policy::None
        } else if name == author {
            record.p
        } else if record.np != record.sp && !self.exists(author).await? {
            record.np
        } else {
            record.sp
        };
        let reported = !record.rua.is_empty();
        let thoroughness = if reported { Thoroughness::Each } else { Thoroughness::FirstPass };
        let aligned = self.aligned(question, &organization, record, thoroughness).await;
        let asked = reported.then(|| AskedReport {
            domain: name.clone(),
            policy: published(record),
            dkim: aligned.dkim,
            spf: aligned.spf,
        });
        Ok((aligned.result, in_force(stated, record), asked))
    }

    /// Does anything that passed belong to the author's organization?
    async fn aligned(
        &self,
        question: DmarcQuestion<'_>,
        organization: &DomainName,
        record: &Dmarc,
        thoroughness: Thoroughness,
    ) -> Aligned {
        let spf = question.spf.map(|check| (Method::Spf, &check.domain, check.result, record.aspf));
        let dkim =
            question.dkim.iter().filter_map(|c| Some((Method::Dkim, c.domain.as_ref()?, c.result, record.adkim)));
        let mut unknown = false;
        let (mut by_dkim, mut by_spf) = (report::Alignment::Fail, report::Alignment::Fail);
        for (method, domain, result, alignment) in dkim.chain(spf) {
            let known = match method {
                Method::Dkim => &mut by_dkim,
                Method::Spf => &mut by_spf,
            };
            let asked = matches!(result, AuthResult::Pass | AuthResult::TempError);
            if !asked || *known == report::Alignment::Pass {
                continue;
            }
            match self.is_aligned(domain, question.author, organization, alignment).await {
                Ok(true) if result == AuthResult::Pass => {
                    *known = report::Alignment::Pass;
                    if thoroughness == Thoroughness::FirstPass {
                        break;
                    }
                }
                Ok(false) => {}
                Ok(true) | Err(Unknown) => unknown = true,
            }
        }
        let result = match (by_dkim, by_spf) {
            (report::Alignment::Fail, report::Alignment::Fail) if unknown => AuthResult::TempError,
            (report::Alignment::Fail, report::Alignment::Fail) => AuthResult::Fail,
            _ => AuthResult::Pass,
        };
        Aligned { result, dkim: by_dkim, spf: by_spf }
    }

    /// RFC 9989 §4.10.2.
    async fn is_aligned(
        &self,
        domain: &DomainName,
        author: &DomainName,
        own: &DomainName,
        alignment: Alignment,
    ) -> Result<bool, Unknown> {
        if domain == author {
            return Ok(true);
        }
        // Who is of one organization lies below its domain: most strangers are told without a question.
        if alignment == Alignment::Strict || !is_below(domain, own) {
            return Ok(false);
        }
        let walk = self.walk(domain).await?;
        Ok(organization(&walk, domain) == *own)
    }

    /// The records above a name, its own first (RFC 9989 §4.10).
    async fn walk(&self, start: &DomainName) -> Result<Walk, Unknown> {
        let mut found = Vec::new();
        for name in names(start) {
            let texts = match self.resolver.texts_at(&format!("_dmarc.{name}")).await {
                Ok(texts) => texts,
                Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => continue,
                Err(_) => return Err(Unknown),
            };
            let mut records = texts.iter().filter_map(|text| Dmarc::parse(text).ok());
            // Several records are none.
            if let (Some(record), None) = (records.next(), records.next()) {
                let last = record.psd != Psd::Default;
                found.push((name, record));
                if last {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// NXDOMAIN is said of names that have no record of any type (RFC 8020).
    async fn exists(&self, name: &DomainName) -> Result<bool, Unknown> {
        match self.resolver.addresses_at(name.as_str(), Family::V4).await {
            Ok(_) | Err(LookupError::NoData(_)) => Ok(true),
            Err(LookupError::NoDomain(_)) => Ok(false),
            Err(_) => Err(Unknown),
        }
    }
}

/// The names that a walk asks about: the first, and from the last seven labels on each one shorter.
pub(crate) fn names(start: &DomainName) -> Vec<DomainName> {
    let labels: Vec<&str> = start.as_str().split('.').collect();
    if labels.len() < 2 {
        return Vec::new();
    }
    let shorter = (1..labels.len()).skip(labels.len().saturating_sub(limits::DMARC_WALK_MAX));
    let above = shorter.filter_map(|from| DomainName::parse(&labels.get(from..)?.join(".")).ok());
    std::iter::once(start.clone()).chain(above).take(limits::DMARC_WALK_MAX).collect()
}

/// The organizational domain of a name, from what its walk found (RFC 9989 §4.10.2); the name itself if nothing was.
fn organization(walk: &Walk, start: &DomainName) -> DomainName {
    for (name, record) in walk {
        match record.psd {
            Psd::No => return name.clone(),
            Psd::Yes if name != start => return one_below(name, start),
            _ => {}
        }
    }
    walk.last().map_or_else(|| start.clone(), |(name, _)| name.clone())
}

/// The name one label longer than `suffix` on the way to `start`.
fn one_below(suffix: &DomainName, start: &DomainName) -> DomainName {
    let head = start.as_str().strip_suffix(suffix.as_str()).and_then(|head| head.strip_suffix('.'));
    let label = head.and_then(|head| head.rsplit('.').next());
    let name = label.and_then(|label| DomainName::parse(&format!("{label}.{suffix}")).ok());
    name.unwrap_or_else(|| start.clone())
}

pub(crate) fn is_below(name: &DomainName, domain: &DomainName) -> bool {
    let head = name.as_str().strip_suffix(domain.as_str());
    head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

/// The record's tags, as a report repeats them.
fn published(record: &Dmarc) -> PublishedPolicy {
    let mode = |alignment: Alignment| match alignment {
        Alignment::Relaxed => AlignmentMode::Relaxed,
        Alignment::Strict => AlignmentMode::Strict,
    };
    let policy = |policy: Policy| match policy {
        Policy::None | Policy::Unspecified => DmarcPolicy::None,
        Policy::Quarantine => DmarcPolicy::Quarantine,
        Policy::Reject => DmarcPolicy::Reject,
    };
    PublishedPolicy {
        p: policy(record.p),
        sp: policy(record.sp),
        np: policy(record.np),
        adkim: mode(record.adkim),
        aspf: mode(record.aspf),
        force: if record.t { PolicyForce::Testing } else { PolicyForce::Full },
    }
}

/// In test mode a policy is one step weaker (RFC 9989 §4.7).
fn in_force(stated: Policy, record: &Dmarc) -> DmarcPolicy {
    match (stated, record.t) {
        (Policy::Reject, false) => DmarcPolicy::Reject,
        (Policy::Reject, true) | (Policy::Quarantine, false) => DmarcPolicy::Quarantine,
        (Policy::Quarantine, true) | (Policy::None | Policy::Unspecified, _) => DmarcPolicy::None,
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::DomainName;

    use super::{names, one_below};

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    /// RFC 9989 §4.10: the example of a long name.
    #[test]
    fn a_walk_asks_about_eight_names() {
        let asked = |text: &str| names(&name(text)).iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(asked("mail.example.jp"), ["mail.example.jp", "example.jp", "jp"]);
        assert_eq!(
            asked("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com"
            ]
        );
        assert_eq!(asked("a.b.c.d.e.f.g.h")[1], "b.c.d.e.f.g.h");
        assert!(asked("localhost").is_empty());
    }

    #[test]
    fn the_organization_is_one_label_below_a_public_suffix() {
        assert_eq!(one_below(&name("co.jp"), &name("a.b.example.co.jp")), name("example.co.jp"));
        assert_eq!(one_below(&name("jp"), &name("example.jp")), name("example.jp"));
    }
}
