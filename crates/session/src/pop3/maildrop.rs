//! A locked maildrop: its messages as they were at login (RFC 1939 §4), and which of them are marked as deleted.
//!
//! 25 bytes for each message, since a mailbox may hold 100,000 and a front end many sessions.

use yubin_types::{EmailId, Uid, UidSet};

use super::contract::Entry;

/// A message as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) uid: Uid,
    /// No message reaches 4 GiB (`MESSAGE_BYTES_MAX`).
    bytes: u32,
    pub(crate) email_id: EmailId,
}

impl Message {
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.bytes)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Kept,
    Deleted,
}

/// The messages of a session.
#[derive(Debug, Default)]
pub(crate) struct Maildrop {
    messages: Vec<Message>,
    marks: Vec<Mark>,
    /// Of messages that are not marked.
    count: u32,
    /// Of messages that are not marked.
    bytes: u64,
}

impl Maildrop {
    /// Adds the next messages.
    pub(crate) fn extend(&mut self, entries: &[Entry]) {
        for entry in entries {
            let bytes = u32::try_from(entry.bytes).unwrap_or(u32::MAX);
            self.messages.push(Message { uid: entry.uid, bytes, email_id: entry.email_id });
            self.marks.push(Mark::Kept);
            self.count += 1;
            self.bytes += u64::from(bytes);
        }
    }

    /// Messages that are not marked.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Their size, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Highest message number, whether marked or not.
    pub(crate) fn last_number(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    /// The message of this number, unless it doesn't exist or is marked.
    pub(crate) fn get(&self, number: u32) -> Option<Message> {
        let index = index_of(number)?;
        (self.marks.get(index)? == &Mark::Kept).then(|| self.messages.get(index).copied())?
    }

    /// Marks a message as deleted; `None` if it doesn't exist or is marked already.
    pub(crate) fn delete(&mut self, number: u32) -> Option<()> {
        let message = self.get(number)?;
        *self.marks.get_mut(index_of(number)?)? = Mark::Deleted;
        self.count -= 1;
        self.bytes -= message.bytes();
        Some(())
    }

    /// Unmarks all.
    pub(crate) fn reset(&mut self) {
        self.marks.fill(Mark::Kept);
        self.count = self.last_number();
        self.bytes = self.messages.iter().map(Message::bytes).sum();
    }

    /// The next marked messages, at most `most` of them; they are marked no longer.
    pub(crate) fn take_deleted(&mut self, most: usize) -> UidSet {
        let mut uids = UidSet::new();
        let marked = self.marks.iter_mut().zip(&self.messages).filter(|(mark, _)| **mark == Mark::Deleted).take(most);
        for (mark, message) in marked {
            *mark = Mark::Kept;
            uids.insert(message.uid);
        }
        uids
    }
}

fn index_of(number: u32) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use yubin_types::{EmailId, Uid, UidSet};

    use super::{Entry, Maildrop, Mark, Message};

    fn maildrop(messages: u32) -> Maildrop {
        let entry = |uid| Entry { uid: Uid(uid), bytes: u64::from(uid) * 10, email_id: EmailId([1; 16]) };
        let mut maildrop = Maildrop::default();
        maildrop.extend(&(1..=messages).map(entry).collect::<Vec<_>>());
        maildrop
    }

    #[test]
    fn marks_are_counted_and_undone() {
        let mut maildrop = maildrop(3);
        assert_eq!((maildrop.count(), maildrop.bytes()), (3, 60));
        assert_eq!(maildrop.delete(2), Some(()));
        assert_eq!(maildrop.delete(2), None);
        assert_eq!(maildrop.delete(0), None);
        assert_eq!(maildrop.delete(4), None);
        assert_eq!((maildrop.count(), maildrop.bytes(), maildrop.get(2)), (2, 40, None));
        maildrop.reset();
        assert_eq!((maildrop.count(), maildrop.bytes()), (3, 60));
        assert_eq!(maildrop.take_deleted(10), UidSet::new());
    }

    #[test]
    fn deletions_come_in_batches() {
        let mut maildrop = maildrop(5);
        for number in [5, 1, 2] {
            maildrop.delete(number).unwrap();
        }
        assert_eq!(maildrop.take_deleted(2).to_string(), "1:2");
        assert_eq!(maildrop.take_deleted(2).to_string(), "5");
        assert!(maildrop.take_deleted(2).is_empty());
    }

    #[test]
    fn a_message_costs_25_bytes() {
        assert_eq!(size_of::<Message>() + size_of::<Mark>(), 25);
    }
}
