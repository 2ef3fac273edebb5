//! The public keys of an issuer: a JSON Web Key Set (RFC 7517), and what they verify (RFC 7518, RFC 8037).
//!
//! Keys of other kinds, for encryption, or that can't be read are passed over; RSA keys are taken from 2,048 bits. A key that is bound
//! to one algorithm verifies no other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;
use yubin_types::limits;

use super::TokenError;

/// An issuer's keys; at most [`limits::KEY_SET_KEYS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// [`TokenError::Malformed`]: it is none. A set without a usable key is a set.
    pub fn parse(json: &[u8]) -> Result<KeySet, TokenError> {
        let set: Value = serde_json::from_slice(json).map_err(|_| TokenError::Malformed)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(TokenError::Malformed)?;
        Ok(KeySet { keys: keys.iter().take(limits::KEY_SET_KEYS_MAX).filter_map(Key::read).collect() })
    }

    /// How many keys are usable.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// None at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Did one of the keys make this signature? With an id, only keys of that id.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let mut named = self.keys.iter().filter(|key| id.is_none() || key.id.as_deref() == id).peekable();
        if named.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        let good = named.any(|key| key.verifies(algorithm, message, signature));
        if good { Ok(()) } else { Err(TokenError::Signature) }
    }
}

impl Key {
    fn read(key: &Value) -> Option<Key> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let octets = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|told| told != "sig") {
            return None;
        }
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { modulus: octets("n")?, exponent: octets("e")? },
            ("EC", Some("P-256")) => {
                let (x, y) = (octets("x")?, octets("y")?);
                (x.len() == 32 && y.len() == 32).then(|| Material::P256([&[4], x.as_slice(), &y].concat()))?
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(octets("x")?),
            _ => return None,
        };
        Some(Key { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), material })
    }

    /// The algorithm is chosen by the key; what the token says must agree.
    fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        if self.algorithm.as_deref().is_some_and(|own| own != algorithm) {
            return false;
        }
        let verified = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, "RS256") => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
            (Material::Rsa { modulus, exponent }, "PS256") => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&signature::RSA_PSS_2048_8192_SHA256, message, signature),
            (Material::P256(point), "ES256") => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Material::Ed25519(key), "EdDSA") => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}
