//! Signs what nobody signed in the name of a hosted domain: automatic replies, forwarded mail, reports, and what its sender had held back,
//! right before it leaves (RFC 6376).
//!
//! Other submissions were signed when they were accepted, with a key that is published for as long as they may wait; so were held ones by the
//! domains of authors other than the sender's, because whom an account may send as is known where it submits. A notice is about
//! somebody's mail and speaks for this host, which may not be hosted here; a bounce that goes back is another server's. A forwarded message
//! keeps the signatures that it came with, and gets the forwarder's, whose domain its envelope sender is in. Each attempt signs anew: nothing
//! is stored, and a rotated key is used at once. Mail into hosted domains is not signed.
//!
//! Where it is configured, a forwarded message is sealed with the same key (ARC, RFC 8617) if one of this cluster's front ends verified it and its chain
//! holds, so that the next server can believe what was found here.
//!
//! A forwarded message that can't be signed, having no From, goes on as it is. Whatever else fails puts the attempt off: a reply that
//! should be signed and isn't looks forged.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use yubin_dns_auth::dkim::{Keyring, KeyringError, MessageError, Signer, sign_and_seal_message};
use yubin_proto::{StoreClient, StoreError};
use yubin_session::smtp::client::Reply;
use yubin_state::queue::{Leased, QueueSource};
use yubin_types::DomainName;

use crate::config::QueueConfig;
use crate::connection::now;
use crate::source::Source;

/// Why an attempt can't be signed now.
#[derive(Debug, thiserror::Error)]
enum SigningError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyringError),
    #[error(transparent)]
    Message(MessageError),
}

/// The source behind the signatures that it needs.
///
/// # Errors
/// The reply for all recipients of this attempt.
pub(crate) async fn signed(
    store: &StoreClient,
    config: &QueueConfig,
    leased: &Leased,
    source: Source,
) -> Result<Source, Reply> {
    let Some(domain) = domain_of(leased) else { return Ok(source) };
    let hosts = match &leased.message.source {
        QueueSource::Forward { .. } => config.arc_hosts.as_slice(),
        _ => &[],
    };
    match sign(store, &config.keyring, (domain, hosts), &source).await {
        Ok(signatures) => Ok(source.signed(signatures)),
        Err(error) => {
            tracing::error!(id = %leased.message.id, domain = %domain, %error, "a message can't be signed");
            Err(Reply::conclusion(451, (4, 7, 0), "the message can't be signed"))
        }
    }
}

/// In whose name it is signed here.
fn domain_of(leased: &Leased) -> Option<&DomainName> {
    match &leased.message.source {
        QueueSource::AutoReply { by, .. } | QueueSource::Report(by) => Some(by),
        QueueSource::Forward { by, .. } => Some(&by.domain),
        QueueSource::Submission { .. } if leased.delivery.handling.release.is_some() => {
            Some(leased.message.sender.address().map_or(&leased.tenant.name, |sender| &sender.domain))
        }
        QueueSource::Submission { .. } | QueueSource::Notice(_) | QueueSource::Returned => None,
    }
}

async fn sign(
    store: &StoreClient,
    keyring: &Keyring,
    (domain, hosts): (&DomainName, &[String]),
    source: &Source,
) -> Result<Bytes, SigningError> {
    let Some(signer) = signer(store, keyring, domain).await? else { return Ok(Bytes::new()) };
    match sign_and_seal_message(&signer, hosts, source.pieces(), now()).await {
        Ok(fields) => Ok(fields.into()),
        Err(MessageError::Unsignable(_)) => Ok(Bytes::new()),
        Err(error) => Err(SigningError::Message(error)),
    }
}

/// The signer of a domain; none where it has no keys, or is gone.
async fn signer(
    store: &StoreClient,
    keyring: &Keyring,
    domain: &DomainName,
) -> Result<Option<Arc<Signer>>, SigningError> {
    if let Some(signer) = keyring.known(domain) {
        return Ok(signer);
    }
    let asked = Instant::now();
    let Ok(keys) = store.signing_keys(domain).await? else { return Ok(None) };
    Ok(keyring.learn(domain, asked, keys.iter().map(|key| (&key.selector, key.sealed.as_ref())))?)
}
