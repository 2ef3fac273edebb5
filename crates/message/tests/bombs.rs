//! Messages made to exhaust: each is read with work in proportion to its size, and little is kept of it.
//!
//! Work is what the scanner counts (bytes copied and compared, lines), so that the tests hold on any machine.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use yubin_message::imap::{self, BodyForm, Utf8};
use yubin_message::{Defects, PartTree, ScanLimits, Scanner, decode_header, search};
use yubin_types::limits;

const CHUNK_BYTES: usize = 64 * 1024;

/// Scans in chunks and checks what holds for every message. Returns the tree and the work.
fn scan(message: &[u8]) -> (PartTree, u64) {
    let mut scanner = Scanner::new(ScanLimits::default());
    for chunk in message.chunks(CHUNK_BYTES) {
        scanner.feed(chunk);
        assert!(scanner.buffered_bytes() <= 8 * limits::HEADER_FIELD_BYTES_MAX, "{}", scanner.buffered_bytes());
    }
    let work = scanner.work();
    let tree = scanner.finish();
    assert!(tree.parts().len() <= limits::MIME_PARTS_MAX);
    assert_eq!(tree.size_bytes(), message.len() as u64);
    let bytes = tree.to_bytes();
    assert!(bytes.len() <= 2 * limits::STRUCTURE_BYTES_MAX, "stored form of {} bytes", bytes.len());
    assert_eq!(PartTree::from_bytes(&bytes).as_ref(), Ok(&tree));
    let mut out = Vec::new();
    imap::write_body(&mut out, &tree, BodyForm::BodyStructure, Utf8::No);
    imap::write_envelope(&mut out, tree.envelope(), Utf8::No);
    assert!(out.len() <= 4 * limits::STRUCTURE_BYTES_MAX, "written form of {} bytes", out.len());
    assert_eq!(search::find(&tree, search::Scope::Text, "not there", |range| slice(message, range)), Ok(false));
    (tree, work)
}

fn slice(message: &[u8], range: std::ops::Range<u64>) -> Result<&[u8], std::num::TryFromIntError> {
    Ok(&message[usize::try_from(range.start)?..usize::try_from(range.end)?])
}

/// Scans the message of `count` and of twice `count`: twice the size is at most 2.3 times the work. Returns the larger tree.
fn check(count: usize, work_per_byte_max: u64, message: impl Fn(usize) -> Vec<u8>) -> PartTree {
    let (_, small) = scan(&message(count));
    let large = message(2 * count);
    let (tree, work) = scan(&large);
    assert!(work * 10 <= small * 23 + 10_000, "work {small} grew to {work}");
    assert!(work <= work_per_byte_max * large.len() as u64, "work {work} for {} bytes", large.len());
    tree
}

