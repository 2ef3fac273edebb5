use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use yubin_session::{Session, Step, TlsFacts};
use yubin_types::Timestamp;

use super::{Ended, Rim, Terms, drive};
use crate::places::Places;
use crate::transport::Transport;

/// What happened to a session, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// A session that plays its steps and writes down what it is fed; without steps it reads.
struct Script {
    steps: VecDeque<Step<&'static str>>,
    log: Log,
    over: bool,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step<&'static str>>) -> (Self, Log) {
        let log = Log::default();
        (Script { steps: steps.into_iter().collect(), log: Arc::clone(&log), over: false }, log)
    }

    fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }
}

impl Session for Script {
    type Ask = &'static str;
    type Answer = &'static str;

    fn next(&mut self, _now: Timestamp) -> Step<&'static str> {
        if self.over {
            return Step::Close;
        }
        self.steps.pop_front().unwrap_or(Step::Read { seconds_max: 60 })
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.note(format!("received {}", String::from_utf8_lossy(bytes)));
    }

    fn answer(&mut self, answer: &'static str) {
        self.note(format!("answered {answer}"));
        self.over = answer == "end";
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        self.note(facts.version);
    }

    fn end_of_input(&mut self) {
        self.note("end of input");
        self.over = true;
    }

    fn timed_out(&mut self) {
        self.note("timed out");
        self.steps.push_back(write("421 too slow\r\n"));
        self.steps.push_back(Step::Close);
    }

    fn drain(&mut self) {
        self.note("drain");
        self.steps.push_back(write("421 restarting\r\n"));
        self.steps.push_back(Step::Close);
    }
}

#[derive(Default)]
enum Answers {
    #[default]
    AtOnce,
    Never,
}

/// Answers with the question.
#[derive(Default)]
struct Echo {
    answers: Answers,
    event: Arc<Notify>,
}

impl Rim<Script> for Echo {
    async fn ask(&mut self, ask: &'static str) -> &'static str {
        match self.answers {
            Answers::AtOnce => ask,
            Answers::Never => std::future::pending().await,
        }
    }

    async fn event(&mut self) -> &'static str {
        self.event.notified().await;
        "event"
    }

    async fn close(&mut self, _: Option<String>) {}
}

fn write(text: &'static str) -> Step<&'static str> {
    Step::Write(Bytes::from_static(text.as_bytes()))
}

/// Runs a session against the near end of a pipe; gives the far end.
fn run(mut session: Script, mut rim: Echo, drain: CancellationToken) -> (DuplexStream, tokio::task::JoinHandle<Ended>) {
    let (near, far) = tokio::io::duplex(1024 * 1024);
    let driven = tokio::spawn(async move {
        let mut transport = Transport::Clear(near);
        let terms = Terms { tls: None, drain: &drain, places: &Places::new(1) };
        drive(&mut session, &mut rim, &mut transport, terms).await
    });
    (far, driven)
}

fn said(log: &Log) -> Vec<String> {
    log.lock().unwrap().clone()
}

#[tokio::test]
async fn replies_to_quick_questions_arrive_together() {
    let steps = [write("250 a\r\n"), Step::Ask("one"), write("250 b\r\n"), Step::Ask("two"), write("354 c\r\n")];
    let (session, log) = Script::new(steps);
    let (mut far, _driven) = run(session, Echo::default(), CancellationToken::new());
    let mut buffer = [0; 100];
    let read = far.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..read], b"250 a\r\n250 b\r\n354 c\r\n");
    assert_eq!(said(&log), ["answered one", "answered two"]);
}

#[tokio::test]
async fn a_slow_answer_does_not_hold_back_what_was_said_before() {
    let (session, log) = Script::new([write("+ go on\r\n"), Step::Ask("slow")]);
    let rim = Echo { answers: Answers::Never, ..Echo::default() };
    let (mut far, _driven) = run(session, rim, CancellationToken::new());
    let mut buffer = [0; 100];
    let read = far.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..read], b"+ go on\r\n");
    assert!(said(&log).is_empty());
}

