//! Replies that speak of the address that a message came from: the receiver blocks it, whatever the message.
//!
//! What a reply means is the policy's to say (`yubin_policy::remote_reply`). A refusal for good that is about our address is none as long as the
//! message's pool has another one: it is a reason to go on from there.

use yubin_policy::remote_reply::{Backoff, Reply, classify};
use yubin_session::smtp::client::Verdict;
use yubin_state::queue::RemoteReply;

use crate::fate::{Fate, Tried};

/// The reply by which a receiver blocks the address that was used.
pub(crate) fn block(tried: &Tried) -> Option<&RemoteReply> {
    tried.fates.iter().find(|fate| is_block(fate)).map(|fate| &fate.reply)
}

/// The message goes on from another address: who was refused for the one that was used is not refused yet.
pub(crate) fn go_on(tried: &mut Tried) {
    for fate in tried.fates.iter_mut().filter(|fate| is_block(fate)) {
        fate.verdict = Verdict::Deferred;
    }
}

fn is_block(fate: &Fate) -> bool {
    let reply = &fate.reply;
    // What has no host is our own word.
    let refused = matches!(fate.verdict, Verdict::Refused | Verdict::Deferred) && !reply.host.is_empty();
    let said = Reply { host: &reply.host, code: reply.code, enhanced: reply.enhanced, text: &reply.text };
    refused && classify(&said).backoff() == Backoff::SetSourceAside
}

#[cfg(test)]
mod tests {
    use yubin_session::smtp::client::{Stage, Verdict};
    use yubin_state::queue::RemoteReply;
    use yubin_types::{EnhancedStatus, Timestamp};

    use super::{block, go_on};
    use crate::fate::{Fate, Tried};
    use crate::pace::Signal;

    fn fate(verdict: Verdict, code: u16, text: &str, host: &str) -> Fate {
        let (host, text) = (host.to_owned(), text.to_owned());
        let enhanced = Some(EnhancedStatus::new(if code < 500 { 4 } else { 5 }, 7, 1));
        let reply = RemoteReply { code, enhanced, text, host, at: Timestamp(0), way: None };
        Fate { stage: Some(Stage::Mail), ..Fate::without_server(verdict, reply) }
    }

    #[test]
    fn only_a_servers_word_about_our_address_is_a_block() {
        let blocked = "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org";
        let host = "mx.example[192.0.2.9]";
        for (fate, expected) in [
            (fate(Verdict::Refused, 554, blocked, host), true),
            (fate(Verdict::Deferred, 421, blocked, host), true),
            (fate(Verdict::Delivered, 250, blocked, host), false),
            (fate(Verdict::Refused, 554, blocked, ""), false),
            (fate(Verdict::Refused, 554, "Message content rejected", host), false),
            (fate(Verdict::Refused, 554, "Sender domain listed on dbl.spamhaus.org", host), false),
        ] {
            let mut tried = Tried { fates: vec![fate.clone()], signal: Signal::Fine, receiver: None, worn: Vec::new() };
            assert_eq!(block(&tried).is_some(), expected, "{fate:?}");
            go_on(&mut tried);
            assert_eq!(tried.fates[0].verdict, if expected { Verdict::Deferred } else { fate.verdict });
        }
    }
}
