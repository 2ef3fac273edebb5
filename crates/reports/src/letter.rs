//! A report as it is queued: in the domain that reports, with the null sender, wanted by nobody to be answered.
//!
//! Its queue id and its request id are one hash of what it is about, and the store remembers requests for a day: whoever queues it again changes
//! nothing. Reports on TLS go out even where TLS fails, which they may be about (RFC 8460 §3).

use std::collections::BTreeMap;

use bytes::Bytes;
use yubin_dns_auth::reports::Period;
use yubin_message::HeaderFields;
use yubin_state::queue::{
    ContentFacts, NewDelivery, NewQueued, NewQueuedRecipient, NotifySet, QueueCommand, QueueSource, TlsDemand,
};
use yubin_state::{Command, DedupeClass};
use yubin_types::report::ReportKind;
use yubin_types::{
    Address, DestinationName, DomainName, DsnEnvelope, Handling, QueueId, RequestId, ReversePath, limits,
};

use crate::progress::name;

/// What tells a report from all others.
pub(crate) struct Identity([u8; 16]);

impl Identity {
    /// Of the report of an organization to a domain.
    pub(crate) fn new(by: &DomainName, to: &DomainName, kind: ReportKind, period: Period) -> Identity {
        let mut hash = blake3::Hasher::new();
        for text in ["report", name(kind), by.as_str(), to.as_str()] {
            hash.update(text.as_bytes()).update(&[0]);
        }
        hash.update(&period.begin.0.to_be_bytes()).update(&period.end.0.to_be_bytes());
        let mut id = [0; 16];
        hash.finalize_xof().fill(&mut id);
        Identity(id)
    }

    /// As reports say it.
    pub(crate) fn text(&self) -> String {
        QueueId(self.0).to_string()
    }

    pub(crate) const fn request(&self) -> (RequestId, DedupeClass) {
        (RequestId(self.0), DedupeClass::Admin)
    }

    /// The command that queues the report, whose body goes with it.
    pub(crate) fn command(&self, by: &DomainName, kind: ReportKind, to: &[Address], message: &[u8]) -> Command {
        let mut deliveries: BTreeMap<&DomainName, Vec<NewQueuedRecipient>> = BTreeMap::new();
        for address in to {
            let recipient = NewQueuedRecipient { local: address.local.clone(), notify: NotifySet::NEVER, orcpt: None };
            deliveries.entry(&address.domain).or_default().push(recipient);
        }
        let delivery = |(domain, recipients): (&DomainName, Vec<NewQueuedRecipient>)| {
            let destination: DestinationName = domain.clone().into();
            NewDelivery { destination, recipients }
        };
        let tls = match kind {
            ReportKind::Tls => TlsDemand::Waived,
            ReportKind::Dmarc | ReportKind::Received => TlsDemand::None,
        };
        let queued = NewQueued {
            id: QueueId(self.0),
            sender: ReversePath::Null,
            source: QueueSource::Report(by.clone()),
            message_id: message_id(message),
            body_ordinal: 0,
            body_bytes: message.len() as u64,
            prefix: Bytes::new(),
            content: ContentFacts { tls, ..ContentFacts::default() },
            dsn: DsnEnvelope::default(),
            handling: Handling::default(),
            lifetime_seconds: limits::REPORT_LIFETIME_SECONDS,
            deliveries: deliveries.into_iter().map(delivery).collect(),
        };
        Command::Queue(QueueCommand::Enqueue { login: None, messages: vec![queued] })
    }
}

fn message_id(message: &[u8]) -> Option<String> {
    let field = HeaderFields::new(message).find(|field| field.is("Message-ID"))?;
    Some(String::from_utf8_lossy(&field.unfolded()).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use yubin_dns_auth::reports::Period;
    use yubin_state::Command;
    use yubin_state::queue::QueueCommand;
    use yubin_types::report::ReportKind;
    use yubin_types::{Address, DomainName, ReversePath, Timestamp};

    use super::Identity;

    #[test]
    fn a_report_is_the_same_whoever_queues_it_and_nobody_may_answer_it() {
        let (by, to) = (DomainName::parse("host.example").unwrap(), DomainName::parse("a.example").unwrap());
        let period = |begin| Period { begin: Timestamp(begin), end: Timestamp(9) };
        let id = |kind, begin| Identity::new(&by, &to, kind, period(begin)).text();
        assert_eq!(id(ReportKind::Tls, 1), id(ReportKind::Tls, 1));
        assert_ne!(id(ReportKind::Tls, 1), id(ReportKind::Tls, 2));
        assert_ne!(id(ReportKind::Tls, 1), id(ReportKind::Dmarc, 1));
        let to = ["x@a.example", "y@b.example", "z@a.example"].map(|text| Address::parse(text).unwrap());
        let identity = Identity::new(&by, &by, ReportKind::Dmarc, period(1));
        let command = identity.command(&by, ReportKind::Dmarc, &to, b"Message-ID: <1@host.example>\r\n\r\n");
        let Command::Queue(QueueCommand::Enqueue { login: None, messages }) = command else { panic!("{command:?}") };
        let [message] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!((&message.sender, message.deliveries.len()), (&ReversePath::Null, 2));
        assert_eq!(message.message_id.as_deref(), Some("<1@host.example>"));
    }
}
