//! A store node alone, through the client that every role uses: what was acknowledged is there after a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use yubin_proto::{
    Body, Caller, ClientSettings, Hosted, MessagePiece, MessageSource, SearchOutcome, SearchRequest, StoreClient,
};
use yubin_state::command::{DomainCommand, Login, MailCommand, MaintenanceCommand, NewMessage, Recipient};
use yubin_state::forward::Passage;
use yubin_state::query::{MessageRow, RowDetail};
use yubin_state::record::{Plan, ScramVerifier, Verifiers};
use yubin_state::{Answer, Command, DedupeClass, Query, Reply};
use yubin_store::{Clock, Member, Store, StoreSettings};
use yubin_types::search::{SearchKey, SortCriterion, SortKey, SortOrder};
use yubin_types::{
    DomainName, EmailId, GroupNumber, Limit, LocalPart, MailboxId, MailboxName, Quota, Refusal, RequestId, ReversePath,
    Timestamp, UidSet, limits,
};

async fn open(data_dir: &Path) -> (Store, Arc<StoreClient>) {
    open_at(data_dir, StoreSettings::system_clock()).await
}

async fn open_at(data_dir: &Path, clock: Clock) -> (Store, Arc<StoreClient>) {
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
        clock,
    };
    let store = Store::open(settings).await.unwrap();
    let client = StoreClient::new(BTreeMap::from([(1, store.node())]), ClientSettings::default());
    client.ready().await;
    (store, client)
}

async fn done(client: &StoreClient, scope: yubin_proto::Scope, command: Command) -> Reply {
    let reply = client.propose_once(scope, &command, &Caller::internal("test")).await.unwrap();
    assert!(!matches!(reply, Reply::Refused(_)), "{reply:?}");
    reply
}

async fn create_domain(client: &StoreClient, name: &str, quota: Quota) -> Arc<Hosted> {
    let trash_expiry_seconds = Some(limits::TRASH_EXPIRY_SECONDS_DEFAULT);
    let plan = Plan { domain_quota: quota, trash_expiry_seconds, ..yubin_memory_store::plan() };
    yubin_memory_store::create_domain(client, name, GroupNumber(1), plan).await;
    client.resolve(&DomainName::parse(name).unwrap()).await.unwrap().unwrap()
}

fn verifiers() -> Verifiers {
    let scram = ScramVerifier { salt: [0; 16], iterations: 4096, stored_key: [0; 32], server_key: [0; 32] };
    Verifiers { argon2id: "$argon2id$".to_owned(), scram_sha_256: scram }
}

fn delivery(local: &str, octets: &[u8], tag: u8) -> (Command, Vec<Body>) {
    let recipient = Recipient {
        local: LocalPart::parse(local).unwrap(),
        special_use: None,
        prefix: Bytes::from_static(b"Return-Path: <>\r\n"),
        email_id: EmailId([tag; 16]),
    };
    let message = NewMessage {
        body_bytes: octets.len() as u64,
        cold: yubin_message::scan(octets).to_bytes().into(),
        internal_date: Timestamp(1),
        body_ordinal: 0,
    };
    let (sender, recipients, passage) = (ReversePath::Null, vec![recipient], Passage::default());
    let deliver = MailCommand::Deliver { login: None, sender, recipients, message, passage };
    (Command::Mail(deliver), vec![Body::Inline(Bytes::copy_from_slice(octets))])
}

async fn deliver(client: &StoreClient, hosted: &Hosted, local: &str, octets: &[u8], tag: u8) -> Reply {
    let (command, bodies) = delivery(local, octets, tag);
    let request = (RequestId([tag; 16]), DedupeClass::Delivery);
    client.propose(hosted.scope(), &command, request, &Caller::internal("mx"), bodies).await.unwrap()
}

async fn login(client: &StoreClient, hosted: &Hosted, local: &str) -> Login {
    let query = Query::Credentials(LocalPart::parse(local).unwrap());
    match client.query(hosted.scope(), query).await.unwrap() {
        Answer::Credentials(credentials) => credentials.login,
        other => panic!("{other:?}"),
    }
}

async fn mailbox(client: &StoreClient, hosted: &Hosted, login: Login, name: MailboxName) -> MailboxId {
    let select = Query::Select { login, name };
    let Answer::Selected(selected) = client.query(hosted.scope(), select).await.unwrap() else { panic!() };
    selected.mailbox.id
}