fn repeat(head: &str, piece: &str, count: usize) -> Vec<u8> {
    format!("{head}{}", piece.repeat(count)).into_bytes()
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

#[test]
fn a_hundred_thousand_siblings() {
    for piece in ["--b\r\n\r\n\r\n", "--b\r\n", "--b\r\nContent-Type: a/b; c=d; e=f; g=h; i=j\r\n\r\nx\r\n"] {
        let tree = check(50_000, 4, |count| repeat(MIXED, piece, count));
        assert_eq!(tree.parts().len(), limits::MIME_PARTS_MAX);
        assert!(tree.root().defects.contains(Defects::TOO_MANY_PARTS));
    }
}

#[test]
fn multiparts_in_multiparts() {
    let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let tree = check(50_000, 70, |count| (0..count).map(level).collect::<String>().into_bytes());
    assert_eq!(tree.parts().len(), limits::MIME_DEPTH_MAX);
    let same = format!("{MIXED}--b\r\n");
    check(50_000, 4, |count| repeat("", &same, count));
}

#[test]
fn messages_in_messages() {
    for nested in
        ["Content-Type: message/rfc822\r\n\r\n", "Content-Type: message/rfc822\r\nSubject: x\r\nTo: a@b\r\n\r\n"]
    {
        let tree = check(250_000, 4, |count| repeat("", nested, count));
        assert_eq!(tree.parts().len(), limits::MIME_DEPTH_MAX);
    }
    let tree = check(10_000, 4, |count| {
        repeat(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n",
            "--b\r\n\r\nContent-Type: message/rfc822\r\n\r\n",
            count,
        )
    });
    assert_eq!(tree.parts().len(), limits::MIME_PARTS_MAX);
}

#[test]
fn fields_without_number() {
    for piece in [
        "X: y\r\n",
        "Received: x\r\n",
        "Subject: x\r\n",
        "To: a@b\r\n",
        "Content-Type: a/b\r\n",
        "junk\r\n",
        " fold\r\n",
        ":\r\n",
    ] {
        check(100_000, 4, |count| repeat("", piece, count));
    }
    let (tree, _) = scan(&repeat("", "Received: x\r\n", 1_000_000));
    assert_eq!(tree.received_count(), 1_000_000);
}

#[test]
fn fields_without_end() {
    for head in ["Subject: ", "X: ", "Content-Type: text/plain; a=", "To: ", "", "\r\n", MIXED] {
        for piece in ["x", "x\r\n ", "(", "\"", "\\", "<", "\u{e9}", "=?utf-8?q?"] {
            let tree = check(1_000_000 / piece.len(), 4, |count| repeat(head, piece, count));
            let envelope = tree.envelope();
            assert!(envelope.subject.as_ref().is_none_or(|it| it.len() <= limits::HEADER_FIELD_BYTES_MAX));
            assert!(envelope.to.len() <= limits::ENVELOPE_ADDRESSES_MAX);
        }
    }
}

#[test]
fn values_without_number() {
    for (head, piece) in [
        ("To: ", "a@b,"),
        ("To: ", "g:;"),
        ("To: ", "\"a\" <@x:b@c> (d),\r\n "),
        ("Cc: ", ","),
        ("Content-Type: a/b", ";n*0*=x"),
        ("Content-Disposition: a", "; filename*1=\"x\""),
        ("Content-Language: ", "en,"),
        ("References: ", "<a@b> "),
        ("References: ", ">"),
        ("Subject: ", "=?utf-8?q?x?= "),
        ("Date: ", "(("),
        ("Content-Type: ", "("),
    ] {
        check(100_000, 4, |count| repeat(head, piece, count));
    }
    assert_eq!(decode_header(&repeat("", "=?utf-8?q?x?= ", 100_000)).len(), 100_000);
}

#[test]
fn boundaries_that_nearly_match() {
    // Sixty open multiparts whose boundaries differ from each line only in the last byte.
    let stem = "x".repeat(250);
    let open: String = (0..60)
        .map(|n| format!("Content-Type: multipart/mixed; boundary={stem}{n:02}\r\n\r\n--{stem}{n:02}\r\n"))
        .collect();
    let tree = check(10_000, 64, |count| repeat(&open, &format!("--{stem}zz\r\n"), count));
    assert_eq!(tree.parts().len(), 61);
    check(10_000, 64, |count| repeat(&open, &format!("--{}\r\n", "x".repeat(2_048)), count));
    check(1_000_000, 64, |count| repeat(&open, "--\r\n", count));
    check(1_000_000, 4, |count| repeat(MIXED, "\r\n", count));
}

#[test]
fn a_hundred_megabytes_on_one_line() {
    for head in
        ["Content-Transfer-Encoding: base64\r\n\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"]
    {
        let mut scanner = Scanner::new(ScanLimits::default());
        scanner.feed(head.as_bytes());
        let chunk = vec![b'A'; CHUNK_BYTES];
        for _ in 0..1_600 {
            scanner.feed(&chunk);
        }
        assert!(scanner.buffered_bytes() <= 8 * 1_024 && scanner.work() <= 8 * 1_024, "{}", scanner.work());
        let tree = scanner.finish();
        assert_eq!(tree.size_bytes(), (head.len() + 1_600 * CHUNK_BYTES) as u64);
    }
}
