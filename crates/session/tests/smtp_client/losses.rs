//! Connections that end, servers that fall silent, messages that break off: what is known afterwards, and what is not.

use yubin_session::Session as _;
use yubin_session::smtp::client::{ConnectionState, Verdict};
use yubin_types::Timestamp;

use crate::script::{Letter, Message, Running, Waits, config, letter, play, play_all};

const ENVELOPE: &str = "
    S: 220 mx
    C: EHLO mta.example.jp
    S: 250-mx
    S: 250 PIPELINING
    C: MAIL FROM:<tim@example.jp>
    C: RCPT TO:<a@example.com>
    C: RCPT TO:<b@example.com>
    C: DATA
";
const MESSAGE: &str = "
    S: 250 ok
    S: 550 5.1.1 no
    S: 250 ok
    S: 354 ok
    C: S: x
    C:
    C: ..dot
    C: .
";

fn letters() -> [Letter; 1] {
    [letter(&["a@example.com", "b@example.com"])]
}

#[test]
fn a_connection_lost_before_the_end_leaves_everybody_deferred_who_was_not_refused() {
    for (script, verdicts) in [
        (format!("{ENVELOPE}\nE:\nX:"), [Verdict::Deferred, Verdict::Deferred]),
        (format!("{ENVELOPE}\nZ:\nX:"), [Verdict::Deferred, Verdict::Deferred]),
        (format!("{ENVELOPE}\nS: 250 ok\nS: 550 no\nE:\nX:"), [Verdict::Refused, Verdict::Deferred]),
        (format!("{ENVELOPE}\nS: 250 ok\nS: 550 no\nS: 421 bye\nX:"), [Verdict::Refused, Verdict::Deferred]),
    ] {
        let reports = play_all(&script, &config(), &letters());
        let found: Vec<Verdict> = reports.of(0).into_iter().map(|recipient| recipient.0).collect();
        assert_eq!(found, verdicts, "{script}");
        assert_eq!(reports.outcomes[0].connection, ConnectionState::Over);
    }
}

#[test]
fn after_the_final_dot_only_a_reply_decides() {
    for (end, verdict, reply) in [
        ("E:", Verdict::Unknown, "421 4.4.2 lost connection while waiting for the reply to end of DATA"),
        ("Z:", Verdict::Unknown, "421 4.4.2 timed out while waiting for the reply to end of DATA"),
        ("S: garbage", Verdict::Unknown, "421 4.5.0 the server broke the protocol in its reply to end of DATA"),
        ("S: 354 again?", Verdict::Unknown, "421 4.5.0 the server broke the protocol in its reply to end of DATA"),
        ("S: 421 4.3.0 disk", Verdict::Deferred, "421 4.3.0 disk"),
        ("S: 451 4.3.0 disk", Verdict::Deferred, "451 4.3.0 disk"),
    ] {
        let bye = if end.contains("451") { "C: QUIT\nS: 221 bye\n" } else { "" };
        let reports = play_all(&format!("{ENVELOPE}{MESSAGE}{end}\n{bye}X:"), &config(), &letters());
        assert_eq!(reports.of(0)[0], (Verdict::Refused, "550 5.1.1 no".to_owned()));
        assert_eq!(reports.of(0)[1], (verdict, reply.to_owned()), "{end}");
    }
}

#[test]
fn a_message_that_breaks_off_is_never_ended() {
    let mut broken = letters();
    broken[0].message = Message::BreaksAfter(b"Subject: x\r\n\r\nhalf".to_vec());
    let head = MESSAGE.lines().take_while(|line| !line.contains("C:")).collect::<Vec<_>>().join("\n");
    let reports = play_all(&format!("{ENVELOPE}{head}\nX:"), &config(), &broken);
    assert_eq!(reports.of(0)[1], (Verdict::Deferred, "451 4.3.0 the message could not be read".to_owned()));
    assert_eq!(reports.outcomes[0].connection, ConnectionState::Over);
}

/// A server that refuses in the middle and closes: writing fails, and its last word counts.
#[test]
fn what_a_server_said_before_it_closed_in_the_middle_counts() {
    for (said, verdict) in [("552 5.3.4 too big\r\n", Verdict::Refused), ("", Verdict::Deferred)] {
        let mut big = letters();
        big[0].message = Message::Pieces(vec![b'x'; 1_000_000], 100_000);
        let mut running = Running::new(config(), big.to_vec());
        for text in ["220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 ok\r\n"] {
            assert!(matches!(running.run().1, Waits::Server { .. }));
            running.client().receive(text.as_bytes());
        }
        // The first write of the message fails.
        while !matches!(running.client().next(Timestamp(0)), yubin_session::Step::Ask(_)) {}
        running.client().answer(yubin_session::smtp::client::Answer::Piece(vec![b'x'; 200_000].into()));
        assert!(matches!(running.client().next(Timestamp(0)), yubin_session::Step::Write(_)));
        running.client().receive(said.as_bytes());
        running.client().end_of_input();
        running.run();
        assert_eq!(running.reports.of(0)[0].0, verdict);
    }
}

#[test]
fn each_reply_has_its_time_however_it_trickles() {
    let mut running = Running::new(config(), letters().to_vec());
    assert_eq!(running.run().1, Waits::Server { seconds_max: 300 });
    // An octet every four minutes is no reply.
    running.client().receive(b"2");
    running.now = running.now.plus_seconds(240);
    assert_eq!(running.run().1, Waits::Server { seconds_max: 60 });
    running.client().receive(b"2");
    running.now = running.now.plus_seconds(60);
    assert_eq!(running.run().1, Waits::Closed);
    assert!(running.reports.failure.is_some());

    let mut running = Running::new(config(), letters().to_vec());
    let mut limits = Vec::new();
    for text in ["220 x\r\n", "250-x\r\n250 PIPELINING\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 ok\r\n", ""]
    {
        match running.run().1 {
            Waits::Server { seconds_max } => limits.push(seconds_max),
            other => panic!("{other:?}"),
        }
        running.client().receive(text.as_bytes());
    }
    // Greeting, EHLO, MAIL, RCPT, RCPT, DATA, the end (RFC 5321 §4.5.3.2).
    assert_eq!(limits, [300, 300, 300, 300, 300, 120, 600]);
}

/// An extra reply would be taken for that of the next message: the connection ends instead.
#[test]
fn a_server_out_of_step_is_not_used_again() {
    let script = format!("{ENVELOPE}{MESSAGE}S: 250 ok\nS: 250 ok\nX:");
    let reports = play(&script, config(), vec![letters()[0].clone(), letter(&["c@example.com"])], usize::MAX);
    assert_eq!(reports.of(0)[1].0, Verdict::Delivered);
    assert_eq!(reports.outcomes[0].connection, ConnectionState::Over);
    assert_eq!(reports.outcomes.len(), 1);
}
