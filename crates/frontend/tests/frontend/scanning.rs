//! Messages shown to scanners: what they say is done, and what is done when they say nothing.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prometheus_client::encoding::text::encode;
use yubin_frontend::{
    AbsentHandling, ContentConfig, EncryptedHandling, GreylistHandling, ScannerAddress, ScannerConfig, SubmissionScan,
    UnscannedHandling, VirusHandling, Weights,
};

use crate::scanner::{Does, Scanner};
use crate::submission::submitter;
use crate::verification::{count, send, stored};
use crate::world::World;

const MESSAGE: &str = "From: ann@a.test\r\nTo: alice@example.jp\r\nSubject: hi\r\n\r\nhello";
/// A message with one file.
const ATTACHED: &str = "From: ann@a.test\r\nTo: alice@example.jp\r\nSubject: hi\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed;\r\n boundary=b\r\nX-Virus-Status: Clean\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/x\r\n\
    Content-Disposition: attachment; filename=\"bill.zip\"\r\n\r\nVIRUS\r\n--b--";

fn at(address: ScannerAddress) -> ScannerConfig {
    ScannerConfig {
        address,
        timeout_seconds: 20,
        scans_max: 10,
        message_bytes_max: 10 << 20,
        too_large: UnscannedHandling::Pass,
        absent: AbsentHandling::Defer,
        submissions: SubmissionScan::Off,
    }
}

fn tcp(scanner: &Scanner) -> Option<ScannerConfig> {
    Some(at(ScannerAddress::Tcp(scanner.address.to_string())))
}

async fn world(change: impl FnOnce(&mut ContentConfig)) -> World {
    let mut content = ContentConfig {
        scoring: Some(Weights::default()),
        virus_notice: vec!["The virus [{virus}] had been detected from [{file}].".into(), "ウイルス {action}".into()],
        ..ContentConfig::default()
    };
    change(&mut content);
    World::assessing(None, content).await
}

async fn sent(world: &World, message: &str) -> String {
    send(world, "alice@example.jp", "ann@a.test", message).await
}

async fn places(world: &World) -> (usize, usize) {
    (count(world, "alice@example.jp", "INBOX").await, count(world, "alice@example.jp", "Junk").await)
}

#[tokio::test]
async fn rspamd_is_told_the_way_of_a_message_and_obeyed() {
    for (action, greylist, reply, expected) in [
        ("no action", GreylistHandling::Take, "250", (1, 0)),
        ("greylist", GreylistHandling::Take, "250", (1, 0)),
        ("greylist", GreylistHandling::Defer, "451 4.7.1 Words of the scanner", (0, 0)),
        ("soft reject", GreylistHandling::Take, "451 4.7.1 Words of the scanner", (0, 0)),
        ("add header", GreylistHandling::Take, "250", (0, 1)),
        ("rewrite subject", GreylistHandling::Take, "250", (0, 1)),
        ("reject", GreylistHandling::Take, "550 5.7.1 Words of the scanner", (0, 0)),
    ] {
        let scanner = Scanner::saying(action, "3.5").await;
        let world = world(|content| {
            content.rspamd = tcp(&scanner);
            content.greylist = greylist;
        })
        .await;
        let answer = sent(&world, MESSAGE).await;
        assert!(answer.starts_with(reply), "{action}: {answer}");
        assert_eq!(places(&world).await, expected, "{action}");
        assert_eq!(scanner.messages(), [format!("{MESSAGE}\r\n").into_bytes()]);
        let head = scanner.head();
        for field in [
            "POST /checkv2 HTTP/1.1",
            "ip: 127.0.0.1",
            "helo: host.names.test",
            "from: ann@a.test",
            "rcpt: alice@example.jp",
        ] {
            assert!(head.contains(&format!("{field}\r\n")), "{field}: {head}");
        }
        assert!(!head.contains("user:"), "{head}");
        if expected != (0, 0) {
            let mailbox = if expected.0 == 1 { "INBOX" } else { "Junk" };
            let stored = stored(&world, "alice@example.jp", mailbox).await;
            assert!(stored.contains(", score=3.5 required=15 tests=[TEST_A=3.5]\r\n"), "{stored}");
        }
    }
}

