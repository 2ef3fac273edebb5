//! Accounts that answer by themselves: in the step that delivers, each sender once in a while, and nobody who must not be answered
//! (RFC 3834; SONET-26, SONET-27).

use bytes::Bytes;
use yubin_state::auto_reply::{
    Answerable, AutoReply, AutoReplyCommand, AutoReplyReport, Forwarding, ReplySwitch, ReplyTo,
};
use yubin_state::command::{DomainCommand, MailCommand, Recipient};
use yubin_state::forward::{ForwardCommand, LocalCopy, Passage};
use yubin_state::keys::Table;
use yubin_state::queue::rows::Queued;
use yubin_state::queue::{QueueId, QueueSource, Smtputf8};
use yubin_state::{Answer, Decode as _, Query, Reply};
use yubin_types::{Address, EmailId, Refusal, ReversePath, SpecialUse, Timestamp, limits};

use crate::lab::{D1, DAY, Lab, local, message as body, recipient, refused};

/// Replies of several kinds; the first is the plainest.
pub(crate) fn reply(kind: usize) -> AutoReply {
    AutoReply {
        switch: ReplySwitch::On,
        from: None,
        until: None,
        subject: if kind == 1 { "Away".to_owned() } else { String::new() },
        text: format!("text {kind}"),
        days: 7,
        to: if kind == 2 { ReplyTo::Everything } else { ReplyTo::Named },
        forwarding: if kind == 2 { Forwarding::Rests } else { Forwarding::Continues },
        since: Timestamp(0),
        by: String::new(),
    }
}

/// What comes with a message that names ann.
pub(crate) fn answerable() -> Answerable {
    let (fields, subject) = (&b"Date: d\r\nTo: <bob@far.example>\r\n"[..], &b"Subject: Auto: lunch\r\n"[..]);
    Answerable { named: vec![local("Ann")], fields: fields.into(), subject: subject.into() }
}

impl Lab {
    fn answers(&mut self, name: &str, reply: AutoReply) -> Reply {
        let (reply, body_bytes) = (Box::new(reply), 40);
        let set = AutoReplyCommand::Set { local: local(name), reply, body_ordinal: 0, body_bytes };
        self.domain(DomainCommand::AutoReply(set))
    }

    fn answers_no_more(&mut self, name: &str) -> Reply {
        self.domain(DomainCommand::AutoReply(AutoReplyCommand::Clear { local: local(name) }))
    }

    fn auto_reply_of(&self, name: &str) -> Option<AutoReplyReport> {
        match self.ask(D1, &Query::AutoReply(local(name))) {
            Answer::AutoReply(report) => report.map(|report| *report),
            other => panic!("{other:?}"),
        }
    }

    /// A message arrives; how many are queued because of it.
    fn comes(&mut self, from: &str, to: Recipient, passage: Passage) -> u64 {
        let before = self.totals().messages;
        let number = u64::try_from(self.log.len()).unwrap();
        let mut identity = [9; 16];
        identity[10..].copy_from_slice(&number.to_be_bytes()[2..]);
        let recipients = vec![Recipient { email_id: EmailId(identity), ..to }];
        let sender =
            if from.is_empty() { ReversePath::Null } else { ReversePath::Address(Address::parse(from).unwrap()) };
        let reply = self.mail(MailCommand::Deliver { login: None, sender, recipients, message: body(100), passage });
        assert!(matches!(reply, Reply::Delivered(_)), "{reply:?}");
        self.totals().messages - before
    }

    /// What goes before the body of a queued message.
    fn queued_prefix(&self, id: QueueId) -> String {
        let rows = self.state.rows.iter().filter(|(key, _)| key[0] == Table::Queued as u8);
        let mut queued = rows.map(|(_, value)| Queued::decode(value).unwrap()).filter(|row| row.message.id == id);
        String::from_utf8(queued.next().unwrap().prefix.to_vec()).unwrap()
    }

    fn comes_from(&mut self, from: &str) -> u64 {
        self.comes(from, recipient("ann"), passage())
    }
}

fn passage() -> Passage {
    Passage { answer: Some(answerable()), ..Passage::default() }
}

