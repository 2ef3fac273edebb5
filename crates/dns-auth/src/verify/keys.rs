//! The keys that a message's signatures name, looked up before the library verifies.
//!
//! The library asks a cache first: this one knows every name that a message can make it ask about, and says of all others that there is no
//! such record, so that the library itself never asks anybody. A key too short or too long (RFC 8301 §3.2) is none. Names are asked
//! about at once; they were counted before.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use futures::future::join_all;
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::DkimError;
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{DnsError, Error, ResolverCache, Txt};
use yubin_types::limits;

use crate::resolver::{LookupError, Resolver};

/// Keys by the name under which they are published, `selector._domainkey.domain.` in lower case.
#[derive(Default)]
pub(super) struct Keys {
    records: HashMap<Box<str>, Txt>,
    testing: HashSet<String>,
}

impl Keys {
    /// Looks all of them up.
    pub(super) async fn fetch(resolver: &Resolver, names: HashSet<String>) -> Keys {
        let fetched = names.into_iter().map(async |name| {
            let texts = resolver.texts_at(&name).await;
            (name, texts)
        });
        let mut keys = Keys::default();
        for (name, texts) in join_all(fetched).await {
            let record = match texts {
                Ok(texts) => {
                    if texts.iter().any(|text| is_testing(text)) {
                        keys.testing.insert(name.clone());
                    }
                    key(&texts)
                }
                Err(error) => Txt::Error(missing(error)),
            };
            keys.records.insert(name.into(), record);
        }
        keys
    }

    /// Is the key marked as a test (RFC 6376 §3.6.1)?
    pub(super) fn is_testing(&self, name: &str) -> bool {
        self.testing.contains(name)
    }
}

/// The first record that is a key, as signers keep them: more than one is undefined (RFC 6376 §3.6.2.2).
fn key(texts: &[Vec<u8>]) -> Txt {
    let mut error = Error::Dns(DnsError::InvalidRecordType);
    for text in texts {
        match DomainKey::parse(text) {
            // The library knows no number for Ed25519.
            Ok(key) => match key.p.public_key_bits() {
                limits::DKIM_RSA_BITS_MIN..=limits::DKIM_RSA_BITS_MAX | usize::MAX => {
                    return Txt::DomainKey(Arc::new(key));
                }
                _ => error = Error::Dkim(DkimError::UnsupportedKeyType),
            },
            Err(other) => error = other,
        }
    }
    Txt::Error(error)
}

fn missing(error: LookupError) -> Error {
    match error {
        LookupError::NoDomain(_) | LookupError::NoData(_) => {
            Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain))
        }
        LookupError::Temporary(_) | LookupError::Bogus => Error::Dns(DnsError::Resolver(error.to_string())),
    }
}

/// `t=` with the flag `y`.
fn is_testing(record: &[u8]) -> bool {
    record.split(|byte| *byte == b';').any(|tag| {
        let mut halves = tag.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        name.trim_ascii() == b"t" && value.split(|byte| *byte == b':').any(|flag| flag.trim_ascii() == b"y")
    })
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let none = || Txt::Error(Error::Dns(DnsError::InvalidRecordType));
        Some(self.records.get(name).cloned().unwrap_or_else(none))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

#[cfg(test)]
mod tests {
    use super::is_testing;

    #[test]
    fn test_keys_are_known_by_their_flag() {
        for record in ["v=DKIM1; t=y; p=x", "p=x;t = s:y", "t=y:s"] {
            assert!(is_testing(record.as_bytes()), "{record}");
        }
        for record in ["v=DKIM1; p=t=y", "t=s; p=x", "n=t=y", "", "y"] {
            assert!(!is_testing(record.as_bytes()), "{record}");
        }
    }
}
