//! A group's state, a log, and the checks that follow every entry.

use std::collections::BTreeSet;

use bytes::Bytes;
use smallvec::SmallVec;
use yubin_state::auto_reply::AutoReplyCommand;
use yubin_state::auto_reply::record::AutoReplyRow;
use yubin_state::command::{
    DomainCommand, ExpungeWhich, FlagOperation, Login, MailCommand, MaintenanceCommand, NewMessage, Recipient,
};
use yubin_state::forward::{ForwardCommand, Passage};
use yubin_state::keys::{self, Table};
use yubin_state::memory::Memory;
use yubin_state::query::{MessageRow, RowDetail, Selected};
use yubin_state::queue::rows::Queued;
use yubin_state::queue::{NewQueued, QueueCommand};
use yubin_state::record::{ColdRow, Plan, ScramVerifier, Verifiers};
use yubin_state::rows::Vaulted;
use yubin_state::sending::SendingCommand;
use yubin_state::{
    Actor, Answer, BodyRef, Command, Decode as _, DedupeClass, Encode as _, Entry, Envelope, Position, Query, Reply,
    Topic, answer, apply, invariants,
};
use yubin_types::{
    DomainId, DomainName, EmailId, Epoch, Flag, FlagSet, Limit, LocalPart, MailboxId, MailboxName, Quota, Refusal,
    RequestId, ReversePath, Timestamp, TraceId, Uid, UidSet, Usage,
};

pub(crate) const EPOCH: Epoch = Epoch(1);
pub(crate) const D1: DomainId = DomainId(11);
pub(crate) const D2: DomainId = DomainId(12);
pub(crate) const DAY: u64 = 86_400;

/// An entry as a replica sees it.
#[derive(Clone)]
pub(crate) struct Logged {
    pub(crate) position: Position,
    pub(crate) entry: Entry,
    pub(crate) bodies: Vec<BodyRef>,
}

/// A group under test.
pub(crate) struct Lab {
    pub(crate) state: Memory,
    pub(crate) log: Vec<Logged>,
    pub(crate) now: Timestamp,
    pub(crate) topics: Vec<Topic>,
    replies: Vec<Vec<u8>>,
    bodies: BTreeSet<BodyRef>,
}

pub(crate) fn local(text: &str) -> LocalPart {
    LocalPart::parse(text).unwrap()
}

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

pub(crate) fn flags(texts: &[&str]) -> FlagSet {
    texts.iter().map(|text| Flag::parse(text).unwrap()).collect()
}

pub(crate) fn uids(list: &[u32]) -> UidSet {
    list.iter().copied().map(Uid).collect()
}

pub(crate) fn bytes_quota(bytes: u64) -> Quota {
    Quota { bytes: Limit::AtMost(bytes), messages: Limit::Unlimited }
}

pub(crate) fn plan() -> Plan {
    Plan {
        name: "standard".to_owned(),
        domain_quota: Quota::default(),
        account_quota: Quota::default(),
        message_bytes_max: 100 * 1024 * 1024,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: Some(7 * DAY),
        vault_seconds: 3 * DAY,
        sending: Box::default(),
        retry: None,
        reverse_dns: None,
    }
}

pub(crate) fn verifiers(seed: u8) -> Verifiers {
    let scram_sha_256 =
        ScramVerifier { salt: [seed; 16], iterations: 4_096, stored_key: [seed; 32], server_key: [seed; 32] };
    Verifiers { argon2id: format!("$argon2id${seed}"), scram_sha_256 }
}

pub(crate) fn message(bytes: u64) -> NewMessage {
    NewMessage {
        body_bytes: bytes,
        cold: Bytes::from_static(b"facts"),
        internal_date: Timestamp::from_seconds(1),
        body_ordinal: 0,
    }
}

pub(crate) fn recipient(to: &str) -> Recipient {
    Recipient { local: local(to), special_use: None, prefix: Bytes::new(), email_id: EmailId([7; 16]) }
}

pub(crate) fn deliver_to(recipients: Vec<Recipient>, bytes: u64) -> Command {
    let (sender, passage) = (ReversePath::Null, Passage::default());
    Command::Mail(MailCommand::Deliver { login: None, sender, recipients, message: message(bytes), passage })
}

