//! What is a message worth? Asked when it is complete and verified, before it is stored or queued; answered for each recipient.
//!
//! Scanners that are configured look at it; without one for spam the built-in score adds up what its header says and what verification
//! found. `policy` says where the message goes by the rules of its recipients (SHIN-11, SHIN-12), and what becomes of viruses (SONET-30 to
//! SONET-32). Each copy of another server's message tells in X-Spam-Status and X-Virus-Status what was found; fields of these families
//! that it brought are forged and taken out. What users send is shown to scanners only where the operator says so, and is refused or
//! goes out as it came. Mail of exempt networks and over LMTP is not looked at.
//!
//! Milters come last: they see the message as it would be stored, and may change its header, refuse or discard it.
//!
//! - [`scanned`]: what scanners say; [`cured`]: a message without its viruses; [`filtered`]: what milters say; [`built_in`]: the built-in score; [`header`]: what its header says; [`fields`]: what is written.

mod built_in;
mod cured;
mod fields;
mod filtered;
mod header;
mod scanned;

use std::collections::BTreeMap;

use yubin_policy::Admission;
use yubin_policy::content::{ContentDenial, ContentDisposition, ContentFact, EncryptedHandling};
use yubin_policy::refusal_text;
use yubin_policy::spam::Scored;
use yubin_policy::spam::handling::{Forged, Handled, Settled, SpamFinding, SpamSender, Suspicion, handle, settle};
use yubin_session::smtp::Listener;
use yubin_types::{Address, SmtpReply, SpamHandling, SpamRules};

use self::cured::Virus;
use self::filtered::Filtered;
use self::header::Header;
use self::scanned::Scanned;
use super::deliver::Complete;
use super::edit::{self, Edit, NewBody};
use super::{SmtpRim, Transaction};
use crate::config::{ContentConfig, SubmissionScan, contains};
use crate::metrics::AssessmentResult;
use crate::scan::Scanner;

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Another server's.
    Stranger,
    /// A user's, to be sent.
    User,
}

impl Whose {
    /// Is a scanner shown such messages?
    fn is_shown(self, scanner: &Scanner) -> bool {
        match self {
            Whose::Stranger => true,
            Whose::User => scanner.config.submissions == SubmissionScan::On,
        }
    }
}

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Assessed {
    /// It is taken; what it is to its recipients, if that was asked.
    Taken(Option<Assessment>),
    /// It is taken, and nobody gets it.
    Discarded,
}

/// What a message is to its recipients.
#[derive(Debug)]
pub(super) struct Assessment {
    scored: Scored,
    recipients: BTreeMap<Address, Handled>,
    content: Option<(ContentFact, ContentDisposition)>,
    encrypted: EncryptedHandling,
    filtered: Filtered,
}

impl Assessment {
    /// What it is to a recipient.
    pub(super) fn of(&self, recipient: &Address) -> Option<&Handled> {
        self.recipients.get(recipient)
    }

    /// Does it go to Junk for what was found?
    pub(super) fn is_junk(&self, recipient: &Address) -> bool {
        let infected = matches!(self.content, Some((_, ContentDisposition::Junk)));
        infected
            || self.filtered == Filtered::Quarantine
            || self.of(recipient).is_some_and(|handled| handled.handling == SpamHandling::Junk)
    }

    /// What is written before a recipient's copy.
    pub(super) fn fields(&self, recipient: &Address) -> Vec<u8> {
        let spam = self.of(recipient).map(|handled| fields::spam(&self.scored, handled)).unwrap_or_default();
        let found = self.content.as_ref().map(|(fact, disposition)| fields::virus(fact, *disposition, self.encrypted));
        [spam, found.unwrap_or_default()].concat()
    }

    /// Is it spam to everybody it is for?
    pub(super) fn is_spam_to_all(&self) -> bool {
        !self.recipients.is_empty() && self.recipients.values().all(|handled| handled.verdict.is_spam())
    }

    fn is_spam(&self) -> bool {
        self.recipients.values().any(|handled| handled.verdict.is_spam())
    }
}

impl SmtpRim {
    /// What becomes of a message. It is as it is to be stored afterwards.
    pub(super) async fn assess(
        &self,
        transaction: &Transaction,
        complete: &mut Complete,
    ) -> Result<Assessed, SmtpReply> {
        let shared = &self.connection.shared;
        let Some((content, whose)) = shared.config.content.as_ref().and_then(|content| self.is_assessed(content))
        else {
            return Ok(Assessed::Taken(None));
        };
        let scanned = self.scan(content, whose, transaction, complete).await;
        let scanned = scanned.map_err(|denial| self.denied_content(&denial))?;
        let mut assessment = match whose {
            Whose::Stranger => Some(self.assess_stranger(content, scanned, transaction, complete).await?),
            Whose::User => {
                not_certain_spam(scanned).map_err(|denial| self.denied_content(&denial))?;
                None
            }
        };
        match (self.filter(content, whose, transaction, complete).await?, &mut assessment) {
            (Filtered::Take, _) => {}
            (Filtered::Quarantine, Some(assessment)) => assessment.filtered = Filtered::Quarantine,
            // What a user sends has no other place to go.
            (Filtered::Quarantine, None) => {
                let reply = SmtpReply::new(550, (5, 7, 1), "Message refused by a filter");
                return Err(self.denied_content(&ContentDenial::Filter { reply }));
            }
            (Filtered::Discard, _) => return Ok(Assessed::Discarded),
        }
        let spam = assessment.as_ref().is_some_and(Assessment::is_spam);
        shared.metrics.assessment(if spam { AssessmentResult::Spam } else { AssessmentResult::Clean });
        Ok(Assessed::Taken(assessment))
    }