#[test]
fn an_answer_is_queued_in_the_step_that_delivers() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    assert_eq!(lab.answers("ann", reply(0)), Reply::Done);
    assert_eq!(lab.comes_from("bob@far.example"), 1);
    assert_eq!(lab.rows(ann, "INBOX").len(), 1, "the mail is there too");
    let [leased] = &lab.all()[..] else { panic!() };
    let message = &leased.message;
    assert_eq!(message.sender, ReversePath::Null);
    let by = yubin_types::DomainName::parse("one.example").unwrap();
    assert_eq!(message.source, QueueSource::AutoReply { account: ann.account, by });
    let id = format!("<{}@one.example>", message.id);
    assert_eq!(message.message_id.as_deref(), Some(id.as_str()));
    let header = format!(
        "From: <ann@one.example>\r\nMessage-ID: {id}\r\nAuto-Submitted: auto-replied\r\nDate: d\r\nTo: <bob@far.example>\r\nSubject: Auto: lunch\r\n"
    );
    assert_eq!(lab.queued_prefix(message.id), header);
    assert_eq!(message.bytes, 40 + header.len() as u64);
    assert_eq!(message.content.smtputf8, Smtputf8::NotNeeded);
    assert_eq!(leased.delivery.address(&leased.delivery.recipients[0]).to_string(), "bob@far.example");
    let report = lab.auto_reply_of("ann").unwrap();
    assert_eq!((report.answered, report.reply.text.as_str()), (1, "text 0"));

    // With a subject of its own.
    assert_eq!(lab.answers("ann", reply(1)), Reply::Done);
    assert_eq!(lab.comes_from("tim@far.example"), 1);
    let leased = lab.all();
    assert!(!lab.queued_prefix(leased.last().unwrap().message.id).contains("Subject"), "it is in the body");
}

#[test]
fn a_sender_is_answered_once_in_a_while() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.answers("ann", reply(0));
    assert_eq!((lab.comes_from("bob@far.example"), lab.comes_from("BOB@far.example")), (1, 0));
    assert_eq!(lab.comes_from("tim@far.example"), 1);
    lab.now = lab.now.plus_seconds(7 * DAY - 1);
    assert_eq!(lab.comes_from("bob@far.example"), 0);
    lab.now = lab.now.plus_seconds(1);
    assert_eq!(lab.comes_from("bob@far.example"), 1);
    assert_eq!(lab.auto_reply_of("ann").unwrap().answered, 1, "what is over is forgotten");
    // Nothing but times changed: still known. Another text is new to everybody.
    lab.answers("ann", AutoReply { days: 1, ..reply(0) });
    assert_eq!(lab.comes_from("bob@far.example"), 0);
    lab.answers("ann", AutoReply { text: "other".to_owned(), ..reply(0) });
    assert_eq!(lab.comes_from("bob@far.example"), 1);
    // Cleared, and nothing is left.
    assert_eq!(lab.answers_no_more("ann"), Reply::Done);
    assert_eq!((lab.comes_from("eva@far.example"), lab.auto_reply_of("ann")), (0, None));
}

#[test]
fn who_must_not_be_answered_is_not() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.answers("ann", AutoReply { to: ReplyTo::Everything, ..reply(0) });
    let bob = "bob@far.example";
    assert_eq!(lab.comes("", recipient("ann"), passage()), 0, "a notice");
    assert_eq!(lab.comes(bob, recipient("ann"), Passage::default()), 0, "what a program sent");
    let junk = Recipient { special_use: Some(SpecialUse::Junk), ..recipient("ann") };
    assert_eq!(lab.comes(bob, junk, passage()), 0, "junk");
    let circle = Passage { visited: vec![local("ann")], ..passage() };
    assert_eq!(lab.comes(bob, recipient("ann"), circle), 0, "a circle");
    for own in ["ann@one.example", "ann+x@one.example"] {
        assert_eq!(lab.comes(own, recipient("ann"), passage()), 0, "{own}");
    }
    let mut large = passage();
    large.answer.as_mut().unwrap().fields = Bytes::from(vec![b'x'; limits::AUTO_REPLY_FIELDS_BYTES_MAX]);
    assert_eq!(lab.comes(bob, recipient("ann"), large), 0, "too much to say");
    lab.domain(DomainCommand::SuspendAccount { local: local("ann"), reason: "x".to_owned() });
    assert_eq!(lab.comes(bob, recipient("ann"), passage()), 0, "a suspended account says nothing");
    lab.domain(DomainCommand::ResumeAccount { local: local("ann") });
    assert_eq!(lab.comes(bob, recipient("ann"), passage()), 1);
}

