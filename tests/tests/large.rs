//! A message of 30 MiB goes through in pieces: byte for byte, and at no time is the whole of it in memory.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use yubin_tests::imap::Imap;
use yubin_tests::memory;
use yubin_tests::over_both_transports;
use yubin_tests::pop3::Pop3;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports!(a_large_message_passes_in_pieces);

const USER: &str = "u0@large.example";
const PASSWORD: &str = "correct horse battery";
const SIZE_BYTES: usize = 30 << 20;
/// How far resident memory may rise while one such message passes: less than the message.
const GROWTH_BYTES_MAX: u64 = 16 << 20;
/// What a chunk of BDAT holds; not a divisor of anything.
const CHUNK_BYTES: usize = 1_000_003;

fn a_large_message_passes_in_pieces(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate("large.example", 1, PASSWORD).unwrap();
    // The first of everything costs memory that stays: it is not what is measured.
    let small = message(100_000);
    send_data(&system, &small);
    send_bdat(&system, &small);
    append(&system, &small);
    read(&system, &[&small, &small, &small]);

    let large = message(SIZE_BYTES);
    for (what, pass) in [
        ("DATA", send_data as fn(&System, &[u8])),
        ("BDAT", send_bdat),
        ("APPEND", append),
        ("reading", |system, large| {
            let small = message(100_000);
            read(system, &[&small, &small, &small, large, large, large]);
        }),
    ] {
        let id = system.running.id();
        let before = memory::sample(&[id]).resident_bytes_max;
        memory::forget_peak(id).unwrap();
        pass(&system, &large);
        let growth = memory::peak(id).saturating_sub(before);
        println!("{what}: {} KiB more than {} KiB", growth >> 10, before >> 10);
        assert!(growth < GROWTH_BYTES_MAX, "{what}: resident memory rose by {} KiB", growth >> 10);
    }
}

fn send_data(system: &System, message: &[u8]) {
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    let reply = smtp.send("friend@elsewhere.example", USER, message).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

fn send_bdat(system: &System, message: &[u8]) {
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    smtp.expect("MAIL FROM:<friend@elsewhere.example>", "250").unwrap();
    smtp.expect(&format!("RCPT TO:<{USER}>"), "250").unwrap();
    let mut chunks = message.chunks(CHUNK_BYTES).peekable();
    while let Some(chunk) = chunks.next() {
        let last = if chunks.peek().is_none() { " LAST" } else { "" };
        let mut bytes = format!("BDAT {}{last}\r\n", chunk.len()).into_bytes();
        bytes.extend_from_slice(chunk);
        let reply = smtp.bytes(&bytes).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
}

fn append(system: &System, message: &[u8]) {
    let mut imap = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    let status = imap.append("INBOX", message).unwrap();
    assert!(status.starts_with("OK"), "{status}");
}

/// Reads INBOX by IMAP and by POP3: these messages, and nothing else.
fn read(system: &System, messages: &[&[u8]]) {
    let mut imap = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    for (number, message) in (1..).zip(messages) {
        let reply = imap.ok(&format!("FETCH {number} (UID BODY.PEEK[])")).unwrap();
        let fetched = *reply.literals().first().unwrap();
        assert!(fetched.ends_with(message), "message {number} differs over IMAP");
        let partial = imap.ok(&format!("FETCH {number} (UID BODY.PEEK[]<70000.1000>)")).unwrap();
        assert_eq!(partial.literals().first(), fetched.get(70_000..71_000).as_ref(), "a part of message {number}");
    }
    let mut pop3 = Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).unwrap();
    let mut seen = 0;
    pop3.read_all(|number, fetched| {
        seen = number;
        assert!(fetched.ends_with(messages.get(number - 1).unwrap()), "message {number} differs over POP3");
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, messages.len());
}

/// A message of nearly this size that no part of repeats, with lines that begin with dots.
fn message(size_bytes: usize) -> Vec<u8> {
    let mut message = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    while message.len() + 78 <= size_bytes {
        let dot = if message.len().is_multiple_of(3) { "." } else { "x" };
        message.extend_from_slice(format!("{dot}{:075}\r\n", message.len()).as_bytes());
    }
    message
}
