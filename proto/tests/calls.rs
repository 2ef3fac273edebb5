//! A store node called over the network: what its callers rely on, whatever the connection goes through.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use yubin_proto::grpc::{RemoteNode, serve};
use yubin_proto::membership::{MembershipProgress, MembershipStep};
use yubin_proto::report_facts::FactsQuery;
use yubin_proto::{
    Body, ClientSettings, LockAction, LogEntry, MailEvent, MailLogSearch, MessagePiece, NodeStatus, Proposal, Scope,
    SearchOutcome, SearchRequest, StoreClient, StoreError, StoreNode, WatchEvent, WatchStream,
};
use yubin_state::{Actor, Answer, DedupeClass, Envelope, Query, Reply};
use yubin_types::report::ReportFact;
use yubin_types::{AccountId, DomainId, Epoch, GroupNumber, Refusal, RequestId, Timestamp, TraceId, limits};

/// A group whose commands and settings wait for [`Node::go`].
const SLOW: GroupNumber = GroupNumber(1);
/// A group that answers at once.
const QUICK: GroupNumber = GroupNumber(2);
/// A group whose settings are too long for a message.
const LONG: GroupNumber = GroupNumber(3);

/// A node that answers as its groups' names say.
#[derive(Default)]
struct Node {
    /// Tells that a slow call has arrived.
    arrived: Notify,
    go: Notify,
    failure: Mutex<Option<StoreError>>,
    bodies: Mutex<Vec<Bytes>>,
    /// Tells that a stream of news was opened.
    watched: Notify,
}

impl Node {
    async fn wait(&self, group: GroupNumber) {
        if group == SLOW {
            self.arrived.notify_one();
            self.go.notified().await;
        }
    }

    fn fail(&self) -> Result<(), StoreError> {
        self.failure.lock().clone().map_or(Ok(()), Err)
    }
}

fn not_here<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("not asked for".into()))
}

#[async_trait]
impl StoreNode for Node {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, StoreError> {
        self.wait(proposal.group).await;
        self.fail()?;
        for body in proposal.bodies {
            let whole = match body {
                Body::Inline(bytes) => bytes,
                Body::Large(large) => {
                    let pieces: Vec<Bytes> = large.open().map(Result::unwrap).collect().await;
                    pieces.concat().into()
                }
            };
            self.bodies.lock().push(whole);
        }
        Ok(Reply::Done)
    }

    async fn query(&self, scope: Scope, query: Query) -> Result<Answer, StoreError> {
        self.wait(scope.group).await;
        self.fail()?;
        let Query::Setting(name) = query else { return not_here() };
        let length = if scope.group == LONG { 16 << 20 } else { 1 };
        Ok(Answer::Setting(Some(name.repeat(length).into_bytes())))
    }

    async fn search(&self, _: Scope, _: SearchRequest) -> Result<SearchOutcome, StoreError> {
        not_here()
    }

    async fn read_message(&self, _: Scope, _: MessagePiece) -> Result<Result<Bytes, Refusal>, StoreError> {
        not_here()
    }

    async fn watch(&self, _: GroupNumber) -> Result<WatchStream, StoreError> {
        self.watched.notify_one();
        Ok(Box::pin(futures::stream::once(async { WatchEvent::Resync }).chain(futures::stream::pending())))
    }

    async fn lock(&self, _: Scope, _: AccountId, _: [u8; 16], _: LockAction) -> Result<bool, StoreError> {
        not_here()
    }

    async fn membership(&self, _: MembershipStep) -> Result<MembershipProgress, StoreError> {
        not_here()
    }

    async fn log_mail(&self, _: Arc<[LogEntry]>) -> Result<(), StoreError> {
        not_here()
    }

    async fn search_mail_log(&self, _: &MailLogSearch) -> Result<Vec<MailEvent>, StoreError> {
        not_here()
    }

    async fn report_facts(&self, _: &FactsQuery) -> Result<Vec<ReportFact>, StoreError> {
        not_here()
    }

