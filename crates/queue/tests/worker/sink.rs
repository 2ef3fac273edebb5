//! An SMTP receiver that does as it is told: takes mail, refuses it, hangs up, breaks TLS.

// What the peer may do and has seen is told in passing.
#![allow(clippy::fn_params_excessive_bools)]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What becomes of a message, one for each in turn; then all are taken.
#[derive(Clone, Debug)]
pub enum Fate {
    /// This reply to the end of the message.
    Reply(&'static str),
    /// Hangs up in the middle of the message.
    DropBeforeDot,
    /// Takes the message and hangs up without a word.
    DropAfterDot,
    /// Takes the message, and says so when it is told to.
    TakeAfter(Arc<Notify>),
}

/// How it is with STARTTLS.
#[derive(Clone)]
pub enum Tls {
    None,
    Works(TlsAcceptor),
    /// Offered, and garbage is said in the handshake.
    Broken,
}

#[derive(Clone, Debug)]
pub struct Received {
    pub sender: String,
    /// What MAIL said behind the sender.
    pub parameters: String,
    pub recipients: Vec<String>,
    pub message: String,
    pub over_tls: bool,
    /// Who sent it.
    pub peer: IpAddr,
    /// What EHLO said.
    pub hello: String,
}

/// The connection that something came over.
#[derive(Clone, Copy)]
struct Link {
    over_tls: bool,
    peer: IpAddr,
}

#[derive(Default)]
struct State {
    fates: VecDeque<Fate>,
    /// What EHLO offers beside the usual.
    offers: Vec<&'static str>,
    greeting: Option<&'static str>,
    /// QUIT is not answered.
    clings: bool,
    /// How long it takes to take a message.
    takes: Duration,
    /// Whose mail is refused with what.
    blocked: BTreeMap<IpAddr, &'static str>,
    received: Vec<Received>,
    connections: usize,
    open: usize,
    most_open: usize,
}

/// A receiver at an address.
#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl Sink {
    pub async fn start(ip: &str, port: u16, tls: Tls) -> Sink {
        let listener = TcpListener::bind((ip.parse::<IpAddr>().unwrap(), port)).await.unwrap();
        let sink = Sink { address: listener.local_addr().unwrap(), state: Arc::default(), news: Arc::default() };
        let own = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Its replies are small writes: none waits for the acknowledgement of the one before.
                stream.set_nodelay(true).unwrap();
                let (sink, tls) = (own.clone(), tls.clone());
                tokio::spawn(async move {
                    {
                        let mut state = sink.state.lock();
                        state.connections += 1;
                        state.open += 1;
                        state.most_open = state.most_open.max(state.open);
                    }
                    if !matches!(sink.converse(stream, tls).await, Then::Quit) {
                        sink.state.lock().open -= 1;
                    }
                });
            }
        });
        sink
    }

    /// The fates of the next messages.
    pub fn then(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state.lock().fates.extend(fates);
    }

    /// From now on EHLO offers this too.
    pub fn offer(&self, keyword: &'static str) {
        self.state.lock().offers.push(keyword);
    }

    /// From now on this is the greeting.
    pub fn greet(&self, greeting: Option<&'static str>) {
        self.state.lock().greeting = greeting;
    }

    /// From now on QUIT is not answered.
    pub fn cling(&self) {
        self.state.lock().clings = true;
    }

    /// From now on a message takes so long.
    pub fn take_time(&self, takes: Duration) {
        self.state.lock().takes = takes;
    }

    /// From now on mail from this address is refused with this reply.
    pub fn block(&self, peer: &str, reply: &'static str) {
        self.state.lock().blocked.insert(peer.parse().unwrap(), reply);
    }

    /// From now on mail from this address is taken again.
    pub fn unblock(&self, peer: &str) {
        self.state.lock().blocked.remove(&peer.parse().unwrap());
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().received.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().connections
    }

    /// Connections now.
    pub fn open(&self) -> usize {
        self.state.lock().open
    }

    /// The most connections at a time.
    pub fn most_open(&self) -> usize {
        self.state.lock().most_open
    }

    /// Waits until so many messages were taken.
    pub async fn wait_for(&self, count: usize) {
        let arrived = async {
            loop {
                let notified = self.news.notified();
                if self.state.lock().received.len() >= count {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), arrived).await.expect("messages in time");
    }

    async fn converse(&self, stream: tokio::net::TcpStream, tls: Tls) -> Then {
        let greeting = self.state.lock().greeting;
        let Ok(peer) = stream.peer_addr() else { return Then::Close };
        let link = Link { over_tls: false, peer: peer.ip() };
        let mut stream = BufReader::new(stream);
        if stream.write_all(format!("{}\r\n", greeting.unwrap_or("220 sink")).as_bytes()).await.is_err() {
            return Then::Close;
        }
        let then = self.commands(&mut stream, &tls, link).await;
        if !matches!(then, Then::StartTls) {
            return then;
        }
        match tls {
            Tls::Works(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
                    let link = Link { over_tls: true, ..link };
                    return self.commands(&mut BufReader::new(stream), &Tls::None, link).await;
                }
            }
            Tls::Broken => {
                // The handshake begins, and is answered with nonsense.
                let _ = stream.read(&mut [0; 16]).await;
                let _ = stream.write_all(b"this is no TLS record, whatever else it may be\r\n").await;
            }
            Tls::None => {}
        }
        Then::Close
    }

    async fn commands<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<T>,
        tls: &Tls,
        link: Link,
    ) -> Then {
        let (mut sender, mut recipients, mut hello) = (String::new(), Vec::new(), String::new());
        let mut parameters = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return Then::Close;
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            if verb == "EHLO" {
                hello = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            let blocked = self.state.lock().blocked.get(&link.peer).copied();
            let reply = match verb.as_str() {
                "EHLO" => self.hello(tls),
                "STARTTLS" => {
                    let _ = stream.write_all(b"220 go\r\n").await;
                    return Then::StartTls;
                }
                "MAIL" | "RCPT" if blocked.is_some() => blocked.unwrap_or_default().to_owned(),
                "MAIL" => {
                    sender = between(line);
                    parameters = line.split_once('>').map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
                    recipients.clear();
                    "250 2.1.0 ok".to_owned()
                }
                "RCPT" => {
                    let recipient = between(line);
                    let reply = said_of(&recipient, recipients.len());
                    if reply.starts_with('2') {
                        recipients.push(recipient);
                    }
                    reply.to_owned()
                }
                "DATA" if recipients.is_empty() => "554 5.5.1 no valid recipients".to_owned(),
                "DATA" => {
                    let _ = stream.write_all(b"354 go on\r\n").await;
                    let mail = Received {
                        sender: std::mem::take(&mut sender),
                        parameters: std::mem::take(&mut parameters),
                        recipients: std::mem::take(&mut recipients),
                        message: String::new(),
                        over_tls: link.over_tls,
                        peer: link.peer,
                        hello: hello.clone(),
                    };
                    match self.message(stream, mail).await {
                        Some(reply) => reply.to_owned(),
                        None => return Then::Close,
                    }
                }
                "QUIT" if self.state.lock().clings => continue,
                "QUIT" => {
                    // Who hears this may open the next one.
                    self.state.lock().open -= 1;
                    let _ = stream.write_all(b"221 bye\r\n").await;
                    return Then::Quit;
                }
                _ => "250 ok".to_owned(),
            };
            if stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
                return Then::Close;
            }
        }
    }

    /// The reply to EHLO.
    fn hello(&self, tls: &Tls) -> String {
        if !matches!(tls, Tls::None) {
            return "250-sink\r\n250-STARTTLS\r\n250 PIPELINING".to_owned();
        }
        let more: String = self.state.lock().offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
        format!("250-sink\r\n250-PIPELINING\r\n{more}250-8BITMIME\r\n250 SIZE 1000000")
    }

    async fn message<T: AsyncRead + Unpin>(&self, stream: &mut BufReader<T>, mail: Received) -> Option<&'static str> {
        let fate = self.state.lock().fates.pop_front();
        if let Some(Fate::DropBeforeDot) = fate {
            let mut some = [0; 10];
            let _ = stream.read(&mut some).await;
            return None;
        }
        let mut message = String::new();
        while !message.ends_with("\r\n.\r\n") {
            if stream.read_line(&mut message).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        if let Some(Fate::TakeAfter(word)) = &fate {
            word.notified().await;
        }
        let takes = self.state.lock().takes;
        tokio::time::sleep(takes).await;
        let reply = match fate {
            Some(Fate::TakeAfter(_)) | None => Some("250 2.0.0 taken"),
            Some(Fate::Reply(reply)) => Some(reply),
            Some(Fate::DropAfterDot | Fate::DropBeforeDot) => None,
        };
        if reply.is_none_or(|reply| reply.starts_with('2')) {
            let mut state = self.state.lock();
            state.received.push(Received { message, ..mail });
            self.news.notify_waiters();
        }
        reply
    }
}

enum Then {
    Close,
    /// It is counted as closed.
    Quit,
    StartTls,
}

/// The reply to RCPT; it tells what its recipient's name says.
fn said_of(recipient: &str, before: usize) -> &'static str {
    match recipient.split(['@', '-']).next().unwrap_or_default() {
        "gone" => "550 5.1.1 no such user here",
        "grey" => "451 4.7.1 greylisted, try again later",
        "full" => "452 4.5.3 too many recipients",
        "next" if before > 0 => "552 too many recipients",
        "large" => "552 5.2.2 mailbox full",
        _ => "250 2.1.5 ok",
    }
}

fn between(line: &str) -> String {
    let from = line.find('<').map_or(0, |at| at + 1);
    line[from..].split('>').next().unwrap_or_default().to_owned()
}

/// A certificate of its own for a name.
pub fn acceptor(name: &str) -> TlsAcceptor {
    certified(name, 2100).0
}

/// The same with its certificate, which is good until a year begins.
pub fn certified(name: &str, until: i32) -> (TlsAcceptor, CertificateDer<'static>) {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&signing_key).unwrap().der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}
