//! What scanners say of a message: those that are configured for such mail are asked at the same time.
//!
//! Archives are looked at before, by what their own directories say. A scanner that gives no answer in its time says nothing: the message is put off, or goes on without it, as configured. What is wrong
//! with the content goes before what makes it spam.

use futures::TryStreamExt as _;
use yubin_message::{ArchiveFacts, ArchiveReader, Part, PartTree};
use yubin_policy::content::{
    ContentDenial, ContentDisposition, ContentFact, ContentRules, EncryptedHandling, VirusHandling, judge,
};
use yubin_policy::spam::handling::{SpamFinding, Suspicion};
use yubin_types::limits;

use super::Whose;
use crate::config::{ContentConfig, GreylistHandling, ScannerConfig, SubmissionScan};
use crate::header;
use crate::metrics::ScanResult;
use crate::scan::clamd::Clamd;
use crate::scan::rspamd::{Action, Rspamd};
use crate::scan::{ScanError, Scanner, Way};
use crate::smtp::deliver::Complete;
use crate::smtp::{SmtpRim, Transaction};

/// What scanners found.
#[derive(Debug)]
pub(super) struct Scanned {
    /// In the content, and what becomes of the message for it; none if nobody looked.
    pub(super) content: Option<(ContentFact, ContentDisposition)>,
    /// Of spam; none if nobody looked.
    pub(super) spam: Option<SpamFinding>,
    /// The scanner's words for the sender of spam.
    pub(super) words: Option<String>,
}

impl SmtpRim {
    /// Asks the scanners.
    pub(super) async fn scan(
        &self,
        content: &ContentConfig,
        whose: Whose,
        transaction: &Transaction,
        complete: &Complete,
    ) -> Result<Scanned, ContentDenial> {
        let scanners = &self.connection.shared.scanners;
        let wanted = |scanner: &&Scanner| whose.is_shown(scanner);
        let looked_into = whose == Whose::Stranger || content.archives_of_users == SubmissionScan::On;
        let archives = if looked_into { archives(content, complete).await? } else { None };
        let (viruses, spam) = tokio::join!(
            self.ask_clamd(scanners.clamd.as_ref().filter(wanted), complete),
            self.ask_rspamd(scanners.rspamd.as_ref().filter(wanted), transaction, complete)
        );
        let virus = if whose == Whose::User { VirusHandling::Reject } else { content.virus };
        let viruses = viruses.map(|(fact, config)| (fact, ContentRules { virus, ..rules(content, config) }));
        let of_archives = ContentRules { encrypted: content.encrypted, ..ContentRules::default() };
        let content_found = worst(viruses, archives.map(|fact| (fact, of_archives)))?;
        let mut scanned = Scanned { content: content_found, spam: None, words: None };
        match spam {
            None => {}
            Some((Ok(said), _)) => {
                let waits = said.action == Action::Defer
                    || (said.action == Action::Greylist && content.greylist == GreylistHandling::Defer);
                if waits {
                    return Err(ContentDenial::Later { words: said.words });
                }
                let says = match said.action {
                    Action::Take | Action::Greylist | Action::Defer => Suspicion::Clean,
                    Action::Mark => Suspicion::Spam,
                    Action::Reject => Suspicion::Certain,
                };
                let (scored, required) = (said.scored, said.required);
                scanned.spam = Some(SpamFinding { scored, required, says: Some(says) });
                scanned.words = said.words;
            }
            Some((Err(fact), config)) => {
                judge(&fact, rules(content, config))?;
            }
        }
        Ok(scanned)
    }

    async fn ask_clamd<'a>(
        &self,
        clamd: Option<&'a Scanner>,
        complete: &Complete,
    ) -> Option<(ContentFact, &'a ScannerConfig)> {
        let clamd = clamd?;
        let tree = &complete.spooled.tree;
        let (fact, result) = match clamd.clamd(&complete.spooled).await {
            Ok(Clamd::Clean) => (ContentFact::Clean, ScanResult::Clean),
            Ok(Clamd::Virus(name)) => {
                (ContentFact::Virus { name: shortened(name), file: sole_file(tree) }, ScanResult::Found)
            }
            Ok(Clamd::Encrypted) => (ContentFact::Encrypted { file: sole_file(tree) }, ScanResult::Found),
            Ok(Clamd::Unpacked) => (ContentFact::Unpacked, ScanResult::Found),
            Ok(Clamd::TooLarge) => (ContentFact::TooLarge, ScanResult::TooLarge),
            Err(error) => (away("clamd", &error), ScanResult::Unavailable),
        };
        self.connection.shared.metrics.scan("clamd", result);
        Some((fact, &clamd.config))
    }

    /// What rspamd says, or why it doesn't.
    async fn ask_rspamd<'a>(
        &self,
        rspamd: Option<&'a Scanner>,
        transaction: &Transaction,
        complete: &Complete,
    ) -> Option<(Result<Rspamd, ContentFact>, &'a ScannerConfig)> {
        let rspamd = rspamd?;
        let (said, result) = match rspamd.rspamd(&complete.spooled, &self.way(transaction, complete)).await {
            Ok(Some(said)) => {
                let result = if said.action == Action::Take { ScanResult::Clean } else { ScanResult::Found };
                (Ok(said), result)
            }
            Ok(None) => (Err(ContentFact::TooLarge), ScanResult::TooLarge),
            Err(error) => (Err(away("rspamd", &error)), ScanResult::Unavailable),
        };
        self.connection.shared.metrics.scan("rspamd", result);
        Some((said, &rspamd.config))
    }

    pub(super) fn way(&self, transaction: &Transaction, complete: &Complete) -> Way {
        let recipients = transaction.recipients.iter().map(|invited| invited.admission.recipient().to_string());
        Way {
            peer: self.connection.peer_ip(),
            port: self.connection.peer.port(),
            peer_name: complete.verified.as_ref().and_then(|verified| Some(verified.peer_name.as_ref()?.to_string())),
            helo: complete.origin.helo.clone(),
            sender: transaction.sender.path().bare(),
            recipients: recipients.collect(),
            user: self.identity.as_ref().map(|identity| identity.address.to_string()),
            id: self.connection.trace.to_string(),
            hostname: self.connection.shared.config.hostname.clone(),
        }
    }
}

