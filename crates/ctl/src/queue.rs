//! `yubin ctl queue` and `yubin ctl trace`: the calls they make.

use anyhow::ensure;
use yubin_proto::r#gen::admin as api;

use super::args::{CancelArgs, ControlArgs, QueueVerb, SelectionArgs, StateArg, SuspensionArgs};
use super::connection::Connection;
use super::pages::{self, PAGE_SIZE};
use super::show::{Form, Shown as _};
use crate::say;

/// Carries out a command on the queue.
pub(crate) async fn queue(mut api: Connection, verb: QueueVerb, form: Form) -> anyhow::Result<String> {
    match verb {
        QueueVerb::List(which) => Ok(list(&mut api, selection(which)).await?.shown(form)),
        QueueVerb::Show { id } => {
            let shown = api.get_queued_message(api::GetQueuedMessageRequest { id }).await?;
            Ok(shown.into_inner().shown(form))
        }
        QueueVerb::Watch { id, retry } => {
            let attempt = if retry { Attempt::Now } else { Attempt::WhenDue };
            watch(api, id, attempt).await
        }
        QueueVerb::Retry(which) => control(api, which, api::QueueAction::Retry, String::new(), form).await,
        QueueVerb::Release(which) => control(api, which, api::QueueAction::Release, String::new(), form).await,
        QueueVerb::Hold { which, reason } => control(api, which, api::QueueAction::Hold, reason, form).await,
        QueueVerb::Cancel(CancelArgs { which, confirm }) => {
            confirmed(&which, &confirm)?;
            control(api, which, api::QueueAction::Cancel, String::new(), form).await
        }
        QueueVerb::Suspend { what, reason, seconds } => {
            let SuspensionArgs { destination, domain, source } = what;
            let (destination, domain) = (destination.unwrap_or_default(), domain.unwrap_or_default());
            let source = source.map(|address| address.to_string()).unwrap_or_default();
            let request = api::SuspendQueueRequest { destination, domain, source, reason, seconds };
            let suspended = api.suspend_queue(request).await?;
            Ok(vec![suspended.into_inner()].shown(form))
        }
        QueueVerb::Resume(SuspensionArgs { destination, domain, source }) => {
            let (destination, domain) = (destination.unwrap_or_default(), domain.unwrap_or_default());
            let source = source.map(|address| address.to_string()).unwrap_or_default();
            api.resume_queue(api::ResumeQueueRequest { destination, domain, source }).await?;
            suspensions(api, form).await
        }
        QueueVerb::Suspensions => suspensions(api, form).await,
        QueueVerb::Summary { domain, lines } => {
            let sums = api.summarize_queue(api::SummarizeQueueRequest { domain, page_size: lines }).await?;
            Ok(sums.into_inner().shown(form))
        }
    }
}

/// When the attempt is made that is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Now,
    WhenDue,
}

/// Prints a dialogue line by line; what the attempt came to is the result.
async fn watch(mut api: Connection, id: String, attempt: Attempt) -> anyhow::Result<String> {
    let mut lines = api.watch_queued(api::WatchQueuedRequest { id: id.clone() }).await?.into_inner();
    if attempt == Attempt::Now {
        let selection = Some(api::QueueSelection { id, ..Default::default() });
        let action = api::QueueAction::Retry.into();
        api.control_queue(api::ControlQueueRequest { selection, action, ..Default::default() }).await?;
    }
    let mut outcomes = String::new();
    while let Some(line) = lines.message().await? {
        let sign = match line.kind() {
            api::DialogueKind::Outcome => {
                outcomes.push_str(&line.text);
                outcomes.push('\n');
                continue;
            }
            api::DialogueKind::Sent => "C:",
            api::DialogueKind::Received => "S:",
            api::DialogueKind::Unspecified => "--",
        };
        for text in line.text.lines() {
            say(&format!("{sign} {text}\n"));
        }
    }
    Ok(outcomes)
}

pub(crate) async fn list(api: &mut Connection, selection: api::QueueSelection) -> anyhow::Result<Vec<api::Delivery>> {
    let all = pages::all(async |page_token| {
        let selection = Some(selection.clone());
        let page = api.list_queue(api::ListQueueRequest { selection, page_size: PAGE_SIZE, page_token }).await?;
        let page = page.into_inner();
        Ok((page.deliveries, page.next_page_token))
    });
    Ok(all.await?)
}

async fn control(
    mut api: Connection,
    which: ControlArgs,
    action: api::QueueAction,
    reason: String,
    form: Form,
) -> anyhow::Result<String> {
    let ControlArgs { selection: which, everything } = which;
    let selection = selection(which);
    ensure!(
        everything || selection != api::QueueSelection::default(),
        "which deliveries? Give an id, --destination, --domain, --sender, --recipient or --state; or --everything"
    );
    let steps = pages::all(async |page_token| {
        let (selection, reason) = (Some(selection.clone()), reason.clone());
        let request = api::ControlQueueRequest { selection, everything, action: action.into(), reason, page_token };
        let step = api.control_queue(request).await?.into_inner();
        let next = step.next_page_token.clone();
        Ok((vec![step], next))
    });
    let mut sum = api::ControlQueueResponse::default();
    for step in steps.await? {
        sum.done += step.done;
        sum.after_attempt += step.after_attempt;
        sum.unchanged += step.unchanged;
        sum.gone += step.gone;
    }
    Ok(sum.shown(form))
}

async fn suspensions(mut api: Connection, form: Form) -> anyhow::Result<String> {
    let listed = api.list_queue_suspensions(api::ListQueueSuspensionsRequest {}).await?;
    Ok(listed.into_inner().suspensions.shown(form))
}

fn selection(args: SelectionArgs) -> api::QueueSelection {
    let state = match args.state {
        None => api::DeliveryState::Unspecified,
        Some(StateArg::Scheduled) => api::DeliveryState::Scheduled,
        Some(StateArg::InFlight) => api::DeliveryState::InFlight,
        Some(StateArg::MaybeDelivered) => api::DeliveryState::MaybeDelivered,
        Some(StateArg::Held) => api::DeliveryState::Held,
    };
    api::QueueSelection {
        id: args.id,
        domain: args.domain,
        destination: args.destination,
        sender: args.sender,
        recipient: args.recipient,
        state: state.into(),
        message_id: String::new(),
    }
}

/// Does the confirmation repeat something of the selection?
fn confirmed(which: &ControlArgs, confirm: &str) -> anyhow::Result<()> {
    let SelectionArgs { id, domain, destination, sender, recipient, state: _ } = &which.selection;
    let repeats =
        !confirm.is_empty() && [id, domain, destination, sender, recipient].into_iter().any(|it| it == confirm);
    ensure!(
        repeats || (which.everything && confirm == "everything"),
        "--confirm must repeat the id, domain, destination, sender or recipient, or say everything with --everything"
    );
    Ok(())
}
