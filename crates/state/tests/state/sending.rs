//! How much may be sent: limits that hold exactly, refusals that say which and until when, and accounts that are stopped.

use bytes::Bytes;
use yubin_state::command::{DomainCommand, Login, MailCommand, NewMessage, Recipient};
use yubin_state::forward::Passage;
use yubin_state::keys::{self, Table};
use yubin_state::queue::{NewQueued, QueueCommand, QueueSource, RecipientOutcome};
use yubin_state::record::Plan;
use yubin_state::sending::{Counting, SendingCommand, SendingNotice, SendingReport};
use yubin_state::{Answer, Command, DedupeClass, Query, Reply, Topic};
use yubin_types::{
    AccountSending, Address, EmailId, Limit, QuotaScope, Refusal, ReversePath, SendingLimit, SendingLimits,
    SendingPeriod, SendingRate, SendingUnit, SuspensionCause, SuspensionRules, Timestamp, limits,
};

use crate::lab::{D1, D2, Lab, local, message as body, plan, recipient, refused};
use crate::queue::{GROUP, key, message, result, said};

pub(crate) const HOUR: u64 = 3_600;

pub(crate) fn with_sending(sending: SendingLimits) -> Plan {
    Plan { sending: Box::new(sending), ..plan() }
}

fn account_rate(rate: SendingRate<Limit>) -> SendingLimits {
    SendingLimits { account: AccountSending { rate, ..Default::default() }, ..Default::default() }
}

fn hourly(messages: u64) -> SendingLimits {
    account_rate(SendingRate { messages_per_hour: Limit::AtMost(messages), ..Default::default() })
}

fn submitted(login: Login, number: u8, to: &[&str]) -> NewQueued {
    let by = Address::parse("ann@one.example").unwrap();
    NewQueued { source: QueueSource::Submission { account: login.account, by }, ..message(number, to) }
}

impl Lab {
    pub(crate) fn submit(&mut self, login: Login, number: u8, to: &[&str]) -> Reply {
        let messages = vec![submitted(login, number, to)];
        self.queue(D1, QueueCommand::Enqueue { login: Some(login), messages })
    }

    pub(crate) fn submit_within(&mut self, login: Login, to: &[&str]) -> Reply {
        let recipients: Vec<Recipient> = to.iter().map(|to| recipient(to)).collect();
        let sender = ReversePath::Null;
        self.mail(MailCommand::Deliver {
            login: Some(login),
            sender,
            recipients,
            message: body(1),
            passage: Passage::default(),
        })
    }

    pub(crate) fn sending(&mut self, command: SendingCommand) -> Reply {
        self.domain(DomainCommand::Sending(command))
    }

