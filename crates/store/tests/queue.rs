//! The outbound queue of a store node, through the client that workers use, in one process and over gRPC: mail is queued, leased, read,
//! recorded, and still there after a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use yubin_memory_store::{create_domain, plan};
use yubin_proto::grpc::{RemoteNode, serve};
use yubin_proto::queue::{QueueError, scope_of, whole_group};
use yubin_proto::{Body, BodyStream, Caller, ClientSettings, LargeBody, Scope, StoreClient, StoreNode};
use yubin_state::Topic;
use yubin_state::queue::{
    ContentFacts, DelayNotice, DeliveryResult, DestinationName, DsnEnvelope, EventFilter, FinalOutcome, Handling,
    Leased, NewDelivery, NewQueued, NewQueuedRecipient, NoticeKind, NotifySet, QueueId, QueueSource, QueueSuspension,
    RecipientOutcome, RemoteReply, SuspensionScope,
};
use yubin_store::{Member, Store, StoreSettings};
use yubin_types::{Address, GroupNumber, LocalPart, Refusal, RequestId, ReversePath, Timestamp, limits};

const GROUP: GroupNumber = GroupNumber(1);

async fn open(data_dir: &Path) -> (Store, Arc<StoreClient>) {
    let settings = StoreSettings {
        data_dir: data_dir.to_owned(),
        node: 1,
        cluster: None,
        listen: None,
        members: vec![Member { id: 1, peer_address: String::new(), store_address: String::new() }],
        data_groups: 2,
        memory_bytes: 64 << 20,
        space_reserve_bytes: 0,
        mail_log_bytes: 1 << 20,
        raft_threads: 1,
        peer_tls: None,
        clock: StoreSettings::system_clock(),
    };
    let store = Store::open(settings).await.unwrap();
    let client = connect(store.node()).await;
    (store, client)
}

async fn connect(node: Arc<dyn StoreNode>) -> Arc<StoreClient> {
    let client = StoreClient::new(BTreeMap::from([(1, node)]), ClientSettings::default());
    client.ready().await;
    client
}

/// A client that reaches the node over the network.
async fn remote(store: &Store) -> Arc<StoreClient> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, store.node(), std::future::pending().boxed()));
    connect(Arc::new(RemoteNode::new(&format!("http://{address}")).unwrap())).await
}

fn message(number: u8, to: &str, body_bytes: u64) -> NewQueued {
    let (user, domain) = to.rsplit_once('@').unwrap();
    let local = LocalPart::parse(user).unwrap();
    NewQueued {
        id: QueueId([number; 16]),
        sender: ReversePath::Address(Address::parse("ann@one.example").unwrap()),
        source: QueueSource::Returned,
        message_id: None,
        body_ordinal: 0,
        body_bytes,
        prefix: Bytes::from_static(PREFIX),
        content: ContentFacts::default(),
        dsn: DsnEnvelope::default(),
        handling: Handling::default(),
        lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
        deliveries: vec![NewDelivery {
            destination: DestinationName::parse(domain).unwrap(),
            recipients: vec![NewQueuedRecipient { local, notify: NotifySet::default(), orcpt: None }],
        }],
    }
}

const PREFIX: &[u8] = b"Received: by one.example\r\n";

async fn enqueue(client: &StoreClient, scope: Scope, new: NewQueued, body: Body) {
    let request = (RequestId(new.id.0), &Caller::internal("test"));
    client.enqueue(scope, None, vec![new], request, vec![body]).await.unwrap();
}

/// Leases all that is due.
async fn lease_due(client: &StoreClient) -> Vec<Leased> {
    let items = client.queue_due(GROUP, Timestamp(u64::MAX - 1), BTreeMap::new(), 100).await.unwrap();
    let keys = items.into_iter().map(|item| item.delivery).collect();
    client.lease(GROUP, "worker-1", 60, keys, &Caller::internal("worker-1")).await.unwrap()
}

/// The whole message, piece by piece.
async fn read(client: &StoreClient, leased: &Leased, piece_bytes: u32) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let scope = scope_of(GROUP, leased);
        let piece = client.read_queued(scope, leased.message.id, whole.len() as u64, piece_bytes).await.unwrap();
        whole.extend_from_slice(&piece);
        if piece.len() < piece_bytes as usize {
            return whole;
        }
    }
}

fn ended(leased: &Leased, outcome: impl Fn(RemoteReply) -> RecipientOutcome) -> DeliveryResult {
    let reply = RemoteReply {
        code: 250,
        enhanced: None,
        text: String::new(),
        host: "mx".to_owned(),
        at: Timestamp(1),
        way: None,
    };
    DeliveryResult {
        delivery: leased.key(),
        token: leased.token,
        attempted: Timestamp(1),
        reply: None,
        recipients: vec![(0, outcome(reply))],
        next_attempt: None,
        delay_notice: DelayNotice::NotSent,
        notices: Vec::new(),
    }
}

