//! Signs a message that goes by in pieces: a header within a bound, a body of any length.

use futures::TryStreamExt as _;
use yubin_types::{Timestamp, limits};

use super::sign::{SignError, Signer};
use crate::header::{self, HeaderError, Pieces};

/// Why a message has no signature.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// No message like this can be signed.
    #[error("{0}")]
    Unsignable(&'static str),
    /// It can't be read.
    #[error("reading the message: {0}")]
    Read(#[from] std::io::Error),
    /// The library failed.
    #[error(transparent)]
    Sign(SignError),
}

/// The DKIM-Signature fields of a message whose header begins with what goes `before` it.
///
/// # Errors
/// [`MessageError`].
pub async fn sign_message(
    signer: &Signer,
    before: &[u8],
    message: Pieces,
    now: Timestamp,
) -> Result<Vec<u8>, MessageError> {
    sign(signer, &[], before, message, now).await
}

/// The same behind a new ARC set, if one of these hosts, all of them ours, verified the message, and its chain holds.
///
/// # Errors
/// [`MessageError`].
pub async fn sign_and_seal_message(
    signer: &Signer,
    hosts: &[String],
    message: Pieces,
    now: Timestamp,
) -> Result<Vec<u8>, MessageError> {
    sign(signer, hosts, &[], message, now).await
}

async fn sign(
    signer: &Signer,
    hosts: &[String],
    before: &[u8],
    message: Pieces,
    now: Timestamp,
) -> Result<Vec<u8>, MessageError> {
    let opened = header::open(before, message, limits::DKIM_HEADER_BYTES_MAX).await.map_err(|error| match error {
        HeaderError::TooLong => MessageError::Unsignable("its header is too long"),
        HeaderError::Read(error) => MessageError::Read(error),
    })?;
    let signing = signer.begin(&opened.header).map_err(|error| match error {
        SignError::NoFrom => MessageError::Unsignable("it has no From field"),
        SignError::Signing => MessageError::Sign(error),
    })?;
    let mut signing = if hosts.is_empty() { signing } else { signing.sealed(&opened.header, hosts) };
    signing.body(&opened.begun);
    let mut rest = opened.rest;
    while let Some(piece) = rest.try_next().await? {
        signing.body(&piece);
    }
    let fields = signing.finish(now).map_err(MessageError::Sign)?;
    // What was found is written once more.
    let found = if hosts.is_empty() { 0 } else { 2 * limits::AUTH_RESULTS_BYTES_MAX };
    if fields.len() > limits::DKIM_SIGNATURES_BYTES_MAX + found {
        return Err(MessageError::Unsignable("its header has too many fields"));
    }
    Ok(fields)
}
