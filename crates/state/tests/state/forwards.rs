//! Mail that goes on: in the step that delivers it, to all targets or none, not in circles, and not for ever to whom refuses it (SHIN-20,
//! SONET-24).

use bytes::Bytes;
use yubin_state::command::{DomainCommand, MailCommand, Recipient};
use yubin_state::forward::{Forward, ForwardCommand, ForwardNotice, LocalCopy, Passage};
use yubin_state::queue::{
    DeliveryKey, Leased, NewQueued, QueueAnswer, QueueCommand, QueueFilter, QueueId, QueueQuery, QueueSource,
    RecipientOutcome, Smtputf8,
};
use yubin_state::{Answer, Command, DedupeClass, Query, Reply};
use yubin_types::{Address, EmailId, QuotaScope, Refusal, ReversePath, SpecialUse, Timestamp, limits};

use crate::lab::{D1, Lab, bytes_quota, local, message as body, recipient, refused};
use crate::queue::{GROUP, delivered, message, result, said};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn passage(hops: u32, visited: &[&str]) -> Passage {
    let visited = visited.iter().map(|text| local(text)).collect();
    Passage { message_id: Some("<1@source.example>".to_owned()), hops, visited, ..Passage::default() }
}

impl Lab {
    fn forward(&mut self, command: ForwardCommand) -> Reply {
        self.domain(DomainCommand::Forward(command))
    }

    fn set(&mut self, name: &str, targets: &[&str], copy: LocalCopy) -> Reply {
        let targets = targets.iter().map(|text| address(text)).collect();
        self.forward(ForwardCommand::Set { local: local(name), targets, copy })
    }

    fn forward_of(&self, name: &str) -> Option<Forward> {
        match self.ask(D1, &Query::Forward(local(name))) {
            Answer::Forward(forward) => forward,
            other => panic!("{other:?}"),
        }
    }

    /// A message from outside, with another identity than all before.
    fn arrive(&mut self, to: &[Recipient], passage: Passage) -> Reply {
        let number = u64::try_from(self.log.len()).unwrap();
        let mut identity = [7; 16];
        identity[6..14].copy_from_slice(&number.to_be_bytes());
        let recipients = to.iter().map(|to| Recipient { email_id: EmailId(identity), ..to.clone() }).collect();
        let sender = ReversePath::Address(address("bob@source.example"));
        self.mail(MailCommand::Deliver { login: None, sender, recipients, message: body(100), passage })
    }

    fn arrived(&mut self, to: &str) -> usize {
        match self.arrive(&[recipient(to)], passage(0, &[])) {
            Reply::Delivered(copies) => copies[0].len(),
            other => panic!("{other:?}"),
        }
    }

