//! From what an attempt came to, to what is recorded: final outcomes, the next attempt, and the notices that tell the sender.
//!
//! Pure but for the identities of notices. Recipients that the message's time has run out for are given up with the last word heard.
//! Failures and delays of mail from the null sender are told to nobody (RFC 5321 §6.1), nor what a sender did not want to hear
//! (RFC 3461 §4.1). Success is told where it was asked for and nobody behind us will do it.

use bytes::Bytes;
use yubin_message::DateTime;
use yubin_message::dsn::{self, Action, Advice, Cause, Notification, Original, Profile};
use yubin_policy::remote_reply;
use yubin_policy::retry::{FailedAttempt, Retry, RetrySchedule};
use yubin_policy::srs::SrsKey;
use yubin_session::smtp::client::{Stage, Verdict};
use yubin_state::queue::{
    BodyKind, ContentFacts, DelayNotice, DeliveryResult, DsnEnvelope, Handling, Leased, NewDelivery, NewQueued,
    NewQueuedRecipient, NoticeKind, NotifyOn, NotifySet, QueueId, QueueSource, QueuedRecipient, RecipientOutcome,
    Smtputf8,
};
use yubin_types::{Deadline, EnhancedStatus, RecipientAddress, ReversePath, Timestamp, limits};

use crate::fate::{Fate, Handing, RelayNotice, Tried};
use crate::sender;

/// A result with the bodies of its notices, in their order.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) result: DeliveryResult,
    pub(crate) bodies: Vec<Bytes>,
}

/// What settling is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) schedule: &'a RetrySchedule,
    pub(crate) profile: Profile,
    pub(crate) hostname: &'a str,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) srs_key: &'a SrsKey,
    pub(crate) again: Again,
}

/// When whoever is not reached is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// As the schedule says.
    Scheduled,
    /// At once: from another address.
    AtOnce,
}

/// Why a recipient's sender is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// NOTIFY wants it.
    AsNotified,
    /// BY does.
    ByDeadline,
}

/// What is told of a recipient.
struct Told<'a> {
    kind: NoticeKind,
    recipient: &'a QueuedRecipient,
    fate: &'a Fate,
    action: Action,
}

