//! Plays transcripts: `C:` lines are sent, `S:` lines must come back, in order and with nothing between them.
//!
//! An `S:` line that ends in `...` matches what begins so. Other clients act on `client.rim` between two transcripts.

use bytes::BytesMut;
use yubin_session::imap::{Answer, Config, ImapSession};
use yubin_session::sasl::TokenLogin;
use yubin_session::{PlaintextLogin, Security, Session, Step, TlsFacts};
use yubin_types::{Timestamp, UtcOffset};

use crate::rim::Rim;

pub(crate) struct Client {
    pub(crate) session: ImapSession,
    pub(crate) rim: Rim,
    pub(crate) now: Timestamp,
    pub(crate) phase: Phase,
    /// Silence that the session allows now, seconds.
    pub(crate) seconds_max: u64,
    written: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Closed,
}

pub(crate) fn config() -> Config {
    Config {
        hostname: "mail.example.jp".into(),
        security: Security::Encrypted(tls_facts()),
        plaintext_login: PlaintextLogin::Refuse,
        tokens: TokenLogin::Refuse,
        message_bytes_max: 1000,
        utc_offset: UtcOffset::UTC,
    }
}

fn tls_facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".into(),
        cipher: "TLS13_AES_256_GCM_SHA384".into(),
        server_name: None,
        channel_binding: None,
    }
}

impl Client {
    pub(crate) fn connect(config: Config) -> Client {
        let session = ImapSession::new(config);
        let now = Timestamp::from_seconds(1_000_000);
        let (rim, written) = (Rim::new(), BytesMut::new());
        let mut client = Client { session, rim, now, phase: Phase::Open, seconds_max: 0, written };
        client.drive();
        client
    }

    /// Connected, greeted, logged in.
    pub(crate) fn logged_in() -> Client {
        let mut client = Client::connect(config());
        client.send("0 LOGIN u@example.jp secret\r\n");
        assert!(client.take().contains("0 OK [CAPABILITY "));
        client
    }

    /// Logged in, with messages of these flags in INBOX, which is selected.
    pub(crate) fn selected(flags: &[&str]) -> Client {
        let mut client = Client::logged_in();
        for (i, flags) in flags.iter().enumerate() {
            client.rim.deliver("INBOX", &format!("Subject: message {}\r\n\r\nbody {}\r\n", i + 1, i + 1), flags);
        }
        client.send("0 SELECT INBOX\r\n");
        assert!(client.take().contains("0 OK [READ-WRITE]"));
        client
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.session.receive(bytes);
        self.drive();
    }

    /// What was written since the last time.
    pub(crate) fn take(&mut self) -> String {
        String::from_utf8_lossy(&self.written.split()).into_owned()
    }

    pub(crate) fn event(&mut self, event: Answer) {
        self.session.answer(event);
        self.drive();
    }

    /// The client says nothing for as long as it may.
    pub(crate) fn be_silent(&mut self) {
        self.now = Timestamp::from_seconds(self.now.seconds() + self.seconds_max);
        self.session.timed_out();
        self.drive();
    }

    /// Runs the session until it waits for the client.
    pub(crate) fn drive(&mut self) {
        if self.phase == Phase::Closed {
            return;
        }
        for _ in 0..1_000_000 {
            match self.session.next(self.now) {
                Step::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    self.written.extend_from_slice(&bytes);
                }
                Step::Ask(ask) => {
                    let answer = self.rim.answer(ask);
                    self.session.answer(answer);
                }
                Step::StartTls => {
                    self.session.tls_started(tls_facts());
                }
                Step::Read { seconds_max } => {
                    assert!(seconds_max > 0);
                    self.seconds_max = seconds_max;
                    return;
                }
                Step::Close => {
                    self.phase = Phase::Closed;
                    return;
                }
            }
        }
        panic!("the session does not come to rest");
    }

    pub(crate) fn play(&mut self, transcript: &str) {
        let mut received: Vec<String> = Vec::new();
        for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            if let Some(text) = line.strip_prefix("C:") {
                assert_eq!(received, [""; 0], "unexpected before {line}");
                self.send(&format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text)));
                received = self.take().split_terminator("\r\n").map(str::to_owned).collect();
            } else if let Some(text) = line.strip_prefix("S:") {
                if received.is_empty() {
                    received = self.take().split_terminator("\r\n").map(str::to_owned).collect();
                }
                let expected = text.strip_prefix(' ').unwrap_or(text);
                assert!(!received.is_empty(), "nothing came, expected {expected}");
                let got = received.remove(0);
                match expected.strip_suffix("...") {
                    Some(start) => assert!(got.starts_with(start), "expected {expected}\n     got {got}"),
                    None => assert_eq!(got, expected),
                }
            } else {
                panic!("neither C: nor S:: {line}");
            }
        }
        assert_eq!(received, [""; 0], "unexpected at the end");
    }
}
