//! The mail log: what happened to a message on its way in and out, for whoever asks "where is my mail?".
//!
//! Front ends and workers say what they did ([`StoreClient::note`]); a task carries it, many events at a time, to one store node
//! ([`StoreClient::carry_mail_log`]), which keeps it on its disk; a search asks all nodes ([`StoreClient::search_mail_log`]). None of it
//! goes through the replicated log: mail never waits for it, what can't be carried is lost and counted, and a node that is lost takes
//! its share with it. The final outcomes of queued mail are replicated, and stand elsewhere ([`yubin_state::queue`]).
//!
//! Events hold addresses, which are personal data: they are kept for [`limits::MAIL_LOG_DAYS`].

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use yubin_state::queue::Way;
use yubin_types::report::ReportFact;
use yubin_types::{QueueId, Timestamp, TraceId, limits};

use crate::client::StoreClient;
use crate::contract::StoreError;

/// How long events are gathered before they are carried.
const GATHER: Duration = Duration::from_millis(100);
/// How long a node may take to keep them, or to search.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// Something that happened to a message, for one recipient; or that somebody was refused who wanted to bring or fetch some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: MailEventKind,
    /// The connection or the queued message that it belongs to.
    pub trace: TraceId,
    /// The process that says so, by its host name.
    pub host: String,
    /// The other side: a client's address, or a server's name and address.
    pub peer: String,
    /// The envelope sender without angle brackets; empty for the null sender.
    pub sender: String,
    /// The recipient; empty if none was named yet.
    pub recipient: String,
    /// The Message-ID, if the header was seen.
    pub message_id: Option<String>,
    /// The address of the account that logged in, which may send in another name, or that was refused; empty if there is none.
    pub login: String,
    /// Its id in the queue, if it got there.
    pub id: Option<QueueId>,
    /// Size, bytes; 0 if it is not known.
    pub bytes: u64,
    /// How often it happened: 1, unless logins or connections that were refused were added up.
    pub count: u64,
    /// The reply, or where the message is; at most [`limits::MAIL_EVENT_TEXT_BYTES_MAX`] bytes.
    pub text: String,
    /// Of an attempt to deliver it: how that went.
    pub attempt: Option<Box<AttemptFacts>>,
}

/// How an attempt to deliver a message went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFacts {
    /// The hosted domain whose mail it is.
    pub tenant: String,
    /// Which attempt it was, from 1.
    pub number: u32,
    /// How long ago the message was queued, milliseconds.
    pub delay_ms: u64,
    /// What the reply means, in a word.
    pub reason: String,
    /// Over which connection it went; `None`: there was none.
    pub way: Option<Way>,
}

/// What the mail log keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogEntry {
    /// Something that happened to a message.
    Event(MailEvent),
    /// Something to report to another domain ([`crate::report_facts`]).
    Fact(ReportFact),
}

/// What happened; the names of what happens to messages are KumoMTA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MailEventKind {
    /// It was taken and queued.
    Reception,
    /// It was stored in a mailbox.
    Delivery,
    /// It was refused, for now or for good.
    Rejection,
    /// It was taken, and dropped as a filter wanted.
    Discard,
    /// An attempt to deliver it failed; there will be another one.
    TransientFailure,
    /// No message: a login was refused.
    LoginRefusal,
    /// No message: a connection was refused, or ended because of what it asked.
    ConnectionRefusal,
}

/// What a search looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailLogSearch {
    /// What the events have in common.
    pub term: Term,
    /// From then.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
    /// At most so many, the latest ones; not more than [`limits::MAIL_EVENTS_PER_CALL_MAX`].
    pub limit: usize,
}

/// By what events are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Term {
    /// Sender, recipient or login, without regard to case.
    Address(String),
    /// The Message-ID with its angle brackets.
    MessageId(String),
    /// The id in the queue, or the trace.
    Id([u8; 16]),
    /// The address of a client, or ours that an attempt came from.
    Peer(IpAddr),
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailLogFound {
    /// In the order of time.
    pub events: Vec<MailEvent>,
    /// Nodes that did not answer: what they keep is missing.
    pub silent_nodes: Vec<u64>,
}

