//! Several workers and one large receiver: together they open no more connections than it allows, and what one had that dies the others use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use yubin_queue::{PaceLimits, Pool, QueueConfig, SourceAddress};
use yubin_state::queue::QueueSource;
use yubin_types::{AccountId, Address, DomainName, limits};

use crate::lab::Lab;
use crate::sink::{Received, Sink};

const LANES: usize = 5;
/// What one of two workers uses alone: the other one may have a delivery without asking.
const ALONE: usize = LANES - 1;

/// One of two workers, which says so in EHLO.
fn of_two(config: &mut QueueConfig, number: usize) {
    config.worker = format!("worker-{number}");
    config.workers = vec!["worker-1".to_owned(), "worker-2".to_owned()];
    config.hostname = DomainName::parse(&format!("out{number}.one.example")).unwrap();
    config.takeover = Duration::from_millis(200);
    config.idle_time_max = Duration::from_millis(500);
    config.lease = Duration::from_secs(5);
    let lanes = u32::try_from(LANES).unwrap();
    config.pace = PaceLimits { lanes_initial: lanes, lanes_max: lanes, ..config.pace };
}

async fn send_many(lab: &Lab, count: usize) {
    for number in 0..count {
        lab.send(&[&format!("user{number}@two.example")], |_| {}).await;
    }
}

fn by_worker(received: &[Received]) -> BTreeMap<String, usize> {
    received.iter().fold(BTreeMap::new(), |mut counts, mail| {
        *counts.entry(mail.hello.clone()).or_default() += 1;
        counts
    })
}

/// How many workers the last messages came from.
fn senders_now(received: &[Received]) -> usize {
    by_worker(&received[received.len().saturating_sub(20)..]).len()
}

/// Waits until both have sent something among the last messages.
async fn both_send(sink: &Sink) {
    let both = async {
        loop {
            let received = sink.received();
            sink.wait_for(received.len() + 1).await;
            if senders_now(&received) == 2 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("both workers send");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_receiver_is_served_by_all_workers_within_its_limit() {
    let (mut lab, sink) = Lab::with_sink().await;
    sink.take_time(Duration::from_millis(50));
    send_many(&lab, 900).await;
    let first = lab.worker(sink.address.port(), |config| of_two(config, 1));
    let second = lab.worker(sink.address.port(), |config| of_two(config, 2));
    both_send(&sink).await;
    sink.wait_for(900).await;
    let counts = by_worker(&sink.received());
    assert!(counts.len() == 2 && counts.values().all(|count| *count >= 100), "{counts:?}");
    assert!(sink.most_open() <= LANES, "{} connections at a time", sink.most_open());
    lab.events(900).await;
    assert_eq!(sink.received().len(), 900, "each once");
    first.shutdown(Duration::from_secs(10)).await;
    lab.stop(second).await;
}

/// A worker that is killed says nothing to anybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_had_is_used_by_the_other_in_time() {
    let (mut lab, sink) = Lab::with_sink().await;
    sink.take_time(Duration::from_millis(50));
    send_many(&lab, 3_000).await;
    let survivor = lab.worker(sink.address.port(), |config| of_two(config, 1));
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = lab.another_client();
    {
        let _within = doomed.enter();
        lab.worker_of(client, sink.address.port(), |config| of_two(config, 2));
    }
    both_send(&sink).await;
    doomed.shutdown_background();
    let killed = Instant::now();
    let all_lanes = async {
        loop {
            let received = sink.received();
            if senders_now(&received) == 1 && sink.open() == ALONE {
                return;
            }
            sink.wait_for(received.len() + 1).await;
        }
    };
    let patience = Duration::from_secs(limits::QUEUE_SHARE_SECONDS + limits::QUEUE_SHARE_REPORT_SECONDS);
    tokio::time::timeout(patience, all_lanes).await.expect("all lanes are used again");
    println!("all lanes are used {} ms after the kill", killed.elapsed().as_millis());
    assert!(sink.most_open() <= LANES, "{} connections at a time", sink.most_open());
    sink.take_time(Duration::ZERO);
    let copies = loop {
        let received = sink.received();
        let to: BTreeSet<&String> = received.iter().flat_map(|mail| &mail.recipients).collect();
        if to.len() == 3_000 {
            break received.len() - to.len();
        }
        sink.wait_for(received.len() + 1).await;
    };
    assert!(copies <= LANES, "{copies} twice: no more than were under way when it was killed");
    assert!(sink.most_open() <= LANES, "{} connections at a time", sink.most_open());
    lab.stop(survivor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_address_is_one_worker_s_at_a_time() {
    let (mut lab, sink) = Lab::with_sink().await;
    let pools = |number: usize| {
        let hello = DomainName::parse(&format!("out{number}.one.example")).unwrap();
        let address =
            |text: &str| SourceAddress { address: text.parse().unwrap(), hello: hello.clone(), warm_up: None };
        vec![Pool {
            name: "default".to_owned(),
            mail: Vec::new(),
            domains: Vec::new(),
            plans: Vec::new(),
            fallback: None,
            addresses: ["127.0.0.11", "127.0.0.12"].map(address).to_vec(),
        }]
    };
    let mut workers = Vec::new();
    for number in [1, 2] {
        let worker = lab.worker(sink.address.port(), |config| {
            of_two(config, number);
            config.pools = pools(number);
        });
        workers.push(worker);
    }
    for number in 0..40 {
        let domain = format!("d{}.example", number % 10);
        lab.zone.mx(&domain, &[("mx.two.example", "127.0.0.2")]);
        lab.send(&[&format!("user{number}@{domain}")], |new| {
            new.source = submission();
        })
        .await;
    }
    sink.wait_for(40).await;
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mail in sink.received() {
        users.entry(mail.peer.to_string()).or_default().insert(mail.hello);
    }
    assert!(users.values().all(|by| by.len() == 1), "{users:?}");
    // The one that has them ends: the other one has them at once.
    let holder = users.values().flatten().next().unwrap().clone();
    let place = usize::from(holder.starts_with("out2"));
    workers.remove(place).shutdown(Duration::from_secs(10)).await;
    lab.zone.mx("late.example", &[("mx.two.example", "127.0.0.2")]);
    lab.send(&["user@late.example"], |new| new.source = submission()).await;
    sink.wait_for(41).await;
    assert_ne!(sink.received()[40].hello, holder);
    lab.stop(workers.remove(0)).await;
}

fn submission() -> QueueSource {
    QueueSource::Submission { account: AccountId(1), by: Address::parse("ann@one.example").unwrap() }
}
