//! The fields by which mail that no person sent to its recipient alone is known: whoever answers by itself looks at them (RFC 3834 §2). And
//! `TLS-Required` and `MT-Priority`, which say how it is to be handled on its way (RFC 8689 §3, RFC 6758).
//!
//! What they mean is for others to say; here they are noted as they come, each by its first line: no program folds before the word that
//! counts. Bounded: a header full of them keeps the first [`limits::ORIGIN_FIELDS_MAX`].

use memchr::memchr;
use yubin_types::limits;

/// Most of a field's body that is kept, bytes: a list's id, a few addresses.
const BODY_BYTES_MAX: usize = 500;

/// Fields that say where a message comes from: name and the first line of the body, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginFields(Vec<(String, String)>);

impl OriginFields {
    /// Takes in the first line of a field, if it is one of them.
    pub(super) fn take(&mut self, name: &[u8], line: &[u8]) {
        if !is_wanted(name) || self.0.len() >= limits::ORIGIN_FIELDS_MAX {
            return;
        }
        let body = memchr(b':', line).and_then(|colon| line.get(colon + 1..)).unwrap_or_default().trim_ascii();
        let body = body.get(..BODY_BYTES_MAX).unwrap_or(body);
        self.0.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(body).into_owned()));
    }

    /// The first line of the first field of this name, if it is one of them.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, body)| body)
    }

    /// Them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, body)| (name.as_str(), body.as_str()))
    }
}

fn is_wanted(name: &[u8]) -> bool {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b'a') => is("Auto-Submitted"),
        Some(b'c') => is("Content-Type"),
        Some(b'f') => is("Feedback-ID"),
        Some(b'l') => name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"List-")),
        Some(b'm') => is("MT-Priority"),
        Some(b'p') => is("Precedence"),
        Some(b'r') => is("Resent-To") || is("Resent-Cc"),
        Some(b't') => is("TLS-Required"),
        Some(b'x') => ["X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond", "X-Mailing-List", "X-ML-Name"]
            .into_iter()
            .any(is),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::limits;

    use crate::{ScanLimits, Scanner};

    #[test]
    fn what_programs_and_lists_write_is_noted() {
        let mut scanner = Scanner::new(ScanLimits::default());
        let message = "Subject: x\r\nauto-submitted: auto-replied; x=y\r\nPrecedence:bulk\r\nLIST-ID: <l.example>\r\nListen: y\r\n\
                       Resent-To: a@b.example,\r\n c@d.example\r\ntls-required: No\r\nX-ML-Name: ml\r\n\r\nAuto-Submitted: body\r\n";
        for piece in message.as_bytes().chunks(5) {
            scanner.feed(piece);
        }
        let noted: Vec<_> = scanner.origin_fields().iter().collect();
        assert_eq!(
            noted,
            [
                ("auto-submitted", "auto-replied; x=y"),
                ("Precedence", "bulk"),
                ("LIST-ID", "<l.example>"),
                ("Resent-To", "a@b.example,"),
                ("tls-required", "No"),
                ("X-ML-Name", "ml")
            ]
        );
        let first = |name: &str| scanner.origin_fields().first(name);
        assert_eq!((first("TLS-Required"), first("list-id"), first("X")), (Some("No"), Some("<l.example>"), None));
    }

    #[test]
    fn many_fields_keep_little() {
        let mut scanner = Scanner::new(ScanLimits::default());
        scanner.feed(format!("List-Id: {}\r\n", "x".repeat(600)).repeat(1_000).as_bytes());
        let noted: Vec<_> = scanner.origin_fields().iter().collect();
        assert_eq!((noted.len(), noted[0].1.len()), (limits::ORIGIN_FIELDS_MAX, super::BODY_BYTES_MAX));
    }
}
