//! "Where is my mail?": what `yubin ctl trace` knows of mail that was stored, refused, queued and put off, through the real binary.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use yubin_tests::imap::Imap;
use yubin_tests::outside::{Outside, PASSWORD};
use yubin_tests::over_both_transports;
use yubin_tests::process::{output, wait_until};
use yubin_tests::smtp::Smtp;
use yubin_tests::system::Transport;

over_both_transports! {
    incoming_mail_is_traced_to_its_mailbox_or_its_refusal,
    outgoing_mail_is_traced_through_its_attempts,
    refused_logins_are_traced_and_those_of_a_flood_added_up,
    connections_that_are_turned_away_are_traced,
    sessions_of_which_nothing_came_are_traced,
}

const ANN: &str = "u0@home.example";
const BOB: &str = "u1@home.example";
const HOME: &str = "home.example";
/// How long an event may be on its way on a busy machine.
const WITHIN: Duration = Duration::from_secs(30);

/// What happened, as `trace` tells it, when there are so many events.
fn happened(world: &Outside, what: &str, events: usize) -> Vec<Value> {
    let trace = || world.json(&format!("trace {what}")).unwrap()["log"].as_array().unwrap().clone();
    wait_until(WITHIN, || trace().len() >= events).unwrap();
    trace()
}

fn told(events: &[Value], field: &str) -> Vec<String> {
    events.iter().map(|event| event[field].as_str().unwrap().to_owned()).collect()
}

fn incoming_mail_is_traced_to_its_mailbox_or_its_refusal(transport: Transport) {
    let mut world = Outside::start(transport, &[HOME]).unwrap();
    let mut server = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    server.expect("MAIL FROM:<Friend@far.example>", "250").unwrap();
    server.expect("RCPT TO:<nobody@home.example>", "550").unwrap();
    server.expect("RSET", "250").unwrap();
    let message = b"Message-ID: <one@far.example>\r\nSubject: hello\r\n\r\nhello\r\n";
    server.send("Friend@far.example", "u0@home.example", message).unwrap();

    let events = happened(&world, "friend@FAR.example", 2);
    assert_eq!(told(&events, "what"), ["refused", "stored"]);
    assert_eq!(told(&events, "recipient"), ["nobody@home.example", "u0@home.example"]);
    let texts = told(&events, "text");
    assert!(texts[0].starts_with("550 5.1.1 ") && texts[1] == "INBOX of u0, UID 1", "{texts:?}");
    // The recipient who misses mail, the Message-ID that the sender knows, the server that sent it, the trace in the Received field.
    assert_eq!(told(&happened(&world, "nobody@home.example", 1), "what"), ["refused"]);
    assert_eq!(told(&happened(&world, "<one@far.example>", 1), "what"), ["stored"]);
    let trace = events[1]["trace"].as_str().unwrap();
    assert_eq!(happened(&world, trace, 2), events);
    assert_eq!(happened(&world, "127.0.0.1", 2), events);
    let shown = world.ctl("trace u0@home.example").unwrap();
    assert!(shown.contains("stored") && shown.contains("INBOX of u0, UID 1"), "{shown}");

    world.system.running.terminate(WITHIN).unwrap();
    world.system.start_again().unwrap();
    assert_eq!(happened(&world, "friend@far.example", 2), events);
}

fn outgoing_mail_is_traced_through_its_attempts(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    world.receiver.put_off();
    let port = world.system.port("submissions").unwrap().port().to_string();
    let user = format!("u0@{HOME}");
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect", "--auth", "PLAIN"]);
    swaks.args(["--auth-user", &user, "--auth-password", PASSWORD, "--from", &user, "--to", "later@elsewhere.example"]);
    output(&mut swaks).unwrap();

    let events = happened(&world, "later@elsewhere.example", 2);
    assert_eq!(told(&events[..2], "what"), ["queued", "put off"]);
    assert!(events[1]["text"].as_str().unwrap().starts_with("45"), "{events:?}");
    assert!(events[1]["peer"].as_str().unwrap().contains("127.0.0.1"), "{events:?}");
    let attempt = &events[1]["attempt"];
    assert_eq!((attempt["domain"].as_str(), attempt["number"].as_u64()), (Some(HOME), Some(1)), "{attempt}");
    assert_eq!(attempt["way"]["source"].as_str(), Some("127.0.0.1"), "{attempt}");
    // Under its id and its trace the way goes on from connection to delivery.
    let (id, trace) = (events[0]["id"].as_str().unwrap(), events[0]["trace"].as_str().unwrap());
    assert_eq!(happened(&world, id, 2)[..2], events[..2]);
    assert_eq!(happened(&world, trace, 2)[..2], events[..2]);
}

/// Tries to log in to read, and must fail.
fn fail(world: &Outside, user: &str, password: &str) {
    Imap::login(world.system.port("imaps").unwrap(), user, password).unwrap_err();
}

