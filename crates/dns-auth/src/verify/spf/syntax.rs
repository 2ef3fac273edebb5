//! The grammar of SPF records (RFC 7208 §12), held to strictly: a record with a mistake anywhere is a permanent error (§4.6), not a guess.
//!
//! The library that evaluates terms forgives much of it: networks of 33 bits, names that end in digits, octets that are not ASCII. It stumbles
//! over modifiers that nobody knows, which are to be passed over (§6); they are checked here and left out.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a term is to whoever evaluates the record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Mechanism,
    Redirect,
    Explanation,
    /// A modifier that nobody knows.
    Unknown,
}

/// `v=spf1`, alone or before a space.
pub(crate) fn is_record(text: &[u8]) -> bool {
    let (version, rest) = text.split_at(text.len().min(6));
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

/// The record without modifiers that nobody knows; none if it breaks the grammar.
pub(crate) fn known_terms(record: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(record).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))?;
    let mut known = b"v=spf1".to_vec();
    let mut modifiers = Vec::new();
    for text in text.split(' ').skip(1).filter(|text| !text.is_empty()) {
        let term = read(text)?;
        // Each of the two stands once (§6).
        if matches!(term, Term::Redirect | Term::Explanation) {
            if modifiers.contains(&term) {
                return None;
            }
            modifiers.push(term);
        }
        if term != Term::Unknown {
            known.push(b' ');
            known.extend_from_slice(text.as_bytes());
        }
    }
    Some(known)
}

fn read(text: &str) -> Option<Term> {
    let qualified = text.strip_prefix(['+', '-', '~', '?']);
    let bare = qualified.unwrap_or(text);
    let (name, rest) = bare.split_at(bare.find([':', '/', '=']).unwrap_or(bare.len()));
    match (rest.strip_prefix('='), qualified) {
        (Some(value), None) => modifier(name, value),
        _ => mechanism(&name.to_ascii_lowercase(), rest).then_some(Term::Mechanism),
    }
}

fn modifier(name: &str, value: &str) -> Option<Term> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let (term, sound) = match name.to_ascii_lowercase().as_str() {
        "redirect" => (Term::Redirect, is_domain(value)),
        "exp" => (Term::Explanation, is_domain(value)),
        _ => (Term::Unknown, is_name && macro_string(value).is_some()),
    };
    sound.then_some(term)
}

/// A mechanism and what stands behind its name.
fn mechanism(name: &str, rest: &str) -> bool {
    let domain = rest.strip_prefix(':');
    match name {
        "all" => rest.is_empty(),
        "include" | "exists" => domain.is_some_and(is_domain),
        "ptr" => rest.is_empty() || domain.is_some_and(is_domain),
        "a" | "mx" => {
            before_lengths(rest).is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(is_domain))
        }
        "ip4" => domain.is_some_and(|network| is_network(network, 32, |text| text.parse::<Ipv4Addr>().is_ok())),
        "ip6" => domain.is_some_and(|network| is_network(network, 128, |text| text.parse::<Ipv6Addr>().is_ok())),
        _ => false,
    }
}

/// What stands before `/24`, `//64` or both; none if these are no lengths of networks.
fn before_lengths(text: &str) -> Option<&str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (text, six) = text.rsplit_once("//").filter(|(_, six)| digits(six)).unwrap_or((text, "0"));
    let (text, four) = text.rsplit_once('/').filter(|(_, four)| digits(four)).unwrap_or((text, "0"));
    (is_length(four, 32) && is_length(six, 128)).then_some(text)
}

fn is_length(digits: &str, bits_max: u32) -> bool {
    digits == "0" || (!digits.starts_with('0') && digits.parse().is_ok_and(|bits: u32| bits <= bits_max))
}

fn is_network(text: &str, bits_max: u32, is_address: impl Fn(&str) -> bool) -> bool {
    match text.split_once('/') {
        Some((address, bits)) => is_address(address) && is_length(bits, bits_max),
        None => is_address(text),
    }
}

/// What a macro string ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Literal,
    Macro,
}

/// domain-spec: a macro string that ends with a macro or a top label.
fn is_domain(text: &str) -> bool {
    match macro_string(text) {
        Some(End::Macro) => true,
        Some(End::Literal) => {
            let labels = text.strip_suffix('.').unwrap_or(text);
            labels.rsplit_once('.').is_some_and(|(_, last)| is_top_label(last))
        }
        None => false,
    }
}

