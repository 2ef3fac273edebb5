//! Milters, asked as a mail server asks them (protocol 6 of Sendmail's libmilter): connection, HELO, MAIL, RCPT, header, body, end.
//!
//! A milter is asked when a message has come in whole, all steps one after the other, so that its answer to any of them is the answer to
//! the message: what it says of one recipient, it says of all. It may accept, refuse, put off, discard, add, insert and change header
//! fields, and quarantine; nothing else is offered to it (other recipients, another sender, another body), and one that insists is away.
//! The body streams from the spool; a packet, and the number of changes, have bounds.
//!
//! - [`packet`]: the protocol's octets.

mod packet;

use std::net::IpAddr;

use futures::TryStreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use yubin_message::HeaderFields;
use yubin_types::{SmtpReply, limits};

use self::packet::{Answer, Offer, Step};
use super::{ScanError, Scanner, Way, Wire};
use crate::header::Opened;

/// What a milter says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Milter {
    /// It is taken, with these changes in their order.
    Take(Vec<Change>),
    /// It is taken, and kept from the inbox.
    Quarantine(Vec<Change>),
    /// It is refused or put off so.
    Refuse(SmtpReply),
    /// It is taken, and nobody gets it.
    Discard,
}

/// A change of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A field goes behind all others.
    Add(Field),
    /// A field goes before the one at this place, from 0.
    Insert(usize, Field),
    /// The field of this name with this number among them, from 1, gets another value; an empty one takes it away.
    Replace(usize, Field),
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name: printable ASCII without a colon.
    pub(crate) name: String,
    /// What follows colon and space; folds are as they must be.
    pub(crate) value: Vec<u8>,
}

/// A conversation.
struct Talk {
    wire: Box<dyn Wire>,
    offer: Offer,
}

impl Scanner {
    /// Shows a milter a message that was taken apart.
    pub(crate) async fn milter(&self, message: Opened, way: &Way) -> Result<Milter, ScanError> {
        self.run(async {
            let mut talk = Talk::begin(self.connect().await?).await?;
            let said = talk.message(message, way).await;
            // It may be gone already.
            drop(talk.wire.write_all(&packet::packet(b'Q', &[])).await);
            said
        })
        .await
    }
}

impl Talk {
    async fn begin(wire: Box<dyn Wire>) -> Result<Talk, ScanError> {
        let mut talk = Talk { wire, offer: Offer::default() };
        talk.wire.write_all(&packet::packet(b'O', &[&Offer::OURS.to_bytes()])).await?;
        let (command, data) = talk.read().await?;
        let offer = Offer::parse(&data).filter(|_| command == b'O');
        talk.offer = offer.ok_or_else(|| ScanError::Answer("no version that we speak".to_owned()))?;
        Ok(talk)
    }

    async fn message(&mut self, message: Opened, way: &Way) -> Result<Milter, ScanError> {
        match self.envelope(way).await? {
            Answer::Continue | Answer::Skip => {}
            end => return decided(end),
        }
        match self.content(message).await? {
            Answer::Continue | Answer::Skip => {}
            end => return decided(end),
        }
        self.wire.write_all(&packet::packet(b'E', &[])).await?;
        let mut changes = Vec::new();
        let mut quarantined = false;
        loop {
            let (command, data) = self.read().await?;
            match packet::answer(command, &data)? {
                Answer::Progress => {}
                Answer::Change(_) if changes.len() >= limits::MILTER_CHANGES_MAX => {
                    return Err(ScanError::Answer("too many changes".to_owned()));
                }
                Answer::Change(change) => changes.push(change),
                Answer::Quarantine => quarantined = true,
                Answer::Continue | Answer::Accept | Answer::Skip if quarantined => {
                    return Ok(Milter::Quarantine(changes));
                }
                Answer::Continue | Answer::Accept | Answer::Skip => return Ok(Milter::Take(changes)),
                end => return decided(end),
            }
        }
    }

