//! Servers that mean harm, or are none: nothing grows, nothing hangs, nothing is reported delivered that was not.

use proptest::prelude::*;
use yubin_session::Session as _;
use yubin_session::smtp::client::{FailureKind, Verdict};

use crate::script::{Running, Waits, config, letter};

/// What the client reports, if the server says this after the greeting was waited for.
fn reports(bytes: &[u8], segment: usize) -> crate::script::Reports {
    let mut running = Running::new(config(), vec![letter(&["a@example.com"]), letter(&["b@example.com"])]);
    let mut rest = bytes.chunks(segment);
    loop {
        match running.run().1 {
            Waits::Closed => return running.reports,
            Waits::Handshake => running.client().tls_started(crate::script::tls_facts()),
            Waits::Server { .. } => match rest.next() {
                Some(piece) => running.client().receive(piece),
                None => running.client().end_of_input(),
            },
        }
    }
}

#[test]
fn endless_lines_endless_replies_and_garbage_end_the_connection() {
    let endless = [b"220 ".as_slice(), &vec![b'a'; 10_000_000]].concat();
    let many = "220-hello\r\n".repeat(10_000).into_bytes();
    let nuls = vec![0; 1_000_000];
    let binary: Vec<u8> = (0..100_000_u32).map(|index| (index * 7_919).to_le_bytes()[1]).collect();
    for (name, bytes) in [("endless", endless), ("many", many), ("nuls", nuls), ("binary", binary)] {
        for segment in [1_000, 32_768] {
            let failure = reports(&bytes, segment).failure.unwrap();
            assert_eq!(failure.kind, FailureKind::Garbled, "{name}");
        }
    }
    let lines = [b"220 x\r\n".as_slice(), "250-X\r\n".repeat(10_000).as_bytes()].concat();
    assert_eq!(reports(&lines, 32_768).failure.unwrap().kind, FailureKind::Garbled);
}

/// Attack list, item 9.
#[test]
fn hostile_words_do_not_reach_commands_or_records() {
    let bytes = b"220 x\r\n250-x\r\n250 SIZE 5\r\nPIPELINING\r\n250 ok\r\n550 5.1.1 \x1b]0;pwned\x07\x9b\r\n";
    let reports = reports(bytes, 1);
    for line in &reports.transcript {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
}

/// All of a server's replies at once, before any command: a message is delivered only by a 2yz that stands where its end belongs.
#[test]
fn replies_in_advance_deliver_nothing_they_refuse() {
    let advance = b"220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n554 no\r\n";
    let reports = reports(advance, usize::MAX);
    assert_eq!(reports.outcomes[0].recipients[0].verdict, Verdict::Refused);
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let reply = prop::sample::select(vec![
        "220 x\r\n",
        "250-x\r\n250 PIPELINING\r\n",
        "250-x\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "421 bye\r\n",
        "450 later\r\n",
        "550 no\r\n",
        "334 \r\n",
        "250-",
        "\r\n",
        "\0",
    ]);
    prop_oneof![
        20 => reply.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..50),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever a server says, the client comes to an end, every transaction gets one outcome, and each recipient one verdict.
    #[test]
    fn no_server_brings_a_client_down(words in prop::collection::vec(words(), 0..30), segment in 1usize..40) {
        let reports = reports(&words.concat(), segment);
        prop_assert!(reports.failure.is_none() || reports.outcomes.is_empty());
        prop_assert!(reports.outcomes.len() <= 2);
        for outcome in &reports.outcomes {
            prop_assert_eq!(outcome.recipients.len(), 1);
        }
    }
}
