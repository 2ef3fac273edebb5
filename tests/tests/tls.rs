//! TLS on every port: from the start or after STARTTLS, with the certificate of the name that the client asks for.
//!
//! Certificates are files and may be exchanged while connections run; nobody logs in without TLS.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use yubin_tests::process::wait_until;
use yubin_tests::system::{System, Transport};
use yubin_tests::tls::{self, Stream};

const USER: &str = "u0@tls.example";
const PASSWORD: &str = "correct horse battery";
/// Certificate files are looked at every five seconds.
const RELOADED_WITHIN: Duration = Duration::from_secs(30);

/// A port of a system.
struct Door {
    service: &'static str,
    protocol: Protocol,
    opens: Opens,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Smtp,
    Pop3,
    Imap,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    InClear,
    Encrypted,
}

const DOORS: [Door; 7] = [
    Door { service: "smtp", protocol: Protocol::Smtp, opens: Opens::InClear },
    Door { service: "submission", protocol: Protocol::Smtp, opens: Opens::InClear },
    Door { service: "submissions", protocol: Protocol::Smtp, opens: Opens::Encrypted },
    Door { service: "pop3", protocol: Protocol::Pop3, opens: Opens::InClear },
    Door { service: "pop3s", protocol: Protocol::Pop3, opens: Opens::Encrypted },
    Door { service: "imap", protocol: Protocol::Imap, opens: Opens::InClear },
    Door { service: "imaps", protocol: Protocol::Imap, opens: Opens::Encrypted },
];

#[test]
fn every_port_shows_the_certificate_of_the_name_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (system, [one, two]) = system(folder.path());
    for door in &DOORS {
        for (name, certificate) in [("one.example", &one), ("two.example", &two)] {
            let mut session = encrypted(&system, door, name, tls::trusting(certificate.clone()).unwrap());
            session.log_in(door);
            // Trusting the other one, a client of this name is right to go away.
            let other = if name == "one.example" { &two } else { &one };
            let refused = shown(&system, door, name, tls::trusting(other.clone()).unwrap()).unwrap_err().to_string();
            assert!(refused.contains("invalid peer certificate"), "{}: {refused}", door.service);
        }
        for name in ["three.example", "127.0.0.1"] {
            let certificate = shown(&system, door, name, tls::config().unwrap()).unwrap();
            assert_eq!(certificate, one, "{}: whoever asks for no known name gets the first", door.service);
        }
    }
}

#[test]
fn changed_certificates_are_taken_up_and_no_connection_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (system, [old, two]) = system(folder.path());
    let trusting_old = || tls::trusting(old.clone()).unwrap();
    let mut open: Vec<_> =
        DOORS.iter().map(|door| (door, encrypted(&system, door, "one.example", trusting_old()))).collect();

    let new = certify(folder.path(), "one.example");

    let [.., imaps] = &DOORS;
    let look = || shown(&system, imaps, "one.example", tls::config().unwrap()).unwrap();
    wait_until(RELOADED_WITHIN, || look() == new).unwrap();
    for door in &DOORS {
        encrypted(&system, door, "one.example", tls::trusting(new.clone()).unwrap()).log_in(door);
        encrypted(&system, door, "two.example", tls::trusting(two.clone()).unwrap());
    }
    for (door, session) in &mut open {
        session.log_in(door);
    }

    // A key that is none is reported and changes nothing.
    std::fs::write(folder.path().join("two.example.key"), "not a key").unwrap();
    let told = |text: &str| std::fs::read_to_string(folder.path().join("yubin.log")).unwrap().contains(text);
    wait_until(RELOADED_WITHIN, || told("changed certificates can't be used")).unwrap();
    for door in &DOORS {
        encrypted(&system, door, "two.example", tls::trusting(two.clone()).unwrap()).log_in(door);
    }
}

#[test]
fn nobody_logs_in_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (system, _) = system(folder.path());
    let plain = plain();
    for door in DOORS.iter().filter(|door| door.opens == Opens::InClear) {
        let mut session = Session::greeted(door, tls::open(system.port(door.service).unwrap()).unwrap());
        let attempts = match door.protocol {
            Protocol::Smtp => {
                let offered = session.ask(door, "EHLO client.example");
                assert!(offered.contains("STARTTLS") && !offered.contains("AUTH"), "{}: {offered}", door.service);
                vec![format!("AUTH PLAIN {plain}"), "AUTH LOGIN".to_owned()]
            }
            Protocol::Pop3 => {
                let offered = session.until("CAPA", |line| line == ".");
                assert!(
                    offered.contains("STLS") && !offered.contains("USER") && !offered.contains("SASL"),
                    "{offered}"
                );
                vec![format!("USER {USER}"), format!("PASS {PASSWORD}"), format!("AUTH PLAIN {plain}")]
            }
            Protocol::Imap => {
                let offered = session.ask(door, "t CAPABILITY");
                assert!(offered.contains("STARTTLS") && offered.contains("LOGINDISABLED"), "{offered}");
                assert!(!offered.contains("AUTH="), "{offered}");
                vec![format!("t LOGIN {USER} \"{PASSWORD}\""), format!("t AUTHENTICATE PLAIN {plain}")]
            }
        };
        let refusals: &[&str] = match (door.service, door.protocol) {
            // Servers among themselves don't log in, with or without TLS.
            ("smtp", _) => &["502 5.5.1", "503 5.5.1"],
            (_, Protocol::Smtp) => &["538 5.7.11", "530 5.7.0"],
            (_, Protocol::Pop3) => &["-ERR [SYS/PERM] TLS is required"],
            (_, Protocol::Imap) => &["t NO [PRIVACYREQUIRED]"],
        };
        for attempt in attempts {
            let reply = session.ask(door, &attempt);
            assert!(refusals.iter().any(|refusal| reply.starts_with(refusal)), "{}: {attempt}: {reply}", door.service);
        }
    }
}

