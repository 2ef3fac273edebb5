//! What the store counts in its queue, for whoever watches the cluster.

use yubin_state::queue::DeliveryStatus;
use yubin_store::{Backlog, Waiting};

use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_until_it_is_delivered() {
    let (mut lab, sink) = Lab::with_sink().await;
    lab.zone.mx("three.example", &[("mx.two.example", "127.0.0.2")]);
    lab.send(&["a@two.example", "b@two.example", "c@three.example"], |_| {}).await;
    let waits = |backlog: &Backlog| {
        let Waiting { deliveries, recipients, bytes } = backlog.with(DeliveryStatus::Scheduled);
        (deliveries, recipients) == (2, 3) && bytes > 100 && backlog.oldest().is_some()
    };
    lab.backlog(waits).await;
    let worker = lab.worker(sink.address.port(), |_| {});
    lab.events(3).await;
    lab.backlog(|backlog| *backlog == Backlog::default()).await;
    lab.stop(worker).await;
}
