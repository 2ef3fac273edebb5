//! What a call of the administration returned has happened: on every port, for sessions that are open, at once.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use ring::digest::{SHA256, digest};
use serde_json::Value;
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::pop3::Pop3;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{Admin, System, Transport};

over_both_transports! {
    a_new_address_receives_at_once,
    a_changed_password_is_refused_and_ends_open_sessions,
    a_suspended_domain_stops_everywhere_and_resumes_with_its_mail,
    nodes_are_listed_as_json,
    a_revoked_token_stays_revoked_and_the_only_one_good,
    the_queue_is_suspended_and_resumed_and_nothing_is_given_up_by_a_slip,
}

const DOMAIN: &str = "admin.example";
const USER: &str = "u0@admin.example";
const SENDER: &str = "friend@elsewhere.example";
const PASSWORD: &str = "correct horse battery";

fn system(transport: Transport, folder: &tempfile::TempDir) -> System {
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate(DOMAIN, 1, PASSWORD).unwrap();
    system
}

fn a_new_address_receives_at_once(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = system(transport, &folder);
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    let unknown = smtp.send(SENDER, "new@admin.example", b"Subject: a\r\n\r\nb\r\n").unwrap();
    assert!(unknown.starts_with("550 5.1.1"), "{unknown}");
    system.admin.ctl(&["account", "create", "new@admin.example", "--password-stdin"], PASSWORD).unwrap();
    let known = smtp.send(SENDER, "new@admin.example", b"Subject: a\r\n\r\nb\r\n").unwrap();
    assert!(known.starts_with("250"), "{known}");
}

fn a_changed_password_is_refused_and_ends_open_sessions(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = system(transport, &folder);
    let imaps = system.port("imaps").unwrap();
    let mut open = Imap::login(imaps, USER, PASSWORD).unwrap();
    open.ok("SELECT INBOX").unwrap();
    // A second login takes the fast way; it must be refused just as well.
    drop(Imap::login(imaps, USER, PASSWORD).unwrap());

    system.admin.ctl(&["account", "set-password", USER, "--password-stdin"], "another long password").unwrap();

    let refused = Imap::login(imaps, USER, PASSWORD).unwrap_err().to_string();
    assert!(refused.contains("NO [AUTHENTICATIONFAILED]"), "{refused}");
    assert!(Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).is_err());
    Imap::login(imaps, USER, "another long password").unwrap();
    // The open session either ends or refuses; it serves nothing more.
    let more = open.command("FETCH 1:* FLAGS");
    assert!(more.is_err() || more.is_ok_and(|reply| !reply.status.starts_with("OK")));
}

fn a_suspended_domain_stops_everywhere_and_resumes_with_its_mail(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = system(transport, &folder);
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send(SENDER, USER, b"Subject: kept\r\n\r\nb\r\n").unwrap().starts_with("250"));
    let mut open = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    open.ok("SELECT INBOX").unwrap();

    system.admin.ctl(&["domain", "suspend", DOMAIN, "--reason", "invoice 123 unpaid"], "").unwrap();

    let refused = smtp.send(SENDER, USER, b"Subject: b\r\n\r\nb\r\n").unwrap();
    assert!(!refused.starts_with('2'), "{refused}");
    assert!(Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).is_err());
    assert!(Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).is_err());
    let more = open.command("FETCH 1 FLAGS");
    assert!(more.is_err() || more.is_ok_and(|reply| !reply.status.starts_with("OK")));

    system.admin.ctl(&["domain", "resume", DOMAIN], "").unwrap();
    let mut pop3 = Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).unwrap();
    assert_eq!(pop3.stat().unwrap().0, 1);
    assert!(smtp.send(SENDER, USER, b"Subject: b\r\n\r\nb\r\n").unwrap().starts_with("250"));
}

