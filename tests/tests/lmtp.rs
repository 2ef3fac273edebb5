//! Own machines in front of this one: mail by LMTP with a reply for each recipient, and XCLIENT for whom they speak.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::IpAddr;
use std::process::Command;

use yubin_tests::client::Client;
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    each_recipient_of_lmtp_learns_what_became_of_its_copy,
    a_trusted_peer_speaks_for_its_clients,
}

const PASSWORD: &str = "correct horse battery";
/// May do what this test is about; 127.0.0.9 may not.
const OWN: &str = "127.0.0.2";

struct World {
    system: System,
    _folder: tempfile::TempDir,
}

impl World {
    fn start(transport: Transport) -> World {
        let folder = tempfile::tempdir().unwrap();
        let more = format!(
            "[smtp]\nlmtp_networks = [\"{OWN}\"]\nxclient_networks = [\"{OWN}\"]\ninbound = {{ verification = \"off\" }}\n\
             [limits]\nexempt_networks = [\"127.0.0.0/8\"]\nsmtp = {{ connections = 1 }}\n"
        );
        let system = System::configured(transport, folder.path(), &more).unwrap();
        for domain in ["one.example", "two.example"] {
            system.admin.populate(domain, 1, PASSWORD).unwrap();
        }
        system
            .admin
            .ctl(&["account", "create", "small@one.example", "--quota", "2000", "--password-stdin"], PASSWORD)
            .unwrap();
        World { system, _folder: folder }
    }

    fn connect(&self, source: &str, service: &str) -> Client {
        Client::from(source.parse::<IpAddr>().unwrap(), self.system.port(service).unwrap()).unwrap()
    }

    /// The header of all mail of an account.
    fn headers(&self, user: &str) -> String {
        let mut imap = Imap::login(self.system.port("imaps").unwrap(), user, PASSWORD).unwrap();
        imap.ok("EXAMINE INBOX").unwrap();
        imap.ok("FETCH 1:* BODY.PEEK[HEADER]").unwrap().text().concat().replace("\r\n\t", " ")
    }
}

fn each_recipient_of_lmtp_learns_what_became_of_its_copy(transport: Transport) {
    let world = World::start(transport);
    let mut client = world.connect(OWN, "lmtp");
    assert!(client.line().contains(" LMTP "));
    assert!(client.say("EHLO filter.example").unwrap().starts_with("500 "));
    assert!(client.say("LHLO filter.example").unwrap().starts_with("250 "));
    client.say("MAIL FROM:<a@elsewhere.example>").unwrap();
    for (recipient, reply) in [
        ("u0@one.example", "250 2.1.5"),
        ("nobody@one.example", "550 5.1.1"),
        ("small@one.example", "250 2.1.5"),
        ("u0@two.example", "250 2.1.5"),
        ("u0@one.example", "250 2.1.5"),
        ("x@elsewhere.example", "550 5.7.1"),
    ] {
        let said = client.say(&format!("RCPT TO:<{recipient}>")).unwrap();
        assert!(said.starts_with(reply), "{recipient}: {said}");
    }
    assert!(client.say("DATA").unwrap().starts_with("354 "));
    client.send(format!("Subject: x\r\n\r\n{}.\r\n", "0123456789\r\n".repeat(400)).as_bytes()).unwrap();
    // One mailbox is too small; that is told for it, and for it alone.
    for reply in ["250 2.0.0", "552 5.2.2", "250 2.0.0", "250 2.0.0"] {
        let said = client.line();
        assert!(said.starts_with(reply), "{reply}: {said}");
    }
    assert!(client.say("NOOP").unwrap().starts_with("250 "));
    let header = world.headers("u0@one.example");
    assert!(header.contains("with LMTP ") && header.matches("Subject: x").count() == 1, "{header}");
    assert_eq!(world.headers("u0@two.example").matches("Subject: x").count(), 1);
    assert_eq!(world.system.admin.usage("one.example").unwrap().messages, 1);

    let port = world.system.port("lmtp").unwrap().port().to_string();
    let mut swaks = Command::new("swaks");
    swaks.args(["--protocol", "LMTP", "--server", "127.0.0.1", "--port", &port, "--local-interface", OWN]);
    swaks.args(["--from", "a@elsewhere.example", "--to", "u0@two.example", "--header", "Subject: swaks"]);
    let output = swaks.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(world.headers("u0@two.example").contains("Subject: swaks"));

    let mut stranger = world.connect("127.0.0.9", "lmtp");
    let said = stranger.line();
    assert!(said.starts_with("554 5.7.1 LMTP is for this system's own machines, and 127.0.0.9 is none"), "{said}");
    assert_eq!(stranger.line(), "");
}

fn a_trusted_peer_speaks_for_its_clients(transport: Transport) {
    let world = World::start(transport);
    let named = |attributes: &str| {
        let mut client = world.connect(OWN, "smtp");
        client.reply();
        client.say("EHLO filter.example").unwrap();
        let said = client.say(&format!("XCLIENT {attributes}")).unwrap();
        (client, said)
    };
    let (mut client, greeting) = named("NAME=[UNAVAILABLE] ADDR=192.0.2.5 PORT=4711 PROTO=ESMTP HELO=client.example");
    assert!(greeting.starts_with("220 "), "{greeting}");
    client.say("EHLO filter.example").unwrap();
    client.say("MAIL FROM:<a@elsewhere.example>").unwrap();
    client.say("RCPT TO:<u0@one.example>").unwrap();
    client.say("DATA").unwrap();
    assert!(client.say("Subject: x\r\n\r\nhello\r\n.").unwrap().starts_with("250 2.0.0"));
    let header = world.headers("u0@one.example");
    assert!(header.contains("Received: from client.example ([192.0.2.5]) by "), "{header}");
    // Its network has one connection, and has it; others have theirs.
    let (_, refused) = named("ADDR=192.0.2.5");
    assert!(refused.starts_with("421 4.7.0 Too many connections from 192.0.2.5"), "{refused}");
    assert!(named("ADDR=IPV6:2001:db8::5").1.starts_with("220 "));

    let mut stranger = world.connect("127.0.0.9", "smtp");
    stranger.reply();
    stranger.send(b"EHLO stranger.example\r\n").unwrap();
    loop {
        let line = stranger.line();
        assert!(!line.contains("XCLIENT"), "{line}");
        if line.starts_with("250 ") {
            break;
        }
    }
    assert!(stranger.say("XCLIENT ADDR=192.0.2.6").unwrap().starts_with("500 5.5.1"));
}
