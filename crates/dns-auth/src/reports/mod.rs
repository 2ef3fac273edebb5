//! What other domains want to hear of us: written as their RFCs say, and to whom. And what they say of hosted domains.
//!
//! - [`addressees`]: where a domain wants its reports, and whether whoever gets them agrees.
//! - [`dmarc`]: an aggregate report (RFC 7489 §7.2 in the format of RFC 9990). [`tls`]: a TLS report (RFC 8460).
//! - [`received`]: reports of others on hosted domains, read.
//!
//! The library of mail authentication writes the XML, the JSON and the message around them; what is counted, when and how often it is sent is for
//! whoever calls. All text that came from a stranger stands in a report as a domain name or an address that was parsed, but for the lines
//! of MTA-STS policies, which JSON escapes. Failure reports (`ruf`) are not written: they disclose mail.

pub mod addressees;
pub mod dmarc;
pub mod received;
pub mod tls;

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use yubin_types::{Address, Timestamp};

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// Whom reports are from; its domain is the submitter.
    pub from: Address,
    /// How to reach somebody: an address, a page.
    pub contact: String,
}

/// What time a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// From then.
    pub begin: Timestamp,
    /// Before then.
    pub end: Timestamp,
}

impl Period {
    /// The last second that lies in it.
    #[must_use]
    pub const fn last_second(self) -> u64 {
        self.end.millis().saturating_sub(1) / 1_000
    }
}

/// Packed (RFC 1952).
fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text.as_bytes())?;
    packer.finish()
}