impl MailEvent {
    /// Everything that it is found by.
    #[must_use]
    pub fn terms(&self) -> Vec<Term> {
        let mut terms: Vec<Term> = [&self.sender, &self.recipient, &self.login]
            .into_iter()
            .filter(|address| !address.is_empty())
            .map(|address| Term::Address(address.to_lowercase()))
            .collect();
        terms.extend(self.message_id.clone().map(Term::MessageId));
        terms.extend(self.id.map(|id| Term::Id(id.0)));
        terms.push(Term::Id(self.trace.0));
        terms.extend(self.peer.parse().ok().map(Term::Peer));
        let way = self.attempt.as_ref().and_then(|attempt| attempt.way.as_ref());
        terms.extend(way.and_then(|way| way.source).map(Term::Peer));
        terms
    }
}

impl Term {
    /// In the form in which [`MailEvent::terms`] gives it.
    #[must_use]
    pub fn normalized(self) -> Self {
        match self {
            Term::Address(address) => Term::Address(address.to_lowercase()),
            other => other,
        }
    }
}

/// Where a process puts its events until they are carried.
#[derive(Default)]
pub(crate) struct MailLog {
    /// Set while somebody carries.
    waiting: OnceLock<mpsc::Sender<LogEntry>>,
    lost: AtomicU64,
}

impl StoreClient {
    /// Says what happened. Never waits: nothing is kept unless [`StoreClient::carry_mail_log`] runs, and more than
    /// [`limits::MAIL_EVENTS_WAITING_MAX`] events at a time are lost.
    pub fn note(&self, mut event: MailEvent) {
        cut(&mut event.text);
        self.log(LogEntry::Event(event));
    }

    /// Puts an entry where it waits to be carried, if somebody carries.
    pub(crate) fn log(&self, entry: LogEntry) {
        let log = self.mail_log();
        let Some(waiting) = log.waiting.get() else { return };
        if waiting.try_send(entry).is_err() {
            log.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that were lost so far.
    #[must_use]
    pub fn mail_events_lost(&self) -> u64 {
        self.mail_log().lost.load(Ordering::Relaxed)
    }

    /// Carries events to the store until `stop` is over, and then what is left. To be run once.
    pub async fn carry_mail_log(&self, stop: impl Future<Output = ()>) {
        let (sender, mut waiting) = mpsc::channel(limits::MAIL_EVENTS_WAITING_MAX);
        if self.mail_log().waiting.set(sender).is_err() {
            return;
        }
        tokio::pin!(stop);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                _ = waiting.recv_many(&mut batch, limits::MAIL_EVENTS_PER_CALL_MAX) => {}
                () = &mut stop => break,
            }
            let more = batch.len() == limits::MAIL_EVENTS_PER_CALL_MAX;
            self.carry(&mut batch).await;
            if !more {
                tokio::time::sleep(GATHER).await;
            }
        }
        waiting.close();
        while waiting.recv_many(&mut batch, limits::MAIL_EVENTS_PER_CALL_MAX).await > 0 {
            self.carry(&mut batch).await;
        }
    }

    /// To the first node that takes them; if none does they are lost.
    async fn carry(&self, batch: &mut Vec<LogEntry>) {
        let entries: Arc<[LogEntry]> = batch.drain(..).collect();
        let mut failed = StoreError::Unavailable("no store node is known".to_owned());
        for (_, node) in self.all_nodes() {
            let kept = tokio::time::timeout(NODE_TIMEOUT, node.log_mail(Arc::clone(&entries))).await;
            match kept.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned()))) {
                Ok(()) => return,
                Err(error) => failed = error,
            }
        }
        tracing::warn!(events = entries.len(), error = %failed, "events of the mail log are lost");
        self.mail_log().lost.fetch_add(entries.len() as u64, Ordering::Relaxed);
    }

    /// The latest events that a search finds, on all nodes.
    pub async fn search_mail_log(&self, search: &MailLogSearch) -> MailLogFound {
        let asked = self.all_nodes().into_iter().map(|(id, node)| async move {
            (id, tokio::time::timeout(NODE_TIMEOUT, node.search_mail_log(search)).await)
        });
        let mut found = MailLogFound::default();
        for (id, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(Ok(events)) => found.events.extend(events),
                Ok(Err(_)) | Err(_) => found.silent_nodes.push(id),
            }
        }
        found.events.sort_by(|a, b| (a.at, a.kind, &a.recipient).cmp(&(b.at, b.kind, &b.recipient)));
        // Carried twice, if the first node's answer was lost.
        found.events.dedup();
        let too_many = found.events.len().saturating_sub(search.limit);
        found.events.drain(..too_many);
        found
    }
}

fn cut(text: &mut String) {
    if text.len() > limits::MAIL_EVENT_TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(limits::MAIL_EVENT_TEXT_BYTES_MAX);
        text.truncate(end);
    }
}