#[tokio::test]
async fn a_scanner_that_says_nothing_puts_mail_off_or_lets_it_pass() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let silent = [Scanner::rspamd(Does::IsSilent).await, Scanner::clamd(Does::IsSilent).await];
    let garbage = [
        Scanner::rspamd(Does::Answers("{\"action\":\"explode\"}".into())).await,
        Scanner::clamd(Does::Answers("stream: perhaps".into())).await,
    ];
    let dying = [Scanner::rspamd(Does::Dies).await, Scanner::clamd(Does::Dies).await];
    let rude = [Scanner::rspamd(Does::Interrupts("no HTTP")).await, Scanner::clamd(Does::Interrupts("")).await];
    let of = |pair: &[Scanner; 2]| [pair[0].address, pair[1].address];
    for (name, [rspamd, clamd]) in [
        ("closed", [closed, closed]),
        ("silent", of(&silent)),
        ("garbage", of(&garbage)),
        ("dying", of(&dying)),
        ("rude", of(&rude)),
    ] {
        let scanner = |address: std::net::SocketAddr, absent| {
            Some(ScannerConfig { absent, timeout_seconds: 1, ..at(ScannerAddress::Tcp(address.to_string())) })
        };
        for (with_rspamd, with_clamd) in [(true, false), (false, true)] {
            let told = |absent| {
                move |content: &mut ContentConfig| {
                    content.rspamd = scanner(rspamd, absent).filter(|_| with_rspamd);
                    content.clamd = scanner(clamd, absent).filter(|_| with_clamd);
                }
            };
            let world_off = world(told(AbsentHandling::Defer)).await;
            let put_off = sent(&world_off, MESSAGE).await;
            let expected = "451 4.7.1 Messages can't be scanned for viruses and spam now; try again later\r\n";
            assert_eq!(put_off, expected, "{name} rspamd {with_rspamd}");
            let passing = world(told(AbsentHandling::Pass)).await;
            assert!(sent(&passing, MESSAGE).await.starts_with("250"), "{name}");
            let taken = stored(&passing, "alice@example.jp", "INBOX").await;
            assert!(taken.contains("tests=[date_missing=1, message_id_missing=1]"), "the built-in score: {taken}");
            assert_eq!(taken.contains("X-Virus-Status: Not scanned (no scanner)"), with_clamd, "{taken}");
            let mut metrics = String::new();
            encode(&mut metrics, &passing.registry).unwrap();
            assert!(metrics.contains("result=\"unavailable\"} 1"), "{metrics}");
        }
    }
}

#[tokio::test]
async fn a_message_too_large_to_scan_passes_or_is_refused() {
    let rspamd = Scanner::saying("reject", "20").await;
    let clamd = Scanner::clamd(Does::Answers("stream: X FOUND".into())).await;
    // What clamd says when it is clamd that finds it too large.
    let interrupting = Scanner::clamd(Does::Interrupts("INSTREAM size limit exceeded. ERROR\0")).await;
    for (scanner, bytes) in [(&clamd, 20), (&interrupting, 10 << 20)] {
        for too_large in [UnscannedHandling::Pass, UnscannedHandling::Reject] {
            let world = world(|content| {
                let limited = |scanner, bytes| {
                    tcp(scanner).map(|config| ScannerConfig { message_bytes_max: bytes, too_large, ..config })
                };
                content.rspamd = limited(&rspamd, 20);
                content.clamd = limited(scanner, bytes);
            })
            .await;
            let answer = sent(&world, MESSAGE).await;
            match too_large {
                UnscannedHandling::Pass => {
                    assert!(answer.starts_with("250"), "{answer}");
                    let taken = stored(&world, "alice@example.jp", "INBOX").await;
                    assert!(taken.contains("X-Virus-Status: Not scanned (too large)\r\n"), "{taken}");
                }
                UnscannedHandling::Reject => assert!(answer.starts_with("552 5.3.4 "), "{answer}"),
            }
        }
    }
    assert!(rspamd.messages().is_empty() && clamd.messages().is_empty());
}

