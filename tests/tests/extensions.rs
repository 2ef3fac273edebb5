//! What a sender may ask of its mail's way, through the real binary: TLS at every hop (RFC 8689), a later release (RFC 4865), a priority
//! (RFC 6710) and a deadline (RFC 2852).

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use yubin_tests::outside::{Outside, PASSWORD};
use yubin_tests::over_both_transports;
use yubin_tests::process::wait_until;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::Transport;

over_both_transports! {
    mail_that_demands_tls_goes_under_tls_or_comes_back,
    mail_is_held_back_for_everybody_until_its_release,
    a_priority_is_bounded_and_passed_on,
    a_deadline_that_nobody_takes_over_ends_here,
    a_deadline_is_passed_on_and_late_mail_comes_back,
}

const HOME: &str = "home.example";
const SENDER: &str = "u0@home.example";
const NEIGHBOUR: &str = "u1@home.example";
const FRIEND: &str = "someone@elsewhere.example";
/// How long mail may be on its way on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// u0 submits with these parameters of MAIL, by Python's smtplib: what EHLO offers, and the replies.
fn submit(world: &Outside, parameters: &str, to: &[&str], message: &str) -> Value {
    const PROGRAM: &str = "
import json, smtplib, ssl, sys
port, user, password, parameters, *to = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with smtplib.SMTP_SSL('127.0.0.1', int(port), context=context) as server:
    server.login(user, password)
    server.ehlo()
    code, text = server.docmd('MAIL', f'FROM:<{user}> {parameters}')
    told = {'offers': server.esmtp_features, 'code': code, 'text': text.decode()}
    if code == 250:
        told['recipients'] = [server.docmd('RCPT', f'TO:<{one}>')[0] for one in to]
        told['message'] = server.data(sys.stdin.buffer.read())[0]
    print(json.dumps(told))
";
    let port = world.system.port("submissions").unwrap().port().to_string();
    let mut python = Command::new("python3");
    python.args(["-c", PROGRAM, &port, SENDER, PASSWORD, parameters]).args(to);
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(format!("From: <{SENDER}>\r\n{message}").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{parameters}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same, taken as a whole.
fn submitted(world: &Outside, parameters: &str, to: &[&str], message: &str) -> Value {
    let told = submit(world, parameters, to, message);
    assert_eq!((&told["code"], &told["message"]), (&250.into(), &250.into()), "{parameters}: {told}");
    told
}

/// Waits until a user has so many messages.
fn has(world: &Outside, user: &str, count: usize) -> Vec<String> {
    wait_until(DELIVERED_WITHIN, || world.inbox(user).unwrap().len() >= count).unwrap();
    let inbox = world.inbox(user).unwrap();
    assert_eq!(inbox.len(), count, "{inbox:?}");
    inbox
}

fn mail_that_demands_tls_goes_under_tls_or_comes_back(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    // Another server in clear is not offered it, and may not use it.
    let mut clear = Smtp::connect(world.system.port("smtp").unwrap()).unwrap();
    assert!(!clear.expect("EHLO mx.far.example", "250").unwrap().contains("REQUIRETLS"));
    clear.expect("MAIL FROM:<friend@far.example> REQUIRETLS", "555 5.5.4").unwrap();
    let told = submit(&world, "REQUIRETLS=1", &[], "");
    assert_eq!((&told["code"], &told["offers"]["requiretls"]), (&501.into(), &"".into()), "{told}");

    // The way to the outside has no TLS: it comes back as its header. What stays inside is delivered.
    submitted(
        &world,
        "REQUIRETLS",
        &[FRIEND, NEIGHBOUR],
        "TLS-Required: No\r\nSubject: secret\r\n\r\nin confidence\r\n",
    );
    assert!(has(&world, NEIGHBOUR, 1)[0].contains("in confidence"));
    let notice = &has(&world, SENDER, 1)[0];
    for words in ["Action: failed", "Status: 5.7.10", "text/rfc822-headers", "Subject: secret"] {
        assert!(notice.contains(words), "no {words} in {notice}");
    }
    assert!(!notice.contains("in confidence") && world.receiver.taken().is_empty(), "{notice}");

    submitted(&world, "", &[FRIEND], "TLS-Required: No\r\nSubject: open\r\n\r\nto everybody\r\n");
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == 1).unwrap();
}

/// What is asked for in vain: at submission, and by whoever is no user.
fn refused(world: &Outside, bad: &[(&str, u64)], good: &str) {
    for (parameters, code) in bad {
        let told = submit(world, parameters, &[], "");
        assert_eq!(told["code"], *code, "{parameters}: {told}");
    }
    let mut stranger = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    stranger.expect(&format!("MAIL FROM:<friend@far.example> {good}"), "555 5.5.4").unwrap();
}

fn mail_is_held_back_for_everybody_until_its_release(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    let bad = [
        ("HOLDFOR=0", 501),
        ("HOLDFOR=x", 501),
        ("HOLDFOR=99999999", 501),
        ("HOLDFOR=9 HOLDUNTIL=2030-01-01T00:00:00Z", 501),
    ];
    refused(&world, &bad, "HOLDFOR=60");
    let told = submitted(&world, "HOLDFOR=6", &[FRIEND, NEIGHBOUR], "Subject: later\r\n\r\nbody\r\n");
    assert!(told["offers"]["futurerelease"].as_str().unwrap().starts_with("2592000 20"), "{told}");
    let accepted = std::time::Instant::now();
    let listed = world.json("queue list").unwrap();
    let deliveries = listed["deliveries"].as_array().unwrap();
    assert!(deliveries.len() == 2 && deliveries.iter().all(|one| one["release_time_ms"].is_u64()), "{listed}");
    assert!(world.ctl("queue list").unwrap().contains("held back"));
    assert!(world.ctl("queue retry --everything").unwrap().contains("2 unchanged"), "not even for an operator");
    assert!(world.inbox(NEIGHBOUR).unwrap().is_empty() && world.receiver.taken().is_empty());
    has(&world, NEIGHBOUR, 1);
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == 1).unwrap();
    assert!(accepted.elapsed() >= Duration::from_secs(5), "{:?}", accepted.elapsed());
    let text = &world.receiver.taken()[0].text;
    assert!(text.starts_with("DKIM-Signature: ") && text.matches("DKIM-Signature: ").count() == 2, "{text}");

    // One that is called off reaches nobody.
    submitted(&world, "HOLDUNTIL=2000-01-01T00:00:00Z", &[NEIGHBOUR], "Subject: now\r\n\r\nbody\r\n");
    submitted(&world, "HOLDFOR=86400", &[FRIEND, NEIGHBOUR], "Subject: never\r\n\r\nbody\r\n");
    let id = world.json("queue list").unwrap()["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let shown = world.ctl(&format!("queue show {id}")).unwrap();
    assert!(shown.contains("held back by its sender until "), "{shown}");
    assert!(world.ctl(&format!("queue cancel {id} --confirm {id}")).unwrap().contains("2 done"));
    assert_eq!(world.json("queue list").unwrap()["deliveries"].as_array().unwrap().len(), 0);
    has(&world, NEIGHBOUR, 2);
}

fn a_priority_is_bounded_and_passed_on(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    refused(&world, &[("MT-PRIORITY=10", 501), ("MT-PRIORITY=1 MT-PRIORITY=2", 501)], "MT-PRIORITY=1");
    world.receiver.offer("MT-PRIORITY");
    for (parameters, header, passed) in [
        ("MT-PRIORITY=9", "", "MT-PRIORITY=4"),
        ("MT-PRIORITY=-9", "MT-Priority: 3\r\n", "MT-PRIORITY=-9"),
        ("", "MT-Priority: 3\r\n", "MT-PRIORITY=3"),
        ("", "", ""),
    ] {
        let before = world.receiver.taken().len();
        let told = submitted(&world, parameters, &[FRIEND], &format!("{header}Subject: x\r\n\r\nbody\r\n"));
        assert_eq!(told["offers"]["mt-priority"], "", "{told}");
        if parameters == "MT-PRIORITY=9" {
            assert!(told["text"].as_str().unwrap().starts_with("2.3.6 4 "), "{told}");
        }
        wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() > before).unwrap();
        let taken = &world.receiver.taken()[before];
        let found = taken.parameters.split(' ').find(|word| word.starts_with("MT-PRIORITY")).unwrap_or_default();
        assert_eq!(found, passed, "{parameters} {header}");
    }
}