fn nodes_are_listed_as_json(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = system(transport, &folder);
    let listed = system.admin.ctl(&["node", "list", "--json"], "").unwrap();
    let nodes: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let nodes = nodes.as_array().or_else(|| nodes.get("nodes")?.as_array()).unwrap();
    assert_eq!(nodes.len(), 1, "{listed}");
}

fn a_revoked_token_stays_revoked_and_the_only_one_good(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = System::over(transport, folder.path()).unwrap();
    let first = system.admin.clone();
    let token = |admin: &Admin, arguments: &[&str]| {
        let arguments: Vec<&str> = std::iter::once(&"token").chain(arguments).copied().collect();
        admin.ctl(&arguments, "").map_err(|error| error.to_string())
    };
    let listed = |admin: &Admin| {
        let list: Value = serde_json::from_str(&token(admin, &["list", "--json"]).unwrap()).unwrap();
        list["tokens"].as_array().unwrap().clone()
    };
    let [made_at_start] = &listed(&first)[..] else { panic!("one token") };
    let fingerprint = digest(&SHA256, std::fs::read_to_string(&first.token).unwrap().trim().as_bytes());
    let fingerprint: String = fingerprint.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(made_at_start["fingerprint"], fingerprint);
    let old = made_at_start["name"].as_str().unwrap();
    let refused = token(&first, &["revoke", old]).unwrap_err();
    assert!(refused.contains("the only token"), "{refused}");
    assert!(token(&first, &["create", "Two_Words"]).unwrap_err().contains("name: 1 to 32 of"));

    let second = Admin { token: folder.path().join("operator"), ..first.clone() };
    let secret = token(&first, &["create", "operator"]).unwrap();
    std::fs::write(&second.token, &secret).unwrap();
    assert!(token(&first, &["create", "operator"]).unwrap_err().contains("taken by another token"));
    let table = token(&second, &["list"]).unwrap();
    assert!(
        table.contains("operator") && table.contains(&fingerprint[..16]) && !table.contains(secret.trim()),
        "{table}"
    );

    token(&second, &["revoke", old]).unwrap();
    assert!(token(&first, &["list"]).unwrap_err().contains("this token is not known"));
    // The file of the revoked token still lies where the process finds it at its start.
    system.running.kill().unwrap();
    system.start_again().unwrap();
    assert!(token(&first, &["list"]).unwrap_err().contains("this token is not known"));
    let [left] = &listed(&second)[..] else { panic!("one token") };
    assert_eq!(left["name"], "operator");
    assert!(token(&second, &["create", old]).unwrap_err().contains("was revoked"));
}

fn the_queue_is_suspended_and_resumed_and_nothing_is_given_up_by_a_slip(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = system(transport, &folder);
    let ctl = |arguments: &[&str]| system.admin.ctl(arguments, "");
    assert!(ctl(&["queue", "summary"]).unwrap().ends_with("0 messages, 0 B, 0 deliveries\n"));

    ctl(&["queue", "suspend", "--destination", "Far.Example", "--reason", "asked by them", "--for", "2h"]).unwrap();
    ctl(&["queue", "suspend", "--domain", DOMAIN, "--reason", "invoice 123 unpaid"]).unwrap();
    let listed = ctl(&["queue", "suspensions", "--json"]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.get("suspensions").and_then(|all| all.as_array()).map(Vec::len), Some(2), "{listed}");
    let left = ctl(&["queue", "resume", "--destination", "far.example"]).unwrap();
    assert!(left.contains(DOMAIN) && !left.contains("far.example"), "{left}");

    for slip in [
        &["queue", "cancel", "--destination", "far.example", "--confirm", "fat.example"][..],
        &["queue", "cancel", "--confirm", "everything"],
        &["queue", "retry"],
    ] {
        assert!(ctl(slip).is_err(), "{slip:?}");
    }
    assert!(ctl(&["trace", USER]).unwrap().contains("\nNothing waits.\n"));
    assert!(ctl(&["queue", "show", &"0".repeat(32)]).is_err());
}
