//! What an SMTP session asks, answered: logins, senders and recipients by the store, messages through the spool into one `Deliver`.
//!
//! One transaction at a time; dropping it drops its spool. A delivery names one domain (it is one command of one group): another server's
//! recipient of a second one is told `452 4.5.3`, and the sender comes again for it. What a user sends to anybody outside the own domain
//! is queued in that domain, for all recipients in one command. Faults of the infrastructure are 451 and never a verdict about an address.
//!
//! - [`envelope`]: who may receive; [`sender`]: whom a user may send as; [`author`]: whom a user's message may name in From.
//! - [`deliver`]: storing the message; [`submit`]: queueing it; [`bounce`]: sending a bounce back; [`trace`]: the fields written before it.
//! - [`completion`]: what a submission lacks.
//! - [`failures`]: what is asked in vain; [`xclient`]: whom a trusted peer speaks for.
//! - [`record`]: what the mail log learns.
//! - [`greylist`]: strangers who are asked to come again.
//! - [`lmtp`]: an outcome for each recipient; [`answer`]: what automatic replies need.
//! - [`stranger`]: other servers; [`verification`]: whether their mail is what it says; [`assessment`]: whether it is spam; [`edit`]: how its
//!   header is changed.

mod answer;
mod assessment;
mod author;
mod bounce;
mod completion;
mod deliver;
mod edit;
mod envelope;
mod failures;
mod greylist;
mod lmtp;
mod own_fields;
mod postmaster;
mod received;
mod record;
mod sender;
mod stranger;
mod submit;
mod trace;
mod verification;
mod xclient;

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use yubin_dns_auth::verify::SpfChecks;
use yubin_policy::refusal_text::{self, Stage};
use yubin_policy::{Admission, SenderPermit};
use yubin_proto::{Hosted, StoreError};
use yubin_session::sasl::Claim;
use yubin_session::smtp::{AddressEncoding, Answer, Ask, Listener, MessageFacts, Origin, SmtpSession};
use yubin_state::query::Answering;
use yubin_state::sending::SendingAllowance;
use yubin_types::{
    DmarcHandling, DsnEnvelope, Filtering, Handling, NotifySet, QuotaScope, Refusal, ReversePath, SmtpReply, TlsDemand,
};

use crate::auth::Identity;
use crate::connection::Connection;
use crate::driver::Rim;
use crate::logins::Logins;
use crate::spool::Spool;
use completion::{Completed, Completion, HeaderFacts};
use stranger::Stranger;

/// Answers one SMTP session.
pub(crate) struct SmtpRim {
    listener: Listener,
    connection: Connection,
    logins: Logins,
    identity: Option<Identity>,
    /// The peer, if its mail is verified.
    stranger: Option<Stranger>,
    transaction: Option<Transaction>,
    /// What it asked in vain.
    failures: u32,
}

/// From MAIL to the answer to the message.
struct Transaction {
    sender: Sender,
    /// How much it may send, if it logged in.
    allowance: Option<SendingAllowance>,
    /// As declared in MAIL, bytes.
    size: Option<u64>,
    /// As declared in MAIL.
    encoding: AddressEncoding,
    recipients: Vec<Invited>,
    /// For each RCPT that was told 250, its place among them.
    accepted: Vec<usize>,
    /// RET and ENVID.
    dsn: DsnEnvelope,
    /// REQUIRETLS.
    tls: TlsDemand,
    /// When and how urgently it is to be sent.
    handling: Handling,
    incoming: Option<Incoming>,
}

/// A recipient that was told 250.
struct Invited {
    admission: Admission,
    /// Its domain's place, if it is delivered to at once.
    hosted: Option<Arc<Hosted>>,
    answering: Answering,
    /// What it wants done with mail from other servers, if it or its domain says so.
    filtering: Option<Box<Filtering>>,
    notify: NotifySet,
    orcpt: Option<Bytes>,
}

/// A recipient that may be named.
struct Welcome {
    admission: Admission,
    hosted: Option<Arc<Hosted>>,
    answering: Answering,
    filtering: Option<Box<Filtering>>,
}

impl Transaction {
    /// The domain of recipients that are delivered to at once; from other servers it is that of all.
    fn hosted(&self) -> Option<&Arc<Hosted>> {
        self.recipients.iter().find_map(|invited| invited.hosted.as_ref())
    }

    /// What the domain of its recipients does with mail that fails DMARC, if it says so.
    fn dmarc(&self) -> Option<DmarcHandling> {
        self.recipients.iter().find_map(|invited| invited.filtering.as_ref()?.dmarc)
    }

