//! Signs what users send: with every key in use of the sender's domain (RFC 6376), when the message is complete and before it is queued.
//!
//! The body is read from the spool in pieces. A domain's keys are asked for and opened once, then remembered ([`Keyring`]).
//! A domain without keys sends unsigned mail, which is counted. Whatever else fails puts the message off: mail that should be signed and
//! isn't is refused or lost at the receivers, and nobody would know why.
//!
//! An RSA signature takes about a millisecond of the session's thread.

use std::sync::Arc;
use std::time::Instant;

use yubin_dns_auth::dkim::{Keyring, KeyringError, MessageError, Signer, sign_message};
use yubin_proto::{Body, StoreClient, StoreError};
use yubin_types::{DomainName, Refusal, Secret};

use crate::driver::now;
use crate::header;

/// Signers of the domains that send.
pub(crate) struct Signers {
    store: Arc<StoreClient>,
    keyring: Keyring,
}

/// What goes before a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Signatures {
    /// DKIM-Signature fields with their CRLF.
    Fields(Vec<u8>),
    /// The domain has no key in use.
    NoKey,
}

/// Why a message can't be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// The message can never be signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The domain's group can't be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key doesn't open here.
    #[error(transparent)]
    Key(#[from] KeyringError),
    /// It can't be read, or the library failed.
    #[error(transparent)]
    Message(MessageError),
}

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signers").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

impl Signers {
    pub(crate) fn new(store: Arc<StoreClient>, cluster_secret: &Secret) -> Self {
        Signers { store, keyring: Keyring::new(cluster_secret) }
    }

    /// Signs a message of a domain: its header begins with what goes `before` it.
    ///
    /// # Errors
    /// See [`SigningError`]; the message must not go out.
    pub(crate) async fn sign(
        &self,
        domain: &DomainName,
        before: &[u8],
        message: &Body,
    ) -> Result<Signatures, SigningError> {
        match self.signer(domain).await? {
            Some(signer) => sign(&signer, before, message).await.map(Signatures::Fields),
            None => Ok(Signatures::NoKey),
        }
    }

    async fn signer(&self, domain: &DomainName) -> Result<Option<Arc<Signer>>, SigningError> {
        if let Some(signer) = self.keyring.known(domain) {
            return Ok(signer);
        }
        let asked = Instant::now();
        let keys = self.store.signing_keys(domain).await??;
        Ok(self.keyring.learn(domain, asked, keys.iter().map(|key| (&key.selector, key.sealed.as_ref())))?)
    }
}

async fn sign(signer: &Signer, before: &[u8], message: &Body) -> Result<Vec<u8>, SigningError> {
    sign_message(signer, before, header::pieces(message), now()).await.map_err(|error| match error {
        MessageError::Unsignable(why) => SigningError::Refused(Refusal::NotSignable { why: why.to_owned() }),
        error => SigningError::Message(error),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures::stream;
    use yubin_dns_auth::dkim::{KeyAlgorithm, PrivateKey, SelectedKey, Signer};
    use yubin_proto::{Body, BodyStream, LargeBody};
    use yubin_types::{DomainName, Refusal, limits};

    use super::{SigningError, sign};

    fn signer() -> Signer {
        let key = Arc::new(PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap());
        let name = |text| DomainName::parse(text).unwrap();
        Signer::new(name("example.jp"), vec![SelectedKey { selector: name("s1"), key }])
    }

    struct Cut(Vec<Bytes>);

    impl LargeBody for Cut {
        fn length(&self) -> u64 {
            self.0.iter().map(|piece| piece.len() as u64).sum()
        }

        fn open(&self) -> BodyStream {
            Box::pin(stream::iter(self.0.clone().into_iter().map(Ok)))
        }
    }

    /// The body hash and the signed fields of what was signed.
    async fn facts(signer: &Signer, message: &Body) -> (String, String) {
        let fields = String::from_utf8(sign(signer, b"Received: x\r\n", message).await.unwrap()).unwrap();
        let fields = fields.replace("\r\n\t", "").replace(' ', "");
        let tag = |name: &str| {
            fields
                .split(';')
                .find_map(|tag| tag.trim().strip_prefix(name))
                .unwrap_or_else(|| panic!("{fields}"))
                .to_owned()
        };
        (tag("bh="), tag("h="))
    }

    #[tokio::test]
    async fn however_the_spool_cuts_a_message_the_same_is_signed() {
        let signer = signer();
        let message = b"From: a@example.jp\r\nSubject: x\r\n\r\nSubject: body\r\n\r\nend\r\n";
        let whole = facts(&signer, &Body::Inline(Bytes::from_static(message))).await;
        assert_eq!(whole.1, "Subject:From:From:To:Cc:Subject:Date");
        for size in 1..message.len() {
            let pieces = message.chunks(size).map(Bytes::copy_from_slice).collect();
            assert_eq!(facts(&signer, &Body::Large(Arc::new(Cut(pieces)))).await, whole, "pieces of {size}");
        }
        let mut long = b"From: a@example.jp\r\n\r\n".to_vec();
        long.extend(b"0123456789abcdef\r\n".repeat(20_000));
        let pieces = long.chunks(1_000).map(Bytes::copy_from_slice).collect();
        let cut = facts(&signer, &Body::Large(Arc::new(Cut(pieces)))).await;
        assert_eq!(facts(&signer, &Body::Inline(long.into())).await, cut);
    }

    #[tokio::test]
    async fn what_can_never_be_signed_is_refused() {
        let signer = signer();
        let long = format!("From: a@b\r\nX: {}", "x\r\n ".repeat(limits::DKIM_HEADER_BYTES_MAX / 3));
        let many = format!("From: a@b\r\n{}\r\n", "To: x@y\r\n".repeat(5_000));
        for message in ["Subject: x\r\n\r\nFrom: body\r\n", "\r\nFrom: a@b\r\n", "", &long, &many] {
            let refused = sign(&signer, b"", &Body::Inline(Bytes::copy_from_slice(message.as_bytes()))).await;
            let refused = refused.map(|_| ());
            assert!(
                matches!(refused, Err(SigningError::Refused(Refusal::NotSignable { .. }))),
                "{message:.20}: {refused:?}"
            );
        }
    }
}
