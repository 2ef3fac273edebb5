//! Whole POP3 dialogues, each played in one segment, octet by octet, and in odd pieces.

use yubin_session::Security;
use yubin_session::pop3::Pop3Session;

use crate::harness::{Connection, play_all, tls_facts};
use crate::rim::{Pop3Rim, connect};

const MESSAGES: [&[u8]; 5] = [
    b"Subject: one\r\n\r\nfirst\r\n.second\r\n.\r\nthird\r\n",
    b"Subject: two\r\n\r\nno line end",
    b"",
    b"Subject: four\r\n\r\n",
    b"Subject: five\r\n\r\nbare\n.\r\nline feeds\r\n",
];

#[test]
fn dialogues_go_as_written() {
    let clear: fn() -> Connection<Pop3Session, Pop3Rim> = || connect(Security::Upgradable, &MESSAGES);
    let tls: fn() -> Connection<Pop3Session, Pop3Rim> = || connect(Security::Encrypted(tls_facts()), &MESSAGES);
    for (name, transcript, connection) in [
        ("session", include_str!("transcripts/session.txt"), clear),
        ("logins", include_str!("transcripts/logins.txt"), tls),
        ("scram", include_str!("transcripts/scram.txt"), tls),
        ("token", include_str!("transcripts/token.txt"), tls),
        ("deletion", include_str!("transcripts/deletion.txt"), tls),
        ("malformed", include_str!("transcripts/malformed.txt"), tls),
        ("timeout", include_str!("transcripts/timeout.txt"), tls),
        ("drain", include_str!("transcripts/drain.txt"), tls),
    ] {
        play_all(name, transcript, connection);
    }
}
