//! Passwords: what is stored instead of them, and how one is checked.
//!
//! [`derive`] makes what the store keeps: an Argon2id hash, and the SCRAM-SHA-256 keys that need the password itself and so can't be
//! made later. [`verify_argon2id`] checks a password slowly and on purpose so. [`FastVerifier`] checks one that was verified before:
//! an HMAC under a secret of the cluster that is not in the store, so that whoever steals the store has only Argon2 to attack.
//! [`verify_scram`] checks the proof of a client that sends no password, [`UnverifiedToken::verify`] a token in place of one.
//!
//! Used by both edges that see passwords (`frontend` checks, `admin` sets). Salts are inputs; nothing is read from a clock or a random
//! source. Computing takes tens of milliseconds and 19 MiB: callers do it outside the async runtime, and few at a time.
//! Standards: RFC 9106, RFC 5802, RFC 7677, RFC 4013 (mapping and normalization).

mod fast;
mod scram;
mod token;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use yubin_state::record::Verifiers;
use yubin_types::Secret;

pub use fast::FastVerifier;
pub use scram::{FakeSalts, verify_scram};
pub use token::{KeySet, TokenError, TokenRule, UnverifiedToken};

/// Memory of one Argon2id computation, KiB (RFC 9106 allows less than its first choices; these are OWASP's figures).
pub const ARGON2_MEMORY_KIB: u32 = 19_456;
/// Passes over that memory.
const ARGON2_PASSES: u32 = 2;
/// Lanes.
const ARGON2_LANES: u32 = 1;

/// Random bits, different for every password that is set.
#[derive(Clone, Copy, Debug)]
pub struct Salts {
    /// For Argon2id.
    pub argon2id: [u8; 16],
    /// For SCRAM-SHA-256.
    pub scram: [u8; 16],
}

/// Why verifiers can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// There is not enough memory, or the library refused its input: a bug or a machine in need.
    #[error("the password can't be hashed")]
    Hashing,
}

/// Makes what is stored instead of a password.
///
/// # Errors
/// [`PasswordError::Hashing`].
pub fn derive(password: &Secret, salts: &Salts) -> Result<Verifiers, PasswordError> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| PasswordError::Hashing)?);
    let hash: PasswordHash =
        argon2.hash_password_with_salt(password.expose(), &salts.argon2id).map_err(|_| PasswordError::Hashing)?;
    Ok(Verifiers { argon2id: hash.to_string(), scram_sha_256: scram::derive(password, salts.scram) })
}

/// Is this the password? Cost parameters are those of the stored string; a string that can't be read verifies nothing.
#[must_use]
pub fn verify_argon2id(phc: &str, password: &Secret) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| Argon2::default().verify_password(password.expose(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use yubin_types::Secret;

    use super::{Salts, derive, verify_argon2id};

    #[test]
    fn what_was_derived_verifies_its_password_only() {
        let salts = Salts { argon2id: [7; 16], scram: [9; 16] };
        let verifiers = derive(&Secret::new("correct horse"), &salts).unwrap();
        assert!(verifiers.argon2id.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", verifiers.argon2id);
        assert!(verify_argon2id(&verifiers.argon2id, &Secret::new("correct horse")));
        for wrong in ["correct hors", "correct horse ", "Correct horse"] {
            assert!(!verify_argon2id(&verifiers.argon2id, &Secret::new(wrong)), "{wrong}");
        }
    }

    #[test]
    fn damaged_verifiers_verify_nothing() {
        for damaged in ["", "$argon2id$", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ"] {
            assert!(!verify_argon2id(damaged, &Secret::new("x")), "{damaged}");
        }
    }

    #[test]
    fn other_salts_make_other_verifiers() {
        let derived = |salt| {
            let salts = Salts { argon2id: [salt; 16], scram: [salt; 16] };
            derive(&Secret::new("correct horse"), &salts).unwrap()
        };
        let (one, two) = (derived(1), derived(2));
        assert_ne!(one.argon2id, two.argon2id);
        assert_ne!(one.scram_sha_256.stored_key, two.scram_sha_256.stored_key);
    }
}