impl Terms<'_> {
    /// Decides what is recorded. `original` is the message's beginning, read only if there is something to tell.
    pub(crate) fn settle(&self, leased: &Leased, tried: &Tried, original: Option<&Bytes>) -> Settled {
        let retry = self.retry(leased);
        let outcome = |fate: &Fate| {
            let reply = fate.reply.clone();
            match fate.verdict {
                Verdict::Delivered => RecipientOutcome::Delivered(reply),
                Verdict::Refused => RecipientOutcome::Bounced(reply),
                Verdict::Deferred | Verdict::Unknown if retry == Retry::Expired => RecipientOutcome::Expired(reply),
                Verdict::Deferred | Verdict::Unknown => RecipientOutcome::Deferred(reply),
            }
        };
        let told = self.told(leased, tried, retry);
        let mut notices = Vec::new();
        let mut bodies = Vec::new();
        for kind in [NoticeKind::Failure, NoticeKind::Delay, NoticeKind::Success] {
            let about: Vec<&Told<'_>> = told.iter().filter(|told| told.kind == kind).collect();
            if let Some((notice, body)) = self.notice(leased, kind, &about, original) {
                notices.push(notice);
                bodies.push(body);
            }
        }
        let result = DeliveryResult {
            delivery: leased.key(),
            token: leased.token,
            attempted: self.began,
            reply: None,
            recipients: (0_u16..).zip(tried.fates.iter().map(outcome)).collect(),
            next_attempt: match retry {
                Retry::At(at) => Some(at),
                Retry::Expired => None,
            },
            // Whoever wants no notices has been told as well as can be.
            delay_notice: if leased.delivery.is_delayed(self.ended) {
                DelayNotice::Sent
            } else {
                leased.delivery.delay_notice
            },
            notices,
        };
        Settled { result, bodies }
    }

    /// Is there anything to tell the sender?
    pub(crate) fn has_news(&self, leased: &Leased, tried: &Tried) -> bool {
        !self.told(leased, tried, self.retry(leased)).is_empty()
    }

    fn retry(&self, leased: &Leased) -> Retry {
        let failed = FailedAttempt {
            attempts: leased.delivery.attempts.saturating_add(1),
            ended: self.ended,
            expires: leased.delivery.expires,
            id: u128::from_be_bytes(leased.message.id.0),
        };
        match (self.schedule.next(&failed), self.again) {
            (Retry::At(_), Again::AtOnce) => Retry::At(self.ended),
            (retry, _) => retry,
        }
    }

    fn told<'a>(&self, leased: &'a Leased, tried: &'a Tried, retry: Retry) -> Vec<Told<'a>> {
        if leased.message.sender == ReversePath::Null {
            return Vec::new();
        }
        let delay_due = leased.delivery.is_delayed(self.ended);
        let news = |(recipient, fate): (&'a QueuedRecipient, &'a Fate)| {
            let mut promise = Promise::AsNotified;
            let (kind, event, action) = match (fate.verdict, retry) {
                (Verdict::Delivered, _) => {
                    if fate.relay == RelayNotice::Wanted {
                        promise = Promise::ByDeadline;
                    }
                    let action = match fate.handing {
                        Handing::NextServer if fate.relay == RelayNotice::Unasked => return None,
                        Handing::NextServer | Handing::Lost => Action::Relayed,
                        Handing::Mailbox => Action::Delivered,
                    };
                    (NoticeKind::Success, NotifyOn::Success, action)
                }
                (Verdict::Refused, _) | (_, Retry::Expired) => (NoticeKind::Failure, NotifyOn::Failure, Action::Failed),
                (Verdict::Deferred | Verdict::Unknown, Retry::At(_)) if delay_due => {
                    if self.is_late(leased) {
                        promise = Promise::ByDeadline;
                    }
                    let will_retry_until = date(leased.delivery.expires);
                    (NoticeKind::Delay, NotifyOn::Delay, Action::Delayed { will_retry_until })
                }
                (Verdict::Deferred | Verdict::Unknown, Retry::At(_)) => return None,
            };
            // RFC 2852 §4.1.3, §4.1.4: BY asks for these, unless nobody is to be told of anything.
            let wanted = match promise {
                Promise::AsNotified => recipient.notify.wants(event),
                Promise::ByDeadline => recipient.notify != NotifySet::NEVER,
            };
            wanted.then_some(Told { kind, recipient, fate, action })
        };
        leased.delivery.recipients.iter().zip(&tried.fates).filter_map(news).collect()
    }

    /// Has the time passed by which the sender wants to be told that it is not delivered (RFC 2852, by-mode N)?
    fn is_late(&self, leased: &Leased) -> bool {
        leased.delivery.handling.deadline.is_some_and(|deadline| !deadline.returns() && deadline.at <= self.ended)
    }

    fn notice(
        &self,
        leased: &Leased,
        kind: NoticeKind,
        about: &[&Told<'_>],
        original: Option<&Bytes>,
    ) -> Option<(NewQueued, Bytes)> {
        let ReversePath::Address(sender) = &leased.message.sender else { return None };
        let to = &sender::first(sender, self.srs_key, self.ended);
        if about.is_empty() {
            return None;
        }
        let addresses: Vec<RecipientAddress> =
            about.iter().map(|told| leased.delivery.address(told.recipient)).collect();
        let recipients: Vec<dsn::Recipient<'_>> =
            about.iter().zip(&addresses).map(|(told, address)| self.recipient(leased, told, address)).collect();
        let id = QueueId(uuid::Uuid::now_v7().into_bytes());
        let beginning: &[u8] = original.map(AsRef::as_ref).unwrap_or_default();
        let whole = beginning.len() as u64 >= leased.message.bytes;
        let written = Notification {
            to,
            reporting_mta: self.hostname,
            id: &id.to_string(),
            queue_id: &leased.message.id.to_string(),
            date: date(self.ended),
            arrival: date(leased.message.queued),
            dsn: &leased.message.dsn,
            tls: leased.message.content.tls,
            handling: &leased.delivery.handling,
            original: if whole { Original::Whole(beginning) } else { Original::Beginning(beginning) },
            recipients: &recipients,
            profile: self.profile,
        }
        .write();
        let (body, smtputf8) = match written.transport {
            dsn::Transport::SevenBit => (BodyKind::SevenBit, Smtputf8::NotNeeded),
            dsn::Transport::EightBit => (BodyKind::EightBit, Smtputf8::NotNeeded),
            dsn::Transport::Utf8 => (BodyKind::EightBit, Smtputf8::Needed),
        };
        let bytes = Bytes::from(written.bytes);
        let recipient = NewQueuedRecipient { local: to.local.clone(), notify: NotifySet::NEVER, orcpt: None };
        let queued = NewQueued {
            id,
            sender: ReversePath::Null,
            source: QueueSource::Notice(kind),
            message_id: Some(format!("<{id}@{}>", self.hostname)),
            body_ordinal: 0,
            body_bytes: bytes.len() as u64,
            prefix: Bytes::new(),
            content: ContentFacts { body, smtputf8, tls: leased.message.content.tls },
            dsn: DsnEnvelope::default(),
            handling: Handling { priority: leased.delivery.handling.priority, ..Handling::default() },
            lifetime_seconds: limits::QUEUE_LIFETIME_SECONDS_DEFAULT,
            deliveries: vec![NewDelivery { destination: to.domain.clone().into(), recipients: vec![recipient] }],
        };
        Some((queued, bytes))
    }

    fn recipient<'a>(&self, leased: &Leased, told: &'a Told<'a>, address: &'a RecipientAddress) -> dsn::Recipient<'a> {
        let reply = &told.fate.reply;
        let class = match told.fate.verdict {
            Verdict::Delivered => 2,
            Verdict::Refused => 5,
            Verdict::Deferred | Verdict::Unknown => 4,
        };
        let verdict = remote_reply::classify(&remote_reply::Reply {
            host: &reply.host,
            code: reply.code,
            enhanced: reply.enhanced,
            text: &reply.text,
        });
        let late = EnhancedStatus::new(if told.action == Action::Failed { 5 } else { 4 }, 4, 7);
        let timed = |deadline: Deadline| match told.action {
            Action::Failed => class == 4 && deadline.returns(),
            Action::Delayed { .. } => !deadline.returns(),
            Action::Delivered | Action::Relayed | Action::Expanded => false,
        };
        let status = match reply.enhanced {
            _ if leased.delivery.handling.deadline.is_some_and(timed) => late,
            Some(status) if status.class == class => status,
            _ if class == 2 => EnhancedStatus::new(2, 0, 0),
            _ => verdict.class.status(class),
        };
        let advice = &verdict.class.advice().sender;
        dsn::Recipient {
            address,
            orcpt: told.recipient.orcpt.as_deref(),
            action: told.action,
            status,
            cause: if reply.host.is_empty() {
                Cause::Local { text: &reply.text, host: None }
            } else {
                Cause::Reply {
                    host: &reply.host,
                    code: reply.code,
                    enhanced: reply.enhanced,
                    text: &reply.text,
                    stage: told.fate.stage.map(stage),
                }
            },
            last_attempt: Some(date(self.ended)),
            advice: (class != 2).then_some(Advice { english: advice.english, japanese: advice.japanese }),
        }
    }
}

fn stage(stage: Stage) -> dsn::Stage {
    match stage {
        Stage::Greeting => dsn::Stage::Greeting,
        Stage::Hello => dsn::Stage::Hello,
        Stage::StartTls => dsn::Stage::StartTls,
        Stage::Auth => dsn::Stage::Auth,
        Stage::Reset | Stage::Mail => dsn::Stage::Mail,
        Stage::Rcpt => dsn::Stage::Recipient,
        Stage::Data => dsn::Stage::Data,
        Stage::Body | Stage::EndOfData => dsn::Stage::EndOfData,
    }
}

fn date(at: Timestamp) -> DateTime {
    DateTime::utc(i64::try_from(at.seconds()).unwrap_or(i64::MAX))
}