    /// May an account that it reaches answer by itself? One that began to since it was named answers the next message.
    fn may_be_answered(&self) -> bool {
        self.recipients.iter().any(|invited| invited.answering == Answering::Somebody)
    }
}

/// In whose name the message comes.
enum Sender {
    /// Another server's claim.
    Claimed(ReversePath),
    /// An address of the account that logged in.
    Owned(SenderPermit),
}

impl Sender {
    const fn path(&self) -> &ReversePath {
        match self {
            Sender::Claimed(path) => path,
            Sender::Owned(permit) => permit.sender(),
        }
    }
}

/// The message as it comes in.
struct Incoming {
    origin: Origin,
    spool: Spool,
    /// On submission, until the header is complete.
    completion: Option<Completion>,
    /// On submission, when it is.
    header: HeaderFacts,
    /// Of a stranger: may it send in the names it gives?
    spf: Option<AbortOnDropHandle<SpfChecks>>,
}

impl SmtpRim {
    pub(crate) fn new(listener: Listener, connection: Connection) -> Self {
        let logins = Logins::default();
        let mut rim =
            SmtpRim { listener, connection, logins, identity: None, stranger: None, transaction: None, failures: 0 };
        rim.stranger = rim.as_stranger();
        rim
    }

    /// The peer, if its mail is to be verified.
    fn as_stranger(&self) -> Option<Stranger> {
        let inbound = self.connection.shared.config.inbound.as_ref().filter(|_| self.listener == Listener::Mx)?;
        (!inbound.is_exempt(self.connection.peer_ip())).then(|| Stranger::new(self.connection.shared.metrics.clone()))
    }

    async fn authenticate(&mut self, claim: Claim) -> Result<Answer, SmtpReply> {
        let claimed = self.logins.claim(&self.connection, claim).await;
        let identity = claimed.map_err(|denial| refusal_text::smtp_login(&denial))?;
        self.admit_country(&identity).await?;
        let user = identity.address.to_string();
        self.identity = Some(identity);
        Ok(Answer::Authenticated { user })
    }

    /// Is it a country from which the account may send? Asked when the password was right: who doesn't know it learns of no rule.
    async fn admit_country(&self, identity: &Identity) -> Result<(), SmtpReply> {
        let shared = &self.connection.shared;
        let Some(countries) = &shared.countries else { return Ok(()) };
        let admitted = countries.admit(self.connection.peer_ip(), &identity.countries).await;
        admitted.map_err(|denial| {
            shared.metrics.reject("country");
            let country = denial.country.map(tracing::field::display);
            tracing::info!(user = %identity.address, country, permitted = ?denial.permitted, "login to send refused for its country");
            let reply = refusal_text::country(&denial);
            shared.refusals.login_told(&self.connection, &identity.address.to_string(), reply.to_string());
            reply
        })
    }

    fn begin(&mut self, origin: Origin) -> Result<Answer, SmtpReply> {
        let completion = (self.listener == Listener::Submission).then(Completion::default);
        let shared = Arc::clone(&self.connection.shared);
        let spool = Spool::new(&shared.spooler);
        let (peer, is_stranger) = (self.connection.peer_ip(), self.stranger.is_some());
        let transaction = self.open()?;
        let inbound = shared.config.inbound.as_ref().filter(|_| is_stranger);
        let spf = inbound.map(|inbound| {
            verification::begin_spf(inbound, &origin, transaction.sender.path(), peer, &shared.config.hostname)
        });
        transaction.incoming = Some(Incoming { origin, spool, completion, header: HeaderFacts::default(), spf });
        Ok(Answer::Accepted)
    }

    async fn chunk(&mut self, piece: Bytes) -> Result<Answer, SmtpReply> {
        let hostname = self.connection.shared.config.hostname.clone();
        let incoming = self.open()?.incoming.as_mut().ok_or_else(out_of_order)?;
        incoming.push(piece, &hostname).await.map_err(|error| spool_failed(&error))?;
        Ok(Answer::Accepted)
    }

    async fn finish(&mut self, last: Bytes, facts: MessageFacts) -> Result<Answer, SmtpReply> {
        let mut transaction = self.transaction.take().ok_or_else(out_of_order)?;
        let incoming = transaction.incoming.take().ok_or_else(out_of_order)?;
        let span = tracing::debug_span!("message", trace.id = %self.connection.trace);
        // On the heap, so that no connection has room for it between messages.
        Box::pin(self.store(transaction, incoming, last, facts).instrument(span)).await
    }

