//! Spam through the real binary: scored, filed, tagged, refused, by the rules of hosted domains and addresses, configured or set by an operator.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::process::wait_until;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports!(spam_is_filed_tagged_and_refused, rules_that_an_operator_sets_hold_at_once);

const FILED: &str = "filed.example";
const TAGGED: &str = "tagged.example";
const PASSWORD: &str = "correct horse battery";

const RULES: &str = "
[smtp.inbound]
verification = \"off\"
exempt_networks = []

[smtp.spam]
weights = { date_missing = 0 }

[[smtp.spam.recipients]]
recipient = \"tagged.example\"
filter = \"on\"
spam_score = 2
spam = \"inbox\"
certain_spam = \"reject\"
subject_tag = \"[SPAM]\"
allow = [\"magazine@shop.example\"]
deny = []

[[smtp.spam.recipients]]
recipient = \"u1@filed.example\"
filter = \"on\"
spam_score = 0
spam = \"reject\"
certain_spam = \"reject\"
subject_tag = \"\"
allow = []
deny = [\"*@shop.example\"]
";

fn send(system: &System, from: &str, to: &str, header: &str) -> String {
    let message = format!("From: {from}\r\n{header}\r\nhello\r\n");
    let mut session = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    session.send(from, to, message.as_bytes()).unwrap()
}

/// The headers of the messages of a mailbox.
fn stored(system: &System, user: &str, mailbox: &str) -> String {
    let mut imap = Imap::login(system.port("imaps").unwrap(), user, PASSWORD).unwrap();
    imap.ok(&format!("EXAMINE {mailbox}")).unwrap();
    imap.ok("UID FETCH 1:* BODY.PEEK[HEADER]").unwrap().text().concat().replace("\r\n\t", " ")
}

/// SHIN-11, SHIN-12.
fn spam_is_filed_tagged_and_refused(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::configured(transport, folder.path(), RULES).unwrap();
    system.admin.populate(FILED, 2, PASSWORD).unwrap();
    system.admin.populate(TAGGED, 1, PASSWORD).unwrap();
    // Nobody's mail, of 2100, with a field twice and a name that is somebody else's address.
    let spam = "Date: Fri, 01 Jan 2100 00:00:00 +0000\r\nSubject: win\r\nSubject: more\r\nX-Spam-Status: No\r\n";
    let from = "ann@shop.example";

    assert!(send(&system, from, &format!("u0@{FILED}"), spam).starts_with("250"));
    let junk = stored(&system, &format!("u0@{FILED}"), "Junk");
    assert!(junk.contains("X-Spam-Status: Yes, score=") && junk.contains("X-Spam-Flag: YES"), "{junk}");
    assert_eq!(junk.matches("X-Spam-Status").count(), 1, "{junk}");

    let denied = send(&system, from, &format!("u1@{FILED}"), "Subject: x\r\n");
    assert!(denied.starts_with("550 5.7.1"), "{denied}");

    let (tagged, filed) = (format!("u0@{TAGGED}"), format!("u0@{FILED}"));
    system.admin.ctl(&["account", "forward", "set", &tagged, &filed], "").unwrap();
    for author in [from, "magazine@shop.example"] {
        assert!(send(&system, author, &format!("u0@{TAGGED}"), "Subject: news\r\n").starts_with("250"));
    }
    let inbox = stored(&system, &format!("u0@{TAGGED}"), "INBOX");
    assert!(inbox.contains("From: ann@shop.example\r\nSubject: [SPAM] news\r\n"), "{inbox}");
    assert!(inbox.contains("From: magazine@shop.example\r\nSubject: news\r\n"), "{inbox}");
    assert!(inbox.contains("sender=allowed") && !inbox.contains("date_missing"), "{inbox}");
    // What is not spam is forwarded, and nothing else.
    let arrived = || stored(&system, &filed, "INBOX").contains("Subject: news");
    wait_until(Duration::from_secs(30), arrived).unwrap();
    let forwarded = stored(&system, &filed, "INBOX");
    assert!(forwarded.contains("magazine@shop.example") && !forwarded.contains("[SPAM]"), "{forwarded}");
}

/// SHIN-11, SHIN-12: by domain and account, on every front end, from the moment the call returns.
fn rules_that_an_operator_sets_hold_at_once(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let unverified = "[smtp.inbound]\nverification = \"off\"\nexempt_networks = []\n";
    let system = System::configured(transport, folder.path(), unverified).unwrap();
    system.admin.populate(FILED, 2, PASSWORD).unwrap();
    let ctl = |arguments: &[&str]| system.admin.ctl(&[&["filtering"], arguments].concat(), "").unwrap();
    let (ann, bob) = (format!("u0@{FILED}"), format!("u1@{FILED}"));
    let news = |to: &str, from: &str| send(&system, from, to, "Subject: news\r\n");
    let stranger = "ann@shop.example";

    assert!(ctl(&["show", FILED]).contains("as the front ends are configured"));
    let senders = "magazine@shop.example,*@*.trusted.example";
    ctl(&["set", FILED, "--score", "2", "--spam", "inbox", "--subject-tag", "[SPAM]", "--allow", senders]);
    for author in [stranger, "magazine@shop.example", "ann@a.trusted.example"] {
        assert!(news(&ann, author).starts_with("250"));
    }
    let inbox = stored(&system, &ann, "INBOX");
    assert!(inbox.contains("From: ann@shop.example\r\nSubject: [SPAM] news\r\n"), "{inbox}");
    assert_eq!(inbox.matches("Subject: news\r\n").count(), 2, "{inbox}");

    ctl(&["set", &bob, "--spam", "reject", "--deny", "*@shop.example"]);
    assert!(news(&bob, stranger).starts_with("550 5.7.1"));
    assert!(news(&bob, "ann@a.trusted.example").starts_with("250"));
    let shown: serde_json::Value = serde_json::from_str(&ctl(&["show", &bob, "--json"])).unwrap();
    assert_eq!(shown["account"]["spam"]["deny"], serde_json::json!(["*@shop.example"]));
    assert_eq!(shown["domain"]["spam"]["subject_tag"], "[SPAM]");

    ctl(&["clear", &bob]);
    ctl(&["clear", FILED]);
    assert!(news(&bob, stranger).starts_with("250"));
    let inbox = stored(&system, &bob, "INBOX");
    assert!(inbox.contains("Subject: news") && !inbox.contains("[SPAM]"), "{inbox}");
}
