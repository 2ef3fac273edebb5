//! Bad input from outside: each malformed command gets the reply its RFC names, and nothing makes the process grow or end.
//!
//! The process that served all of it must still be the same one, and must still serve at the end of each test.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use yubin_tests::imap::Imap;
use yubin_tests::memory;
use yubin_tests::over_both_transports;
use yubin_tests::pop3::Pop3;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};
use yubin_tests::tls;

over_both_transports! {
    smtp_answers_each_malformed_command_as_rfc_5321_says,
    only_crlf_dot_crlf_ends_a_message,
    no_relay_probe_is_accepted,
    odd_user_names_are_wrong_user_names,
    pop3_answers_malformed_commands_with_err,
    imap_answers_malformed_commands_with_bad,
    endless_lines_and_deep_mail_do_not_make_the_process_grow,
}

const USER: &str = "u0@hostile.example";
const PASSWORD: &str = "correct horse battery";
const SENDER: &str = "friend@elsewhere.example";
/// Ways to write an address so that some server takes it for one of its own.
const RELAY_PROBES: [&str; 44] = [
    "<x@elsewhere.example>",
    "<x@elsewhere.example.>",
    "<x%elsewhere.example@hostile.example>",
    "<x%elsewhere.example%third.example@hostile.example>",
    "<elsewhere.example!x@hostile.example>",
    "<hostile.example!x@elsewhere.example>",
    "<@hostile.example:x@elsewhere.example>",
    "<@hostile.example,@b.example:x@elsewhere.example>",
    "<@elsewhere.example:x%third.example@hostile.example>",
    "<\"x@elsewhere.example\"@hostile.example>",
    "<\"x%elsewhere.example\"@hostile.example>",
    "<\"x@elsewhere.example\">",
    "<\"x%elsewhere.example\">",
    "<x@elsewhere.example@hostile.example>",
    "<x@hostile.example@elsewhere.example>",
    "<x@[127.0.0.1]>",
    "<x@[IPv6:::1]>",
    "<x@[192.0.2.1]>",
    "<u0@[127.0.0.1]>",
    "<x%elsewhere.example@[127.0.0.1]>",
    "<x@127.0.0.1>",
    "<x@localhost>",
    "<x@sub.hostile.example>",
    "<x@hostile.example.elsewhere.example>",
    "<x@elsewhere.example\0@hostile.example>",
    "<x>",
    "<x%elsewhere.example>",
    "<elsewhere.example!x>",
    "<u0@hostile.example> <x@elsewhere.example>",
    "<u0@hostile.example>,<x@elsewhere.example>",
    "<u0@hostile.example;x@elsewhere.example>",
    "<u0@hostile.example x@elsewhere.example>",
    "<x+elsewhere.example@hostile.example>",
    "<x=elsewhere.example@hostile.example>",
    "x@elsewhere.example",
    "\"x@elsewhere.example\"",
    "<|x@elsewhere.example>",
    "</dev/null@hostile.example>",
    "<../u0@hostile.example>",
    "<*@hostile.example>",
    "<\"\"@hostile.example>",
    "<@hostile.example>",
    "<postmaster@elsewhere.example>",
    "<abuse@localhost.localdomain>",
];
/// How much memory may grow while bad input is read.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

fn start(transport: Transport, folder: &tempfile::TempDir) -> System {
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate("hostile.example", 1, PASSWORD).unwrap();
    system
}

fn still_serves(system: &mut System) {
    assert!(system.running.ended().is_none(), "the process ended");
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send(SENDER, USER, b"Subject: a\r\n\r\nb\r\n").unwrap().starts_with("250"));
    Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap().ok("SELECT INBOX").unwrap();
}