    fn open(&mut self) -> Result<&mut Transaction, SmtpReply> {
        self.transaction.as_mut().ok_or_else(out_of_order)
    }

    /// The reply to a refusal, counted.
    fn refused(&self, refusal: &Refusal, stage: Stage) -> SmtpReply {
        self.connection.shared.metrics.reject(reason(refusal));
        refusal_text::smtp(refusal, stage)
    }
}

impl Incoming {
    /// Takes the next octets; a submission's header is held until it is complete.
    async fn push(&mut self, piece: Bytes, hostname: &str) -> std::io::Result<()> {
        let Some(completion) = &mut self.completion else { return self.spool.push(piece).await };
        let Some(completed) = completion.push(piece, hostname) else { return Ok(()) };
        self.completion = None;
        self.take_header(completed).await
    }

    async fn take_header(&mut self, completed: Completed) -> std::io::Result<()> {
        self.header = completed.facts;
        for piece in completed.pieces {
            self.spool.push(piece).await?;
        }
        Ok(())
    }
}

impl Rim<SmtpSession> for SmtpRim {
    async fn ask(&mut self, ask: Ask) -> Answer {
        let answered = match ask {
            Ask::Sasl(question) => {
                let reply = self.logins.ask(&self.connection, question).await;
                reply.map(Answer::Sasl).map_err(|denial| refusal_text::smtp_login(&denial))
            }
            Ask::Authenticate(claim) => self.authenticate(claim).await,
            Ask::Mail(mail) => self.mail(mail).await.map(|()| Answer::Accepted),
            Ask::Recipients(recipients) => self.recipients(recipients).await.map(Answer::Recipients),
            Ask::Begin(origin) => self.begin(origin),
            Ask::Chunk(piece) => self.chunk(piece).await,
            Ask::Finish { last, facts } => self.finish(last, facts).await,
            Ask::Client(claim) => self.speaks_for(claim),
            Ask::Failed(failures) => self.failed(failures).await,
            Ask::Abort => {
                self.transaction = None;
                Ok(Answer::Accepted)
            }
        };
        answered.unwrap_or_else(Answer::Refused)
    }

    /// Nothing happens to an SMTP session unasked.
    async fn event(&mut self) -> Answer {
        std::future::pending().await
    }

    async fn close(&mut self, fault: Option<String>) {
        self.transaction = None;
        if let Some(why) = fault {
            self.connection.shared.refusals.connection(self.connection.client(), why);
        }
    }
}

/// The store could not be asked, or not be asked in time.
fn unavailable(error: &StoreError) -> SmtpReply {
    if matches!(error, StoreError::Overloaded) {
        return no_room();
    }
    tracing::warn!(%error, "the store is out of reach");
    refusal_text::smtp_unavailable()
}

fn spool_failed(error: &std::io::Error) -> SmtpReply {
    if error.kind() == std::io::ErrorKind::QuotaExceeded {
        tracing::warn!("too many large messages come in at a time");
    } else {
        tracing::error!(%error, "an incoming message can't be kept");
    }
    no_room()
}

/// RFC 5321 §4.2.3: neither the message's fault nor the mailbox's.
fn no_room() -> SmtpReply {
    SmtpReply::new(452, (4, 3, 1), "Insufficient system storage; try again later")
}

/// A question or an answer that does not fit the ones before: a bug, and the peer's mail must not suffer for good.
fn out_of_order() -> SmtpReply {
    tracing::error!("a session or the store spoke out of order");
    refusal_text::smtp_unavailable()
}

/// What a refusal is counted as: few words, none of them the peer's.
const fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoSuchDomain | Refusal::RelayDenied => "relay",
        Refusal::NoSuchRecipient | Refusal::NoSuchAccount => "unknown_recipient",
        Refusal::DomainSuspended { .. } | Refusal::AccountSuspended => "suspended",
        Refusal::OverQuota { scope: QuotaScope::Account } => "mailbox_quota",
        Refusal::OverQuota { scope: QuotaScope::Domain } => "domain_quota",
        Refusal::MessageTooBig { .. } => "size",
        Refusal::TooManyHops => "loop",
        Refusal::NotSignable { .. } => "unsignable",
        Refusal::SenderNotOwned => "sender",
        Refusal::QueueFull => "queue_full",
        Refusal::SendingLimit { .. } => "sending_limit",
        Refusal::SendingSuspended { .. } => "sending_suspended",
        Refusal::StaleGeneration => "login_expired",
        Refusal::StaleEpoch | Refusal::DomainFrozen => "moving",
        _ => "other",
    }
}
