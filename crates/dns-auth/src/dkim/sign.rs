//! Signs a message: from its header and its body as it goes by to the fields that go before both.
//!
//! Header and body are canonicalized `relaxed` (RFC 6376 §3.4), the body is hashed once for all keys, without a length (`l=` lets
//! others append). Signed is every occurrence of the fields in [`SIGNED`]; those in [`OVERSIGNED`] are named once more than they
//! occur, so that nobody can add another that readers would show (RFC 6376 §8.15). Trace fields are not signed: they change on the
//! way. A signature has no end (`x=`): mail may wait for days.

use std::sync::Arc;

use mail_auth::common::crypto::{HashContext as _, HashImpl, Sha256, SigningKey as _};
use mail_auth::dkim::canonicalize::BodyHasher;
use mail_auth::dkim::{Canonicalization, Signature};
use yubin_types::{DomainName, Timestamp};

use super::arc::{Chain, Signed};
use super::key::PrivateKey;

/// Fields that are signed wherever they occur (RFC 6376 §5.4.1).
const SIGNED: [&str; 22] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-Language",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Archive",
];

/// Fields that a reader is shown, of which none may be added.
const OVERSIGNED: [&str; 5] = ["From", "To", "Cc", "Subject", "Date"];

/// A key and the name under which its record stands.
#[derive(Clone, Debug)]
pub struct SelectedKey {
    /// `s=`, what stands before `._domainkey`.
    pub selector: DomainName,
    /// The key.
    pub key: Arc<PrivateKey>,
}

/// Signs for one domain with each of its keys.
#[derive(Clone, Debug)]
pub struct Signer {
    domain: DomainName,
    keys: Vec<SelectedKey>,
}

/// Why there is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A message without a From field can't be signed (RFC 6376 §5.4).
    #[error("the message has no From field")]
    NoFrom,
    /// The library failed.
    #[error("the message can't be signed")]
    Signing,
}

impl Signer {
    /// A signer for a domain (`d=`); the fields come in the order of the keys.
    #[must_use]
    pub fn new(domain: DomainName, keys: Vec<SelectedKey>) -> Signer {
        Signer { domain, keys }
    }

    /// Begins to sign a message with this header: all its fields, with or without the empty line after them.
    ///
    /// # Errors
    /// [`SignError::NoFrom`].
    pub fn begin<'a>(&'a self, header: &'a [u8]) -> Result<Signing<'a>, SignError> {
        let listed = |name: &[u8]| SIGNED.into_iter().find(|listed| name.eq_ignore_ascii_case(listed.as_bytes()));
        let mut fields: Vec<_> =
            fields(header).filter_map(|(name, value)| Some((listed(name.trim_ascii())?, name, value))).collect();
        if !fields.iter().any(|(name, ..)| *name == "From") {
            return Err(SignError::NoFrom);
        }
        // A verifier takes the occurrences of a field from the bottom up (RFC 6376 §5.4.2).
        fields.reverse();
        let names = fields.iter().map(|(name, ..)| *name).chain(OVERSIGNED).map(str::to_owned).collect();
        let mut canonical = Vec::with_capacity(2 * header.len() + 512);
        let pairs = fields.iter().map(|(_, name, value)| (*name, *value));
        Canonicalization::Relaxed.canonicalize_headers(pairs, &mut canonical);
        let body = BodyHasher::new(Sha256::hasher(), Canonicalization::Relaxed, 0);
        Ok(Signing { signer: self, names, canonical, body, chain: None })
    }
}

/// A message on its way past the signer.
pub struct Signing<'a> {
    signer: &'a Signer,
    /// `h=`
    names: Vec<String>,
    /// The signed fields in canonical form.
    canonical: Vec<u8>,
    body: BodyHasher<<Sha256 as HashImpl>::Context>,
    /// What it is sealed behind.
    chain: Option<Chain>,
}

