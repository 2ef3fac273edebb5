//! One attempt at one delivery: routes it, connects, sends it in transactions, and says what came of every recipient.
//!
//! Hosts are tried in order until every recipient has a word from one of them: a host that can't be reached, hangs up before it answered or
//! says 421 is followed by the next; a reply about a recipient is final for the attempt. A connection that had rested and turns out to be
//! closed is replaced, without counting as a host that failed. Servers that take fewer recipients at once (452 at RCPT after some were
//! taken, or 552 from older ones) get the rest in the next transaction.
//!
//! If the connection is lost after the end of the message was sent, nobody knows whether it was taken (RFC 1047): the attempt ends there,
//! and the recipients are tried again later.

use std::net::IpAddr;
use std::sync::Arc;

use yubin_proto::StoreClient;
use yubin_session::smtp::client::{
    ConnectionState, Handover, Outcome, OutgoingMail, OutgoingRecipient, RecipientOutcome, Reply, Speaker, Verdict,
};
use yubin_session::smtp::{AddressEncoding, BodyType};
use yubin_state::queue::{BodyKind, DsnReturn, Leased, QueueSource, Receiver, RemoteReply, Smtputf8};
use yubin_types::{ByTrace, ReversePath};

use crate::assignment::Assignment;
use crate::board::NoWay;
use crate::body::{Handed, QueuedBody};
use crate::config::QueueConfig;
use crate::connect::{Cause, Connector, Origin};
use crate::connection::Connection;
use crate::connections::{Account, Connections, Place, goodbye};
use crate::dialogues::{Dialogues, Watch};
use crate::fate::{Fate, Handing, RelayNotice, Tried, recorded};
use crate::fitness::{is_unfit, is_unsent, suitable, wants_seven_bits};
use crate::metrics::Metrics;
use crate::outcome::{is_stale, is_too_many, nothing_came, signal, worse};
use crate::pace::Signal;
use crate::pools;
use crate::profile::{Profile, Profiles, TRANSACTIONS_MAX};
use crate::receiver::receiver_of;
use crate::route::{Hop, MailHosts, Routing, within_reach};
use crate::sender;
use crate::signing::signed;
use crate::source::Source;
use crate::sources::Presence;
use crate::tls_tally::{self, TlsTally};

/// What every attempt uses.
pub(crate) struct Engine {
    pub(crate) config: QueueConfig,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) pools: Arc<pools::Pools>,
    pub(crate) store: Arc<StoreClient>,
    pub(crate) hosts: Arc<dyn MailHosts>,
    pub(crate) connector: Connector,
    pub(crate) connections: Connections,
    pub(crate) metrics: Metrics,
    pub(crate) dialogues: Dialogues,
    /// For reports on TLS.
    pub(crate) tally: TlsTally,
}

/// An attempt under way.
struct Attempt<'a> {
    engine: &'a Engine,
    leased: &'a Leased,
    /// Where connections come from.
    origin: Origin<'a>,
    sender: ReversePath,
    source: Source,
    handed: &'a Handed,
    fates: Vec<Option<Fate>>,
    signal: Signal,
    receiver: Option<Arc<Profile>>,
    /// Usable, and not to be used again.
    worn: Vec<Connection>,
    /// Does this machine have the source address?
    presence: Presence,
    /// Those who watch.
    watch: Option<Watch>,
}