async fn rows(client: &StoreClient, hosted: &Hosted, login: Login, mailbox: MailboxId) -> Vec<MessageRow> {
    let rows =
        Query::Rows { login, mailbox, uids: UidSet::range(1, u32::MAX), changed_since: None, detail: RowDetail::Hot };
    let Answer::Rows { rows, .. } = client.query(hosted.scope(), rows).await.unwrap() else { panic!() };
    rows
}

async fn messages(client: &StoreClient, hosted: &Hosted, login: Login, name: MailboxName) -> Vec<Vec<u8>> {
    let mailbox = mailbox(client, hosted, login, name).await;
    let mut messages = Vec::new();
    for row in rows(client, hosted, login, mailbox).await {
        let length = u32::try_from(row.hot.bytes).unwrap();
        let source = MessageSource::Mailbox { login, mailbox, uid: row.uid };
        let piece = MessagePiece { source, offset: 0, length };
        messages.push(client.read_message(hosted.scope(), piece).await.unwrap().unwrap().to_vec());
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, client) = open(folder.path()).await;
    let quota = Quota { bytes: Limit::AtMost(1_000), messages: Limit::Unlimited };
    let hosted = create_domain(&client, "a.example", quota).await;
    let create =
        DomainCommand::CreateAccount { local: LocalPart::parse("info").unwrap(), verifiers: verifiers(), quota: None };
    done(&client, hosted.scope(), Command::Domain(create)).await;
    let octets = b"Subject: one\r\n\r\nhello\r\n";
    assert!(matches!(deliver(&client, &hosted, "info", octets, 1).await, Reply::Delivered(_)));
    // The retry of a delivery finds its first outcome.
    assert!(matches!(deliver(&client, &hosted, "info", octets, 1).await, Reply::Delivered(_)));
    let refused = deliver(&client, &hosted, "info", &[b'x'; 1_000], 2).await;
    assert!(
        matches!(&refused, Reply::DeliveryRefused(why) if matches!(&why[..], [Some(Refusal::OverQuota { .. })])),
        "{refused:?}"
    );
    store.shutdown().await;
    drop((store, client));

    let (store, client) = open(folder.path()).await;
    let hosted = client.resolve(&DomainName::parse("a.example").unwrap()).await.unwrap().unwrap();
    let login = login(&client, &hosted, "info").await;
    let whole = [b"Return-Path: <>\r\n", &octets[..]].concat();
    assert_eq!(messages(&client, &hosted, login, MailboxName::inbox()).await, [whole]);
    assert!(client.resolve(&DomainName::parse("b.example").unwrap()).await.unwrap().is_none());
    store.shutdown().await;
}

