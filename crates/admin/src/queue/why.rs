//! Why a delivery waits, in words that an operator can pass on.
//!
//! What is known comes from three places: the delivery's own row, what keeps its destination or its sender in its group ([`Obstacles`]), and the
//! suspensions in the directory. The first of them that holds is told: an operator's hand, the sender's wish, a suspension, the destination.

use yubin_proto::StoreClient;
use yubin_proto::r#gen::admin::WaitCause as Cause;
use yubin_state::queue::{
    Delivery, DeliveryState, Obstacles, QueueSuspension, QueuedMessage, RemoteReply, SuspensionScope, WaitCause, Waits,
};
use yubin_types::{DomainId, Timestamp};

/// What is asked once for all deliveries of an answer.
pub(super) struct Reasons {
    suspensions: Vec<QueueSuspension>,
    now: Timestamp,
}

/// Why a delivery waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Why {
    pub(super) cause: Cause,
    pub(super) words: String,
    /// What was heard last from its destination, of whichever mail.
    pub(super) heard: Option<RemoteReply>,
}

impl Reasons {
    /// Reads the directory; without its suspensions if it can't be read, because a list of what waits is of use without them.
    pub(super) async fn read(client: &StoreClient, now: Timestamp) -> Reasons {
        Reasons { suspensions: client.queue_suspensions().await.unwrap_or_default(), now }
    }

    /// Why a delivery of a domain waits; of one that is tried now, nothing.
    pub(super) fn of(
        &self,
        domain: DomainId,
        (message, delivery): (&QueuedMessage, &Delivery),
        obstacles: &Obstacles,
    ) -> Why {
        let to = &delivery.destination;
        let why = |cause, words: String| Why { cause, words, heard: None };
        match &delivery.state {
            DeliveryState::InFlight { .. } => return Why::default(),
            DeliveryState::Held { reason } => return why(Cause::Held, format!("held by an operator: {reason}")),
            DeliveryState::Scheduled => {}
        }
        if delivery.is_held_back(self.now) {
            return why(Cause::HeldBack, "its sender wants it sent later".to_owned());
        }
        if obstacles.stop(domain, &message.source) {
            return why(Cause::SenderSuspended, "its domain, or sending from its account, is suspended".to_owned());
        }
        if let Some((what, reason)) = self.suspension(domain, delivery) {
            return why(Cause::Suspended, format!("mail {what} is suspended: {reason}"));
        }
        match obstacles.at(domain, to).filter(|waits| applies(waits, delivery)) {
            _ if delivery.next_attempt <= self.now => {
                why(Cause::Turn, format!("it goes when it is its turn: {to} takes so many at a time"))
            }
            Some(waits) => kept(waits, delivery),
            None if delivery.attempts > 0 => why(Cause::Retry, "it is tried again after the last reply".to_owned()),
            None => why(Cause::Turn, "no worker has taken it yet".to_owned()),
        }
    }

    fn suspension(&self, domain: DomainId, delivery: &Delivery) -> Option<(String, &str)> {
        let holds = |one: &&QueueSuspension| one.expires.is_none_or(|end| end > self.now);
        self.suspensions.iter().filter(holds).find_map(|one| match &one.scope {
            SuspensionScope::Destination(to) if *to == delivery.destination => {
                Some((format!("to {to}"), one.reason.as_str()))
            }
            SuspensionScope::Tenant(tenant) if *tenant == domain => {
                Some(("from its domain".to_owned(), one.reason.as_str()))
            }
            _ => None,
        })
    }
}

/// Is that why it waits? What was tried since waits for its own next attempt.
fn applies(waits: &Waits, delivery: &Delivery) -> bool {
    let Some(tried) = delivery.last_attempt else { return true };
    waits.cause == WaitCause::Paused && waits.heard.as_ref().is_some_and(|heard| heard.at > tried)
}

fn kept(waits: &Waits, delivery: &Delivery) -> Why {
    let to = &delivery.destination;
    let (cause, mut words) = match waits.cause {
        WaitCause::Paused => {
            (Cause::Paused, format!("{to} is left alone for a while, because it can't be reached or wants less mail"))
        }
        WaitCause::Crowded => (Cause::Crowded, format!("more mail is in line for {to} than it takes at a time")),
        WaitCause::NoSource => (
            Cause::NoSource,
            format!("no address of ours may send to {to} now: blocked there, or new and its share of the day is sent"),
        ),
    };
    if let Some(heard) = &waits.heard {
        let who = if heard.host.is_empty() { String::new() } else { format!("{} said ", heard.host) };
        let enhanced = heard.enhanced.map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
        words.push_str(format!("; last: {who}{} {enhanced}{}", heard.code, heard.text).trim_end());
    }
    Why { cause, words, heard: waits.heard.clone() }
}
