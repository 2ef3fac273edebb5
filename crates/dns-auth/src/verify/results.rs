//! What was found, in one field that programs read: Authentication-Results (RFC 8601).
//!
//! Everything that comes from a peer stands in it as a domain name that was parsed; everything else is our own text. So no peer can add a
//! result to the field. A field of another server that claims to be ours must go before ours is added (§5): [`is_results_of`] knows it.

use std::fmt::Write as _;
use std::net::IpAddr;

use yubin_types::{AuthResult, DmarcPolicy, limits};

use super::dmarc::DmarcCheck;
use super::iprev::Iprev;
use super::message::{ArcCheck, DkimCheck, MessageChecks};
use super::spf::{SpfCheck, SpfChecks};

/// What is written. What was not checked is left out.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticationResults<'a> {
    /// Who says so: our name (authserv-id).
    pub host: &'a str,
    /// The peer.
    pub peer: IpAddr,
    /// Its name.
    pub iprev: Option<&'a Iprev>,
    /// SPF.
    pub spf: Option<&'a SpfChecks>,
    /// DKIM and ARC.
    pub message: Option<&'a MessageChecks>,
    /// DMARC, for each author's domain.
    pub dmarc: &'a [DmarcCheck],
}

impl AuthenticationResults<'_> {
    /// The body of the field, to be folded at its spaces; at most [`limits::AUTH_RESULTS_BYTES_MAX`].
    #[must_use]
    pub fn body(&self) -> String {
        let mut results: Vec<String> = self.dmarc.iter().map(dmarc).collect();
        if let Some(SpfChecks { helo, mail_from }) = self.spf {
            results.extend(mail_from.iter().map(|check| spf(check, "mailfrom")));
            results.extend(helo.iter().map(|check| spf(check, "helo")));
        }
        if let Some(iprev) = self.iprev {
            let name = iprev.confirmed().map(|name| format!(" ({name})")).unwrap_or_default();
            results.push(format!("iprev={}{name} policy.iprev={}", iprev.result().name(), address(self.peer)));
        }
        if let Some(message) = self.message {
            results.extend(arc(&message.arc));
            if message.dkim.is_empty() {
                results.push("dkim=none".to_owned());
            }
            results.extend(message.dkim.iter().map(dkim));
        }
        let mut body = self.host.to_owned();
        if results.is_empty() {
            body.push_str("; none");
        }
        for result in results {
            if body.len() + 2 + result.len() <= limits::AUTH_RESULTS_BYTES_MAX {
                body.push_str("; ");
                body.push_str(&result);
            }
        }
        body
    }
}

fn spf(check: &SpfCheck, property: &str) -> String {
    format!("spf={} smtp.{property}={}", check.result.name(), check.domain)
}

fn dkim(check: &DkimCheck) -> String {
    let mut text = format!("dkim={}", check.result.name());
    // Writing to a string can't fail.
    let _ = check.reason.map(|reason| write!(text, " reason=\"{reason}\""));
    let _ = check.domain.as_ref().map(|domain| write!(text, " header.d={domain}"));
    let _ = check.selector.as_ref().map(|selector| write!(text, " header.s={selector}"));
    if !check.tag.is_empty() {
        let _ = write!(text, " header.b=\"{}\"", check.tag);
    }
    text
}

fn dmarc(check: &DmarcCheck) -> String {
    let policy = check.policy.map_or("unknown", DmarcPolicy::name);
    format!("dmarc={} (policy={policy}) header.from={}", check.result.name(), check.author)
}

fn arc(check: &ArcCheck) -> Option<String> {
    let sealers = check.sets.first().map(|set| format!(" (i={} {})", check.sets.len(), set.sealer));
    (check.result != AuthResult::None).then(|| format!("arc={}{}", check.result.name(), sealers.unwrap_or_default()))
}

/// An address as a value: IPv6 has colons, which only a quoted string may hold.
fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"{address}\""),
    }
}

/// Does this field claim to be the Authentication-Results of one of these hosts, or a Received-SPF field that one of them received
/// (RFC 7208 §9.1; we write none)? `body` is what stands behind the colon. Comments, quoting, case and folds before the name hide nothing.
#[must_use]
pub fn is_results_of(name: &[u8], body: &[u8], hosts: &[String]) -> bool {
    if name.trim_ascii().eq_ignore_ascii_case(b"Received-SPF") {
        return hosts.iter().any(|host| is_received_by(body, host));
    }
    if !name.trim_ascii().eq_ignore_ascii_case(b"Authentication-Results") {
        return false;
    }
    let claimed = authserv_id(body);
    let claimed = claimed.trim_end_matches('.');
    hosts.iter().any(|host| claimed.eq_ignore_ascii_case(host))
}

