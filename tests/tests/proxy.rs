//! Behind a load balancer: the client that its PROXY header names is the peer, and nobody else is believed.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::process::Command;

use yubin_tests::client::Client;
use yubin_tests::imap::Imap;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};
use yubin_tests::tls;

const USER: &str = "u0@hosted.example";
const PASSWORD: &str = "correct horse battery";
const PROXY: &str = "127.0.0.2";
const STRANGER: &str = "127.0.0.3";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

struct World {
    system: System,
    folder: tempfile::TempDir,
}

impl World {
    fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let more = format!("[proxy]\nnetworks = [\"{PROXY}\"]\n[smtp.inbound]\nverification = \"off\"\n");
        let system = System::configured(Transport::Direct, folder.path(), &more).unwrap();
        system.admin.populate("hosted.example", 1, PASSWORD).unwrap();
        World { system, folder }
    }

    fn connect(&self, source: &str, service: &str) -> Client {
        Client::from(source.parse::<IpAddr>().unwrap(), self.system.port(service).unwrap()).unwrap()
    }

    /// A connection of the proxy that begins with these octets.
    fn proxied(&self, service: &str, header: &[u8]) -> Client {
        let mut client = self.connect(PROXY, service);
        client.send(header).unwrap();
        client
    }

    fn deliver(&self, mut client: Client, subject: &str) {
        assert!(client.reply().starts_with("220 "));
        client.say("EHLO client.example").unwrap();
        client.say("MAIL FROM:<a@elsewhere.example>").unwrap();
        client.say(&format!("RCPT TO:<{USER}>")).unwrap();
        client.say("DATA").unwrap();
        let stored = client.say(&format!("Subject: {subject}\r\n\r\nhello\r\n.")).unwrap();
        assert!(stored.starts_with("250 2.0.0"), "{stored}");
    }

    /// The `Received` field of the message with this subject.
    fn received(&self, subject: &str) -> String {
        let mut imap = Imap::login(self.system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
        imap.ok("EXAMINE INBOX").unwrap();
        let found = imap.ok(&format!("SEARCH SUBJECT {subject}")).unwrap().text().concat();
        let number = found.rsplit(' ').next().unwrap().to_owned();
        imap.ok(&format!("FETCH {number} BODY.PEEK[HEADER.FIELDS (RECEIVED)]")).unwrap().text().concat()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("yubin.log")).unwrap()
    }
}

fn v4_header(command: u8) -> Vec<u8> {
    [SIGNATURE, &[0x20 | command, 0x11, 0, 12], &[192, 0, 2, 2, 127, 0, 0, 1, 0x9c, 0x40, 0, 25]].concat()
}

#[test]
fn the_client_that_a_proxy_names_is_the_peer_in_both_versions() {
    let world = World::start();
    let text = b"PROXY TCP4 192.0.2.1 127.0.0.1 40000 25\r\n";
    let mut v6 = vec![0x20, 0x01, 0x0d, 0xb8];
    v6.resize(36, 0);
    v6[15] = 3;
    let binary_v6 = [SIGNATURE, &[0x21, 0x21, 0, 36], &v6].concat();
    for (subject, header, address) in [
        ("text", text.to_vec(), "([192.0.2.1])"),
        ("binary", v4_header(1), "([192.0.2.2])"),
        ("sixth", binary_v6, "([IPv6:2001:db8::3])"),
        // The proxy's own: it speaks to us itself.
        ("own", v4_header(0), "([127.0.0.2])"),
        ("unknown", b"PROXY UNKNOWN\r\n".to_vec(), "([127.0.0.2])"),
    ] {
        world.deliver(world.proxied("smtp", &header), subject);
        let received = world.received(subject);
        assert!(received.contains(address), "{subject}: {received}");
    }
    let log = world.log();
    assert!(log.contains("peer.addr=192.0.2.1:40000"), "{log}");
    assert!(log.contains("proxy.addr=127.0.0.2:"), "{log}");
}

#[test]
fn a_header_may_come_in_pieces_and_before_tls() {
    let world = World::start();
    let mut client = world.connect(PROXY, "smtp");
    for octet in v4_header(1) {
        client.send(&[octet]).unwrap();
    }
    world.deliver(client, "pieces");
    assert!(world.received("pieces").contains("([192.0.2.2])"));

    for service in ["imaps", "pop3s", "submissions"] {
        let client = world.proxied(service, &v4_header(1));
        let stream = tls::wrap(client.into_stream(), "localhost", tls::config().unwrap()).unwrap();
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("* OK") || greeting.starts_with("+OK") || greeting.starts_with("220 "));
    }
}

#[test]
fn a_proxy_that_says_nothing_or_something_else_is_closed() {
    let world = World::start();
    for service in ["smtp", "submission", "pop3", "imap", "imaps"] {
        let mut speaking = world.proxied(service, b"EHLO mail.example\r\nMAIL FROM:<a@b.example>\r\n");
        assert_eq!(speaking.line(), "", "{service}");
    }
    // Silence ends within the time limit; no greeting is sent.
    assert_eq!(world.connect(PROXY, "smtp").rest().unwrap(), "");
    assert!(world.log().contains("a trusted proxy sent no PROXY header"));
}

#[test]
fn nobody_else_is_believed() {
    let world = World::start();
    for source in ["127.0.0.1", STRANGER] {
        let mut client = world.connect(source, "smtp");
        assert!(client.reply().starts_with("220 "));
        let refused = client.say("PROXY TCP4 192.0.2.66 127.0.0.1 40000 25").unwrap();
        assert!(refused.starts_with("500 5.5.1"), "{refused}");
    }
    let mut binary = world.connect(STRANGER, "smtp");
    binary.reply();
    binary.send(&v4_header(1)).unwrap();
    assert!(binary.line().starts_with("500 "));
    assert!(!world.log().contains("192.0.2."));
    assert!(Smtp::hello(world.system.port("smtp").unwrap()).is_ok());
}

/// swaks writes both headers by itself.
#[test]
fn swaks_passes_for_a_proxy() {
    let world = World::start();
    let port = world.system.port("smtp").unwrap().port().to_string();
    for version in ["1", "2"] {
        let subject = format!("swaks{version}");
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--local-interface", PROXY, "--to", USER]);
        swaks.args(["--from", "a@elsewhere.example", "--header", &format!("Subject: {subject}")]);
        swaks.args(["--proxy-version", version, "--proxy-command", "PROXY", "--proxy-protocol", "STREAM"]);
        swaks.args(["--proxy-family", if version == "1" { "TCP4" } else { "AF_INET" }]);
        swaks.args(["--proxy-source", "192.0.2.7", "--proxy-source-port", "40000"]);
        swaks.args(["--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25"]);
        let output = swaks.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(world.received(&subject).contains("([192.0.2.7])"));
    }
}