fn smtp_answers_each_malformed_command_as_rfc_5321_says(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    // What is said before, the command, and the codes that RFC 5321 §4.2.4, §4.3.2 and RFC 1870 allow.
    let table: &[(&[&str], &str, &[&str])] = &[
        (&[], "FROB", &["500", "502"]),
        (&[], "EHLO", &["501"]),
        (&[], "DATA", &["503"]),
        (&[], "RCPT TO:<u0@hostile.example>", &["503"]),
        (&["EHLO a.example"], "MAIL", &["501"]),
        (&["EHLO a.example"], "MAIL FROM:<unclosed@a.example", &["501"]),
        (&["EHLO a.example"], "MAIL FROM:<a b@c.example>", &["501", "553"]),
        (&["EHLO a.example"], "MAIL FROM:<a@b.example> NONSENSE=1", &["555", "501"]),
        (&["EHLO a.example"], "MAIL FROM:<a@b.example> SIZE=many", &["501", "555"]),
        (&["EHLO a.example", "MAIL FROM:<a@b.example>"], "MAIL FROM:<a@b.example>", &["503"]),
        (&["EHLO a.example", "MAIL FROM:<a@b.example>"], "DATA", &["503", "554"]),
        (&["EHLO a.example", "MAIL FROM:<a@b.example>"], "RCPT TO:<>", &["501", "553"]),
        (&["EHLO a.example", "MAIL FROM:<a@b.example>"], "RCPT TO:<nobody@hostile.example>", &["550"]),
        (&["EHLO a.example", "MAIL FROM:<a@b.example>"], "RCPT TO:<someone@not-here.example>", &["550", "554"]),
        (&["EHLO a.example"], "AUTH PLAIN AHUwAHBhc3M=", &["500", "502", "503", "530", "538"]),
        (&["EHLO a.example"], "BDAT twelve", &["501", "503"]),
    ];
    for (before, command, codes) in table {
        let mut smtp = Smtp::connect(system.port("smtp").unwrap()).unwrap();
        for line in *before {
            smtp.expect(line, "250").unwrap();
        }
        let reply = smtp.command(command).unwrap();
        assert!(codes.iter().any(|code| reply.starts_with(code)), "{command}: {reply}");
    }
    still_serves(&mut system);
}

/// Attack list, item 1.
fn only_crlf_dot_crlf_ends_a_message(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    for ending in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\n\n.\r\r\n"] {
        let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
        smtp.expect(&format!("MAIL FROM:<{SENDER}>"), "250").unwrap();
        smtp.expect(&format!("RCPT TO:<{USER}>"), "250").unwrap();
        smtp.expect("DATA", "354").unwrap();
        let smuggled = format!(
            "Subject: outer\r\n\r\na{ending}MAIL FROM:<{SENDER}>\r\nRCPT TO:<{USER}>\r\nDATA\r\nSubject: inner\r\n\r\nb\r\n.\r\n"
        );
        // One reply for one message, taken or refused as a whole; no second one follows.
        let reply = smtp.bytes(smuggled.as_bytes()).unwrap();
        assert!(reply.starts_with("250") || reply.starts_with('5'), "{ending:?}: {reply}");
        let after = smtp.command("NOOP").unwrap();
        assert!(after.starts_with("250"), "{ending:?}: {after}");
    }
    let mut imap = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    assert_eq!(imap.ok("SEARCH SUBJECT inner").unwrap().text(), ["* SEARCH"]);
    still_serves(&mut system);
}

/// Attack list, item 11: who is nobody's user sends to nobody but ours, however the address is written.
fn no_relay_probe_is_accepted(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    let senders = ["a@elsewhere.example", USER, "", "postmaster@hostile.example", "spam@[127.0.0.1]", "root@localhost"];
    for sender in senders {
        // A session has a bound of its own on errors.
        for group in RELAY_PROBES.chunks(10) {
            let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
            if !smtp.command(&format!("MAIL FROM:<{sender}>")).unwrap().starts_with("250") {
                break;
            }
            for recipient in group {
                let reply = smtp.command(&format!("RCPT TO:{recipient}")).unwrap();
                assert!(reply.starts_with('5'), "{sender} to {recipient}: {reply}");
            }
            let reply = smtp.command("DATA").unwrap();
            assert!(reply.starts_with("554") || reply.starts_with("503"), "{reply}");
        }
    }
    assert_eq!(system.admin.ctl(&["queue", "list", "--json"], "").unwrap().matches("elsewhere").count(), 0);
    still_serves(&mut system);
}

/// Attack list, item 7: CVE-2025-26794, CVE-2026-24031: nothing that is sent as a name reaches anything that would interpret it.
fn odd_user_names_are_wrong_user_names(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    for name in [
        "' OR '1'='1",
        "u0*@hostile.example",
        "*)(uid=*",
        "%u",
        "../u0@hostile.example",
        "u0@hostile.example/..",
        "${u0}",
        "u0@HOSTILE.example ",
    ] {
        let mut imap = Imap::connect(system.port("imaps").unwrap()).unwrap();
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        let reply = imap.command(&format!("LOGIN \"{quoted}\" \"wrong password\"")).unwrap();
        assert!(reply.status.starts_with("NO [AUTHENTICATIONFAILED]"), "{name}: {}", reply.status);
    }
    still_serves(&mut system);
}

