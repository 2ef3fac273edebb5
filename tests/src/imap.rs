//! An IMAP client (RFC 9051, RFC 3501) over TLS for tests: sends command lines, returns whole responses with literals.
//!
//! It understands just enough to frame responses: a line that ends in `{n}` goes on after n bytes. What a response means
//! is for the test to say.

use crate::tls::{self, Stream};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

/// A session.
#[derive(Debug)]
pub struct Imap {
    stream: BufReader<Stream>,
    tag: u32,
}

/// What a command was answered with.
#[derive(Debug)]
pub struct Reply {
    /// Untagged responses, each with its literals and without its last CRLF.
    pub untagged: Vec<Vec<u8>>,
    /// The tagged response without its tag: `OK …`, `NO …` or `BAD …`.
    pub status: String,
}

impl Reply {
    /// The untagged responses as text; literals that are not UTF-8 are shown as well as can be.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        self.untagged.iter().map(|response| String::from_utf8_lossy(response).into_owned()).collect()
    }

    /// The first literal of each response that has one.
    #[must_use]
    pub fn literals(&self) -> Vec<&[u8]> {
        self.untagged.iter().filter_map(|response| literal(response)).collect()
    }
}

impl Imap {
    /// Connects to a port that speaks TLS from the start, and logs in.
    ///
    /// # Errors
    /// When the connection fails or the login is refused; the error holds the response.
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let mut session = Self::connect(address)?;
        session.ok(&format!("LOGIN {user} \"{password}\""))?;
        Ok(session)
    }

    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When the connection fails or the greeting is not `* OK`.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let mut session = Self { stream: BufReader::with_capacity(1 << 16, tls::connect(address)?), tag: 0 };
        let greeting = session.response()?;
        if !greeting.starts_with(b"* OK") {
            bail!("greeting: {}", String::from_utf8_lossy(&greeting));
        }
        Ok(session)
    }

    /// Sends a command and reads up to its tagged response.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn command(&mut self, line: &str) -> Result<Reply> {
        let tag = self.begin(line)?;
        self.finish(&tag)
    }

    /// Sends a command that must be answered with OK.
    ///
    /// # Errors
    /// When it is not; the error holds the response.
    pub fn ok(&mut self, line: &str) -> Result<Reply> {
        let reply = self.command(line)?;
        if !reply.status.starts_with("OK") {
            let verb = line.split(' ').next().unwrap_or_default();
            bail!("{verb}: {}", reply.status);
        }
        Ok(reply)
    }

    /// Appends a message (a synchronizing literal) and returns the tagged response.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn append(&mut self, mailbox: &str, message: &[u8]) -> Result<String> {
        let tag = self.begin(&format!("APPEND {mailbox} {{{}}}", message.len()))?;
        let go = self.response()?;
        if !go.starts_with(b"+") {
            let text = String::from_utf8_lossy(&go).into_owned();
            return Ok(text.strip_prefix(&tag).unwrap_or(&text).trim_start().to_owned());
        }
        self.stream.get_mut().write_all(message)?;
        self.stream.get_mut().write_all(b"\r\n")?;
        self.stream.get_mut().flush()?;
        Ok(self.finish(&tag)?.status)
    }

    /// Starts IDLE (RFC 2177); the tag ends it.
    ///
    /// # Errors
    /// When the server does not go idle.
    pub fn idle(&mut self) -> Result<String> {
        let tag = self.begin("IDLE")?;
        loop {
            let response = self.response()?;
            if response.starts_with(b"+") {
                return Ok(tag);
            }
            if !response.starts_with(b"* ") {
                bail!("IDLE: {}", String::from_utf8_lossy(&response));
            }
        }
    }

    /// Ends IDLE.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn done(&mut self, tag: &str) -> Result<Reply> {
        self.stream.get_mut().write_all(b"DONE\r\n")?;
        self.stream.get_mut().flush()?;
        self.finish(tag)
    }

    /// The next response, whatever it is: with literals, without its last CRLF. Waits up to the connection's time limit.
    ///
    /// # Errors
    /// When the connection ends or nothing comes.
    pub fn response(&mut self) -> Result<Vec<u8>> {
        let mut response = Vec::new();
        loop {
            let start = response.len();
            if self.stream.read_until(b'\n', &mut response)? == 0 {
                bail!("closed by the other side");
            }
            let line = response.get(start..).unwrap_or_default();
            let line = line.strip_suffix(b"\r\n").context("a line without CRLF")?;
            match literal_bytes(line) {
                Some(count) => {
                    let more = response.len();
                    response.resize(more + count, 0);
                    self.stream.read_exact(response.get_mut(more..).unwrap_or_default())?;
                }
                None => {
                    response.truncate(response.len() - 2);
                    return Ok(response);
                }
            }
        }
    }

    fn begin(&mut self, line: &str) -> Result<String> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.stream.get_mut().write_all(format!("{tag} {line}\r\n").as_bytes())?;
        self.stream.get_mut().flush()?;
        Ok(tag)
    }

    fn finish(&mut self, tag: &str) -> Result<Reply> {
        let mut untagged = Vec::new();
        loop {
            let response = self.response()?;
            if let Some(status) = response.strip_prefix(format!("{tag} ").as_bytes()) {
                return Ok(Reply { untagged, status: String::from_utf8_lossy(status).into_owned() });
            }
            untagged.push(response);
        }
    }
}

/// The count at the end of a line that goes on with a literal.
fn literal_bytes(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}")?;
    let open = line.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(line.get(open + 1..)?).ok()?.parse().ok()
}

/// The first literal of a response.
fn literal(response: &[u8]) -> Option<&[u8]> {
    let end = response.windows(3).position(|part| part == b"}\r\n")?;
    let count = literal_bytes(response.get(..=end)?)?;
    response.get(end + 3..end + 3 + count)
}