#[tokio::test]
async fn output_is_bounded_by_what_the_peer_reads() {
    let pieces = 200;
    let piece = Bytes::from(vec![b'x'; 60_000]);
    let steps = (0..pieces).flat_map(|_| [Step::Ask("more"), Step::Write(piece.clone())]).chain([Step::Close]);
    let (session, log) = Script::new(steps);
    let (mut far, driven) = run(session, Echo::default(), CancellationToken::new());
    // Until the peer reads, the session gets no further than the pipe and one full queue.
    while said(&log).len() < 17 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(said(&log).len() <= 22, "{}", said(&log).len());
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), pieces * piece.len());
    assert!(matches!(driven.await.unwrap(), Ended::Closed));
}

#[tokio::test]
async fn silence_is_told_to_the_session() {
    let (session, log) = Script::new([Step::Read { seconds_max: 1 }]);
    let (mut far, driven) = run(session, Echo::default(), CancellationToken::new());
    let mut all = String::new();
    far.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "421 too slow\r\n");
    assert_eq!(said(&log), ["timed out"]);
    assert!(matches!(driven.await.unwrap(), Ended::Closed));
}

#[tokio::test]
async fn bytes_events_and_the_end_of_input_reach_the_session() {
    let (session, log) = Script::new([]);
    let rim = Echo::default();
    let event = Arc::clone(&rim.event);
    let (mut far, driven) = run(session, rim, CancellationToken::new());
    far.write_all(b"NOOP\r\n").await.unwrap();
    while said(&log).is_empty() {
        tokio::task::yield_now().await;
    }
    event.notify_one();
    while said(&log).len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(far);
    assert!(matches!(driven.await.unwrap(), Ended::Closed | Ended::Failed(_)));
    assert_eq!(said(&log), ["received NOOP\r\n", "answered event", "end of input"]);
}

#[tokio::test]
async fn a_draining_server_is_told_once_at_the_next_wait() {
    let drain = CancellationToken::new();
    drain.cancel();
    let (session, log) = Script::new([write("220 hello\r\n"), Step::Ask("one")]);
    let (mut far, driven) = run(session, Echo::default(), drain);
    let mut all = String::new();
    far.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "220 hello\r\n421 restarting\r\n");
    assert_eq!(said(&log), ["answered one", "drain"]);
    assert!(matches!(driven.await.unwrap(), Ended::Closed));
}

#[tokio::test]
async fn what_was_sent_in_clear_before_the_handshake_is_no_part_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let source =
        crate::TlsSource::SelfSigned { directory: directory.path().to_owned(), names: vec!["localhost".into()] };
    let (tls, _) = crate::tls::Tls::load(&source).unwrap();
    let acceptor = tls.acceptor(crate::Protocol::Mx).unwrap();
    let (mut session, log) = Script::new([Step::Read { seconds_max: 60 }, write("220 go\r\n"), Step::StartTls]);
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    // An attacker's command behind STARTTLS comes with it, or where the handshake should begin: never after it.
    far.write_all(b"STARTTLS\r\n").await.unwrap();
    let driven = tokio::spawn(async move {
        let mut transport = Transport::Clear(near);
        let drain = CancellationToken::new();
        let terms = Terms { tls: Some(&acceptor), drain: &drain, places: &Places::new(1) };
        drive(&mut session, &mut Echo::default(), &mut transport, terms).await
    });
    let mut go = [0; 8];
    far.read_exact(&mut go).await.unwrap();
    far.write_all(b"RCPT TO:<injected@example.org>\r\n").await.unwrap();
    assert!(matches!(driven.await.unwrap(), Ended::Handshake(_)));
    assert_eq!(said(&log), ["received STARTTLS\r\n"]);
}