#[test]
fn only_mail_that_names_the_account_is_answered_where_that_is_asked_for() {
    let mut lab = Lab::new();
    for name in ["ann", "tim"] {
        lab.account(name);
        lab.answers(name, reply(0));
    }
    lab.domain(DomainCommand::PutAlias { local: local("info"), targets: vec![local("tim")] });
    lab.domain(DomainCommand::Update { plan: None, quota: None, catch_all: Some(Some(local("ann"))) });
    let mut named = |names: &[&str], to: &str, from: &str| {
        let mut passage = passage();
        passage.answer.as_mut().unwrap().named = names.iter().map(|name| local(name)).collect();
        lab.comes(from, recipient(to), passage)
    };
    assert_eq!(named(&[], "ann", "1@far.example"), 0);
    assert_eq!(named(&["tim"], "ann", "1@far.example"), 0);
    assert_eq!(named(&["nobody"], "nobody", "1@far.example"), 0, "what a catch-all takes was written to nobody");
    assert_eq!(named(&["x", "ann+tag"], "ann", "1@far.example"), 1);
    assert_eq!(named(&["info"], "info", "1@far.example"), 1, "an alias is a name of its account");
}

#[test]
fn a_reply_has_its_time_and_its_switch() {
    let mut lab = Lab::new();
    lab.account("ann");
    let now = lab.now;
    lab.answers("ann", AutoReply { from: Some(now.plus_seconds(10)), until: Some(now.plus_seconds(20)), ..reply(0) });
    assert_eq!(lab.comes_from("1@far.example"), 0);
    lab.now = now.plus_seconds(10);
    assert_eq!(lab.comes_from("1@far.example"), 1);
    lab.now = now.plus_seconds(20);
    assert_eq!(lab.comes_from("2@far.example"), 0);
    lab.answers("ann", AutoReply { switch: ReplySwitch::Off, ..reply(0) });
    assert_eq!(lab.comes_from("3@far.example"), 0);
    assert_eq!(lab.auto_reply_of("ann").unwrap().reply.text, "text 0", "what was written is kept");
    for wrong in [
        AutoReply { text: String::new(), ..reply(0) },
        AutoReply { text: "x".repeat(limits::AUTO_REPLY_TEXT_BYTES_MAX + 1), ..reply(0) },
        AutoReply { subject: "x".repeat(limits::AUTO_REPLY_SUBJECT_BYTES_MAX + 1), ..reply(0) },
        AutoReply { days: 0, ..reply(0) },
        AutoReply { days: limits::AUTO_REPLY_DAYS_MAX + 1, ..reply(0) },
        AutoReply { from: Some(now), until: Some(now), ..reply(0) },
    ] {
        let reply = lab.answers("ann", wrong);
        assert!(matches!(refused(&reply), Refusal::InvalidValue { .. }), "{reply:?}");
    }
    assert_eq!(refused(&lab.answers("nobody", reply(0))), &Refusal::NoSuchAccount);
}

#[test]
fn a_forward_goes_on_or_rests_while_the_account_answers() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let targets = vec![Address::parse("ann@else.example").unwrap()];
    let forward = ForwardCommand::Set { local: local("ann"), targets, copy: LocalCopy::Drop };
    assert_eq!(lab.domain(DomainCommand::Forward(forward)), Reply::Done);
    lab.answers("ann", reply(0));
    assert_eq!(lab.comes_from("1@far.example"), 2, "forwarded and answered");
    assert_eq!(lab.rows(ann, "INBOX").len(), 0);
    lab.answers("ann", AutoReply { forwarding: Forwarding::Rests, ..reply(0) });
    assert_eq!(lab.comes_from("1@far.example"), 0, "not forwarded though nobody is answered");
    assert_eq!(lab.rows(ann, "INBOX").len(), 1, "mail is kept");
    assert_eq!(lab.comes_from("2@far.example"), 1);
}

#[test]
fn answers_are_bounded() {
    let mut lab = Lab::new();
    let names: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    for name in &names {
        lab.account(name);
        lab.answers(name, AutoReply { to: ReplyTo::Everything, ..reply(0) });
    }
    lab.domain(DomainCommand::PutAlias {
        local: local("all"),
        targets: names.iter().map(|name| local(name)).collect(),
    });
    assert_eq!(lab.comes("bob@far.example", recipient("all"), passage()), limits::AUTO_REPLIES_PER_DELIVERY_MAX as u64);
}
