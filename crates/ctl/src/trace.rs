//! `yubin ctl trace`: where is my mail?
//!
//! Three things answer: the mail log (taken, stored, refused, put off; kept by each store node, lost with it), what waits in the queue, and
//! the final outcomes of queued mail, which are replicated.

use std::net::IpAddr;

use anyhow::bail;
use yubin_proto::r#gen::admin as api;

use super::args::TraceArgs;
use super::connection::Connection;
use super::output::now_ms;
use super::pages::{self, PAGE_SIZE};
use super::queue::list;
use super::show::{Form, Shown as _, Trace};

/// By what mail is looked for.
enum Sought {
    /// In the queue, or of the trace.
    Id(String),
    /// With its angle brackets.
    MessageId(String),
    /// Sender or recipient.
    Address(String),
    /// A client, or an address of ours that mail left from.
    Peer(IpAddr),
    /// Mail of a hosted domain.
    Domain(String),
}

/// All that is known of an address, a message or a client.
pub(crate) async fn trace(mut api: Connection, args: TraceArgs, form: Form) -> anyhow::Result<String> {
    let TraceArgs { what, domain, since } = args;
    let sought = sought(what)?;
    let from_time_ms = since.map(|seconds| now_ms().saturating_sub(seconds.saturating_mul(1_000)));
    let mut log = api::SearchMailLogRequest { from_time_ms, page_size: PAGE_SIZE, ..Default::default() };
    let mut events =
        api::ListEventsRequest { domain: domain.clone(), from_time_ms, page_size: PAGE_SIZE, ..Default::default() };
    let (mut trace, empty) = (Trace::default(), log.clone());
    match sought {
        Sought::Id(id) => {
            (log.id, events.id) = (id.clone(), id.clone());
            match api.get_queued_message(api::GetQueuedMessageRequest { id }).await {
                Ok(message) => trace.waiting = message.into_inner().deliveries,
                Err(status) if status.code() == tonic::Code::NotFound => {}
                Err(status) => return Err(status.into()),
            }
        }
        Sought::MessageId(message_id) => {
            (log.message_id, events.message_id) = (message_id.clone(), message_id.clone());
            let selection = api::QueueSelection { message_id, domain, ..Default::default() };
            trace.waiting = list(&mut api, selection).await?;
        }
        Sought::Address(address) => {
            (log.address, events.address) = (address.clone(), address.clone());
            trace.suspended = suspension(&mut api, &address).await?;
            trace.waiting = waiting(&mut api, address, domain).await?;
        }
        // The log of what happened knows addresses alone.
        Sought::Domain(name) => {
            events.domain = name.clone();
            trace.waiting = list(&mut api, api::QueueSelection { domain: name, ..Default::default() }).await?;
        }
        Sought::Peer(peer) => {
            log.peer = peer.to_string();
            events.source_address = peer.to_string();
        }
    }
    if log != empty {
        trace.log = api.search_mail_log(log).await?.into_inner();
    }
    let ended = pages::all(async |page_token| {
        let request = api::ListEventsRequest { page_token, ..events.clone() };
        let page = api.list_events(request).await?.into_inner();
        Ok((page.events, page.next_page_token))
    });
    trace.ended = ended.await?;
    trace.ended.sort_by_key(|event| event.time_ms);
    Ok(trace.shown(form))
}

fn sought(what: String) -> anyhow::Result<Sought> {
    if what.len() == 32 && what.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(Sought::Id(what))
    } else if what.starts_with('<') {
        Ok(Sought::MessageId(what))
    } else if what.contains('@') {
        Ok(Sought::Address(what))
    } else if let Ok(peer) = what.parse() {
        Ok(Sought::Peer(peer))
    } else if what.contains('.') {
        Ok(Sought::Domain(what))
    } else {
        bail!("{what}: an address, an id or a trace, a Message-ID with its angle brackets, an IP address or a domain")
    }
}

/// What waits from an address and to it.
async fn waiting(api: &mut Connection, address: String, domain: String) -> anyhow::Result<Vec<api::Delivery>> {
    let to = api::QueueSelection { recipient: address.clone(), domain: domain.clone(), ..Default::default() };
    let from = api::QueueSelection { sender: address, domain, ..Default::default() };
    let mut waiting = list(api, to).await?;
    for delivery in list(api, from).await? {
        if !waiting.iter().any(|one| one.id == delivery.id && one.destination == delivery.destination) {
            waiting.push(delivery);
        }
    }
    Ok(waiting)
}

/// Why an account may send nothing; `None`: it may, or it is no account of ours.
async fn suspension(api: &mut Connection, address: &str) -> anyhow::Result<Option<api::AccountSending>> {
    match api.get_sending(api::GetSendingRequest { address: address.to_owned() }).await {
        Ok(sending) => Ok(Some(sending.into_inner()).filter(|sending| sending.state() == api::State::Suspended)),
        Err(status) if matches!(status.code(), tonic::Code::NotFound | tonic::Code::InvalidArgument) => Ok(None),
        Err(status) => Err(status.into()),
    }
}
