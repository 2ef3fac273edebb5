//! What comes back of the message: all of it or its header (RFC 3461 §4.3, RFC 6522 §3, RFC 6533 §5).
//!
//! All of it only if something failed, the sender did not ask for the header alone nor for TLS all the way, it is within its bound, and its lines may stand in a
//! message as they are (RFC 5322 §2.1.1: at most 998 octets, no NUL). A header beyond its bound loses its longest fields.

use std::borrow::Cow;

use yubin_types::{DsnReturn, TlsDemand, limits};

use crate::envelope::message_ids;
use crate::header::HeaderFields;

use super::{Action, Notification, Original};

/// Longest line of a message, without its line end (RFC 5322 §2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// The third part of a notification.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Cow<'a, [u8]>,
    /// The message's id, angle brackets included.
    pub message_id: Option<String>,
}

/// Chooses what is returned.
pub(super) fn part<'a>(notification: &Notification<'a>) -> Part<'a> {
    let failed = notification.recipients.iter().any(|recipient| recipient.action == Action::Failed);
    let header = header(notification.original);
    let message_id = message_id(&header);
    let utf8_header = !header.is_ascii() && std::str::from_utf8(&header).is_ok();
    let whole = match notification.original {
        Original::Whole(message)
            if failed
                && notification.dsn.ret != Some(DsnReturn::Headers)
                && notification.tls != TlsDemand::Required
                && message.len() <= limits::NOTICE_ORIGINAL_BYTES_MAX
                && fits_lines(message) =>
        {
            Some(message)
        }
        _ => None,
    };
    let (media_type, bytes) = match (whole, utf8_header) {
        (Some(message), false) => ("message/rfc822", Cow::Borrowed(message)),
        (Some(message), true) => ("message/global", Cow::Borrowed(message)),
        (None, false) => ("text/rfc822-headers", Cow::Owned(header)),
        (None, true) => ("message/global-headers", Cow::Owned(header)),
    };
    Part { media_type, bytes, message_id }
}

/// The header's fields that fit within the bound. Of a beginning, the last field may be cut: it counts only with its line end.
fn header(original: Original<'_>) -> Vec<u8> {
    let (Original::Whole(message) | Original::Beginning(message)) = original;
    let mut out = Vec::new();
    for field in HeaderFields::new(message) {
        let ended = field.raw.ends_with(b"\n");
        let room = limits::NOTICE_HEADER_BYTES_MAX.saturating_sub(out.len() + 2);
        let complete = ended || matches!(original, Original::Whole(_));
        if complete && field.raw.len() <= room && fits_lines(field.raw) {
            out.extend_from_slice(field.raw);
            if !ended {
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out
}

fn message_id(header: &[u8]) -> Option<String> {
    let field = HeaderFields::new(header).find(|field| field.is("Message-ID"))?;
    let id = message_ids(field.body).into_iter().next()?;
    let id = std::str::from_utf8(&id).ok()?;
    (id.len() <= limits::MESSAGE_ID_BYTES_MAX && id.is_ascii()).then(|| id.to_owned())
}

fn fits_lines(bytes: &[u8]) -> bool {
    let fits = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() <= LINE_BYTES_MAX;
    memchr::memchr(0, bytes).is_none() && bytes.split(|byte| *byte == b'\n').all(fits)
}
