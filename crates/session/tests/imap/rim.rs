//! A mail store in memory that answers what a session asks.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use yubin_message::{HeaderFields, scan};
use yubin_session::imap::Answer;
use yubin_session::imap::ask::{
    Ask, ChangedMessage, Changes, ColdFacts, ExpungeWhich, FlagOperation, MailboxFacts, MessageRow, NewMessage,
    Refusal, RowDetail, SelectedFacts, Subscription,
};
use yubin_session::sasl::Claim;
use yubin_types::search::{SearchKey, SortKey, SortOrder};
use yubin_types::{
    EmailId, Flag, FlagSet, Limit, MailboxId, MailboxName, ModSeq, Quota, SpecialUse, Timestamp, Uid, UidSet,
    UidValidity, Usage,
};

use crate::scram;

pub(crate) struct Rim {
    pub(crate) mailboxes: BTreeMap<MailboxName, Mailbox>,
    pub(crate) subscribed: BTreeSet<MailboxName>,
    pub(crate) modseq: u64,
    next_id: u32,
    append: Option<(NewMessage, Vec<u8>)>,
    /// Answers these instead, first to last, to questions whose debug form begins so.
    pub(crate) faults: Vec<(&'static str, Answer)>,
    /// Every question, in short.
    pub(crate) asked: Vec<String>,
    pub(crate) prefix: String,
    pub(crate) rows_per_frame: usize,
    rejected: bool,
}

pub(crate) struct Mailbox {
    pub(crate) id: MailboxId,
    pub(crate) special_use: Option<SpecialUse>,
    pub(crate) uid_next: u32,
    pub(crate) modseq: u64,
    pub(crate) messages: BTreeMap<u32, Message>,
    gone: Vec<(u64, u32)>,
}

#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) prefix: String,
    pub(crate) flags: FlagSet,
    pub(crate) modseq: u64,
    pub(crate) date: Timestamp,
}

impl Message {
    fn shown(&self) -> String {
        format!("{}{}", self.prefix, self.text)
    }
}

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

pub(crate) fn flags(text: &str) -> FlagSet {
    text.split_whitespace().map(|flag| Flag::parse(flag).unwrap()).collect()
}

pub(crate) fn refusal(code: &str, text: &str) -> Answer {
    Answer::Refused(Refusal { code: Some(code.into()), text: text.into() })
}

impl Rim {
    pub(crate) fn new() -> Rim {
        let mut rim = Rim {
            mailboxes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            modseq: 100,
            next_id: 1,
            append: None,
            faults: Vec::new(),
            asked: Vec::new(),
            prefix: String::new(),
            rows_per_frame: 2,
            rejected: false,
        };
        rim.create(name("INBOX"), None);
        rim.create(name("Trash"), Some(SpecialUse::Trash));
        rim
    }

    fn create(&mut self, name: MailboxName, special_use: Option<SpecialUse>) {
        let mut parent = name.parent();
        while let Some(above) = parent.filter(|above| !self.mailboxes.contains_key(above)) {
            parent = above.parent();
            self.create(above, None);
        }
        let id = MailboxId(self.next_id);
        self.next_id += 1;
        let mailbox = Mailbox { id, special_use, uid_next: 1, modseq: 1, messages: BTreeMap::new(), gone: Vec::new() };
        self.mailboxes.insert(name, mailbox);
    }

    pub(crate) fn mailbox(&mut self, text: &str) -> &mut Mailbox {
        self.mailboxes.get_mut(&name(text)).unwrap()
    }

    fn by_id(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.mailboxes.values_mut().find(|mailbox| mailbox.id == id)
    }

    fn bump(&mut self) -> u64 {
        self.modseq += 1;
        self.modseq
    }

    pub(crate) fn deliver(&mut self, mailbox: &str, text: &str, flag_text: &str) -> u32 {
        let modseq = self.bump();
        let prefix = self.prefix.clone();
        let message = Message {
            text: text.into(),
            prefix,
            flags: flags(flag_text),
            modseq,
            date: Timestamp::from_seconds(1_000),
        };
        self.mailbox(mailbox).add(message, modseq)
    }

    pub(crate) fn set_flags(&mut self, mailbox: &str, uid: u32, flag_text: &str) {
        let modseq = self.bump();
        let mailbox = self.mailbox(mailbox);
        mailbox.modseq = modseq;
        let message = mailbox.messages.get_mut(&uid).unwrap();
        message.flags = flags(flag_text);
        message.modseq = modseq;
    }

    pub(crate) fn remove(&mut self, mailbox: &str, uid: u32) {
        let modseq = self.bump();
        self.mailbox(mailbox).remove(uid, modseq);
    }

