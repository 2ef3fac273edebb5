//! Which signatures of a message are looked at, before a key is asked for or anything is computed.
//!
//! Verifying searches every signed field among all fields of the header, so both numbers are bounded: a header of many thousand fields
//! and a signature over as many would take seconds. Signatures beyond the bound on their number are passed over in silence, those that
//! can't count are reported.

use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{AuthenticatedMessage, Error};
use yubin_types::{AuthResult, limits};

use super::DkimCheck;
use super::arc;

/// Keeps in the message the signatures that are to be verified; what is wrong with the others.
pub(super) fn admit(message: &mut AuthenticatedMessage<'_>) -> Vec<DkimCheck> {
    let mut refused = Vec::new();
    for field in &message.errors {
        if let Error::Dkim(error) = &field.header {
            let (result, reason) = unreadable(error);
            refused.push(DkimCheck { result, domain: None, selector: None, tag: String::new(), reason: Some(reason) });
        }
    }
    message.errors.retain(|field| !matches!(field.header, Error::Dkim(_)));
    refused.truncate(limits::DKIM_SIGNATURES_CHECKED_MAX);
    message.dkim_headers.truncate(limits::DKIM_SIGNATURES_CHECKED_MAX - refused.len());
    let fields = message.headers.len();
    message.dkim_headers.retain_mut(|field| {
        let signature = &mut field.header;
        // Would make the library ask about names that nobody counted.
        (signature.r, signature.atps, signature.atpsh) = (false, None, None);
        let objection = objection(signature, fields);
        if let Some((result, reason)) = objection {
            refused.push(DkimCheck::of(signature, result, Some(reason)));
        }
        objection.is_none()
    });
    refused
}

/// May the chain be verified? Its signature's cost is bounded like that of any other.
pub(super) fn admit_chain(message: &AuthenticatedMessage<'_>) -> Result<(), AuthResult> {
    let fields = message.headers.len();
    let signatures = || message.ams_headers.iter().map(|field| &field.header);
    let bounded = fields <= limits::VERIFIED_FIELDS_MAX
        && signatures().all(|signature| signature.h.len() <= limits::DKIM_SIGNED_FIELDS_MAX)
        && arc::key_names(message).len() <= limits::ARC_KEYS_MAX;
    let sound = signatures().all(|signature| signature.a != Algorithm::RsaSha1 && covers_from(&signature.h))
        && message.as_headers.iter().all(|field| field.header.a != Algorithm::RsaSha1);
    match (bounded, sound) {
        (true, true) => Ok(()),
        (true, false) => Err(AuthResult::Fail),
        (false, _) => Err(AuthResult::Policy),
    }
}

fn objection(signature: &Signature, fields: usize) -> Option<(AuthResult, &'static str)> {
    if fields > limits::VERIFIED_FIELDS_MAX || signature.h.len() > limits::DKIM_SIGNED_FIELDS_MAX {
        Some((AuthResult::Policy, "the header has too many fields"))
    } else if signature.a == Algorithm::RsaSha1 {
        Some((AuthResult::PermError, "SHA-1 is no longer accepted"))
    } else if !covers_from(&signature.h) {
        Some((AuthResult::PermError, "From is not signed"))
    } else if !is_own_identity(signature) {
        Some((AuthResult::PermError, "the identity is not of the domain"))
    } else {
        None
    }
}

fn covers_from(fields: &[String]) -> bool {
    fields.iter().any(|name| name.trim().eq_ignore_ascii_case("from"))
}

/// `i=` is of the domain in `d=` or below it.
fn is_own_identity(signature: &Signature) -> bool {
    let Some((_, domain)) = signature.i.rsplit_once('@') else { return signature.i.is_empty() };
    let domain = domain.to_ascii_lowercase();
    domain.strip_suffix(signature.d.as_str()).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

fn unreadable(error: &DkimError) -> (AuthResult, &'static str) {
    match error {
        DkimError::SignatureLength => (AuthResult::Policy, "a part of the body is signed"),
        DkimError::UnsupportedAlgorithm => (AuthResult::PermError, "the algorithm is not accepted"),
        _ => (AuthResult::Neutral, "the signature can't be read"),
    }
}
