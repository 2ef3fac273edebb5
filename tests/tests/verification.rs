//! Mail from other servers through the real binary, verified against a name server of the test.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::Ipv4Addr;

use yubin_tests::dns::{self, Record};
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    mail_is_taken_filed_refused_and_put_off,
    hosts_without_a_name_are_refused_as_account_domain_and_plan_say,
}

const DOMAIN: &str = "hosted.example";
const STERN: &str = "stern.example";
const PASSWORD: &str = "correct horse battery";

/// `good.example` sends from this machine; nobody sends for the others.
fn table() -> dns::Table {
    let txt = |text: &str| Record::Txt(text.to_owned());
    vec![
        ("good.example", txt("v=spf1 ip4:127.0.0.1 -all")),
        ("_dmarc.good.example", txt("v=DMARC1; p=reject")),
        ("bank.example", txt("v=spf1 -all")),
        ("_dmarc.bank.example", txt("v=DMARC1; p=reject")),
        ("shop.example", txt("v=spf1 -all")),
        ("_dmarc.shop.example", txt("v=DMARC1; p=quarantine")),
        ("1.0.0.127.in-addr.arpa", Record::Ptr("host.good.example".to_owned())),
        ("host.good.example", Record::A(Ipv4Addr::new(192, 0, 2, 1))),
    ]
}

struct World {
    system: System,
    _folder: tempfile::TempDir,
}

impl World {
    fn start(transport: Transport) -> World {
        let server = dns::serve(table()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let verified = format!(
            "[smtp.inbound]\nexempt_networks = []\nname_servers = [\"{server}\"]\n\
             domains = [{{ domain = \"{STERN}\", dmarc = \"enforce\", reverse_dns = \"require\" }}]\n"
        );
        let system = System::configured(transport, folder.path(), &verified).unwrap();
        for domain in [DOMAIN, STERN] {
            system.admin.populate(domain, 1, PASSWORD).unwrap();
        }
        World { system, _folder: folder }
    }

    fn send(&self, to: &str, author: &str, more: &str) -> String {
        let message = format!("{more}From: {author}\r\nSubject: x\r\n\r\nhello\r\n");
        let mut session = Smtp::hello(self.system.port("smtp").unwrap()).unwrap();
        session.send(author, to, message.as_bytes()).unwrap()
    }

    /// The messages of a mailbox of the first domain's user.
    fn stored(&self, mailbox: &str) -> String {
        let mut imap = Imap::login(self.system.port("imaps").unwrap(), &format!("u0@{DOMAIN}"), PASSWORD).unwrap();
        imap.ok(&format!("EXAMINE {mailbox}")).unwrap();
        imap.ok("FETCH 1:* BODY.PEEK[HEADER]").unwrap().text().concat().replace("\r\n\t", " ")
    }
}

fn mail_is_taken_filed_refused_and_put_off(transport: Transport) {
    let world = World::start(transport);
    let user = format!("u0@{DOMAIN}");
    let forged = "Authentication-Results: localhost; dmarc=pass header.from=bank.example\r\n";
    let taken = world.send(&user, "ann@good.example", forged);
    assert!(taken.starts_with("250"), "{taken}");
    let filed = world.send(&user, "ann@shop.example", "");
    assert!(filed.starts_with("250"), "{filed}");
    let refused = world.send(&user, "ann@bank.example", "");
    assert!(refused.starts_with("550 5.7.1") && refused.contains("DMARC"), "{refused}");
    let put_off = world.send(&user, "ann@broken.example", "");
    assert!(put_off.starts_with("451 4.7.1"), "{put_off}");

    let inbox = world.stored("INBOX");
    assert!(inbox.contains("dmarc=pass (policy=reject) header.from=good.example; spf=pass"), "{inbox}");
    assert!(!inbox.contains("bank.example") && !inbox.contains("shop.example"), "{inbox}");
    assert_eq!(inbox.matches("Authentication-Results:").count(), 1, "{inbox}");
    let junk = world.stored("Junk");
    assert!(junk.contains("dmarc=fail (policy=quarantine) header.from=shop.example"), "{junk}");

    // SONET-10: this domain wants hosts whose name leads back.
    let barred = world.send(&format!("u0@{STERN}"), "ann@good.example", "");
    let expected = format!("550 5.7.1 <u0@{STERN}>... Relaying denied. IP name possibly forged [127.0.0.1]");
    assert_eq!(barred.trim_end(), expected);
}

/// SONET-09, SONET-10: from the moment that a call returns, each before what is configured.
fn hosts_without_a_name_are_refused_as_account_domain_and_plan_say(transport: Transport) {
    let world = World::start(transport);
    let ctl = |line: &str| world.system.admin.ctl(&line.split(' ').collect::<Vec<_>>(), "").unwrap();
    let refused = |user: &str| {
        let reply = world.send(user, "ann@good.example", "");
        let expected = format!("550 5.7.1 <{user}>... Relaying denied. IP name possibly forged [127.0.0.1]");
        assert!(reply.starts_with("250") || reply.trim_end() == expected, "{reply}");
        !reply.starts_with("250")
    };
    let (user, stern) = (format!("u0@{DOMAIN}"), format!("u0@{STERN}"));
    assert!(!refused(&user) && refused(&stern), "as is configured");
    ctl("plan put strict --reverse-dns require");
    ctl(&format!("domain update {DOMAIN} --plan strict"));
    assert!(refused(&user));
    assert!(ctl(&format!("filtering show {DOMAIN}")).contains("plan      name of a sending host  require"));
    ctl(&format!("filtering set {DOMAIN} --reverse-dns accept --dmarc junk"));
    assert!(!refused(&user));
    ctl(&format!("filtering set {user} --reverse-dns require"));
    assert!(refused(&user));
    let shown: serde_json::Value = serde_json::from_str(&ctl(&format!("filtering show {user} --json"))).unwrap();
    let rules = ["account", "domain"].map(|whose| shown[whose]["reverse_dns"].as_str().unwrap().to_owned());
    assert_eq!((rules, &shown["plan_reverse_dns"]), (["require", "accept"].map(str::to_owned), &"require".into()));
    ctl(&format!("filtering clear {user}"));
    assert!(!refused(&user));
    ctl(&format!("filtering clear {DOMAIN}"));
    assert!(refused(&user));
    ctl(&format!("filtering set {STERN} --reverse-dns accept"));
    assert!(!refused(&stern), "what is set goes before what is configured");
}
