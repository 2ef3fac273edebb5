//! Messages shown to milters made in the test, packet by packet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use yubin_frontend::{AbsentHandling, ContentConfig, ScannerAddress, ScannerConfig, SubmissionScan, UnscannedHandling};

use crate::submission::submitter;
use crate::verification::{count, send, stored};
use crate::world::World;

const MESSAGE: &str = "From: ann@a.test\r\nSubject: hi\r\n there\r\n\r\nhello\r\nyou";

/// What a milter says to a command: a command with its data each.
type Script = &'static [(u8, &'static [&'static [u8]])];

struct Milter {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(char, String)>>>,
}

impl Milter {
    /// One that agrees on these steps, and goes on where the script says nothing.
    async fn start(steps: u32, script: Script) -> Milter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let milter = Milter { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&milter.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, steps, script, Arc::clone(&seen)));
            }
        });
        milter
    }

    fn config(&self) -> ScannerConfig {
        ScannerConfig {
            address: ScannerAddress::Tcp(self.address.to_string()),
            timeout_seconds: 5,
            scans_max: 10,
            message_bytes_max: 10 << 20,
            too_large: UnscannedHandling::Pass,
            absent: AbsentHandling::Defer,
            submissions: SubmissionScan::On,
        }
    }

    /// The commands that it was sent, in a row.
    fn commands(&self) -> String {
        self.seen.lock().unwrap().iter().map(|(command, _)| *command).collect()
    }

    fn data(&self, wanted: char) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(command, _)| *command == wanted).map(|(_, data)| data.clone()).collect()
    }
}

async fn converse(
    mut stream: TcpStream,
    steps: u32,
    script: Script,
    seen: Arc<Mutex<Vec<(char, String)>>>,
) -> Option<()> {
    loop {
        let length = usize::try_from(stream.read_u32().await.ok()?).unwrap();
        let mut packet = vec![0; length];
        stream.read_exact(&mut packet).await.ok()?;
        let (command, data) = (packet[0], &packet[1..]);
        if command != b'O' {
            seen.lock().unwrap().push((char::from(command), String::from_utf8_lossy(data).into_owned()));
        }
        let answers: Vec<Vec<u8>> = match (command, script.iter().find(|(of, _)| *of == command)) {
            (b'O', None) => {
                vec![[&b"O"[..], &6_u32.to_be_bytes(), &0x31_u32.to_be_bytes(), &steps.to_be_bytes()].concat()]
            }
            (b'D' | b'Q', _) => Vec::new(),
            (_, Some((_, answers))) => answers.iter().map(|answer| answer.to_vec()).collect(),
            (_, None) => vec![b"c".to_vec()],
        };
        for answer in answers {
            stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes()).await.ok()?;
            stream.write_all(&answer).await.ok()?;
        }
    }
}

async fn world(milters: &[&Milter], change: impl FnOnce(&mut ContentConfig)) -> World {
    let milters = milters.iter().map(|milter| milter.config()).collect();
    let mut content = ContentConfig { milters, ..ContentConfig::default() };
    change(&mut content);
    World::assessing(None, content).await
}

async fn sent(world: &World) -> String {
    send(world, "alice@example.jp", "ann@a.test", MESSAGE).await
}

#[tokio::test]
async fn a_milter_sees_a_message_step_by_step() {
    let all = Milter::start(0, &[]).await;
    // No connection, no HELO, no body; nothing said to header fields.
    let some = Milter::start(0x1 | 0x2 | 0x10 | 0x80, &[(b'L', &[])]).await;
    let world = world(&[&all, &some], |_| {}).await;
    assert!(sent(&world).await.starts_with("250"));
    // A farewell may still be on its way.
    assert_eq!(all.commands().trim_end_matches('Q'), "DCHDMRTLLNBE");
    assert_eq!(some.commands().trim_end_matches('Q'), "DDMRTLLNE");
    assert_eq!(all.data('H'), ["host.names.test\0"]);
    assert!(all.data('C')[0].starts_with("[127.0.0.1]\x004") && all.data('C')[0].ends_with("127.0.0.1\0"));
    assert_eq!(
        (all.data('M'), all.data('R')),
        (vec!["<ann@a.test>\0".to_owned()], vec!["<alice@example.jp>\0".to_owned()])
    );
    assert_eq!(all.data('L'), ["From\0ann@a.test\0", "Subject\0hi\n there\0"]);
    assert_eq!(all.data('B'), ["hello\r\nyou\r\n"]);
}

