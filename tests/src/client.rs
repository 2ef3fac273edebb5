//! A plain TCP client that chooses its own address and says whatever a test wants: PROXY headers, single lines, nothing.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use tokio::net::TcpSocket;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects from this address, which must be one of this machine's, such as any in 127.0.0.0/8.
    ///
    /// # Errors
    /// When the connection is refused.
    pub fn from(source: IpAddr, to: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stream = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            socket.connect(to).await?.into_std()
        });
        let stream = stream.with_context(|| format!("connect from {source} to {to}"))?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, octets: &[u8]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(octets)?)
    }

    /// The next line without its end; empty when the other side has closed, however it did.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.stream.read_line(&mut line);
        line.trim_end().to_owned()
    }

    /// The last line of the next SMTP reply.
    pub fn reply(&mut self) -> String {
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// Sends a line and returns the last line of the reply.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn say(&mut self, line: &str) -> Result<String> {
        self.send(format!("{line}\r\n").as_bytes())?;
        Ok(self.reply())
    }

    /// All that comes until the other side closes.
    ///
    /// # Errors
    /// When it doesn't close in time.
    pub fn rest(&mut self) -> Result<String> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(String::from_utf8_lossy(&rest).into_owned())
    }

    /// The connection itself, for TLS; nothing may have been read that was not used.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}
