//! Real and deliberately broken mail goes in by SMTP and comes out byte for byte by IMAP and by POP3.
//!
//! A few hundred made ones, one of 30 MiB, and those of the folder that `YUBIN_CORPUS` names.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use yubin_corpus::with_crlf;
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::pop3::Pop3;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports!(what_goes_in_by_smtp_comes_out_byte_for_byte);

const DOMAIN: &str = "corpus.example";
const PASSWORD: &str = "correct horse battery";

fn what_goes_in_by_smtp_comes_out_byte_for_byte(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate(DOMAIN, 1, PASSWORD).unwrap();
    let user = format!("u0@{DOMAIN}");
    let messages = messages();

    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    let mut sent = Vec::new();
    for (name, message) in &messages {
        let reply = smtp.send("friend@elsewhere.example", &user, message).unwrap();
        // NUL has no place in a message (RFC 5322 §2.3, RFC 9051 §4.3.1: IMAP can't carry it); anything else is taken as it is.
        if message.contains(&0) {
            assert!(reply.starts_with("554 5.6.0"), "{name}: {reply}");
            continue;
        }
        assert!(reply.starts_with("250"), "{name}: {reply}");
        sent.push((name, message));
    }

    let mut imap = Imap::login(system.port("imaps").unwrap(), &user, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    for (index, (name, message)) in sent.iter().enumerate() {
        let reply = imap.ok(&format!("FETCH {} (UID BODY.PEEK[])", index + 1)).unwrap();
        let literals = reply.literals();
        let fetched = literals.first().unwrap_or_else(|| panic!("{name}: nothing fetched"));
        assert!(fetched.ends_with(message), "{name} differs over IMAP");
        // What stands before it are the trace fields of delivery, and nothing else.
        let added = fetched.len() - message.len();
        assert!(added > 0 && added < 2000, "{name}: {added} bytes were added");
    }
    let mut pop3 = Pop3::login(system.port("pop3s").unwrap(), &user, PASSWORD).unwrap();
    pop3.read_all(|number, fetched| {
        let (name, message) = sent[number - 1];
        assert!(fetched.ends_with(message), "{name} differs over POP3");
        Ok(())
    })
    .unwrap();
    // Structure is answered for every one of them, whatever it looks like.
    let reply = imap.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE FLAGS)").unwrap();
    assert_eq!(reply.untagged.len(), sent.len());
}

/// Name and content of every message, lines ended by CRLF.
fn messages() -> Vec<(String, Vec<u8>)> {
    let mut messages = vec![
        ("empty body".to_owned(), b"Subject: a\r\n\r\n".to_vec()),
        ("dots".to_owned(), b"Subject: b\r\n\r\n.\r\n..\r\n.a\r\n".to_vec()),
        ("eight bits".to_owned(), b"Subject: c\r\n\r\n\x1b$B%F%9%H\x1b(B \xe3\x83\x86\xff\xfe\r\n".to_vec()),
        ("no header".to_owned(), b"\r\nonly a body\r\n".to_vec()),
        ("no empty line".to_owned(), b"Subject: only a header\r\n".to_vec()),
        ("30 MiB".to_owned(), large(30 << 20)),
    ];
    let samples = yubin_corpus::samples().unwrap();
    assert!(samples.len() >= 200);
    messages.extend(samples.into_iter().map(|sample| (sample.name, with_crlf(&sample.bytes))));
    messages
}

fn large(size_bytes: usize) -> Vec<u8> {
    let mut message = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    while message.len() < size_bytes {
        message.extend_from_slice(format!("{:076}\r\n", message.len()).as_bytes());
    }
    message
}
