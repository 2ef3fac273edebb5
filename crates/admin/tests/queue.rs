//! The operator's side of the queue, over the real state machine in memory: two groups, two domains, mail that waits and mail that ended.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;

use tonic::{Code, Request, Status};
use yubin_proto::Caller;
use yubin_proto::r#gen::admin as api_types;
use yubin_proto::r#gen::admin::admin_client::AdminClient;
use yubin_proto::r#gen::admin::admin_server::Admin as _;
use yubin_state::queue::{
    DelayNotice, DeliveryKey, DeliveryResult, Postponed, RecipientOutcome, RemoteReply, WaitCause as Cause, Waits,
};
use yubin_types::{DestinationName, EnhancedStatus, QueueId, RequestId, Timestamp};

use api::{World, message};
use api_types::{
    ControlQueueRequest, ControlQueueResponse, Delivery, DeliveryState, FollowedEvent, GetQueuedMessageRequest,
    ListEventsRequest, ListQueueRequest, ListQueueSuspensionsRequest, Outcome, QueueAction, QueueSelection,
    ResumeQueueRequest, SummarizeQueueRequest, SuspendQueueRequest, WaitCause, WatchEventsRequest,
};

const A: &str = "a.example";
const B: &str = "b.example";

fn id(number: u8) -> String {
    QueueId([number; 16]).to_string()
}

/// Mail of A (group 1): 1 to two destinations, 2, and a notice 3. Of B (group 2): 4.
async fn filled() -> World {
    let world = World::new(&[(A, 1), (B, 2)]).await;
    world.enqueue(A, message(1, "ann@a.example", &["x@far.example", "y@near.example"])).await;
    world.enqueue(A, message(2, "bob@a.example", &["x@far.example", "z@far.example"])).await;
    world.enqueue(A, message(3, "", &["ann@elsewhere.example"])).await;
    world.enqueue(B, message(4, "carl@b.example", &["x@far.example"])).await;
    world
}

impl World {
    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        request
    }

    /// All pages of a listing.
    async fn list(&self, selection: QueueSelection, page_size: u32) -> Result<Vec<Delivery>, Status> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let selection = Some(selection.clone());
            let request = self.ask(ListQueueRequest { selection, page_size, page_token });
            let page = self.service.list_queue(request).await?.into_inner();
            assert!(page.deliveries.len() <= page_size as usize);
            all.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = page.next_page_token;
        }
    }

    async fn control(&self, selection: QueueSelection, action: QueueAction) -> Result<ControlQueueResponse, Status> {
        let everything = selection == QueueSelection::default();
        let request = ControlQueueRequest {
            selection: Some(selection),
            everything,
            action: action.into(),
            reason: "look at it".into(),
            page_token: String::new(),
        };
        let mut sum = ControlQueueResponse::default();
        let mut page_token = String::new();
        loop {
            let step = self.ask(ControlQueueRequest { page_token, ..request.clone() });
            let step = self.service.control_queue(step).await?.into_inner();
            sum.done += step.done;
            sum.unchanged += step.unchanged;
            sum.gone += step.gone;
            if step.next_page_token.is_empty() {
                return Ok(sum);
            }
            page_token = step.next_page_token;
        }
    }
}

fn to(destination: &str) -> QueueSelection {
    QueueSelection { destination: destination.into(), ..Default::default() }
}

fn shown(deliveries: &[Delivery]) -> Vec<(String, String)> {
    deliveries.iter().map(|one| (one.id.clone(), one.destination.clone())).collect()
}

#[tokio::test]
async fn mail_of_all_groups_is_listed_page_by_page() {
    let world = filled().await;
    let all =
        [(1, "far.example"), (1, "near.example"), (2, "far.example"), (3, "elsewhere.example"), (4, "far.example")];
    let all = all.map(|(number, destination)| (id(number), destination.to_owned()));
    for page_size in [1, 2, 1_000] {
        assert_eq!(shown(&world.list(QueueSelection::default(), page_size).await.unwrap()), all);
    }
    let first = &world.list(to("near.example"), 10).await.unwrap()[0];
    assert_eq!(first.recipients[0].address, "y@near.example");
    assert_eq!((first.sender.as_str(), first.message_id.as_str()), ("ann@a.example", "<1@a.example>"));
    assert_eq!((first.state(), first.attempts, first.bytes), (DeliveryState::Scheduled, 0, 11));
}

