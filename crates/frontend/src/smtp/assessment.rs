//! Is a message from another server spam? Asked when it is complete and verified, before it is stored; answered for each recipient.
//!
//! The header is read once more, by the store's own parser; the built-in score adds up what it says and what verification found, and
//! `policy` says where the message goes by the rules of its recipients (SHIN-11, SHIN-12). Each copy tells in X-Spam-Status what was
//! found; fields of that family that the message brought are forged and taken out. Mail of users, of exempt networks and over LMTP is
//! not looked at.
//!
//! - [`header`]: what its header says; [`fields`]: what is written.

mod fields;
mod header;

use std::collections::BTreeMap;

use yubin_message::{check_attachments, check_header};
use yubin_policy::Admission;
use yubin_policy::content::ContentDenial;
use yubin_policy::refusal_text;
use yubin_policy::spam::handling::{Forged, Handled, Settled, SpamFinding, SpamHandling, SpamSender, handle, settle};
use yubin_policy::spam::{Authentication, Helo, SPAM_POINTS_DEFAULT, Scored, SpamFacts, score};
use yubin_session::smtp::{AddressEncoding, Listener};
use yubin_types::{Address, AuthResult, DomainName, SmtpReply, SpamCheck, SpamScore};

use self::header::Header;
use super::deliver::Complete;
use super::edit::{self, Edit};
use super::{SmtpRim, Transaction};
use crate::config::{ContentConfig, contains};
use crate::driver::now;
use crate::metrics::AssessmentResult;

/// What a message is to its recipients.
#[derive(Debug)]
pub(super) struct Assessment {
    scored: Scored,
    recipients: BTreeMap<Address, Handled>,
}

impl Assessment {
    /// What it is to a recipient.
    pub(super) fn of(&self, recipient: &Address) -> Option<&Handled> {
        self.recipients.get(recipient)
    }

    /// What is written before a recipient's copy.
    pub(super) fn fields(&self, recipient: &Address) -> Vec<u8> {
        self.of(recipient).map(|handled| fields::write(&self.scored, handled)).unwrap_or_default()
    }
}

impl SmtpRim {
    /// What a message is to its recipients; none if nobody looks. Its header is as it is to be stored afterwards.
    pub(super) async fn assess(
        &self,
        transaction: &Transaction,
        complete: &mut Complete,
    ) -> Result<Option<Assessment>, SmtpReply> {
        let shared = &self.connection.shared;
        let Some(content) = shared.config.content.as_ref().filter(|content| self.is_assessed(content)) else {
            return Ok(None);
        };
        let opened = edit::open(&complete.spooled).await?;
        let header = Header::read(&opened.header);
        let finding = self.built_in(content, transaction, complete, &opened.header, &header);
        let assessed = judge(content, transaction, complete, &header, finding);
        shared.metrics.assessment(match &assessed {
            Ok(assessment) if assessment.recipients.values().any(|handled| handled.verdict.is_spam()) => {
                AssessmentResult::Spam
            }
            Ok(_) => AssessmentResult::Clean,
            Err(_) => AssessmentResult::Refused,
        });
        let assessment = assessed.map_err(|denial| {
            shared.metrics.reject(denial.reason());
            refusal_text::content(&denial)
        })?;
        let mut edits: Vec<Edit> = header.forged.iter().cloned().map(Edit::cut).collect();
        edits.extend(subject_tag(content, &assessment).map(|tag| header.tagged(&opened.header, tag)));
        edits.sort_by_key(|edit| edit.range.start);
        if !edits.is_empty() {
            complete.spooled = edit::edited(&complete.spooled, &shared.spooler, &opened.header, &edits).await?;
        }
        Ok(Some(assessment))
    }

    fn is_assessed(&self, content: &ContentConfig) -> bool {
        self.listener == Listener::Mx && !contains(&content.exempt, self.connection.peer_ip())
    }