/// RFC 5256, RFC 8474.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_comes_in_the_order_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (store, client) = open(folder.path()).await;
    let hosted = create_domain(&client, "a.example", Quota::default()).await;
    let create =
        DomainCommand::CreateAccount { local: LocalPart::parse("info").unwrap(), verifiers: verifiers(), quota: None };
    done(&client, hosted.scope(), Command::Domain(create)).await;
    for (tag, octets) in [
        "From: c@x.test\r\nSubject: Re: beta\r\nDate: Sat, 3 Jan 1970 00:00:00 +0000\r\n\r\n",
        "From: A <b@z.test>\r\nSubject: [list] ALPHA\r\nDate: Sat, 3 Jan 1970 08:00:00 +0900\r\n\r\nlonger",
        "From: C@a.test\r\nSubject: =?utf-8?q?alpha?= (fwd)\r\n\r\n",
        "Subject: gamma\r\nTo: z@z.test\r\n\r\n",
    ]
    .iter()
    .zip(1..)
    .map(|(octets, tag)| (tag, octets.as_bytes()))
    {
        assert!(matches!(deliver(&client, &hosted, "info", octets, tag).await, Reply::Delivered(_)));
    }
    let login = login(&client, &hosted, "info").await;
    let inbox = mailbox(&client, &hosted, login, MailboxName::inbox()).await;
    let found = async |key: SearchKey, sort: &[(SortKey, SortOrder)]| {
        let sort = sort.iter().map(|&(key, order)| SortCriterion { key, order }).collect();
        let request = SearchRequest { login, mailbox: inbox, among: UidSet::range(1, 9), key, sort };
        match client.search(hosted.scope(), request).await.unwrap() {
            SearchOutcome::Sorted { uids, .. } => uids.iter().map(|uid| uid.0).collect::<Vec<_>>(),
            SearchOutcome::Found { uids, .. } => uids.iter().map(|uid| uid.0).collect(),
            refused @ SearchOutcome::Refused(_) => panic!("{refused:?}"),
        }
    };
    let (up, down) = (SortOrder::Ascending, SortOrder::Descending);
    assert_eq!(found(SearchKey::All, &[(SortKey::Subject, up)]).await, [2, 3, 1, 4]);
    assert_eq!(found(SearchKey::All, &[(SortKey::Subject, down)]).await, [4, 1, 2, 3]);
    // Without a Date, the time of arrival, which is the epoch here.
    assert_eq!(found(SearchKey::All, &[(SortKey::Date, up)]).await, [3, 4, 2, 1]);
    assert_eq!(found(SearchKey::All, &[(SortKey::From, up), (SortKey::Subject, up)]).await, [4, 2, 3, 1]);
    assert_eq!(found(SearchKey::All, &[(SortKey::To, down)]).await, [4, 1, 2, 3]);
    assert_eq!(found(SearchKey::All, &[(SortKey::Size, down)]).await[0], 2);
    assert_eq!(found(SearchKey::All, &[(SortKey::Arrival, down)]).await, [1, 2, 3, 4]);
    assert_eq!(found(SearchKey::Header("subject".into(), "alpha".into()), &[(SortKey::From, down)]).await, [3, 2]);
    assert_eq!(found(SearchKey::EmailId(EmailId([3; 16])), &[]).await, [3]);
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trash_expires_seven_days_after_the_move_and_frees_its_room() {
    const WEEK_MILLISECONDS: u64 = 7 * 24 * 3_600 * 1_000;
    let folder = tempfile::tempdir().unwrap();
    let milliseconds = Arc::new(AtomicU64::new(1_800_000_000_000));
    let wall = Arc::clone(&milliseconds);
    let (store, client) = open_at(folder.path(), Arc::new(move || Timestamp(wall.load(Ordering::Relaxed)))).await;
    let quota = Quota { bytes: Limit::AtMost(1_000), messages: Limit::Unlimited };
    let hosted = create_domain(&client, "a.example", quota).await;
    let create =
        DomainCommand::CreateAccount { local: LocalPart::parse("info").unwrap(), verifiers: verifiers(), quota: None };
    done(&client, hosted.scope(), Command::Domain(create)).await;
    let login = login(&client, &hosted, "info").await;
    assert!(matches!(deliver(&client, &hosted, "info", &[b'a'; 600], 1).await, Reply::Delivered(_)));

    // It lay in INBOX for a day: what counts is the move.
    milliseconds.fetch_add(WEEK_MILLISECONDS / 7, Ordering::Relaxed);
    let trash = || MailboxName::parse("Trash").unwrap();
    let inbox = mailbox(&client, &hosted, login, MailboxName::inbox()).await;
    let to_trash = MailCommand::Move { login, mailbox: inbox, uids: UidSet::range(1, 1), to: trash() };
    done(&client, hosted.scope(), Command::Mail(to_trash)).await;
    let expire = || {
        let scope = yubin_proto::Scope { group: hosted.scope().group, ..yubin_proto::Scope::DIRECTORY };
        let client = Arc::clone(&client);
        let command = Command::Maintenance(MaintenanceCommand::ExpireTrash);
        let request = (RequestId([9; 16]), DedupeClass::None);
        async move { client.propose(scope, &command, request, &Caller::internal("test"), Vec::new()).await.unwrap() }
    };
    milliseconds.fetch_add(WEEK_MILLISECONDS - 1, Ordering::Relaxed);
    // Even if someone looks too early, nothing is taken.
    expire().await;
    assert_eq!(messages(&client, &hosted, login, trash()).await.len(), 1);
    let full = deliver(&client, &hosted, "info", &[b'b'; 600], 2).await;
    assert!(matches!(full, Reply::DeliveryRefused(_)), "{full:?}");

    milliseconds.fetch_add(1, Ordering::Relaxed);
    // The leader looks every second of real time, by itself.
    let trash = mailbox(&client, &hosted, login, trash()).await;
    let gone = async { while !rows(&client, &hosted, login, trash).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert!(matches!(deliver(&client, &hosted, "info", &[b'b'; 600], 3).await, Reply::Delivered(_)));
    store.shutdown().await;
}