/// A system with certificates of its own for one.example and two.example, and an account.
fn system(folder: &Path) -> (System, [CertificateDer<'static>; 2]) {
    let names = ["one.example", "two.example"];
    let certificates = names.map(|name| certify(folder, name));
    let tables = names.map(|name| {
        let path = folder.join(name).display().to_string();
        format!("[[tls.certificates]]\nchain = \"{path}.crt\"\nkey = \"{path}.key\"\n")
    });
    let system = System::configured(Transport::Direct, folder, &tables.concat()).unwrap();
    system.admin.populate("tls.example", 1, PASSWORD).unwrap();
    (system, certificates)
}

/// Makes a new certificate for a name; its files take the place of the last one's.
fn certify(folder: &Path, name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    for (ending, text) in [("crt", made.cert.pem()), ("key", made.signing_key.serialize_pem())] {
        let new = folder.join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, folder.join(format!("{name}.{ending}"))).unwrap();
    }
    made.cert.der().clone()
}

/// The certificate that a port shows to a client that asks for `name`.
fn shown(system: &System, door: &Door, name: &str, config: ClientConfig) -> std::io::Result<CertificateDer<'static>> {
    let stream = shaken(system, door, name, config)?;
    Ok(stream.conn.peer_certificates().unwrap()[0].clone())
}

/// A session under TLS, past its greeting.
fn encrypted(system: &System, door: &Door, name: &str, config: ClientConfig) -> Session<Stream> {
    let stream = shaken(system, door, name, config).unwrap();
    match door.opens {
        Opens::Encrypted => Session::greeted(door, stream),
        Opens::InClear => Session(BufReader::new(stream)),
    }
}

/// A connection after the handshake.
fn shaken(system: &System, door: &Door, name: &str, config: ClientConfig) -> std::io::Result<Stream> {
    let tcp = tls::open(system.port(door.service).unwrap()).unwrap();
    let tcp = match door.opens {
        Opens::Encrypted => tcp,
        Opens::InClear => Session::greeted(door, tcp).start_tls(door),
    };
    let mut stream = tls::wrap(tcp, name, config).unwrap();
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

/// Name and password as SASL PLAIN sends them (RFC 4616).
fn plain() -> String {
    BASE64_STANDARD.encode(format!("\0{USER}\0{PASSWORD}"))
}

/// A conversation in lines.
struct Session<S>(BufReader<S>);

impl<S: Read + Write> Session<S> {
    /// Reads the greeting.
    fn greeted(door: &Door, stream: S) -> Self {
        let mut session = Self(BufReader::new(stream));
        let greeting = session.line();
        let good = match door.protocol {
            Protocol::Smtp => "220 ",
            Protocol::Pop3 => "+OK",
            Protocol::Imap => "* OK",
        };
        assert!(greeting.starts_with(good), "{}: {greeting}", door.service);
        session
    }

    /// Logs in, where the port is for clients; else just speaks.
    fn log_in(&mut self, door: &Door) {
        let (line, good) = match (door.service, door.protocol) {
            ("smtp", _) => ("NOOP".to_owned(), "250"),
            (_, Protocol::Smtp) => {
                let offered = self.ask(door, "EHLO client.example");
                assert!(offered.contains("AUTH SCRAM-SHA-256-PLUS") && !offered.contains("STARTTLS"), "{offered}");
                (format!("AUTH PLAIN {}", plain()), "235")
            }
            (_, Protocol::Pop3) => (format!("AUTH PLAIN {}", plain()), "+OK"),
            (_, Protocol::Imap) => (format!("t LOGIN {USER} \"{PASSWORD}\""), "t OK"),
        };
        let reply = self.ask(door, &line);
        assert!(reply.lines().last().unwrap().starts_with(good), "{}: {reply}", door.service);
        if door.protocol == Protocol::Pop3 {
            // One session at a time has the mailbox.
            assert!(self.ask(door, "QUIT").starts_with("+OK"));
        }
    }

    /// Sends a line and returns the whole reply.
    fn ask(&mut self, door: &Door, line: &str) -> String {
        let last: fn(&str) -> bool = match door.protocol {
            Protocol::Smtp => |line| line.as_bytes().get(3) != Some(&b'-'),
            Protocol::Pop3 => |_| true,
            Protocol::Imap => |line| line.starts_with("t "),
        };
        self.until(line, last)
    }

    /// Sends a line and returns what comes up to a last line.
    fn until(&mut self, line: &str, last: impl Fn(&str) -> bool) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut reply = String::new();
        loop {
            let line = self.line();
            reply.push_str(&line);
            if last(&line) {
                return reply;
            }
            reply.push('\n');
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "closed by the other side");
        line.trim_end().to_owned()
    }
}

impl Session<TcpStream> {
    /// Asks for TLS and returns the connection, of which nothing more was read.
    fn start_tls(mut self, door: &Door) -> TcpStream {
        let (line, good) = match door.protocol {
            Protocol::Smtp => {
                self.ask(door, "EHLO client.example");
                ("STARTTLS", "220")
            }
            Protocol::Pop3 => ("STLS", "+OK"),
            Protocol::Imap => ("t STARTTLS", "t OK"),
        };
        let reply = self.ask(door, line);
        assert!(reply.starts_with(good), "{}: {reply}", door.service);
        assert!(self.0.buffer().is_empty());
        self.0.into_inner()
    }
}
