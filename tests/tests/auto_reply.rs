//! Accounts that answer by themselves, through the real binary: strangers and neighbours are answered once, programs, lists and junk never
//! (RFC 3834; SONET-26, SONET-27). Answers are read by Python's email package.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::time::Duration;

use serde_json::{Value, json};
use yubin_tests::imap::Imap;
use yubin_tests::outside::{Outside, PASSWORD};
use yubin_tests::over_both_transports;
use yubin_tests::process::{python, wait_until};
use yubin_tests::smtp::Smtp;
use yubin_tests::system::Transport;

over_both_transports! {
    whoever_writes_is_answered_once,
    programs_and_lists_are_not_answered,
}

const HOME: &str = "home.example";
const NEIGHBOUR: &str = "neighbour.example";
const FRIEND: &str = "friend@far.example";
/// How long mail may be on its way on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// What Python makes of a message: some fields, and the text.
fn read(message: &str) -> Value {
    const PROGRAM: &str = "
import email, email.policy, json, sys
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
names = ['From', 'To', 'Subject', 'Date', 'Message-ID', 'In-Reply-To', 'References', 'Auto-Submitted', 'Precedence']
told = {name: None if message[name] is None else str(message[name]) for name in names}
told.update(type=message.get_content_type(), text=message.get_content(), defects=[str(d) for d in message.defects])
print(json.dumps(told))
";
    serde_json::from_str(&python(PROGRAM, &[], message.as_bytes()).unwrap()).unwrap()
}

/// Another server sends a message with these fields to `to`, whom it names.
fn send(world: &Outside, from: &str, to: &str, fields: &str) {
    let mut smtp = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    let message = format!("From: <{FRIEND}>\r\nTo: <{to}>\r\nMessage-ID: <one@far.example>\r\n{fields}\r\nbody\r\n");
    let reply = smtp.send(from, to, message.as_bytes()).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

/// Nothing waits any more: what would have been answered was.
fn settled(world: &Outside) {
    let empty = || world.json("queue list").unwrap()["deliveries"].as_array().is_some_and(Vec::is_empty);
    wait_until(DELIVERED_WITHIN, empty).unwrap();
}

fn inbox_count(world: &Outside, user: &str, mailbox: &str) -> u32 {
    let mut imap = Imap::login(world.system.port("imaps").unwrap(), user, PASSWORD).unwrap();
    let status = imap.ok(&format!("STATUS {mailbox} (MESSAGES)")).unwrap().text().concat();
    status.split("MESSAGES ").nth(1).unwrap().split(')').next().unwrap().parse().unwrap()
}

fn whoever_writes_is_answered_once(transport: Transport) {
    let world = Outside::start(transport, &[HOME, NEIGHBOUR]).unwrap();
    let user = format!("u0@{HOME}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, "ただいま休暇中です。\nI am away.\n").unwrap();
    let file = file.to_str().unwrap();
    let set = format!("account auto-reply set {user} --text-file {file} --subject 不在のお知らせ --days 3");
    let set = world.json(&set).unwrap();
    assert_eq!((&set["state"], &set["days"], &set["answered"]), (&json!("on"), &json!(3), &json!(0)));

    send(&world, FRIEND, &user, "Subject: lunch?\r\n");
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == 1).unwrap();
    let answer = world.receiver.taken().remove(0);
    assert_eq!((answer.sender.as_str(), &answer.recipients[..]), ("", &[FRIEND.to_owned()][..]));
    assert!(answer.text.starts_with("DKIM-Signature: ") && answer.text.contains("d=home.example;"), "{answer:?}");
    let told = read(&answer.text);
    for (field, value) in [
        ("From", user.clone()),
        ("To", FRIEND.to_owned()),
        ("Subject", "不在のお知らせ".to_owned()),
        ("In-Reply-To", "<one@far.example>".to_owned()),
        ("References", "<one@far.example>".to_owned()),
        ("Auto-Submitted", "auto-replied".to_owned()),
        ("type", "text/plain".to_owned()),
    ] {
        assert_eq!(told[field], value, "{field}: {}", answer.text);
    }
    assert_eq!(told["text"].as_str().unwrap().replace("\r\n", "\n"), "ただいま休暇中です。\nI am away.\n");
    assert_eq!((&told["defects"], &told["Precedence"]), (&json!([]), &Value::Null));
    assert!(told["Message-ID"].as_str().unwrap().ends_with("@home.example>") && !told["Date"].is_null(), "{told}");

    // Once, and the mail is there each time; `trace` knows the answer.
    send(&world, FRIEND, &user, "Subject: again\r\n");
    settled(&world);
    assert_eq!((world.receiver.taken().len(), inbox_count(&world, &user, "INBOX")), (1, 2));
    let trace = world.ctl(&format!("trace {FRIEND} --json")).unwrap();
    assert!(trace.contains("\"automatic reply\""), "{trace}");
    assert!(world.ctl(&format!("account auto-reply show {user}")).unwrap().contains("1 wait for that"));

    // A neighbour in this cluster gets an answer into the mailbox, with the subject of the message.
    world.ctl(&format!("account auto-reply set {user} --text away")).unwrap();
    let neighbour = format!("u1@{NEIGHBOUR}");
    send(&world, &neighbour, &user, "Subject: =?utf-8?B?5pel5pys?=\r\n");
    wait_until(DELIVERED_WITHIN, || inbox_count(&world, &neighbour, "INBOX") == 1).unwrap();
    let mut imap = Imap::login(world.system.port("imaps").unwrap(), &neighbour, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    let text = imap.ok("FETCH 1 BODY.PEEK[]").unwrap().text().concat();
    let message = text.get(text.find("Return-Path").unwrap()..).unwrap();
    assert_eq!(read(message)["Subject"], "Auto: 日本");

    world.ctl(&format!("account auto-reply clear {user}")).unwrap();
    assert!(world.ctl(&format!("account auto-reply show {user}")).unwrap().contains("answers no mail by itself"));
    send(&world, "else@far.example", &user, "Subject: x\r\n");
    settled(&world);
    assert_eq!(world.receiver.taken().len(), 1);
}

fn programs_and_lists_are_not_answered(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    let user = format!("u0@{HOME}");
    world.ctl(&format!("account auto-reply set {user} --text away")).unwrap();
    let plain = "Subject: x\r\n";
    for (from, fields) in [
        ("", plain),
        ("MAILER-DAEMON@far.example", plain),
        ("owner-list@far.example", plain),
        ("list-request@far.example", plain),
        ("1@far.example", "Auto-Submitted: auto-generated\r\n"),
        ("2@far.example", "List-Id: <list.far.example>\r\n"),
        ("3@far.example", "Precedence: bulk\r\n"),
        ("4@far.example", "X-Auto-Response-Suppress: All\r\n"),
        ("5@far.example", "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n"),
    ] {
        send(&world, from, &user, fields);
    }
    // Named nowhere: not written to in person.
    let mut smtp = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    smtp.send("6@far.example", &user, b"From: x@y.example\r\nTo: all@far.example\r\n\r\nbody\r\n").unwrap();
    settled(&world);
    assert_eq!((world.receiver.taken().len(), inbox_count(&world, &user, "INBOX")), (0, 10));
    for (from, reply) in [("7@far.example", 1), ("8@far.example", 2)] {
        send(&world, from, &user, plain);
        wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == reply).unwrap();
    }
    let refused = world.ctl(&format!("account auto-reply set {user} --text x --days 91")).unwrap_err().to_string();
    assert!(refused.contains("1 to 90 days"), "{refused}");
}
