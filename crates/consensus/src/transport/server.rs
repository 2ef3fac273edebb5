//! The answering side: checks who calls, then serves the stream for as long as it lasts.
//!
//! A caller must name this cluster, this node and this protocol version, and come with the disk it is known by, or it is refused before
//! anything else is read. Control requests are answered as they finish, each in a task of its own;
//! append streams in `append_server.rs`; transfers in `bulk.rs`. When a stream ends, so does all
//! work that was only done for it.

use std::sync::Arc;

use futures::stream::StreamExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::append_server::AppendStreams;
use super::bulk;
use super::codec;
use super::error::{Refusal, RefusalCode};
use super::limits::{CONTROL_CALLS_MAX, DIAL_DEADLINE, PROTOCOL_VERSION};
use super::outbox::Outbox;
use super::peer::{Body, Frame, Hello, Message, Welcome};
use super::peers::Peers;
use super::wire::{Channel, Wire};
use crate::ids::{DiskId, GroupId, NodeId};

/// Serves one stream that a peer opened, until either side ends it.
pub(crate) async fn serve(peers: Arc<Peers>, mut wire: Wire) {
    let first = match timeout(DIAL_DEADLINE, wire.incoming.next()).await {
        Ok(Some(Ok(frame))) => frame.messages.into_iter().next().and_then(|message| message.body),
        _ => return,
    };
    let (answer, caller) = match greet(&peers, first).await {
        Ok(caller) => (Body::Welcome(Welcome { disk: peers.identity().disk.to_wire() }), Some(caller)),
        Err(refusal) => {
            tracing::warn!(refusal = %refusal, "a peer was refused");
            (Body::Refusal(refusal.encode()), None)
        }
    };
    let answer = Message { group: 0, call: 0, body: Some(answer) };
    if wire.outgoing.send(Frame { messages: vec![answer] }).await.is_err() {
        return;
    }
    match caller {
        Some((_, Channel::Control)) => serve_control(peers, wire).await,
        Some((from, Channel::Log)) => serve_log(peers, wire, from).await,
        Some((from, Channel::Bulk)) => bulk::serve(peers, wire, from).await,
        None => {}
    }
}

async fn greet(peers: &Peers, first: Option<Body>) -> Result<(NodeId, Channel), Refusal> {
    let refuse = |text: String| Err(Refusal::new(RefusalCode::Identity, text));
    let Some(Body::Hello(Hello { version, cluster, from, to, channel, disk })) = first else {
        return refuse("the first message must be Hello".to_owned());
    };
    let identity = peers.identity();
    if version != PROTOCOL_VERSION {
        return refuse(format!("this node speaks version {PROTOCOL_VERSION}, not {version}"));
    }
    if cluster.as_ref() != identity.cluster.to_be_bytes() {
        return refuse("this node belongs to another cluster".to_owned());
    }
    if to != identity.node.0 {
        return refuse(format!("this is node {}, not {to}", identity.node));
    }
    let (Some(channel), Some(disk)) = (Channel::from_code(channel), DiskId::from_wire(&disk)) else {
        return refuse(format!("channel {channel} or its disk make no sense"));
    };
    peers.acquaintances().meet(NodeId(from), disk).await?;
    Ok((NodeId(from), channel))
}

async fn serve_control(peers: Arc<Peers>, mut wire: Wire) {
    let (outbox, sending) = Outbox::new(wire.outgoing);
    let mut sending = std::pin::pin!(sending);
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = &mut sending => return,
            Some(_) = answering.join_next(), if !answering.is_empty() => {}
            frame = wire.incoming.next(), if answering.len() < CONTROL_CALLS_MAX => {
                let Some(Ok(frame)) = frame else { return };
                for message in frame.messages {
                    answering.spawn(answer_control(Arc::clone(&peers), message, outbox.clone()));
                }
            }
        }
    }
}

async fn answer_control(peers: Arc<Peers>, message: Message, outbox: Outbox) {
    let Message { group, call, body } = message;
    let answer = match control_request(&peers, GroupId(group), body).await {
        Ok(body) => body,
        Err(refusal) => Body::Refusal(refusal.encode()),
    };
    // A closed outbox means that the stream has ended, and nobody waits.
    let _ = outbox.send(Message { group, call, body: Some(answer) }).await;
}

async fn control_request(peers: &Peers, group: GroupId, body: Option<Body>) -> Result<Body, Refusal> {
    let replica = peers.endpoint(group)?;
    match body {
        Some(Body::Vote(request)) => {
            let answer = replica.vote(codec::vote_request(request)?).await?;
            Ok(Body::VoteAnswer(codec::put_vote_answer(&answer)))
        }
        Some(Body::PreVote(request)) => {
            let answer = replica.pre_vote(codec::vote_request(request)?).await?;
            Ok(Body::VoteAnswer(codec::put_vote_answer(&answer)))
        }
        Some(Body::Append(request)) => {
            let request = codec::append(request)?;
            if !request.entries.is_empty() {
                return Err(Refusal::new(RefusalCode::Malformed, "entries belong on the log channel"));
            }
            let answer = replica.heartbeat(request).await?;
            Ok(Body::AppendAnswer(codec::put_append_answer(&answer)))
        }
        Some(Body::TransferLeader(request)) => {
            let answer = replica.transfer_leader(codec::transfer(request)?).await?;
            Ok(Body::TransferAnswer(codec::put_transfer_answer(&answer)))
        }
        _ => Err(Refusal::new(RefusalCode::Malformed, "not a control request")),
    }
}

async fn serve_log(peers: Arc<Peers>, mut wire: Wire, from: NodeId) {
    let (outbox, sending) = Outbox::new(wire.outgoing);
    let mut sending = std::pin::pin!(sending);
    let mut streams = AppendStreams::new(peers, from, outbox);
    loop {
        tokio::select! {
            biased;
            () = &mut sending => return,
            () = streams.reap() => {}
            frame = wire.incoming.next() => {
                let Some(Ok(frame)) = frame else { return };
                for message in frame.messages {
                    streams.receive(message);
                }
            }
        }
    }
}
