//! In whose name mail leaves the cluster: its sender's, but for forwarded mail, whose sender is rewritten into the forwarder's domain (SRS),
//! so that SPF holds at the next server and its bounces come back here.
//!
//! The address of an attempt is the same at each, because its day is that of the queueing. A sender of the forwarder's own domain stays as it is,
//! and the null sender too. One that is too long to be rewritten gives way to the forwarding account, which gets the bounces.
//! Inside the cluster nothing is rewritten: senders keep their names there.

use yubin_policy::srs::{self, SrsKey};
use yubin_state::queue::{QueueSource, QueuedMessage};
use yubin_types::{Address, ReversePath, Timestamp};

/// The envelope sender that other servers are told.
pub(crate) fn outgoing(message: &QueuedMessage, key: &SrsKey) -> ReversePath {
    match (&message.source, &message.sender) {
        (QueueSource::Forward { by, .. }, ReversePath::Address(sender)) if sender.domain != by.domain => {
            let rewritten = srs::rewrite(sender, &by.domain, key, message.queued);
            ReversePath::Address(rewritten.unwrap_or_else(|_| by.clone()))
        }
        (_, sender) => sender.clone(),
    }
}

/// To whom a notice about mail from this sender goes: a sender that was rewritten here is known without asking.
pub(crate) fn first(sender: &Address, key: &SrsKey, now: Timestamp) -> Address {
    srs::reverse(&sender.local, std::slice::from_ref(key), now).unwrap_or_else(|_| sender.clone())
}

#[cfg(test)]
mod tests {
    use yubin_policy::srs::SrsKey;
    use yubin_state::queue::{ContentFacts, DsnEnvelope, QueueSource, QueuedMessage};
    use yubin_types::{AccountId, Address, QueueId, ReversePath, Secret, Timestamp, TraceId};

    use super::{first, outgoing};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn message(sender: &str) -> QueuedMessage {
        let by = address("ann@home.example");
        QueuedMessage {
            id: QueueId([1; 16]),
            sender: if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(address(sender)) },
            source: QueueSource::Forward { account: AccountId(1), by },
            message_id: None,
            bytes: 1,
            content: ContentFacts::default(),
            dsn: DsnEnvelope::default(),
            queued: Timestamp::from_seconds(1_790_000_000),
            trace: TraceId([0; 16]),
            deliveries: 1,
        }
    }

    #[test]
    fn forwarded_mail_leaves_in_the_forwarder_s_domain() {
        let key = SrsKey::derive(&Secret::new("secret"));
        let sent = |sender: &str| outgoing(&message(sender), &key).bare();
        let rewritten = sent("bob@source.example");
        assert!(
            rewritten.starts_with("SRS0=") && rewritten.ends_with("=source.example=bob@home.example"),
            "{rewritten}"
        );
        let now = Timestamp::from_seconds(1_790_000_000);
        assert_eq!(first(&address(&rewritten), &key, now), address("bob@source.example"));
        assert_eq!(first(&address("bob@source.example"), &key, now), address("bob@source.example"));
        assert_eq!(sent(""), "");
        assert_eq!(sent("tim@home.example"), "tim@home.example", "SPF holds as it is");
        assert_eq!(sent(&format!("{}@source.example", "b".repeat(60))), "ann@home.example");
        let submitted = QueuedMessage {
            source: QueueSource::Submission { account: AccountId(1), by: address("a@one.example") },
            ..message("bob@source.example")
        };
        assert_eq!(outgoing(&submitted, &key), submitted.sender);
    }
}