/// SONET-30, SONET-31, SONET-32.
#[tokio::test]
async fn a_virus_is_refused_filed_or_removed() {
    let clamd = Scanner::clamd(Does::Answers("stream: Test.Virus FOUND".into())).await;
    let with = |virus| {
        let config = tcp(&clamd);
        world(move |content: &mut ContentConfig| {
            content.clamd = config;
            content.virus = virus;
        })
    };
    let refusing = with(VirusHandling::Reject).await;
    assert_eq!(
        sent(&refusing, ATTACHED).await,
        "550 5.7.1 The virus [Test.Virus] had been detected from [bill.zip]. Executed processing : reject\r\n"
    );
    assert_eq!(places(&refusing).await, (0, 0));

    let filing = with(VirusHandling::Junk).await;
    assert!(sent(&filing, ATTACHED).await.starts_with("250"));
    let junk = stored(&filing, "alice@example.jp", "Junk").await;
    assert!(junk.contains("X-Virus-Status: Infected (Test.Virus)\r\n") && junk.contains("VIRUS"), "{junk}");
    assert!(!junk.contains("X-Virus-Status: Clean"), "the forged one is gone: {junk}");

    let removing = with(VirusHandling::Remove).await;
    assert!(sent(&removing, ATTACHED).await.starts_with("250"));
    let cured = stored(&removing, "alice@example.jp", "INBOX").await;
    assert!(cured.contains("X-Virus-Status: Removed (Test.Virus)\r\n") && !cured.contains("VIRUS\r\n"), "{cured}");
    assert!(cured.contains("Content-Type: text/plain; charset=utf-8\r\n") && !cured.contains("multipart"), "{cured}");
    assert!(
        cured.contains(
            "Subject: hi\r\n\r\nThe virus [Test.Virus] had been detected from [bill.zip].\r\nウイルス remove\r\n"
        ),
        "{cured}"
    );
}

/// A message with a letter and three files, the second of them a virus, and a message with another.
const LETTER: &str = "From: ann@a.test\r\nTo: alice@example.jp\r\nSubject: hi\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/related;\r\n boundary=b\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\
    \u{1b}$B$\"\u{1b}(B\r\n--b\r\nContent-Type: text/csv; name=a.csv\r\n\r\n1,2\r\n--b\r\n\
    Content-Type: application/zip\r\nContent-Disposition: attachment; filename=\"bill.zip\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nVklS\r\nVVM=\r\n--b\r\nContent-Type: message/rfc822; name=old.eml\r\n\r\n\
    Subject: old\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nWORM one\r\n--c\r\n\r\nWORM two\r\n--c--\r\n--b\r\n\
    Content-Type: image/png\r\n\r\npixels\r\n--b--";

/// SONET-30, SONET-31, SONET-32.
#[tokio::test]
async fn only_what_has_a_virus_is_removed() {
    // clamd decodes what it is shown.
    let clamd = Scanner::clamd(Does::Finds(&["VIRUS", "VklS\r\nVVM=", "WORM"])).await;
    let world = world(|content| {
        content.clamd = tcp(&clamd);
        content.virus = VirusHandling::Remove;
    })
    .await;
    assert!(sent(&world, LETTER).await.starts_with("250"));
    let cured = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(cured.contains("X-Virus-Status: Removed (Test.Virus)\r\n"), "{cured}");
    let (header, rest) = cured.split_once("Content-Type: multipart/mixed;\r\n boundary=\"").unwrap();
    let (boundary, body) = rest.split_once('"').unwrap();
    assert!(header.ends_with("MIME-Version: 1.0\r\n") && header.matches("MIME-Version").count() == 1, "{cured}");
    let told = |file: &str| {
        let text = format!("The virus [Test.Virus] had been detected from [{file}].\r\nウイルス remove\r\n");
        let coded = STANDARD.encode(text);
        let lines: Vec<&str> = coded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let fields = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        format!("{fields}{}", lines.join("\r\n"))
    };
    let (came, _) = LETTER.split_once("Content-Type: application/zip").unwrap();
    let (_, kept) = came.split_once("preamble").unwrap();
    let expected = format!(
        "Content-Type: multipart/related;\r\n boundary=b\r\n\r\npreamble{kept}{}\r\n--b\r\n{}\r\n--b\r\n\
         Content-Type: image/png\r\n\r\npixels\r\n--b--\r\n\r\n--{boundary}--\r\n",
        told("bill.zip"),
        told("old.eml")
    );
    assert!(body.contains(&format!("\r\n--{boundary}\r\n{expected}")), "{body}\n\n{expected}");
    let (_, notice) = body.split_once(&format!("\r\n\r\n--{boundary}\r\n")).unwrap();
    let (notice, _) = notice.split_once(&format!("\r\n--{boundary}\r\n")).unwrap();
    let (_, coded) = notice.split_once("base64\r\n\r\n").unwrap();
    let notice = String::from_utf8(STANDARD.decode(coded.replace("\r\n", "")).unwrap()).unwrap();
    for file in ["bill.zip", "old.eml"] {
        assert!(notice.contains(&format!("The virus [Test.Virus] had been detected from [{file}].\r\n")), "{notice}");
    }
    assert_eq!(notice.lines().count(), 4, "{notice}");
    // The whole, each of six leaves, and what is left.
    assert_eq!(clamd.messages().len(), 8);
    let shown = clamd.messages().iter().filter(|shown| *shown == b"VIRUS").count();
    assert_eq!(shown, 1, "decoded");
}

