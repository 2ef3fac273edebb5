//! Octets of messages. After a whole chunk the next one is read ahead, so that a large FETCH does not wait for each piece; ranges of many
//! messages, which are headers, are read at the same time.

use futures::{StreamExt as _, TryStreamExt as _};
use yubin_session::imap::Answer;
use yubin_session::imap::ask::OctetRange;
use yubin_types::{MailboxId, Refusal, limits};

use super::User;
use crate::account::Trouble;

impl User {
    pub(super) async fn octets(&mut self, mailbox: MailboxId, ranges: &[OctetRange]) -> Result<Answer, Trouble> {
        if let [range] = ranges {
            let read = self.account.read(mailbox, range.uid, range.offset, length(range)).await;
            return Ok(Answer::Octets(vec![unless_gone(read)?]));
        }
        let account = &self.account;
        // Made before they are read: a closure in the stream would have to live as long as any caller likes.
        let reads: Vec<_> =
            ranges.iter().map(|range| account.read_alone(mailbox, range.uid, range.offset, length(range))).collect();
        let octets = futures::stream::iter(reads)
            .buffered(limits::IMAP_HEADERS_READ_TOGETHER_MAX)
            .map(unless_gone)
            .try_collect()
            .await?;
        Ok(Answer::Octets(octets))
    }
}

fn length(range: &OctetRange) -> usize {
    usize::try_from(range.length).unwrap_or(usize::MAX)
}

/// `None`: the message is gone.
fn unless_gone<T>(read: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match read {
        Ok(octets) => Ok(Some(octets)),
        Err(Trouble::Refused(Refusal::NotFound { .. })) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}
