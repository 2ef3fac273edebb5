//! Mail from another server, verified on its way in: SPF, DKIM and DMARC against a name server of the rig.
//!
//! The messages are signed beforehand with an RSA key of 2048 bits (RFC 6376, rsa-sha256, relaxed), and sent in turn; their domain publishes
//! an SPF record that names this machine, the key, and a DMARC policy of reject. All of them pass. Both systems ask the same name
//! server, which answers from a table in this process; what they remember of it is their own affair. Nothing else differs from
//! [`super`]'s measurements of mail to a mailbox.
//!
//! [`overload`] measures what happens when ten times more connections come than one network may have.

use super::{ACCOUNTS, Case, Subject, load, number};
use crate::crash::Target as _;
use crate::dns::{self, Record};
use crate::load::{Content, Number, Protocol};
use crate::peer::{self, Filters, Peer};
use crate::process;
use crate::system::{System, Transport};
use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::{digest, rsa, signature};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The domain that sends.
const SENDER: &str = "sender.example";
/// Where its key is.
const SELECTOR: &str = "load";
/// An address whose port 53 nobody else uses.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 5, 3);
/// Different messages of each size.
const LETTERS: u32 = 200;
/// Connections that one network may have when it comes with more.
const CONNECTIONS_MAX: usize = 50;
/// The password of our own accounts.
const PASSWORD: &str = "correct horse battery";

/// Signed messages, and a name server that knows their domain.
#[derive(Debug)]
pub struct Letters {
    folder: PathBuf,
}

impl Letters {
    /// Makes messages of these sizes below `folder`, and starts the name server.
    ///
    /// # Errors
    /// When signing fails, or port 53 can't be used (it needs root).
    pub fn make(folder: &Path, sizes: &[usize]) -> Result<Letters> {
        let keys = folder.join("keys");
        std::fs::create_dir_all(&keys)?;
        let mut make = Command::new("/usr/sbin/opendkim-genkey");
        process::output(make.args(["-b", "2048", "-d", SENDER, "-s", SELECTOR, "-D"]).arg(&keys))?;
        let record = std::fs::read_to_string(keys.join(format!("{SELECTOR}.txt")))?;
        // The texts in quotes are its pieces.
        let key: String = record.split('"').skip(1).step_by(2).collect();
        let text = |text: &str| Record::Txt(text.to_owned());
        let table = vec![
            ("sender.example", text("v=spf1 ip4:127.0.0.1 -all")),
            ("_dmarc.sender.example", text("v=DMARC1; p=reject")),
            ("load._domainkey.sender.example", Record::Txt(key)),
            ("load.sender.example", Record::A(Ipv4Addr::LOCALHOST)),
            ("1.0.0.127.in-addr.arpa", Record::Ptr("load.sender.example".to_owned())),
        ];
        dns::serve_on(SocketAddr::from((NAME_SERVER, 53)), table)?;
        let letters = Letters { folder: folder.to_path_buf() };
        let key = PrivatePkcs8KeyDer::from_pem_file(keys.join(format!("{SELECTOR}.private")))?;
        let key = rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|error| anyhow!("the key: {error}"))?;
        for size in sizes {
            letters.write(*size, &key)?;
        }
        Ok(letters)
    }

    fn write(&self, size_bytes: usize, key: &rsa::KeyPair) -> Result<()> {
        let folder = self.of(size_bytes);
        std::fs::create_dir_all(&folder)?;
        let content = Content::new(size_bytes);
        for sequence in 0..LETTERS {
            let message = content.message(Number { run: 0, connection: 0, sequence }, "list@bench.example");
            let signature = sign(&String::from_utf8(message.clone())?, key)?;
            std::fs::write(folder.join(format!("{sequence:04}")), [signature.as_bytes(), &message].concat())?;
        }
        Ok(())
    }

    fn of(&self, size_bytes: usize) -> PathBuf {
        self.folder.join(size_bytes.to_string())
    }
}

/// A system that verifies what it takes.
#[derive(Debug)]
pub struct Verifying<'a, T> {
    name: &'static str,
    system: T,
    ids: Vec<u32>,
    letters: &'a Letters,
}

/// Postfix with opendkim, opendmarc and policyd-spf, in front of Dovecot.
///
/// # Errors
/// When one of them does not start.
pub fn peer<'a>(folder: &Path, letters: &'a Letters) -> Result<Verifying<'a, Peer>> {
    let filters = Filters::start(&folder.join("filters"), NAME_SERVER, &format!("mx.{}", peer::DOMAIN))?;
    let system = Peer::filtering(folder, Some(filters))?;
    Ok(Verifying { name: "Postfix+filters+Dovecot", ids: system.ids(), system, letters })
}