/// Not a number: that would be the end of an address.
fn is_top_label(label: &str) -> bool {
    let ends = |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
    label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && ends(label.bytes().next())
        && ends(label.bytes().last())
        && !label.bytes().all(|byte| byte.is_ascii_digit())
}

/// How a macro string ends; none if it is none.
fn macro_string(text: &str) -> Option<End> {
    let (mut end, mut rest) = (End::Literal, text);
    while let Some(at) = rest.find('%') {
        let (_, from) = rest.split_at(at);
        rest = match from.as_bytes().get(1)? {
            b'%' | b'_' | b'-' => from.get(2..)?,
            b'{' => {
                let (body, rest) = from.get(2..)?.split_once('}')?;
                if !is_macro(body) {
                    return None;
                }
                rest
            }
            _ => return None,
        };
        end = End::Macro;
    }
    Some(if rest.is_empty() { end } else { End::Literal })
}

/// What stands within `%{` and `}`: a letter, how many labels, whether in reverse, and where to cut. Letters that only explanations know are
/// a mistake anywhere else (§7.2).
fn is_macro(body: &str) -> bool {
    let Some(rest) = body.strip_prefix(|c: char| "slodiphv".contains(c.to_ascii_lowercase())) else { return false };
    let delimiters = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let (digits, _) = rest.split_at(rest.len() - delimiters.len());
    let delimiters = delimiters.strip_prefix(['r', 'R']).unwrap_or(delimiters);
    let some = digits.is_empty() || digits.bytes().any(|byte| byte != b'0');
    some && delimiters.bytes().all(|byte| b".-+,/_=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::known_terms;

    fn kept(terms: &str) -> Option<String> {
        known_terms(format!("v=spf1 {terms}").as_bytes()).map(|known| String::from_utf8(known).unwrap())
    }

    #[test]
    fn what_the_grammar_allows_is_kept() {
        for terms in [
            "a",
            "-A:x.example",
            "a/0",
            "a/24//64",
            "a:x.example//128",
            "mx:x.example./32",
            "ptr",
            "ptr:x.example",
            "?all",
            "ip4:192.0.2.1",
            "ip4:192.0.2.0/24",
            "ip6:2001:db8::/32",
            "ip6:::ffff:192.0.2.1",
            "include:_spf.x.example",
            "exists:%{ir}.%{v}._spf.%{d2}",
            "exists:%{l1r-}.x.example",
            "redirect=%{d}",
            "exp=x.example",
            "a:x.xn--p1ai",
            "a:%%.x.example",
            "include:x%_y.a-1",
        ] {
            assert_eq!(kept(terms), Some(format!("v=spf1 {terms}")), "{terms}");
        }
        assert_eq!(kept("  a   moo=%{s}x  y.z-1= -all ").as_deref(), Some("v=spf1 a -all"));
    }

    #[test]
    fn what_it_does_not_is_a_mistake() {
        for terms in [
            "a:",
            "a/33",
            "a/024",
            "a//129",
            "a/",
            "a:x",
            "a:x.",
            "a:x.1",
            "a:192.0.2.1",
            "a:x.-y",
            "a:x.y-",
            "al",
            "all:x.example",
            "all/8",
            "include",
            "include:",
            "exists",
            "exists/24",
            "ip4",
            "ip4:192.0.2",
            "ip4:192.0.2.1/33",
            "ip4:192.0.2.1/",
            "ip4:192.0.02.1",
            "ip6:2001:db8::/129",
            "ip6:192.0.2.1",
            "ipv4:192.0.2.1",
            "a:%{x}",
            "a:%{d0}",
            "a:%{d",
            "a:%a.x.y",
            "a:%",
            "exists:%{c}.x.y",
            "redirect=x.example redirect=x.example",
            "exp=x.y exp=x.y",
            "redirect=",
            "=x",
            "1x=y",
            "-x=y",
            "x=%y",
            "+redirect=x.example",
            "a\tmx",
            "a:\u{e9}.example",
            "a,mx",
        ] {
            assert_eq!(kept(terms), None, "{terms}");
        }
    }
}
