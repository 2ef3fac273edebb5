//! One connection that speaks SMTP (RFC 5321) or LMTP (RFC 2033) and keeps sending.
//!
//! Only what a sending server needs: greeting, EHLO or LHLO, then per message MAIL, RCPT and DATA in one write, the
//! content in the next. Any answer outside 2xx and 3xx is a refusal of that message; RSET clears what was begun. Mail
//! between servers goes without TLS and AUTH; with a login it is a user's submission, over TLS from the first byte.

use super::message::{Content, Number};
use crate::tls;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::ServerName;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Longest wait for an answer; RFC 5321 §4.5.3.2 allows minutes, but a stall this long is a finding.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321, with PIPELINING.
    Smtp,
    /// RFC 2033: one answer per recipient after the content.
    Lmtp,
}

/// A user who submits (RFC 6409), over TLS (RFC 8314).
#[derive(Clone, Debug)]
pub struct Login {
    /// The user's address, which is the sender too.
    pub user: String,
    /// The password.
    pub password: String,
}

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Answer {
    /// 250 after the content.
    Accepted,
    /// A reply of 4xx or 5xx, as it was written.
    Refused(String),
}

/// The server has no place for one more connection (421 in place of a greeting).
#[derive(Debug)]
pub(super) struct TurnedAway;

impl std::error::Error for TurnedAway {}

impl std::fmt::Display for TurnedAway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("turned away")
    }
}

/// An open connection past its greeting.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    sender: String,
    /// Bytes read and not yet taken as lines.
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Connection {
    /// Connects, from this address if one is named, and speaks up to the answer to EHLO, LHLO or AUTH.
    pub(super) async fn open(
        source: Option<Ipv4Addr>,
        target: SocketAddr,
        protocol: Protocol,
        login: Option<&Login>,
    ) -> Result<Self> {
        let stream = connect(source, target).await.with_context(|| format!("connect to {target}"))?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match login {
            None => Box::new(stream),
            Some(_) => Box::new(encrypt(stream).await?),
        };
        let sender = login.map_or("load@sender.example", |login| &login.user).to_owned();
        let mut connection = Self { stream, sender, input: Vec::new(), output: Vec::new() };
        let greeting = connection.reply().await?;
        if greeting.starts_with("421") {
            return Err(TurnedAway.into());
        }
        expected(&greeting, 220)?;
        let hello: &[u8] = match protocol {
            Protocol::Smtp => b"EHLO load.sender.example\r\n",
            Protocol::Lmtp => b"LHLO load.sender.example\r\n",
        };
        connection.stream.write_all(hello).await?;
        connection.expect(250).await?;
        if let Some(Login { user, password }) = login {
            let command = format!("AUTH PLAIN {}\r\n", BASE64.encode(format!("\0{user}\0{password}")));
            connection.stream.write_all(command.as_bytes()).await?;
            connection.expect(235).await?;
        }
        Ok(connection)
    }

    /// Sends one message to one recipient and returns its answer.
    pub(super) async fn send(&mut self, content: &Content, number: Number, recipient: &str) -> Result<Answer> {
        let envelope = format!("MAIL FROM:<{}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n", self.sender);
        self.stream.write_all(envelope.as_bytes()).await?;
        let answers = [self.reply().await?, self.reply().await?, self.reply().await?];
        let refusal = answers.iter().find(|answer| !(answer.starts_with('2') || answer.starts_with('3')));
        if let Some(refusal) = refusal.cloned() {
            let [_, _, data] = &answers;
            if data.starts_with('3') {
                // DATA was accepted all the same (RFC 2033 allows it): an empty content ends it.
                self.stream.write_all(b".\r\n").await?;
                self.reply().await?;
            }
            self.stream.write_all(b"RSET\r\n").await?;
            self.expect(250).await?;
            return Ok(Answer::Refused(refusal));
        }
        self.output.clear();
        content.write(number, recipient, &mut self.output);
        self.output.extend_from_slice(b".\r\n");
        self.stream.write_all(&self.output).await?;
        let answer = self.reply().await?;
        Ok(if answer.starts_with('2') { Answer::Accepted } else { Answer::Refused(answer) })
    }

    /// Says goodbye; the answer does not matter.
    pub(super) async fn quit(mut self) {
        if self.stream.write_all(b"QUIT\r\n").await.is_ok() {
            let _ = self.reply().await;
        }
    }

    async fn expect(&mut self, code: u16) -> Result<()> {
        expected(&self.reply().await?, code)
    }

    /// The next reply: the last line of a reply of several lines.
    async fn reply(&mut self) -> Result<String> {
        loop {
            let line = tokio::time::timeout(ANSWER_WITHIN, self.line()).await.context("no answer in time")??;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("closed by the other side");
            }
        }
    }
}

fn expected(reply: &str, code: u16) -> Result<()> {
    if !reply.starts_with(&code.to_string()) {
        bail!("expected {code}, got: {reply}");
    }
    Ok(())
}

/// TLS with whatever certificate the server shows.
async fn encrypt(stream: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(tls::config()?));
    connector.connect(ServerName::try_from("localhost")?, stream).await.context("TLS")
}

async fn connect(source: Option<Ipv4Addr>, target: SocketAddr) -> std::io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(target).await };
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(target).await
}