/// What no part alone has, or still is there without those that have it, may be anywhere.
#[tokio::test]
async fn a_virus_that_is_in_no_single_part_takes_everything_along() {
    let many = (0..60).map(|number| format!("--b\r\n\r\nVIRUS {number}\r\n")).collect::<String>();
    let many =
        format!("From: ann@a.test\r\nSubject: hi\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{many}--b--");
    for (words, message, scans) in [
        (&["preamble"][..], LETTER, 7),
        (&["preamble", "WORM"][..], LETTER, 8),
        (&["VIRUS"][..], many.as_str(), 1),
        (&["VIRUS"][..], "From: ann@a.test\r\nSubject: hi\r\n\r\nVIRUS", 1),
    ] {
        let clamd = Scanner::clamd(Does::Finds(words)).await;
        let world = world(|content| {
            content.clamd = tcp(&clamd);
            content.virus = VirusHandling::Remove;
        })
        .await;
        assert!(sent(&world, message).await.starts_with("250"));
        let cured = stored(&world, "alice@example.jp", "INBOX").await;
        assert!(cured.contains("Subject: hi\r\n\r\nThe virus [Test.Virus] had been detected"), "{cured}");
        assert!(!cured.contains("multipart") && !cured.contains("VIRUS\r\n"), "{cured}");
        assert_eq!(clamd.messages().len(), scans, "{words:?}");
    }
}

/// SONET-17, SONET-18.
#[tokio::test]
async fn archives_that_can_not_be_looked_into_have_rules_of_their_own() {
    let encrypted = Scanner::clamd(Does::Answers("stream: Heuristics.Encrypted.Zip FOUND".into())).await;
    for (handling, reply, field) in [
        (EncryptedHandling::Pass, "250", ""),
        (EncryptedHandling::Tag, "250", "X-Virus-Status: Not scanned (encrypted: bill.zip)\r\n"),
        (EncryptedHandling::Reject, "550 5.7.1 Message refused: [bill.zip] is encrypted", ""),
    ] {
        let world = world(|content| {
            content.clamd = tcp(&encrypted);
            content.encrypted = handling;
        })
        .await;
        let answer = sent(&world, ATTACHED).await;
        assert!(answer.starts_with(reply), "{answer}");
        if reply == "250" {
            let stored = stored(&world, "alice@example.jp", "INBOX").await;
            assert!(stored.contains(field) && stored.contains("X-Virus-Status") != field.is_empty(), "{stored}");
        }
    }
    let bomb = Scanner::clamd(Does::Answers("stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND".into())).await;
    let world = world(|content| content.clamd = tcp(&bomb)).await;
    assert_eq!(sent(&world, ATTACHED).await, "550 5.7.1 Error: message content rejected\r\n");
}

#[tokio::test]
async fn a_large_message_goes_to_scanners_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clamd.sock");
    let clamd = Scanner::clamd_at(Path::new(&path), Does::Answers("stream: OK".into()));
    let rspamd = Scanner::saying("no action", "0").await;
    let world = world(|content| {
        content.clamd = Some(at(ScannerAddress::Unix(path)));
        content.rspamd = tcp(&rspamd);
    })
    .await;
    // More than is held in memory.
    let message = format!("{MESSAGE}\r\n{}", "0123456789abcdefghijklmnopqrstuvwxyz\r\n".repeat(80_000));
    assert!(sent(&world, message.trim_end()).await.starts_with("250"));
    assert_eq!(clamd.messages(), [message.clone().into_bytes()]);
    assert_eq!(rspamd.messages(), [message.into_bytes()]);
    let mut imap = world.imap("alice@example.jp").await;
    imap.imap("EXAMINE INBOX").await;
    assert!(imap.imap("FETCH 1 BODY.PEEK[HEADER]").await.contains("X-Virus-Status: Clean"));
}