fn refused_logins_are_traced_and_those_of_a_flood_added_up(transport: Transport) {
    let mut world = Outside::start(transport, &[HOME]).unwrap();
    fail(&world, "U0@home.example", "wrong");
    let port = world.system.port("submissions").unwrap().port().to_string();
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect", "--auth", "LOGIN"]);
    swaks.args(["--auth-user", ANN, "--auth-password", "wrong again", "--from", ANN, "--to", ANN]);
    output(&mut swaks).unwrap_err();
    world.ctl("account suspend u1@home.example --reason unpaid").unwrap();
    fail(&world, BOB, PASSWORD);

    let events = happened(&world, ANN, 2);
    assert_eq!(told(&events, "what"), ["login refused", "login refused"]);
    assert_eq!(told(&events, "peer"), ["127.0.0.1", "127.0.0.1"]);
    let texts = told(&events, "text");
    assert_eq!(texts[0], "NO [AUTHENTICATIONFAILED] Wrong user name or password");
    assert!(texts[1].starts_with("535 5.7.8 Wrong user name or password"), "{texts:?}");
    let suspended = told(&happened(&world, BOB, 1), "text");
    assert!(suspended[0].starts_with("NO [CONTACTADMIN] ") && suspended[0].contains("suspended"), "{suspended:?}");
    assert!(happened(&world, "127.0.0.1", 3).len() == 3);
    assert!(world.ctl(&format!("trace {ANN}")).unwrap().contains("login refused"));

    // One who guesses fills the log with one line a minute, and the rest when the process ends.
    std::thread::scope(|scope| {
        for guess in 0..30 {
            let world = &world;
            scope.spawn(move || fail(world, ANN, &format!("guess {guess}")));
        }
    });
    world.system.running.terminate(WITHIN).unwrap();
    world.system.start_again().unwrap();
    let events = happened(&world, ANN, 1);
    let count = |event: &Value| event["count"].as_u64().unwrap();
    assert_eq!(events.iter().map(count).sum::<u64>(), 32, "{events:?}");
    let sums: Vec<&Value> = events.iter().filter(|event| count(event) > 1).collect();
    assert!(events.len() < 25 && (1..=2).contains(&sums.len()), "{events:?}");
    assert_eq!((sums[0]["login"].as_str(), sums[0]["peer"].as_str()), (Some(ANN), Some("127.0.0.1")));
    assert!(sums[0]["text"].as_str().unwrap().contains(" more within "), "{sums:?}");
}

fn connections_that_are_turned_away_are_traced(transport: Transport) {
    let limits = "[limits]\nexempt_networks = []\n[limits.smtp]\nconnections = 2\n";
    let world = Outside::configured(transport, &[HOME], limits).unwrap();
    let port = world.system.port("smtp").unwrap();
    let _open: Vec<Smtp> = (0..2).map(|_| Smtp::connect(port).unwrap()).collect();
    let refused = Smtp::connect(port).unwrap_err().to_string();
    assert!(refused.contains("421 4.7.0 Too many connections"), "{refused}");
    let events = happened(&world, "127.0.0.1", 1);
    assert_eq!(told(&events, "what"), ["turned away"]);
    assert!(told(&events, "text")[0].starts_with("421 4.7.0 Too many connections from 127.0.0.1"), "{events:?}");
}

/// What a client's sessions did wrong is found by its address, a line for each; one that says goodbye did nothing wrong.
fn sessions_of_which_nothing_came_are_traced(transport: Transport) {
    let mut world = Outside::start(transport, &[HOME]).unwrap();
    let (smtp, submission) = (world.system.port("smtp").unwrap(), world.system.port("submission").unwrap());
    Smtp::hello(smtp).unwrap().expect("QUIT", "221").unwrap();
    drop(Smtp::connect(smtp).unwrap());

    let mut session = Smtp::hello(submission).unwrap();
    session.expect("MAIL FROM:<u0@home.example>", "530 5.7.0").unwrap();
    session.expect("QUIT", "221").unwrap();
    let mut session = Smtp::connect(smtp).unwrap();
    assert!((0..100).any(|_| session.command("FOO").unwrap().contains("421 4.7.0 Too many errors")));
    let mut session = Smtp::hello(smtp).unwrap();
    let refused = session.send("a@far.example", ANN, b"Subject: x\r\n\r\nbare\nline end\r\n").unwrap();
    assert!(refused.starts_with("554 5.6.0"), "{refused}");
    session.expect("QUIT", "221").unwrap();
    // Somebody who speaks no TLS after STARTTLS.
    let mut session = Smtp::hello(smtp).unwrap();
    session.expect("STARTTLS", "220").unwrap();
    let answer = session.bytes(b"NOOP NOOP NOOP NOOP NOOP NOOP\r\n");
    assert!(!answer.is_ok_and(|reply| reply.starts_with("250")), "an alert, or nothing");
    drop(session);

    let events = happened(&world, "127.0.0.1", 4);
    let mut texts = told(&events, "text");
    texts.sort();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert_eq!(
        texts[0],
        "421 4.7.0 Too many errors; closing connection (the last error: 500 5.5.1 Command unrecognized)"
    );
    assert_eq!(texts[1], "530 5.7.0 Must issue a STARTTLS command first");
    assert!(texts[2].starts_with("554 5.6.0 Message refused: it holds a bare CR or LF"), "{texts:?}");
    assert!(texts[3].starts_with("TLS handshake failed: "), "{texts:?}");
    assert!(told(&events, "what").iter().all(|what| what == "turned away"), "{events:?}");

    // A scanner fills the log with no more than a few lines and a sum.
    for _ in 0..50 {
        Smtp::connect(smtp).unwrap().expect("GET / HTTP/1.1", "554 5.5.1").unwrap();
    }
    world.system.running.terminate(WITHIN).unwrap();
    world.system.start_again().unwrap();
    let events = happened(&world, "127.0.0.1", 5);
    let counts: Vec<u64> = events.iter().map(|event| event["count"].as_u64().unwrap()).collect();
    assert!(counts.len() <= 22 && counts.iter().sum::<u64>() == 54, "{counts:?}");
}
