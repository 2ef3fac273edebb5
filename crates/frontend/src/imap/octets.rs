//! Octets of messages. After a whole chunk the next one is read ahead, so that a large FETCH does not wait for each piece.

use bytes::Bytes;
use yubin_session::imap::Answer;
use yubin_session::imap::ask::OctetRange;
use yubin_types::{MailboxId, Refusal};

use super::User;
use crate::account::Trouble;

impl User {
    pub(super) async fn octets(&mut self, mailbox: MailboxId, ranges: &[OctetRange]) -> Result<Answer, Trouble> {
        let mut octets = Vec::with_capacity(ranges.len());
        for range in ranges {
            octets.push(self.range(mailbox, *range).await?);
        }
        Ok(Answer::Octets(octets))
    }

    /// `None`: the message is gone.
    async fn range(&mut self, mailbox: MailboxId, range: OctetRange) -> Result<Option<Bytes>, Trouble> {
        let length = usize::try_from(range.length).unwrap_or(usize::MAX);
        match self.account.read(mailbox, range.uid, range.offset, length).await {
            Ok(octets) => Ok(Some(octets)),
            Err(Trouble::Refused(Refusal::NotFound { .. })) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}