    fn waiting(&self) -> Vec<DeliveryKey> {
        let filter = QueueFilter::default();
        match self.ask_queue(D1, QueueQuery::List { filter, after: None, limit: 100 }) {
            QueueAnswer::List { deliveries, .. } => {
                let key = |(domain, message, delivery): (_, yubin_state::queue::QueuedMessage, _)| {
                    let yubin_state::queue::Delivery { destination, .. } = delivery;
                    DeliveryKey { domain, id: message.id, destination }
                };
                deliveries.into_iter().map(key).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Leases everything that waits.
    pub(crate) fn all(&mut self) -> Vec<Leased> {
        let items = self.waiting();
        self.lease(60, items)
    }

    /// All recipients of everything that waits are refused for good.
    fn all_refuse(&mut self) {
        for leased in self.all() {
            let count = u16::try_from(leased.delivery.recipients.len()).unwrap();
            let outcomes = (0..count).map(|place| (place, RecipientOutcome::Bounced(said(550)))).collect();
            assert!(self.record(vec![result(&leased, outcomes, Timestamp(0))]).is_empty());
        }
    }

    fn forward_notices(&self) -> Vec<ForwardNotice> {
        match self.ask(GROUP, &Query::ForwardNotices) {
            Answer::ForwardNotices(notices) => notices,
            other => panic!("{other:?}"),
        }
    }

    fn tell_pause(&mut self, notice: &ForwardNotice) -> Reply {
        let since = notice.forward.last_pause().unwrap();
        let recipient = Recipient { local: notice.local.clone(), ..recipient("ann") };
        self.forward(ForwardCommand::Tell { account: notice.account, since, recipient, message: body(50) })
    }
}

#[test]
fn a_message_goes_on_in_the_step_that_stores_it() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let targets = ["ann@far.example", "ann.b@far.example", "bob@one.example"];
    assert_eq!(lab.set("ann", &targets, LocalCopy::Keep), Reply::Done);
    let prefix =
        Bytes::from_static(b"Return-Path: <bob@source.example>\r\nDelivered-To: ann@one.example\r\nReceived: x\r\n");
    let reply = lab.arrive(&[Recipient { prefix, ..recipient("ann") }], passage(0, &[]));
    assert!(matches!(&reply, Reply::Delivered(copies) if copies[0].len() == 1), "{reply:?}");
    assert_eq!(lab.rows(ann, "INBOX").len(), 1);
    assert_eq!((lab.totals().messages, lab.totals().deliveries), (1, 2));
    let leased = lab.all();
    let [far, home] = &leased[..] else { panic!("{leased:?}") };
    assert_eq!(far.message, home.message);
    let message = &far.message;
    assert_eq!(message.sender, ReversePath::Address(address("bob@source.example")), "rewritten where it leaves");
    let by = address("ann@one.example");
    assert_eq!(message.source, QueueSource::Forward { account: ann.account, by });
    assert_eq!(message.message_id.as_deref(), Some("<1@source.example>"));
    let before = "X-Forwarded-For: ann@one.example\r\nDelivered-To: ann@one.example\r\nReceived: x\r\n";
    assert_eq!(message.bytes, 100 + before.len() as u64);
    let names: Vec<&str> = far.delivery.recipients.iter().map(|recipient| recipient.local.as_str()).collect();
    assert_eq!((names, far.delivery.destination.to_string()), (vec!["ann", "ann.b"], "far.example".to_owned()));
    assert_eq!(far.delivery.recipients[0].orcpt.as_deref(), Some(&b"rfc822;ann@one.example"[..]));
    assert_eq!(home.delivery.destination.to_string(), "one.example");
}

#[test]
fn whoever_keeps_no_copy_needs_no_room() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.domain(DomainCommand::SetAccountQuota { local: local("ann"), quota: Some(bytes_quota(50)) });
    let welcome = |lab: &Lab| lab.ask(D1, &Query::Recipient { local: local("ann"), bytes: Some(100) });
    let full = Refusal::OverQuota { scope: QuotaScope::Account };
    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Keep), Reply::Done);
    assert_eq!(welcome(&lab), Answer::Refused(full.clone()));
    let reply = lab.arrive(&[recipient("ann")], passage(0, &[]));
    assert_eq!(reply, Reply::DeliveryRefused(vec![Some(full.clone())]), "with a copy it is all or nothing");
    assert_eq!(lab.totals().messages, 0);

    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Drop), Reply::Done);
    assert!(matches!(welcome(&lab), Answer::Recipient(_)));
    assert_eq!(lab.arrived("ann"), 0);
    assert_eq!((lab.totals().messages, lab.rows(ann, "INBOX").len(), lab.usage("ann").bytes), (1, 0, 0));
    // What isn't forwarded needs room like everybody's.
    let junk = Recipient { special_use: Some(SpecialUse::Junk), ..recipient("ann") };
    assert_eq!(lab.arrive(&[junk], passage(0, &[])), Reply::DeliveryRefused(vec![Some(full)]));
    assert_eq!(lab.totals().messages, 1);
}

#[test]
fn junk_circles_and_mail_for_the_suspended_stay() {
    let mut lab = Lab::new();
    lab.account("ann");
    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Drop), Reply::Done);
    let stays = |lab: &mut Lab, to: Recipient, passage: Passage| {
        let reply = lab.arrive(&[to], passage);
        assert!(matches!(&reply, Reply::Delivered(copies) if copies[0].len() == 1), "{reply:?}");
        assert_eq!(lab.totals().messages, 0);
    };
    stays(&mut lab, Recipient { special_use: Some(SpecialUse::Junk), ..recipient("ann") }, passage(0, &[]));
    stays(&mut lab, recipient("ann"), passage(1, &["ANN"]));
    stays(&mut lab, recipient("ann"), passage(limits::FORWARD_HOPS_MAX, &[]));
    lab.domain(DomainCommand::SuspendAccount { local: local("ann"), reason: String::new() });
    stays(&mut lab, recipient("ann"), passage(0, &[]));
    lab.domain(DomainCommand::ResumeAccount { local: local("ann") });
    assert_eq!(lab.rows(lab.login("ann"), "INBOX").len(), 3);
    let reply = lab.arrive(&[recipient("ann")], passage(limits::FORWARD_HOPS_MAX - 1, &["bob"]));
    assert!(matches!(&reply, Reply::Delivered(copies) if copies[0].is_empty()), "{reply:?}");
    assert_eq!(lab.totals().messages, 1);
    assert_eq!(lab.forward(ForwardCommand::Clear { local: local("ann") }), Reply::Done);
    assert_eq!((lab.arrived("ann"), lab.totals().messages, lab.forward_of("ann")), (1, 1, None));
}

