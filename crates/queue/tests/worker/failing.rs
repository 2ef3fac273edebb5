//! Receivers that refuse, hang up and lie dead: every recipient comes to exactly one end, and none too early.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use yubin_proto::Caller;
use yubin_proto::queue::whole_group;
use yubin_state::queue::{
    DelayNotice, Delivery, DeliveryState, DestinationName, FinalOutcome, QueueFilter, QueueSuspension, SuspensionScope,
    WaitCause, Waits,
};
use yubin_state::record::{NoticeProfile, RetryTerms};
use yubin_types::{ReversePath, Timestamp};

use crate::lab::{GROUP, Lab};
use crate::sink::{Fate, Sink, Tls};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deferred_is_tried_again_at_its_time() {
    let (mut lab, sink) = Lab::with_sink().await;
    sink.then([Fate::Reply("451 4.3.0 disk trouble"), Fate::DropBeforeDot, Fate::DropAfterDot]);
    let worker = lab.worker(sink.address.port(), |_| {});
    let id = lab.send(&["a@two.example"], |_| {}).await;
    for (attempts, text) in [
        (1, "disk trouble"),
        (2, "lost connection while waiting for the reply to end of DATA"),
        (3, "lost connection while waiting for the reply to end of DATA"),
    ] {
        let tried = |found: &[Delivery]| matches!(found, [delivery] if is_scheduled(delivery, attempts));
        let delivery = lab.queued(tried).await.remove(0);
        assert_eq!(delivery.recipients[0].last_reply.as_ref().unwrap().text, text);
        let waits_ms = delivery.next_attempt.millis_since(delivery.last_attempt.unwrap());
        assert!((9_900..14_000).contains(&waits_ms), "{waits_ms}");
        // The sender is not told yet.
        assert_eq!(delivery.delay_notice, DelayNotice::NotSent);
        lab.retry(id, "two.example").await;
    }
    let events = lab.events(1).await;
    assert_eq!((events[0].event.outcome, events[0].event.attempts), (FinalOutcome::Delivered, 4));
    // The receiver that took it and said nothing has it twice: nobody could know.
    assert_eq!(sink.received().len(), 2);
    lab.stop(worker).await;
}

fn is_scheduled(delivery: &Delivery, attempts: u32) -> bool {
    delivery.state == DeliveryState::Scheduled && delivery.attempts == attempts
}

/// Attack list, item 12.
#[tokio::test(flavor = "multi_thread")]
async fn the_null_sender_is_told_nothing() {
    let (mut lab, sink) = Lab::with_sink().await;
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.zone.null_mx("null.example");
    lab.send(&["gone@two.example", "x@nowhere.example", "y@null.example"], |new| new.sender = ReversePath::Null).await;
    let events = lab.events(3).await;
    assert!(events.iter().all(|record| record.event.outcome == FinalOutcome::Bounced));
    assert!(lab.queued(<[_]>::is_empty).await.is_empty());
    assert!(lab.inbox("ann").await.is_empty());
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_host_is_tried_where_one_is_down_or_closing() {
    let (mut lab, second) = Lab::with_sink().await;
    let port = second.address.port();
    let closing = Sink::start("127.0.0.4", port, Tls::None).await;
    closing.greet(Some("421 4.3.2 closing for today"));
    // Nobody listens at 127.0.0.5.
    let hosts = [("dead.example", "127.0.0.5"), ("closing.example", "127.0.0.4"), ("mx.two.example", "127.0.0.2")];
    lab.zone.mx("three.example", &hosts);
    let worker = lab.worker(port, |_| {});
    lab.send(&["a@three.example"], |_| {}).await;
    second.wait_for(1).await;
    assert_eq!(lab.events(1).await[0].event.outcome, FinalOutcome::Delivered);
    assert_eq!(closing.connections(), 1);
    lab.stop(worker).await;
}

/// Most mail to a dead destination is never tried: one delivery probes it, the others wait for what comes of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_delay_is_told_once_and_the_end_of_time_is_a_bounce() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.zone.mx("dead.example", &[("mx.dead.example", "127.0.0.3")]);
    lab.set_terms(RetryTerms {
        first_waits_seconds: vec![10],
        wait_seconds_max: 10,
        lifetime_seconds: 12,
        delay_notice_seconds: Some(2),
        notices: NoticeProfile::Plain,
    })
    .await;
    let worker = lab.worker(sink.address.port(), |config| {
        config.pace.lanes_initial = 1;
        config.pace.pause_ms_min = 60_000;
        config.pace.pause_ms_max = 60_000;
    });
    for number in 0..5 {
        lab.send(&[&format!("a{number}@dead.example")], |_| {}).await;
    }
    let told = |delivery: &Delivery| delivery.delay_notice == DelayNotice::Sent;
    lab.queued(|found| found.iter().filter(|one| told(one)).count() == 5).await;
    // Five that expire, and the notices to their sender.
    let events = lab.events(15).await;
    let expired = events.iter().filter(|record| record.event.outcome == FinalOutcome::Expired).count();
    assert_eq!(expired, 5);
    let notices = lab.inbox("ann").await;
    let count = |action: &str| notices.iter().filter(|notice| notice.contains(action)).count();
    assert_eq!((count("Action: delayed"), count("Action: failed")), (5, 5));
    lab.stop(worker).await;
}