impl Lab {
    /// A group with one domain.
    pub(crate) fn new() -> Self {
        Self::with_plan(plan())
    }

    pub(crate) fn with_plan(plan: Plan) -> Self {
        let mut lab = Lab {
            state: Memory::default(),
            log: Vec::new(),
            now: Timestamp::from_seconds(1_000_000),
            topics: Vec::new(),
            replies: Vec::new(),
            bodies: BTreeSet::new(),
        };
        lab.create_domain(D1, "one.example", plan);
        lab
    }

    pub(crate) fn create_domain(&mut self, id: DomainId, name: &str, plan: Plan) {
        let name = DomainName::parse(name).unwrap();
        let create = DomainCommand::Create { name, plan, quota: None };
        assert_eq!(self.run(id, Command::Domain(create)), Reply::Done);
    }

    pub(crate) fn account(&mut self, text: &str) -> Login {
        self.account_in(D1, text)
    }

    pub(crate) fn account_in(&mut self, id: DomainId, text: &str) -> Login {
        let create = DomainCommand::CreateAccount { local: local(text), verifiers: verifiers(1), quota: None };
        let reply = self.run(id, Command::Domain(create));
        assert!(matches!(reply, Reply::AccountCreated(_)), "{reply:?}");
        self.login_in(id, text)
    }