impl Engine {
    /// Tries a delivery to a destination that is not hosted here, from the source that it was given, if `joins` lets it go on when it hears who
    /// the receiver is.
    ///
    /// # Errors
    /// Nothing was tried, because nothing can be from that source, or not now.
    pub(crate) async fn attempt(
        &self,
        assignment: &Assignment,
        handed: &Handed,
        joins: impl FnOnce(&Arc<Profile>) -> Result<(), NoWay> + Send,
    ) -> Result<Tried, NoWay> {
        let leased = &assignment.leased;
        let count = leased.delivery.recipients.len();
        let sender = sender::outgoing(&leased.message, &self.config.srs_key);
        let home = sender.address().map(|address| &address.domain);
        let routing = Routing {
            hosts: self.hosts.as_ref(),
            smart_hosts: &self.config.smart_hosts,
            scope: &self.config.scope,
            own_names: std::slice::from_ref(&self.config.hostname),
            port: self.config.port,
            tls: leased.message.content.tls,
            tally: &self.tally,
        };
        let hops = match routing.plan(home, &leased.delivery.destination, rand::random()).await {
            Ok(hops) => hops,
            Err(reply) => {
                // A name server that fails is no reason to spare the destination's hosts, but to ask less often.
                let signal = if reply.is_transient() { Signal::Slower } else { Signal::None };
                return Ok(Tried::all(count, &reply, signal));
            }
        };
        let hops = match suitable(hops, leased.message.content.tls) {
            Ok(hops) => hops,
            Err(reply) => return Ok(Tried::all(count, &reply, Signal::None)),
        };
        let Some(from) = self.pools.source(assignment.source) else { return Err(NoWay::Missing) };
        let receiver = |hop: &Hop| receiver_of(&self.profiles, &self.config, hop, &leased.delivery.destination);
        let known = hops.first().and_then(receiver);
        let prefers = |_: &Hop| known.as_ref().map_or(self.config.prefers, |profile| profile.prefers);
        let mut hops = within_reach(hops, from.address, prefers).map_err(NoWay::Family)?;
        if let Some(known) = &known {
            joins(known)?;
        }
        self.prefer_known(&mut hops, from.address);
        let source = Source::queued(QueuedBody::of(&self.store, assignment, handed));
        let source = match signed(&self.store, &self.config, leased, source).await {
            Ok(source) => source,
            Err(reply) => return Ok(Tried::all(count, &reply, Signal::None)),
        };
        let mut attempt = Attempt {
            engine: self,
            leased,
            origin: Origin { address: from.address, hello: from.hello.as_str() },
            sender: sender.clone(),
            source,
            handed,
            fates: vec![None; count],
            signal: Signal::None,
            receiver: known,
            worn: Vec::new(),
            presence: Presence::Here,
            watch: self.dialogues.of(leased.message.id),
        };
        for hop in &hops {
            attempt.at(hop).await;
            if attempt.presence == Presence::Missing {
                // Whoever had a word for some recipients keeps it.
                if attempt.fates.iter().all(Option::is_none) {
                    return Err(NoWay::Missing);
                }
                break;
            }
            if attempt.fates.iter().all(|fate| fate.as_ref().is_some_and(Fate::is_final)) {
                break;
            }
        }
        Ok(attempt.finish())
    }

    /// Of the hosts that are as good as the first, one goes first to which a connection rests.
    fn prefer_known(&self, hops: &mut [Hop], source: Option<IpAddr>) {
        let Some(best) = hops.first().map(|hop| hop.preference) else { return };
        let mut equals = hops.iter().take_while(|hop| hop.preference == best);
        let known = equals.position(|hop| self.connections.rests_at(&Place::of(hop, source)));
        if let Some(front) = known.and_then(|index| hops.get_mut(..=index)) {
            front.rotate_right(1);
        }
    }
}

