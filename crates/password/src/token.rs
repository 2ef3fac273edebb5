//! Tokens in place of passwords: JSON Web Tokens (RFC 7519) that an issuer has signed, checked with the issuer's public keys.
//!
//! What is required: a signature by a key of the issuer, of an algorithm that fits the key and this list (RS256, PS256, ES256, EdDSA;
//! never `none`, never a MAC), `iss` and `aud` as configured, `exp` ahead, `nbf` behind where there is one (each with
//! [`LEEWAY_SECONDS`]), and the claim that names the mail address. Critical extensions (RFC 7515 §4.1.11) are none that we know, and
//! are refused. An address in `email` that the issuer itself calls unverified is no address.
//!
//! Not here: fetching keys, and whether the account exists. ring verifies; only the wrapping is read here, since the libraries for that
//! ask the clock themselves, where here time comes in, and most pass over critical extensions.

mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use yubin_types::{Timestamp, limits};

pub use keys::KeySet;

/// By how much clocks may differ, seconds.
const LEEWAY_SECONDS: u64 = 60;

/// What a token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// `iss`, as it stands in the token.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// The claim that holds the mail address.
    pub address_claim: String,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no signed JSON Web Token.
    #[error("not a signed token")]
    Malformed,
    /// The issuer has no such key; newer keys may have it.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature is wrong, or of another algorithm.
    #[error("wrong signature")]
    Signature,
    /// Of another issuer.
    #[error("of another issuer")]
    Issuer,
    /// For somebody else.
    #[error("for another audience")]
    Audience,
    /// Too late, or without an end.
    #[error("expired")]
    Expired,
    /// Too early.
    #[error("not valid yet")]
    TooEarly,
    /// It names no mail address, or one that the issuer has not verified.
    #[error("without a verified address")]
    Address,
}

/// A token taken apart; nothing in it is believed.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    /// Header and payload as they were signed.
    signed: &'a [u8],
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a compact token apart (RFC 7515 §7.1).
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn parse(token: &'a [u8]) -> Result<Self, TokenError> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let mut parts = token.split(|&byte| byte == b'.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let signed = token.get(..header.len() + 1 + claims.len()).ok_or(TokenError::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        Ok(UnverifiedToken { signed, signature, header: object(header)?, claims: object(claims)? })
    }

    /// Who says to have made it: for finding the keys.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// The address in a token that is all it must be.
    ///
    /// # Errors
    /// See [`TokenError`]; the first that applies.
    pub fn verify(&self, rule: &TokenRule, keys: &KeySet, now: Timestamp) -> Result<String, TokenError> {
        self.verify_signature(keys)?;
        if self.issuer() != Some(&rule.issuer) {
            return Err(TokenError::Issuer);
        }
        let audience = |value: &Value| value.as_str() == Some(&rule.audience);
        let meant = match self.claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(audience),
            Some(one) => audience(one),
            None => false,
        };
        if !meant {
            return Err(TokenError::Audience);
        }
        self.verify_time(now)?;
        self.address(&rule.address_claim)
    }

    fn verify_signature(&self, keys: &KeySet) -> Result<(), TokenError> {
        let algorithm = self.header.get("alg").and_then(Value::as_str).ok_or(TokenError::Malformed)?;
        if self.header.contains_key("crit") {
            return Err(TokenError::Malformed);
        }
        let id = match self.header.get("kid") {
            Some(id) => Some(id.as_str().ok_or(TokenError::Malformed)?),
            None => None,
        };
        keys.verify(algorithm, id, self.signed, &self.signature)
    }

    /// NumericDate may have a fraction (RFC 7519 §2).
    fn verify_time(&self, now: Timestamp) -> Result<(), TokenError> {
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let (earliest, latest) =
            (now.seconds().saturating_sub(LEEWAY_SECONDS) as f64, (now.seconds() + LEEWAY_SECONDS) as f64);
        match self.claims.get("exp").map(Value::as_f64) {
            Some(Some(expiry)) if expiry > earliest => {}
            Some(None) => return Err(TokenError::Malformed),
            _ => return Err(TokenError::Expired),
        }
        match self.claims.get("nbf").map(Value::as_f64) {
            Some(Some(begin)) if begin > latest => Err(TokenError::TooEarly),
            Some(None) => Err(TokenError::Malformed),
            _ => Ok(()),
        }
    }

    fn address(&self, claim: &str) -> Result<String, TokenError> {
        let unverified = claim == "email" && self.claims.get("email_verified").is_some_and(|told| !is_true(told));
        match self.claims.get(claim).and_then(Value::as_str) {
            Some(address) if !unverified && !address.is_empty() => Ok(address.to_owned()),
            _ => Err(TokenError::Address),
        }
    }
}

/// Some issuers write it as text.
fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_str() == Some("true")
}

fn object(part: &[u8]) -> Result<Map<String, Value>, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