#[tokio::test]
async fn so_many_scans_go_on_at_a_time() {
    let clamd = Scanner::clamd(Does::Answers("stream: OK".into())).await;
    let world =
        world(|content| content.clamd = tcp(&clamd).map(|config| ScannerConfig { scans_max: 1, ..config })).await;
    let all = futures::future::join_all((0..5).map(|_| sent(&world, MESSAGE))).await;
    assert!(all.iter().all(|answer| answer.starts_with("250")), "{all:?}");
    assert_eq!((clamd.messages().len(), clamd.open_most()), (5, 1));
}

#[tokio::test]
async fn what_users_send_is_scanned_where_the_operator_says_so() {
    let rspamd = Scanner::saying("reject", "20").await;
    let clamd = Scanner::clamd(Does::Answers("stream: Test.Virus FOUND".into())).await;
    let clean = Scanner::saying("add header", "7").await;
    for (scanner, viruses, expected) in [
        (&rspamd, None, "550 5.7.1 Words of the scanner"),
        (&clean, None, "250"),
        (&clean, Some(&clamd), "550 5.7.1 The virus [Test.Virus] had been detected"),
    ] {
        for submissions in [SubmissionScan::Off, SubmissionScan::On] {
            let world = world(|content| {
                content.virus = VirusHandling::Remove;
                content.rspamd = tcp(scanner).map(|config| ScannerConfig { submissions, ..config });
                content.clamd = viruses.and_then(tcp).map(|config| ScannerConfig { submissions, ..config });
            })
            .await;
            let mut client = submitter(&world, "alice@example.jp").await;
            client.smtp("MAIL FROM:<alice@example.jp>").await;
            client.smtp("RCPT TO:<bob@example.jp>").await;
            client.smtp("DATA").await;
            client.send("From: alice@example.jp\r\nSubject: x\r\n\r\nbody\r\n.").await;
            let answer = client.reply().await;
            let expected = if submissions == SubmissionScan::On { expected } else { "250" };
            assert!(answer.starts_with(expected), "{answer}");
            if answer.starts_with("250") {
                let sent = stored(&world, "bob@example.jp", "INBOX").await;
                assert!(!sent.contains("X-Spam"), "it goes out as it came: {sent}");
            }
        }
        assert!(scanner.head().contains("user: alice@example.jp\r\n"), "{}", scanner.head());
    }
}

/// An archive with an encrypted file.
const ENCRYPTED: &str = "UEsDBAoACQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAYVBLAQIAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAABAAAA\
    AAAAAAAAAAAAAAAAAABhUEsFBgAAAAAAAAAALwAAAAAAAAAAAA==";

/// SONET-15, SONET-17, SONET-18.
#[tokio::test]
async fn archives_are_known_by_their_directories() {
    let attached = |coded: &str| {
        format!(
            "From: ann@a.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: application/zip; name=\"a.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}\r\n--b--"
        )
    };
    for (encrypted, unpacked, reply) in [
        (EncryptedHandling::Pass, None, "250"),
        (EncryptedHandling::Tag, None, "250"),
        (EncryptedHandling::Reject, None, "550 5.7.1 Message refused: [a.zip] is encrypted"),
        (EncryptedHandling::Reject, Some(0), "550 5.7.1 Message refused: [a.zip] is encrypted"),
    ] {
        let world = world(|content| {
            content.encrypted = encrypted;
            content.unpacked_bytes_max = unpacked;
        })
        .await;
        let answer = sent(&world, &attached(ENCRYPTED)).await;
        assert!(answer.starts_with(reply), "{answer}");
        if encrypted == EncryptedHandling::Tag {
            let stored = stored(&world, "alice@example.jp", "INBOX").await;
            assert!(stored.contains("X-Virus-Status: Not scanned (encrypted: a.zip)\r\n"), "{stored}");
        }
    }
}
