//! Whole SMTP dialogues, each played in one segment, octet by octet, and in odd pieces.

use yubin_session::Security;
use yubin_session::smtp::{Listener, SmtpSession};

use crate::harness::{Connection, bound_facts, play_all, tls_facts};
use crate::rim::{SmtpRim, connect, greeted, taking_tokens, trusted};

type Connect = fn() -> Connection<SmtpSession, SmtpRim>;

#[test]
fn dialogues_go_as_written() {
    let mx_clear: Connect = || connect(Listener::Mx, Security::Clear);
    let mx: Connect = || connect(Listener::Mx, Security::Upgradable);
    let submission: Connect = || connect(Listener::Submission, Security::Upgradable);
    let submissions: Connect = || connect(Listener::Submission, Security::Encrypted(tls_facts()));
    let lmtp: Connect = || connect(Listener::Lmtp, Security::Upgradable);
    let xclient: Connect = || trusted(Listener::Mx, Security::Clear);
    let bound: Connect = || connect(Listener::Submission, Security::Encrypted(bound_facts()));
    for (name, transcript, connection) in [
        ("mx", include_str!("transcripts/mx.txt"), mx),
        ("order", include_str!("transcripts/order.txt"), mx_clear),
        ("submission", include_str!("transcripts/submission.txt"), submission),
        ("scram", include_str!("transcripts/scram.txt"), submissions),
        ("bound", include_str!("transcripts/bound.txt"), bound),
        ("token", include_str!("transcripts/token.txt"), taking_tokens),
        ("guessing", include_str!("transcripts/guessing.txt"), submissions),
        ("drain", include_str!("transcripts/drain.txt"), mx_clear),
        ("lmtp", include_str!("transcripts/lmtp.txt"), lmtp),
        ("xclient", include_str!("transcripts/xclient.txt"), xclient),
        ("silence", include_str!("transcripts/silence.txt"), mx_clear),
    ] {
        play_all(name, transcript, connection);
    }
}

/// A pipelined envelope costs one question each for MAIL, all RCPT, and DATA, and its replies go out in one write.
#[test]
fn a_pipelined_envelope_costs_few_steps() {
    let mut connection = greeted();
    connection.run();
    connection.steps = 0;
    let recipients = "RCPT TO:<tim@example.jp>\r\n".repeat(50);
    let said = connection.say(&format!("MAIL FROM:<a@b.example>\r\n{recipients}DATA\r\n"));
    assert_eq!(said.lines().count(), 52);
    // The first Read, three questions, one write, one Read.
    assert_eq!(connection.steps, 6);
}
