//! The client against this project's own server session, both as values: what is handed in comes out, octet for octet.

use proptest::prelude::*;
use yubin_session::sasl::TokenLogin;
use yubin_session::smtp::client::{Outcome, Verdict};
use yubin_session::smtp::{self, Config, Listener, SmtpSession, Xclient};
use yubin_session::{PlaintextLogin, Security, Session as _, Step};
use yubin_types::{Priority, Timestamp, TraceId};

use crate::script::{Letter, Message, Running, Waits, config, letter, tls_facts};

/// Both ends of a connection; messages that arrived.
fn converse(letters: Vec<Letter>, segment: usize) -> (Vec<Outcome>, Vec<Vec<u8>>) {
    let mut client = Running::new(config(), letters);
    let mut server = SmtpSession::new(Config {
        listener: Listener::Mx,
        hostname: "mx.example.com".into(),
        security: Security::Upgradable,
        plaintext_login: PlaintextLogin::Refuse,
        tokens: TokenLogin::Refuse,
        xclient: Xclient::Off,
        priority_max: Priority::MAX,
        message_bytes_max: 1_000_000,
    });
    let (mut arrived, mut current) = (Vec::new(), Vec::new());
    loop {
        let (replies, shakes) = run(&mut server, &mut current, &mut arrived);
        replies.chunks(segment).for_each(|piece| client.client().receive(piece));
        let (commands, waits) = client.run();
        match waits {
            Waits::Handshake if shakes => {
                server.tls_started(tls_facts());
                client.client().tls_started(tls_facts());
                let (commands, _) = client.run();
                server.receive(&commands);
            }
            Waits::Closed => return (client.reports.outcomes, arrived),
            Waits::Handshake | Waits::Server { .. } => commands.chunks(segment).for_each(|piece| server.receive(piece)),
        }
    }
}

fn run(server: &mut SmtpSession, current: &mut Vec<u8>, arrived: &mut Vec<Vec<u8>>) -> (Vec<u8>, bool) {
    let mut replies = Vec::new();
    loop {
        let answer = match server.next(Timestamp(0)) {
            Step::Write(bytes) => {
                replies.extend_from_slice(&bytes);
                continue;
            }
            Step::Ask(smtp::Ask::Recipients(recipients)) => {
                smtp::Answer::Recipients(vec![smtp::Verdict::Accepted; recipients.len()])
            }
            Step::Ask(smtp::Ask::Chunk(piece)) => {
                current.extend_from_slice(&piece);
                smtp::Answer::Accepted
            }
            Step::Ask(smtp::Ask::Finish { last, .. }) => {
                current.extend_from_slice(&last);
                arrived.push(std::mem::take(current));
                smtp::Answer::Stored { id: TraceId([0; 16]) }
            }
            Step::Ask(_) => smtp::Answer::Accepted,
            Step::Read { .. } | Step::Close => return (replies, false),
            Step::StartTls => return (replies, true),
        };
        server.answer(answer);
    }
}

#[test]
fn messages_arrive_over_one_connection_through_tls() {
    let letters: Vec<Letter> = (0..5).map(|_| letter(&["a@example.com", "b@example.com"])).collect();
    let (outcomes, arrived) = converse(letters, 10_000);
    assert_eq!(arrived, vec![b"S: x\r\n\r\n.dot\r\n".to_vec(); 5]);
    for outcome in outcomes {
        assert!(outcome.recipients.iter().all(|recipient| recipient.verdict == Verdict::Delivered));
    }
}

proptest! {
    #[test]
    fn every_message_arrives_as_it_was(
        lines in prop::collection::vec(prop::sample::select(vec!["", ".", "..", ".a", "text", "a.", "BDAT 1 LAST", "QUIT"]), 0..40),
        piece in 1usize..50,
        segment in 1usize..50,
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut one = letter(&["a@example.com"]);
        one.message = Message::Pieces(text.clone().into_bytes(), piece);
        let (outcomes, arrived) = converse(vec![one.clone(), one], segment);
        prop_assert_eq!(arrived, vec![text.clone().into_bytes(), text.into_bytes()]);
        prop_assert_eq!(outcomes.len(), 2);
    }
}