#[tokio::test]
async fn what_a_milter_says_is_done() {
    let cases: [(Script, &str, (usize, usize)); 12] = [
        (&[(b'H', &[b"a"])], "250", (1, 0)),
        (&[(b'R', &[b"r"])], "550 5.7.1 Message refused by a filter", (0, 0)),
        (&[(b'M', &[b"t"])], "451 4.7.1 ", (0, 0)),
        (&[(b'L', &[b"y554 5.6.0 not this\0"])], "554 5.6.0 not this\r\n", (0, 0)),
        (&[(b'B', &[b"s"])], "250", (1, 0)),
        (&[(b'B', &[b"d"])], "250", (0, 0)),
        (&[(b'E', &[b"p", b"d"])], "250", (0, 0)),
        (&[(b'E', &[b"qsuspicious\0", b"c"])], "250", (0, 1)),
        // A change that was not agreed on, one before the end, no answer that is any, another protocol: it is away.
        (&[(b'E', &[b"bbody", b"c"])], "451 4.7.1 Messages can't be scanned", (0, 0)),
        (&[(b'L', &[b"hX\0y\0"])], "451 4.7.1 Messages can't be scanned", (0, 0)),
        (&[(b'E', &[b"\0"])], "451 4.7.1 Messages can't be scanned", (0, 0)),
        (&[(b'O', &[b"O\0\0\0\x09\0\0\0\0\0\0\0\0"])], "451 4.7.1 Messages can't be scanned", (0, 0)),
    ];
    for (script, reply, places) in cases {
        let milter = Milter::start(0, script).await;
        let world = world(&[&milter], |_| {}).await;
        let answer = sent(&world).await;
        assert!(answer.starts_with(reply), "{script:?}: {answer}");
        let stored =
            (count(&world, "alice@example.jp", "INBOX").await, count(&world, "alice@example.jp", "Junk").await);
        assert_eq!(stored, places, "{script:?}");
    }
}

#[tokio::test]
async fn milters_change_headers_one_after_the_other() {
    let first = Milter::start(
        0,
        &[(b'E', &[b"hX-First\0one\n two\0", b"m\0\0\0\x01Subject\0changed\0", b"i\0\0\0\0X-Top\0yes\0", b"c"])],
    )
    .await;
    let second = Milter::start(0, &[(b'E', &[b"m\0\0\0\x01x-first\0\0", b"a"])]).await;
    let world = world(&[&first, &second], |_| {}).await;
    assert!(sent(&world).await.starts_with("250"));
    assert_eq!(second.data('L'), ["X-Top\0yes\0", "From\0ann@a.test\0", "Subject\0changed\0", "X-First\0one\n two\0"]);
    let taken = stored(&world, "alice@example.jp", "INBOX").await;
    assert!(taken.contains("X-Top: yes\r\nFrom: ann@a.test\r\nSubject: changed\r\n\r\nhello\r\nyou\r\n"), "{taken}");
}

#[tokio::test]
async fn users_mail_goes_through_milters_too() {
    let milter = Milter::start(0, &[(b'E', &[b"hX-Sent\0yes\0", b"c"])]).await;
    let holding = Milter::start(0, &[(b'E', &[b"qno\0", b"c"])]).await;
    for (milter, expected) in [(&milter, "250"), (&holding, "550 5.7.1 Message refused by a filter")] {
        let world = world(&[milter], |_| {}).await;
        let mut client = submitter(&world, "alice@example.jp").await;
        client.smtp("MAIL FROM:<alice@example.jp>").await;
        client.smtp("RCPT TO:<bob@example.jp>").await;
        client.smtp("DATA").await;
        client.send("From: alice@example.jp\r\nSubject: x\r\n\r\nbody\r\n.").await;
        let answer = client.reply().await;
        assert!(answer.starts_with(expected), "{answer}");
        assert!(milter.data('D').iter().any(|macros| macros.contains("{auth_authen}\0alice@example.jp\0")));
        if expected == "250" {
            assert!(stored(&world, "bob@example.jp", "INBOX").await.contains("Subject: x\r\nX-Sent: yes\r\n\r\nbody"));
        }
    }
}

#[tokio::test]
async fn a_milter_that_is_away_puts_mail_off_or_is_passed_over() {
    let silent = Milter::start(0, &[(b'H', &[])]).await;
    for (absent, expected) in [(AbsentHandling::Defer, "451 4.7.1 "), (AbsentHandling::Pass, "250")] {
        let world = world(&[], |content| {
            content.milters = vec![ScannerConfig { absent, timeout_seconds: 1, ..silent.config() }];
        })
        .await;
        let answer = sent(&world).await;
        assert!(answer.starts_with(expected), "{answer}");
    }
}
