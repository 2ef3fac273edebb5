//! Mail on its way out: taken in whole or not at all, leased to one worker at a time, recorded once.

use std::collections::BTreeMap;

use bytes::Bytes;
use yubin_state::command::{DirectoryCommand, DomainCommand, Login, MaintenanceCommand};
use yubin_state::keys::{self, Table};
use yubin_state::queue::{
    ContentFacts, DelayNotice, Delivery, DeliveryKey, DeliveryResult, DeliveryState, DestinationName, DsnEnvelope,
    EnqueuedLease, EventRecord, FinalOutcome, Handling, Leased, Lessee, NewDelivery, NewQueued, NewQueuedRecipient,
    NoticeKind, NotifySet, Postponed, QueueAnswer, QueueCommand, QueueId, QueueQuery, QueueReply, QueueSource,
    QueueTotals, RecipientOutcome, RemoteReply, Tenant,
};
use yubin_state::record::{NoticeProfile, Plan, RetryTerms};
use yubin_state::reply::More;
use yubin_state::{Answer, Command, DedupeClass, Query, Reply, Topic};
use yubin_types::{Address, DomainId, DomainName, Refusal, RequestId, ReversePath, Timestamp, TraceId, limits};

use crate::lab::{D1, D2, DAY, EPOCH, Lab, local, plan, refused};

pub(crate) const GROUP: DomainId = DomainId(0);

pub(crate) fn id(number: u8) -> QueueId {
    QueueId([number; 16])
}

pub(crate) fn destination(text: &str) -> DestinationName {
    DestinationName::parse(text).unwrap()
}

pub(crate) fn key(number: u8, to: &str) -> DeliveryKey {
    DeliveryKey { domain: D1, id: id(number), destination: destination(to) }
}

/// A message to addresses, one delivery for each domain among them.
pub(crate) fn message(number: u8, to: &[&str]) -> NewQueued {
    let mut deliveries: Vec<NewDelivery> = Vec::new();
    for address in to {
        let (user, domain) = address.rsplit_once('@').unwrap();
        let recipient = NewQueuedRecipient { local: local(user), notify: NotifySet::default(), orcpt: None };
        match deliveries.iter_mut().find(|delivery| delivery.destination == destination(domain)) {
            Some(delivery) => delivery.recipients.push(recipient),
            None => deliveries.push(NewDelivery { destination: destination(domain), recipients: vec![recipient] }),
        }
    }
    NewQueued {
        id: id(number),
        sender: ReversePath::Address(Address::parse("ann@one.example").unwrap()),
        source: QueueSource::Returned,
        message_id: Some(format!("<{number}@one.example>")),
        body_ordinal: 0,
        body_bytes: 100,
        prefix: Bytes::from_static(b"Received: x\r\n"),
        content: ContentFacts::default(),
        dsn: DsnEnvelope::default(),
        handling: Handling::default(),
        lifetime_seconds: 5 * DAY,
        deliveries,
    }
}

/// The lease that comes with a message of a domain.
pub(crate) fn enqueued(domain: DomainId, token: u64, queued: Timestamp, seconds: u64) -> EnqueuedLease {
    let name = DomainName::parse(if domain == D2 { "two.example" } else { "one.example" }).unwrap();
    let tenant = Tenant { name, plan: plan().name };
    EnqueuedLease { token, queued, until: queued.plus_seconds(seconds), terms: None, tenant }
}

pub(crate) fn notice(number: u8, body_ordinal: u16) -> NewQueued {
    let source = QueueSource::Notice(NoticeKind::Failure);
    NewQueued { sender: ReversePath::Null, source, body_ordinal, ..message(number, &["ann@one.example"]) }
}

pub(crate) fn said(code: u16) -> RemoteReply {
    RemoteReply {
        code,
        enhanced: None,
        text: "so it is".to_owned(),
        host: "mx.b.example".to_owned(),
        at: Timestamp(1),
        way: None,
    }
}

/// What came of a lease: outcomes by place, and when to try again.
pub(crate) fn result(leased: &Leased, recipients: Vec<(u16, RecipientOutcome)>, next: Timestamp) -> DeliveryResult {
    let (delivery, token) = (leased.key(), leased.token);
    DeliveryResult { delivery, token, next_attempt: Some(next), ..blank(recipients) }
}

