//! A message is watched while the queue worker of this process delivers it.
//!
//! A worker elsewhere can't be asked from here: who holds the message is named, and the administration of that process has the answer.

use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::queue::Waiting;
use yubin_proto::{DialogueKind, DialogueLine, Dialogues, StoreClient};
use yubin_state::queue::{Delivery, DeliveryState};

use super::selection::{queue_id, scopes};
use super::{find, now};

/// The lines of a dialogue.
pub(crate) type Lines = BoxStream<'static, Result<api::DialogueLine, Status>>;

pub(crate) async fn watch(client: &StoreClient, dialogues: Option<&dyn Dialogues>, id: &str) -> Result<Lines, Status> {
    let id = queue_id(id)?;
    let Some(dialogues) = dialogues else {
        return Err(Status::failed_precondition(
            "this process delivers no mail; ask one that has both roles, admin and queue",
        ));
    };
    // Before anything is asked, so that nothing is missed.
    let said = dialogues.watch(id).ok_or_else(|| Status::resource_exhausted("too many watch already"))?;
    let Some(Waiting { deliveries, .. }) = find(client, &scopes(client, None).await?, id).await? else {
        return Err(Status::not_found("no such message waits; `yubin ctl trace` shows what became of it"));
    };
    let mut notes = Vec::new();
    for delivery in &deliveries {
        notes.push(standing(delivery, dialogues.worker())?);
    }
    let note = |text| DialogueLine { at: now(), kind: DialogueKind::Note, text };
    let lines = stream::iter(notes.into_iter().map(note).collect::<Vec<_>>()).chain(said);
    Ok(lines.map(|line| Ok(line_to(line))).boxed())
}

/// What is happening to a delivery, if this worker may be the one that tries it.
fn standing(delivery: &Delivery, own: &str) -> Result<String, Status> {
    let to = &delivery.destination;
    match &delivery.state {
        DeliveryState::InFlight { worker, .. } if worker != own => {
            let told = format!("the worker {worker} has it; ask the administration of its process");
            Err(Status::failed_precondition(told))
        }
        DeliveryState::InFlight { .. } => Ok(format!("{to}: in flight; what was said before is not shown")),
        DeliveryState::Held { reason } => Ok(format!("{to}: held: {reason}")),
        DeliveryState::Scheduled => {
            let seconds = delivery.next_attempt.millis_since(now()) / 1_000;
            Ok(format!("{to}: waits for its next attempt, in {seconds} s"))
        }
    }
}

fn line_to(line: DialogueLine) -> api::DialogueLine {
    let kind = match line.kind {
        DialogueKind::Note => api::DialogueKind::Unspecified,
        DialogueKind::Sent => api::DialogueKind::Sent,
        DialogueKind::Received => api::DialogueKind::Received,
        DialogueKind::Outcome => api::DialogueKind::Outcome,
    };
    api::DialogueLine { time_ms: line.at.millis(), kind: kind.into(), text: line.text }
}