    pub(crate) fn flags_of(&mut self, mailbox: &str, uid: u32) -> String {
        let shown: Vec<String> =
            self.mailbox(mailbox).messages[&uid].flags.iter().map(|flag| flag.to_string()).collect();
        shown.join(" ")
    }

    pub(crate) fn answer(&mut self, ask: Ask) -> Answer {
        let debug = format!("{ask:?}");
        self.asked.push(debug.split([' ', '(']).next().unwrap().to_owned());
        if let Some(at) = self.faults.iter().position(|(start, _)| debug.starts_with(start)) {
            return self.faults.remove(at).1;
        }
        match ask {
            Ask::Sasl(question) => {
                scram::answer(question, &mut self.rejected).map_or(Answer::AuthenticationFailed, Answer::Sasl)
            }
            Ask::Authenticate(Claim::Proven) if scram::stands(&mut self.rejected) => Answer::LoggedIn,
            Ask::Authenticate(Claim::Password(credentials)) if credentials.password.expose() == b"secret" => {
                Answer::LoggedIn
            }
            Ask::Authenticate(_) => Answer::AuthenticationFailed,
            Ask::Mailboxes => Answer::Mailboxes {
                mailboxes: self.mailboxes.iter().map(|(name, mailbox)| mailbox.facts(name)).collect(),
                subscribed: self.subscribed.iter().cloned().collect(),
            },
            Ask::Select(name) => match self.mailboxes.get(&name) {
                Some(mailbox) => Answer::Selected(mailbox.selected(&name)),
                None => refusal("NONEXISTENT", "No such mailbox"),
            },
            Ask::Changes { mailbox, since } => match self.by_id(mailbox) {
                Some(mailbox) => Answer::Changes(mailbox.changes(since)),
                None => refusal("NONEXISTENT", "No such mailbox"),
            },
            Ask::Rows { mailbox, uids, changed_since, detail } => {
                let limit = self.rows_per_frame;
                self.by_id(mailbox).unwrap().rows(&uids, changed_since, detail, limit)
            }
            Ask::Octets { mailbox, ranges } => {
                let mailbox = self.by_id(mailbox).unwrap();
                Answer::Octets(
                    ranges.iter().map(|range| mailbox.octets(range.uid, range.offset, range.length)).collect(),
                )
            }
            Ask::Search { mailbox, program } => self.by_id(mailbox).unwrap().search(&program),
            Ask::Sort { mailbox, criteria, program } => {
                let mailbox = self.by_id(mailbox).unwrap();
                let Answer::Found { uids, highest_modseq } = mailbox.search(&program) else { panic!("not found") };
                let mut uids: Vec<Uid> = uids.iter().collect();
                assert_eq!(criteria[0].key, SortKey::Size);
                uids.sort_by_key(|uid| mailbox.messages[&uid.0].text.len());
                if criteria[0].order == SortOrder::Descending {
                    uids.reverse();
                }
                Answer::Sorted { uids, highest_modseq }
            }
            Ask::Quotas => {
                let quota = |bytes, messages| Quota { bytes, messages };
                Answer::Quotas {
                    account: (quota(Limit::AtMost(10_240), Limit::AtMost(7)), Usage { bytes: 1025, messages: 3 }),
                    domain: (quota(Limit::Unlimited, Limit::AtMost(9)), Usage { bytes: 1, messages: 4 }),
                }
            }
            other => self.change(other),
        }
    }

