//! Mail to the world, from a user's submission to its end, through the real binary.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use yubin_tests::imap::Imap;
use yubin_tests::outside::{Outside, PASSWORD};
use yubin_tests::over_both_transports;
use yubin_tests::process::{output, wait_until};
use yubin_tests::receiver::Taken;
use yubin_tests::system::Transport;

over_both_transports! {
    mail_reaches_its_servers_and_a_refusal_comes_back,
    a_delivery_is_watched_while_it_is_tried,
}

const HOME: &str = "home.example";
const NEIGHBOUR: &str = "neighbour.example";
/// How long mail may be on its way on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// u0 of the home domain sends as a user.
fn submit(world: &Outside, recipients: &[&str], subject: &str) {
    let user = format!("u0@{HOME}");
    let port = world.system.port("submissions").unwrap().port().to_string();
    output(Command::new("swaks").args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect"]).args([
        "--auth",
        "PLAIN",
        "--auth-user",
        &user,
        "--auth-password",
        PASSWORD,
        "--from",
        &user,
        "--to",
        &recipients.join(","),
        "--header",
        &format!("Subject: {subject}"),
    ]))
    .unwrap();
}

fn imap(world: &Outside, user: &str) -> Imap {
    Imap::login(world.system.port("imaps").unwrap(), user, PASSWORD).unwrap()
}

fn inbox_has(world: &Outside, user: &str, messages: usize) -> bool {
    let status = imap(world, user).ok("STATUS INBOX (MESSAGES)").unwrap().text().concat();
    status.contains(&format!("MESSAGES {messages})"))
}

