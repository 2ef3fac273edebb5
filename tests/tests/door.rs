//! A front end that is full, or nearly so: whoever comes is told at once, whoever lingers has to go, and one service never stops another
//! (attack list, item 20).

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use yubin_tests::client::Client;
use yubin_tests::imap::Imap;
use yubin_tests::memory;
use yubin_tests::process::{self, http_get};
use yubin_tests::system::{System, Transport};

const USER: &str = "u0@hosted.example";
const PASSWORD: &str = "correct horse battery";
/// How long an ended connection may take to be counted no more.
const FREED_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to be turned away: a second, and what a busy machine adds.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// How long a lingering connection may be kept: ten seconds, and what a busy machine adds.
const LINGERS_AT_MOST: Duration = Duration::from_secs(40);
/// Resident memory of a connection that waits, bytes: about a third of this.
const HELD_BYTES_MAX: u64 = 64 * 1024;
/// The services: a greeting, and what is said where no place is left.
const SERVICES: [(&str, &str, &str); 5] = [
    ("smtp", "220 ", "421 4.3.2 Too many connections at the moment; try again later"),
    ("submission", "220 ", "421 4.3.2 Too many connections at the moment; try again later"),
    ("lmtp", "220 ", "421 4.3.2 Too many connections at the moment; try again later"),
    ("pop3", "+OK", "-ERR [SYS/TEMP] Too many connections at the moment; try again later"),
    ("imap", "* OK", "* BYE [UNAVAILABLE] Too many connections at the moment; try again later"),
];

struct World {
    system: System,
    folder: tempfile::TempDir,
    hosts: std::cell::Cell<u32>,
}

impl World {
    /// With so many places of each service.
    fn start(places: u32) -> World {
        let folder = tempfile::tempdir().unwrap();
        let each: String = SERVICES.iter().map(|(service, ..)| format!("{service} = {places}\n")).collect();
        let more = format!("[connections]\n{each}[limits]\nexempt_networks = []\n");
        let system = System::configured(Transport::Direct, folder.path(), &more).unwrap();
        system.admin.populate("hosted.example", 1, PASSWORD).unwrap();
        World { system, folder, hosts: std::cell::Cell::new(0) }
    }

    /// A connection, each from another network.
    fn connect(&self, service: &str) -> Client {
        let host = self.hosts.get() + 1;
        self.hosts.set(host);
        let source = IpAddr::V4(Ipv4Addr::from_bits(0x7f01_0001 + (host << 8)));
        Client::from(source, self.system.port(service).unwrap()).unwrap()
    }

    /// A connection and its greeting.
    fn greeted(&self, service: &str) -> (Client, String) {
        let mut client = self.connect(service);
        let greeting = client.line();
        (client, greeting)
    }

    fn metrics(&self) -> String {
        http_get(self.system.port("http").unwrap(), "/metrics").unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("yubin.log")).unwrap()
    }
}

#[test]
fn a_full_service_says_so_at_once_and_the_others_serve() {
    let world = World::start(2);
    for (service, welcome, refused) in SERVICES {
        let mut open: Vec<(Client, String)> = (0..2).map(|_| world.greeted(service)).collect();
        assert!(open.iter().all(|(_, greeting)| greeting.starts_with(welcome)), "{service}");
        let started = Instant::now();
        for _ in 0..10 {
            let (mut over, greeting) = world.greeted(service);
            assert_eq!(greeting, refused, "{service}");
            assert_eq!(over.line(), "", "{service}: closed");
        }
        // Whoever talks before it is its turn hears it too.
        let mut hasty = world.connect(service);
        hasty.send("NOOP\r\n".repeat(100).as_bytes()).unwrap();
        assert_eq!(hasty.line(), refused, "{service}");
        assert!(started.elapsed() < REFUSED_WITHIN, "{service}: {:?}", started.elapsed());
        for (other, welcome, _) in SERVICES.iter().filter(|(other, ..)| *other != service) {
            assert!(world.greeted(other).1.starts_with(welcome), "{other} while {service} is full");
        }
        // A place that is given back can be taken again.
        open.pop();
        process::wait_until(FREED_WITHIN, || world.greeted(service).1.starts_with(welcome)).unwrap();
    }
    // Both kinds of port share their places; on the one with TLS nothing is said.
    let _open: Vec<(Client, String)> = (0..2).map(|_| world.greeted("pop3")).collect();
    assert_eq!(world.connect("pop3s").line(), "");
    let metrics = world.metrics();
    assert!(metrics.contains("yubin_sessions_total{listener=\"pop3s\",result=\"full\"} 1"), "{metrics}");
    assert!(metrics.contains("yubin_sessions_total{listener=\"lmtp\",result=\"full\"}"), "{metrics}");
    assert!(world.log().contains("connections are turned away: no place is free"), "{}", world.log());
    let mail_log = || world.system.admin.ctl(&["trace", "127.1.3.1"], "").unwrap_or_default();
    process::wait_until(FREED_WITHIN, || mail_log().contains("421 4.3.2 Too many connections at the moment")).unwrap();
}