/// Outcomes by place, of a delivery that is still to be named.
fn blank(recipients: Vec<(u16, RecipientOutcome)>) -> DeliveryResult {
    DeliveryResult {
        delivery: key(0, "b.example"),
        token: 0,
        attempted: Timestamp(7),
        reply: None,
        recipients,
        next_attempt: None,
        delay_notice: DelayNotice::NotSent,
        notices: Vec::new(),
    }
}

pub(crate) fn delivered(leased: &Leased) -> DeliveryResult {
    result(leased, vec![(0, RecipientOutcome::Delivered(said(250)))], Timestamp(0))
}

impl Lab {
    pub(crate) fn queue(&mut self, domain: DomainId, command: QueueCommand) -> Reply {
        self.run(domain, Command::Queue(command))
    }

    pub(crate) fn enqueue(&mut self, messages: Vec<NewQueued>) -> Reply {
        self.queue(D1, QueueCommand::Enqueue { login: None, messages })
    }

    pub(crate) fn enqueued(&mut self, number: u8, to: &[&str]) {
        assert_eq!(self.enqueue(vec![message(number, to)]), Reply::Done);
    }

    pub(crate) fn lease(&mut self, seconds: u64, items: Vec<DeliveryKey>) -> Vec<Leased> {
        match self.queue(GROUP, QueueCommand::Lease { worker: "w".to_owned(), seconds, items }) {
            Reply::Queue(QueueReply::Leased(leased)) => leased,
            other => panic!("{other:?}"),
        }
    }

    /// Records, and answers what was stale.
    pub(crate) fn record(&mut self, results: Vec<DeliveryResult>) -> Vec<u32> {
        stale(&self.queue(GROUP, QueueCommand::Record { results }))
    }

