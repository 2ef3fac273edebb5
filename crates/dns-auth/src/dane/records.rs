//! Which TLSA records can be used for SMTP, and whether a certificate matches one.
//!
//! Usages 2 (DANE-TA) and 3 (DANE-EE) only: 0 and 1 lean on public authorities, which SMTP does not (RFC 7672 §3.1.3). A record of
//! unknown selector or matching type, or with a digest of the wrong length, is as if it were not there (RFC 7671 §4). Beside a
//! SHA-512 digest of the same usage and selector a SHA-256 one does not count (RFC 7671 §9, digest algorithm agility).

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, SHA512, SHA512_OUTPUT_LEN, digest};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;
use yubin_types::limits;

use crate::resolver::TlsaRecord;

/// What a record vouches for (RFC 7218 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// 2: an authority; the host's certificate is signed by it, valid, and carries the right name.
    DaneTa,
    /// 3: the host's certificate; its names and dates don't matter (RFC 7672 §3.1.1).
    DaneEe,
}

/// Which part of a certificate is compared (RFC 7218 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// 0: the whole certificate.
    Cert,
    /// 1: its public key, with algorithm.
    Spki,
}

/// How it is compared (RFC 7218 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// 0: octet by octet.
    Full,
    /// 1: by its SHA-256 digest.
    Sha2_256,
    /// 2: by its SHA-512 digest.
    Sha2_512,
}

/// A usable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// What it vouches for.
    pub usage: Usage,
    /// Which part is compared.
    pub selector: Selector,
    /// How.
    pub matching: Matching,
    /// With what.
    pub data: Vec<u8>,
}

impl Association {
    fn read(record: &TlsaRecord) -> Option<Association> {
        let usage = match record.usage {
            2 => Usage::DaneTa,
            3 => Usage::DaneEe,
            _ => return None,
        };
        let selector = match record.selector {
            0 => Selector::Cert,
            1 => Selector::Spki,
            _ => return None,
        };
        let matching = match (record.matching, record.data.len()) {
            (0, 1..) => Matching::Full,
            (1, SHA256_OUTPUT_LEN) => Matching::Sha2_256,
            (2, SHA512_OUTPUT_LEN) => Matching::Sha2_512,
            _ => return None,
        };
        Some(Association { usage, selector, matching, data: record.data.clone() })
    }

    /// Does this certificate match? One that can't be read has no key to compare.
    #[must_use]
    pub fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        match self.selector {
            Selector::Cert => self.matches_bytes(certificate),
            Selector::Spki => EndEntityCert::try_from(certificate)
                .is_ok_and(|certificate| self.matches_bytes(&certificate.subject_public_key_info())),
        }
    }

    fn matches_bytes(&self, bytes: &[u8]) -> bool {
        match self.matching {
            Matching::Full => self.data == bytes,
            Matching::Sha2_256 => self.data == digest(&SHA256, bytes).as_ref(),
            Matching::Sha2_512 => self.data == digest(&SHA512, bytes).as_ref(),
        }
    }

    /// Does `self` make this weaker record superfluous?
    fn outranks(&self, other: &Association) -> bool {
        self.usage == other.usage
            && self.selector == other.selector
            && (self.matching, other.matching) == (Matching::Sha2_512, Matching::Sha2_256)
    }
}

/// The usable records of a host, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsaSet(Vec<Association>);

impl TlsaSet {
    /// The usable ones among these records, if there is any.
    #[must_use]
    pub fn usable(records: &[TlsaRecord]) -> Option<TlsaSet> {
        let read: Vec<Association> = records.iter().filter_map(Association::read).collect();
        let best = read.iter().filter(|record| !read.iter().any(|other| other.outranks(record)));
        let set: Vec<Association> = best.cloned().collect();
        (!set.is_empty()).then_some(TlsaSet(set))
    }

    /// As zone files write them, without their name: what reports repeat.
    #[must_use]
    pub fn strings(&self) -> Vec<String> {
        let string = |record: &Association| {
            let usage = match record.usage {
                Usage::DaneTa => 2,
                Usage::DaneEe => 3,
            };
            let selector = match record.selector {
                Selector::Cert => 0,
                Selector::Spki => 1,
            };
            let matching = match record.matching {
                Matching::Full => 0,
                Matching::Sha2_256 => 1,
                Matching::Sha2_512 => 2,
            };
            let hex: String = record.data.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut text = format!("{usage} {selector} {matching} {hex}");
            text.truncate(limits::TLS_RPT_STRING_BYTES_MAX);
            text
        };
        self.0.iter().map(string).collect()
    }

    /// Those of one usage.
    pub fn of(&self, usage: Usage) -> impl Iterator<Item = &Association> {
        self.0.iter().filter(move |record| record.usage == usage)
    }
}

#[cfg(test)]
mod tests {
    use super::{Matching, TlsaSet, Usage};
    use crate::resolver::TlsaRecord;

    fn record(usage: u8, selector: u8, matching: u8, bytes: usize) -> TlsaRecord {
        TlsaRecord { usage, selector, matching, data: vec![1; bytes] }
    }

    #[test]
    fn what_can_not_be_used_is_as_if_it_were_not_there() {
        for unusable in [
            record(0, 1, 1, 32),
            record(1, 1, 1, 32),
            record(4, 1, 1, 32),
            record(255, 1, 1, 32),
            record(3, 2, 1, 32),
            record(3, 1, 3, 32),
            record(3, 1, 1, 31),
            record(3, 1, 1, 64),
            record(3, 1, 2, 32),
            record(3, 1, 0, 0),
        ] {
            assert_eq!(TlsaSet::usable(std::slice::from_ref(&unusable)), None, "{unusable:?}");
            assert!(TlsaSet::usable(&[unusable, record(3, 1, 1, 32)]).is_some());
        }
    }

    #[test]
    fn the_stronger_digest_of_the_same_kind_counts_alone() {
        let records = [record(3, 1, 1, 32), record(3, 1, 2, 64), record(3, 0, 1, 32), record(2, 1, 1, 32)];
        let set = TlsaSet::usable(&records).unwrap();
        let kept: Vec<_> = set.of(Usage::DaneEe).map(|record| (record.selector as u8, record.matching)).collect();
        assert_eq!(kept, [(1, Matching::Sha2_512), (0, Matching::Sha2_256)]);
        assert_eq!(set.of(Usage::DaneTa).count(), 1);
        assert_eq!(set.strings()[2], format!("2 1 1 {}", "01".repeat(32)));
    }
}