    async fn assess_stranger(
        &self,
        content: &ContentConfig,
        scanned: Scanned,
        transaction: &Transaction,
        complete: &mut Complete,
    ) -> Result<Assessment, SmtpReply> {
        let shared = &self.connection.shared;
        let opened = edit::open(&complete.spooled).await?;
        let header = Header::read(&opened.header);
        let built_in = || self.built_in(content, transaction, complete, &opened.header, &header);
        let finding = scanned.spam.unwrap_or_else(built_in);
        let (scored, recipients) = judge(content, transaction, complete, &header, finding)
            .map_err(|()| self.denied_content(&ContentDenial::Spam { words: scanned.words }))?;
        let assessment = Assessment {
            scored,
            recipients,
            content: scanned.content,
            encrypted: content.encrypted,
            filtered: Filtered::Take,
        };
        let mut edits: Vec<Edit> = header.forged.iter().cloned().map(Edit::cut).collect();
        edits.extend(subject_tag(content, transaction, &assessment).map(|tag| header.tagged(&opened.header, tag)));
        if let Some((ContentFact::Virus { name, file }, ContentDisposition::Remove)) = &assessment.content {
            let virus = Virus { name: name.clone(), file: file.clone() };
            complete.spooled = self.cured(content, &complete.spooled, &opened.header, &edits, &virus).await?;
        } else if !edits.is_empty() {
            complete.spooled =
                edit::edited(&complete.spooled, &shared.spooler, &opened.header, &mut edits, NewBody::Same).await?;
        }
        Ok(assessment)
    }

    /// Whose message it is, if it is looked at.
    fn is_assessed<'a>(&self, content: &'a ContentConfig) -> Option<(&'a ContentConfig, Whose)> {
        match self.listener {
            Listener::Mx => {
                (!contains(&content.exempt, self.connection.peer_ip())).then_some((content, Whose::Stranger))
            }
            Listener::Submission => content.looks_at_users().then_some((content, Whose::User)),
            Listener::Lmtp => None,
        }
    }

    /// The reply to a message that is not taken for its content, counted.
    fn denied_content(&self, denial: &ContentDenial) -> SmtpReply {
        let metrics = &self.connection.shared.metrics;
        metrics.assessment(match denial.is_temporary() {
            true => AssessmentResult::Deferred,
            false => AssessmentResult::Refused,
        });
        metrics.reject(denial.reason());
        tracing::info!(result = ?denial, "message refused for its content");
        refusal_text::content(denial)
    }
}

/// Users are told of spam that a scanner would refuse, which leaves an infected machine; about the rest receivers judge for themselves.
fn not_certain_spam(scanned: Scanned) -> Result<(), ContentDenial> {
    match scanned.spam.and_then(|finding| finding.says) {
        Some(Suspicion::Certain) => Err(ContentDenial::Spam { words: scanned.words }),
        Some(Suspicion::Clean | Suspicion::Spam) | None => Ok(()),
    }
}

/// Its score, and what the message is to each recipient that it is stored for; an error if all of them refuse it.
fn judge(
    content: &ContentConfig,
    transaction: &Transaction,
    complete: &Complete,
    header: &Header,
    finding: SpamFinding,
) -> Result<(Scored, BTreeMap<Address, Handled>), ()> {
    let forged = complete.verified.as_ref().map_or(Forged::No, |verified| Forged::of(&verified.authentication));
    let sender = SpamSender { envelope: transaction.sender.path(), authors: &header.authors, forged };
    let recipients: Vec<(&Address, &SpamRules)> = wishes(content, transaction).collect();
    let mut handled: Vec<Handled> = recipients.iter().map(|(_, rules)| handle(&finding, sender, rules)).collect();
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
        Settled::Refused => Err(()),
        Settled::Taken => {
            let recipients = recipients.into_iter().map(|(recipient, _)| recipient.clone());
            Ok((finding.scored, recipients.zip(handled).collect()))
        }
    }
}

/// Whom it is stored for, and what each wants done with spam: by its own rules or its domain's, else as configured.
fn wishes<'a>(
    content: &'a ContentConfig,
    transaction: &'a Transaction,
) -> impl Iterator<Item = (&'a Address, &'a SpamRules)> {
    transaction.recipients.iter().filter_map(|invited| {
        let Admission::Deliver(permit) = &invited.admission else { return None };
        let own = invited.filtering.as_ref().and_then(|filtering| filtering.spam.as_ref());
        Some((permit.recipient(), own.unwrap_or_else(|| content.rules(permit.recipient()))))
    })
}

/// What goes before the subject: all recipients share it, so only what the rules of all want.
fn subject_tag<'a>(
    content: &'a ContentConfig,
    transaction: &'a Transaction,
    assessment: &Assessment,
) -> Option<&'a str> {
    let mut tags = wishes(content, transaction).map(|(recipient, rules)| {
        let tagged = |handled: &&Handled| handled.verdict.is_spam() && handled.handling != SpamHandling::Reject;
        assessment.of(recipient).filter(tagged).map_or("", |_| rules.subject_tag.as_str())
    });
    let first = tags.next().filter(|tag| !tag.is_empty())?;
    tags.all(|tag| tag == first).then_some(first)
}
