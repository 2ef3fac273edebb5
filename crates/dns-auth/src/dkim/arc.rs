//! Seals a message that goes on, so that the next server can believe what we found although forwarding breaks SPF (ARC, RFC 8617).
//!
//! A set is three fields: what we found (ARC-Authentication-Results), a signature over the message as it leaves (ARC-Message-Signature), and one over
//! all sets so far (ARC-Seal). What we found, the chain that came with it included, stands in our own Authentication-Results field, which was written when
//! the message came: nothing is verified again. It stands above the first Received, which is ours too; what a message brings stands below, and is not
//! believed whatever name it is in, for not all mail is searched for such fields. Not sealed is what nobody verified here, a chain that does not hold (§5.1 asks for no more than a set
//! that says so, of which nobody learns anything), and one that is as long as chains may be.
//!
//! The signature is made like a DKIM signature, over the same fields, and with an RSA key: a verifier that knows no other algorithm would call the whole
//! chain broken. A domain that has none seals nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{Algorithm, SigningKey as _};
use mail_auth::dkim::Canonicalization;
use yubin_types::{DomainName, Timestamp, limits};

use super::sign::{SelectedKey, SignError, fields};
use crate::verify::is_results_of;

const RESULTS: &str = "ARC-Authentication-Results";
const SIGNATURE: &str = "ARC-Message-Signature";
const SEAL: &str = "ARC-Seal";
/// Characters of a line of a field.
const LINE_MAX: usize = 72;

/// A name and what stands behind its colon.
type Field<'a> = (&'a [u8], &'a [u8]);

/// What a message that is to be sealed brings: what was found, and the sets so far.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// The body of our Authentication-Results.
    found: Vec<u8>,
    /// The fields of the sets in canonical form, in the order in which they are sealed.
    sets: Vec<u8>,
    count: u32,
}

/// What is signed of a message.
pub(super) struct Signed<'a> {
    /// The signed fields in canonical form.
    pub(super) canonical: &'a [u8],
    /// `h=`
    pub(super) names: &'a [String],
    pub(super) body_hash: &'a [u8],
}

impl Chain {
    /// Of a message with this header; `hosts` are those whose results are ours. `None`: it is not to be sealed.
    pub(super) fn of(header: &[u8], hosts: &[String]) -> Option<Chain> {
        let is = |name: &[u8], wanted: &str| name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes());
        let is_ours = |(name, body): &Field<'_>| is(name, "Authentication-Results") && is_results_of(name, body, hosts);
        let (_, found) = fields(header).take_while(|(name, _)| !is(name, "Received")).find(is_ours)?;
        let holds = result(found);
        let mut sets: Vec<[Option<Field<'_>>; 3]> = Vec::new();
        for (name, body) in fields(header) {
            let kinds = [RESULTS, SIGNATURE, SEAL];
            let Some(kind) = kinds.iter().position(|kind| name.trim_ascii().eq_ignore_ascii_case(kind.as_bytes()))
            else {
                continue;
            };
            let place = instance(body)?.checked_sub(1)?;
            if sets.len() <= place {
                sets.resize(place + 1, [None; 3]);
            }
            let field = sets.get_mut(place)?.get_mut(kind)?;
            if field.replace((name, body)).is_some() {
                return None;
            }
        }
        let is_sound = if sets.is_empty() { holds.is_none() } else { holds == Some("pass") };
        if !is_sound || sets.len() >= limits::ARC_SETS_MAX {
            return None;
        }
        let mut canonical = Vec::new();
        for set in &sets {
            for field in set {
                Canonicalization::Relaxed.canonicalize_headers(std::iter::once((*field)?), &mut canonical);
            }
        }
        Some(Chain { found: found.to_vec(), sets: canonical, count: u32::try_from(sets.len()).ok()? })
    }

    /// The next set, to go before the header.
    pub(super) fn seal(
        &self,
        domain: &DomainName,
        keys: &[SelectedKey],
        signed: &Signed<'_>,
        now: Timestamp,
    ) -> Result<Vec<u8>, SignError> {
        let is_rsa = |selected: &&SelectedKey| selected.key.key.algorithm() == Algorithm::RsaSha256;
        let Some(SelectedKey { selector, key }) = keys.iter().find(is_rsa) else { return Ok(Vec::new()) };
        let sign = |octets: &[u8]| key.key.sign(octets).map_err(|_| SignError::Signing);
        let (i, t) = (self.count + 1, now.seconds());
        let mut results = format!("{RESULTS}: i={i};").into_bytes();
        results.extend_from_slice(&self.found);

        let mut signature =
            format!("{SIGNATURE}: i={i}; a=rsa-sha256; c=relaxed/relaxed; d={domain};\r\n\ts={selector}; t={t};");
        tag(&mut signature, "h", signed.names.iter().map(String::as_str), ":");
        tag(&mut signature, "bh", std::iter::once(STANDARD.encode(signed.body_hash).as_str()), "");
        signature.push_str("\r\n\tb=");
        let mut octets = signed.canonical.to_vec();
        unsigned(signature.as_bytes(), &mut octets);
        close(&mut signature, &sign(&octets)?);

        let cv = if self.count == 0 { "none" } else { "pass" };
        let mut seal = format!("{SEAL}: i={i}; a=rsa-sha256; t={t}; cv={cv};\r\n\td={domain}; s={selector};\r\n\tb=");
        let mut octets = self.sets.clone();
        for field in fields(&results).chain(fields(signature.as_bytes())) {
            Canonicalization::Relaxed.canonicalize_headers(std::iter::once(field), &mut octets);
        }
        unsigned(seal.as_bytes(), &mut octets);
        close(&mut seal, &sign(&octets)?);
        Ok([seal.as_bytes(), signature.as_bytes(), &results].concat())
    }
}

