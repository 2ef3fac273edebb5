//! Who forwarded a message and what each of them had found (ARC, RFC 8617).
//!
//! A chain that verifies proves that its sealers said what stands there, and nothing about whether they are honest: whom to believe is for
//! `policy` to say. Of what a sealer found only one thing is read: for which author's domain DMARC had passed.

use std::collections::HashSet;

use mail_auth::common::verify::VerifySignature as _;
use mail_auth::{AuthenticatedMessage, DkimResult, DnsError, Error, Parameters};
use yubin_types::{AuthResult, DomainName};

use super::super::Verifier;
use super::super::keys::Keys;

/// What the chain says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArcCheck {
    /// The state of the whole chain.
    pub result: AuthResult,
    /// Its sets, the latest first; empty unless it passed.
    pub sets: Vec<ArcSet>,
}

/// What one forwarder vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArcSet {
    /// Who sealed.
    pub sealer: DomainName,
    /// The author's domain for which DMARC had passed there.
    pub dmarc_pass: Option<DomainName>,
}

impl Default for ArcCheck {
    fn default() -> ArcCheck {
        ArcCheck { result: AuthResult::None, sets: Vec::new() }
    }
}

/// Where the keys of a chain are published.
pub(super) fn key_names(message: &AuthenticatedMessage<'_>) -> HashSet<String> {
    let seals = message.as_headers.iter().map(|field| field.header.domain_key());
    let signature = message.ams_headers.last().map(|field| field.header.domain_key());
    seals.chain(signature).map(|name| name.to_lowercase()).collect()
}

pub(super) async fn verify(verifier: &Verifier, message: &AuthenticatedMessage<'_>, keys: &Keys) -> ArcCheck {
    let output = verifier.library.verify_arc(Parameters::new(message).with_txt_cache(keys)).await;
    let result = match output.result() {
        DkimResult::Pass => AuthResult::Pass,
        DkimResult::None => AuthResult::None,
        DkimResult::TempError(Error::Dns(DnsError::Resolver(_))) => AuthResult::TempError,
        _ => AuthResult::Fail,
    };
    if result != AuthResult::Pass {
        return ArcCheck { result, sets: Vec::new() };
    }
    let mut sets = Vec::new();
    for set in output.sets().iter().rev() {
        // A sealer that is no domain name ends what can be believed.
        let Ok(sealer) = DomainName::parse(&set.seal.header.d) else { break };
        sets.push(ArcSet { sealer, dmarc_pass: dmarc_pass(set.results.value) });
    }
    ArcCheck { result, sets }
}

/// The author's domain of `dmarc=pass`, in the text of Authentication-Results (RFC 8601 §2.2).
fn dmarc_pass(results: &[u8]) -> Option<DomainName> {
    let text = without_comments(results);
    let mut found = text.split(';').filter_map(|result| {
        let mut words = result.split_ascii_whitespace();
        let (method, value) = words.next()?.split_once('=')?;
        let passed = method.eq_ignore_ascii_case("dmarc") && value.eq_ignore_ascii_case("pass");
        let author = words.find_map(|word| word.strip_prefix("header.from="))?;
        passed.then(|| DomainName::parse(author).ok()).flatten()
    });
    found.next()
}

/// Without comments and quoted strings, whatever they hold.
fn without_comments(text: &[u8]) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted || depth > 0 => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            byte if byte.is_ascii() => out.push(char::from(*byte)),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::dmarc_pass;

    #[test]
    fn only_a_pass_outside_of_comments_and_quotes_counts() {
        let found = |text: &str| dmarc_pass(text.as_bytes()).map(|name| name.as_str().to_owned());
        let author = Some("a.example".to_owned());
        assert_eq!(
            found(" i=1; mx.example;\r\n dkim=pass header.d=x.example;\r\n dmarc=pass header.from=a.example"),
            author
        );
        assert_eq!(found(" i=1; mx; dmarc=pass (p=none (dis=none)) header.from=A.example"), author);
        for none in [
            " i=1; mx; dmarc=fail header.from=a.example",
            " i=1; mx; dmarc=none (; dmarc=pass header.from=a.example)",
            " i=1; mx; x=\"; dmarc=pass header.from=a.example\"",
            " i=1; mx; x=\"\\\"; dmarc=pass header.from=a.example\"",
            " i=1; mx; dmarc=pass",
            " i=1; mx; dkim=pass header.from=a.example",
            "",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