#[test]
fn an_account_forwards_a_message_once_whatever_leads_to_it() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("bob");
    lab.domain(DomainCommand::PutAlias { local: local("team"), targets: vec![local("ann"), local("bob")] });
    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Drop), Reply::Done);
    assert_eq!(lab.set("bob", &["bob@far.example"], LocalCopy::Keep), Reply::Done);
    let reply = lab.arrive(&[recipient("team"), recipient("ann"), recipient("bob+x")], passage(0, &[]));
    let Reply::Delivered(copies) = reply else { panic!("{reply:?}") };
    assert_eq!(copies.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1], "bob's copy is one");
    let leased = lab.all();
    let mut by: Vec<String> = leased
        .iter()
        .map(|leased| match &leased.message.source {
            QueueSource::Forward { by, .. } => by.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    by.sort();
    assert_eq!(by, ["ann@one.example", "bob@one.example"]);
}

#[test]
fn a_retry_forwards_nothing_again() {
    let mut lab = Lab::new();
    lab.account("ann");
    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Keep), Reply::Done);
    let sender = ReversePath::Address(address("bob@source.example"));
    let (recipients, passage) = (vec![recipient("ann")], passage(0, &[]));
    let deliver = Command::Mail(MailCommand::Deliver { login: None, sender, recipients, message: body(10), passage });
    let envelope = lab.envelope(D1, DedupeClass::Delivery);
    let first = lab.propose(envelope.clone(), deliver.clone());
    lab.now = lab.now.plus_seconds(5);
    assert_eq!(lab.propose(envelope, deliver), first);
    assert_eq!((lab.totals().messages, lab.usage("ann").messages), (1, 1));
}

#[test]
fn addresses_beyond_ascii_need_a_way_that_takes_them() {
    let mut lab = Lab::new();
    lab.account("ann");
    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Drop), Reply::Done);
    lab.arrived("ann");
    assert_eq!(lab.all()[0].message.content.smtputf8, Smtputf8::NotNeeded);
    assert_eq!(lab.set("ann", &["\u{e4}nn@near.example"], LocalCopy::Drop), Reply::Done);
    lab.arrived("ann");
    let near = lab.waiting().into_iter().filter(|key| key.destination.to_string() == "near.example").collect();
    assert_eq!(lab.lease(60, near)[0].message.content.smtputf8, Smtputf8::Needed);
}

#[test]
fn a_domain_with_too_much_in_the_queue_takes_nothing_that_goes_on() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("bob");
    assert_eq!(lab.set("ann", &["ann@far.example"], LocalCopy::Keep), Reply::Done);
    let big = NewQueued { body_bytes: 90 << 20, ..message(1, &["x@b.example"]) };
    for number in 0..limits::QUEUED_BYTES_PER_DOMAIN_MAX / (90 << 20) {
        let envelope = lab.envelope(D1, DedupeClass::None);
        let new = NewQueued { id: QueueId([number.to_be_bytes(); 2].concat().try_into().unwrap()), ..big.clone() };
        let enqueue = QueueCommand::Enqueue { login: None, messages: vec![new] };
        assert_eq!(lab.propose_unchecked(envelope, Command::Queue(enqueue)), Reply::Done);
    }
    lab.enqueue(vec![NewQueued { body_bytes: (72 << 20), ..message(0xee, &["x@b.example"]) }]);
    let before = lab.usage("bob");
    let huge = MailCommand::Deliver {
        login: None,
        sender: ReversePath::Null,
        recipients: vec![recipient("bob"), recipient("ann")],
        message: body(90 << 20),
        passage: Passage::default(),
    };
    assert_eq!(lab.mail(huge), Reply::DeliveryRefused(vec![None, Some(Refusal::QueueFull)]));
    assert_eq!(lab.usage("bob"), before);
}

