//! Which hosts may have a message, and which servers turn out not to be fit for it.
//!
//! A client refuses by itself what a server does not offer to take, before anything is sent. What another host of the destination may offer is
//! no reason to give the message up; 8-bit content can be downgraded for the same host.

use yubin_session::smtp::client::{ConnectionState, Outcome, Reply, Speaker};
use yubin_types::{EnhancedStatus, TlsDemand};

use crate::route::{Hop, Protection};

/// The server takes no 8-bit content.
const NO_EIGHT_BITS: EnhancedStatus = EnhancedStatus::new(5, 6, 3);
/// It has no REQUIRETLS, or no TLS (RFC 8689 §7).
const NO_REQUIRETLS: EnhancedStatus = EnhancedStatus::new(5, 7, 30);
/// It has no DELIVERBY.
const NO_DELIVERBY: EnhancedStatus = EnhancedStatus::new(5, 3, 3);

/// The hosts that may have a message which demands verified TLS (RFC 8689 §4.2.1): those whose certificate is checked.
pub(crate) fn suitable(mut hops: Vec<Hop>, demand: TlsDemand) -> Result<Vec<Hop>, Reply> {
    if demand == TlsDemand::Required {
        hops.retain(|hop| matches!(hop.protection, Protection::Verified { .. } | Protection::Implicit(_)));
    }
    if hops.is_empty() {
        let text = "the sender demands verified TLS, and no host of the destination can be verified";
        return Err(Reply::conclusion(550, (5, 7, 10), text));
    }
    Ok(hops)
}

/// Was nothing sent, because of what the server does not offer?
pub(crate) fn is_unsent(outcome: &Outcome, why: impl Fn(&Reply) -> bool) -> bool {
    outcome.connection == ConnectionState::Usable && outcome.recipients.iter().all(|recipient| why(&recipient.reply))
}

/// May the same server take it in 7 bits?
pub(crate) fn wants_seven_bits(reply: &Reply) -> bool {
    reply.speaker == Speaker::Client && reply.status == Some(NO_EIGHT_BITS)
}

/// May another host of the destination take it?
pub(crate) fn is_unfit(reply: &Reply) -> bool {
    reply.speaker == Speaker::Client && matches!(reply.status, Some(NO_REQUIRETLS | NO_DELIVERBY))
}
