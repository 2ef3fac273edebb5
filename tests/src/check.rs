//! What was acknowledged against what is there: mailbox by mailbox, byte by byte, and the usage against the sum.
//!
//! A message may be there without an acknowledgement (the answer was lost with the connection); one that was
//! acknowledged may not be missing, no message may be there twice, and each must be exactly what was sent, below the
//! trace headers that delivery adds (RFC 5321 §4.4). Usage counts what POP3 counts: each stored message whole.

use crate::load::{Acknowledged, Content, Number};
use crate::pop3::Pop3;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// How mailboxes are read.
#[derive(Clone, Debug)]
pub struct Reader {
    /// A POP3 port that speaks TLS from the start.
    pub pop3s: SocketAddr,
    /// The password of every account.
    pub password: String,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Acknowledged messages that were there.
    pub kept: usize,
    /// Messages that were there without an acknowledgement.
    pub unacknowledged: usize,
    /// Messages read in all.
    pub messages: u64,
    /// Their size as POP3 tells it, which is what usage must be.
    pub bytes: u64,
    /// What is wrong, each a line.
    pub faults: Vec<String>,
}

impl Reader {
    /// Reads each account's mailbox and compares it with what was acknowledged for it.
    ///
    /// # Errors
    /// When a mailbox can't be read: that is no finding, but a failed check.
    pub fn compare(&self, content: &Content, acknowledged: &[Acknowledged], accounts: &[String]) -> Result<Findings> {
        let mut expected: BTreeMap<&str, BTreeSet<Number>> = BTreeMap::new();
        for message in acknowledged {
            expected.entry(message.recipient.as_str()).or_default().insert(message.number);
        }
        let mut findings = Findings::default();
        for account in accounts {
            let wanted = expected.remove(account.as_str()).unwrap_or_default();
            self.compare_one(content, account, wanted, &mut findings)
                .with_context(|| format!("mailbox of {account}"))?;
        }
        Ok(findings)
    }

    fn compare_one(
        &self,
        content: &Content,
        account: &str,
        mut wanted: BTreeSet<Number>,
        findings: &mut Findings,
    ) -> Result<()> {
        let mut session = Pop3::login(self.pop3s, account, &self.password)?;
        let (_, bytes) = session.stat()?;
        findings.bytes = findings.bytes.saturating_add(bytes);
        let mut seen = BTreeSet::new();
        session.read_all(|index, message| {
            findings.messages = findings.messages.saturating_add(1);
            let Some(number) = number_of(message) else {
                findings.faults.push(format!("{account}: message {index} is none that was sent"));
                return Ok(());
            };
            if !seen.insert(number) {
                findings.faults.push(format!("{account}: {number} is there twice"));
            }
            if !message.ends_with(&content.message(number, account)) {
                findings.faults.push(format!("{account}: {number} is not what was sent"));
            }
            if wanted.remove(&number) {
                findings.kept = findings.kept.saturating_add(1);
            } else {
                findings.unacknowledged = findings.unacknowledged.saturating_add(1);
            }
            Ok(())
        })?;
        session.quit()?;
        findings.faults.extend(wanted.iter().map(|number| format!("{account}: {number} was acknowledged and is lost")));
        Ok(())
    }

    /// Empties mailboxes.
    ///
    /// # Errors
    /// When one can't be emptied.
    pub fn empty(&self, accounts: &[String]) -> Result<()> {
        for account in accounts {
            let mut session = Pop3::login(self.pop3s, account, &self.password)?;
            let (count, _) = session.stat()?;
            session.delete(&(1..=count).collect::<Vec<_>>())?;
            session.quit()?;
            let (left, _) = Pop3::login(self.pop3s, account, &self.password)?.stat()?;
            if left != 0 {
                bail!("{account}: {left} messages are left after deleting all");
            }
        }
        Ok(())
    }
}

/// The number in a message's own header, which stands below what delivery added.
fn number_of(message: &[u8]) -> Option<Number> {
    let marker = b"\r\nSubject: Load ";
    let start = message.windows(marker.len()).position(|part| part == marker)?.checked_add(marker.len())?;
    let rest = message.get(start..)?;
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    Number::parse(std::str::from_utf8(rest.get(..end)?).ok()?)
}