#[test]
fn a_flood_that_does_not_go_away_is_turned_away_all_the_same() {
    let world = World::start(1);
    let (_one, greeting) = world.greeted("smtp");
    assert!(greeting.starts_with("220 "));
    // More than are kept at a time, and nobody closes.
    let mut flood: Vec<Client> = (0..600).map(|_| world.connect("smtp")).collect();
    for client in &mut flood {
        assert_eq!(client.line(), SERVICES[0].2);
        assert_eq!(client.line(), "", "closed");
    }
    assert!(world.greeted("imap").1.starts_with("* OK"));
}

#[test]
fn who_lingers_has_ten_seconds_where_places_are_scarce_unless_it_is_a_user() {
    let world = World::start(1);
    let mut user = Imap::login(world.system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    let (mut silent, _) = world.greeted("pop3");
    let (dripping, _) = world.greeted("smtp");
    let started = Instant::now();
    let (said, cut) = drip(dripping.into_stream());
    assert_eq!(said, "421 4.4.2 Timeout; closing connection\r\n");
    assert!(cut >= Duration::from_secs(9) && cut < LINGERS_AT_MOST, "{cut:?}");
    assert_eq!(silent.line(), "", "closed");
    assert!(started.elapsed() < LINGERS_AT_MOST, "{:?}", started.elapsed());
    user.ok("NOOP").unwrap();
    assert_eq!(world.greeted("imap").1, SERVICES[4].2, "the user still has the place");
}

/// Sends a command octet by octet, and so is never silent; what it hears in the end, and when.
fn drip(mut stream: TcpStream) -> (String, Duration) {
    let started = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut heard = [0; 100];
    loop {
        stream.write_all(b"N").unwrap();
        match stream.read(&mut heard) {
            Ok(octets) => return (String::from_utf8_lossy(&heard[..octets]).into_owned(), started.elapsed()),
            Err(_) => assert!(started.elapsed() < LINGERS_AT_MOST, "still there"),
        }
    }
}

#[test]
fn a_connection_that_waits_holds_little_memory() {
    let world = World::start(500);
    let strangers = || {
        let mut client = world.connect("smtp");
        client.line();
        client.say("EHLO client.example").unwrap();
        client.say("MAIL FROM:<a@b.example>").unwrap();
        // Half a command, as long as one may be.
        client.send(&[b'x'; 2_000]).unwrap();
        client
    };
    let users = || {
        let mut imap = Imap::login(world.system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
        imap.ok("SELECT INBOX").unwrap();
        imap
    };
    // What is made once is made before.
    drop(((0..50).map(|_| strangers()).collect::<Vec<_>>(), (0..20).map(|_| users()).collect::<Vec<_>>()));
    let id = world.system.running.id();
    let before = memory::sample(&[id]).resident_bytes_max;
    let open = ((0..300).map(|_| strangers()).collect::<Vec<_>>(), (0..150).map(|_| users()).collect::<Vec<_>>());
    let growth = memory::sample(&[id]).resident_bytes_max.saturating_sub(before);
    let each = growth / (open.0.len() + open.1.len()) as u64;
    assert!(each <= HELD_BYTES_MAX, "{each} bytes for each connection");
}
