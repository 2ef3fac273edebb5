//! Random commands on two domains. After each: all invariants (see [`crate::lab`]). At the end: a replay gives the same state and
//! replies, every request that is remembered answers as before, and for every mailbox and every earlier moment the changes since then
//! turn what was read then into what is read now.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use yubin_state::auto_reply::AutoReplyCommand;
use yubin_state::command::{
    DomainCommand, ExpungeWhich, FlagOperation, Login, MailCommand, MaintenanceCommand, Recipient, Subscription,
};
use yubin_state::forward::{ForwardCommand, LocalCopy, Passage};
use yubin_state::memory::Memory;
use yubin_state::{Answer, Command, DedupeClass, Encode as _, Query, Reply, answer, apply};
use yubin_types::{
    AccountId, Address, DomainId, EmailId, FlagSet, Limit, MailboxId, ModSeq, Quota, ReversePath, SpecialUse, Uid,
    UidSet, Usage,
};

use crate::auto_replies::{answerable, reply};
use crate::lab::{D1, D2, DAY, EPOCH, Lab, bytes_quota, flags, local, message, name, plan, rows_of};

const LOCALS: [&str; 4] = ["ann", "bob", "cid", "team"];
const MAILBOXES: [&str; 8] = ["INBOX", "Trash", "Trash/x", "a", "a/b", "c", "c/d/e", "Bin"];
const FLAGS: [&[&str]; 5] = [&["\\Seen"], &["\\Deleted"], &["\\Seen", "k"], &["k", "m"], &[]];

