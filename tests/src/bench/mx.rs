//! Mail from another server, verified on its way in: SPF, DKIM and DMARC against a name server of the rig.
//!
//! The messages are signed beforehand with an RSA key of 2048 bits (RFC 6376, rsa-sha256, relaxed), and sent in turn; their domain publishes
//! an SPF record that names this machine's addresses, the key, and a DMARC policy of reject. All of them pass. Both systems ask the same name
//! server, which answers from a table in this process; what they remember of it is their own affair. Nothing else differs from
//! [`super`]'s measurements of mail to a mailbox.
//!
//! [`overload`] measures what happens when ten times more connections come than one network may have, or than there are places.

use super::{Case, Subject, Yubin, load, number};
use crate::dns::{self, Record};
use crate::load::{Content, Number, Protocol};
use crate::peer::{self, Filters, Peer};
use crate::process;
use crate::system::{System, Transport};
use anyhow::{Context as _, Result};
use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{DkimSigner, Done};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The domain that sends.
const SENDER: &str = "sender.example";
/// Where its key is.
const SELECTOR: &str = "load";
/// Where the name server is: in the network that [`in_own_network`] makes, and outside 127.0.0.0/8, where opendkim's resolver asks nobody.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// Different messages of each size.
const LETTERS: u32 = 200;
/// Connections that one network may have when it comes with more, or places that there are.
const CONNECTIONS_MAX: usize = 50;
/// The fields that are signed.
const SIGNED: [&str; 5] = ["From", "To", "Subject", "Date", "Message-ID"];

/// Goes on in a network of its own, with nothing in it but the loopback device and the name server's address on it (RFC 5737).
///
/// # Errors
/// When there can't be one: it needs root.
pub fn in_own_network() -> Result<()> {
    const INSIDE: &str = "YUBIN_BENCH_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let mut again = Command::new("unshare");
    again.args(["--net", "sh", "-c", "ip link set lo up && ip address add \"$0/32\" dev lo && exec \"$@\""]);
    again
        .arg(NAME_SERVER.to_string())
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "own");
    Err(again.exec()).context("a network of its own")
}

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
        let private = folder.join("key.pem");
        process::output(Command::new("openssl").args(["genrsa", "-out"]).arg(&private).arg("2048"))?;
        let public = process::output(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&private))?;
        let public: String = public.lines().filter(|line| !line.starts_with('-')).collect();
        let key = format!("v=DKIM1; k=rsa; p={public}");
        let text = |text: &str| Record::Txt(text.to_owned());
        let table = vec![
            ("sender.example", text("v=spf1 ip4:127.0.0.0/8 -all")),
            ("_dmarc.sender.example", text("v=DMARC1; p=reject")),
            ("load._domainkey.sender.example", Record::Txt(key)),
            ("load.sender.example", Record::A(Ipv4Addr::LOCALHOST)),
            ("1.0.0.127.in-addr.arpa", Record::Ptr("load.sender.example".to_owned())),
        ];
        dns::serve_on(SocketAddr::from((NAME_SERVER, 53)), table)?;
        let letters = Letters { folder: folder.to_path_buf() };
        let key = PrivateKeyDer::from_pem_file(private)?;
        let key = RsaKey::<Sha256>::from_key_der(key)?;
        let signer = DkimSigner::from_key(key).domain(SENDER).selector(SELECTOR).headers(SIGNED);
        for size in sizes {
            letters.write(*size, &signer)?;
        }
        Ok(letters)
    }

    fn write(&self, size_bytes: usize, signer: &DkimSigner<RsaKey<Sha256>, Done>) -> Result<()> {
        let folder = self.of(size_bytes);
        std::fs::create_dir_all(&folder)?;
        let content = Content::new(size_bytes);
        for sequence in 0..LETTERS {
            let message = content.message(Number { run: 0, connection: 0, sequence }, "list@bench.example");
            let signature = signer.sign(&message)?.to_header();
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
pub struct Verifying<'a, S> {
    name: &'static str,
    system: S,
    letters: &'a Letters,
    networks: usize,
}

/// Postfix with opendkim, opendmarc and policyd-spf, in front of Dovecot.
///
/// # Errors
/// When one of them does not start.
pub fn peer<'a>(folder: &Path, letters: &'a Letters) -> Result<Verifying<'a, Peer>> {
    let filters = Filters::start(&folder.join("filters"), NAME_SERVER, &format!("mx.{}", peer::DOMAIN))?;
    let system = Peer::filtering(folder, Some(filters))?;
    Ok(Verifying { name: "Postfix+filters+Dovecot", system, letters, networks: 0 })
}

/// One process of ours.
///
/// # Errors
/// When it does not start, or an account can't be made.
pub fn yubin<'a>(folder: &Path, letters: &'a Letters) -> Result<Verifying<'a, Yubin<System>>> {
    ours(folder, letters, "")
}

fn ours<'a>(folder: &Path, letters: &'a Letters, more: &str) -> Result<Verifying<'a, Yubin<System>>> {
    let verified = format!("[smtp.inbound]\nexempt_networks = []\nname_servers = [\"{NAME_SERVER}:53\"]\n{more}");
    let system = System::configured(Transport::Direct, folder, &verified)?;
    let ids = vec![system.running.id()];
    Ok(Verifying { name: "yubin", system: Yubin::new("yubin", system, ids)?, letters, networks: 0 })
}

/// Where too many connections come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// One network, which has more than its share.
    OneNetwork,
    /// Each from a network of its own, none of which has too many: together they are more than there are places.
    ManyNetworks,
}

impl Flood {
    /// Both.
    pub const ALL: [Flood; 2] = [Flood::OneNetwork, Flood::ManyNetworks];

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Flood::OneNetwork => "one network",
            Flood::ManyNetworks => "500 networks",
        }
    }

    fn limits(self) -> String {
        match self {
            Flood::OneNetwork => format!(
                "[limits]\nexempt_networks = []\nsmtp = {{ connections = {CONNECTIONS_MAX}, connections_per_minute = 0 }}\n"
            ),
            Flood::ManyNetworks => format!("[connections]\nsmtp = {CONNECTIONS_MAX}\n[limits]\nexempt_networks = []\n"),
        }
    }

    const fn networks(self) -> usize {
        match self {
            Flood::OneNetwork => 0,
            Flood::ManyNetworks => 10 * CONNECTIONS_MAX,
        }
    }
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

/// Loads ours over as many connections as it takes, and then over ten times as many, which come again every second.
///
/// # Errors
/// When it does not start or the load fails.
pub fn overload(folder: &Path, letters: &Letters, case: Case, flood: Flood) -> Result<Overload> {
    let subject = Verifying { networks: flood.networks(), ..ours(folder, letters, &flood.limits())? };
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

impl<S: Subject> Subject for Verifying<'_, S> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn targets(&self) -> Vec<SocketAddr> {
        self.system.targets()
    }
    fn protocol(&self) -> Protocol {
        self.system.protocol()
    }
    fn domain(&self) -> &str {
        self.system.domain()
    }
    fn accounts(&self) -> usize {
        self.system.accounts()
    }
    fn ids(&self) -> Vec<u32> {
        self.system.ids()
    }
    fn letters(&self, size_bytes: usize) -> Option<PathBuf> {
        Some(self.letters.of(size_bytes))
    }
    fn networks(&self) -> usize {
        self.networks
    }
    fn arrived(&self) -> Result<usize> {
        self.system.arrived()
    }
}
