//! BDAT (RFC 3030).

use yubin_session::smtp::client::{ConnectionState, Verdict};

use crate::script::{Letter, Message, config, letter, play_all};

const CHUNKING: &str = "
    S: 220 mx
    C: EHLO mta.example.jp
    S: 250-mx
    S: 250-PIPELINING
    S: 250 CHUNKING
    C: MAIL FROM:<tim@example.jp>
    C: RCPT TO:<a@example.com>
    C: RCPT TO:<b@example.com>
";

/// As many chunks as may be under way before the first is answered.
const FOUR_AHEAD: &str = "
    S: 250 ok
    S: 250 ok
    S: 250 ok
    C: BDAT 3
    C: 1
    C: BDAT 3
    C: 2
    C: BDAT 3
    C: 3
    C: BDAT 3
    C: 4";

fn letters(text: &[u8], piece: usize) -> [Letter; 1] {
    let mut letter = letter(&["a@example.com", "b@example.com"]);
    letter.message = Message::Pieces(text.to_vec(), piece);
    [letter]
}

#[test]
fn a_small_message_is_one_chunk() {
    let script = format!(
        "{CHUNKING}
        S: 250 ok
        S: 550 5.1.1 no
        S: 250 ok
        C: BDAT 7 LAST
        C: .a
        C: b
        S: 250 2.0.0 ok
        C: QUIT
        S: 221 bye
        X:"
    );
    // No dot is doubled, and the last line gets its end.
    let reports = play_all(&script, &config(), &letters(b".a\r\nb", 100));
    assert_eq!(reports.of(0)[1], (Verdict::Delivered, "250 2.0.0 ok".to_owned()));
}

#[test]
fn chunks_run_ahead_of_their_replies_within_bounds() {
    let script = format!(
        "{CHUNKING}{FOUR_AHEAD}
        S: 250 taken
        C: BDAT 3 LAST
        C: 5
        S: 250 taken
        S: 250 taken
        S: 250 taken
        S: 250 2.0.0 all taken
        C: QUIT
        S: 221 bye
        X:"
    );
    let reports = play_all(&script, &config(), &letters(b"1\r\n2\r\n3\r\n4\r\n5\r\n", 3));
    assert_eq!(reports.of(0)[0], (Verdict::Delivered, "250 2.0.0 all taken".to_owned()));
}

#[test]
fn a_refused_chunk_refuses_the_message_and_the_rest_is_not_sent() {
    let script = format!(
        "{CHUNKING}{FOUR_AHEAD}
        S: 552 5.2.2 full
        S: 503 no
        S: 503 no
        S: 503 no
        C: RSET
        C: MAIL FROM:<tim@example.jp>
        C: RCPT TO:<c@example.com>
        S: 250 ok
        S: 250 ok
        S: 250 ok
        C: BDAT 3 LAST
        C: x
        E:
        X:"
    );
    let mut last = letter(&["c@example.com"]);
    last.message = Message::Pieces(b"x\r\n".to_vec(), 100);
    let [first] = letters(b"1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n", 3);
    let reports = play_all(&script, &config(), &[first, last]);
    let refused = (Verdict::Refused, "552 5.2.2 full".to_owned());
    assert_eq!(reports.of(0), [refused.clone(), refused]);
    assert_eq!(reports.outcomes[0].connection, ConnectionState::Usable);
    assert_eq!(reports.of(1)[0].0, Verdict::Unknown);
}

#[test]
fn a_connection_lost_between_chunks_delivers_nothing() {
    let script = "
        S: 220 mx
        C: EHLO mta.example.jp
        S: 250-mx
        S: 250 CHUNKING
        C: MAIL FROM:<tim@example.jp>
        S: 250 ok
        C: RCPT TO:<a@example.com>
        S: 250 ok
        C: RCPT TO:<b@example.com>
        S: 250 ok
        C: BDAT 3
        C: 1
        E:
        X:";
    let reports = play_all(script, &config(), &letters(b"1\r\n2\r\n", 3));
    assert_eq!(reports.of(0)[0].0, Verdict::Deferred);
    assert_eq!(reports.outcomes[0].connection, ConnectionState::Over);
}
