//! Writing header fields: trace fields (RFC 5321 §4.4), Delivered-To, and fields like Authentication-Results.
//!
//! Values come from peers and customers. Whatever they hold, a field written here is one field: line ends, NUL and
//! other control characters never reach the output, names are fixed in the program, and text from a peer can't leave
//! the comment or atom it stands in. Long values are folded at their spaces (RFC 5322 §2.1.1: 78, at most 998).

use std::net::IpAddr;

use crate::date::DateTime;

/// Lines are folded where they would grow longer than this.
const LINE_BYTES: usize = 78;
/// A line is broken here even inside a word (RFC 5322 §2.1.1 allows 998).
const LINE_BYTES_MAX: usize = 990;
/// What a peer may make us write for a name it chose (RFC 5321 §4.5.3.1.2).
const PEER_TEXT_BYTES_MAX: usize = 255;

/// Header fields being written, one after the other.
#[derive(Debug, Default, Clone)]
pub struct HeaderWriter {
    out: Vec<u8>,
}

/// What a Received field says (RFC 5321 §4.4).
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// What the peer called itself in HELO, EHLO or LHLO.
    pub helo: &'a str,
    /// The peer's address.
    pub peer: IpAddr,
    /// The name its address maps to and back.
    pub peer_name: Option<&'a str>,
    /// This host's name.
    pub by: &'a str,
    /// Protocol by its registered name: ESMTP, ESMTPSA, ... (RFC 3848).
    pub with: &'static str,
    /// TLS version and cipher, if the session had them.
    pub tls: Option<&'a str>,
    /// By what the message is found in the log.
    pub id: &'a str,
    /// The recipient, where there was one alone; naming several would disclose them.
    pub recipient: Option<&'a str>,
    /// When it was received.
    pub date: DateTime,
}

impl HeaderWriter {
    /// No fields yet.
    pub fn new() -> Self {
        HeaderWriter::default()
    }

    /// Adds a field with free text; control characters become spaces.
    ///
    /// ```
    /// let mut writer = yubin_message::HeaderWriter::new();
    /// writer.field("X-Note", "a\r\nBcc: everyone");
    /// assert_eq!(writer.into_bytes(), b"X-Note: a Bcc: everyone\r\n");
    /// ```
    pub fn field(&mut self, name: &'static str, value: &str) {
        let start = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b':');
        let mut column = self.out.len() - start;
        for word in value.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()) {
            let fold = column + 1 + word.len() > LINE_BYTES && column > name.len() + 1;
            self.out.extend_from_slice(if fold { b"\r\n\t" } else { b" " });
            column = if fold { 1 } else { column + 1 };
            for c in word.chars() {
                if column + c.len_utf8() > LINE_BYTES_MAX {
                    self.out.extend_from_slice(b"\r\n\t");
                    column = 1;
                }
                self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                column += c.len_utf8();
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Adds Return-Path; `None` is the null path of a bounce.
    pub fn return_path(&mut self, path: Option<&str>) {
        self.field("Return-Path", &format!("<{}>", path.map(path_text).unwrap_or_default()));
    }

    /// Adds Delivered-To.
    pub fn delivered_to(&mut self, address: &str) {
        self.field("Delivered-To", &path_text(address));
    }

    /// Adds Received.
    pub fn received(&mut self, received: &Received<'_>) {
        let peer = match received.peer.to_canonical() {
            IpAddr::V4(v4) => format!("[{v4}]"),
            IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
        };
        let name = received.peer_name.map(|it| host_text(it) + " ").unwrap_or_default();
        let tls = received.tls.map(|it| format!(" ({})", comment_text(it))).unwrap_or_default();
        let recipient = received.recipient.map(|it| format!(" for <{}>", path_text(it))).unwrap_or_default();
        let (helo, by, id) = (host_text(received.helo), host_text(received.by), host_text(received.id));
        let value = format!(
            "from {helo} ({name}{peer}) by {by} with {}{tls} id {id}{recipient}; {}",
            received.with,
            received.date.to_rfc5322()
        );
        self.field("Received", &value);
    }

    /// What has been written: whole fields, each with its line end, no empty line.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// A name that a peer chose, as one word: what no host name or address literal has becomes `?`.
fn host_text(text: &str) -> String {
    let keep = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    let mut word: String = text.chars().map(|c| if keep(c) { c } else { '?' }).collect();
    word.truncate(word.floor_char_boundary(PEER_TEXT_BYTES_MAX));
    if word.is_empty() { "unknown".to_owned() } else { word }
}

/// Text inside a comment, which it can't end.
fn comment_text(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '(' | ')' | '\\')).collect()
}