    fn change(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::StoreFlags { mailbox, uids, operation, flags, unchanged_since } => {
                let modseq = self.bump();
                self.by_id(mailbox).unwrap().store(&uids, operation, &flags, unchanged_since, modseq)
            }
            Ask::Copy { mailbox, uids, to } => self.copy(mailbox, &uids, &to),
            Ask::Move { mailbox, uids, to } => {
                let answer = self.copy(mailbox, &uids, &to);
                let modseq = self.bump();
                if let Answer::Stored { from, .. } = &answer {
                    let source = self.by_id(mailbox).unwrap();
                    from.iter().for_each(|uid| source.remove(uid.0, modseq));
                }
                answer
            }
            Ask::Expunge { mailbox, uids, which } => {
                assert!(uids.len() <= 1000);
                let modseq = self.bump();
                let mailbox = self.by_id(mailbox).unwrap();
                for uid in uids.iter() {
                    let message = mailbox.messages.get(&uid.0);
                    if message.is_some_and(|it| which == ExpungeWhich::All || it.flags.contains(&Flag::Deleted)) {
                        mailbox.remove(uid.0, modseq);
                    }
                }
                Answer::Done
            }
            Ask::CreateMailbox { name, .. } if self.mailboxes.contains_key(&name) => {
                refusal("ALREADYEXISTS", "The mailbox exists already")
            }
            Ask::CreateMailbox { name, special_use } => {
                self.create(name.clone(), special_use);
                Answer::Created(self.mailboxes[&name].id)
            }
            Ask::DeleteMailbox(name) => match self.mailboxes.remove(&name) {
                Some(_) => Answer::Done,
                None => refusal("NONEXISTENT", "No such mailbox"),
            },
            Ask::RenameMailbox { from, to } => match self.mailboxes.remove(&from) {
                Some(mailbox) => {
                    self.mailboxes.insert(to, mailbox);
                    Answer::Done
                }
                None => refusal("NONEXISTENT", "No such mailbox"),
            },
            Ask::SetSubscribed { name, subscription } => {
                match subscription {
                    Subscription::Subscribed => self.subscribed.insert(name),
                    Subscription::Unsubscribed => self.subscribed.remove(&name),
                };
                Answer::Done
            }
            Ask::AppendBegin(message) if self.mailboxes.contains_key(&message.mailbox) => {
                self.append = Some((message, Vec::new()));
                Answer::Done
            }
            Ask::AppendBegin(_) => refusal("TRYCREATE", "No such mailbox"),
            Ask::AppendOctets(octets) => {
                self.append.as_mut().unwrap().1.extend_from_slice(&octets);
                Answer::Done
            }
            Ask::AppendEnd => self.append_end(),
            Ask::AppendAbort => {
                self.append = None;
                Answer::Done
            }
            _ => Answer::Done,
        }
    }

    fn append_end(&mut self) -> Answer {
        let (new, octets) = self.append.take().unwrap();
        assert_eq!(new.bytes, octets.len() as u64);
        let modseq = self.bump();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let date = new.internal_date.unwrap_or_default();
        let mailbox = self.mailboxes.get_mut(&new.mailbox).unwrap();
        let uid = mailbox.add(Message { text, prefix: String::new(), flags: new.flags, modseq, date }, modseq);
        let (id, to) = (mailbox.id, UidSet::range(uid, uid));
        Answer::Stored { mailbox: id, uid_validity: UidValidity(7), from: UidSet::new(), to }
    }

    fn copy(&mut self, mailbox: MailboxId, uids: &UidSet, to: &MailboxName) -> Answer {
        assert!(uids.len() <= 1000);
        if !self.mailboxes.contains_key(to) {
            return refusal("TRYCREATE", "No such mailbox");
        }
        let modseq = self.bump();
        let source = self.by_id(mailbox).unwrap();
        let copied: Vec<(u32, Message)> =
            uids.iter().filter_map(|uid| Some((uid.0, source.messages.get(&uid.0)?.clone()))).collect();
        let target = self.mailboxes.get_mut(to).unwrap();
        let from = copied.iter().map(|(uid, _)| Uid(*uid)).collect();
        let to = copied.into_iter().map(|(_, message)| Uid(target.add(message, modseq))).collect();
        Answer::Stored { mailbox: target.id, uid_validity: UidValidity(7), from, to }
    }
}

