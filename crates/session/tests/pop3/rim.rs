//! A rim for POP3 tests: `tim@example.jp` (password `tanstaaf`) has the messages that a test gives; `busy@example.jp` is locked.

use std::collections::BTreeMap;

use bytes::Bytes;
use yubin_session::pop3::{Answer, Ask, Config, Entry, Pop3Session};
use yubin_session::sasl::{Claim, Credentials, TokenLogin};
use yubin_session::{PlaintextLogin, Security};
use yubin_types::{EmailId, ResponseText, Uid};

use crate::harness::{Connection, Rim};
use crate::scram;

/// Rows in one answer: small, so that listings come in several.
const FRAME: usize = 3;

#[derive(Debug, Default)]
pub struct Pop3Rim {
    pub messages: BTreeMap<u32, Bytes>,
    /// Longest piece of a message.
    pub piece_bytes: usize,
    pub commits: usize,
    /// Commits that succeed before they fail.
    pub commits_max: usize,
    /// Octets of a message that can be read.
    pub readable: usize,
    rejected: bool,
}

fn refused(code: &'static str, text: &str) -> Answer {
    Answer::Refused(ResponseText::new(Some(code), text))
}

impl Pop3Rim {
    fn listing(&self, from: u32) -> Answer {
        let entry = |(uid, text): (&u32, &Bytes)| Entry {
            uid: Uid(*uid),
            bytes: text.len() as u64,
            email_id: EmailId([u8::try_from(uid % 256).unwrap(); 16]),
        };
        let entries: Vec<Entry> = self.messages.range(from..).take(FRAME).map(entry).collect();
        let last = entries.last().map_or(u32::MAX, |entry| entry.uid.0);
        let next = self.messages.keys().find(|uid| **uid > last).map(|uid| Uid(*uid));
        Answer::Listing { entries, next }
    }
}

impl Rim<Pop3Session> for Pop3Rim {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(question) => match scram::answer(question, &mut self.rejected) {
                Some(reply) => Answer::Sasl(reply),
                None => refused("AUTH", "Wrong user name or password"),
            },
            Ask::Login(Claim::Proven) if scram::stands(&mut self.rejected) => self.listing(1),
            Ask::Login(Claim::Proven) => refused("AUTH", "The token is not valid"),
            Ask::Login(Claim::Password(Credentials { user, password })) => match (user.as_str(), password.expose()) {
                ("tim@example.jp", b"tanstaaf") => self.listing(1),
                ("busy@example.jp", _) => refused("IN-USE", "Another session has the mailbox"),
                ("down@example.jp", _) => refused("SYS/TEMP", "Try again later"),
                _ => refused("AUTH", "Wrong user name or password"),
            },
            Ask::Listing { from } => self.listing(from.0),
            Ask::Body { uid, offset, bytes_max } => {
                let Some(text) = self.messages.get(&uid.0) else { return refused("SYS/TEMP", "The message is gone") };
                let start = usize::try_from(offset).unwrap();
                assert!(start < text.len(), "read beyond the end");
                let end = (start + bytes_max.min(self.piece_bytes)).min(text.len());
                if end > self.readable {
                    refused("SYS/TEMP", "Unreadable")
                } else {
                    Answer::Body(text.slice(start..end))
                }
            }
            Ask::Release => Answer::Released,
            Ask::Commit { uids } => {
                assert!(!uids.is_empty());
                if self.commits == self.commits_max {
                    return refused("SYS/TEMP", "No majority");
                }
                self.commits += 1;
                for uid in uids.iter() {
                    assert!(self.messages.remove(&uid.0).is_some());
                }
                Answer::Committed
            }
        }
    }
}

pub fn connect(security: Security, messages: &[&[u8]]) -> Connection<Pop3Session, Pop3Rim> {
    let config = Config {
        hostname: "pop.example.jp".into(),
        security,
        plaintext_login: PlaintextLogin::Refuse,
        tokens: TokenLogin::Allow,
    };
    let messages = (1u32..).zip(messages).map(|(index, text)| (index * 10, Bytes::copy_from_slice(text))).collect();
    let rim = Pop3Rim {
        messages,
        piece_bytes: 5,
        commits: 0,
        commits_max: usize::MAX,
        readable: usize::MAX,
        rejected: false,
    };
    Connection::new(Pop3Session::new(config), rim)
}

/// A connection of `tim@example.jp`, logged in.
pub fn logged_in(messages: &[&[u8]]) -> Connection<Pop3Session, Pop3Rim> {
    let mut connection = connect(Security::Encrypted(crate::harness::tls_facts()), messages);
    let said = connection.say("USER tim@example.jp\r\nPASS tanstaaf\r\n");
    assert!(said.contains("+OK Maildrop has"), "{said}");
    connection
}