/// An address inside angle brackets, which it can't leave. A quoted local part keeps its spaces.
fn path_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::HeaderFields;

    fn received<'a>() -> Received<'a> {
        Received {
            helo: "mail.example",
            peer: IpAddr::from([192, 0, 2, 1]),
            peer_name: Some("ptr.example"),
            by: "mx.example.jp",
            with: "ESMTPS",
            tls: Some("TLSv1.3 TLS_AES_128_GCM_SHA256"),
            id: "01J9",
            recipient: Some("a@example.jp"),
            date: DateTime::utc(880_127_706),
        }
    }

    fn written(write: impl FnOnce(&mut HeaderWriter)) -> String {
        let mut writer = HeaderWriter::new();
        write(&mut writer);
        String::from_utf8(writer.into_bytes()).expect("text")
    }

    #[test]
    fn trace_fields() {
        let want = "Received: from mail.example (ptr.example [192.0.2.1]) by mx.example.jp with\r\n\tESMTPS (TLSv1.3 TLS_AES_128_GCM_SHA256) id 01J9 for <a@example.jp>; Fri, 21\r\n\tNov 1997 15:55:06 +0000\r\n";
        assert_eq!(written(|it| it.received(&received())), want);
        let bare = Received {
            helo: "",
            peer: IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]),
            peer_name: None,
            tls: None,
            recipient: None,
            ..received()
        };
        let want = "Received: from unknown ([127.0.0.1]) by mx.example.jp with ESMTPS id 01J9;\r\n\tFri, 21 Nov 1997 15:55:06 +0000\r\n";
        assert_eq!(written(|it| it.received(&bare)), want);
        assert_eq!(written(|it| it.return_path(None)), "Return-Path: <>\r\n");
        assert_eq!(written(|it| it.return_path(Some("a..b@docomo.ne.jp"))), "Return-Path: <a..b@docomo.ne.jp>\r\n");
        assert_eq!(written(|it| it.delivered_to("a@b")), "Delivered-To: a@b\r\n");
    }

    /// Attack list, item 9.
    #[test]
    fn nothing_can_be_injected() {
        let evil = "x\r\nBcc: y\n\r\n\0)>]; (<\u{85}\u{b}z";
        let fields = written(|it| {
            it.field("X-One", evil);
            it.return_path(Some(evil));
            it.delivered_to(evil);
            it.received(&Received {
                helo: evil,
                peer_name: Some(evil),
                by: evil,
                tls: Some(evil),
                id: evil,
                recipient: Some(evil),
                ..received()
            });
        });
        assert!(
            !fields.contains("\r\n\r\n")
                && !fields.replace("\r\n\t", "").replace("\r\n", "").contains(|c: char| c.is_control()),
            "{fields}"
        );
        let names: Vec<_> =
            HeaderFields::new(fields.as_bytes()).map(|it| String::from_utf8_lossy(it.name).into_owned()).collect();
        assert_eq!(names, ["X-One", "Return-Path", "Delivered-To", "Received"]);
        let (open, close) = (fields.matches('(').count(), fields.matches(')').count());
        assert_eq!(open - close, 0, "comments stay balanced apart from free text: {fields}");
    }

    #[test]
    fn long_values_are_folded() {
        let fields = written(|it| {
            it.field("X-Words", &"word ".repeat(100));
            it.field("X-Word", &"\u{5c71}".repeat(2_000));
            it.received(&Received { helo: &"h".repeat(10_000), ..received() });
        });
        assert!(fields.split("\r\n").all(|line| line.len() <= 998));
        assert!(fields.split("\r\n").take(7).all(|line| line.len() <= 78));
        assert_eq!(HeaderFields::new(fields.as_bytes()).count(), 3);
    }
}
