//! What the outcome of a transaction says of its connection and of the destination.

use yubin_session::smtp::client::{
    ConnectionState, Handover, Outcome, RecipientOutcome, Reply, Speaker, Stage, Verdict,
};

use crate::pace::Signal;

/// The server had closed the connection while it rested.
pub(crate) fn is_stale(outcome: &Outcome) -> bool {
    let closed = |recipient: &RecipientOutcome| {
        matches!(recipient.stage, Stage::Mail | Stage::Reset) && recipient.reply.code == 421
    };
    outcome.connection == ConnectionState::Over && outcome.recipients.iter().all(closed)
}

/// Does the server take no more recipients in this transaction (RFC 5321 §4.5.3.1.10)? Older ones say so with 552, which says too that a
/// mailbox is full or the message too large, but then with its status.
pub(crate) fn is_too_many(recipient: &RecipientOutcome) -> bool {
    let reply = &recipient.reply;
    let means_other = reply.status.is_some_and(|status| matches!((status.subject, status.detail), (2, 2) | (3, 4)));
    recipient.stage == Stage::Rcpt && (reply.code == 452 || (reply.code == 552 && !means_other))
}

/// The connection ended, and nobody knows what became of the message.
pub(crate) fn nothing_came(count: usize) -> Outcome {
    let reply = Reply::conclusion(421, (4, 4, 2), "the connection ended");
    let recipient = RecipientOutcome { verdict: Verdict::Unknown, stage: Stage::EndOfData, reply };
    Outcome {
        recipients: vec![recipient; count],
        connection: ConnectionState::Over,
        dsn: Handover::NotOffered,
        deadline: Handover::NotOffered,
    }
}

/// What a reply says about the destination.
pub(crate) fn signal(recipient: &RecipientOutcome) -> Signal {
    let reply = &recipient.reply;
    let policy = reply.status.is_some_and(|status| status.class == 4 && status.subject == 7);
    match (reply.speaker, recipient.stage) {
        (_, _) if reply.code == 421 => Signal::Slower,
        // Greylisting answers 4.7.1 to each RCPT and means this message alone.
        (Speaker::Peer, Stage::Rcpt) => Signal::Fine,
        (Speaker::Peer, _) if policy => Signal::Slower,
        _ => Signal::Fine,
    }
}

/// Of two signals the one that weighs more.
pub(crate) fn worse(a: Signal, b: Signal) -> Signal {
    let weight = |signal| match signal {
        Signal::None => 0,
        Signal::Fine => 1,
        Signal::Slower => 2,
        Signal::Unreachable => 3,
    };
    if weight(b) > weight(a) { b } else { a }
}
