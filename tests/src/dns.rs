//! A name server for tests (RFC 1035): answers over UDP from a table of A, MX, TXT and PTR records, which may change while it runs.
//!
//! Names that are not in the table do not exist; names with a label `broken` make it fail (SERVFAIL). Answers fit one datagram.

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// A record of the table.
#[derive(Clone, Debug)]
pub enum Record {
    /// An address.
    A(Ipv4Addr),
    /// A text; beyond 255 bytes it goes out in pieces, as keys do.
    Txt(String),
    /// A name.
    Ptr(String),
    /// A mail exchanger and its preference.
    Mx(u16, String),
}

/// Names without the final dot, and their records.
pub type Table = Vec<(&'static str, Record)>;

/// What a running server knows.
#[derive(Clone, Debug, Default)]
pub struct Zone(Arc<Mutex<Vec<(String, Record)>>>);

impl Zone {
    /// Adds a record.
    pub fn publish(&self, name: &str, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), record));
    }

    /// Removes all records of a name.
    pub fn withdraw(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != name);
    }

    /// Answers from it on a free port of 127.0.0.1 until the process ends.
    ///
    /// # Errors
    /// When no port is free.
    pub fn serve(&self) -> Result<SocketAddr> {
        self.serve_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    fn serve_on(&self, address: SocketAddr) -> Result<SocketAddr> {
        let socket = UdpSocket::bind(address).with_context(|| format!("a name server on {address}"))?;
        let (address, zone) = (socket.local_addr()?, self.clone());
        std::thread::spawn(move || {
            let mut question = [0; 1_500];
            while let Ok((length, peer)) = socket.recv_from(&mut question) {
                let reply = question.get(..length).and_then(|question| answer(question, &zone).ok());
                let _ = reply.map(|reply| socket.send_to(&reply, peer));
            }
        });
        Ok(address)
    }

    fn records(&self, name: &str) -> Vec<Record> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(known, _)| known == name).map(|(_, record)| record.clone()).collect()
    }
}

const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// Answers on a free port of 127.0.0.1 until the process ends.
///
/// # Errors
/// When no port is free.
pub fn serve(table: Table) -> Result<SocketAddr> {
    serve_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), table)
}

/// [`serve`], on an address that others know.
///
/// # Errors
/// When it is in use, or not ours to use.
pub fn serve_on(address: SocketAddr, table: Table) -> Result<SocketAddr> {
    let zone = Zone::default();
    for (name, record) in table {
        zone.publish(name, record);
    }
    zone.serve_on(address)
}

/// The reply to a message with one question.
fn answer(question: &[u8], zone: &Zone) -> Result<Vec<u8>> {
    let (labels, after) = name(question.get(12..).context("a header")?)?;
    let kind = u16::from_be_bytes([*after.first().context("a type")?, *after.get(1).context("a type")?]);
    let asked = labels.join(".").to_lowercase();
    let known = zone.records(&asked);
    let code = match known.len() {
        _ if labels.iter().any(|label| label == "broken") => SERVFAIL,
        0 => NXDOMAIN,
        _ => NOERROR,
    };
    let answers: Vec<Vec<u8>> = known.iter().filter(|record| record.kind() == kind).map(Record::data).collect();
    // Its id; a reply, recursion available; one question and the answers.
    let mut reply = question.get(..2).context("an id")?.to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(answers.len())?, 0, 0, 0, 0]);
    let asked_bytes = question.len() - 12 - after.len() + 4;
    reply.extend(question.get(12..12 + asked_bytes).context("a question")?);
    for data in answers {
        // The name is the one in the question.
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(data.len())?.to_be_bytes());
        reply.extend(data);
    }
    Ok(reply)
}

/// The labels of a name, and what follows it.
fn name(mut bytes: &[u8]) -> Result<(Vec<String>, &[u8])> {
    let mut labels = Vec::new();
    loop {
        let (length, rest) = bytes.split_first().context("a label")?;
        if *length == 0 {
            return Ok((labels, rest));
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length)).context("a whole label")?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        bytes = rest;
    }
}

impl Record {
    const fn kind(&self) -> u16 {
        match self {
            Record::A(_) => 1,
            Record::Ptr(_) => 12,
            Record::Mx(..) => 15,
            Record::Txt(_) => 16,
        }
    }

    fn data(&self) -> Vec<u8> {
        let counted = |text: &[u8]| [&[u8::try_from(text.len()).unwrap_or(u8::MAX)], text].concat();
        let name = |name: &str| name.split('.').map(str::as_bytes).flat_map(counted).chain([0]).collect::<Vec<u8>>();
        match self {
            Record::A(address) => address.octets().to_vec(),
            Record::Txt(text) => text.as_bytes().chunks(255).flat_map(counted).collect(),
            Record::Ptr(target) => name(target),
            Record::Mx(preference, host) => [preference.to_be_bytes().to_vec(), name(host)].concat(),
        }
    }
}
