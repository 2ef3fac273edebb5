//! Scanners made in a test: each takes what it is shown, in its protocol, and does what the test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

/// What a scanner does with each connection.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Takes the message and says this.
    Answers(String),
    /// clamd: finds `Test.Virus` where one of these words is, and nothing elsewhere.
    Finds(&'static [&'static str]),
    /// Says this and hangs up, whatever comes.
    Interrupts(&'static str),
    /// Takes a little and hangs up.
    Dies,
    /// Takes the message and says nothing.
    IsSilent,
}

/// A scanner.
pub(crate) struct Scanner {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What it was shown.
#[derive(Default)]
struct Seen {
    heads: Vec<String>,
    messages: Vec<Vec<u8>>,
    open: usize,
    open_most: usize,
}

#[derive(Clone, Copy)]
enum Speaks {
    Rspamd,
    Clamd,
}

impl Scanner {
    pub(crate) async fn rspamd(does: Does) -> Scanner {
        Scanner::listening(Speaks::Rspamd, does).await
    }

    /// rspamd with an answer of this action and score.
    pub(crate) async fn saying(action: &str, score: &str) -> Scanner {
        Scanner::rspamd(Does::Answers(format!(
            r#"{{"is_skipped":false,"score":{score},"required_score":15.0,"action":"{action}",
                "symbols":{{"TEST_A":{{"name":"TEST_A","score":{score},"metric_score":1}}}},
                "messages":{{"smtp_message":"Words of the scanner"}},"message-id":"undef","time_real":0.1}}"#
        )))
        .await
    }

    pub(crate) async fn clamd(does: Does) -> Scanner {
        Scanner::listening(Speaks::Clamd, does).await
    }

    /// clamd on a socket in the file system.
    pub(crate) fn clamd_at(path: &std::path::Path, does: Does) -> Scanner {
        let (listener, seen) = (UnixListener::bind(path).unwrap(), Arc::<Mutex<Seen>>::default());
        let scanner = Scanner { address: ([0, 0, 0, 0], 0).into(), seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Speaks::Clamd, does.clone(), Arc::clone(&seen)));
            }
        });
        scanner
    }

    async fn listening(speaks: Speaks, does: Does) -> Scanner {
        let (listener, seen) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::<Mutex<Seen>>::default());
        let scanner = Scanner { address: listener.local_addr().unwrap(), seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, speaks, does.clone(), Arc::clone(&seen)));
            }
        });
        scanner
    }

    /// The messages that it was shown.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().messages.clone()
    }

    /// The header of the last HTTP request.
    pub(crate) fn head(&self) -> String {
        self.seen.lock().unwrap().heads.last().cloned().unwrap_or_default()
    }

    /// How many connections there were at a time, at most.
    pub(crate) fn open_most(&self) -> usize {
        self.seen.lock().unwrap().open_most
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, speaks: Speaks, does: Does, seen: Arc<Mutex<Seen>>) {
    {
        let mut seen = seen.lock().unwrap();
        seen.open += 1;
        seen.open_most = seen.open_most.max(seen.open);
    }
    drop(converse(&mut stream, speaks, does, &seen).await);
    seen.lock().unwrap().open -= 1;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    speaks: Speaks,
    does: Does,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    match does {
        Does::Interrupts(answer) => return stream.write_all(answer.as_bytes()).await,
        Does::Dies => return stream.read_exact(&mut [0; 16]).await.map(drop),
        Does::Answers(_) | Does::Finds(_) | Does::IsSilent => {}
    }
    let message = match speaks {
        Speaks::Rspamd => http(stream, seen).await?,
        Speaks::Clamd => chunks(stream).await?,
    };
    let has = |word: &&str| memchr::memmem::find(&message, word.as_bytes()).is_some();
    let does = match does {
        Does::Finds(words) if words.iter().any(has) => Does::Answers("stream: Test.Virus FOUND".to_owned()),
        Does::Finds(_) => Does::Answers("stream: OK".to_owned()),
        does => does,
    };
    seen.lock().unwrap().messages.push(message);
    match (does, speaks) {
        (Does::Answers(answer), Speaks::Clamd) => stream.write_all(format!("{answer}\0").as_bytes()).await,
        (Does::Answers(answer), Speaks::Rspamd) => {
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", answer.len());
            stream.write_all(format!("{head}{answer}").as_bytes()).await
        }
        _ => std::future::pending().await,
    }
}

/// The body of a request.
async fn http<S: AsyncRead + Unpin>(stream: &mut S, seen: &Mutex<Seen>) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    seen.lock().unwrap().heads.push(head);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// What INSTREAM brings.
async fn chunks<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await?;
    assert_eq!(&command, b"zINSTREAM\0");
    let mut message = Vec::new();
    loop {
        match stream.read_u32().await? {
            0 => return Ok(message),
            length => {
                let start = message.len();
                message.resize(start + usize::try_from(length).unwrap(), 0);
                stream.read_exact(&mut message[start..]).await?;
            }
        }
    }
}