/// Whoever is suspended sends nothing, not even at the end of a message's time.
#[tokio::test(flavor = "multi_thread")]
async fn suspended_mail_ends_without_an_attempt() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.set_terms(RetryTerms {
        first_waits_seconds: vec![10],
        wait_seconds_max: 10,
        lifetime_seconds: 2,
        delay_notice_seconds: None,
        notices: NoticeProfile::Plain,
    })
    .await;
    let suspension = QueueSuspension {
        scope: SuspensionScope::Destination(DestinationName::parse("two.example").unwrap()),
        reason: "test".to_owned(),
        since: Timestamp(0),
        expires: None,
    };
    lab.client.suspend_queue(suspension, &Caller::internal("test")).await.unwrap();
    lab.send(&["a@two.example"], |_| {}).await;
    let worker = lab.worker(sink.address.port(), |_| {});
    let events = lab.events(2).await;
    assert!(events.iter().any(|record| record.event.outcome == FinalOutcome::Expired));
    assert_eq!(lab.inbox("ann").await.len(), 1, "its sender is told");
    lab.stop(worker).await;
    assert_eq!(sink.connections(), 0);
}

/// Three complaints begin a pause: what comes after them is never tried, and waits for the same reason.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_nobody_tried_is_told_what_its_destination_said_last() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.set_terms(RetryTerms {
        first_waits_seconds: vec![600],
        wait_seconds_max: 600,
        lifetime_seconds: 10,
        delay_notice_seconds: None,
        notices: NoticeProfile::Plain,
    })
    .await;
    sink.greet(Some("421 4.3.2 closed for today"));
    let worker = lab.worker(sink.address.port(), |config| {
        config.pace.lanes_initial = 1;
        config.pace.pause_ms_min = 60_000;
        config.pace.pause_ms_max = 60_000;
    });
    for number in 0..6 {
        lab.send(&[&format!("a{number}@two.example")], |_| {}).await;
    }
    let untried = |found: &[Delivery]| {
        // Put off to after the time at which it is looked at in any case: its end.
        found.iter().filter(|one| one.attempts == 0 && one.next_attempt == one.expires).count() == 3
    };
    lab.queued(untried).await;
    let page = lab.client.list_queue(whole_group(GROUP), QueueFilter::default(), None, 100).await.unwrap();
    let waits: Vec<_> = page.obstacles.destinations.into_values().collect();
    let [Waits { cause: WaitCause::Paused, heard: Some(heard) }] = &waits[..] else { panic!("{waits:?}") };
    assert_eq!((heard.code, heard.text.as_str()), (421, "closed for today"));
    // All of them expire; a bounce each.
    lab.events(12).await;
    let notices = lab.inbox("ann").await;
    assert_eq!(
        notices.iter().filter(|notice| notice.contains("421 4.3.2 closed for today")).count(),
        6,
        "{notices:#?}"
    );
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_a_domain_comes_before_the_worker_s_configuration() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.set_terms(RetryTerms {
        first_waits_seconds: vec![10],
        wait_seconds_max: 10,
        lifetime_seconds: 2,
        delay_notice_seconds: None,
        notices: NoticeProfile::Qmail,
    })
    .await;
    sink.greet(Some("421 4.3.2 not today"));
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.send(&["a@two.example"], |_| {}).await;
    let events = lab.events(2).await;
    let expired = events.iter().find(|record| record.event.recipient.local.as_str() == "a").unwrap();
    assert_eq!(expired.event.outcome, FinalOutcome::Expired, "after two seconds, not five days");
    let [notice] = &lab.inbox("ann").await[..] else { panic!("one notice") };
    assert!(notice.contains("Hi. This is the qmail-send program at mta.one.example"), "{notice}");
    lab.stop(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_leaves_nothing_leased() {
    let (mut lab, sink) = Lab::with_sink().await;
    let worker = lab.worker(sink.address.port(), |_| {});
    for number in 0..50 {
        lab.send(&[&format!("a{number}@two.example")], |_| {}).await;
    }
    sink.wait_for(5).await;
    worker.shutdown(Duration::from_secs(10)).await;
    let left = lab.queued(|_| true).await;
    assert!(left.iter().all(|delivery| delivery.state == DeliveryState::Scheduled), "{left:#?}");
    assert!(left.iter().all(|delivery| delivery.next_attempt <= Timestamp(u64::MAX / 2)));
    assert_eq!(left.len() + sink.received().len(), 50, "sent or waiting, none both");
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.events(50).await;
    assert_eq!(sink.received().len(), 50);
    lab.stop(worker).await;
}

/// Two recipients in two transactions, of which the second never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_cut_off_has_delivered_what_it_has() {
    for time_max in [Duration::from_secs(2), Duration::from_secs(600)] {
        let (mut lab, sink) = Lab::with_sink().await;
        let word = Arc::new(Notify::new());
        sink.then([Fate::Reply("250 ok"), Fate::TakeAfter(Arc::clone(&word))]);
        let worker = lab.worker(sink.address.port(), |config| {
            config.recipients_per_transaction_max = 1;
            config.delivery_time_max = time_max;
        });
        lab.send(&["a@two.example", "b@two.example"], |_| {}).await;
        sink.wait_for(1).await;
        if time_max > Duration::from_secs(60) {
            // The second transaction is under way when the worker ends without grace.
            worker.shutdown(Duration::from_millis(500)).await;
        } else {
            lab.events(1).await;
            worker.shutdown(Duration::from_secs(10)).await;
        }
        let delivered = &lab.events(1).await[0].event;
        assert_eq!((delivered.recipient.local.as_str(), delivered.outcome), ("a", FinalOutcome::Delivered));
        let left = lab.queued(|found| matches!(found, [one] if one.recipients.len() == 1)).await.remove(0);
        assert!(is_scheduled(&left, 1) && left.recipients[0].local.as_str() == "b", "{left:#?}");
        lab.close().await;
    }
}