    /// The way of the message, until something else than "go on" is said.
    async fn envelope(&mut self, way: &Way) -> Result<Answer, ScanError> {
        let (family, address) = match way.peer {
            IpAddr::V4(address) => (b"4", address.to_string()),
            IpAddr::V6(address) => (b"6", format!("IPv6:{address}")),
        };
        let peer_name = way.peer_name.clone().unwrap_or_else(|| format!("[{}]", way.peer));
        let macros: [&[u8]; 4] = [b"C", b"j\0", way.hostname.as_bytes(), b"\0"];
        self.wire.write_all(&packet::packet(b'D', &macros)).await?;
        let parts: [&[u8]; 6] =
            [peer_name.as_bytes(), b"\0", family, &way.port.to_be_bytes(), address.as_bytes(), b"\0"];
        let mut answer = self.ask(Step::Connect, &parts).await?;
        if answer == Answer::Continue {
            answer = self.ask(Step::Helo, &[way.helo.as_bytes(), b"\0"]).await?;
        }
        if answer == Answer::Continue {
            let user = way.user.as_deref().map(|user| ["{auth_authen}\0", user, "\0"].concat()).unwrap_or_default();
            let macros: [&[u8]; 5] = [b"M", b"i\0", way.id.as_bytes(), b"\0", user.as_bytes()];
            self.wire.write_all(&packet::packet(b'D', &macros)).await?;
            answer = self.ask(Step::Mail, &[b"<", way.sender.as_bytes(), b">\0"]).await?;
        }
        for recipient in &way.recipients {
            if answer == Answer::Continue {
                answer = self.ask(Step::Recipient, &[b"<", recipient.as_bytes(), b">\0"]).await?;
            }
        }
        if answer == Answer::Continue {
            answer = self.ask(Step::Data, &[]).await?;
        }
        Ok(answer)
    }

    /// Header and body, until something else than "go on" is said.
    async fn content(&mut self, mut message: Opened) -> Result<Answer, ScanError> {
        for field in HeaderFields::new(&message.header) {
            // Line ends of folds stand alone in the protocol; one space behind the colon is understood.
            let value: Vec<u8> = field.body.iter().copied().filter(|octet| !matches!(octet, b'\r' | 0)).collect();
            let value = value.strip_prefix(b" ").unwrap_or(&value);
            let answer = self.ask(Step::Header, &[field.name, b"\0", value, b"\0"]).await?;
            if answer != Answer::Continue {
                return Ok(answer);
            }
        }
        let mut answer = self.ask(Step::EndOfHeader, &[]).await?;
        let mut begun = Some(std::mem::take(&mut message.begun).into());
        while answer == Answer::Continue {
            let next = match begun.take() {
                Some(begun) => Some(begun),
                None => message.rest.try_next().await.map_err(ScanError::Spool)?,
            };
            let Some(piece) = next else { break };
            for chunk in piece.chunks(packet::BODY_BYTES_MAX) {
                if answer == Answer::Continue {
                    answer = self.ask(Step::Body, &[chunk]).await?;
                }
            }
        }
        Ok(answer)
    }

    /// Takes a step, if the milter wants to see it, and waits for its answer, if it gives one.
    async fn ask(&mut self, step: Step, data: &[&[u8]]) -> Result<Answer, ScanError> {
        if self.offer.passes_over(step) {
            return Ok(Answer::Continue);
        }
        self.wire.write_all(&packet::packet(step.command(), data)).await?;
        if self.offer.says_nothing_to(step) {
            return Ok(Answer::Continue);
        }
        loop {
            let (command, data) = self.read().await?;
            match packet::answer(command, &data)? {
                Answer::Progress => {}
                Answer::Change(_) | Answer::Quarantine => {
                    return Err(ScanError::Answer("a change before the end".to_owned()));
                }
                answer => return Ok(answer),
            }
        }
    }

    async fn read(&mut self) -> Result<(u8, Vec<u8>), ScanError> {
        let length = usize::try_from(self.wire.read_u32().await?).unwrap_or(usize::MAX);
        if !(1..=limits::MILTER_PACKET_BYTES_MAX).contains(&length) {
            return Err(ScanError::Answer(format!("a packet of {length} bytes")));
        }
        let command = self.wire.read_u8().await?;
        let mut data = vec![0; length - 1];
        self.wire.read_exact(&mut data).await?;
        Ok((command, data))
    }
}

/// What an answer that ends a conversation means.
fn decided(answer: Answer) -> Result<Milter, ScanError> {
    match answer {
        Answer::Accept => Ok(Milter::Take(Vec::new())),
        Answer::Discard => Ok(Milter::Discard),
        Answer::Refuse(reply) => Ok(Milter::Refuse(reply)),
        _ => Err(ScanError::Answer("out of order".to_owned())),
    }
}