    /// The built-in score; nothing is found where it is off.
    fn built_in(
        &self,
        content: &ContentConfig,
        transaction: &Transaction,
        complete: &Complete,
        octets: &[u8],
        header: &Header,
    ) -> SpamFinding {
        let required = SpamScore::points(SPAM_POINTS_DEFAULT);
        let Some(weights) = &content.scoring else {
            return SpamFinding { scored: Scored::default(), required, says: None };
        };
        let mut found = check_header(octets, i64::try_from(now().seconds()).unwrap_or(i64::MAX));
        if transaction.encoding == AddressEncoding::Utf8 {
            found.retain(|check| *check != SpamCheck::HeaderOctets);
        }
        found.extend(check_attachments(&complete.spooled.tree));
        let facts = SpamFacts {
            authentication: complete.verified.as_ref().map(|verified| &verified.authentication),
            helo: self.helo(&complete.origin.helo),
            authors: &header.domains(),
            hosted: transaction.hosted().map(|hosted| &hosted.name),
            found: &found,
        };
        SpamFinding { scored: score(facts, weights), required, says: None }
    }

    fn helo(&self, helo: &str) -> Helo {
        let config = &self.connection.shared.config;
        let ours = config.inbound.iter().flat_map(|inbound| &inbound.hosts).chain([&config.hostname]);
        let name = helo.trim_end_matches('.');
        match DomainName::parse(name) {
            _ if ours.into_iter().any(|host| host.eq_ignore_ascii_case(name)) => Helo::Ours,
            Ok(domain) if domain.as_str().contains('.') => Helo::Name,
            _ => Helo::Unqualified,
        }
    }
}

/// What the message is to each recipient that it is stored for.
fn judge(
    content: &ContentConfig,
    transaction: &Transaction,
    complete: &Complete,
    header: &Header,
    finding: SpamFinding,
) -> Result<Assessment, ContentDenial> {
    let forged = complete.verified.as_ref().map_or(Forged::No, |verified| forged(&verified.authentication));
    let sender = SpamSender { envelope: transaction.sender.path(), authors: &header.authors, forged };
    let recipients: Vec<&Address> = transaction.recipients.iter().filter_map(|it| stored_for(&it.admission)).collect();
    let mut handled: Vec<Handled> =
        recipients.iter().map(|recipient| handle(&finding, sender, content.rules(recipient))).collect();
    let settled = settle(&mut handled);
    tracing::info!(
        from = %transaction.sender.path(),
        score = %finding.scored.score,
        checks = %fields::tests(&finding.scored),
        result = ?settled,
        spam = handled.iter().filter(|handled| handled.verdict.is_spam()).count(),
        "message assessed"
    );
    match settled {
        Settled::Refused => Err(ContentDenial::Spam { words: None }),
        Settled::Taken => Ok(Assessment {
            scored: finding.scored,
            recipients: recipients.into_iter().cloned().zip(handled).collect(),
        }),
    }
}

const fn stored_for(admission: &Admission) -> Option<&Address> {
    match admission {
        Admission::Deliver(permit) => Some(permit.recipient()),
        Admission::Relay(_) | Admission::Return(_) => None,
    }
}

fn forged(found: &Authentication) -> Forged {
    let failed =
        matches!(found.spf, AuthResult::Fail | AuthResult::SoftFail) || found.dmarc.contains(&AuthResult::Fail);
    if failed { Forged::Proven } else { Forged::No }
}

/// What goes before the subject: all recipients share it, so only what the rules of all want.
fn subject_tag<'a>(content: &'a ContentConfig, assessment: &Assessment) -> Option<&'a str> {
    let mut tags = assessment.recipients.iter().map(|(recipient, handled)| {
        let tagged = handled.verdict.is_spam() && handled.handling != SpamHandling::Reject;
        if tagged { content.rules(recipient).subject_tag.as_str() } else { "" }
    });
    let first = tags.next().filter(|tag| !tag.is_empty())?;
    tags.all(|tag| tag == first).then_some(first)
}