#[test]
fn who_refuses_message_after_message_gets_no_more_and_the_owner_is_told_once() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    assert_eq!(lab.set("ann", &["ann@far.example", "ann@near.example"], LocalCopy::Drop), Reply::Done);
    let refuse = |lab: &mut Lab, count: u32| {
        for _ in 0..count {
            lab.arrived("ann");
            for leased in lab.all() {
                let near = leased.delivery.destination.to_string() == "near.example";
                let outcome =
                    if near { RecipientOutcome::Delivered(said(250)) } else { RecipientOutcome::Bounced(said(550)) };
                lab.record(vec![result(&leased, vec![(0, outcome)], Timestamp(0))]);
            }
        }
    };
    refuse(&mut lab, limits::FORWARD_REFUSALS_MAX - 1);
    lab.arrived("ann");
    for leased in lab.all() {
        lab.record(vec![delivered(&leased)]);
    }
    assert_eq!(lab.forward_of("ann").unwrap().targets[0].refused, 0, "one that is taken begins the count anew");
    refuse(&mut lab, limits::FORWARD_REFUSALS_MAX);
    let forward = lab.forward_of("ann").unwrap();
    assert_eq!(forward.targets[0].pause.as_ref().map(|pause| pause.reply.as_str()), Some("550 so it is"));
    assert_eq!((forward.targets[1].refused, forward.active().count()), (0, 1));
    assert_eq!(lab.arrived("ann"), 0, "the other target still gets it");
    assert_eq!(lab.waiting().len(), 1);

    let notices = lab.forward_notices();
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!((notice.account, notice.name.as_str()), (ann.account, "one.example"));
    assert!(matches!(lab.tell_pause(notice), Reply::Delivered(_)));
    assert_eq!(lab.rows(ann, "INBOX").len(), 1, "the notice itself is not forwarded");
    assert!(matches!(refused(&lab.tell_pause(notice)), Refusal::NotFound { .. }));
    assert!(lab.forward_notices().is_empty());

    // With every target paused mail is kept.
    lab.set("ann", &["ann@far.example"], LocalCopy::Drop);
    assert_eq!(lab.arrived("ann"), 1);
    assert_eq!(lab.forward(ForwardCommand::Resume { local: local("ann") }), Reply::Done);
    assert_eq!(lab.forward_of("ann").unwrap().active().count(), 1);
    assert_eq!(lab.arrived("ann"), 0);
}

#[test]
fn a_pause_that_is_over_is_not_told() {
    for end in [
        ForwardCommand::Resume { local: local("ann") },
        ForwardCommand::Clear { local: local("ann") },
        ForwardCommand::Set { local: local("ann"), targets: vec![address("x@new.example")], copy: LocalCopy::Keep },
    ] {
        let mut lab = Lab::new();
        lab.account("ann");
        lab.set("ann", &["ann@far.example"], LocalCopy::Drop);
        for _ in 0..limits::FORWARD_REFUSALS_MAX {
            lab.arrived("ann");
            lab.all_refuse();
        }
        assert_eq!(lab.forward_notices().len(), 1);
        assert_eq!(lab.forward(end), Reply::Done);
        assert!(lab.forward_notices().is_empty());
    }
    let mut lab = Lab::new();
    lab.account("ann");
    lab.set("ann", &["ann@far.example"], LocalCopy::Drop);
    (0..limits::FORWARD_REFUSALS_MAX).for_each(|_| {
        lab.arrived("ann");
    });
    lab.domain(DomainCommand::DeleteAccount { local: local("ann") });
    lab.all_refuse();
    assert!(lab.forward_notices().is_empty(), "nobody is left to be told");
}

#[test]
fn a_forward_has_few_targets_and_none_is_the_account() {
    let mut lab = Lab::new();
    lab.account("ann");
    let six: Vec<String> = (0..=limits::FORWARD_TARGETS_MAX).map(|number| format!("a{number}@far.example")).collect();
    let six: Vec<&str> = six.iter().map(String::as_str).collect();
    assert!(matches!(refused(&lab.set("ann", &six, LocalCopy::Keep)), Refusal::TooMany { limit: 5, .. }));
    for wrong in [&[][..], &["ANN@one.example"], &["a@far.example", "A@far.example"]] {
        assert!(matches!(refused(&lab.set("ann", wrong, LocalCopy::Keep)), Refusal::InvalidValue { .. }), "{wrong:?}");
    }
    assert_eq!(refused(&lab.set("bob", &["a@far.example"], LocalCopy::Keep)), &Refusal::NoSuchAccount);
    assert!(matches!(refused(&lab.forward(ForwardCommand::Resume { local: local("ann") })), Refusal::NotFound { .. }));
    assert_eq!(lab.set("ann", &six[..5], LocalCopy::Keep), Reply::Done);
    assert_eq!(lab.forward_of("ann").unwrap().targets.len(), 5);
}
