//! Greeting, EHLO, STARTTLS, AUTH.

use yubin_session::PlaintextLogin;
use yubin_session::sasl::Credentials;
use yubin_session::smtp::client::{ClientConfig, FailureKind, Stage, StartTls, Verdict};

use crate::script::{Reports, config, letter, play_all, tls_facts};

fn with_login(tls: StartTls, plaintext_login: PlaintextLogin) -> ClientConfig {
    let login = Credentials::new(b"relay@example.jp", b"s3cret-word").unwrap();
    ClientConfig { tls, login: Some(login), plaintext_login, ..config() }
}

fn failure(reports: &Reports) -> (Stage, FailureKind, String) {
    let failure = reports.failure.clone().unwrap();
    (failure.stage, failure.kind, failure.reply.to_string())
}

const OFFERS_TLS: &str = "
    S: 220 mx
    C: EHLO mta.example.jp
    S: 250-mx
    S: 250-SIZE 10
    S: 250 STARTTLS
    C: STARTTLS
";

#[test]
fn tls_is_taken_and_everything_said_before_it_forgotten() {
    let script = format!(
        "{OFFERS_TLS}
        S: 220 go
        T:
        C: EHLO mta.example.jp
        S: 250-mx
        S: 250 PIPELINING
        C: MAIL FROM:<tim@example.jp>
        C: RCPT TO:<a@example.com>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 ok
        C: S: x
        C:
        C: ..dot
        C: .
        S: 250 ok
        C: QUIT
        S: 221 bye
        X:"
    );
    for tls in [StartTls::WhenOffered, StartTls::Required] {
        let reports = play_all(&script, &ClientConfig { tls, ..config() }, &[letter(&["a@example.com"])]);
        assert_eq!(reports.of(0)[0].0, Verdict::Delivered);
    }
}

#[test]
fn without_tls_a_client_goes_on_or_fails_as_configured() {
    let refused = format!("{OFFERS_TLS}\nS: 454 4.7.0 not now\nC: QUIT\nX:");
    let went_on = refused.replace("\nX:", "\nS: 221 bye\nX:");
    let reports = play_all(&went_on, &config(), &[]);
    assert_eq!(reports.failure, None);
    assert!(reports.transcript.iter().any(|line| line.contains("going on without TLS")));

    let required = ClientConfig { tls: StartTls::Required, ..config() };
    let not_offered = "S: 220 mx\nC: EHLO mta.example.jp\nS: 250 mx\nC: QUIT\nX:";
    for script in [refused.as_str(), not_offered] {
        let (stage, kind, reply) = failure(&play_all(script, &required, &[letter(&["a@example.com"])]));
        assert_eq!((stage, kind), (Stage::StartTls, FailureKind::NoTls));
        assert!(reply.starts_with("451 4.7.4 TLS is required"), "{reply}");
    }

    let never = ClientConfig { tls: StartTls::Never, ..config() };
    let script = "S: 220 mx\nC: EHLO mta.example.jp\nS: 250-mx\nS: 250 STARTTLS\nC: QUIT\nS: 221 bye\nX:";
    assert_eq!(play_all(script, &never, &[]).failure, None);
}

/// Attack list, item 2: what stands behind the reply to STARTTLS would be read as if it had come through TLS.
#[test]
fn replies_behind_starttls_end_the_connection() {
    let script = format!("{OFFERS_TLS}\nS: 220 go\nS: 250 mx\nX:");
    let reports = crate::script::play(&script, config(), vec![letter(&["a@example.com"])], usize::MAX);
    assert_eq!((failure(&reports).0, failure(&reports).1), (Stage::StartTls, FailureKind::Garbled));
}