impl Signing<'_> {
    /// Seals it, too (ARC), if its header says that one of these hosts, all of them ours, verified it, and its chain holds.
    #[must_use]
    pub fn sealed(self, header: &[u8], hosts: &[String]) -> Self {
        Signing { chain: Chain::of(header, hosts), ..self }
    }

    /// Takes the next piece of the body: what follows the empty line, cut anywhere.
    pub fn body(&mut self, piece: &[u8]) {
        self.body.write(piece);
    }

    /// The DKIM-Signature fields, behind the ARC set if it is sealed, each with its final CRLF, to go before the header. Signing with RSA takes about a millisecond.
    ///
    /// # Errors
    /// [`SignError::Signing`].
    pub fn finish(self, now: Timestamp) -> Result<Vec<u8>, SignError> {
        let (hasher, _) = self.body.finish();
        let body_hash = hasher.complete().as_ref().to_vec();
        let Signer { domain, keys } = self.signer;
        let mut fields = match &self.chain {
            Some(chain) => {
                let signed = Signed { canonical: &self.canonical, names: &self.names, body_hash: &body_hash };
                chain.seal(domain, keys, &signed, now)?
            }
            None => Vec::with_capacity(1_024 * keys.len()),
        };
        for SelectedKey { selector, key } in keys {
            let mut signature = Signature {
                v: 1,
                a: key.key.algorithm(),
                d: domain.to_string(),
                s: selector.to_string(),
                bh: body_hash.clone(),
                h: self.names.clone(),
                t: now.seconds(),
                ch: Canonicalization::Relaxed,
                cb: Canonicalization::Relaxed,
                ..Signature::default()
            };
            let mut signed = self.canonical.clone();
            signature.write(&mut signed, false);
            signature.b = key.key.sign(signed.as_slice()).map_err(|_| SignError::Signing)?;
            signature.write(&mut fields, true);
        }
        Ok(fields)
    }
}

/// The fields of a header as (name, value with its folds and its CRLF), up to the empty line. A line that is no field is passed over,
/// and so is a last one that was cut.
pub(super) fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.starts_with(b"\r\n") {
            return None;
        }
        let mut end = 0;
        loop {
            let tail = rest.get(end..)?;
            end += tail.iter().position(|byte| *byte == b'\n')? + 1;
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(field)
    })
    .filter_map(|field| {
        let colon = field.iter().position(|byte| *byte == b':')?;
        Some((field.get(..colon)?, field.get(colon + 1..)?))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use yubin_types::{DomainName, Timestamp};

    use super::super::key::{KeyAlgorithm, PrivateKey};
    use super::{SelectedKey, SignError, Signer};

    fn signer() -> Signer {
        let key = Arc::new(PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap());
        let selector = DomainName::parse("s1").unwrap();
        Signer::new(DomainName::parse("example.jp").unwrap(), vec![SelectedKey { selector, key }])
    }

    #[test]
    fn however_the_body_is_cut_the_signature_is_the_same() {
        let (signer, header) = (signer(), b"From: a@example.jp\r\nSubject: x\r\n\r\n");
        let body = b"one  two \t three \r\n\r\n  four\r\n\t\r\n\r\n";
        let sign = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut signing = signer.begin(header).unwrap();
            pieces.for_each(|piece| signing.body(piece));
            String::from_utf8(signing.finish(Timestamp::from_seconds(1_000)).unwrap()).unwrap()
        };
        let whole = sign(&mut std::iter::once(&body[..]));
        for size in 1..body.len() {
            assert_eq!(sign(&mut body.chunks(size)), whole, "pieces of {size}");
        }
        assert!(whole.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; s=s1; d=example.jp;"), "{whole}");
        assert!(whole.ends_with(";\r\n"), "{whole}");
        assert!(whole.contains("h=Subject:From:From:To:Cc:Subject:Date"), "{whole}");
        assert!(whole.contains("t=1000;"), "{whole}");
        assert!(whole.lines().all(|line| line.len() <= 78), "{whole}");
    }

    #[test]
    fn a_header_comes_apart_at_its_fields() {
        let header = b"A: 1\r\nb : 2\r\n\tmore\r\n  end\r\nno field\r\nC:\r\nD: cut";
        let fields: Vec<_> = super::fields(header).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"A", b" 1\r\n"), (b"b ", b" 2\r\n\tmore\r\n  end\r\n"), (b"C", b"\r\n")];
        assert_eq!(fields, expected);
        assert_eq!(super::fields(b"A: 1\r\n\r\nB: body\r\n").count(), 1);
    }

    #[test]
    fn a_message_without_a_sender_is_not_signed() {
        assert_eq!(signer().begin(b"Subject: x\r\n\r\n").err(), Some(SignError::NoFrom));
        assert_eq!(signer().begin(b"").err(), Some(SignError::NoFrom));
    }
}