fn a_deadline_that_nobody_takes_over_ends_here(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    refused(&world, &[("BY=0;R", 501), ("BY=9;R", 555), ("BY=60", 501), ("BY=60;N BY=60;N", 501)], "BY=60;N");
    let message = "Subject: timed\r\n\r\nbody\r\n";
    // The next server promises nothing: it comes back, or its sender is told that nobody will tell.
    let told = submitted(&world, "BY=600;R", &[FRIEND], message);
    assert_eq!(told["offers"]["deliverby"], "10", "{told}");
    let notice = has(&world, SENDER, 1).remove(0);
    assert!(notice.contains("Action: failed") && notice.contains("Status: 5.3.3"), "{notice}");
    assert!(world.receiver.taken().is_empty());
    submitted(&world, "BY=600;N", &[FRIEND], message);
    let notice = has(&world, SENDER, 2).remove(1);
    assert!(notice.contains("Action: relayed") && notice.contains("Deliver-By-Date: "), "{notice}");
    assert_eq!(world.receiver.taken().len(), 1);
}

fn a_deadline_is_passed_on_and_late_mail_comes_back(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    world.receiver.offer("DELIVERBY");
    world.receiver.put_off();
    let message = "Subject: timed\r\n\r\nbody\r\n";
    submitted(&world, "BY=600;N", &[FRIEND], message);
    wait_until(DELIVERED_WITHIN, || !world.receiver.taken().is_empty()).unwrap();
    let taken = world.receiver.taken().remove(0);
    let left: u64 = taken.parameters.split("BY=").nth(1).unwrap().strip_suffix(";N").unwrap().parse().unwrap();
    assert!((500..=600).contains(&left), "{taken:?}");
    // Put off beyond its time, it comes back; the copy that stays here was in time.
    submitted(&world, "BY=10;R", &["later@elsewhere.example", NEIGHBOUR], message);
    let notice = has(&world, SENDER, 1).remove(0);
    assert!(notice.contains("Action: failed") && notice.contains("Status: 5.4.7"), "{notice}");
    assert!(notice.contains("later@elsewhere.example"), "{notice}");
    has(&world, NEIGHBOUR, 1);
}