#[test]
fn logins_go_by_plain_or_login_and_are_never_shown() {
    let plain = "
        S: 220 smart
        C: EHLO mta.example.jp
        S: 250-smart
        S: 250 AUTH PLAIN LOGIN
        C: AUTH PLAIN AHJlbGF5QGV4YW1wbGUuanAAczNjcmV0LXdvcmQ=
        S: 235 2.7.0 welcome
        C: QUIT
        S: 221 bye
        X:";
    let login = "
        S: 220 smart
        C: EHLO mta.example.jp
        S: 250-smart
        S: 250 AUTH LOGIN
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: cmVsYXlAZXhhbXBsZS5qcA==
        S: 334 UGFzc3dvcmQ6
        C: czNjcmV0LXdvcmQ=
        S: 235 welcome
        C: QUIT
        S: 221 bye
        X:";
    for script in [plain, login] {
        let reports = play_all(script, &with_login(StartTls::Implicit(tls_facts()), PlaintextLogin::Refuse), &[]);
        assert_eq!(reports.failure, None);
        let shown = reports.transcript.join("\n");
        assert!(shown.contains("AUTH") && shown.contains("235"), "{shown}");
        for secret in ["s3cret", "czNjcmV0", "AHJlbGF5", "cmVsYXlA"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn logins_that_can_not_be_are_failures() {
    let implicit = with_login(StartTls::Implicit(tls_facts()), PlaintextLogin::Refuse);
    let wrong = "
        S: 220 smart
        C: EHLO mta.example.jp
        S: 250-smart
        S: 250 AUTH PLAIN
        C: AUTH PLAIN AHJlbGF5QGV4YW1wbGUuanAAczNjcmV0LXdvcmQ=
        S: 535 5.7.8 wrong
        C: QUIT
        X:";
    assert_eq!(
        failure(&play_all(wrong, &implicit, &[])),
        (Stage::Auth, FailureKind::Refused, "535 5.7.8 wrong".into())
    );
    let none = "S: 220 smart\nC: EHLO mta.example.jp\nS: 250-smart\nS: 250 AUTH GSSAPI\nC: QUIT\nX:";
    assert_eq!(failure(&play_all(none, &implicit, &[])).1, FailureKind::NoLogin);

    // No password in clear, unless the network is trusted.
    let clear = "S: 220 smart\nC: EHLO mta.example.jp\nS: 250-smart\nS: 250 AUTH PLAIN\nC: QUIT\nX:";
    let refuse = with_login(StartTls::WhenOffered, PlaintextLogin::Refuse);
    assert_eq!(failure(&play_all(clear, &refuse, &[])).1, FailureKind::NoLogin);
    let allow = with_login(StartTls::WhenOffered, PlaintextLogin::Allow);
    let reports = play_all(wrong, &allow, &[]);
    assert_eq!(failure(&reports).1, FailureKind::Refused);
}

#[test]
fn servers_that_do_not_want_us_are_told_goodbye() {
    for (script, kind, reply) in [
        ("S: 554 5.7.1 go away\nC: QUIT\nX:", FailureKind::Refused, "554 5.7.1 go away"),
        ("S: 421 4.3.2 busy\nX:", FailureKind::Refused, "421 4.3.2 busy"),
        ("S: 220 mx\nC: EHLO mta.example.jp\nS: 421 busy\nX:", FailureKind::Refused, "421 busy"),
        (
            "S: 220 mx\nC: EHLO mta.example.jp\nS: 550 no\nC: HELO mta.example.jp\nS: 550 never\nC: QUIT\nX:",
            FailureKind::Refused,
            "550 never",
        ),
        ("E:\nX:", FailureKind::Lost, "421 4.4.2 lost connection while waiting for the reply to greeting"),
        ("Z:\nX:", FailureKind::Silent, "421 4.4.2 timed out while waiting for the reply to greeting"),
        (
            "S: +OK POP3 ready\nX:",
            FailureKind::Garbled,
            "421 4.5.0 the server broke the protocol in its reply to greeting",
        ),
    ] {
        let (_, found, text) = failure(&play_all(script, &config(), &[letter(&["a@example.com"])]));
        assert_eq!((found, text.as_str()), (kind, reply), "{script}");
    }
}
