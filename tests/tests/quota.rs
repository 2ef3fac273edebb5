//! The quota, as each protocol says it: the account's own, and the one that a domain's accounts share.
//!
//! A full account refuses by SMTP and by APPEND and COPY; a full domain refuses mail to every one of its accounts. Deleting
//! is always possible, and what it frees can be used at once.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::pop3::Pop3;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    a_full_account_refuses_in_each_protocol_and_deleting_frees_it,
    a_full_domain_refuses_mail_to_every_one_of_its_accounts,
    a_message_larger_than_the_limit_is_refused_before_its_content,
    a_message_larger_than_the_plan_allows_is_refused_in_each_protocol,
}

const PASSWORD: &str = "correct horse battery";
const SENDER: &str = "friend@elsewhere.example";

fn message(size_bytes: usize) -> Vec<u8> {
    let mut message = b"Subject: filler\r\n\r\n".to_vec();
    while message.len() < size_bytes {
        message.extend_from_slice(b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    }
    message
}

fn a_full_account_refuses_in_each_protocol_and_deleting_frees_it(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.ctl(&["domain", "create", "full.example"], "").unwrap();
    let user = "u0@full.example";
    system.admin.ctl(&["account", "create", user, "--quota", "100000", "--password-stdin"], PASSWORD).unwrap();

    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send(SENDER, user, &message(60_000)).unwrap().starts_with("250"));
    let refused = smtp.send(SENDER, user, &message(60_000)).unwrap();
    assert!(refused.starts_with("552 5.2.2"), "{refused}");
    // With SIZE declared the answer comes before any content (RFC 1870 §6.1).
    smtp.expect(&format!("MAIL FROM:<{SENDER}> SIZE=60000"), "250").unwrap();
    let early = smtp.command(&format!("RCPT TO:<{user}>")).unwrap();
    assert!(early.starts_with("552 5.2.2"), "{early}");

    let mut imap = Imap::login(system.port("imaps").unwrap(), user, PASSWORD).unwrap();
    let status = imap.append("INBOX", &message(60_000)).unwrap();
    assert!(status.starts_with("NO [OVERQUOTA]"), "{status}");
    imap.ok("SELECT INBOX").unwrap();
    let copy = imap.command("COPY 1 Archive").unwrap();
    assert!(copy.status.starts_with("NO [OVERQUOTA]"), "{}", copy.status);

    imap.ok("STORE 1 +FLAGS (\\Deleted)").unwrap();
    imap.ok("EXPUNGE").unwrap();
    assert_eq!(system.admin.usage(user).unwrap().bytes, 0);
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send(SENDER, user, &message(60_000)).unwrap().starts_with("250"));
}

fn a_full_domain_refuses_mail_to_every_one_of_its_accounts(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.ctl(&["domain", "create", "shared.example", "--quota", "100000"], "").unwrap();
    for name in ["u0", "u1"] {
        let user = format!("{name}@shared.example");
        system.admin.ctl(&["account", "create", &user, "--password-stdin"], PASSWORD).unwrap();
    }
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send(SENDER, "u0@shared.example", &message(90_000)).unwrap().starts_with("250"));
    for user in ["u0@shared.example", "u1@shared.example"] {
        let refused = smtp.send(SENDER, user, &message(20_000)).unwrap();
        assert!(refused.starts_with("552 5.2.2"), "{user}: {refused}");
        let mut imap = Imap::login(system.port("imaps").unwrap(), user, PASSWORD).unwrap();
        let status = imap.append("INBOX", &message(20_000)).unwrap();
        assert!(status.starts_with("NO [OVERQUOTA]"), "{user}: {status}");
    }
    // What one account frees, another may use, at once.
    let mut pop3 = Pop3::login(system.port("pop3s").unwrap(), "u0@shared.example", PASSWORD).unwrap();
    pop3.delete(&[1]).unwrap();
    pop3.quit().unwrap();
    assert!(smtp.send(SENDER, "u1@shared.example", &message(20_000)).unwrap().starts_with("250"));
}

fn a_message_larger_than_the_limit_is_refused_before_its_content(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate("small.example", 1, PASSWORD).unwrap();
    let mut smtp = Smtp::connect(system.port("smtp").unwrap()).unwrap();
    let hello = smtp.expect("EHLO client.elsewhere.example", "250").unwrap();
    let limit: u64 = hello.lines().find_map(|line| line.get(4..)?.strip_prefix("SIZE ")?.parse().ok()).unwrap();
    let refused = smtp.command(&format!("MAIL FROM:<{SENDER}> SIZE={}", limit + 1)).unwrap();
    assert!(refused.starts_with("552 5.3.4"), "{refused}");
}

fn a_message_larger_than_the_plan_allows_is_refused_in_each_protocol(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.ctl(&["plan", "put", "small", "--message-size", "50000"], "").unwrap();
    system.admin.ctl(&["domain", "create", "small.example", "--plan", "small"], "").unwrap();
    let user = "u0@small.example";
    system.admin.ctl(&["account", "create", user, "--password-stdin"], PASSWORD).unwrap();

    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send(SENDER, user, &message(40_000)).unwrap().starts_with("250"));
    smtp.expect(&format!("MAIL FROM:<{SENDER}> SIZE=60000"), "250").unwrap();
    let early = smtp.command(&format!("RCPT TO:<{user}>")).unwrap();
    assert!(early.starts_with("552 5.3.4"), "{early}");
    smtp.expect("RSET", "250").unwrap();
    let late = smtp.send(SENDER, user, &message(60_000)).unwrap();
    assert!(late.starts_with("552 5.3.4"), "{late}");
    let mut imap = Imap::login(system.port("imaps").unwrap(), user, PASSWORD).unwrap();
    let status = imap.append("INBOX", &message(60_000)).unwrap();
    assert!(status.starts_with("NO [TOOBIG]"), "{status}");
    assert_eq!(system.admin.usage(user).unwrap().messages, 1);

    // A change of the plan has happened when the call returns.
    system.admin.ctl(&["plan", "put", "small", "--message-size", "70000"], "").unwrap();
    assert!(smtp.send(SENDER, user, &message(60_000)).unwrap().starts_with("250"));
}
