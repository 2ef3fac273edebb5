//! Where accounts' mail goes on to: shown, set, cleared, and resumed where a target is paused.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::forward::{Forward, ForwardCommand, ForwardTarget, LocalCopy};
use yubin_state::{Answer, Query};
use yubin_types::Address;

use crate::convert::address;
use crate::domains::{change, hosted};
use crate::request::RequestKey;
use crate::status::{failed, unexpected};

pub(crate) async fn get(client: &StoreClient, text: &str) -> Result<api::AccountForward, Status> {
    show(client, &address(text)?).await
}

pub(crate) async fn set(
    client: &StoreClient,
    request: api::SetForwardRequest,
    caller: &Caller,
) -> Result<api::AccountForward, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let target = |text: &String| {
        Address::parse(text).map_err(|error| Status::invalid_argument(format!("targets: {text}: {error}")))
    };
    let targets = request.targets.iter().map(target).collect::<Result<_, _>>()?;
    let copy = if request.keep_copy { LocalCopy::Keep } else { LocalCopy::Drop };
    let command = ForwardCommand::Set { local: address.local.clone(), targets, copy };
    change(client, &address.domain, DomainCommand::Forward(command), key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn clear(
    client: &StoreClient,
    request: api::ClearForwardRequest,
    caller: &Caller,
) -> Result<api::AccountForward, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let command = ForwardCommand::Clear { local: address.local.clone() };
    change(client, &address.domain, DomainCommand::Forward(command), key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn resume(
    client: &StoreClient,
    request: api::ResumeForwardRequest,
    caller: &Caller,
) -> Result<api::AccountForward, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let command = ForwardCommand::Resume { local: address.local.clone() };
    change(client, &address.domain, DomainCommand::Forward(command), key, caller).await?;
    show(client, &address).await
}

async fn show(client: &StoreClient, address: &Address) -> Result<api::AccountForward, Status> {
    let hosted = hosted(client, &address.domain).await?;
    match client.query(hosted.scope(), Query::Forward(address.local.clone())).await.map_err(failed)? {
        Answer::Forward(forward) => Ok(forward_to(address, forward.as_ref())),
        other => Err(unexpected(&other)),
    }
}

fn forward_to(address: &Address, forward: Option<&Forward>) -> api::AccountForward {
    api::AccountForward {
        address: address.to_string(),
        targets: forward.map(|forward| forward.targets.iter().map(target_to).collect()).unwrap_or_default(),
        keep_copy: forward.is_none_or(|forward| forward.copy == LocalCopy::Keep || forward.active().next().is_none()),
        set_time_ms: forward.map_or(0, |forward| forward.since.millis()),
        set_by: forward.map(|forward| forward.by.clone()).unwrap_or_default(),
    }
}

fn target_to(target: &ForwardTarget) -> api::ForwardTarget {
    let pause = target.pause.as_ref();
    api::ForwardTarget {
        address: target.address.to_string(),
        state: if pause.is_some() { api::State::Suspended } else { api::State::Active }.into(),
        refused: target.refused,
        pause_reason: pause.map(|pause| pause.reply.clone()).unwrap_or_default(),
        paused_since_ms: pause.map(|pause| pause.since.millis()),
    }
}