    async fn status(&self) -> Result<NodeStatus, StoreError> {
        Ok(NodeStatus::default())
    }
}

/// The node behind a listener, in a runtime of its own: dropped, it takes its connections with it.
struct Server {
    node: Arc<Node>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Server {
    fn start(address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let node = Arc::new(Node::default());
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&node);
        let ended = runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(listener, served, stopped.map(drop).boxed()).await.unwrap();
        });
        Server { node, address, stop: Some(stop), ended, runtime: Some(runtime) }
    }

    fn remote(&self) -> RemoteNode {
        RemoteNode::new(&format!("http://{}", self.address)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

fn scope(group: GroupNumber) -> Scope {
    Scope { group, domain: DomainId(1), epoch: Epoch(1) }
}

fn proposal(group: GroupNumber, bodies: Vec<Bytes>) -> Proposal {
    let envelope = Envelope {
        domain: DomainId(1),
        epoch: Epoch(1),
        request: RequestId([7; 16]),
        dedupe: DedupeClass::None,
        stamp: Timestamp(0),
        actor: Actor { principal: "test".into(), peer: None },
        trace: TraceId([1; 16]),
    };
    let bodies = bodies.into_iter().map(Body::Inline).collect();
    Proposal { group, envelope, command: Bytes::from_static(b"command"), bodies }
}

async fn setting(remote: &RemoteNode, group: GroupNumber, name: &str) -> Result<Answer, StoreError> {
    remote.query(scope(group), Query::Setting(name.to_owned())).await
}

/// A call that waits for [`Node::go`].
fn slow(remote: &RemoteNode) -> JoinHandle<Result<Answer, StoreError>> {
    let remote = remote.clone();
    tokio::spawn(async move { setting(&remote, SLOW, "slow").await })
}

fn is(name: &str) -> Result<Answer, StoreError> {
    Ok(Answer::Setting(Some(name.as_bytes().to_vec())))
}

#[tokio::test]
async fn a_long_call_keeps_no_other_waiting() {
    let server = Server::start("127.0.0.1:0");
    let remote = server.remote();
    let slow = slow(&remote);
    server.node.arrived.notified().await;
    assert_eq!(setting(&remote, QUICK, "quick").await, is("quick"));
    assert_eq!(remote.propose(proposal(QUICK, Vec::new())).await, Ok(Reply::Done));
    server.node.go.notify_one();
    assert_eq!(slow.await.unwrap(), is("slow"));
}

#[tokio::test]
async fn each_of_many_callers_gets_its_own_answer() {
    let server = Server::start("127.0.0.1:0");
    let remote = server.remote();
    let names: Vec<String> = (0..3000).map(|number| format!("setting {number}")).collect();
    let answers = futures::future::join_all(names.iter().map(|name| setting(&remote, QUICK, name))).await;
    assert!(names.iter().zip(answers).all(|(name, answer)| answer == is(name)));
}

#[tokio::test]
async fn failures_arrive_as_they_are() {
    let server = Server::start("127.0.0.1:0");
    let remote = server.remote();
    for failure in [
        StoreError::NotLeader { leader: Some(3) },
        StoreError::NotLeader { leader: None },
        StoreError::Unavailable("starting".into()),
        StoreError::Overloaded,
        StoreError::Malformed("bytes".into()),
    ] {
        *server.node.failure.lock() = Some(failure.clone());
        assert_eq!(setting(&remote, QUICK, "one").await, Err(failure.clone()));
        assert_eq!(remote.propose(proposal(QUICK, Vec::new())).await, Err(failure));
    }
    let unknown = StoreError::Unknown("deposed".into());
    *server.node.failure.lock() = Some(unknown.clone());
    assert_eq!(remote.propose(proposal(QUICK, Vec::new())).await, Err(unknown));
    // A read can be asked again, so nothing about it is unknown.
    assert_eq!(setting(&remote, QUICK, "one").await, Err(StoreError::Unavailable("deposed".into())));
}

#[tokio::test]
async fn what_no_message_can_hold_fails_alone() {
    let server = Server::start("127.0.0.1:0");
    let remote = server.remote();
    let slow = slow(&remote);
    server.node.arrived.notified().await;
    let too_long = setting(&remote, LONG, "x").await;
    assert!(matches!(too_long, Err(StoreError::Malformed(_))), "{too_long:?}");
    let too_long = setting(&remote, QUICK, &"x".repeat(16 << 20)).await;
    assert!(matches!(too_long, Err(StoreError::Malformed(_))));
    server.node.go.notify_one();
    assert_eq!(slow.await.unwrap(), is("slow"));
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_travel() {
    let server = Server::start("127.0.0.1:0");
    let remote = server.remote();
    let lengths = [0, 1, 100_000, 200_000, limits::INLINE_BODY_BYTES_MAX - 1];
    let bodies = lengths.map(|length| Bytes::from(vec![length.to_le_bytes()[0]; length]));
    for body in &bodies {
        assert_eq!(remote.propose(proposal(QUICK, vec![body.clone()])).await, Ok(Reply::Done));
    }
    assert_eq!(remote.propose(proposal(QUICK, bodies.to_vec())).await, Ok(Reply::Done));
    assert_eq!(*server.node.bodies.lock(), [bodies.clone(), bodies].concat());
}

#[tokio::test]
async fn a_broken_connection_leaves_commands_unknown_and_the_next_call_connects_again() {
    let server = Server::start("127.0.0.1:0");
    let (remote, address) = (server.remote(), server.address);
    let under_way = |remote: RemoteNode| async move {
        futures::join!(remote.propose(proposal(SLOW, Vec::new())), setting(&remote, SLOW, "slow"))
    };
    let calls = tokio::spawn(under_way(remote.clone()));
    server.node.arrived.notified().await;
    server.node.arrived.notified().await;
    drop(server);
    let (command, question) = calls.await.unwrap();
    assert!(matches!(command, Err(StoreError::Unknown(_))), "{command:?}");
    assert!(matches!(question, Err(StoreError::Unavailable(_))), "{question:?}");
    let _again = Server::start(&address.to_string());
    while setting(&remote, QUICK, "quick").await != is("quick") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_ends() {
    let mut server = Server::start("127.0.0.1:0");
    let remote = server.remote();
    let mut news = remote.watch(QUICK).await.unwrap();
    assert_eq!(news.next().await, Some(WatchEvent::Resync));
    let call = tokio::spawn({
        let remote = remote.clone();
        async move { remote.propose(proposal(SLOW, Vec::new())).await }
    });
    server.node.arrived.notified().await;
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(news.next().await, None);
    server.node.go.notify_one();
    assert_eq!(call.await.unwrap(), Ok(Reply::Done));
    tokio::time::timeout(Duration::from_secs(20), &mut server.ended).await.expect("the service ends").unwrap();
    assert!(setting(&remote, QUICK, "quick").await.is_err());
}

/// A node that was cut off from its peers is silent and knows nothing of it.
#[tokio::test(start_paused = true)]
async fn a_silent_stream_of_news_moves_to_the_leader() {
    let (old, new) = (Arc::new(Node::default()), Arc::new(Node::default()));
    let nodes: BTreeMap<u64, Arc<dyn StoreNode>> =
        BTreeMap::from([(1, Arc::clone(&old) as Arc<_>), (2, Arc::clone(&new) as Arc<_>)]);
    let client = StoreClient::new(nodes, ClientSettings::default());
    let news = client.subscribe(QUICK, &[7]);
    old.watched.notified().await;
    *old.failure.lock() = Some(StoreError::Unavailable("no quorum".into()));
    tokio::time::timeout(Duration::from_secs(60), new.watched.notified()).await.expect("it moves");
    drop(news);
}