    pub(crate) fn ask_queue(&self, domain: DomainId, query: QueueQuery) -> QueueAnswer {
        match self.ask(domain, &Query::Queue(query)) {
            Answer::Queue(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delivery(&self, number: u8, to: &str) -> Option<Delivery> {
        match self.ask(D1, &Query::Queue(QueueQuery::Message(id(number)))) {
            Answer::Queue(QueueAnswer::Message { deliveries, .. }) => {
                deliveries.into_iter().find(|delivery| delivery.destination == destination(to))
            }
            _ => None,
        }
    }

    pub(crate) fn totals(&self) -> QueueTotals {
        match self.ask_queue(D1, QueueQuery::Totals) {
            QueueAnswer::Totals(totals) => totals,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn events(&self) -> Vec<EventRecord> {
        match self.ask_queue(GROUP, QueueQuery::Events { filter: Default::default(), after: None, limit: 1_000 }) {
            QueueAnswer::Events { events, next: None } => events,
            other => panic!("{other:?}"),
        }
    }

    /// Recipient and end of all events.
    pub(crate) fn ends(&self) -> Vec<(String, FinalOutcome)> {
        self.events().into_iter().map(|record| (record.event.recipient.to_string(), record.event.outcome)).collect()
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
    }

    fn kept(&self, table: Table) -> usize {
        let span = keys::all_rows(table);
        self.state.rows.range(span.from..span.to).count()
    }
}

pub(crate) fn stale(reply: &Reply) -> Vec<u32> {
    match reply {
        Reply::Queue(QueueReply::Recorded { stale }) => stale.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mail_is_due_at_once_and_gone_when_all_its_recipients_have_ended() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example", "y@b.example", "z@c.example"]);
    assert!(lab.topics.contains(&Topic::Queue));
    assert_eq!(lab.totals(), QueueTotals { messages: 1, bytes: 113, deliveries: 2 });
    assert_eq!(lab.domain_usage(), Default::default(), "queued mail is on nobody's quota");
    let leased = lab.lease(60, vec![key(1, "c.example"), key(1, "b.example")]);
    assert_eq!(leased.iter().map(Leased::key).collect::<Vec<_>>(), [key(1, "c.example"), key(1, "b.example")]);
    assert_eq!(leased[1].message.bytes, 113);
    let both = vec![(0, RecipientOutcome::Delivered(said(250))), (1, RecipientOutcome::Bounced(said(550)))];
    let results = vec![delivered(&leased[0]), result(&leased[1], both, Timestamp(0))];
    assert_eq!(lab.record(results), []);
    assert_eq!(lab.totals(), QueueTotals::default());
    let mut ends = lab.ends();
    ends.sort();
    let expected = [
        ("x@b.example", FinalOutcome::Delivered),
        ("y@b.example", FinalOutcome::Bounced),
        ("z@c.example", FinalOutcome::Delivered),
    ];
    assert_eq!(ends, expected.map(|(to, end)| (to.to_owned(), end)));
    let event = &lab.events()[0].event;
    assert_eq!((event.attempts, event.reply.as_ref().map(|reply| reply.code)), (1, Some(250)));
    for table in [Table::Queued, Table::Delivery, Table::DeliveriesLeft, Table::QueueDue] {
        assert_eq!(lab.kept(table), 0, "{table:?}");
    }
}

#[test]
fn a_lease_has_one_holder_until_it_ends() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let item = || vec![key(1, "b.example")];
    let first = lab.lease(60, item());
    assert_eq!(lab.lease(60, item()), [], "somebody has it");
    lab.enqueued(2, &["x@b.example"]);
    assert_eq!(lab.lease(60, vec![key(2, "b.example"), key(2, "b.example")]).len(), 1, "named twice, granted once");
    lab.wait(59);
    assert_eq!(lab.lease(60, item()), []);
    lab.wait(1);
    let second = lab.lease(60, item());
    assert_ne!(second[0].token, first[0].token);
    assert_eq!((second[0].delivery.lapsed, second[0].delivery.attempts), (1, 1), "nobody knows what came of the first");
    assert_eq!(lab.record(vec![delivered(&first[0])]), [0], "the first holder comes too late");
    assert_eq!(lab.ends(), []);
    assert_eq!(lab.record(vec![delivered(&second[0])]), []);
    assert_eq!(lab.record(vec![delivered(&second[0])]), [0], "recorded once");
    assert_eq!(lab.ends().len(), 1);
}

#[test]
fn a_late_outcome_counts_as_long_as_nobody_else_was_given_the_delivery() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    lab.wait(600);
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
    assert_eq!(lab.ends(), [("x@b.example".to_owned(), FinalOutcome::Delivered)]);
}

#[test]
fn a_lease_that_is_asked_for_again_under_its_request_is_the_same() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let envelope = lab.envelope(GROUP, DedupeClass::None);
    let items = vec![key(1, "b.example"), key(9, "b.example")];
    let command = Command::Queue(QueueCommand::Lease { worker: "w".to_owned(), seconds: 60, items });
    let first = lab.propose(envelope.clone(), command.clone());
    assert!(matches!(&first, Reply::Queue(QueueReply::Leased(leased)) if leased.len() == 1));
    assert_eq!(lab.propose(envelope.clone(), command.clone()), first);
    lab.wait(60);
    let later = lab.propose(yubin_state::Envelope { stamp: lab.now, ..envelope }, command);
    assert_ne!(later, first, "that lease has ended; this is another");
}

#[test]
fn a_record_that_is_repeated_under_its_request_is_not_stale() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    let envelope = lab.envelope(GROUP, DedupeClass::Delivery);
    let bounced = DeliveryResult {
        recipients: vec![(0, RecipientOutcome::Bounced(said(550)))],
        notices: vec![notice(2, 0)],
        ..delivered(&leased[0])
    };
    let command = Command::Queue(QueueCommand::Record { results: vec![bounced] });
    for _ in 0..2 {
        assert_eq!(stale(&lab.propose(envelope.clone(), command.clone())), []);
    }
    assert_eq!(lab.ends().len(), 1);
    assert_eq!(lab.totals().messages, 1, "one notice");
    assert_eq!(lab.delivery(2, "one.example").unwrap().state, DeliveryState::Scheduled);
}

#[test]
fn what_is_deferred_stays_with_its_reasons_and_is_tried_no_later_than_it_expires() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example", "y@b.example", "z@b.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    let outcomes = vec![(2, RecipientOutcome::Delivered(said(250))), (1, RecipientOutcome::Deferred(said(450)))];
    let next = lab.now.plus_seconds(900);
    let whole = DeliveryResult {
        reply: Some(said(421)),
        delay_notice: DelayNotice::Sent,
        ..result(&leased[0], outcomes, next)
    };
    assert_eq!(lab.record(vec![whole]), []);
    assert!(lab.topics.contains(&Topic::Queue), "timers are set anew");
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!((delivery.state, delivery.next_attempt, delivery.token), (DeliveryState::Scheduled, next, 0));
    assert_eq!((delivery.attempts, delivery.delay_notice), (1, DelayNotice::Sent));
    let reasons: Vec<_> =
        delivery.recipients.iter().map(|one| one.last_reply.as_ref().map(|reply| reply.code)).collect();
    assert_eq!((reasons, delivery.last_reply.map(|reply| reply.code)), (vec![None, Some(450)], Some(421)));
    assert_eq!(lab.lease(60, vec![key(1, "b.example")]), [], "not before its time");
    lab.wait(900);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    assert_eq!(lab.record(vec![result(&leased[0], vec![], lab.now.plus_seconds(9 * DAY))]), []);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!(delivery.next_attempt, delivery.expires);
    assert_eq!(delivery.recipients.len(), 2);
}

#[test]
fn a_stale_result_does_not_queue_its_notice() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    let stale = DeliveryResult { token: leased[0].token + 1, notices: vec![notice(2, 0)], ..delivered(&leased[0]) };
    assert_eq!(lab.record(vec![stale]), [0]);
    let beyond = result(&leased[0], vec![(1, RecipientOutcome::Delivered(said(250)))], Timestamp(0));
    assert_eq!(lab.record(vec![beyond]), [0], "there is no such recipient");
    assert_eq!(lab.totals().messages, 1);
    assert!(lab.delivery(1, "b.example").unwrap().token > 0);
}