fn mail_reaches_its_servers_and_a_refusal_comes_back(transport: Transport) {
    let world = Outside::start(transport, &[HOME, NEIGHBOUR]).unwrap();
    let (own, neighbour) = (format!("u1@{HOME}"), format!("u0@{NEIGHBOUR}"));
    submit(&world, &[&own, &neighbour, "someone@elsewhere.example", "gone@elsewhere.example"], "to all the world");

    wait_until(DELIVERED_WITHIN, || !world.receiver.taken().is_empty()).unwrap();
    let taken = world.receiver.taken();
    let [Taken { sender, recipients, text, .. }] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!((sender.as_str(), &recipients[..]), ("u0@home.example", &["someone@elsewhere.example".to_owned()][..]));
    assert!(text.contains("Subject: to all the world\r\n") && text.contains("\r\nReceived: from "), "{text}");
    let trace = text.split("\r\nDate:").next().unwrap();
    assert!(!trace.contains("elsewhere.example"), "recipients are not disclosed to each other: {trace}");
    assert!(text.starts_with("DKIM-Signature: ") && text.matches("DKIM-Signature: ").count() == 2, "{text}");
    assert!(text.contains(" d=home.example;"), "{text}");
    for user in [&own, &neighbour] {
        wait_until(DELIVERED_WITHIN, || inbox_has(&world, user, 1)).unwrap();
    }

    // The refusal comes back as a notice that programs can read (RFC 3464), with what the server said.
    let sender = format!("u0@{HOME}");
    wait_until(DELIVERED_WITHIN, || inbox_has(&world, &sender, 1)).unwrap();
    let mut reader = imap(&world, &sender);
    reader.ok("SELECT INBOX").unwrap();
    let notice = reader.ok("FETCH 1 BODY.PEEK[]").unwrap().text().concat();
    assert!(notice.contains("report-type=delivery-status"), "{notice}");
    for field in ["Final-Recipient: rfc822;gone@elsewhere.example", "Action: failed", "Status: 5.1.1"] {
        assert!(notice.replace("; ", ";").contains(field), "no {field} in {notice}");
    }
    assert!(notice.contains("No such user here"), "{notice}");

    // Nothing waits any more, and everything can be looked up.
    wait_until(DELIVERED_WITHIN, || !world.ctl("queue list --json").unwrap().contains("elsewhere.example")).unwrap();
    let trace = world.ctl(&format!("trace {sender} --json")).unwrap();
    for word in ["someone@elsewhere.example", "gone@elsewhere.example", &neighbour, "delivered", "bounced"] {
        assert!(trace.to_lowercase().contains(word), "no {word} in {trace}");
    }

    // The same as a stream that goes on from any place: whose it was, and from where and under what it left.
    let events = |after: &str| -> Vec<Value> {
        let told = world.ctl(&format!("events --json{after}")).unwrap();
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let told = events("");
    let left = told.iter().find(|event| event["recipient"] == "someone@elsewhere.example").unwrap();
    assert_eq!(
        (&left["outcome"], &left["domain"], &left["account"]),
        (&json!("delivered"), &json!(HOME), &json!(sender))
    );
    let way = &left["reply"]["way"];
    assert_eq!((&way["source"], &way["tls_version"]), (&json!("127.0.0.1"), &json!("")), "{left}");
    let rest = events(&format!(" --after {}", told[0]["cursor"].as_str().unwrap()));
    let names = |events: &[Value]| events.iter().map(|event| event["recipient"].to_string()).collect::<Vec<_>>();
    assert_eq!(names(&rest), names(&told[1..]));
    let from_us = world.ctl("trace 127.0.0.1 --json").unwrap();
    assert!(from_us.contains("someone@elsewhere.example"), "{from_us}");
}

#[test]
fn queued_mail_survives_a_kill() {
    let mut world = Outside::start(Transport::Direct, &[HOME, NEIGHBOUR]).unwrap();
    world.receiver.put_off();
    for number in 0..10 {
        submit(&world, &[&format!("later{number}@elsewhere.example")], &format!("number {number}"));
    }
    // A worker that is killed in the middle of an attempt keeps its lease, and its mail waits for that: not here.
    wait_until(DELIVERED_WITHIN, || !world.ctl("queue list --json").unwrap().contains("in-flight")).unwrap();
    world.system.running.kill().unwrap();
    world.system.start_again().unwrap();
    let waiting = world.ctl("queue list --json").unwrap();
    for number in 0..10 {
        assert!(waiting.contains(&format!("later{number}@elsewhere.example")), "{waiting}");
    }
    assert!(world.receiver.taken().is_empty());

    world.receiver.take_all();
    // An operator does not wait for the schedule.
    wait_until(DELIVERED_WITHIN, || {
        world.ctl("queue retry --destination elsewhere.example").unwrap();
        world.receiver.taken().len() >= 10
    })
    .unwrap();
    let mut recipients: Vec<String> = world.receiver.taken().into_iter().flat_map(|taken| taken.recipients).collect();
    recipients.sort();
    let all: Vec<String> = (0..10).map(|number| format!("later{number}@elsewhere.example")).collect();
    assert_eq!(recipients, all, "each once");
}

fn a_delivery_is_watched_while_it_is_tried(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    world.receiver.put_off();
    submit(&world, &["later@elsewhere.example"], "watched");
    let attempts = || world.json("queue list").unwrap()["deliveries"][0]["attempts"].as_u64();
    wait_until(DELIVERED_WITHIN, || attempts().is_some_and(|attempts| attempts > 0)).unwrap();
    let id = world.json("queue list").unwrap()["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let said = world.ctl(&format!("queue watch {id} --retry")).unwrap();
    let mut rest = said.as_str();
    for text in [
        "-- elsewhere.example: waits for its next attempt, in ",
        "-- connecting to ",
        "S: 220 ",
        "C: EHLO ",
        "S: 250",
        "C: MAIL FROM:<u0@home.example>",
        "C: RCPT TO:<later@elsewhere.example>",
        "S: 4",
        "later@elsewhere.example put off: 4",
    ] {
        let at = rest.find(text).unwrap_or_else(|| panic!("{text:?} is not in its place in {said}"));
        rest = &rest[at + text.len()..];
    }
    assert!(!said.contains("Subject"), "content is not shown: {said}");
    let gone = world.ctl(&format!("queue watch {}", "0".repeat(32))).unwrap_err().to_string();
    assert!(gone.contains("no such message waits"), "{gone}");
}