/// What we found of the chain, if there was one.
fn result(found: &[u8]) -> Option<&str> {
    let mut results = found.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    let arc = results.find_map(|result| result.strip_prefix(b"arc="))?;
    let end = arc.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(arc.len());
    std::str::from_utf8(arc.get(..end)?).ok()
}

/// `i=`, 1 to [`limits::ARC_SETS_MAX`].
fn instance(body: &[u8]) -> Option<usize> {
    let mut tags = body.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let digits = tags.find_map(|tag| tag.strip_prefix(b"i")?.trim_ascii_start().strip_prefix(b"="))?;
    let number = std::str::from_utf8(digits.trim_ascii()).ok()?.parse().ok()?;
    (1..=limits::ARC_SETS_MAX).contains(&number).then_some(number)
}

/// A tag on lines of its own.
fn tag<'a>(field: &mut String, name: &str, words: impl Iterator<Item = &'a str>, between: &str) {
    field.push_str("\r\n\t");
    field.push_str(name);
    field.push('=');
    let mut length = name.len() + 2;
    for (place, word) in words.enumerate() {
        let gap = if place == 0 { "" } else { between };
        if place > 0 && length + gap.len() + word.len() > LINE_MAX {
            field.push_str(gap);
            field.push_str("\r\n\t ");
            length = 2;
        } else {
            field.push_str(gap);
        }
        field.push_str(word);
        length += gap.len() + word.len();
    }
    field.push(';');
}

/// A field that ends with an empty `b=`, in canonical form and without its end (RFC 6376 §3.7).
fn unsigned(field: &[u8], octets: &mut Vec<u8>) {
    let whole = [field, b"\r\n"].concat();
    fields(&whole).for_each(|field| Canonicalization::Relaxed.canonicalize_headers(std::iter::once(field), octets));
    octets.truncate(octets.len() - 2);
}

/// Puts the signature behind `b=`, folded.
fn close(field: &mut String, signature: &[u8]) {
    let encoded = STANDARD.encode(signature);
    let mut rest = encoded.as_str();
    while let Some((line, after)) = rest.split_at_checked(LINE_MAX).filter(|(_, after)| !after.is_empty()) {
        field.push_str(line);
        field.push_str("\r\n\t ");
        rest = after;
    }
    field.push_str(rest);
    field.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::{Chain, instance, result};

    const FOUND: &str = "Authentication-Results: mx.home.example; dmarc=pass header.from=a.example";

    fn chain(more: &str) -> Option<u32> {
        let header = format!("Delivered-To: x\r\n{more}Received: x\r\nFrom: a@a.example\r\n\r\n");
        Chain::of(header.as_bytes(), &["mx.home.example".to_owned()]).map(|chain| chain.count)
    }

    fn set(i: u32) -> String {
        format!(
            "ARC-Seal: i={i}; cv=none\r\nARC-Message-Signature: a=rsa-sha256; i = {i}; b=x\r\nARC-Authentication-Results: i={i};\r\n x\r\n"
        )
    }

    #[test]
    fn only_what_was_verified_and_held_is_sealed() {
        assert_eq!(chain(&format!("{FOUND}\r\n")), Some(0));
        assert_eq!(chain("Authentication-Results: mx.other.example; dmarc=pass\r\n"), None, "nobody verified it here");
        assert_eq!(chain(&format!("Received: ours\r\n{FOUND}\r\n")), None, "it came with the message");
        assert_eq!(chain(&format!("received : ours\r\n{FOUND}\r\n")), None, "in any spelling");
        assert_eq!(chain(&format!("{FOUND}; arc=pass (i=1 x.example)\r\n{}", set(1))), Some(1));
        assert_eq!(chain(&format!("{FOUND};\r\n arc=pass\r\n{}{}", set(2), set(1))), Some(2));
        assert_eq!(chain(&format!("{FOUND}; arc=fail (i=1 x.example)\r\n{}", set(1))), None);
        assert_eq!(chain(&format!("{FOUND}\r\n{}", set(1))), None, "the chain was not looked at");
        assert_eq!(chain(&format!("{FOUND}; arc=pass\r\n")), None, "there is none any more");
        assert_eq!(chain(&format!("{FOUND}; arc=pass\r\n{}", set(2))), None, "a set is missing");
        assert_eq!(chain(&format!("{FOUND}; arc=pass\r\n{}{}", set(1), set(1))), None, "one is there twice");
        let sets = |count: u32| (1..=count).map(set).collect::<String>();
        assert_eq!(chain(&format!("{FOUND}; arc=pass\r\n{}", sets(49))), Some(49));
        assert_eq!(chain(&format!("{FOUND}; arc=pass\r\n{}", sets(50))), None, "no chain is longer");
    }

    #[test]
    fn tags_are_found_wherever_they_stand() {
        assert_eq!(
            (instance(b" a=b; i = 7 ;x"), instance(b" i=0"), instance(b" i=51"), instance(b" bi=3")),
            (Some(7), None, None, None)
        );
        assert_eq!(
            (result(b" h; spf=pass;\r\n\tarc=fail (i=2)"), result(b" arc=pass; spf=fail")),
            (Some("fail"), None)
        );
    }
}
