//! What an account that answers by itself needs of a message (RFC 3834): whether a program may answer it, whom it names, and the fields of
//! an answer. Whether any account does, and whether the message is junk to it, is decided where the message is stored.

use bytes::Bytes;
use yubin_message::{AnswerFields, DateTime, named_recipients};
use yubin_policy::auto_reply::{AutoReplyFacts, may_answer};
use yubin_state::auto_reply::Answerable;
use yubin_types::{DomainName, ReversePath};

use super::deliver::Complete;
use crate::driver::now;

impl Complete {
    /// What an answer to it needs, for accounts of a domain; `None`: no program may answer it.
    pub(super) fn answerable(&self, sender: &ReversePath, domain: &DomainName) -> Option<Answerable> {
        let header: Vec<(&str, &str)> = self.spooled.origin_fields.iter().collect();
        let permit = may_answer(&AutoReplyFacts { sender, header: &header }).ok()?;
        let message = self.spooled.tree.envelope();
        let AnswerFields { fields, subject } = AnswerFields::new(permit.to(), message, DateTime::from(now()));
        let named = named_recipients(message, &self.spooled.origin_fields, domain);
        Some(Answerable { named, fields: Bytes::from(fields), subject: Bytes::from(subject) })
    }
}
