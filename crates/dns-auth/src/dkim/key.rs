//! DKIM keys: made, stored as PKCS #8, and published as a TXT record.
//!
//! Ed25519 keys come from ring, RSA keys of 2,048 bits (RFC 8301 §3.2) from the `rsa` crate, because ring makes none; ring signs with
//! both. Making an RSA key takes from a tenth of a second to several: do it ahead of need, outside the async runtime.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256};
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// With which kind of key is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// `ed25519-sha256` (RFC 8463).
    Ed25519,
    /// `rsa-sha256` (RFC 6376), made with 2,048 bits.
    Rsa,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The machine has no randomness, or the library failed.
    #[error("the key can't be made")]
    Generation,
    /// Not PKCS #8, or a key that can't sign: neither Ed25519 nor RSA of 2,048 to 4,096 bits.
    #[error("this is no PKCS #8 key that can sign for DKIM")]
    Unusable,
}

/// A private key.
pub struct PrivateKey {
    pub(super) key: DkimKey,
    pkcs8: Vec<u8>,
    /// What stands in the record as `p=`, before base64.
    public: Vec<u8>,
}

impl PrivateKey {
    /// Makes a key. Takes a processor for up to seconds if it is an RSA key.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate(algorithm: KeyAlgorithm) -> Result<PrivateKey, KeyError> {
        let pkcs8 = match algorithm {
            KeyAlgorithm::Ed25519 => Ed25519Key::generate_pkcs8().map_err(|_| KeyError::Generation)?,
            KeyAlgorithm::Rsa => {
                let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS);
                let document = key.map_err(|_| KeyError::Generation)?.to_pkcs8_der();
                document.map_err(|_| KeyError::Generation)?.as_bytes().to_vec()
            }
        };
        PrivateKey::from_pkcs8(&pkcs8).map_err(|_| KeyError::Generation)
    }

    /// Reads a key back, or takes one that was made elsewhere: PKCS #8 in DER.
    ///
    /// # Errors
    /// [`KeyError::Unusable`].
    pub fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, KeyError> {
        // "Unchecked" is what the library calls a key without its public half, as OpenSSL writes them.
        if let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(der) {
            let public = key.public_key();
            return Ok(PrivateKey { key: DkimKey::Ed25519(key), pkcs8: der.to_vec(), public });
        }
        let document = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
        let key = RsaKey::<Sha256>::from_key_der(document).map_err(|_| KeyError::Unusable)?;
        let public = rsa::RsaPublicKey::from_pkcs1_der(&key.public_key())
            .ok()
            .and_then(|public| public.to_public_key_der().ok())
            .ok_or(KeyError::Unusable)?
            .into_vec();
        Ok(PrivateKey { key: DkimKey::Rsa(key), pkcs8: der.to_vec(), public })
    }

    /// The key as PKCS #8 in DER: encrypt it before it goes to a disk.
    #[must_use]
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Its kind.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        match self.key {
            DkimKey::Ed25519(_) => KeyAlgorithm::Ed25519,
            DkimKey::Rsa(_) => KeyAlgorithm::Rsa,
        }
    }

    /// The text to publish at `SELECTOR._domainkey.DOMAIN` (RFC 6376 §3.6.1). That of an RSA key is longer than the 255 octets of one
    /// string of a TXT record and goes into two.
    #[must_use]
    pub fn record(&self) -> String {
        let kind = match self.algorithm() {
            KeyAlgorithm::Ed25519 => "ed25519",
            KeyAlgorithm::Rsa => "rsa",
        };
        format!("v=DKIM1; k={kind}; p={}", BASE64.encode(&self.public))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

/// Length of the RSA keys that are made, bits (RFC 8301 §3.2: signers should use at least 2,048; larger records don't fit everywhere).
const RSA_BITS: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::{KeyAlgorithm, KeyError, PrivateKey};

    #[test]
    fn a_key_survives_its_storage() {
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa] {
            let made = PrivateKey::generate(algorithm).unwrap();
            let read = PrivateKey::from_pkcs8(made.to_pkcs8()).unwrap();
            assert_eq!((read.algorithm(), read.record()), (algorithm, made.record()));
            assert_ne!(PrivateKey::generate(algorithm).unwrap().record(), made.record());
        }
    }

    #[test]
    fn what_is_published() {
        let ed25519 = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap().record();
        assert!(ed25519.starts_with("v=DKIM1; k=ed25519; p="), "{ed25519}");
        assert_eq!(ed25519.len(), "v=DKIM1; k=ed25519; p=".len() + 44);
        let rsa = PrivateKey::generate(KeyAlgorithm::Rsa).unwrap().record();
        assert!(rsa.starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"), "{rsa}");
    }

    #[test]
    fn what_is_no_key() {
        for bytes in [&b""[..], b"-----BEGIN PRIVATE KEY-----", &[0x30; 100]] {
            assert_eq!(PrivateKey::from_pkcs8(bytes).unwrap_err(), KeyError::Unusable);
        }
    }

    #[test]
    fn a_key_keeps_its_secret() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey { algorithm: Ed25519, .. }");
    }
}