async fn ends(client: &StoreClient) -> Vec<FinalOutcome> {
    let (events, next) = client.events(whole_group(GROUP), EventFilter::default(), None, 100).await.unwrap();
    assert_eq!(next, None);
    events.into_iter().map(|record| record.event.outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_mail_outlives_a_restart_and_goes_out_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, client) = open(folder.path()).await;
    // The store enters its groups into the directory while it is in use already.
    while client.data_groups().await.unwrap() != [GroupNumber(1), GroupNumber(2)] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let scope = create_domain(&client, "one.example", GROUP, plan()).await;
    let body = b"Subject: one\r\n\r\nhello\r\n";
    enqueue(&client, scope, message(1, "x@b.example", body.len() as u64), Body::Inline(Bytes::from_static(body))).await;
    store.shutdown().await;
    drop((store, client));

    let (store, client) = open(folder.path()).await;
    let leased = lease_due(&client).await;
    let whole = [PREFIX, &body[..]].concat();
    assert_eq!(leased[0].message.bytes, whole.len() as u64);
    for piece_bytes in [7, u32::try_from(PREFIX.len()).unwrap(), 1_000] {
        assert_eq!(read(&client, &leased[0], piece_bytes).await, whole);
    }
    assert_eq!(lease_due(&client).await, []);
    let request = (RequestId([9; 16]), &Caller::internal("worker-1"));
    let bounce = b"bounce";
    let notice = NewQueued {
        sender: ReversePath::Null,
        source: QueueSource::Notice(NoticeKind::Failure),
        ..message(2, "ann@one.example", bounce.len() as u64)
    };
    let bounced = DeliveryResult { notices: vec![notice], ..ended(&leased[0], RecipientOutcome::Bounced) };
    for _ in 0..2 {
        let bodies = vec![Body::Inline(Bytes::from_static(bounce))];
        assert!(client.record(GROUP, vec![bounced.clone()], request, bodies).await.unwrap().is_empty());
    }
    assert_eq!(ends(&client).await, [FinalOutcome::Bounced]);
    let gone = client.read_queued(scope, leased[0].message.id, 0, 10).await;
    assert!(matches!(gone, Err(QueueError::Refused(Refusal::NotFound { .. }))), "{gone:?}");
    let leased = lease_due(&client).await;
    assert_eq!(read(&client, &leased[0], 100).await, [PREFIX, bounce].concat());
    store.shutdown().await;
}

struct Zeros(u64);

impl LargeBody for Zeros {
    fn length(&self) -> u64 {
        self.0
    }

    fn open(&self) -> BodyStream {
        let piece = Bytes::from(vec![0; 64 * 1024]);
        let pieces = self.0 / piece.len() as u64;
        Box::pin(futures::stream::iter((0..pieces).map(move |_| Ok(piece.clone()))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_another_machine_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let client = remote(&store).await;
    let scope = create_domain(&client, "one.example", GROUP, plan()).await;
    let news = client.subscribe(GROUP, &[Topic::Queue.number()]);
    news.changed().await;
    let large = 3 << 20;
    enqueue(&client, scope, message(1, "x@[192.0.2.1]", large), Body::Large(Arc::new(Zeros(large)))).await;
    news.changed().await;
    let leased = lease_due(&client).await;
    let whole = read(&client, &leased[0], 1 << 20).await;
    assert_eq!(whole.len() as u64, PREFIX.len() as u64 + large);
    assert!(whole.starts_with(PREFIX) && whole.ends_with(&[0, 0]));
    let caller = Caller::internal("worker-1");
    let keep = vec![(leased[0].key(), leased[0].token), (leased[0].key(), 1)];
    assert_eq!(client.renew(GROUP, 120, keep, &caller).await.unwrap(), [1]);
    let delivered = vec![ended(&leased[0], RecipientOutcome::Delivered)];
    assert!(
        client.record(GROUP, delivered.clone(), (RequestId([1; 16]), &caller), Vec::new()).await.unwrap().is_empty()
    );
    assert_eq!(client.record(GROUP, delivered, (RequestId([2; 16]), &caller), Vec::new()).await.unwrap(), [0]);
    assert_eq!(ends(&client).await, [FinalOutcome::Delivered]);
    assert_eq!(client.queue_totals(whole_group(GROUP)).await.unwrap(), Default::default());
    let suspended = SuspensionScope::Tenant(scope.domain);
    let suspension =
        QueueSuspension { scope: suspended.clone(), reason: "a flood".to_owned(), since: Timestamp(0), expires: None };
    client.suspend_queue(suspension, &caller).await.unwrap();
    assert_eq!(client.queue_suspensions().await.unwrap()[0].scope, suspended);
    client.resume_queue(suspended, &caller).await.unwrap();
    store.shutdown().await;
}