impl Attempt<'_> {
    /// Everything that this host has a word for.
    async fn at(&mut self, hop: &Hop) {
        let place = Place::of(hop, self.origin.address);
        // Who watches sees a connection from its beginning to its end.
        let mut connection = match &self.watch {
            Some(_) => None,
            None => self.engine.connections.take(&place).await,
        };
        while !self.pending().is_empty() {
            let used = connection.is_some();
            let mut open = match connection.take() {
                Some(open) => open,
                None => match self.connect(hop).await {
                    Some(open) => open,
                    None => return,
                },
            };
            let (asked, outcome) = self.transact(&mut open).await;
            if used && is_stale(&outcome) {
                continue;
            }
            let worn = open.transactions >= self.transactions_max();
            if is_unsent(&outcome, wants_seven_bits)
                && let Some(source) = self.downgraded().await
            {
                self.source = source;
                connection = Some(open);
                continue;
            }
            let usable = outcome.connection == ConnectionState::Usable;
            let unfit = is_unsent(&outcome, is_unfit);
            let more = self.note(&mut open, &asked, outcome);
            match (usable, more) {
                // The rest goes over a new one.
                (true, More::Yes) if worn && !unfit => self.worn.push(open),
                (true, More::Yes) if !unfit => connection = Some(open),
                (true, _) if self.watch.is_some() => return open.quit().await,
                (true, _) => return self.put(place, open),
                (false, _) => return,
            }
        }
    }

    /// A connection that is usable is used again, or it is worn.
    fn put(&mut self, place: Place, connection: Connection) {
        let (account, transactions_max) = (self.account(), self.transactions_max());
        self.worn.extend(self.engine.connections.put(place, account, connection, transactions_max));
    }

    /// Whose limit its connections count for.
    fn account(&self) -> Account {
        let receiver = match &self.receiver {
            Some(profile) => Receiver::Known(profile.name.clone()),
            None => Receiver::Destination(self.leased.delivery.destination.clone()),
        };
        Account { receiver, source: self.origin.address }
    }

    /// A new connection, in the place of one that is not used any more. `None`: there is none, which is said.
    async fn connect(&mut self, hop: &Hop) -> Option<Connection> {
        if self.worn.is_empty() {
            self.engine.connections.make_room(&self.account()).await;
        }
        goodbye(std::mem::take(&mut self.worn)).await;
        match self.engine.connector.connect(hop, self.origin, self.watch.as_ref()).await {
            Ok(open) => {
                self.engine.metrics.connected(if open.tls().is_some() { "tls" } else { "clear" });
                self.tally().connected(hop, &open);
                return Some(open);
            }
            Err(failure) if failure.cause == Cause::NoSource => self.presence = Presence::Missing,
            Err(failure) => {
                self.tally().failed(hop, &failure);
                self.unreached(hop, &failure);
            }
        }
        None
    }

    /// The message in 7 bits, signed anew.
    async fn downgraded(&self) -> Option<Source> {
        let source = self.source.downgraded().await?;
        signed(&self.engine.store, &self.engine.config, self.leased, source).await.ok()
    }

    /// Where sessions are counted. Those that carry reports are not: a report must not be the reason for the next one.
    fn tally(&self) -> &TlsTally {
        match self.leased.message.source {
            QueueSource::Report(_) => &tls_tally::NOTHING,
            _ => &self.engine.tally,
        }
    }

    /// Transactions of one connection.
    fn transactions_max(&self) -> u32 {
        self.receiver.as_ref().map_or(TRANSACTIONS_MAX, |profile| profile.transactions_per_connection_max)
    }

    /// Places of the recipients without a final word.
    fn pending(&self) -> Vec<usize> {
        let open = |fate: &Option<Fate>| !fate.as_ref().is_some_and(Fate::is_final);
        self.fates.iter().enumerate().filter(|(_, fate)| open(fate)).map(|(index, _)| index).collect()
    }

    /// One transaction for as many recipients as one takes.
    async fn transact(&mut self, connection: &mut Connection) -> (Vec<usize>, Outcome) {
        let mut asked = self.pending();
        let profiled = self.receiver.as_ref().map(|profile| profile.recipients_per_transaction_max);
        let ours = self.engine.config.recipients_per_transaction_max;
        asked.truncate(profiled.map_or(ours, |profiled| profiled.min(ours)).max(1));
        self.handed.begins(&asked);
        let mail = self.mail(&asked);
        let mut message = self.source.rewound();
        let outcome = connection.send(mail, &mut message).await.unwrap_or_else(|| nothing_came(asked.len()));
        (asked, outcome)
    }

    fn mail(&self, asked: &[usize]) -> OutgoingMail {
        let Leased { message, delivery, .. } = self.leased;
        let recipients = asked.iter().filter_map(|&index| delivery.recipients.get(index)).map(|recipient| {
            let notify = recipient.notify.is_given().then(|| recipient.notify.to_string());
            let orcpt = recipient.orcpt.as_ref().map(|orcpt| String::from_utf8_lossy(orcpt).into_owned());
            OutgoingRecipient { address: delivery.address(recipient), notify, orcpt }
        });
        OutgoingMail {
            sender: self.sender.clone(),
            recipients: recipients.collect(),
            bytes: self.source.length(),
            body: match message.content.body {
                BodyKind::SevenBit => BodyType::SevenBit,
                BodyKind::EightBit | BodyKind::Binary if self.source.is_downgraded() => BodyType::SevenBit,
                BodyKind::EightBit | BodyKind::Binary => BodyType::EightBitMime,
            },
            encoding: match message.content.smtputf8 {
                Smtputf8::NotNeeded => AddressEncoding::Ascii,
                Smtputf8::Needed => AddressEncoding::Utf8,
            },
            ret: message.dsn.ret.map(|ret| match ret {
                DsnReturn::Full => "FULL",
                DsnReturn::Headers => "HDRS",
            }),
            envid: message.dsn.envid.as_ref().map(|envid| String::from_utf8_lossy(envid).into_owned()),
            tls_demand: message.content.tls,
            priority: delivery.handling.priority,
            deadline: delivery.handling.deadline,
        }
    }

    /// Keeps what a transaction said.
    fn note(&mut self, connection: &mut Connection, asked: &[usize], outcome: Outcome) -> More {
        let way = Box::new(connection.way());
        let host = format!("{}[{}]", connection.host, connection.address.ip());
        let delivered = outcome.recipients.iter().any(|recipient| recipient.verdict == Verdict::Delivered);
        let handing = match outcome.dsn {
            Handover::Handed => Handing::NextServer,
            Handover::NotOffered => Handing::Lost,
        };
        let relay = match self.leased.delivery.handling.deadline {
            Some(deadline) if deadline.trace == ByTrace::On || outcome.deadline == Handover::NotOffered => {
                RelayNotice::Wanted
            }
            _ => RelayNotice::Unasked,
        };
        let mut more = if self.pending().len() > asked.len() { More::Yes } else { More::No };
        for (&index, recipient) in asked.iter().zip(outcome.recipients) {
            if delivered && is_too_many(&recipient) {
                more = More::Yes;
                continue;
            }
            self.signal = worse(self.signal, signal(&recipient));
            let RecipientOutcome { verdict, stage, reply } = recipient;
            // Another host of the destination may be fit for it (RFC 8689 §4.2.1).
            let stage = (!is_unfit(&reply)).then_some(stage);
            let reply = RemoteReply { way: Some(way.clone()), ..recorded(&reply, &host) };
            let fate = Fate { verdict, reply, stage, handing, relay };
            if let Some(place) = self.fates.get_mut(index) {
                *place = Some(fate);
            }
        }
        self.handed.came(&self.fates);
        more
    }

    /// A host without a connection: that is why, unless another one has a better word.
    fn unreached(&mut self, hop: &Hop, failure: &crate::connect::NoConnection) {
        let signal = match failure.cause {
            Cause::Unreachable => Signal::Unreachable,
            Cause::Refused | Cause::Tls | Cause::NoSource => Signal::Slower,
        };
        self.signal = worse(self.signal, signal);
        let host = if failure.reply.speaker == Speaker::Peer { hop.name.as_str() } else { "" };
        // A server that greets with 5yz may be one of several: its word alone does not bounce mail.
        let fate = Fate::without_server(Verdict::Deferred, recorded(&failure.reply, host));
        for place in &mut self.fates {
            if !place.as_ref().is_some_and(Fate::is_final) {
                *place = Some(fate.clone());
            }
        }
    }

    fn finish(self) -> Tried {
        let unknown = || {
            let reply = Reply::conclusion(451, (4, 4, 1), "no host could be tried");
            Fate::without_server(Verdict::Deferred, recorded(&reply, ""))
        };
        let fates: Vec<Fate> = self.fates.into_iter().map(|fate| fate.unwrap_or_else(unknown)).collect();
        // Some host took or refused something: the destination works.
        let answered = fates.iter().any(|fate| matches!(fate.verdict, Verdict::Delivered | Verdict::Refused));
        let signal = if answered && self.signal == Signal::Unreachable { Signal::Fine } else { self.signal };
        Tried { fates, signal, receiver: self.receiver, worn: self.worn }
    }
}

/// Is there anybody left to send to over the same connection?
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}
