//! A POP3 client (RFC 1939) over TLS that reads whole mailboxes, byte for byte, and can empty them.
//!
//! It pipelines (RFC 2449 §6.6), since the rigs read many thousand messages. Lines are unstuffed as RFC 1939 §3 says;
//! nothing else of a message is touched.

use crate::tls::{self, Stream};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;

/// Commands sent ahead of their answers.
const AHEAD: usize = 64;

/// A logged-in session with its mailbox locked.
#[derive(Debug)]
pub struct Pop3 {
    stream: BufReader<Stream>,
}

impl Pop3 {
    /// Connects to a port that speaks TLS from the start, and logs in.
    ///
    /// # Errors
    /// When the connection fails or the login is refused; the error holds the reply.
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let mut session = Self { stream: BufReader::with_capacity(1 << 16, tls::connect(address)?) };
        session.ok().context("greeting")?;
        session.command(&format!("USER {user}"))?;
        session.command(&format!("PASS {password}")).with_context(|| format!("login of {user}"))?;
        Ok(session)
    }

    /// Count and size of the messages, as STAT tells them.
    ///
    /// # Errors
    /// When the answer is not a STAT answer.
    pub fn stat(&mut self) -> Result<(usize, u64)> {
        let reply = self.command("STAT")?;
        let mut numbers = reply.split(' ').skip(1);
        let count = numbers.next().and_then(|text| text.parse().ok());
        let size = numbers.next().and_then(|text| text.parse().ok());
        Ok((count.context("STAT without a count")?, size.context("STAT without a size")?))
    }

    /// Every message in order, whole; `see` is given each one with its number.
    ///
    /// # Errors
    /// When a message is refused, or `see` fails.
    pub fn read_all(&mut self, mut see: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        let (count, _) = self.stat()?;
        let mut message = Vec::new();
        let numbers: Vec<usize> = (1..=count).collect();
        for some in numbers.chunks(AHEAD) {
            self.send_all(some.iter().map(|number| format!("RETR {number}\r\n")))?;
            for number in some {
                self.ok().with_context(|| format!("RETR {number}"))?;
                message.clear();
                self.content(&mut message)?;
                see(*number, &message)?;
            }
        }
        Ok(())
    }

    /// Marks these messages; they go when the session quits.
    ///
    /// # Errors
    /// When one can't be marked.
    pub fn delete(&mut self, numbers: &[usize]) -> Result<()> {
        for some in numbers.chunks(AHEAD) {
            self.send_all(some.iter().map(|number| format!("DELE {number}\r\n")))?;
            for number in some {
                self.ok().with_context(|| format!("DELE {number}"))?;
            }
        }
        Ok(())
    }

    /// Ends the session; what was marked is gone when this returns.
    ///
    /// # Errors
    /// When the server could not carry it out.
    pub fn quit(mut self) -> Result<()> {
        self.command("QUIT").map(|_| ())
    }

    fn command(&mut self, line: &str) -> Result<String> {
        self.send_all(std::iter::once(format!("{line}\r\n")))?;
        self.ok()
    }

    fn send_all(&mut self, lines: impl Iterator<Item = String>) -> Result<()> {
        let text: String = lines.collect();
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes())?;
        Ok(stream.flush()?)
    }

    /// The next status line, which must be `+OK`.
    fn ok(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("closed by the other side");
        }
        if !line.starts_with("+OK") {
            bail!("refused: {}", line.trim_end());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Lines up to the lone dot, unstuffed.
    fn content(&mut self, message: &mut Vec<u8>) -> Result<()> {
        loop {
            let start = message.len();
            if self.stream.read_until(b'\n', message)? == 0 {
                bail!("closed in the middle of a message");
            }
            match message.get(start..) {
                Some(b".\r\n") => {
                    message.truncate(start);
                    return Ok(());
                }
                Some([b'.', ..]) => {
                    message.remove(start);
                }
                _ => {}
            }
        }
    }
}