/// One process of ours.
///
/// # Errors
/// When it does not start, or an account can't be made.
pub fn yubin<'a>(folder: &Path, letters: &'a Letters) -> Result<Verifying<'a, System>> {
    ours(folder, letters, "")
}

fn ours<'a>(folder: &Path, letters: &'a Letters, more: &str) -> Result<Verifying<'a, System>> {
    let verified = format!("[smtp.inbound]\nexempt_networks = []\nname_servers = [\"{NAME_SERVER}:53\"]\n{more}");
    let system = System::configured(Transport::Direct, folder, &verified)?;
    system.admin().populate(peer::DOMAIN, ACCOUNTS, PASSWORD)?;
    Ok(Verifying { name: "yubin", ids: vec![system.running.id()], system, letters })
}

/// What came of too many connections.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// Messages per second over as many connections as are taken.
    pub peak_per_s: f64,
    /// Over ten times as many.
    pub rate_per_s: f64,
    /// How often a connection was turned away.
    pub turned_away: f64,
    /// After how long at most, in milliseconds.
    pub turned_away_ms_max: f64,
}

/// Loads ours over as many connections as one network may have, and then over ten times as many, which come again every second.
///
/// # Errors
/// When it does not start or the load fails.
pub fn overload(folder: &Path, letters: &Letters, case: Case) -> Result<Overload> {
    let limits = format!(
        "[limits]\nexempt_networks = []\nsmtp = {{ connections = {CONNECTIONS_MAX}, connections_per_minute = 0 }}\n"
    );
    let subject = ours(folder, letters, &limits)?;
    let rate = |connections| load(&subject, Case { connections, ..case });
    // The first one is for warming up.
    rate(CONNECTIONS_MAX)?;
    let peak = rate(CONNECTIONS_MAX)?;
    let report = rate(10 * CONNECTIONS_MAX)?;
    Ok(Overload {
        peak_per_s: number(&peak, "/rate_per_s"),
        rate_per_s: number(&report, "/rate_per_s"),
        turned_away: number(&report, "/turned_away"),
        turned_away_ms_max: number(&report, "/turned_away_ms/max"),
    })
}

impl Subject for Verifying<'_, Peer> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn targets(&self) -> Vec<SocketAddr> {
        vec![self.system.smtp()]
    }
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }
    fn domain(&self) -> &str {
        peer::DOMAIN
    }
    fn accounts(&self) -> usize {
        ACCOUNTS
    }
    fn ids(&self) -> Vec<u32> {
        self.ids.clone()
    }
    fn letters(&self, size_bytes: usize) -> Option<PathBuf> {
        Some(self.letters.of(size_bytes))
    }
    fn arrived(&self) -> Result<usize> {
        Ok(self.system.stored())
    }
}

impl Subject for Verifying<'_, System> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn targets(&self) -> Vec<SocketAddr> {
        self.system.smtp()
    }
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }
    fn domain(&self) -> &str {
        peer::DOMAIN
    }
    fn accounts(&self) -> usize {
        ACCOUNTS
    }
    fn ids(&self) -> Vec<u32> {
        self.ids.clone()
    }
    fn letters(&self, size_bytes: usize) -> Option<PathBuf> {
        Some(self.letters.of(size_bytes))
    }
    fn arrived(&self) -> Result<usize> {
        Ok(usize::try_from(self.system.admin().usage(peer::DOMAIN)?.messages)?)
    }
}

/// The DKIM-Signature field of a message of [`Content`]'s, whose lines need no folding and whose spaces are single.
fn sign(message: &str, key: &rsa::KeyPair) -> Result<String> {
    let (header, body) = message.split_once("\r\n\r\n").context("no header")?;
    let fields = header.split("\r\n").filter_map(|line| line.split_once(": "));
    let fields: Vec<(String, &str)> = fields.map(|(name, value)| (name.to_lowercase(), value)).collect();
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let value = format!(
        "v=1; a=rsa-sha256; c=relaxed/relaxed; d={SENDER}; s={SELECTOR}; h={}; bh={}; b=",
        names.join(":"),
        BASE64.encode(digest::digest(&digest::SHA256, body.as_bytes())),
    );
    let signed: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
    let signed = signed + "dkim-signature:" + &value;
    let mut made = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut made)
        .map_err(|error| anyhow!("signing: {error}"))?;
    Ok(format!("DKIM-Signature: {value}{}\r\n", BASE64.encode(made)))
}