impl Mailbox {
    fn add(&mut self, message: Message, modseq: u64) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.modseq = modseq;
        self.messages.insert(uid, Message { modseq, ..message });
        uid
    }

    fn remove(&mut self, uid: u32, modseq: u64) {
        if self.messages.remove(&uid).is_some() {
            self.modseq = modseq;
            self.gone.push((modseq, uid));
        }
    }

    fn uids(&self) -> UidSet {
        self.messages.keys().copied().map(Uid).collect()
    }

    fn count(&self, flag: Flag) -> u32 {
        self.messages.values().filter(|message| message.flags.contains(&flag)).count() as u32
    }

    fn facts(&self, name: &MailboxName) -> MailboxFacts {
        MailboxFacts {
            id: self.id,
            name: name.clone(),
            special_use: self.special_use,
            uid_validity: UidValidity(7),
            uid_next: Uid(self.uid_next),
            highest_modseq: ModSeq(self.modseq),
            messages: self.messages.len() as u32,
            unseen: self.messages.len() as u32 - self.count(Flag::Seen),
            deleted: self.count(Flag::Deleted),
            bytes: self.messages.values().map(|message| message.shown().len() as u64).sum(),
        }
    }

    fn selected(&self, name: &MailboxName) -> SelectedFacts {
        let unseen = self.messages.iter().find(|(_, message)| !message.flags.contains(&Flag::Seen));
        let keywords: BTreeSet<_> = self.messages.values().flat_map(|message| message.flags.keywords.clone()).collect();
        SelectedFacts {
            mailbox: self.facts(name),
            uids: self.uids(),
            first_unseen: unseen.map(|(&uid, _)| Uid(uid)),
            keywords: keywords.into_iter().collect(),
        }
    }

    fn changes(&self, since: ModSeq) -> Changes {
        let changed = self.messages.iter().filter(|(_, message)| message.modseq > since.0);
        Changes {
            highest_modseq: ModSeq(self.modseq),
            uid_next: Uid(self.uid_next),
            changed: changed
                .map(|(&uid, message)| ChangedMessage {
                    uid: Uid(uid),
                    modseq: ModSeq(message.modseq),
                    flags: message.flags.clone(),
                })
                .collect(),
            vanished: self.gone.iter().filter(|(modseq, _)| *modseq > since.0).map(|&(_, uid)| Uid(uid)).collect(),
            live: None,
        }
    }

    fn rows(&self, uids: &UidSet, changed_since: Option<ModSeq>, detail: RowDetail, limit: usize) -> Answer {
        let wanted = |&(uid, message): &(&u32, &Message)| {
            uids.contains(Uid(*uid)) && changed_since.is_none_or(|since| message.modseq > since.0)
        };
        let found: Vec<(&u32, &Message)> = self.messages.iter().filter(wanted).collect();
        let next = found.get(limit).map(|(uid, _)| Uid(**uid));
        let row = |&(&uid, message): &(&u32, &Message)| MessageRow {
            uid: Uid(uid),
            flags: message.flags.clone(),
            modseq: ModSeq(message.modseq),
            bytes: message.shown().len() as u64,
            internal_date: message.date,
            save_date: message.date,
            email_id: EmailId([0; 16]),
            cold: (detail == RowDetail::HotAndCold).then(|| ColdFacts {
                prefix_bytes: message.prefix.len() as u64,
                facts: scan(message.text.as_bytes()).to_bytes().into(),
            }),
        };
        Answer::Rows { rows: found.iter().take(limit).map(row).collect(), next }
    }

    fn octets(&self, uid: Uid, offset: u64, length: u64) -> Option<Bytes> {
        assert!(length > 0 && length <= 128 * 1024);
        let text = self.messages.get(&uid.0)?.shown();
        let range = offset as usize..(offset + length) as usize;
        Some(Bytes::copy_from_slice(text.as_bytes().get(range).expect("a range within the message")))
    }

    fn store(
        &mut self,
        uids: &UidSet,
        operation: FlagOperation,
        flags: &FlagSet,
        unchanged_since: Option<ModSeq>,
        modseq: u64,
    ) -> Answer {
        assert!(uids.len() <= 1000);
        let (mut modified, mut stored) = (UidSet::new(), None);
        for (&uid, message) in self.messages.iter_mut().filter(|(uid, _)| uids.contains(Uid(**uid))) {
            if unchanged_since.is_some_and(|since| message.modseq > since.0) {
                modified.insert(Uid(uid));
                continue;
            }
            match operation {
                FlagOperation::Add => flags.iter().for_each(|flag| message.flags.insert(flag)),
                FlagOperation::Remove => flags.iter().for_each(|flag| message.flags.remove(&flag)),
                FlagOperation::Replace => message.flags = flags.clone(),
            }
            message.modseq = modseq;
            self.modseq = modseq;
            stored = Some(ModSeq(modseq));
        }
        Answer::FlagsStored { modified, modseq: stored }
    }

    fn search(&self, program: &SearchKey) -> Answer {
        let found: Vec<_> = self.messages.iter().filter(|(uid, message)| holds(program, **uid, message)).collect();
        let highest = found.iter().map(|(_, message)| ModSeq(message.modseq)).max();
        Answer::Found { uids: found.iter().map(|(uid, _)| Uid(**uid)).collect(), highest_modseq: highest }
    }
}

fn holds(key: &SearchKey, uid: u32, message: &Message) -> bool {
    let has = |text: &str| message.shown().to_lowercase().contains(&text.to_lowercase());
    match key {
        SearchKey::All => true,
        SearchKey::And(keys) => keys.iter().all(|key| holds(key, uid, message)),
        SearchKey::Or(a, b) => holds(a, uid, message) || holds(b, uid, message),
        SearchKey::Not(key) => !holds(key, uid, message),
        SearchKey::Flag(flag) => message.flags.contains(flag),
        SearchKey::Uids(uids) => uids.contains(Uid(uid)),
        SearchKey::Header(field, text) => HeaderFields::new(message.text.as_bytes())
            .any(|it| it.is(field) && String::from_utf8_lossy(&it.unfolded()).contains(text.as_str())),
        SearchKey::Text(text) | SearchKey::Body(text) => has(text),
        SearchKey::Larger(bytes) => message.shown().len() as u64 > *bytes,
        SearchKey::Smaller(bytes) => (message.shown().len() as u64) < *bytes,
        SearchKey::ModSeq(modseq) => message.modseq >= modseq.0,
        _ => false,
    }
}
