//! Many messages at once: spread over connections, bounded, and nobody waits for a dead host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use yubin_proto::Caller;
use yubin_state::queue::{DeliveryState, DestinationName, FinalOutcome, QueueId, QueueSuspension, SuspensionScope};
use yubin_types::Timestamp;

use crate::lab::Lab;
use crate::sink::{Fate, Sink, Tls};

#[tokio::test(flavor = "multi_thread")]
async fn a_flaky_receiver_gets_every_message_in_the_end() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    // Of the first tries a fifth is deferred, some are refused, some are cut off.
    let fates = (0..200).map(|number| match number % 20 {
        0 | 5 | 10 | 15 => Fate::Reply("451 4.3.0 later"),
        7 => Fate::Reply("550 5.7.1 no"),
        11 => Fate::DropBeforeDot,
        13 => Fate::DropAfterDot,
        _ => Fate::Reply("250 2.0.0 ok"),
    });
    sink.then(fates);
    let worker = lab.worker(sink.address.port(), |config| config.pace.lanes_max = 10);
    for number in 0..200 {
        lab.send(&[&format!("a{number}@two.example")], |new| {
            new.sender = yubin_types::ReversePath::Null;
        })
        .await;
    }
    let events = lab.events(200).await;
    let count = |outcome| events.iter().filter(|record| record.event.outcome == outcome).count();
    assert_eq!(count(FinalOutcome::Delivered) + count(FinalOutcome::Bounced), 200);
    assert_eq!(count(FinalOutcome::Bounced), 10);
    let mut recipients: Vec<String> = sink.received().into_iter().flat_map(|received| received.recipients).collect();
    let copies = recipients.len();
    recipients.sort_unstable();
    recipients.dedup();
    assert_eq!(recipients.len(), 190, "everybody who was not refused has it");
    assert_eq!(copies - recipients.len(), 10, "twice only where the receiver took it without a word");
    assert!(sink.most_open() <= 10 + 1, "{} connections at a time", sink.most_open());
    lab.stop(worker).await;
}

/// A provider that no profile knows and that takes the mail of many domains.
#[tokio::test(flavor = "multi_thread")]
async fn domains_with_the_same_mx_hosts_share_the_limits_of_one_receiver() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    sink.take_time(Duration::from_millis(20));
    for number in 0..100 {
        let domain = format!("d{number}.example");
        lab.zone.equals(&domain, &["mx1.host.example", "mx2.host.example"], "127.0.0.2");
        lab.send(&[&format!("one@{domain}")], |_| {}).await;
        lab.send(&[&format!("two@{domain}")], |_| {}).await;
    }
    let worker = lab.worker(sink.address.port(), |config| {
        (config.pace.lanes_initial, config.pace.lanes_max) = (2, 3);
    });
    sink.wait_for(200).await;
    assert!(sink.most_open() <= 3, "{} connections at a time", sink.most_open());
    lab.events(200).await;
    assert_eq!(sink.received().len(), 200, "each once");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_destination_does_not_delay_others() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    // Nobody listens there.
    lab.zone.mx("dead.example", &[("mx.dead.example", "127.0.0.6")]);
    for number in 0..500 {
        lab.send(&[&format!("a{number}@dead.example")], |_| {}).await;
    }
    let worker = lab.worker(sink.address.port(), |config| {
        config.waiting_max = 100;
        config.pace.pause_ms_min = 60_000;
        config.pace.pause_ms_max = 60_000;
    });
    let began = Instant::now();
    for number in 0..20 {
        lab.send(&[&format!("b{number}@two.example")], |_| {}).await;
    }
    sink.wait_for(20).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Few were tried, the others put off.
    let pushed = lab.queued(|found| found.iter().filter(|delivery| delivery.attempts > 0).count() > 0).await;
    assert!(pushed.iter().filter(|delivery| delivery.attempts > 0).count() <= 20);
    lab.stop(worker).await;
}

/// Messages of one millisecond stand in the order of their ids, which is not the order in which they come.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_comes_together_goes_out_together() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let worker = lab.worker(sink.address.port(), |_| {});
    let began = Instant::now();
    for _ in 0..30 {
        let recipients: Vec<String> = (0..20).map(|number| format!("a{number}@two.example")).collect();
        futures::future::join_all(recipients.iter().map(|recipient| async { lab.send(&[recipient], |_| {}).await }))
            .await;
    }
    sink.wait_for(600).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    lab.stop(worker).await;
}

/// Each command is a commit that waits for the disk: a lane that waited for one before each delivery would mostly wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_takes_mail_is_leased_many_deliveries_at_once() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    for number in 0..200 {
        lab.send(&[&format!("a{number}@two.example")], |_| {}).await;
    }
    let worker = lab.worker(sink.address.port(), |config| {
        config.pace.lanes_initial = 2;
        config.pace.lanes_max = 2;
    });
    lab.events(200).await;
    assert!(sink.most_open() <= 2, "{} connections at a time", sink.most_open());
    let commands = lab.counted("yubin_queue_commands_total{command=\"lease\"}");
    assert!((1..=40).contains(&commands), "{commands} lease commands");
    lab.stop(worker).await;
}

/// A lease in advance is no licence to go on: a suspension stops what has not begun, and it is back in the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_destination_gets_nothing_that_was_leased_in_advance() {
    let mut lab = Lab::new().await;
    let sink = Sink::start("127.0.0.2", 0, Tls::None).await;
    lab.zone.mx("two.example", &[("mx.two.example", "127.0.0.2")]);
    let word = Arc::new(Notify::new());
    sink.then([Fate::Reply("250 ok"), Fate::TakeAfter(Arc::clone(&word))]);
    let mut last = QueueId([0; 16]);
    for number in 0..30 {
        last = lab.send(&[&format!("a{number}@two.example")], |_| {}).await;
    }
    let worker = lab.worker(sink.address.port(), |config| {
        config.pace.lanes_initial = 1;
        config.pace.lanes_max = 1;
    });
    let leased = |delivery: &yubin_state::queue::Delivery| matches!(delivery.state, DeliveryState::InFlight { .. });
    lab.queued(|found| found.iter().filter(|delivery| leased(delivery)).count() > 5).await;
    let scope = SuspensionScope::Destination(DestinationName::parse("two.example").unwrap());
    let suspension = QueueSuspension { scope, reason: String::new(), since: Timestamp(0), expires: None };
    lab.client.suspend_queue(suspension, &Caller::internal("test")).await.unwrap();
    let left = lab.queued(|found| found.iter().filter(|delivery| leased(delivery)).count() == 1).await;
    assert_eq!(left.len(), 29);
    word.notify_one();
    sink.wait_for(2).await;
    lab.queued(|found| found.len() == 28).await;
    assert_eq!(sink.received().len(), 2, "the one under way came to its end, the others did not begin");
    // Nor does an operator who wants one tried lift it: it is put off again, however often.
    for _ in 0..3 {
        lab.retry(last, "two.example").await;
        let in_a_minute = Timestamp(
            u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap() + 60_000,
        );
        lab.queued(|found| found.len() == 28 && found.iter().all(|one| one.next_attempt > in_a_minute)).await;
    }
    assert_eq!(sink.received().len(), 2);
    lab.stop(worker).await;
}
