//! Many messages at once: spread over connections, bounded, and nobody waits for a dead host.

use std::time::{Duration, Instant};

use yubin_state::queue::FinalOutcome;

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
