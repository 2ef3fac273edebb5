//! A mail server elsewhere, as a test needs one: it keeps what it takes, and refuses whom the test says.
//!
//! Speaks as much SMTP as a sender needs: EHLO with PIPELINING and 8BITMIME, MAIL, RCPT, DATA, RSET, QUIT. A local part
//! that begins with `gone` is refused for good, one that begins with `later` while the receiver is told to put it off.

use anyhow::Result;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Envelope sender, without brackets.
    pub sender: String,
    /// What MAIL said behind it.
    pub parameters: String,
    /// Recipients, without brackets.
    pub recipients: Vec<String>,
    /// The message, without dot-stuffing.
    pub text: String,
    /// The address that it came from.
    pub peer: IpAddr,
    /// What EHLO said.
    pub hello: String,
}

/// A running receiver; it ends with the process.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    taken: Mutex<Vec<Taken>>,
    busy: AtomicBool,
    /// How long it takes to take a message, milliseconds.
    take_ms: AtomicU64,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// What EHLO offers beside the usual.
    offers: Mutex<Vec<String>>,
    /// Whose mail is refused, with which reply.
    blocked: Mutex<BTreeMap<IpAddr, String>>,
}

impl Receiver {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let receiver = Self { address, shared: Arc::clone(&shared) };
        serve_each(listener, shared, serve);
        Ok(receiver)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on `later…` is told to come again.
    pub fn put_off(&self) {
        self.shared.busy.store(true, Ordering::SeqCst);
    }

    /// From now on `later…` is taken like anybody else.
    pub fn take_all(&self) {
        self.shared.busy.store(false, Ordering::SeqCst);
    }

    /// From now on it takes so long to take a message.
    pub fn take_time(&self, time: Duration) {
        self.shared.take_ms.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Connections now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The most connections at a time.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// From now on EHLO offers this too.
    pub fn offer(&self, keyword: &str) {
        self.shared.offers.lock().unwrap_or_else(PoisonError::into_inner).push(keyword.to_owned());
    }

    /// From now on mail from this address is refused with this reply.
    pub fn block(&self, peer: IpAddr, reply: &str) {
        self.shared.blocked.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, reply.to_owned());
    }

    /// From now on mail from this address is taken again.
    pub fn unblock(&self, peer: IpAddr) {
        self.shared.blocked.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
    }

    /// What it has taken so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves each connection on a thread of its own, as long as the process lives.
pub(crate) fn serve_each<T: Send + Sync + 'static>(
    listener: TcpListener,
    shared: Arc<T>,
    serve: fn(TcpStream, &T) -> Result<()>,
) {
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            let shared = Arc::clone(&shared);
            // A sender that goes away in the middle has sent nothing.
            std::thread::spawn(move || serve(stream, &shared).ok());
        }
    });
}

impl Shared {
    /// The lines of EHLO for what it offers beside the usual.
    fn offers(&self) -> String {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.iter().map(|offer| format!("250-{offer}\r\n")).collect()
    }

    /// With what mail from there is refused.
    fn refusal(&self, peer: IpAddr) -> Option<String> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned()
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_open.fetch_max(open, Ordering::SeqCst);
    let mut connection = Open(Some(&shared.open));
    converse(stream, shared, &mut connection)
}

/// A connection that is counted until it is closed.
struct Open<'a>(Option<&'a AtomicUsize>);

impl Open<'_> {
    fn close(&mut self) {
        if let Some(count) = self.0.take() {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

fn converse(stream: TcpStream, shared: &Shared, connection: &mut Open<'_>) -> Result<()> {
    let peer = stream.peer_addr()?.ip();
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    let mut say = |line: &str| output.write_all(format!("{line}\r\n").as_bytes());
    say("220 elsewhere.example ESMTP")?;
    let (mut sender, mut recipients, mut hello) = (String::new(), Vec::new(), String::new());
    let mut parameters = String::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => {
                hello = line.get(5..).unwrap_or_default().to_owned();
                let more = shared.offers();
                say(&format!("250-elsewhere.example\r\n250-PIPELINING\r\n{more}250 8BITMIME"))?;
            }
            "MAIL" | "RCPT" if shared.refusal(peer).is_some() => say(&shared.refusal(peer).unwrap_or_default())?,
            "MAIL" => {
                sender = path(line);
                parameters = line.split_once('>').map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
                recipients.clear();
                say("250 2.1.0 OK")?;
            }
            "RCPT" => {
                let recipient = path(line);
                if recipient.starts_with("gone") {
                    say("550 5.1.1 No such user here")?;
                } else if recipient.starts_with("later") && shared.busy.load(Ordering::SeqCst) {
                    say("451 4.3.2 Busy; come again")?;
                } else {
                    recipients.push(recipient);
                    say("250 2.1.5 OK")?;
                }
            }
            "DATA" if recipients.is_empty() => say("554 5.5.1 No valid recipients")?,
            "DATA" => {
                say("354 Go on")?;
                let text = content(&mut input)?;
                std::thread::sleep(Duration::from_millis(shared.take_ms.load(Ordering::SeqCst)));
                let (sender, parameters, hello) = (sender.clone(), parameters.clone(), hello.clone());
                let taken =
                    Taken { sender, parameters, recipients: std::mem::take(&mut recipients), text, peer, hello };
                shared.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
                say("250 2.0.0 Taken")?;
            }
            "QUIT" => {
                // Who hears this may open the next one.
                connection.close();
                return Ok(say("221 2.0.0 Goodbye")?);
            }
            "RSET" => say("250 2.0.0 OK")?,
            _ => say("502 5.5.1 Unknown")?,
        }
    }
}

/// What is between the brackets.
pub(crate) fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

/// Up to the lone dot.
pub(crate) fn content(input: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    loop {
        let mut line = Vec::new();
        anyhow::ensure!(input.read_until(b'\n', &mut line)? > 0, "the content broke off");
        if line == b".\r\n" {
            return Ok(text);
        }
        let line = line.strip_prefix(b".").unwrap_or(&line);
        text.push_str(&String::from_utf8_lossy(line));
    }
}
