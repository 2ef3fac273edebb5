//! Source addresses: from which of them mail leaves, and what becomes of it where one is blocked, missing or new.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use yubin_queue::{MailKind, Pool, SourceAddress, WarmUp};
use yubin_state::queue::{Delivery, DeliveryState, FinalOutcome, NoticeKind, QueueSource, SuspensionScope};
use yubin_types::{AccountId, Address, DomainName};

use crate::lab::Lab;
use crate::sink::Received;

const BLOCKED: &str = "554 5.7.1 Client host blocked using zen.spamhaus.org";

fn pool(name: &str, addresses: &[&str]) -> Pool {
    let hello = DomainName::parse(&format!("{name}.out.example")).unwrap();
    let address = |text: &&str| SourceAddress { address: text.parse().unwrap(), hello: hello.clone(), warm_up: None };
    Pool {
        name: name.to_owned(),
        mail: Vec::new(),
        domains: Vec::new(),
        plans: Vec::new(),
        fallback: None,
        addresses: addresses.iter().map(address).collect(),
    }
}

fn submission() -> QueueSource {
    QueueSource::Submission { account: AccountId(1), by: Address::parse("ann@one.example").unwrap() }
}

fn from(received: &[Received], recipient: &str) -> (String, String) {
    let found = received.iter().find(|mail| mail.recipients.iter().any(|known| known == recipient)).unwrap();
    (found.peer.to_string(), found.hello.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_leaves_by_its_kind_and_its_plan_and_says_the_address_s_name() {
    let (mut lab, sink) = Lab::with_sink().await;
    let pools = vec![
        Pool { mail: vec![MailKind::Forward], ..pool("forward", &["127.0.0.11"]) },
        Pool { mail: vec![MailKind::Notice], ..pool("bounce", &["127.0.0.12"]) },
        // The lab's domain has this plan.
        Pool { plans: vec!["test".to_owned()], ..pool("trusted", &["127.0.0.13"]) },
        pool("default", &["127.0.0.14"]),
    ];
    let worker = lab.worker(sink.address.port(), |config| config.pools = pools);
    let by = Address::parse("ann@one.example").unwrap();
    for (recipient, source) in [
        ("forwarded@two.example", QueueSource::Forward { account: AccountId(1), by }),
        ("told@two.example", QueueSource::Notice(NoticeKind::Failure)),
        ("sent@two.example", submission()),
    ] {
        lab.send(&[recipient], |new| new.source = source).await;
    }
    sink.wait_for(3).await;
    let received = sink.received();
    for (recipient, address, hello) in [
        ("forwarded@two.example", "127.0.0.11", "forward.out.example"),
        ("told@two.example", "127.0.0.12", "bounce.out.example"),
        ("sent@two.example", "127.0.0.13", "trusted.out.example"),
    ] {
        assert_eq!(from(&received, recipient), (address.to_owned(), hello.to_owned()), "{recipient}");
    }
    lab.events(3).await;
    assert_eq!(lab.counted("yubin_queue_source_attempts_total{address=\"127.0.0.13\"}"), 1);
    assert_eq!(lab.counted("yubin_queue_source_usable{address=\"127.0.0.14\"}"), 1);
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_on_from_another_address_where_one_is_blocked_and_bounces_where_all_are() {
    let (mut lab, sink) = Lab::with_sink().await;
    let worker = lab.worker(sink.address.port(), |config| {
        config.pools = vec![pool("default", &["127.0.0.11", "127.0.0.12", "127.0.0.13"])];
    });
    for address in ["127.0.0.11", "127.0.0.12"] {
        sink.block(address, BLOCKED);
    }
    // Tenants keep to one address, of which two of three are blocked: whatever it is, the mail arrives.
    for number in 0..5 {
        lab.send(&[&format!("user{number}@two.example")], |new| new.source = submission()).await;
    }
    let events = lab.events(5).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Delivered), "{events:#?}");
    assert!(sink.received().iter().all(|mail| mail.peer.to_string() == "127.0.0.13"));
    assert!(lab.inbox("ann").await.is_empty(), "nobody hears of it");

    sink.block("127.0.0.13", BLOCKED);
    lab.send(&["last@two.example"], |new| new.source = submission()).await;
    // The notice is delivered, too.
    let events = lab.events(7).await;
    assert!(events.iter().any(|record| record.event.outcome == FinalOutcome::Bounced), "{events:#?}");
    // It is written down, for other workers and the operator.
    let suspended = lab.suspensions().await;
    let last = suspended.iter().find(|one| {
        let SuspensionScope::Source { destination, address } = &one.scope else { return false };
        (destination.to_string(), address.to_string()) == ("two.example".to_owned(), "127.0.0.13".to_owned())
    });
    let last = last.unwrap_or_else(|| panic!("{suspended:#?}"));
    assert!(last.reason.contains("zen.spamhaus.org"), "{}", last.reason);
    let seconds = last.expires.unwrap().millis_since(last.since) / 1_000;
    assert!((840..=900).contains(&seconds), "about a quarter of an hour: {seconds}");
    // What follows waits for the end of that, and not here.
    lab.send(&["later@two.example"], |new| new.source = submission()).await;
    let waits = |found: &[Delivery]| {
        matches!(found, [one] if one.state == DeliveryState::Scheduled && one.attempts == 0
            && one.next_attempt.millis_since(last.since) > 600_000)
    };
    lab.queued(waits).await;
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_sends_its_share_and_the_pool_s_others_the_rest() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.zone.mx("three.example", &[("mx.two.example", "127.0.0.2")]);
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let mut new = pool("new", &["127.0.0.11"]);
    // Tomorrow it could send no more, should this test run at midnight.
    new.addresses[0].warm_up = Some(WarmUp { first_day: today, per_day: vec![2, 1] });
    let new = Pool { plans: vec!["test".to_owned()], fallback: Some("default".to_owned()), ..new };
    let worker = lab.worker(sink.address.port(), |config| config.pools = vec![new, pool("default", &["127.0.0.12"])]);
    for number in 0..6 {
        for domain in ["two.example", "three.example"] {
            lab.send(&[&format!("user{number}@{domain}")], |new| new.source = submission()).await;
        }
    }
    sink.wait_for(12).await;
    let from_new = |domain: &str| {
        let all = sink.received();
        let mut to_domain = all.iter().filter(|mail| mail.recipients[0].ends_with(domain));
        to_domain.by_ref().filter(|mail| mail.peer.to_string() == "127.0.0.11").count()
    };
    assert_eq!((from_new("@two.example"), from_new("@three.example")), (2, 2));
    lab.events(12).await;
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_here_or_of_the_wrong_family_is_passed_over() {
    let (mut lab, sink) = Lab::with_sink().await;
    let missing = Pool { mail: vec![MailKind::Notice], ..pool("bounce", &["192.0.2.77"]) };
    // ::1 is here, and leads nowhere that has only an IPv4 address.
    let pools = vec![missing, pool("default", &["::1", "127.0.0.13"])];
    let worker = lab.worker(sink.address.port(), |config| {
        config.pools = pools;
        config.prefers = yubin_queue::Family::V6;
    });
    for number in 0..4 {
        lab.send(&[&format!("user{number}@two.example")], |new| new.source = submission()).await;
    }
    let told = lab.send(&["told@two.example"], |new| new.source = QueueSource::Notice(NoticeKind::Failure)).await;
    sink.wait_for(4).await;
    assert!(sink.received().iter().all(|mail| mail.peer.to_string() == "127.0.0.13"));
    lab.events(4).await;
    // It waits without an attempt.
    let later = told_at(told).plus_seconds(30);
    let waits = |found: &[Delivery]| {
        let [one] = found else { return false };
        one.state == DeliveryState::Scheduled && one.attempts == 0 && one.next_attempt > later
    };
    let waiting = lab.queued(waits).await;
    assert_eq!(waiting[0].last_reply, None);
    assert_eq!(lab.counted("yubin_queue_source_usable{address=\"192.0.2.77\"}"), 0);
    assert_eq!(lab.counted("yubin_queue_source_usable{address=\"127.0.0.13\"}"), 1);
    lab.stop(worker).await;
}

/// When a message was made, by its id.
fn told_at(id: yubin_state::queue::QueueId) -> yubin_types::Timestamp {
    let made = id.0.iter().take(6).fold(0, |millis, &byte| millis << 8 | u64::from(byte));
    yubin_types::Timestamp(made)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_the_address_leaves_the_mail_to_one_that_has_it() {
    let (mut lab, sink) = Lab::with_sink().await;
    let workers = vec!["worker-1".to_owned(), "worker-2".to_owned()];
    let without = |config: &mut yubin_queue::QueueConfig| {
        config.workers = workers.clone();
        config.takeover = Duration::from_millis(200);
        config.pools = vec![pool("default", &["192.0.2.77"])];
    };
    let first = lab.worker(sink.address.port(), without);
    let second = lab.worker(sink.address.port(), |config| {
        without(config);
        config.worker = "worker-2".to_owned();
        config.pools = vec![pool("default", &["127.0.0.12"])];
    });
    // Either of the two is the first for some of them.
    for number in 0..6 {
        let domain = format!("d{number}.example");
        lab.zone.mx(&domain, &[("mx.two.example", "127.0.0.2")]);
        lab.send(&[&format!("user@{domain}")], |new| new.source = submission()).await;
    }
    sink.wait_for(6).await;
    assert!(sink.received().iter().all(|mail| mail.peer.to_string() == "127.0.0.12"));
    lab.events(6).await;
    first.shutdown(Duration::from_secs(10)).await;
    lab.stop(second).await;
}

/// A worker that is killed has counted what it sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_sends_no_more_than_its_share_whatever_becomes_of_workers() {
    let (mut lab, sink) = Lab::with_sink().await;
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let mut new = pool("new", &["127.0.0.11"]);
    new.addresses[0].warm_up = Some(WarmUp { first_day: today, per_day: vec![20, 20] });
    let new = Pool { plans: vec!["test".to_owned()], fallback: Some("default".to_owned()), ..new };
    let pools = vec![new, pool("default", &["127.0.0.12"])];
    let mut sent = 0;
    for number in 1..=3 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = lab.another_client();
        {
            let _within = runtime.enter();
            lab.worker_of(client, sink.address.port(), |config| {
                config.worker = format!("worker-{number}");
                config.pools = pools.clone();
                config.lease = Duration::from_secs(5);
            });
        }
        for _ in 0..6 {
            lab.send(&[&format!("user{sent}@two.example")], |new| new.source = submission()).await;
            sent += 1;
            sink.wait_for(sent).await;
        }
        lab.events(sent).await;
        runtime.shutdown_background();
    }
    // Each asks for five, and for five more before its sixth message. The third one finds nothing left.
    let received = sink.received();
    let by_new: Vec<bool> = received.iter().map(|mail| mail.peer.to_string() == "127.0.0.11").collect();
    assert_eq!(by_new, [[true; 6], [true; 6], [false; 6]].concat());
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_address_stays_set_aside_for_a_worker_that_begins() {
    let (mut lab, sink) = Lab::with_sink().await;
    let pools = vec![pool("default", &["127.0.0.11", "127.0.0.12"])];
    sink.block("127.0.0.11", BLOCKED);
    sink.block("127.0.0.12", BLOCKED);
    let first = lab.worker(sink.address.port(), |config| config.pools.clone_from(&pools));
    lab.send(&["one@two.example"], |new| new.source = submission()).await;
    // With the notice.
    lab.events(2).await;
    let blocks = lab.suspensions().await;
    assert_eq!(blocks.len(), 2, "{blocks:#?}");
    first.shutdown(Duration::from_secs(10)).await;
    let connections = sink.connections();
    let second = lab.worker(sink.address.port(), |config| {
        config.worker = "worker-2".to_owned();
        config.pools.clone_from(&pools);
    });
    lab.send(&["two@two.example"], |new| new.source = submission()).await;
    let is_put_off = |found: &[Delivery]| matches!(found, [one] if one.attempts == 0 && one.next_attempt.millis_since(blocks[0].since) > 600_000);
    let waiting = lab.queued(is_put_off).await;
    assert_eq!((waiting.len(), sink.connections()), (1, connections), "nobody was bothered");
    // The operator ends one of them: for whatever worker.
    sink.unblock("127.0.0.12");
    let scope = blocks
        .iter()
        .map(|block| block.scope.clone())
        .find(|scope| matches!(scope, SuspensionScope::Source { address, .. } if address.to_string() == "127.0.0.12"));
    lab.client.resume_queue(scope.unwrap(), &yubin_proto::Caller::internal("test")).await.unwrap();
    // Those that come before the worker heard of it wait.
    for number in 0..100 {
        lab.send(&[&format!("user{number}@two.example")], |new| new.source = submission()).await;
        if tokio::time::timeout(Duration::from_millis(300), sink.wait_for(1)).await.is_ok() {
            break;
        }
    }
    assert_eq!(sink.received()[0].peer.to_string(), "127.0.0.12");
    lab.stop(second).await;
}
