//! Signatures over a message: DKIM (RFC 6376) and the chain of ARC (RFC 8617).
//!
//! The header is given whole, the body goes by in pieces and is hashed once for each canonicalization in use; no large message is ever in
//! memory. At most [`limits::DKIM_SIGNATURES_CHECKED_MAX`] signatures are looked at. What does not count, whatever the mathematics say:
//! SHA-1 (RFC 8301 §3.1), RSA keys of less than 1,024 bits (§3.2), a signature that leaves From out (RFC 6376 §5.4), one of a part of the
//! body (`l=`: others could append), one by a key under test (§3.6.1), one whose `i=` is not of its domain (§6.1.1).
//! Reports to signers (RFC 6651) and third parties' signatures (RFC 6541) are not done.
//!
//! - `admission`: which signatures are looked at; `arc`: who vouched for what.

mod admission;
mod arc;

use std::collections::HashSet;

use mail_auth::common::crypto::{HashAlgorithm, HashContext as _, HashImpl, Sha256};
use mail_auth::common::verify::VerifySignature as _;
use mail_auth::dkim::canonicalize::BodyHasher;
use mail_auth::dkim::{Canonicalization, DkimError, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error, Parameters};
use yubin_types::{AuthResult, DomainName};

use super::Verifier;
use super::keys::Keys;

pub use arc::{ArcCheck, ArcSet};

/// A message on its way past the verifier.
pub struct MessageCheck<'a> {
    /// None if there is no header.
    message: Option<AuthenticatedMessage<'a>>,
    /// Signatures that were not admitted.
    refused: Vec<DkimCheck>,
    /// May the chain of ARC be verified?
    arc: Result<(), AuthResult>,
    bodies: Vec<(Canonicalization, BodyHasher<<Sha256 as HashImpl>::Context>)>,
}

/// What signatures say of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageChecks {
    /// Each signature that was looked at.
    pub dkim: Vec<DkimCheck>,
    /// The chain of those who forwarded it.
    pub arc: ArcCheck,
}

/// What became of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimCheck {
    /// The result.
    pub result: AuthResult,
    /// Who signed (`d=`), if that is a domain name.
    pub domain: Option<DomainName>,
    /// The name of the key (`s=`).
    pub selector: Option<DomainName>,
    /// The beginning of the signature, by which it is told from others (RFC 6008).
    pub tag: String,
    /// Why it did not pass.
    pub reason: Option<&'static str>,
}

impl<'a> MessageCheck<'a> {
    /// Begins with a header: all its fields and the empty line.
    #[must_use]
    pub fn begin(header: &'a [u8]) -> MessageCheck<'a> {
        let mut check = MessageCheck { message: None, refused: Vec::new(), arc: Ok(()), bodies: Vec::new() };
        let Some(mut message) = AuthenticatedMessage::parse(header) else { return check };
        check.refused = admission::admit(&mut message);
        check.arc = admission::admit_chain(&message);
        for (canonicalization, algorithm, ..) in &message.body_hashes {
            if *algorithm == HashAlgorithm::Sha256 && check.bodies.iter().all(|(known, _)| known != canonicalization) {
                check.bodies.push((*canonicalization, BodyHasher::new(Sha256::hasher(), *canonicalization, 0)));
            }
        }
        check.message = Some(message);
        check
    }

    /// Takes the next piece of the body, cut anywhere.
    pub fn body(&mut self, piece: &[u8]) {
        for (_, hasher) in &mut self.bodies {
            hasher.write(piece);
        }
    }

    /// Looks up the keys and verifies.
    pub async fn finish(self, verifier: &Verifier) -> MessageChecks {
        let (mut dkim, admitted) = (self.refused, self.arc);
        let Some(mut message) = self.message else { return MessageChecks { dkim, arc: ArcCheck::default() } };
        for (canonicalization, hasher) in self.bodies {
            let hash = hasher.finish().0.complete().as_ref().to_vec();
            for (of, algorithm, _, known) in &mut message.body_hashes {
                if *of == canonicalization && *algorithm == HashAlgorithm::Sha256 {
                    known.clone_from(&hash);
                }
            }
        }
        let seals = if admitted.is_ok() { arc::key_names(&message) } else { HashSet::new() };
        let of_signatures = message.dkim_headers.iter().map(|field| key_name(&field.header));
        let keys = Keys::fetch(&verifier.resolver, of_signatures.chain(seals).collect()).await;
        let parameters = Parameters::new(&message).with_txt_cache(&keys);
        for output in verifier.library.verify_dkim(parameters).await {
            dkim.push(judged(&output, &keys));
        }
        let arc = match admitted {
            Ok(()) => arc::verify(verifier, &message, &keys).await,
            Err(result) => ArcCheck { result, sets: Vec::new() },
        };
        MessageChecks { dkim, arc }
    }
}

/// Where a signature's key is published.
fn key_name(signature: &Signature) -> String {
    signature.domain_key().to_lowercase()
}

impl DkimCheck {
    fn of(signature: &Signature, result: AuthResult, reason: Option<&'static str>) -> DkimCheck {
        use base64::Engine as _;
        let start = signature.b.get(..6).unwrap_or(&signature.b);
        DkimCheck {
            result,
            domain: DomainName::parse(&signature.d).ok(),
            selector: DomainName::parse(&signature.s).ok(),
            tag: base64::engine::general_purpose::STANDARD_NO_PAD.encode(start),
            reason,
        }
    }
}

fn judged(output: &DkimOutput<'_>, keys: &Keys) -> DkimCheck {
    let (result, reason) = verdict(output.result());
    let Some(signature) = output.signature() else {
        return DkimCheck { result, domain: None, selector: None, tag: String::new(), reason };
    };
    match result {
        AuthResult::Pass if keys.is_testing(&key_name(signature)) => {
            DkimCheck::of(signature, AuthResult::Policy, Some("the key is under test"))
        }
        _ => DkimCheck::of(signature, result, reason),
    }
}

/// The library's result in the words of RFC 8601 §2.7.1.
fn verdict(result: &DkimResult) -> (AuthResult, Option<&'static str>) {
    let error = match result {
        DkimResult::Pass => return (AuthResult::Pass, None),
        DkimResult::None => return (AuthResult::None, None),
        DkimResult::Neutral(error)
        | DkimResult::Fail(error)
        | DkimResult::PermError(error)
        | DkimResult::TempError(error) => error,
    };
    let (result, reason) = match error {
        Error::Crypto(_) => (AuthResult::Fail, "the signature does not verify"),
        Error::Dkim(DkimError::FailedBodyHashMatch) => (AuthResult::Fail, "the body was changed"),
        Error::Dkim(DkimError::SignatureExpired) => (AuthResult::Fail, "the signature has expired"),
        Error::Dkim(DkimError::FailedAuidMatch) => (AuthResult::PermError, "the key does not sign for subdomains"),
        Error::Dkim(DkimError::RevokedPublicKey) => (AuthResult::PermError, "the key was revoked"),
        Error::Dkim(DkimError::UnsupportedKeyType) => {
            (AuthResult::PermError, "the key is of no accepted kind or length")
        }
        Error::Dns(DnsError::Resolver(_)) => (AuthResult::TempError, "the key can't be looked up now"),
        Error::Dns(_) => (AuthResult::PermError, "there is no such key"),
        _ => (AuthResult::PermError, "the key can't be read"),
    };
    (result, Some(reason))
}