/// A step, in small numbers that [`perform`] turns into a command.
#[derive(Clone, Debug)]
enum Step {
    Deliver {
        to: Vec<usize>,
        bytes: u64,
        junk: bool,
        prefix: usize,
    },
    Append {
        mailbox: usize,
        sizes: Vec<u64>,
        flags: usize,
    },
    Store {
        mailbox: usize,
        uids: (u32, u32),
        operation: usize,
        flags: usize,
    },
    Transfer {
        from: usize,
        uids: (u32, u32),
        to: usize,
        copy: bool,
    },
    Expunge {
        mailbox: usize,
        uids: (u32, u32),
        all: bool,
    },
    Create {
        mailbox: usize,
    },
    Delete {
        mailbox: usize,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Subscribe {
        mailbox: usize,
        on: bool,
    },
    Account {
        local: usize,
        kind: usize,
    },
    Alias {
        local: usize,
        to: usize,
    },
    Quota {
        bytes: Option<u64>,
        whole: bool,
    },
    Plan {
        trash: Option<u64>,
        vault: u64,
    },
    Maintain {
        kind: usize,
    },
    Wait {
        seconds: u64,
    },
    Domain {
        kind: usize,
    },
    Forward {
        local: usize,
        kind: usize,
    },
    Answers {
        local: usize,
        kind: usize,
    },
    /// Remember this moment of every mailbox.
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let mailbox = || 0..MAILBOXES.len();
    let uids = || (1u32..8, 0u32..6).prop_map(|(first, more)| (first, first + more));
    let to = prop::collection::vec(0usize..6, 1..4);
    prop_oneof![
        6 => (to, 0u64..40, any::<bool>(), 0usize..4).prop_map(|(to, bytes, junk, prefix)| Step::Deliver { to, bytes, junk, prefix }),
        4 => (mailbox(), prop::collection::vec(0u64..40, 1..4), 0..FLAGS.len()).prop_map(|(mailbox, sizes, flags)| Step::Append { mailbox, sizes, flags }),
        4 => (mailbox(), uids(), 0usize..3, 0..FLAGS.len()).prop_map(|(mailbox, uids, operation, flags)| Step::Store { mailbox, uids, operation, flags }),
        4 => (mailbox(), uids(), mailbox(), any::<bool>()).prop_map(|(from, uids, to, copy)| Step::Transfer { from, uids, to, copy }),
        3 => (mailbox(), uids(), any::<bool>()).prop_map(|(mailbox, uids, all)| Step::Expunge { mailbox, uids, all }),
        2 => mailbox().prop_map(|mailbox| Step::Create { mailbox }),
        1 => mailbox().prop_map(|mailbox| Step::Delete { mailbox }),
        2 => (mailbox(), mailbox()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => (mailbox(), any::<bool>()).prop_map(|(mailbox, on)| Step::Subscribe { mailbox, on }),
        2 => (0..LOCALS.len(), 0usize..5).prop_map(|(local, kind)| Step::Account { local, kind }),
        1 => (0..LOCALS.len(), 0..LOCALS.len()).prop_map(|(local, to)| Step::Alias { local, to }),
        1 => (prop::option::of(0u64..300), any::<bool>()).prop_map(|(bytes, whole)| Step::Quota { bytes, whole }),
        1 => (prop::option::of(0u64..9), 0u64..4).prop_map(|(trash, vault)| Step::Plan { trash, vault }),
        2 => (0usize..3).prop_map(|kind| Step::Maintain { kind }),
        2 => (0u64..3 * DAY).prop_map(|seconds| Step::Wait { seconds }),
        1 => (0usize..3).prop_map(|kind| Step::Domain { kind }),
        2 => (0..LOCALS.len(), 0usize..4).prop_map(|(local, kind)| Step::Forward { local, kind }),
        2 => (0..LOCALS.len(), 0usize..4).prop_map(|(local, kind)| Step::Answers { local, kind }),
        3 => Just(Step::Look),
    ]
}

/// What a full read of a mailbox showed at a MODSEQ.
struct Seen {
    domain: DomainId,
    account: AccountId,
    mailbox: MailboxId,
    modseq: ModSeq,
    messages: BTreeMap<Uid, (ModSeq, FlagSet)>,
}

fn read(state: &Memory, domain: DomainId, login: Login, mailbox: MailboxId) -> BTreeMap<Uid, (ModSeq, FlagSet)> {
    let rows = rows_of(state, domain, login, mailbox).into_iter();
    rows.map(|row| (row.uid, (row.hot.modseq, row.hot.flags))).collect()
}

fn login(lab: &Lab, domain: DomainId, text: &str) -> Option<Login> {
    match lab.ask(domain, &Query::Credentials(local(text))) {
        Answer::Credentials(credentials) if credentials.refused.is_none() => Some(credentials.login),
        _ => None,
    }
}

fn mailbox(lab: &Lab, domain: DomainId, login: Login, index: usize) -> MailboxId {
    match lab.ask(domain, &Query::Select { login, name: name(MAILBOXES[index]) }) {
        Answer::Selected(selected) => selected.mailbox.id,
        _ => MailboxId(9_999),
    }
}

fn look(lab: &Lab, seen: &mut Vec<Seen>) {
    for domain in [D1, D2] {
        for text in LOCALS {
            let Some(login) = login(lab, domain, text) else { continue };
            let Answer::Mailboxes { mailboxes, .. } = lab.ask(domain, &Query::Mailboxes(login)) else { continue };
            for row in mailboxes {
                let messages = read(&lab.state, domain, login, row.id);
                let (account, modseq) = (login.account, row.highest_modseq);
                seen.push(Seen { domain, account, mailbox: row.id, modseq, messages });
            }
        }
    }
}

fn command(lab: &Lab, domain: DomainId, who: &str, step: &Step) -> Option<Command> {
    let login = login(lab, domain, who).unwrap_or(Login { account: AccountId(1), generation: 1 });
    let find = |index: usize| mailbox(lab, domain, login, index);
    let mail = match step {
        Step::Deliver { to, bytes, junk, prefix } => {
            let names = ["ann", "bob", "cid", "team", "ann+x", "ghost"];
            let recipient = |&to: &usize| Recipient {
                local: local(names[to]),
                special_use: junk.then_some(SpecialUse::Trash),
                prefix: Bytes::from(vec![b'x'; *prefix]),
                email_id: EmailId([u8::try_from(lab.log.len()).unwrap(); 16]),
            };
            let recipients = to.iter().map(recipient).collect();
            MailCommand::Deliver {
                login: None,
                sender: writer(*bytes),
                recipients,
                message: message(*bytes),
                passage: Passage {
                    visited: junk.then(|| local("bob")).into_iter().collect(),
                    answer: Some(answerable()),
                    ..Passage::default()
                },
            }
        }
        Step::Append { mailbox, sizes, flags: chosen } => {
            let messages = sizes.iter().zip(0u16..).map(|(&bytes, ordinal)| {
                let body = yubin_state::command::NewMessage { body_ordinal: ordinal, ..message(bytes) };
                (body, flags(FLAGS[*chosen]), EmailId([2; 16]))
            });
            MailCommand::Append { login, mailbox: name(MAILBOXES[*mailbox]), messages: messages.collect() }
        }
        Step::Store { mailbox, uids, operation, flags: chosen } => MailCommand::StoreFlags {
            login,
            mailbox: find(*mailbox),
            uids: UidSet::range(uids.0, uids.1),
            operation: [FlagOperation::Add, FlagOperation::Remove, FlagOperation::Replace][*operation],
            flags: flags(FLAGS[*chosen]),
            unchanged_since: None,
        },
        Step::Transfer { from, uids, to, copy } => {
            let (mailbox, uids, to) = (find(*from), UidSet::range(uids.0, uids.1), name(MAILBOXES[*to]));
            match copy {
                true => MailCommand::Copy { login, mailbox, uids, to },
                false => MailCommand::Move { login, mailbox, uids, to },
            }
        }
        Step::Expunge { mailbox, uids, all } => {
            let which = if *all { ExpungeWhich::All } else { ExpungeWhich::FlaggedDeleted };
            MailCommand::Expunge { login, mailbox: find(*mailbox), uids: UidSet::range(uids.0, uids.1), which }
        }
        Step::Create { mailbox } => {
            MailCommand::CreateMailbox { login, name: name(MAILBOXES[*mailbox]), special_use: None }
        }
        Step::Delete { mailbox } => MailCommand::DeleteMailbox { login, name: name(MAILBOXES[*mailbox]) },
        Step::Rename { from, to } => {
            MailCommand::RenameMailbox { login, from: name(MAILBOXES[*from]), to: name(MAILBOXES[*to]) }
        }
        Step::Subscribe { mailbox, on } => {
            let subscription = if *on { Subscription::Subscribed } else { Subscription::Unsubscribed };
            MailCommand::SetSubscribed { login, name: name(MAILBOXES[*mailbox]), subscription }
        }
        _ => return administration(who, step),
    };
    Some(Command::Mail(mail))
}

/// Who writes: nobody, a stranger, or a user here.
fn writer(number: u64) -> ReversePath {
    match number % 3 {
        0 => ReversePath::Null,
        1 => ReversePath::Address(Address::parse("x@far.example").unwrap()),
        _ => ReversePath::Address(Address::parse("bob@one.example").unwrap()),
    }
}

fn administration(who: &str, step: &Step) -> Option<Command> {
    let quota_of = |bytes: Option<u64>| bytes.map(bytes_quota);
    let command = match step {
        Step::Account { local: index, kind } => {
            let local = local(LOCALS[*index]);
            let verifiers = crate::lab::verifiers(1);
            match kind {
                0 | 1 => DomainCommand::CreateAccount { local, verifiers, quota: None },
                2 => DomainCommand::DeleteAccount { local },
                3 => DomainCommand::SuspendAccount { local, reason: String::new() },
                _ => DomainCommand::ResumeAccount { local },
            }
        }
        Step::Alias { local: index, to } => {
            DomainCommand::PutAlias { local: local(LOCALS[*index]), targets: vec![local(LOCALS[*to]), local("bob")] }
        }
        Step::Quota { bytes, whole: false } => {
            DomainCommand::SetAccountQuota { local: local(who), quota: quota_of(*bytes) }
        }
        Step::Quota { bytes, whole: true } => DomainCommand::Update {
            plan: None,
            quota: Some(quota_of(*bytes).unwrap_or(Quota { bytes: Limit::Unlimited, messages: Limit::AtMost(9) })),
            catch_all: Some(bytes.map(|_| local("bob"))),
        },
        Step::Forward { local: index, kind } => {
            let (local, target) = (local(LOCALS[*index]), |text| Address::parse(text).unwrap());
            let (far, near) = (target("x@far.example"), target("bob@one.example"));
            DomainCommand::Forward(match kind {
                0 => ForwardCommand::Set { local, targets: vec![far], copy: LocalCopy::Drop },
                1 => ForwardCommand::Set { local, targets: vec![far, near], copy: LocalCopy::Keep },
                2 => ForwardCommand::Clear { local },
                _ => ForwardCommand::Resume { local },
            })
        }
        Step::Answers { local: index, kind } => {
            let local = local(LOCALS[*index]);
            DomainCommand::AutoReply(match kind {
                0 => AutoReplyCommand::Clear { local },
                kind => AutoReplyCommand::Set { local, reply: Box::new(reply(*kind)), body_ordinal: 0, body_bytes: 9 },
            })
        }
        Step::Domain { kind: 0 } => DomainCommand::Delete,
        Step::Domain { kind: 1 } => DomainCommand::Suspend { reason: String::new() },
        Step::Domain { .. } => DomainCommand::Resume,
        Step::Plan { trash, vault } => {
            let trash_expiry_seconds = trash.map(|days| days * DAY);
            let plan = yubin_state::record::Plan { trash_expiry_seconds, vault_seconds: vault * DAY, ..plan() };
            return Some(Command::Maintenance(MaintenanceCommand::PutPlan(plan)));
        }
        Step::Maintain { kind } => {
            let kinds =
                [MaintenanceCommand::ExpireTrash, MaintenanceCommand::PurgeVault, MaintenanceCommand::ForgetRequests];
            return Some(Command::Maintenance(kinds[*kind].clone()));
        }
        _ => return None,
    };
    Some(Command::Domain(command))
}

/// The whole run, applied to an empty state: the same rows, the same replies.
fn replay(lab: &Lab, replies: &[Vec<u8>]) {
    let mut state = Memory::default();
    for (logged, reply) in lab.log.iter().zip(replies) {
        let Ok(applied) = apply(&mut state, logged.position, &logged.entry.encode(), &logged.bodies);
        assert_eq!(&applied.reply, reply);
    }
    assert_eq!(state, lab.state);
}

/// For every earlier moment: what was read then, changed as the answer says, is what is read now.
fn resynchronise(lab: &Lab, seen: &[Seen]) {
    for then in seen {
        let current = LOCALS.iter().filter_map(|text| login(lab, then.domain, text));
        let Some(login) = current.into_iter().find(|login| login.account == then.account) else { continue };
        let query = Query::Changes { login, mailbox: then.mailbox, since: then.modseq };
        let Ok(Answer::Changes(changes)) = answer(&lab.state, then.domain, EPOCH, &query) else { continue };
        let mut known = then.messages.clone();
        known.retain(|uid, _| !changes.vanished.contains(*uid));
        assert_eq!(changes.live, None);
        for changed in changes.changed {
            known.insert(changed.uid, (changed.modseq, changed.flags));
        }
        assert_eq!(known, read(&lab.state, then.domain, login, then.mailbox));
    }
}

/// Every remembered request, proposed again with the stamp of its end: the same reply and the same rows.
fn repeat(lab: &mut Lab, replies: &[Vec<u8>]) {
    let before = lab.state.rows.clone();
    for (logged, reply) in lab.log.clone().iter().zip(replies) {
        let remembered = yubin_state::keys::request(logged.entry.envelope.domain, logged.entry.envelope.request);
        if !lab.state.rows.contains_key(remembered.bytes()) {
            continue;
        }
        let dropped = lab.state.dropped.clone();
        let Ok(applied) = apply(&mut lab.state, logged.position, &logged.entry.encode(), &[]);
        assert_eq!(&applied.reply, reply);
        assert_eq!(lab.state.dropped, dropped);
    }
    assert_eq!(lab.state.rows, before);
}

fn run(steps: &[(bool, usize, Step)]) {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    lab.account("ann");
    lab.account("bob");
    lab.account_in(D2, "ann");
    let mut seen = Vec::new();
    for (second, who, step) in steps {
        let domain = if *second { D2 } else { D1 };
        match step {
            Step::Look => look(&lab, &mut seen),
            Step::Wait { seconds } => lab.now = lab.now.plus_seconds(*seconds),
            step => {
                let Some(command) = command(&lab, domain, LOCALS[who % 3], step) else { continue };
                let domain = if matches!(command, Command::Maintenance(_)) { DomainId(0) } else { domain };
                let envelope =
                    lab.envelope(domain, [DedupeClass::None, DedupeClass::Delivery, DedupeClass::Admin][who % 3]);
                let before = holdings(&lab, domain);
                let moved = matches!(step, Step::Transfer { copy: false, .. });
                let reply = lab.propose(envelope, command);
                assert!(!matches!(reply, Reply::Refused(yubin_types::Refusal::Unsupported)));
                let after = holdings(&lab, domain);
                if moved {
                    assert_eq!(after, before, "a move changed usage");
                }
                growth_was_admitted(&before, &after);
            }
        }
    }
    let replies = lab.replies();
    replay(&lab, &replies);
    resynchronise(&lab, &seen);
    repeat(&mut lab, &replies);
}

/// Quota and usage of the domain and of each account.
fn holdings(lab: &Lab, domain: DomainId) -> BTreeMap<String, (Quota, Usage)> {
    let Answer::Domain(record) = lab.ask(domain, &Query::Domain) else { return BTreeMap::new() };
    let Answer::Accounts(accounts) = lab.ask(domain, &Query::Accounts { after: None, limit: 100 }) else { panic!() };
    let of_accounts = accounts
        .into_iter()
        .map(|account| (account.local.to_string(), (account.quota.unwrap_or_default(), account.usage)));
    of_accounts.chain([(String::new(), (record.effective_quota(), record.usage))]).collect()
}

/// Whoever holds more than before is within the quota.
fn growth_was_admitted(before: &BTreeMap<String, (Quota, Usage)>, after: &BTreeMap<String, (Quota, Usage)>) {
    for (who, (quota, usage)) in after {
        let (_, earlier) = before.get(who).copied().unwrap_or_default();
        assert!(usage.bytes <= earlier.bytes || quota.bytes.admits(usage.bytes), "{who}: {usage:?} over {quota:?}");
        assert!(usage.messages <= earlier.messages || quota.messages.admits(usage.messages), "{who}: {usage:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_state_stays_sound(steps in prop::collection::vec((any::<bool>(), 0usize..6, step()), 1..80)) {
        run(&steps);
    }
}
