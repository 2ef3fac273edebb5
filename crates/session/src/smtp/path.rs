//! Reverse-paths and forward-paths (RFC 5321 §4.1.2): from `<` to `>`, source routes dropped (appendix C), `<>` and `<postmaster>`.

use yubin_types::{Address, ReversePath, limits};

use super::contract::{AddressEncoding, ForwardPath};
use super::violation::Violation;

/// A forward-path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) path: ForwardPath,
    /// What the address is written in.
    pub(crate) encoding: AddressEncoding,
}

/// What follows `FROM:` or `TO:`; a space after the colon is forgiven.
pub(crate) fn after_keyword<'a>(arguments: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = arguments.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| rest.trim_ascii_start())
}

/// What is between the brackets, without a source route, and what follows them.
pub(crate) fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"<")?;
    let close = closing_bracket(inner)?;
    let (path, rest) = (inner.get(..close)?, inner.get(close + 1..)?);
    if close + 2 > limits::PATH_BYTES_MAX || rest.first().is_some_and(|&byte| byte != b' ') {
        return None;
    }
    let path = match path.first() {
        Some(b'@') => path.get(path.iter().position(|&byte| byte == b':')? + 1..)?,
        _ => path,
    };
    Some((path, rest))
}

/// The `>` outside quotes.
fn closing_bracket(text: &[u8]) -> Option<usize> {
    let mut quoted = Quoted::No;
    for (index, byte) in text.iter().enumerate() {
        quoted = match (quoted, byte) {
            (Quoted::No, b'>') => return Some(index),
            (Quoted::No, b'"') => Quoted::Yes,
            (Quoted::Yes, b'"') => Quoted::No,
            (Quoted::Yes, b'\\') => Quoted::Pair,
            (Quoted::Pair, _) => Quoted::Yes,
            (state, _) => state,
        };
    }
    None
}

#[derive(Clone, Copy)]
enum Quoted {
    No,
    Yes,
    Pair,
}

/// A sender; UTF-8 only if MAIL declared it (RFC 6531 §3.5).
pub(crate) fn reverse(path: &[u8], encoding: AddressEncoding) -> Result<ReversePath, Violation> {
    if path.is_empty() {
        return Ok(ReversePath::Null);
    }
    if has_literal(path) {
        return Err(Violation::SenderLiteral);
    }
    let text = std::str::from_utf8(path).map_err(|_| Violation::SenderSyntax)?;
    if encoding_of(text) == AddressEncoding::Utf8 && encoding == AddressEncoding::Ascii {
        return Err(Violation::Utf8Address);
    }
    Address::parse(text).map(ReversePath::Address).map_err(|_| Violation::SenderSyntax)
}

/// A recipient.
pub(crate) fn forward(path: &[u8]) -> Result<Path, Violation> {
    if path.eq_ignore_ascii_case(b"postmaster") {
        return Ok(Path { path: ForwardPath::Postmaster, encoding: AddressEncoding::Ascii });
    }
    if has_literal(path) {
        return Err(Violation::RecipientLiteral);
    }
    let text = std::str::from_utf8(path).map_err(|_| Violation::RecipientSyntax)?;
    let address = Address::parse(text).map_err(|_| Violation::RecipientSyntax)?;
    Ok(Path { path: ForwardPath::Address(address), encoding: encoding_of(text) })
}

fn encoding_of(text: &str) -> AddressEncoding {
    if text.is_ascii() { AddressEncoding::Ascii } else { AddressEncoding::Utf8 }
}

/// `local@[...]` (RFC 5321 §4.1.3).
fn has_literal(path: &[u8]) -> bool {
    let domain = path.iter().rposition(|&byte| byte == b'@').and_then(|at| path.get(at + 1..));
    path.first() != Some(&b'@') && domain.is_some_and(|domain| domain.starts_with(b"[") && domain.ends_with(b"]"))
}
