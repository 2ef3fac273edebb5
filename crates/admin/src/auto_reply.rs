//! How accounts answer by themselves: shown, set and cleared. What an owner wrote is encoded for the way here.

use bytes::Bytes;
use tonic::Status;
use yubin_message::AutoReplyBody;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Body, Caller, StoreClient};
use yubin_state::auto_reply::{AutoReply, AutoReplyCommand, AutoReplyReport, Forwarding, ReplySwitch, ReplyTo};
use yubin_state::command::DomainCommand;
use yubin_state::{Answer, Query};
use yubin_types::{Address, Timestamp, limits};

use crate::convert::address;
use crate::domains::{change, change_with, hosted};
use crate::request::RequestKey;
use crate::status::{failed, unexpected};

pub(crate) async fn get(client: &StoreClient, text: &str) -> Result<api::AutoReply, Status> {
    show(client, &address(text)?).await
}

pub(crate) async fn set(
    client: &StoreClient,
    request: api::SetAutoReplyRequest,
    caller: &Caller,
) -> Result<api::AutoReply, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let days = match request.days {
        0 => limits::AUTO_REPLY_DAYS_DEFAULT,
        days => u16::try_from(days).map_err(|_| Status::invalid_argument("days: too many"))?,
    };
    // What is larger is refused anyway, and need not be encoded.
    if request.text.len() > limits::AUTO_REPLY_TEXT_BYTES_MAX
        || request.subject.len() > limits::AUTO_REPLY_SUBJECT_BYTES_MAX
    {
        return Err(Status::invalid_argument(format!(
            "a reply has at most {} bytes of text and {} of subject",
            limits::AUTO_REPLY_TEXT_BYTES_MAX,
            limits::AUTO_REPLY_SUBJECT_BYTES_MAX
        )));
    }
    let body = Bytes::from(AutoReplyBody { subject: &request.subject, text: &request.text }.write());
    let reply = AutoReply {
        switch: if request.off { ReplySwitch::Off } else { ReplySwitch::On },
        from: request.from_ms.map(Timestamp),
        until: request.until_ms.map(Timestamp),
        subject: request.subject,
        text: request.text,
        days,
        to: if request.everything { ReplyTo::Everything } else { ReplyTo::Named },
        forwarding: if request.stops_forward { Forwarding::Rests } else { Forwarding::Continues },
        since: Timestamp(0),
        by: String::new(),
    };
    let (local, body_bytes) = (address.local.clone(), body.len() as u64);
    let set = AutoReplyCommand::Set { local, reply: Box::new(reply), body_ordinal: 0, body_bytes };
    let bodies = vec![Body::Inline(body)];
    change_with(client, &address.domain, DomainCommand::AutoReply(set), bodies, key, caller).await?;
    show(client, &address).await
}

pub(crate) async fn clear(
    client: &StoreClient,
    request: api::ClearAutoReplyRequest,
    caller: &Caller,
) -> Result<api::AutoReply, Status> {
    let (address, key) = (address(&request.address)?, RequestKey::new(&request.request_id)?);
    let clear = AutoReplyCommand::Clear { local: address.local.clone() };
    change(client, &address.domain, DomainCommand::AutoReply(clear), key, caller).await?;
    show(client, &address).await
}

async fn show(client: &StoreClient, address: &Address) -> Result<api::AutoReply, Status> {
    let hosted = hosted(client, &address.domain).await?;
    match client.query(hosted.scope(), Query::AutoReply(address.local.clone())).await.map_err(failed)? {
        Answer::AutoReply(None) => Ok(api::AutoReply { address: address.to_string(), ..api::AutoReply::default() }),
        Answer::AutoReply(Some(report)) => Ok(reply_to(address, *report)),
        other => Err(unexpected(&other)),
    }
}

fn reply_to(address: &Address, report: AutoReplyReport) -> api::AutoReply {
    let AutoReplyReport { reply, answered } = report;
    let state = if reply.switch == ReplySwitch::On { api::State::Active } else { api::State::Suspended };
    api::AutoReply {
        address: address.to_string(),
        state: state.into(),
        from_ms: reply.from.map(Timestamp::millis),
        until_ms: reply.until.map(Timestamp::millis),
        subject: reply.subject,
        text: reply.text,
        days: reply.days.into(),
        everything: reply.to == ReplyTo::Everything,
        stops_forward: reply.forwarding == Forwarding::Rests,
        answered,
        set_time_ms: reply.since.millis(),
        set_by: reply.by,
    }
}
