//! An SMTP client (RFC 5321) for tests: one command at a time, without TLS, every reply as it was written.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A session past its greeting.
#[derive(Debug)]
pub struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects and reads the greeting; EHLO is for the caller.
    ///
    /// # Errors
    /// When the connection fails or the greeting is not 220.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let mut session = Self { stream: BufReader::new(stream) };
        let greeting = session.reply()?;
        if !greeting.starts_with("220") {
            bail!("greeting: {greeting}");
        }
        Ok(session)
    }

    /// Connects and says EHLO.
    ///
    /// # Errors
    /// When either is refused.
    pub fn hello(address: SocketAddr) -> Result<Self> {
        let mut session = Self::connect(address)?;
        session.expect("EHLO client.elsewhere.example", "250")?;
        Ok(session)
    }

    /// Sends one line and returns the whole reply, lines joined by a line feed.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn command(&mut self, line: &str) -> Result<String> {
        self.bytes(format!("{line}\r\n").as_bytes())
    }

    /// Sends bytes as they are and returns the next reply.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<String> {
        self.stream.get_mut().write_all(bytes)?;
        self.reply()
    }

    /// Sends one line whose reply must begin so.
    ///
    /// # Errors
    /// When it begins otherwise; the error holds the reply.
    pub fn expect(&mut self, line: &str, code: &str) -> Result<String> {
        let reply = self.command(line)?;
        if !reply.starts_with(code) {
            bail!("{line}: expected {code}, got {reply}");
        }
        Ok(reply)
    }

    /// Sends one message and returns the reply that settled it: the first refusal, or the answer to the content.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn send(&mut self, from: &str, to: &str, message: &[u8]) -> Result<String> {
        for (line, good) in
            [(format!("MAIL FROM:<{from}>"), "2"), (format!("RCPT TO:<{to}>"), "2"), ("DATA".to_owned(), "3")]
        {
            let reply = self.command(&line)?;
            if !reply.starts_with(good) {
                self.expect("RSET", "250")?;
                return Ok(reply);
            }
        }
        self.bytes(&stuffed(message))
    }

    /// The next reply, lines joined by a line feed.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn reply(&mut self) -> Result<String> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("closed by the other side");
            }
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(line.trim_end());
            if !goes_on {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }
}

/// A message as DATA wants it: dots doubled at the start of lines (RFC 5321 §4.5.2), and the lone dot at the end.
#[must_use]
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
    }
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}
