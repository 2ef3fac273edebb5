//! How fast one core takes messages into the queue, leases them and records their outcomes, in memory: the state machine's own cost,
//! without log, disk and network.
//!
//! `cargo run -p yubin-state --example queue_rate [messages]`

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement prints what its clock showed")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::smallvec;
use yubin_state::command::DomainCommand;
use yubin_state::memory::Memory;
use yubin_state::queue::{
    ContentFacts, DelayNotice, DeliveryKey, DeliveryResult, DestinationName, DsnEnvelope, Handling, Leased,
    NewDelivery, NewQueued, NewQueuedRecipient, NotifySet, QueueCommand, QueueId, QueueReply, QueueSource,
    RecipientOutcome, RemoteReply,
};
use yubin_state::record::Plan;
use yubin_state::{
    Actor, BodyRef, Command, Decode as _, DedupeClass, Encode as _, Entry, Envelope, Position, Reply, apply,
};
use yubin_types::{
    AddressError, DomainId, DomainName, Epoch, Limit, LocalPart, Quota, RequestId, ReversePath, Timestamp, TraceId,
};

const DOMAIN: DomainId = DomainId(7);
const DESTINATIONS: usize = 10_000;
const BATCH: usize = 500;

fn main() -> Result<(), AddressError> {
    let messages = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let mut run = Run { state: Memory::default(), index: 0 };
    let name = DomainName::parse("a.example")?;
    run.apply(DOMAIN, Command::Domain(DomainCommand::Create { name, plan: plan(), quota: None }));
    let destinations: Result<Vec<_>, _> =
        (0..DESTINATIONS).map(|number| DestinationName::parse(&format!("d{number}.example"))).collect();
    let (destinations, local) = (destinations?, LocalPart::parse("someone")?);

    let (mut keys, start) = (Vec::new(), Instant::now());
    for (number, destination) in (0..messages).zip(destinations.iter().cycle().cloned()) {
        let id = QueueId(u128::from(number).to_be_bytes());
        keys.push(DeliveryKey { domain: DOMAIN, id, destination: destination.clone() });
        let messages = vec![message(id, destination, local.clone())];
        run.apply(DOMAIN, Command::Queue(QueueCommand::Enqueue { login: None, messages }));
    }
    report("enqueued", messages, start.elapsed());

    let (mut leased, start) = (Vec::new(), Instant::now());
    for items in keys.chunks(BATCH) {
        let lease = QueueCommand::Lease { worker: "w".to_owned(), seconds: 300, items: items.to_vec() };
        if let Reply::Queue(QueueReply::Leased(granted)) = run.apply(DomainId(0), Command::Queue(lease)) {
            leased.extend(granted);
        }
    }
    report("leased", leased.len() as u64, start.elapsed());

    let start = Instant::now();
    for batch in leased.chunks(BATCH) {
        let results = batch.iter().map(delivered).collect();
        run.apply(DomainId(0), Command::Queue(QueueCommand::Record { results }));
    }
    report("recorded", leased.len() as u64, start.elapsed());
    println!("{} rows", run.state.rows.len());
    Ok(())
}

struct Run {
    state: Memory,
    index: u64,
}

impl Run {
    fn apply(&mut self, domain: DomainId, command: Command) -> Reply {
        self.index += 1;
        let mut request = [0; 16];
        request[..8].copy_from_slice(&self.index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let envelope = Envelope {
            domain,
            epoch: Epoch(u64::from(domain == DOMAIN)),
            request: RequestId(request),
            dedupe: DedupeClass::Delivery,
            stamp: Timestamp(1_800_000_000_000 + self.index),
            actor: Actor::default(),
            trace: TraceId(request),
        };
        let bodies: &[BodyRef] = &[BodyRef(smallvec![1; 17])];
        let bodies = if domain == DOMAIN { bodies } else { &[] };
        let position = Position { index: self.index, term: 1 };
        let Ok(applied) = apply(&mut self.state, position, &Entry { envelope, command }.encode(), bodies);
        Reply::decode(&applied.reply).unwrap_or(Reply::Done)
    }
}

fn report(what: &str, count: u64, took: Duration) {
    println!("{count} {what} in {took:.2?}: {:.0} per second", count as f64 / took.as_secs_f64());
}

fn message(id: QueueId, destination: DestinationName, local: LocalPart) -> NewQueued {
    let recipients = vec![NewQueuedRecipient { local, notify: NotifySet::default(), orcpt: None }];
    NewQueued {
        id,
        sender: ReversePath::Null,
        source: QueueSource::Returned,
        message_id: Some("<0123456789abcdef@a.example>".to_owned()),
        body_ordinal: 0,
        body_bytes: 4_096,
        prefix: Bytes::from_static(&[b'x'; 800]),
        content: ContentFacts::default(),
        dsn: DsnEnvelope::default(),
        handling: Handling::default(),
        lifetime_seconds: 5 * 86_400,
        deliveries: vec![NewDelivery { destination, recipients }],
    }
}

fn delivered(leased: &Leased) -> DeliveryResult {
    let reply = RemoteReply {
        way: None,
        code: 250,
        enhanced: None,
        text: "2.0.0 Ok: queued as 0123456789".to_owned(),
        host: "mx1.d.example [192.0.2.1]".to_owned(),
        at: Timestamp(1_800_000_000_000),
    };
    DeliveryResult {
        delivery: leased.key(),
        token: leased.token,
        attempted: Timestamp(1_800_000_000_000),
        reply: None,
        recipients: vec![(0, RecipientOutcome::Delivered(reply))],
        next_attempt: None,
        delay_notice: DelayNotice::NotSent,
        notices: Vec::new(),
    }
}

fn plan() -> Plan {
    Plan {
        name: "standard".to_owned(),
        domain_quota: Quota { bytes: Limit::Unlimited, messages: Limit::Unlimited },
        account_quota: Quota { bytes: Limit::Unlimited, messages: Limit::Unlimited },
        message_bytes_max: 100 << 20,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: None,
        vault_seconds: 0,
        sending: Box::default(),
        retry: None,
        reverse_dns: None,
    }
}