#[tokio::test]
async fn a_selection_is_everything_that_is_set_together() {
    let world = filled().await;
    let numbers = async |selection: QueueSelection| {
        let found = world.list(selection, 10).await.unwrap();
        (1..=4).filter(|number| found.iter().any(|one| one.id == id(*number))).collect::<Vec<u8>>()
    };
    let base = QueueSelection::default;
    assert_eq!(numbers(to("far.example")).await, [1, 2, 4]);
    assert_eq!(numbers(QueueSelection { domain: A.into(), ..to("far.example") }).await, [1, 2]);
    assert_eq!(numbers(QueueSelection { sender: "BOB@a.example".into(), ..base() }).await, [2]);
    assert_eq!(numbers(QueueSelection { sender: "<>".into(), ..base() }).await, [3]);
    assert_eq!(numbers(QueueSelection { recipient: "z@far.example".into(), ..base() }).await, [2]);
    assert_eq!(numbers(QueueSelection { message_id: "<4@a.example>".into(), ..base() }).await, [4]);
    assert_eq!(numbers(QueueSelection { id: id(1), ..to("near.example") }).await, [1]);
    assert!(numbers(QueueSelection { state: DeliveryState::Held.into(), ..base() }).await.is_empty());

    for (wrong, code) in [
        (QueueSelection { id: "1".into(), ..base() }, Code::InvalidArgument),
        (QueueSelection { id: id(1), sender: "<>".into(), ..base() }, Code::InvalidArgument),
        (QueueSelection { id: id(9), ..base() }, Code::NotFound),
        (QueueSelection { domain: "none.example".into(), ..base() }, Code::NotFound),
    ] {
        assert_eq!(world.list(wrong, 10).await.unwrap_err().code(), code);
    }
    let forged = world.ask(ListQueueRequest { page_token: "1:x:y".into(), ..Default::default() });
    assert_eq!(world.service.list_queue(forged).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn mail_is_held_released_and_cancelled_across_groups() {
    let world = filled().await;
    let held = world.control(to("far.example"), QueueAction::Hold).await.unwrap();
    assert_eq!((held.done, held.unchanged), (3, 0));
    let again = world.control(to("far.example"), QueueAction::Hold).await.unwrap();
    assert_eq!((again.done, again.unchanged), (0, 3));
    let listed =
        world.list(QueueSelection { state: DeliveryState::Held.into(), ..Default::default() }, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!((listed[0].held_reason.as_str(), listed[0].next_attempt_time_ms), ("look at it", None));

    // A notice's sender names no domain; the directory does.
    assert_eq!(
        world.control(QueueSelection { id: id(3), ..Default::default() }, QueueAction::Cancel).await.unwrap().done,
        1
    );
    assert_eq!(world.control(to("far.example"), QueueAction::Release).await.unwrap().done, 3);
    assert_eq!(world.control(QueueSelection::default(), QueueAction::Cancel).await.unwrap().done, 4);
    assert!(world.list(QueueSelection::default(), 10).await.unwrap().is_empty());

    let gone = world.ask(GetQueuedMessageRequest { id: id(1) });
    assert_eq!(world.service.get_queued_message(gone).await.unwrap_err().code(), Code::NotFound);
    let ended = world.service.list_events(world.ask(ListEventsRequest::default())).await.unwrap().into_inner();
    assert!(ended.events.iter().all(|event| event.outcome() == Outcome::Cancelled));
}

/// By a slip, nothing happens to everything.
#[tokio::test]
async fn no_selection_is_not_everything() {
    let world = filled().await;
    let cancel = ControlQueueRequest { action: QueueAction::Cancel.into(), ..Default::default() };
    assert_eq!(world.service.control_queue(world.ask(cancel)).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(world.list(QueueSelection::default(), 10).await.unwrap().len(), 5);
    let stranger = Request::new(ListQueueRequest::default());
    assert_eq!(world.service.list_queue(stranger).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_waits_is_counted_by_destination() {
    let world = filled().await;
    world.control(QueueSelection { domain: B.into(), ..Default::default() }, QueueAction::Hold).await.unwrap();
    let ask = SummarizeQueueRequest { domain: String::new(), page_size: 3 };
    let sums = world.service.summarize_queue(world.ask(ask)).await.unwrap().into_inner();
    assert_eq!((sums.messages, sums.deliveries, sums.bytes), (4, 5, 44));
    let line = &sums.lines[0];
    assert_eq!((line.destination.as_str(), line.state()), ("far.example", DeliveryState::Scheduled));
    assert_eq!((line.deliveries, line.recipients, line.bytes), (2, 3, 22));
    assert_eq!((sums.lines.len(), sums.more), (3, 1));
    let of_b = SummarizeQueueRequest { domain: B.into(), page_size: 0 };
    let sums = world.service.summarize_queue(world.ask(of_b)).await.unwrap().into_inner();
    assert_eq!((sums.messages, sums.lines[0].state()), (1, DeliveryState::Held));
}

/// WEBL-11: Gmail's refusal is shown with what it means and what to do; and the end of every recipient can be looked up.
#[tokio::test]
async fn what_a_server_said_is_explained_and_ends_can_be_found() {
    let world = filled().await;
    let domain = world.domains[A].domain;
    let key = DeliveryKey { domain, id: QueueId([2; 16]), destination: DestinationName::parse("far.example").unwrap() };
    let caller = Caller::internal("worker");
    let group = world.domains[A].group;
    let leased = world.client.lease(group, "w", 60, vec![key.clone()], &caller).await.unwrap().pop().unwrap();
    let flying =
        world.list(QueueSelection { state: DeliveryState::InFlight.into(), ..Default::default() }, 10).await.unwrap();
    assert_eq!((flying[0].id.clone(), flying[0].worker.as_str()), (id(2), "w"));
    let said = |code: u16, enhanced: (u8, u16, u16), text: &str| RemoteReply {
        code,
        enhanced: Some(EnhancedStatus::new(enhanced.0, enhanced.1, enhanced.2)),
        text: text.into(),
        host: "gmail-smtp-in.l.google.com[192.0.2.1]".into(),
        at: Timestamp(1),
        way: None,
    };
    let result = DeliveryResult {
        delivery: key,
        token: leased.token,
        attempted: Timestamp(1),
        reply: None,
        recipients: vec![
            (0, RecipientOutcome::Bounced(said(550, (5, 7, 26), "sender is unauthenticated"))),
            (1, RecipientOutcome::Deferred(said(450, (4, 2, 2), "over quota"))),
        ],
        next_attempt: None,
        delay_notice: DelayNotice::NotSent,
        notices: Vec::new(),
    };
    let stale = world.client.record(group, vec![result], (RequestId([9; 16]), &caller), Vec::new()).await.unwrap();
    assert_eq!(stale, [] as [u32; 0]);

    let request = world.ask(GetQueuedMessageRequest { id: id(2) });
    let waiting = world.service.get_queued_message(request).await.unwrap().into_inner();
    let left = &waiting.deliveries[0].recipients;
    assert_eq!(left.iter().map(|one| one.address.as_str()).collect::<Vec<_>>(), ["z@far.example"]);
    assert_eq!(left[0].last_reply.as_ref().unwrap().reason, "mailbox-full");

    for filter in [
        ListEventsRequest { address: "X@far.example".into(), ..Default::default() },
        ListEventsRequest { address: "bob@a.example".into(), domain: A.into(), ..Default::default() },
        ListEventsRequest { id: id(2), ..Default::default() },
        ListEventsRequest {
            message_id: "<2@a.example>".into(),
            outcome: Outcome::Bounced.into(),
            ..Default::default()
        },
    ] {
        let found = world.service.list_events(world.ask(filter)).await.unwrap().into_inner().events;
        assert_eq!(found.len(), 1);
        let reply = found[0].reply.as_ref().unwrap();
        assert_eq!((found[0].recipient.as_str(), found[0].outcome()), ("x@far.example", Outcome::Bounced));
        assert_eq!((reply.code, reply.enhanced.as_str(), reply.reason.as_str()), (550, "5.7.26", "unauthenticated"));
        assert!(reply.advice_en.contains("SPF") && reply.advice_ja.contains("SPF"));
    }
    let other = ListEventsRequest { address: "nobody@far.example".into(), ..Default::default() };
    assert!(world.service.list_events(world.ask(other)).await.unwrap().into_inner().events.is_empty());
}

/// Whoever asks why mail waits is told in words that can be passed on, and the first thing that holds.
#[tokio::test]
async fn why_mail_waits_is_told_in_words() {
    let world = filled().await;
    let why = async || {
        let request = world.ask(GetQueuedMessageRequest { id: id(2) });
        let shown = world.service.get_queued_message(request).await.unwrap().into_inner().deliveries.remove(0);
        (shown.wait(), shown.why, shown.destination_reply.map(|reply| reply.code))
    };
    assert_eq!(why().await.0, WaitCause::Turn, "it is due");
    let (group, caller) = (world.domains[A].group, Caller::internal("worker"));
    let to = DestinationName::parse("far.example").unwrap();
    let delivery = DeliveryKey { domain: world.domains[A].domain, id: QueueId([2; 16]), destination: to.clone() };
    let heard = RemoteReply {
        code: 421,
        enhanced: Some(EnhancedStatus::new(4, 7, 0)),
        text: "try later".into(),
        host: "mx.far.example[192.0.2.1]".into(),
        at: Timestamp(1),
        way: None,
    };
    let waits = std::collections::BTreeMap::from([(to, Waits { cause: Cause::Paused, heard: Some(heard) })]);
    let items = vec![Postponed { delivery, token: None, until: Timestamp(u64::MAX / 2) }];
    assert_eq!(world.client.postpone(group, (items, waits), &caller).await.unwrap(), [] as [u32; 0]);
    let (cause, words, code) = why().await;
    assert_eq!((cause, code), (WaitCause::Paused, Some(421)));
    assert!(words.ends_with("; last: mx.far.example[192.0.2.1] said 421 4.7.0 try later"), "{words}");

    let suspend =
        SuspendQueueRequest { destination: "far.example".into(), reason: "asked by them".into(), ..Default::default() };
    world.service.suspend_queue(world.ask(suspend)).await.unwrap();
    let (cause, words, _) = why().await;
    assert_eq!((cause, words.as_str()), (WaitCause::Suspended, "mail to far.example is suspended: asked by them"));
    world.control(QueueSelection { id: id(2), ..Default::default() }, QueueAction::Hold).await.unwrap();
    assert_eq!(why().await.0, WaitCause::Held);
}

/// What ends is followed over all groups, from any place on, until the service ends.
#[tokio::test]
async fn ends_are_followed_until_the_service_ends() {
    let world = filled().await;
    let cancel = async |number: u8| {
        world.control(QueueSelection { id: id(number), ..Default::default() }, QueueAction::Cancel).await.unwrap();
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let over = async { drop(stopped.await) };
    let serving = tokio::spawn(yubin_admin::serve(listener, world.service.clone(), Box::pin(over)));
    let mut admin = AdminClient::connect(format!("http://{address}")).await.unwrap();
    let told_now = async |admin: &mut AdminClient<_>, request: WatchEventsRequest| {
        let request = WatchEventsRequest { until_now: true, ..request };
        let mut told = admin.watch_events(world.ask(request)).await.unwrap().into_inner();
        let mut found = Vec::new();
        while let Some(FollowedEvent { event, cursor }) = told.message().await.unwrap() {
            found.extend(event.map(|event| (event.recipient, cursor)));
        }
        found
    };
    cancel(3).await;
    cancel(4).await;
    let all = WatchEventsRequest { from_time_ms: Some(0), ..Default::default() };
    let found = told_now(&mut admin, all.clone()).await;
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ann@elsewhere.example", "x@far.example"], "of both groups");
    let behind = WatchEventsRequest { cursor: found[0].1.clone(), ..Default::default() };
    assert_eq!(told_now(&mut admin, behind).await[0], found[1]);
    let of_b = WatchEventsRequest { domain: B.into(), ..all.clone() };
    assert_eq!(told_now(&mut admin, of_b).await[0].0, "x@far.example");
    let elsewhere = WatchEventsRequest { destination: "elsewhere.example".into(), ..all };
    assert_eq!(told_now(&mut admin, elsewhere).await.len(), 1);

    let behind = WatchEventsRequest { cursor: found[1].1.clone(), ..Default::default() };
    let mut told = admin.watch_events(world.ask(behind)).await.unwrap().into_inner();
    assert_eq!(told.message().await.unwrap().unwrap().event, None, "where it begins");
    cancel(2).await;
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(told.message().await.unwrap().unwrap().event.unwrap().recipient);
    }
    assert_eq!(names, ["x@far.example", "z@far.example"]);
    stop.send(()).unwrap();
    assert!(told.message().await.unwrap().is_none());
    drop((told, admin));
    serving.await.unwrap().unwrap();
    let wrong = WatchEventsRequest { cursor: "nonsense".into(), ..Default::default() };
    let refused = world.service.watch_events(world.ask(wrong)).await;
    assert_eq!(refused.err().map(|status| status.code()), Some(Code::InvalidArgument));
}

#[tokio::test]
async fn mail_is_suspended_by_destination_or_domain_for_a_while() {
    let world = filled().await;
    let suspend = |destination: &str, domain: &str, seconds| {
        let (destination, domain) = (destination.into(), domain.into());
        world.ask(SuspendQueueRequest {
            destination,
            domain,
            source: String::new(),
            reason: "asked by them".into(),
            seconds,
        })
    };
    let listed = async || {
        let listed = world.service.list_queue_suspensions(world.ask(ListQueueSuspensionsRequest {})).await.unwrap();
        listed.into_inner().suspensions
    };
    world.service.suspend_queue(suspend("Far.Example", "", Some(3_600))).await.unwrap();
    world.service.suspend_queue(suspend("", A, None)).await.unwrap();
    let found = listed().await;
    let names: Vec<_> = found.iter().map(|one| (one.destination.as_str(), one.domain.as_str())).collect();
    assert!(names.contains(&("far.example", "")) && names.contains(&("", A)), "{names:?}");
    let far = found.iter().find(|one| one.domain.is_empty()).unwrap();
    // The two times are of two clocks.
    let lasts_ms = far.expire_time_ms.unwrap() - far.since_time_ms;
    assert!(lasts_ms.abs_diff(3_600_000) < 60_000, "{lasts_ms}");

    for (wrong, code) in [
        (suspend("", "", None), Code::InvalidArgument),
        (suspend("far.example", A, None), Code::InvalidArgument),
        (suspend("", "none.example", None), Code::NotFound),
    ] {
        assert_eq!(world.service.suspend_queue(wrong).await.unwrap_err().code(), code);
    }
    let resume = ResumeQueueRequest { destination: "far.example".into(), ..Default::default() };
    world.service.resume_queue(world.ask(resume.clone())).await.unwrap();
    assert_eq!(listed().await.len(), 1);
    assert_eq!(world.service.resume_queue(world.ask(resume)).await.unwrap_err().code(), Code::NotFound);
}