    pub(crate) fn login_in(&self, id: DomainId, text: &str) -> Login {
        match self.ask(id, &Query::Credentials(local(text))) {
            Answer::Credentials(credentials) => credentials.login,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn login(&self, text: &str) -> Login {
        self.login_in(D1, text)
    }

    /// Proposes a command under a new request, not remembered.
    pub(crate) fn run(&mut self, id: DomainId, command: Command) -> Reply {
        let envelope = self.envelope(id, DedupeClass::None);
        self.propose(envelope, command)
    }

    pub(crate) fn domain(&mut self, command: DomainCommand) -> Reply {
        self.run(D1, Command::Domain(command))
    }

    pub(crate) fn mail(&mut self, command: MailCommand) -> Reply {
        self.run(D1, Command::Mail(command))
    }

    pub(crate) fn maintain(&mut self, command: MaintenanceCommand) -> Reply {
        self.run(DomainId(0), Command::Maintenance(command))
    }

    pub(crate) fn deliver(&mut self, to: &[&str], bytes: u64) -> Reply {
        self.run(D1, deliver_to(to.iter().map(|to| recipient(to)).collect(), bytes))
    }

    /// Delivers, and it must succeed.
    pub(crate) fn delivered(&mut self, to: &[&str], bytes: u64) -> Vec<Vec<yubin_state::reply::StoredCopy>> {
        match self.deliver(to, bytes) {
            Reply::Delivered(copies) => copies,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn envelope(&self, domain: DomainId, dedupe: DedupeClass) -> Envelope {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&(self.log.len() as u64 + 1).to_be_bytes());
        let epoch = if domain == DomainId(0) { Epoch(0) } else { EPOCH };
        Envelope {
            domain,
            epoch,
            request: RequestId(request),
            dedupe,
            stamp: self.now,
            actor: Actor::default(),
            trace: TraceId([0; 16]),
        }
    }

    /// Applies an entry and checks everything that must always hold.
    pub(crate) fn propose(&mut self, envelope: Envelope, command: Command) -> Reply {
        let before = self.state.clone();
        let reply = self.propose_unchecked(envelope, command);
        match &reply {
            Reply::Refused(Refusal::SendingLimit { .. } | Refusal::SendingSuspended { .. }) => {
                assert_eq!(uncounted(&before), uncounted(&self.state), "a refused submission left more than a count");
            }
            Reply::Refused(_) | Reply::DeliveryRefused(_) => {
                assert_eq!(lasting(&before), lasting(&self.state), "a refusal left a trace");
            }
            _ => {}
        }
        self.check();
        reply
    }

    /// Applies an entry; a long series of the same is checked once by its test.
    pub(crate) fn propose_unchecked(&mut self, envelope: Envelope, command: Command) -> Reply {
        let index = self.log.len() as u64 + 1;
        let count = bodies_of(&command);
        let body = |ordinal: u64| BodyRef(SmallVec::from_slice(&(index * 1_000 + ordinal).to_be_bytes()));
        let bodies: Vec<BodyRef> = (0..count).map(body).collect();
        self.bodies.extend(bodies.iter().cloned());
        let entry = Entry { envelope, command };
        let position = Position { index, term: 1 };
        let Ok(applied) = apply(&mut self.state, position, &entry.encode(), &bodies);
        let reply = Reply::decode(&applied.reply).unwrap();
        self.topics = applied.topics.to_vec();
        self.replies.push(applied.reply);
        self.log.push(Logged { position, entry, bodies });
        reply
    }

    /// All replies so far, encoded.
    pub(crate) fn replies(&self) -> Vec<Vec<u8>> {
        self.replies.clone()
    }

    pub(crate) fn check(&self) {
        let Ok(violations) = invariants::check(&self.state);
        assert_eq!(violations, [], "after {:?}", self.log.last().map(|logged| &logged.entry.command));
        let mut held = BTreeSet::new();
        for (key, value) in &self.state.rows {
            if key[0] == Table::Cold as u8 {
                held.insert(ColdRow::decode(value).unwrap().body);
            } else if key[0] == Table::Vault as u8 {
                held.insert(Vaulted::decode(value).unwrap().cold.body);
            } else if key[0] == Table::Queued as u8 {
                held.insert(Queued::decode(value).unwrap().body);
            } else if key[0] == Table::AutoReply as u8 {
                held.insert(AutoReplyRow::decode(value).unwrap().body);
            }
        }
        let dropped: BTreeSet<BodyRef> = self.state.dropped.iter().cloned().collect();
        assert_eq!(dropped.len(), self.state.dropped.len(), "a body was dropped twice");
        assert!(held.is_disjoint(&dropped), "a body that is held was dropped");
        assert_eq!(held.union(&dropped).cloned().collect::<BTreeSet<_>>(), self.bodies, "a body leaked");
    }

    pub(crate) fn ask(&self, id: DomainId, query: &Query) -> Answer {
        let epoch = if id == DomainId(0) { Epoch(0) } else { EPOCH };
        let Ok(answer) = answer(&self.state, id, epoch, query);
        answer
    }

    pub(crate) fn select(&self, login: Login, mailbox: &str) -> Selected {
        match self.ask(D1, &Query::Select { login, name: name(mailbox) }) {
            Answer::Selected(selected) => selected,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn mailbox(&self, login: Login, mailbox: &str) -> MailboxId {
        self.select(login, mailbox).mailbox.id
    }

    pub(crate) fn rows(&self, login: Login, mailbox: &str) -> Vec<MessageRow> {
        let mailbox = self.mailbox(login, mailbox);
        rows_of(&self.state, D1, login, mailbox)
    }

    pub(crate) fn usage(&self, text: &str) -> Usage {
        match self.ask(D1, &Query::Account(local(text))) {
            Answer::Account(account) => account.usage,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn domain_usage(&self) -> Usage {
        match self.ask(D1, &Query::Domain) {
            Answer::Domain(domain) => domain.usage,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn append(&mut self, login: Login, mailbox: &str, sizes: &[u64], with: &[&str]) -> Reply {
        let messages = sizes
            .iter()
            .enumerate()
            .map(|(ordinal, &bytes)| {
                let id = EmailId([u8::try_from(ordinal).unwrap(); 16]);
                (NewMessage { body_ordinal: u16::try_from(ordinal).unwrap(), ..message(bytes) }, flags(with), id)
            })
            .collect();
        self.mail(MailCommand::Append { login, mailbox: name(mailbox), messages })
    }

    pub(crate) fn store(
        &mut self,
        login: Login,
        mailbox: &str,
        which: &[u32],
        operation: FlagOperation,
        with: &[&str],
    ) {
        let mailbox = self.mailbox(login, mailbox);
        let flags = flags(with);
        let store =
            MailCommand::StoreFlags { login, mailbox, uids: uids(which), operation, flags, unchanged_since: None };
        let reply = self.mail(store);
        assert!(matches!(reply, Reply::FlagsStored { .. }), "{reply:?}");
    }

    pub(crate) fn transfer(&mut self, login: Login, from: &str, which: &[u32], to: &str, how: How) -> Reply {
        let (mailbox, uids, to) = (self.mailbox(login, from), uids(which), name(to));
        self.mail(match how {
            How::Copy => MailCommand::Copy { login, mailbox, uids, to },
            How::Move => MailCommand::Move { login, mailbox, uids, to },
        })
    }

    pub(crate) fn expunge(&mut self, login: Login, mailbox: &str, which: &[u32]) -> Reply {
        let (mailbox, uids) = (self.mailbox(login, mailbox), uids(which));
        self.mail(MailCommand::Expunge { login, mailbox, uids, which: ExpungeWhich::All })
    }

    pub(crate) fn create(&mut self, login: Login, mailbox: &str) -> Reply {
        self.mail(MailCommand::CreateMailbox { login, name: name(mailbox), special_use: None })
    }

    pub(crate) fn vaulted(&self) -> usize {
        let span = keys::all_rows(Table::Vault);
        self.state.rows.range(span.from..span.to).count()
    }
}

pub(crate) enum How {
    Copy,
    Move,
}

pub(crate) fn rows_of(state: &Memory, id: DomainId, login: Login, mailbox: MailboxId) -> Vec<MessageRow> {
    let (mut all, mut first) = (Vec::new(), Some(Uid(1)));
    while let Some(from) = first {
        let uids = UidSet::range(from.0, u32::MAX);
        let query = Query::Rows { login, mailbox, uids, changed_since: None, detail: RowDetail::HotAndCold };
        match answer(state, id, EPOCH, &query) {
            Ok(Answer::Rows { rows, next }) => {
                all.extend(rows);
                first = next;
            }
            Ok(Answer::Refused(_)) => return all,
            other => panic!("{other:?}"),
        }
    }
    all
}

/// The state without what every entry may leave behind: time and remembered outcomes.
pub(crate) fn lasting(state: &Memory) -> Vec<(&[u8], &Bytes)> {
    let passing = [Table::Clock as u8, Table::Request as u8, Table::Forget as u8];
    let rows = state.rows.iter().map(|(key, value)| (key.as_slice(), value));
    rows.filter(|(key, _)| !passing.contains(&key[0])).collect()
}

/// The same without what a refused submission may leave behind: its count, and a suspension of which the owner is to be told.
fn uncounted(state: &Memory) -> Vec<(&[u8], &Bytes)> {
    let counts = [Table::SendingControl, Table::SendingCounters, Table::SendingNotice, Table::Counters, Table::Due];
    let rows = lasting(state).into_iter();
    rows.filter(|(key, _)| counts.iter().all(|table| key[0] != *table as u8)).collect()
}

pub(crate) fn refused(reply: &Reply) -> &Refusal {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn bodies_of(command: &Command) -> u64 {
    match command {
        Command::Mail(MailCommand::Deliver { .. }) => 1,
        Command::Domain(DomainCommand::Sending(SendingCommand::Tell { .. })) => 1,
        Command::Domain(DomainCommand::Forward(ForwardCommand::Tell { .. })) => 1,
        Command::Domain(DomainCommand::AutoReply(AutoReplyCommand::Set { .. })) => 1,
        Command::Mail(MailCommand::Append { messages, .. }) => messages.len() as u64,
        Command::Queue(QueueCommand::Enqueue { messages, .. } | QueueCommand::EnqueueLeased { messages, .. }) => {
            ordinals(messages)
        }
        Command::Queue(QueueCommand::Record { results }) => {
            results.iter().map(|result| ordinals(&result.notices)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Bodies that these messages name.
fn ordinals(messages: &[NewQueued]) -> u64 {
    messages.iter().map(|message| u64::from(message.body_ordinal) + 1).max().unwrap_or(0)
}
