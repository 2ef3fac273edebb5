//! Private keys as they are stored: encrypted, so that who reads a disk, a snapshot or a backup can't sign.
//!
//! AES-256-GCM under a key that HKDF-SHA-256 (RFC 5869) derives from the cluster's secret, which is in no store. The domain's name and the
//! selector are authenticated with it: a sealed key that was moved to another domain or selector doesn't open. A sealed key is a format
//! byte (1), a random nonce of 12 bytes, the encrypted PKCS #8 document and a tag of 16 bytes. Nonces are random: a cluster would have to
//! seal billions of keys before two are likely to be equal.
//!
//! Who loses the secret loses the keys, and makes new ones. Sealed keys are not sealed anew when the secret changes.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom as _, SystemRandom};
use yubin_types::{DomainName, Secret};

use super::key::{KeyError, PrivateKey};

/// The first byte of a sealed key.
const FORMAT: u8 = 1;

/// Which key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName<'a> {
    /// The domain that signs with it.
    pub domain: &'a DomainName,
    /// What stands before `._domainkey`.
    pub selector: &'a DomainName,
}

/// Why a sealed key doesn't open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another secret, another domain or selector, or bytes that were changed.
    #[error("the key was sealed under another cluster secret, or for another domain or selector")]
    Foreign,
    /// A format that this version doesn't know.
    #[error("the sealed key has a format that this version doesn't know")]
    Format,
    /// It opens, and is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Seals keys and opens them.
pub struct KeySealer {
    secret: hkdf::Prk,
}

impl std::fmt::Debug for KeySealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySealer(..)")
    }
}

impl KeySealer {
    /// Under the cluster's secret.
    #[must_use]
    pub fn new(cluster_secret: &Secret) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"yubin dkim private keys");
        KeySealer { secret: salt.extract(cluster_secret.expose()) }
    }

    /// The key as it is stored.
    ///
    /// # Errors
    /// [`KeyError::Generation`]: the machine has no randomness.
    pub fn seal(&self, name: KeyName<'_>, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| KeyError::Generation)?;
        let cipher = self.cipher().ok_or(KeyError::Generation)?;
        let mut document = key.to_pkcs8().to_vec();
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), associated(name), &mut document)
            .map_err(|_| KeyError::Generation)?;
        Ok([&[FORMAT], &nonce[..], &document].concat())
    }

    /// The key again.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, name: KeyName<'_>, sealed: &[u8]) -> Result<PrivateKey, OpenError> {
        let (&FORMAT, rest) = sealed.split_first().ok_or(OpenError::Format)? else { return Err(OpenError::Format) };
        let (nonce, document) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Format)?;
        let cipher = self.cipher().ok_or(OpenError::Foreign)?;
        let mut document = document.to_vec();
        let opened = cipher
            .open_in_place(Nonce::assume_unique_for_key(*nonce), associated(name), &mut document)
            .map_err(|_| OpenError::Foreign)?;
        Ok(PrivateKey::from_pkcs8(opened)?)
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        let key = self.secret.expand(&[b"aes-256-gcm 1"], &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// Neither name holds a NUL, so no other pair gives the same bytes.
fn associated(name: KeyName<'_>) -> Aad<Vec<u8>> {
    Aad::from(format!("{}\0{}", name.domain, name.selector).into_bytes())
}

#[cfg(test)]
mod tests {
    use yubin_types::{DomainName, Secret};

    use super::super::key::{KeyAlgorithm, PrivateKey};
    use super::{KeyName, KeySealer, OpenError};

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_for_its_domain_and_selector_under_its_secret_alone() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let (domain, selector, other) = (name("example.jp"), name("s1"), name("s2"));
        let place = KeyName { domain: &domain, selector: &selector };
        let sealer = KeySealer::new(&Secret::new([1; 32]));
        let sealed = sealer.seal(place, &key).unwrap();

        assert_eq!(sealer.open(place, &sealed).unwrap().record(), key.record());
        assert_eq!(KeySealer::new(&Secret::new([1; 32])).open(place, &sealed).unwrap().record(), key.record());
        for wrong in [KeyName { domain: &other, ..place }, KeyName { selector: &other, ..place }] {
            assert_eq!(sealer.open(wrong, &sealed).unwrap_err(), OpenError::Foreign);
        }
        assert_eq!(KeySealer::new(&Secret::new([2; 32])).open(place, &sealed).unwrap_err(), OpenError::Foreign);
    }

    #[test]
    fn a_sealed_key_hides_the_key_and_shows_every_change() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let (domain, selector) = (name("example.jp"), name("s1"));
        let place = KeyName { domain: &domain, selector: &selector };
        let sealer = KeySealer::new(&Secret::new([1; 32]));
        let sealed = sealer.seal(place, &key).unwrap();
        assert!(!sealed.windows(8).any(|window| key.to_pkcs8().windows(8).any(|part| part == window)));
        assert_ne!(sealer.seal(place, &key).unwrap(), sealed, "a nonce is used once");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = if at == 0 { OpenError::Format } else { OpenError::Foreign };
            assert_eq!(sealer.open(place, &changed).unwrap_err(), expected, "byte {at}");
        }
        for length in 0..13 {
            assert_eq!(sealer.open(place, &sealed[..length]).unwrap_err(), OpenError::Format);
        }
        assert_eq!(sealer.open(place, &sealed[..20]).unwrap_err(), OpenError::Foreign);
    }
}