#[test]
fn leases_can_be_kept_and_given_back() {
    let mut lab = Lab::new();
    lab.enqueued(1, &["x@b.example"]);
    lab.enqueued(2, &["x@b.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    let token = leased[0].token;
    lab.wait(50);
    let items = vec![(key(1, "b.example"), token), (key(1, "b.example"), token + 1), (key(2, "b.example"), 0)];
    assert_eq!(stale(&lab.queue(GROUP, QueueCommand::Renew { seconds: 60, items })), [1, 2]);
    lab.wait(50);
    assert_eq!(lab.lease(60, vec![key(1, "b.example")]), [], "it was kept");
    let off = |number, token| Postponed {
        delivery: key(number, "b.example"),
        token,
        until: Timestamp::from_seconds(1_000_000 + 500),
    };
    let items = vec![off(1, None), off(1, Some(token)), off(2, None), off(2, None)];
    assert_eq!(
        stale(&lab.queue(GROUP, QueueCommand::Postpone { items, why: BTreeMap::new() })),
        [0, 3],
        "leased; not due any more"
    );
    assert_eq!(lab.record(vec![delivered(&leased[0])]), [0], "given back");
    assert_eq!(lab.delivery(1, "b.example").unwrap().attempts, 0, "nothing was tried");
    assert_eq!(lab.lease(60, vec![key(1, "b.example"), key(2, "b.example")]), []);
    lab.wait(400);
    assert_eq!(lab.lease(60, vec![key(1, "b.example"), key(2, "b.example")]).len(), 2);
}

#[test]
fn what_is_leased_as_it_is_queued_is_nobody_elses_until_the_lease_ends() {
    let mut lab = Lab::new();
    let leased = |number, worker: &str, seconds| {
        let messages = vec![message(number, &["x@b.example", "y@c.example"])];
        QueueCommand::EnqueueLeased { login: None, messages, worker: worker.to_owned(), seconds }
    };
    let Reply::Queue(QueueReply::Enqueued(granted)) = lab.queue(D1, leased(1, "w", 60)) else { panic!() };
    assert!(!lab.topics.contains(&Topic::Queue), "nobody else has anything to do");
    assert_eq!(granted.until, lab.now.plus_seconds(60));
    assert_eq!(lab.lease(60, vec![key(1, "b.example"), key(1, "c.example")]), []);
    let delivery = lab.delivery(1, "b.example").unwrap();
    assert_eq!(delivery.token, granted.token);
    // Its holder records one; the other one runs out, and is an attempt that nobody knows the end of.
    let outcome = vec![(0, RecipientOutcome::Delivered(said(250)))];
    let held = DeliveryResult { delivery: key(1, "b.example"), token: granted.token, ..blank(outcome) };
    assert_eq!(lab.record(vec![held]), []);
    lab.wait(60);
    let again = lab.lease(60, vec![key(1, "b.example"), key(1, "c.example")]);
    assert_eq!(
        again.iter().map(|leased| (leased.key(), leased.delivery.lapsed)).collect::<Vec<_>>(),
        [(key(1, "c.example"), 1)]
    );
    assert_eq!(lab.queue(D1, leased(1, "w", 60)), Reply::Done, "queued already: nothing is leased");
    for (worker, seconds) in [("", 60), ("w", 0), ("w", limits::QUEUE_LEASE_SECONDS_MAX + 1)] {
        assert!(matches!(refused(&lab.queue(D1, leased(2, worker, seconds))), Refusal::InvalidValue { .. }));
    }
}

#[test]
fn the_plan_says_how_long_and_how_often_mail_is_tried() {
    let terms = RetryTerms {
        first_waits_seconds: vec![60],
        wait_seconds_max: 600,
        lifetime_seconds: 3_600,
        delay_notice_seconds: None,
        notices: NoticeProfile::Qmail,
    };
    let with = |terms: &RetryTerms| Plan { retry: Some(Box::new(terms.clone())), ..plan() };
    let mut lab = Lab::with_plan(with(&terms));
    lab.enqueue(vec![message(1, &["x@b.example"])]);
    let [leased] = &lab.lease(60, vec![key(1, "b.example")])[..] else { panic!() };
    assert_eq!(leased.terms.as_deref(), Some(&terms));
    assert_eq!(leased.delivery.expires, lab.now.plus_seconds(3_600), "whatever whoever queued it said");
    // The same where the lease comes with the message, and for its worker.
    let messages = vec![message(2, &["x@b.example"])];
    let command = QueueCommand::EnqueueLeased { login: None, messages, worker: "w".to_owned(), seconds: 60 };
    let Reply::Queue(QueueReply::Enqueued(granted)) = lab.queue(D1, command) else { panic!() };
    let (request, trace) = (RequestId([1; 16]), TraceId([0; 16]));
    let lessee = Lessee { domain: D1, epoch: EPOCH, worker: "w".to_owned(), request, trace };
    let believed = message(2, &["x@b.example"]).leased(lessee, granted);
    assert_eq!(believed[0].terms.as_deref(), Some(&terms));
    assert_eq!(believed[0].delivery.expires, lab.delivery(2, "b.example").unwrap().expires);
    assert_eq!(believed[0].delivery.delay_notice_due, None, "nor is its sender told");
    // Another plan changes what waits from its next attempt on.
    assert!(matches!(lab.maintain(MaintenanceCommand::PutPlan(plan())), Reply::Progress { .. }));
    lab.wait(60);
    assert_eq!(lab.lease(60, vec![key(1, "b.example")])[0].terms, None);

    for wrong in [
        RetryTerms { first_waits_seconds: vec![], ..terms.clone() },
        RetryTerms { first_waits_seconds: vec![9], ..terms.clone() },
        RetryTerms { first_waits_seconds: vec![60; limits::RETRY_WAITS_MAX + 1], ..terms.clone() },
        RetryTerms { first_waits_seconds: vec![601], ..terms.clone() },
        RetryTerms { lifetime_seconds: 0, ..terms.clone() },
        RetryTerms { lifetime_seconds: 31 * 86_400, ..terms.clone() },
    ] {
        let put = Command::Directory(DirectoryCommand::PutPlan(with(&wrong)));
        let reply = lab.run(GROUP, put);
        assert!(matches!(refused(&reply), Refusal::InvalidValue { .. }), "{wrong:?}: {reply:?}");
    }
}

#[test]
fn a_submission_needs_a_good_login_and_an_active_domain() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let enqueue = |login| QueueCommand::Enqueue { login: Some(login), messages: vec![message(1, &["x@b.example"])] };
    let old = Login { generation: ann.generation + 1, ..ann };
    assert_eq!(refused(&lab.queue(D1, enqueue(old))), &Refusal::StaleGeneration);
    lab.domain(DomainCommand::SuspendAccount { local: local("ann"), reason: String::new() });
    assert_eq!(refused(&lab.queue(D1, enqueue(ann))), &Refusal::AccountSuspended);
    lab.domain(DomainCommand::ResumeAccount { local: local("ann") });
    let ann = lab.login("ann");
    assert_eq!(lab.queue(D1, enqueue(ann)), Reply::Done);
    assert_eq!(lab.queue(D1, enqueue(ann)), Reply::Done, "queued already: nothing is done twice");
    assert_eq!(lab.totals().messages, 1);
    lab.domain(DomainCommand::Suspend { reason: "bill".to_owned() });
    let refusal = Refusal::DomainSuspended { reason: "bill".to_owned() };
    assert_eq!(refused(&lab.queue(D1, enqueue(ann))), &refusal);
    assert_eq!(refused(&lab.enqueue(vec![message(2, &["x@b.example"])])), &refusal);
    assert_eq!(lab.lease(60, vec![key(1, "b.example")]), [], "its queue rests too");
    let rests = lab.now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS);
    assert_eq!(lab.delivery(1, "b.example").unwrap().next_attempt, rests);
    lab.domain(DomainCommand::Resume);
    lab.wait(limits::QUEUE_SUSPENDED_SECONDS);
    assert_eq!(lab.lease(60, vec![key(1, "b.example")]).len(), 1);
}