/// Does a Received-SPF field name this host as the receiver, by its key or as the one who comments?
fn is_received_by(body: &[u8], host: &str) -> bool {
    let kept = body.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'"').map(u8::to_ascii_lowercase);
    let (text, host) = (kept.map(char::from).collect::<String>(), host.to_ascii_lowercase());
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let key = format!("receiver={host}");
    text.contains(&format!("({host}:"))
        || text.match_indices(&key).any(|(at, key)| text.get(at + key.len()..).is_none_or(ends))
}

/// The first word behind comments, unquoted.
fn authserv_id(body: &[u8]) -> String {
    let (mut id, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    for &byte in body {
        let c = char::from(byte);
        match byte {
            _ if escaped => {
                escaped = false;
                if depth == 0 {
                    id.push(c);
                }
            }
            b'\\' if quoted || depth > 0 => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted && depth > 0 => depth -= 1,
            _ if depth > 0 || (byte.is_ascii_whitespace() && id.is_empty()) => {}
            b';' | b'/' if !quoted => break,
            // A version may follow.
            _ if byte.is_ascii_whitespace() => break,
            _ => id.push(c),
        }
        if id.len() > 2 * limits::DOMAIN_BYTES_MAX {
            break;
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use yubin_types::DomainName;

    use super::*;
    use crate::verify::message::ArcSet;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    #[test]
    fn everything_that_was_found_stands_in_one_field() {
        let spf = SpfChecks {
            helo: Some(SpfCheck { domain: name("mx.a.example"), result: AuthResult::None }),
            mail_from: Some(SpfCheck { domain: name("a.example"), result: AuthResult::SoftFail }),
        };
        let signed = DkimCheck {
            result: AuthResult::Fail,
            domain: Some(name("a.example")),
            selector: Some(name("s1")),
            tag: "q1/w".to_owned(),
            reason: Some("the body was changed"),
        };
        let arc = ArcCheck {
            result: AuthResult::Pass,
            sets: vec![ArcSet { sealer: name("list.example"), dmarc_pass: None }],
        };
        let dmarc = DmarcCheck {
            author: name("a.example"),
            result: AuthResult::Fail,
            policy: Some(DmarcPolicy::Quarantine),
            asked: None,
        };
        let results = AuthenticationResults {
            host: "mx.example.jp",
            peer: "2001:db8::1".parse().unwrap(),
            iprev: Some(&Iprev::Confirmed(name("mx.a.example"))),
            spf: Some(&spf),
            message: Some(&MessageChecks { dkim: vec![signed], arc }),
            dmarc: &[dmarc],
        };
        assert_eq!(
            results.body(),
            "mx.example.jp; dmarc=fail (policy=quarantine) header.from=a.example; spf=softfail smtp.mailfrom=a.example; \
             spf=none smtp.helo=mx.a.example; iprev=pass (mx.a.example) policy.iprev=\"2001:db8::1\"; \
             arc=pass (i=1 list.example); dkim=fail reason=\"the body was changed\" header.d=a.example header.s=s1 \
             header.b=\"q1/w\""
        );
        let nothing = AuthenticationResults { iprev: None, spf: None, message: None, dmarc: &[], ..results };
        assert_eq!(nothing.body(), "mx.example.jp; none");
    }

    #[test]
    fn a_forged_field_is_known_however_it_is_written() {
        let hosts = ["mx.example.jp".to_owned()];
        let forged = |body: &str| is_results_of(b"authentication-results", body.as_bytes(), &hosts);
        for ours in [
            " mx.example.jp; spf=pass",
            "MX.Example.JP;none",
            " mx.example.jp 1; none",
            " mx.example.jp/1; none",
            "\r\n\tmx.example.jp\r\n ;spf=pass",
            " (a (nested; \\) comment)) mx.example.jp; none",
            " \"mx.example.jp\"; none",
            " \"mx.exa\\mple.jp\"; none",
            " mx.(hidden)example.jp; none",
            " mx.example.jp.; none",
            " mx.example.jp",
        ] {
            assert!(forged(ours), "{ours}");
        }
        for other in [" mx.example.org; none", " x.mx.example.jp; none", " (mx.example.jp) other; none", "", ";"] {
            assert!(!forged(other), "{other}");
        }
        assert!(!is_results_of(b"ARC-Authentication-Results", b" mx.example.jp; none", &hosts));
    }
}
