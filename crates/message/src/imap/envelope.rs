//! Writes an ENVELOPE.

use bytes::BufMut;

use super::string::{Utf8, write_nstring, write_string};
use crate::address::Address;
use crate::envelope::Envelope;

/// Writes the parenthesised ENVELOPE. Sender and Reply-To default to From, as RFC 9051 §7.5.2 asks.
///
/// ```
/// use yubin_message::{imap, scan};
/// let tree = scan(b"From: Terry <t@x.test>\r\nSubject: hi\r\n\r\n");
/// let mut out = Vec::new();
/// imap::write_envelope(&mut out, tree.envelope(), imap::Utf8::No);
/// let terry = r#"(("Terry" NIL "t" "x.test"))"#;
/// assert_eq!(String::from_utf8_lossy(&out), format!(r#"(NIL "hi" {terry} {terry} {terry} NIL NIL NIL NIL NIL)"#));
/// ```
pub fn write_envelope(out: &mut impl BufMut, envelope: &Envelope, utf8: Utf8) {
    let or_from = |list| if <[Address]>::is_empty(list) { envelope.from.as_slice() } else { list };
    out.put_u8(b'(');
    write_nstring(out, envelope.date.as_deref(), utf8);
    out.put_u8(b' ');
    write_nstring(out, envelope.subject.as_deref(), utf8);
    let lists = [
        &envelope.from,
        or_from(&envelope.sender),
        or_from(&envelope.reply_to),
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    for list in lists {
        out.put_u8(b' ');
        write_addresses(out, list, utf8);
    }
    out.put_u8(b' ');
    write_nstring(out, envelope.in_reply_to.as_deref(), utf8);
    out.put_u8(b' ');
    write_nstring(out, envelope.message_id.as_deref(), utf8);
    out.put_u8(b')');
}

fn write_addresses(out: &mut impl BufMut, list: &[Address], utf8: Utf8) {
    if list.is_empty() {
        return out.put_slice(b"NIL");
    }
    out.put_u8(b'(');
    for address in list {
        match address {
            Address::Mailbox(mailbox) => {
                out.put_u8(b'(');
                write_nstring(out, mailbox.name.as_deref(), utf8);
                out.put_u8(b' ');
                write_nstring(out, mailbox.route.as_deref(), utf8);
                out.put_u8(b' ');
                write_string(out, &mailbox.local, utf8);
                out.put_u8(b' ');
                write_string(out, &mailbox.domain, utf8);
                out.put_u8(b')');
            }
            Address::GroupStart(name) => {
                out.put_slice(b"(NIL NIL ");
                write_string(out, name, utf8);
                out.put_slice(b" NIL)");
            }
            Address::GroupEnd => out.put_slice(b"(NIL NIL NIL NIL)"),
        }
    }
    out.put_u8(b')');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn show(header: &str) -> String {
        let mut out = Vec::new();
        write_envelope(&mut out, scan(header.as_bytes()).envelope(), Utf8::No);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn all_fields_in_their_order() {
        let header = "Message-ID: <B27397-0100000@cac.washington.edu>\r\nDate: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\ncc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\r\n";
        let gray = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
        let want = format!(
            r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" {gray} {gray} {gray} ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>")"#
        );
        assert_eq!(show(header), want);
    }

    #[test]
    fn groups_routes_and_broken_addresses() {
        let header = "From: a@b\r\nSender: \"c\" <@x,@y:d@e>\r\nReply-To:\r\nTo: g: \"h\\\"i\" <j@k>;, root\r\nIn-Reply-To: <1> <2>\r\n\r\n";
        let want = r#"(NIL NIL ((NIL NIL "a" "b")) (("c" "@x,@y" "d" "e")) ((NIL NIL "a" "b")) ((NIL NIL "g" NIL)("h\"i" NIL "j" "k")(NIL NIL NIL NIL)(NIL NIL "root" "")) NIL NIL "<1> <2>" NIL)"#;
        assert_eq!(show(header), want);
        assert_eq!(show(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        let empty = "Date: \r\nSubject:\r\nIn-Reply-To: \r\n \r\nMessage-ID:\r\nTo:\r\n";
        assert_eq!(show(empty), r#"("" "" NIL NIL NIL NIL NIL NIL "" "")"#);
        assert_eq!(show("Subject: \u{5c71}\r\n"), "(NIL {3}\r\n\u{5c71} NIL NIL NIL NIL NIL NIL NIL NIL)");
    }
}