#[test]
fn messages_of_one_command_come_in_together_and_may_share_a_body() {
    let mut lab = Lab::with_plan(yubin_state::record::Plan { message_bytes_max: 113, ..plan() });
    let second = NewQueued { prefix: Bytes::from_static(b"Received: yy\r\n"), ..message(2, &["x@c.example"]) };
    let both = vec![message(1, &["x@b.example"]), second];
    assert_eq!(refused(&lab.enqueue(both)), &Refusal::MessageTooBig { limit_bytes: 113 });
    assert_eq!(lab.enqueue(vec![message(1, &["x@b.example"]), message(2, &["x@c.example"])]), Reply::Done);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
    assert_eq!(lab.state.dropped.len(), 1, "the refused one; the other is still held");
    let leased = lab.lease(60, vec![key(2, "c.example")]);
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
    assert_eq!(lab.state.dropped.len(), 2);
}

#[test]
fn malformed_commands_are_refused_whole() {
    let mut lab = Lab::new();
    let with = |change: &dyn Fn(&mut NewQueued)| {
        let mut new = message(1, &["x@b.example"]);
        change(&mut new);
        new
    };
    for new in [
        with(&|new| new.deliveries.clear()),
        with(&|new| new.deliveries[0].recipients.clear()),
        with(&|new| new.deliveries.push(new.deliveries[0].clone())),
        with(&|new| new.lifetime_seconds = 0),
        with(&|new| new.lifetime_seconds = limits::QUEUE_LIFETIME_SECONDS_MAX + 1),
        with(&|new| new.prefix = vec![b'x'; limits::MESSAGE_PREFIX_BYTES_MAX + 1].into()),
        with(&|new| new.dsn.envid = Some(vec![b'x'; limits::ENVID_BYTES_MAX + 1].into())),
        with(&|new| new.deliveries[0].recipients[0].orcpt = Some(vec![b'x'; limits::ORCPT_BYTES_MAX + 1].into())),
    ] {
        assert!(matches!(refused(&lab.enqueue(vec![new])), Refusal::InvalidValue { .. }));
    }
    let crowd = vec!["x@b.example"; limits::SMTP_RECIPIENTS_MAX + 1];
    assert!(matches!(refused(&lab.enqueue(vec![message(1, &crowd)])), Refusal::TooMany { .. }));
    let twice = vec![message(1, &["x@b.example"]), message(1, &["x@b.example"])];
    assert!(matches!(refused(&lab.enqueue(twice)), Refusal::InvalidValue { .. }));
    lab.enqueued(1, &["x@b.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    for notices in [vec![notice(1, 0)], vec![notice(2, 0), notice(2, 1)], vec![notice(2, 0), notice(3, 0)]] {
        let results = vec![DeliveryResult { notices, ..delivered(&leased[0]) }];
        let reply = lab.queue(GROUP, QueueCommand::Record { results });
        assert!(matches!(refused(&reply), Refusal::InvalidValue { .. }), "a notice has an id and a body of its own");
    }
    let twice = QueueCommand::Record { results: vec![delivered(&leased[0]), delivered(&leased[0])] };
    assert!(matches!(refused(&lab.queue(GROUP, twice)), Refusal::InvalidValue { .. }));
    for seconds in [0, limits::QUEUE_LEASE_SECONDS_MAX + 1] {
        let lease = QueueCommand::Lease { worker: "w".to_owned(), seconds, items: vec![key(1, "b.example")] };
        assert!(matches!(refused(&lab.queue(GROUP, lease)), Refusal::InvalidValue { .. }));
    }
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
}

#[test]
fn a_domain_with_too_much_in_the_queue_is_refused_for_a_while_but_its_bounces_are_not() {
    let mut lab = Lab::new();
    let big = NewQueued { body_bytes: 90 << 20, ..message(1, &["x@b.example"]) };
    let fits = limits::QUEUED_BYTES_PER_DOMAIN_MAX / (90 << 20);
    for number in 0..fits {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let envelope = lab.envelope(D1, DedupeClass::None);
        let new = NewQueued { id: QueueId(bytes), ..big.clone() };
        let reply =
            lab.propose_unchecked(envelope, Command::Queue(QueueCommand::Enqueue { login: None, messages: vec![new] }));
        assert_eq!(reply, Reply::Done);
    }
    assert_eq!(refused(&lab.enqueue(vec![NewQueued { id: id(0xee), ..big }])), &Refusal::QueueFull);
    let first = DeliveryKey { domain: D1, id: QueueId([0; 16]), destination: destination("b.example") };
    let leased = lab.lease(60, vec![first]);
    let notices = vec![NewQueued { body_bytes: 100 << 20, ..notice(0xdd, 0) }];
    assert_eq!(lab.record(vec![DeliveryResult { notices, ..delivered(&leased[0]) }]), []);
}

#[test]
fn a_deleted_domain_leaves_nothing_in_the_queue() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    lab.queue(D2, QueueCommand::Enqueue { login: None, messages: vec![message(1, &["x@b.example"])] });
    for number in 1..=3 {
        let to: Vec<String> = (0..400).map(|host| format!("x@h{host}.example")).collect();
        lab.enqueued(number, &to.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let leased = lab.lease(60, vec![key(1, "h1.example"), key(1, "h2.example")]);
    assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
    let mut rounds = 0;
    while let Reply::Progress { more: More::Yes, .. } = lab.domain(DomainCommand::Delete) {
        assert_eq!(lab.record(vec![delivered(&leased[1])]), [0]);
        assert_eq!(lab.lease(60, vec![key(1, "h3.example")]), []);
        rounds += 1;
    }
    assert!(rounds >= 1, "more than one command may touch");
    for table in [Table::Queued, Table::Delivery, Table::QueueDue, Table::QueueCounters] {
        assert_eq!(lab.kept(table), 1, "{table:?}: the other domain's alone");
    }
    assert_eq!(lab.kept(Table::Event) + lab.kept(Table::DeliveriesLeft), 0);
}

#[test]
fn events_are_kept_for_thirty_days() {
    let mut lab = Lab::new();
    for number in [1, 2] {
        lab.enqueued(number, &["x@b.example"]);
        let leased = lab.lease(60, vec![key(number, "b.example")]);
        assert_eq!(lab.record(vec![delivered(&leased[0])]), []);
        lab.wait(DAY);
    }
    lab.wait(28 * DAY - 1);
    let forget = |lab: &mut Lab| match lab.maintain(MaintenanceCommand::ForgetEvents) {
        Reply::Progress { touched, next_due, .. } => (touched, next_due),
        other => panic!("{other:?}"),
    };
    let (touched, next) = forget(&mut lab);
    assert_eq!(touched, 0);
    assert_eq!(lab.ask(GROUP, &Query::NextDue), Answer::NextDue(next));
    lab.wait(3_601);
    assert_eq!(forget(&mut lab).0, 1);
    assert_eq!(lab.events().len(), 1);
    lab.wait(DAY);
    assert_eq!(forget(&mut lab), (1, None));
}
