//! What is odd about a header: fields that are missing, repeated or impossible (RFC 5322 §3.6), and what forgers do.
//!
//! For the built-in spam score; each finding is a word of it and stands once. Reads the header as the store's own reader does, and the
//! names of attached files from the part tree. Says nothing of who sent the message, and nothing of its text.

use yubin_types::SpamCheck;

use crate::address::{Address, Mailbox, parse_addresses};
use crate::date::DateTime;
use crate::encoded_word::decode_header;
use crate::header::HeaderFields;
use crate::param_text::param_texts;
use crate::tree::{Part, PartTree};

/// Fields that stand at most once (RFC 5322 §3.6).
const ONCE: [&str; 10] =
    ["Date", "From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject"];

/// Ends of the names of files that are run when they are opened, on the systems where mail carries such.
const PROGRAMS: [&str; 22] = [
    "ade", "bat", "chm", "cmd", "com", "cpl", "exe", "hta", "jar", "js", "jse", "lnk", "msi", "msp", "pif", "ps1",
    "scr", "vb", "vbe", "vbs", "wsf", "wsh",
];

/// A clock may be so much behind, seconds.
const FUTURE_SECONDS: i64 = 24 * 60 * 60;
/// Mail is on its way no longer than this, seconds.
const PAST_SECONDS: i64 = 30 * 24 * 60 * 60;

/// What is odd about a header at a time, in seconds since 1970; in the order of [`SpamCheck::ALL`].
pub fn check_header(header: &[u8], now_s: i64) -> Vec<SpamCheck> {
    let mut found = Vec::new();
    let mut counts = [0_usize; ONCE.len()];
    let (mut addressed, mut ascii, mut date, mut subject_empty) = (false, true, None, true);
    let mut authors: Vec<Mailbox> = Vec::new();
    for field in HeaderFields::new(header) {
        ascii &= field.raw.is_ascii();
        addressed |= ["To", "Cc", "Bcc"].iter().any(|name| field.is(name));
        for (name, count) in ONCE.iter().zip(&mut counts) {
            *count += usize::from(field.is(name));
        }
        if field.is("Date") {
            date = date.or(Some(DateTime::parse_rfc5322(field.body)));
        } else if field.is("Subject") {
            subject_empty &= field.unfolded().is_empty();
        } else if field.is("From") {
            authors.extend(mailboxes(field.body));
        }
    }
    let has_sender = ONCE.iter().zip(counts).any(|(name, count)| *name == "Sender" && count > 0);
    let has_id = ONCE.iter().zip(counts).any(|(name, count)| *name == "Message-ID" && count > 0);
    found.extend(date_fault(date, now_s));
    found.extend((!has_id).then_some(SpamCheck::MessageIdMissing));
    found.extend((!addressed).then_some(SpamCheck::RecipientsMissing));
    found.extend(subject_empty.then_some(SpamCheck::SubjectMissing));
    found.extend(counts.iter().any(|count| *count > 1).then_some(SpamCheck::FieldRepeated));
    found.extend((authors.len() > 1 && !has_sender).then_some(SpamCheck::AuthorsSeveral));
    found.extend(authors.iter().any(is_shown_as_another).then_some(SpamCheck::NameIsAddress));
    found.extend((!ascii).then_some(SpamCheck::HeaderOctets));
    found
}

/// Is a program attached?
pub fn check_attachments(tree: &PartTree) -> Option<SpamCheck> {
    let is_program = |part: &Part| {
        let name = part.file_name()?;
        let (_, end) = name.trim_end_matches([' ', '.']).rsplit_once('.')?;
        PROGRAMS.iter().any(|program| end.eq_ignore_ascii_case(program)).then_some(())
    };
    tree.parts().iter().find_map(is_program).map(|()| SpamCheck::ProgramAttached)
}

impl Part {
    /// The name of the file that the part is, if it says one (RFC 2183 §2.3, or the older parameter of Content-Type).
    pub fn file_name(&self) -> Option<String> {
        let named = |params: &[crate::mime::Param], wanted: &str| {
            param_texts(params).into_iter().find(|(name, _)| name == wanted).map(|(_, text)| text)
        };
        let disposition = self.mime.disposition.as_ref().and_then(|it| named(&it.params, "filename"));
        disposition.or_else(|| self.mime.content_type.as_ref().and_then(|it| named(&it.params, "name")))
    }
}

