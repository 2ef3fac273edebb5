//! SCRAM-SHA-256 verifiers and proofs (RFC 5802 §3, RFC 7677).
//!
//! [`verify_scram`] checks a proof with what is stored, which costs three hashes; a client that can answer has the password, or has
//! stolen ClientKey, which is not stored. Users that don't exist have a salt too ([`FakeSalts`]): the same each time, as theirs would be.
//!
//! The password is prepared as SASLprep says (RFC 4013 §2.1, §2.2: characters mapped to nothing or to space, NFKC); characters that
//! §2.3 prohibits are kept, because the password is set already when it comes here. Octets that aren't UTF-8 are taken as they are.

use std::borrow::Cow;
use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};
use unicode_normalization::UnicodeNormalization as _;
use yubin_state::record::ScramVerifier;
use yubin_types::Secret;

/// Iterations: RFC 7677 §4 asks for at least 4,096, which clients were chosen for; every login of a client pays for them.
const ITERATIONS: NonZeroU32 = match NonZeroU32::new(16_384) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};

/// Is this ClientProof right for this AuthMessage? Then the ServerSignature, which proves to the client that we know its password
/// too. Takes the same time wherever the difference lies.
#[must_use]
pub fn verify_scram(verifier: &ScramVerifier, auth_message: &[u8], proof: &Secret) -> Option<[u8; 32]> {
    let sign = |key: &[u8; 32]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), auth_message);
    let signature = sign(&verifier.stored_key);
    let client_key: Vec<u8> = proof.expose().iter().zip(signature.as_ref()).map(|(proof, key)| proof ^ key).collect();
    let client_key = Secret::new(client_key);
    let stored_key = Secret::new(digest::digest(&digest::SHA256, client_key.expose()).as_ref());
    let right = proof.expose().len() == 32 && stored_key == Secret::new(verifier.stored_key);
    right.then(|| array(sign(&verifier.server_key).as_ref()))
}

/// The verifiers of users that don't exist.
pub struct FakeSalts {
    key: hmac::Key,
}

impl std::fmt::Debug for FakeSalts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeSalts(..)")
    }
}

impl FakeSalts {
    /// Under the cluster's secret, so that every front end has the same.
    #[must_use]
    pub fn new(cluster_secret: &Secret) -> Self {
        FakeSalts { key: hmac::Key::new(hmac::HMAC_SHA256, cluster_secret.expose()) }
    }

    /// What a user of this name would have: salt and iterations are plausible, and no proof is right.
    #[must_use]
    pub fn verifier(&self, user: &str) -> ScramVerifier {
        let made = |what: &[u8]| array(hmac::sign(&self.key, &[what, user.as_bytes()].concat()).as_ref());
        let mut salt = [0; 16];
        salt.iter_mut().zip(made(b"yubin fake scram salt 1\0")).for_each(|(to, from)| *to = from);
        let stored_key = made(b"yubin fake scram key 1\0");
        ScramVerifier { salt, iterations: ITERATIONS.get(), stored_key, server_key: stored_key }
    }
}

/// Makes StoredKey and ServerKey of a password.
pub(crate) fn derive(password: &Secret, salt: [u8; 16]) -> ScramVerifier {
    derive_with(password, salt, ITERATIONS)
}

fn derive_with(password: &Secret, salt: [u8; 16], iterations: NonZeroU32) -> ScramVerifier {
    let prepared = Secret::new(prepare(password.expose()).into_owned());
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, prepared.expose(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client_key = hmac::sign(&key, b"Client Key");
    ScramVerifier {
        salt,
        iterations: iterations.get(),
        stored_key: array(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref()),
        server_key: array(hmac::sign(&key, b"Server Key").as_ref()),
    }
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

/// RFC 4013 §2.1 and §2.2.
fn prepare(password: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(password) {
        Ok(text) if !text.is_ascii() => {
            let mapped = text.chars().filter(|&c| !maps_to_nothing(c)).map(|c| if is_space(c) { ' ' } else { c });
            Cow::Owned(mapped.nfkc().collect::<String>().into_bytes())
        }
        _ => Cow::Borrowed(password),
    }
}

/// RFC 3454 table B.1.
fn maps_to_nothing(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// RFC 3454 table C.1.2.
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use ring::{digest, hmac};
    use yubin_types::Secret;

    use super::{FakeSalts, derive, derive_with, prepare, verify_scram};

    /// The exchange of RFC 7677 §3: user `user`, password `pencil`.
    #[test]
    fn the_rfc_s_client_proof_is_accepted() {
        let salt = [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        let verifier = derive_with(&Secret::new("pencil"), salt, NonZeroU32::new(4_096).unwrap());
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                       r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                       c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &verifier.server_key), message.as_bytes());
        // v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        let expected = [
            0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea, 0x7e, 0x98, 0xc8, 0x54,
            0x65, 0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2, 0x39, 0x7d, 0xe4, 0x6e,
        ];
        assert_eq!(signature.as_ref(), expected);
        // p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=: the key that it reveals is the one whose hash is stored.
        let proof = [
            0x74, 0x7c, 0xdb, 0x65, 0xaa, 0x56, 0x22, 0x4e, 0x23, 0x52, 0x13, 0x7e, 0x52, 0xd7, 0xbd, 0xca, 0xd6, 0xa0,
            0xf7, 0x38, 0xdf, 0x30, 0x78, 0x2c, 0xaa, 0x69, 0xa2, 0xcf, 0xb0, 0x27, 0x75, 0x54,
        ];
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &verifier.stored_key), message.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(digest::digest(&digest::SHA256, &client_key).as_ref(), verifier.stored_key);

        let accepted = verify_scram(&verifier, message.as_bytes(), &Secret::new(proof));
        assert_eq!(accepted, Some(expected));
        let other = derive_with(&Secret::new("pencils"), salt, NonZeroU32::new(4_096).unwrap());
        let mut wrong = proof;
        wrong[31] ^= 1;
        assert_eq!(verify_scram(&other, message.as_bytes(), &Secret::new(proof)), None);
        assert_eq!(verify_scram(&verifier, message.as_bytes(), &Secret::new(wrong)), None);
        assert_eq!(verify_scram(&verifier, &message.as_bytes()[1..], &Secret::new(proof)), None);
        assert_eq!(verify_scram(&verifier, message.as_bytes(), &Secret::new(&proof[..31])), None);
        assert_eq!(verify_scram(&verifier, message.as_bytes(), &Secret::new("")), None);
    }

    #[test]
    fn who_does_not_exist_has_a_salt_of_its_own_that_stays() {
        let salts = |secret: u8| FakeSalts::new(&Secret::new([secret; 32]));
        let fake = salts(1).verifier("nobody@example.jp");
        assert_eq!(fake.salt, salts(1).verifier("nobody@example.jp").salt);
        assert_ne!(fake.salt, salts(1).verifier("noone@example.jp").salt);
        assert_ne!(fake.salt, salts(2).verifier("nobody@example.jp").salt);
        assert_eq!(fake.iterations, derive(&Secret::new("x"), [0; 16]).iterations);
    }

    /// RFC 4013 §3.
    #[test]
    fn passwords_are_prepared() {
        for (raw, prepared) in
            [("I\u{ad}X", "IX"), ("user", "user"), ("\u{aa}", "a"), ("\u{2168}", "IX"), ("a\u{3000}b", "a b")]
        {
            assert_eq!(&*prepare(raw.as_bytes()), prepared.as_bytes(), "{raw:?}");
        }
        assert_eq!(&*prepare(b"\xff\xfe"), b"\xff\xfe");
    }
}