    pub(crate) fn report(&self, name: &str) -> SendingReport {
        match self.ask(D1, &Query::SendingReport(local(name))) {
            Answer::SendingReport(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    fn used(&self, name: &str) -> (u64, u64) {
        let counters = self.report(name).account;
        let used = |unit| counters.used(unit, SendingPeriod::Day, self.now);
        (used(SendingUnit::Messages), used(SendingUnit::Recipients))
    }

    fn cause(&self, name: &str) -> Option<SuspensionCause> {
        self.report(name).control.suspension.map(|suspension| suspension.cause)
    }

    fn notices(&self) -> Vec<SendingNotice> {
        match self.ask(GROUP, &Query::SendingNotices) {
            Answer::SendingNotices(notices) => notices,
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self, notice: &SendingNotice) -> Reply {
        let recipient = Recipient {
            local: notice.local.clone(),
            special_use: None,
            prefix: Bytes::from_static(b"Return-Path: <>\r\n"),
            email_id: EmailId([9; 16]),
        };
        let (account, since) = (notice.account, notice.suspension.since);
        self.sending(SendingCommand::Tell { account, since, recipient, message: NewMessage { ..body(50) } })
    }
}

#[test]
fn an_hour_s_messages_are_counted_and_the_next_hour_has_room_again() {
    let mut lab = Lab::with_plan(with_sending(hourly(2)));
    let (ann, bob) = (lab.account("ann"), lab.account("bob"));
    assert_eq!(lab.submit(ann, 1, &["x@b.example", "y@b.example"]), Reply::Done);
    assert!(matches!(lab.submit_within(ann, &["bob"]), Reply::Delivered(_)), "within the domain counts as well");
    let reply = lab.submit(ann, 2, &["x@b.example"]);
    let limit =
        SendingLimit { scope: QuotaScope::Account, unit: SendingUnit::Messages, period: SendingPeriod::Hour, limit: 2 };
    let until = Timestamp::from_seconds((lab.now.seconds() / HOUR + 1) * HOUR);
    assert_eq!(*refused(&reply), Refusal::SendingLimit { limit, until });
    assert!(matches!(refused(&lab.submit_within(ann, &["bob"])), Refusal::SendingLimit { .. }));
    assert_eq!(lab.submit(bob, 3, &["x@b.example"]), Reply::Done, "others have their own");
    assert_eq!((lab.used("ann"), lab.used("bob")), ((2, 3), (1, 1)));
    lab.now = Timestamp(until.0 - 1);
    assert!(matches!(refused(&lab.submit(ann, 2, &["x@b.example"])), Refusal::SendingLimit { .. }));
    lab.now = until;
    assert_eq!(lab.submit(ann, 2, &["x@b.example"]), Reply::Done);
}

#[test]
fn a_retry_is_counted_once_whether_it_was_taken_or_refused() {
    let sending = SendingLimits {
        suspension: SuspensionRules { refusals_per_hour: Limit::AtMost(5), ..Default::default() },
        ..hourly(1)
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let ann = lab.account("ann");
    for number in [1, 2] {
        let messages = vec![submitted(ann, number, &["x@b.example"])];
        let command = Command::Queue(QueueCommand::Enqueue { login: Some(ann), messages });
        let envelope = lab.envelope(D1, DedupeClass::Delivery);
        let first = lab.propose(envelope.clone(), command.clone());
        for _ in 0..9 {
            assert_eq!(lab.propose(envelope.clone(), command.clone()), first);
        }
    }
    assert_eq!((lab.used("ann"), lab.report("ann").account.refused(lab.now)), ((1, 1), 1));
    // The id was queued by an earlier attempt whose outcome was forgotten: taken, not counted.
    assert_eq!(lab.submit(ann, 1, &["x@b.example"]), Reply::Done);
    assert_eq!(lab.used("ann"), (1, 1));
}

#[test]
fn recipients_are_limited_in_a_message_in_a_time_and_for_the_domain() {
    let sending = SendingLimits {
        account: AccountSending {
            recipients_per_message: Limit::AtMost(3),
            rate: SendingRate { recipients_per_day: Limit::AtMost(5), ..Default::default() },
            ..Default::default()
        },
        domain: SendingRate { recipients_per_hour: Limit::AtMost(7), ..Default::default() },
        ..Default::default()
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let (ann, bob) = (lab.account("ann"), lab.account("bob"));
    let four = ["a@b.example", "b@b.example", "c@c.example", "d@c.example"];
    assert!(matches!(refused(&lab.submit(ann, 1, &four)), Refusal::TooMany { limit: 3, .. }));
    assert_eq!(lab.submit(ann, 1, &four[..3]), Reply::Done);
    let account = refused(&lab.submit(ann, 2, &four[..3])).clone();
    assert!(
        matches!(account, Refusal::SendingLimit { limit, .. } if limit.scope == QuotaScope::Account && limit.limit == 5)
    );
    assert_eq!(lab.submit(ann, 2, &four[..2]), Reply::Done, "what fits is taken");
    let domain = refused(&lab.submit(bob, 3, &four[..3])).clone();
    assert!(
        matches!(domain, Refusal::SendingLimit { limit, .. } if limit.scope == QuotaScope::Domain && limit.limit == 7)
    );
    assert_eq!(lab.submit(bob, 3, &four[..2]), Reply::Done);
    assert_eq!(lab.enqueue(vec![message(4, &four)]), Reply::Done, "what nobody logged in for is not counted");
}

#[test]
fn a_front_end_learns_before_the_message_comes_what_would_be_refused() {
    let sending = SendingLimits {
        account: AccountSending {
            recipients_per_message: Limit::AtMost(9),
            rate: SendingRate {
                messages_per_hour: Limit::AtMost(2),
                recipients_per_hour: Limit::AtMost(4),
                ..Default::default()
            },
            ..Default::default()
        },
        ..Default::default()
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let ann = lab.account("ann");
    let ask = |lab: &Lab, now| lab.ask(D1, &Query::Sending { login: ann, sender: None, now });
    let left = |answer| match answer {
        Answer::Sending { allowance, .. } => {
            assert_eq!(allowance.recipients_per_message, Limit::AtMost(9));
            allowance.recipients.map(|(left, _)| left)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(left(ask(&lab, lab.now)), Some(4));
    lab.submit(ann, 1, &["x@b.example", "y@b.example", "z@b.example"]);
    assert_eq!(left(ask(&lab, lab.now)), Some(1));
    lab.submit(ann, 2, &["x@b.example"]);
    let refusal = ask(&lab, lab.now);
    assert!(matches!(
        refusal,
        Answer::SendingRefused { refusal: Refusal::SendingLimit { .. }, counting: Counting::NotWanted }
    ));
    // The group's clock rests; the asker's says that the hour is over.
    assert_eq!(left(ask(&lab, lab.now.plus_seconds(HOUR))), Some(4));
    assert!(matches!(ask(&lab, Timestamp(0)), Answer::SendingRefused { .. }), "a late clock opens nothing");
}

#[test]
fn an_account_may_have_limits_of_its_own() {
    let mut lab = Lab::with_plan(with_sending(hourly(1)));
    let ann = lab.account("ann");
    let mut limits = AccountSending::default();
    limits.rate.messages_per_hour = Some(Limit::AtMost(2));
    assert_eq!(lab.sending(SendingCommand::SetLimits { local: local("ann"), limits }), Reply::Done);
    assert_eq!(lab.submit(ann, 1, &["x@b.example"]), Reply::Done);
    assert_eq!(lab.submit(ann, 2, &["x@b.example"]), Reply::Done);
    assert!(matches!(refused(&lab.submit(ann, 3, &["x@b.example"])), Refusal::SendingLimit { .. }));
    let limits = AccountSending::default();
    assert_eq!(lab.sending(SendingCommand::SetLimits { local: local("ann"), limits }), Reply::Done);
    let kept = keys::rows_of(Table::SendingControl, D1);
    assert_eq!(lab.state.rows.range(kept.from..kept.to).count(), 0, "the plan's needs no row");
    let missing = lab.sending(SendingCommand::SetLimits { local: local("nobody"), limits });
    assert_eq!(*refused(&missing), Refusal::NoSuchAccount);
}

#[test]
fn strangers_are_few_in_a_day_and_those_written_to_before_are_none() {
    let sending = SendingLimits {
        account: AccountSending { new_recipients_per_day: Limit::AtMost(3), ..Default::default() },
        ..Default::default()
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let ann = lab.account("ann");
    lab.account("bob");
    assert_eq!(lab.submit(ann, 1, &["a@b.example", "b@b.example", "bob@one.example"]), Reply::Done);
    assert_eq!(lab.submit(ann, 2, &["A@b.example", "b@b.example", "c@b.example"]), Reply::Done, "two are known");
    let reply = lab.submit(ann, 3, &["a@b.example", "d@b.example"]);
    assert!(matches!(refused(&reply), Refusal::SendingLimit { limit, .. } if limit.unit == SendingUnit::NewRecipients));
    assert_eq!(lab.submit(ann, 3, &["a@b.example", "bob@one.example"]), Reply::Done);
    lab.wait(24 * HOUR);
    assert_eq!(lab.submit(ann, 4, &["d@b.example", "e@b.example", "f@b.example", "a@b.example"]), Reply::Done);
}

#[test]
fn whoever_goes_on_against_limits_is_stopped_with_the_evidence() {
    let sending = SendingLimits {
        suspension: SuspensionRules { refusals_per_hour: Limit::AtMost(3), ..Default::default() },
        ..hourly(1)
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let (ann, bob) = (lab.account("ann"), lab.account("bob"));
    assert_eq!(lab.submit(ann, 1, &["x@b.example"]), Reply::Done);
    for _ in 0..2 {
        assert!(matches!(refused(&lab.submit(ann, 2, &["x@b.example"])), Refusal::SendingLimit { .. }));
    }
    let count = SendingCommand::CountRefusal(ann);
    let asked = lab.ask(D1, &Query::Sending { login: ann, sender: None, now: lab.now });
    assert!(matches!(asked, Answer::SendingRefused { counting: Counting::Wanted, .. }));
    assert!(matches!(refused(&lab.sending(count.clone())), Refusal::SendingLimit { .. }));
    assert_eq!(lab.cause("ann"), None);
    let last = refused(&lab.sending(count.clone())).clone();
    let Some(cause @ SuspensionCause::Refusals { refused: 4, limit }) = lab.cause("ann") else { panic!() };
    assert_eq!((limit.unit, limit.limit), (SendingUnit::Messages, 1));
    assert_eq!(last, Refusal::SendingSuspended { cause });
    // It stays so when the hour is over; nothing more is counted against it; reading and receiving go on.
    lab.wait(HOUR);
    assert!(matches!(refused(&lab.submit(ann, 2, &["x@b.example"])), Refusal::SendingSuspended { .. }));
    assert!(matches!(refused(&lab.submit_within(ann, &["bob"])), Refusal::SendingSuspended { .. }));
    assert!(matches!(refused(&lab.sending(count)), Refusal::SendingSuspended { .. }));
    assert!(matches!(lab.submit_within(bob, &["ann"]), Reply::Delivered(_)));
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    assert_eq!(lab.sending(SendingCommand::Resume { local: local("ann") }), Reply::Done);
    assert_eq!(lab.submit(ann, 2, &["x@b.example"]), Reply::Done);
    let told: Vec<bool> = lab.report("ann").control.history.iter().map(|change| change.cause.is_some()).collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn a_neighbour_s_sending_is_not_held_against_an_account() {
    let sending = SendingLimits {
        domain: SendingRate { messages_per_hour: Limit::AtMost(1), ..Default::default() },
        suspension: SuspensionRules { refusals_per_hour: Limit::AtMost(0), ..Default::default() },
        ..Default::default()
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let (ann, bob) = (lab.account("ann"), lab.account("bob"));
    lab.submit(ann, 1, &["x@b.example"]);
    for _ in 0..5 {
        assert!(matches!(refused(&lab.submit(bob, 2, &["x@b.example"])), Refusal::SendingLimit { .. }));
    }
    assert_eq!(lab.cause("bob"), None);
}

#[test]
fn an_account_whose_mail_bounces_is_stopped_and_what_it_queued_waits() {
    let sending = SendingLimits {
        suspension: SuspensionRules { bounce_percent: Limit::AtMost(50), ..Default::default() },
        ..Default::default()
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let ann = lab.account("ann");
    let bounces = u16::try_from(limits::SENDING_BOUNCES_MIN).unwrap();
    let to: Vec<String> = (0..bounces + 20).map(|user| format!("u{user}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    lab.submit(ann, 1, &to);
    lab.submit(ann, 2, &["x@c.example"]);
    lab.enqueued(3, &["x@c.example"]);
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    let outcome = |place| {
        if place < bounces { RecipientOutcome::Bounced(said(550)) } else { RecipientOutcome::Delivered(said(250)) }
    };
    // As many reached as refused are not too many refused; one less reached is.
    let half = (0..bounces + 20).map(|place| (place, outcome(place))).collect();
    lab.record(vec![result(&leased[0], half, Timestamp(0))]);
    assert_eq!(lab.cause("ann"), None);
    lab.submit(ann, 4, &["y@b.example"]);
    let leased = lab.lease(60, vec![key(4, "b.example")]);
    lab.record(vec![result(&leased[0], vec![(0, RecipientOutcome::Bounced(said(550)))], Timestamp(0))]);
    let expected = SuspensionCause::Bounces { bounced: u64::from(bounces) + 1, delivered: 20 };
    assert_eq!(lab.cause("ann"), Some(expected));
    // What it queued is put off, not lost; others' mail goes on.
    let granted = lab.lease(60, vec![key(2, "c.example"), key(3, "c.example")]);
    assert_eq!(granted.iter().map(|leased| leased.message.id).collect::<Vec<_>>(), [key(3, "c.example").id]);
    assert!(lab.delivery(2, "c.example").unwrap().next_attempt > lab.now);
    lab.sending(SendingCommand::Resume { local: local("ann") });
    lab.wait(limits::QUEUE_SUSPENDED_SECONDS);
    assert_eq!(lab.lease(60, vec![key(2, "c.example")]).len(), 1);
}

#[test]
fn an_owner_is_told_once_of_each_suspension() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create_domain(D2, "two.example", plan());
    lab.account_in(D2, "eve");
    let suspend = |name| SendingCommand::Suspend { local: local(name), reason: "infected".to_owned() };
    assert_eq!(lab.notices(), []);
    assert_eq!(lab.sending(suspend("ann")), Reply::Done);
    assert!(lab.topics.contains(&Topic::Due));
    assert_eq!(lab.run(D2, Command::Domain(DomainCommand::Sending(suspend("eve")))), Reply::Done);
    assert_eq!(lab.ask(GROUP, &Query::NextDue), Answer::NextDue(Some(lab.now)));
    let notices = lab.notices();
    assert_eq!(notices.iter().map(|notice| notice.local.to_string()).collect::<Vec<_>>(), ["ann", "eve"]);
    assert!(matches!(lab.tell(&notices[0]), Reply::Delivered(_)));
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    assert!(matches!(refused(&lab.tell(&notices[0])), Refusal::NotFound { .. }), "once");
    assert_eq!(lab.notices().len(), 1);
    // One that ended before its owner was told needs no notice; a later one has its own.
    assert_eq!(lab.sending(SendingCommand::Resume { local: local("ann") }), Reply::Done);
    lab.wait(1);
    lab.sending(suspend("ann"));
    assert!(matches!(refused(&lab.tell(&notices[0])), Refusal::NotFound { .. }), "of an earlier suspension");
    lab.sending(SendingCommand::Resume { local: local("ann") });
    assert_eq!(lab.notices().len(), 1, "only eve's");
}

#[test]
fn an_account_that_goes_takes_what_it_sent_along() {
    let mut lab = Lab::with_plan(with_sending(SendingLimits::standard()));
    let ann = lab.account("ann");
    lab.submit(ann, 1, &["x@b.example"]);
    lab.sending(SendingCommand::Suspend { local: local("ann"), reason: String::new() });
    lab.domain(DomainCommand::DeleteAccount { local: local("ann") });
    assert_eq!(lab.notices(), []);
    // Its queued mail still goes, and its end finds nobody to be counted for.
    let leased = lab.lease(60, vec![key(1, "b.example")]);
    lab.record(vec![result(&leased[0], vec![(0, RecipientOutcome::Bounced(said(550)))], Timestamp(0))]);
    let again = lab.account("ann");
    assert_eq!(lab.used("ann"), (0, 0));
    assert_eq!(lab.submit(again, 2, &["x@b.example"]), Reply::Done);
}

#[test]
fn whom_an_account_knows_is_bounded() {
    let sending = SendingLimits {
        account: AccountSending { new_recipients_per_day: Limit::AtMost(1_000_000), ..Default::default() },
        ..Default::default()
    };
    let mut lab = Lab::with_plan(with_sending(sending));
    let ann = lab.account("ann");
    let each = limits::SMTP_RECIPIENTS_MAX;
    let rounds = limits::KNOWN_RECIPIENTS_MAX / each + 2;
    for round in 0..rounds {
        let to: Vec<String> = (0..each).map(|user| format!("u{user}r{round}@b.example")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        assert_eq!(lab.submit(ann, u8::try_from(round + 1).unwrap(), &to), Reply::Done);
    }
    let used = |lab: &Lab| lab.report("ann").account.used(SendingUnit::NewRecipients, SendingPeriod::Day, lab.now);
    let before = used(&lab);
    lab.submit(ann, 200, &[&format!("u0r{}@b.example", rounds - 1)]);
    assert_eq!(used(&lab), before, "the last ones are known");
    lab.submit(ann, 201, &["u0r0@b.example"]);
    assert_eq!(used(&lab), before + 1, "the first ones are forgotten");
}