fn mailboxes(body: &[u8]) -> impl Iterator<Item = Mailbox> {
    parse_addresses(body).into_iter().filter_map(|address| match address {
        Address::Mailbox(mailbox) => Some(mailbox),
        Address::GroupStart(_) | Address::GroupEnd => None,
    })
}

/// Outer: is there a field; inner: is it a date.
fn date_fault(date: Option<Option<DateTime>>, now_s: i64) -> Option<SpamCheck> {
    match date {
        None => Some(SpamCheck::DateMissing),
        Some(None) => Some(SpamCheck::DateUnreadable),
        Some(Some(date)) if date.epoch_s > now_s.saturating_add(FUTURE_SECONDS) => Some(SpamCheck::DateFuture),
        Some(Some(date)) if date.epoch_s < now_s.saturating_sub(PAST_SECONDS) => Some(SpamCheck::DatePast),
        Some(Some(_)) => None,
    }
}

/// Does the name hold an address of another domain than the mailbox's: `"ceo@bank.example" <x@elsewhere.example>`?
fn is_shown_as_another(mailbox: &Mailbox) -> bool {
    let Some(name) = mailbox.name.as_ref().filter(|name| !name.is_empty()) else { return false };
    let name = decode_header(name);
    let words = name.split(|c: char| !(c.is_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | '+')));
    let mut domains = words.filter_map(|word| word.split_once('@')).filter(|(local, _)| !local.is_empty());
    domains.any(|(_, domain)| {
        let domain = domain.trim_matches('.');
        domain.contains('.') && !domain.as_bytes().eq_ignore_ascii_case(&mailbox.domain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 21 Nov 1997 15:55:06 UTC.
    const NOW: i64 = 880_127_706;
    const SOUND: &str = "From: Ann <ann@a.example>\r\nTo: tim@b.example\r\nSubject: x\r\n\
                         Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@a.example>\r\n";

    fn found(header: &str) -> Vec<SpamCheck> {
        check_header(format!("{header}\r\n").as_bytes(), NOW)
    }

    #[test]
    fn a_sound_header_has_no_faults() {
        assert_eq!(found(SOUND), []);
        assert_eq!(found(&SOUND.replace("Ann", "\"ann@a.example\"")), []);
        assert_eq!(found(&SOUND.replace("Ann", "Ann at home (a@b)")), []);
    }

    #[test]
    fn what_is_missing_or_impossible_is_found() {
        use SpamCheck::*;
        assert_eq!(found("From: a@b\r\n"), [DateMissing, MessageIdMissing, RecipientsMissing, SubjectMissing]);
        for (old, new, fault) in [
            ("Fri, 21 Nov 1997", "Sun, 23 Nov 1997", DateFuture),
            ("Fri, 21 Nov 1997", "Tue, 21 Oct 1997", DatePast),
            ("Fri, 21 Nov 1997", "yesterday", DateUnreadable),
            ("Subject: x", "Subject: \r\n\t", SubjectMissing),
            ("Subject: x", "Subject: \u{5c71}", HeaderOctets),
            ("To: tim", "TO: x@y\r\nto: tim", FieldRepeated),
            ("<ann@a.example>", "<ann@a.example>, b@c.example", AuthorsSeveral),
            ("Ann <", "\"ceo@bank.example\" <", NameIsAddress),
            ("Ann <", "=?utf-8?q?ceo=40bank.example?= <", NameIsAddress),
        ] {
            assert_eq!(found(&SOUND.replace(old, new)), [fault], "{new}");
        }
        assert_eq!(found(&format!("{}Sender: a@b\r\n", SOUND.replace("Ann <ann@a.example>", "a@b, c@d"))), []);
    }

    #[test]
    fn programs_are_known_by_their_names() {
        let attached = |field: &str| {
            let message = format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n{field}\r\n\r\nx\r\n--b--\r\n"
            );
            check_attachments(&crate::scan::scan(message.as_bytes())).is_some()
        };
        assert!(attached("Content-Disposition: attachment; filename=\"invoice.pdf.EXE\""));
        assert!(attached("Content-Disposition: attachment; filename*0*=utf-8''%E5%B1%B1; filename*1=.js"));
        assert!(attached("Content-Type: application/octet-stream; name=\"run.scr. \""));
        assert!(!attached("Content-Disposition: attachment; filename=\"exe.pdf\""));
        assert!(!attached("Content-Type: application/octet-stream"));
    }
}
