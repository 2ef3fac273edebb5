//! MT-PRIORITY (RFC 6710) in a backlog that is larger than what a worker keeps in memory.

use std::time::Duration;

use yubin_state::queue::NewQueued;
use yubin_types::Priority;

use crate::lab::Lab;
use crate::sink::Received;

const DESTINATIONS: usize = 8;

fn of(level: i8) -> impl FnOnce(&mut NewQueued) {
    move |new| new.handling.priority = Priority::new(level).unwrap()
}

/// Queues as many messages as that, to one destination after the other.
async fn send(lab: &Lab, name: &str, count: usize, level: i8) {
    for number in 0..count {
        lab.send(&[&format!("{name}{number}@d{}.example", number % DESTINATIONS)], of(level)).await;
    }
}

/// Where recipients of this name stand among what was received.
fn places(received: &[Received], name: &str) -> Vec<usize> {
    let is = |mail: &Received| mail.recipients[0].starts_with(name);
    received.iter().enumerate().filter(|(_, mail)| is(mail)).map(|(place, _)| place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_overtakes_the_whole_backlog_and_what_can_wait_arrives_too() {
    let (mut lab, sink) = Lab::with_sink().await;
    for number in 0..DESTINATIONS {
        lab.zone.mx(&format!("d{number}.example"), &[("mx.two.example", "127.0.0.2")]);
    }
    sink.take_time(Duration::from_millis(20));
    send(&lab, "bulk", 240, -4).await;
    send(&lab, "normal", 120, 0).await;
    let worker = lab.worker(sink.address.port(), |config| {
        config.waiting_max = 40;
        config.leased_ahead_max = 8;
        config.pace.lanes_initial = 1;
        config.pace.lanes_max = 1;
    });
    sink.wait_for(40).await;
    lab.send(&["urgent@d3.example"], of(4)).await;
    let before = sink.received().len();
    lab.events(361).await;
    let received = sink.received();
    let urgent = places(&received, "urgent")[0];
    assert!(urgent < before + 60, "queued when {before} had arrived, it was number {urgent}");
    let last = places(&received, "normal").pop().unwrap();
    let bulk = places(&received, "bulk").iter().filter(|place| **place < last).count();
    assert!((1..120).contains(&bulk), "{bulk} that could wait came before others: not all, nor none");
    lab.stop(worker).await;
}
