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
        let mut found = None;
        if let Some((fact, config)) = viruses {
            let mut rules = ContentRules { virus: content.virus, ..rules(content, config) };
            if whose == Whose::User {
                rules.virus = VirusHandling::Reject;
            }
            let disposition = judge(&fact, rules)?;
            found = Some((fact, disposition));
        }
        if let Some(fact) = archives.filter(|_| found.as_ref().is_none_or(|(fact, _)| *fact == ContentFact::Clean)) {
            let rules = ContentRules { encrypted: content.encrypted, ..ContentRules::default() };
            let disposition = judge(&fact, rules)?;
            found = Some((fact, disposition));
        }
        let mut scanned = Scanned { content: found, spam: None, words: None };
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

fn shortened(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(limits::SCANNED_NAME_BYTES_MAX));
    name
}