fn pop3_answers_malformed_commands_with_err(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    let mut stream = BufReader::new(tls::connect(system.port("pop3s").unwrap()).unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let mut ask = |command: &str| {
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        line.clear();
        stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    for command in ["FROB", "STAT", "RETR 1", "PASS before user", "USER"] {
        let reply = ask(command);
        assert!(reply.starts_with("-ERR"), "{command}: {reply}");
    }
    assert!(ask(&format!("USER {USER}")).starts_with("+OK"));
    assert!(ask(&format!("PASS {PASSWORD}")).starts_with("+OK"));
    for command in ["LIST 0", "RETR 99", "DELE x", "TOP 1", "RETR 18446744073709551616", "USER again"] {
        let reply = ask(command);
        assert!(reply.starts_with("-ERR"), "{command}: {reply}");
    }
    assert!(ask("STAT").starts_with("+OK 0 0"));
    still_serves(&mut system);
}

fn imap_answers_malformed_commands_with_bad(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    let imaps = system.port("imaps").unwrap();
    for command in ["FROB", "LOGIN", "SELECT INBOX", "AUTHENTICATE", "UID"] {
        let mut imap = Imap::connect(imaps).unwrap();
        let reply = imap.command(command).unwrap();
        assert!(reply.status.starts_with("BAD") || reply.status.starts_with("NO"), "{command}: {}", reply.status);
    }
    // A literal larger than any login needs ends the connection, in clear words, before anything of it is read.
    let bye = Imap::connect(imaps).unwrap().command("LOGIN {99999999999}").unwrap_err().to_string();
    assert!(bye.contains("closed"), "{bye}");
    let mut imap = Imap::login(imaps, USER, PASSWORD).unwrap();
    assert!(imap.command("FETCH 1 FLAGS").unwrap().status.starts_with("BAD"), "FETCH with nothing selected");
    imap.ok("SELECT INBOX").unwrap();
    for command in [
        "FETCH",
        "FETCH 1",
        "FETCH 0 FLAGS",
        "FETCH 1:*:2 FLAGS",
        "FETCH 1 (FLAGS",
        "FETCH 1 BODY[1.HEADER.FIELDS ()]",
        "STORE 1 FLAGS",
        "SEARCH",
        "SEARCH NOT",
        "SEARCH CHARSET",
        "STATUS INBOX",
        "APPEND INBOX",
        "UID FROB",
    ] {
        let reply = imap.command(command).unwrap();
        assert!(reply.status.starts_with("BAD"), "{command}: {}", reply.status);
    }
    imap.ok("NOOP").unwrap();
    let nested = format!("SEARCH {}ALL{}", "(".repeat(5000), ")".repeat(5000));
    let reply = imap.command(&nested).unwrap();
    assert!(!reply.status.starts_with("OK"), "{}", reply.status);
    still_serves(&mut system);
}

/// Attack list, item 13.
fn endless_lines_and_deep_mail_do_not_make_the_process_grow(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    still_serves(&mut system);
    let ids = [system.running.id()];
    let before = memory::sample(&ids).resident_bytes_max;
    for name in ["smtp", "submission", "pop3", "imap"] {
        let mut stream = TcpStream::connect(system.port(name).unwrap()).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let block = vec![b'A'; 1 << 16];
        // 64 MiB without a line end; the server may close at any point.
        for _ in 0..1024 {
            if stream.write_all(&block).is_err() {
                break;
            }
        }
        let mut reply = [0; 512];
        let _ = stream.read(&mut reply);
    }
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    let mut deep = String::new();
    for level in 0..20_000 {
        deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
    }
    assert!(smtp.send(SENDER, USER, deep.as_bytes()).unwrap().starts_with("250"));
    let mut imap = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    imap.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE)").unwrap();
    let mut pop3 = Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).unwrap();
    pop3.read_all(|_, _| Ok(())).unwrap();

    let after = memory::sample(&ids).resident_bytes_max;
    assert!(after < before + GROWTH_BYTES_MAX, "grew from {} to {} MiB", before >> 20, after >> 20);
    still_serves(&mut system);
}