/// What becomes of a message for its viruses and its archives: each has its own rules, whatever the other was found to be. A virus is
/// told of before what an archive says, and that before what clamd could not look at.
fn worst(
    viruses: Option<(ContentFact, ContentRules)>,
    archives: Option<(ContentFact, ContentRules)>,
) -> Result<Option<(ContentFact, ContentDisposition)>, ContentDenial> {
    let infected = matches!(viruses, Some((ContentFact::Virus { .. }, _)));
    let (first, second) = if infected { (viruses, archives) } else { (archives, viruses) };
    let judged = |found: Option<(ContentFact, ContentRules)>| {
        found.map(|(fact, rules)| judge(&fact, rules).map(|disposition| (fact, disposition))).transpose()
    };
    let (first, second) = (judged(first)?, judged(second)?);
    Ok(first.or(second))
}

/// What archives say of themselves, if that is against the message.
async fn archives(content: &ContentConfig, complete: &Complete) -> Result<Option<ContentFact>, ContentDenial> {
    if content.unpacked_bytes_max.is_none() && content.encrypted == EncryptedHandling::Pass {
        return Ok(None);
    }
    let Some(mut reader) = ArchiveReader::new(&complete.spooled.tree) else { return Ok(None) };
    let mut pieces = header::pieces(&complete.spooled.body);
    loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => reader.feed(&piece),
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%error, "an incoming message can't be read");
                return Err(ContentDenial::Unscanned);
            }
        }
    }
    let ArchiveFacts { unpacked_bytes, encrypted } = reader.finish();
    if content.unpacked_bytes_max.is_some_and(|most| unpacked_bytes > most) {
        return Ok(Some(ContentFact::Unpacked));
    }
    Ok(encrypted.map(|file| ContentFact::Encrypted { file: file.map(shortened) }))
}

pub(super) fn rules(content: &ContentConfig, scanner: &ScannerConfig) -> ContentRules {
    ContentRules {
        virus: VirusHandling::Reject,
        encrypted: content.encrypted,
        too_large: scanner.too_large,
        absent: scanner.absent,
    }
}

pub(super) fn away(scanner: &'static str, error: &ScanError) -> ContentFact {
    tracing::warn!(scanner, %error, "a message is not scanned");
    ContentFact::Absent
}

/// The file that a message brings, if it brings one: scanners don't tell in which they found something.
fn sole_file(tree: &PartTree) -> Option<String> {
    let mut names = tree.parts().iter().filter_map(Part::file_name);
    names.next().filter(|_| names.next().is_none()).map(shortened)
}

pub(super) fn shortened(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(limits::SCANNED_NAME_BYTES_MAX));
    name
}

#[cfg(test)]
mod tests {
    use yubin_policy::content::AbsentHandling;

    use super::*;

    /// SONET-17, SONET-18: rules about archives hold whatever clamd says, or while it says nothing.
    #[test]
    fn archives_are_judged_whatever_clamd_said() {
        let rules = ContentRules {
            virus: VirusHandling::Junk,
            encrypted: EncryptedHandling::Reject,
            absent: AbsentHandling::Pass,
            ..ContentRules::default()
        };
        let tag = ContentRules { encrypted: EncryptedHandling::Tag, ..rules };
        let encrypted = || ContentFact::Encrypted { file: None };
        let virus = || ContentFact::Virus { name: "Eicar".to_owned(), file: None };
        let said = [ContentFact::TooLarge, ContentFact::Absent, ContentFact::Clean, encrypted(), virus()];
        for fact in said {
            let reason = |archives| {
                let judged = worst(Some((fact.clone(), tag)), Some(archives));
                judged.map_err(|denial| denial.reason())
            };
            assert_eq!(reason((ContentFact::Unpacked, rules)), Err("unpacked_size"), "{fact:?}");
            assert_eq!(reason((encrypted(), rules)), Err("encrypted_archive"), "{fact:?}");
            let told = if fact == virus() { virus() } else { encrypted() };
            assert_eq!(reason((encrypted(), tag)).unwrap().unwrap().0, told, "{fact:?}");
        }
        let deferred = ContentRules { absent: AbsentHandling::Defer, ..rules };
        let bomb = worst(Some((ContentFact::Absent, deferred)), Some((ContentFact::Unpacked, rules)));
        assert_eq!(bomb.map_err(|denial| denial.reason()), Err("unpacked_size"), "for good, not for later");
    }
}
