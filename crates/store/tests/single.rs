//! A store node alone, through the client that every role uses: what was acknowledged is there after a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use yubin_proto::{Body, Caller, ClientSettings, Hosted, MessagePiece, StoreClient};
use yubin_state::command::{DirectoryCommand, DomainCommand, Login, MailCommand, NewMessage, Recipient};
use yubin_state::query::RowDetail;
use yubin_state::record::{Plan, ScramVerifier, Verifiers};
use yubin_state::{Answer, Command, DedupeClass, Query, Reply};
use yubin_store::{Member, Store, StoreSettings};
use yubin_types::{
    DomainName, EmailId, GroupNumber, Limit, LocalPart, MailboxName, Quota, Refusal, RequestId, ReversePath, Timestamp,
    UidSet,
};

async fn open(data_dir: &Path) -> (Store, Arc<StoreClient>) {
    let settings = StoreSettings {
        data_dir: data_dir.to_owned(),
        node: 1,
        cluster: None,
        listen: None,
        members: vec![Member { id: 1, peer_address: String::new(), store_address: String::new() }],
        data_groups: 2,
        memory_bytes: 64 << 20,
        raft_threads: 1,
        clock: StoreSettings::system_clock(),
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
    let name = DomainName::parse(name).unwrap();
    let reserve = DirectoryCommand::ReserveDomain { name: name.clone(), group: GroupNumber(1) };
    let reply = done(client, yubin_proto::Scope::DIRECTORY, Command::Directory(reserve)).await;
    let Reply::DomainPlaced { id, placement } = reply else { panic!("{reply:?}") };
    let scope = yubin_proto::Scope { group: placement.group, domain: id, epoch: placement.epoch };
    let plan = Plan {
        name: "test".to_owned(),
        domain_quota: Quota::default(),
        account_quota: Quota::default(),
        message_bytes_max: 10 << 20,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: None,
        vault_seconds: 0,
    };
    done(client, scope, Command::Domain(DomainCommand::Create { name: name.clone(), plan, quota: Some(quota) })).await;
    done(client, yubin_proto::Scope::DIRECTORY, Command::Directory(DirectoryCommand::ActivateDomain(id))).await;
    client.resolve(&name).await.unwrap().unwrap()
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
    let deliver = MailCommand::Deliver { sender: ReversePath::Null, recipients: vec![recipient], message };
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

async fn inbox(client: &StoreClient, hosted: &Hosted, login: Login) -> Vec<Vec<u8>> {
    let select = Query::Select { login, name: MailboxName::inbox() };
    let Answer::Selected(selected) = client.query(hosted.scope(), select).await.unwrap() else { panic!() };
    let mailbox = selected.mailbox.id;
    let rows =
        Query::Rows { login, mailbox, uids: UidSet::range(1, u32::MAX), changed_since: None, detail: RowDetail::Hot };
    let Answer::Rows { rows, .. } = client.query(hosted.scope(), rows).await.unwrap() else { panic!() };
    let mut messages = Vec::new();
    for row in rows {
        let length = u32::try_from(row.hot.bytes).unwrap();
        let piece = MessagePiece { login, mailbox, uid: row.uid, offset: 0, length };
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
    assert_eq!(inbox(&client, &hosted, login).await, [whole]);
    assert!(client.resolve(&DomainName::parse("b.example").unwrap()).await.unwrap().is_none());
    store.shutdown().await;
}
