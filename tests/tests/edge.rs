//! How much one network may have of a front end: connections, new ones in a minute, failures; and slow answers for guessing.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use yubin_tests::client::Client;
use yubin_tests::process;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

const USER: &str = "u0@hosted.example";
const PASSWORD: &str = "correct horse battery";
const GREEDY: &str = "127.0.0.2";
const MODEST: &str = "127.0.0.3";
/// How long an ended connection may take to be counted no more.
const FREED_WITHIN: Duration = Duration::from_secs(20);

struct World {
    system: System,
    folder: tempfile::TempDir,
}

impl World {
    /// With these lines of configuration; 127.0.0.1 has no limits.
    fn start(more: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let more = format!("[limits]\nexempt_networks = [\"127.0.0.1\"]\n{more}");
        let system = System::configured(Transport::Direct, folder.path(), &more).unwrap();
        system.admin.populate("hosted.example", 1, PASSWORD).unwrap();
        World { system, folder }
    }

    fn connect(&self, source: &str, service: &str) -> Client {
        Client::from(source.parse::<IpAddr>().unwrap(), self.system.port(service).unwrap()).unwrap()
    }

    /// A connection and its greeting.
    fn greeted(&self, source: &str, service: &str) -> (Client, String) {
        let mut client = self.connect(source, service);
        let greeting = client.line();
        (client, greeting)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("yubin.log")).unwrap()
    }
}

#[test]
fn one_address_can_not_take_all_places() {
    let service = "connections = 3\n";
    let world = World::start(&format!(
        "[limits.smtp]\n{service}[limits.submission]\n{service}[limits.pop3]\n{service}[limits.imap]\n{service}"
    ));
    for (service, welcome, refused) in [
        ("smtp", "220 ", "421 4.7.0 Too many connections from 127.0.0.2; close some"),
        ("submission", "220 ", "421 4.7.0 Too many connections from 127.0.0.2; close some"),
        ("pop3", "+OK", "-ERR [SYS/TEMP] Too many connections from 127.0.0.2; close some"),
        ("imap", "* OK", "* BYE [UNAVAILABLE] Too many connections from 127.0.0.2; close some"),
    ] {
        let mut open: Vec<(Client, String)> = (0..3).map(|_| world.greeted(GREEDY, service)).collect();
        assert!(open.iter().all(|(_, greeting)| greeting.starts_with(welcome)), "{service}");
        for _ in 0..10 {
            let (mut over, greeting) = world.greeted(GREEDY, service);
            assert!(greeting.starts_with(refused), "{service}: {greeting}");
            assert_eq!(over.line(), "", "{service}: closed");
        }
        // Others are served, and whoever has no limits.
        for source in [MODEST, "127.0.0.1"] {
            assert!(world.greeted(source, service).1.starts_with(welcome), "{service}: {source}");
        }
        // A place that is given back can be taken again.
        open.pop();
        process::wait_until(FREED_WITHIN, || world.greeted(GREEDY, service).1.starts_with(welcome)).unwrap();
    }
    // Both kinds of port count together; on the one with TLS nothing is said.
    let _open: Vec<(Client, String)> = (0..3).map(|_| world.greeted(GREEDY, "pop3")).collect();
    assert_eq!(world.connect(GREEDY, "pop3s").line(), "");
    assert!(world.log().contains("network refused"), "{}", world.log());
}

#[test]
fn new_connections_of_a_minute_are_bounded() {
    let world = World::start("[limits.smtp]\nconnections_per_minute = 5\n");
    for _ in 0..5 {
        assert!(world.greeted(GREEDY, "smtp").1.starts_with("220 "));
    }
    let (_, refused) = world.greeted(GREEDY, "smtp");
    assert_eq!(refused, "421 4.7.0 Too many new connections from 127.0.0.2; try again in a minute");
    assert!(world.greeted(MODEST, "smtp").1.starts_with("220 "));
    assert!(world.greeted(GREEDY, "imap").1.starts_with("* OK"));
}

#[test]
fn a_network_that_guesses_addresses_is_shut_out_and_others_are_not() {
    let world = World::start("[limits.smtp]\nfailures_per_hour = 10\n");
    let (mut client, _) = world.greeted(GREEDY, "smtp");
    client.say("EHLO client.example").unwrap();
    client.say("MAIL FROM:<>").unwrap();
    for guess in 0..10 {
        let refused = client.say(&format!("RCPT TO:<guess{guess}@hosted.example>")).unwrap();
        assert!(refused.starts_with("550 5.1.1"), "{refused}");
    }
    assert!(client.say("FOO").unwrap().starts_with("500 "));
    let end = client.line();
    assert!(end.starts_with("421 4.7.0 Too many failed commands and refused recipients from 127.0.0.2"), "{end}");
    assert_eq!(client.line(), "");
    let (_, greeting) = world.greeted(GREEDY, "smtp");
    assert!(greeting.starts_with("421 4.7.0 Too many failed commands"), "{greeting}");
    // Its users still read their mail; others still send.
    assert!(world.greeted(GREEDY, "imap").1.starts_with("* OK"));
    assert!(world.greeted(MODEST, "smtp").1.starts_with("220 "));
    let mut exempt = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    assert!(exempt.send("a@elsewhere.example", USER, b"Subject: a\r\n\r\nb\r\n").unwrap().starts_with("250"));
}

#[test]
fn guessing_gets_slow_answers_and_others_quick_ones() {
    let world = World::start("[smtp]\ntarpit_seconds = 1\ntarpit_after = 2\ninbound = { verification = \"off\" }\n");
    let guess = |source: &str| {
        let (mut client, _) = world.greeted(source, "smtp");
        client.say("EHLO client.example").unwrap();
        client.say("MAIL FROM:<>").unwrap();
        let started = Instant::now();
        let guesses = "RCPT TO:<guess@hosted.example>\r\n".repeat(5);
        client.send(guesses.as_bytes()).unwrap();
        for _ in 0..5 {
            assert!(client.line().starts_with("550 5.1.1"));
        }
        started.elapsed()
    };
    // Two are free, three wait a second each.
    assert!(guess(GREEDY) >= Duration::from_secs(3));
    assert!(guess("127.0.0.1") < Duration::from_secs(3));
}
