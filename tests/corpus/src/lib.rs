//! Mail as it is met: what one charset, one transfer encoding, one structure and one oddity of the header make together.
//!
//! A few hundred small messages, the same every time; some are broken as real ones are. They come with CRLF line ends. A folder of
//! real ones is read beside them where [`FOLDER`] names it, and these come as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::path::{Path, PathBuf};

/// The variable that may name a folder of messages, one a file.
pub const FOLDER: &str = "YUBIN_CORPUS";

/// Name and octets of the same greeting, as its charset writes it.
const CHARSETS: [(&str, &[u8]); 6] = [
    ("us-ascii", b"A test, nothing more"),
    ("utf-8", "テストです – naïve".as_bytes()),
    ("iso-2022-jp", b"\x1b$B%F%9%H$G$9\x1b(B."),
    ("shift_jis", b"\x83e\x83X\x83g\x82\xc5\x82\xb7"),
    ("euc-jp", b"\xa5\xc6\xa5\xb9\xa5\xc8\xa4\xc7\xa4\xb9"),
    ("unknown-8bit", b"\xff\xfe\x80 na\xefve"),
];
const ENCODINGS: [&str; 3] = ["8bit", "base64", "quoted-printable"];
const STRUCTURES: [&str; 7] =
    ["plain", "alternative", "attachment", "related in mixed", "forwarded", "unclosed", "deep"];
const ODDITIES: [&str; 2] = ["tidy", "odd"];
/// How deep the deep ones are nested.
const DEPTH: usize = 20;

/// A message and where it comes from.
pub struct Sample {
    /// What was combined, or the file.
    pub name: String,
    /// The message.
    pub bytes: Vec<u8>,
}

/// The made ones and those of the folder.
///
/// # Errors
/// The folder, or a file in it, can't be read.
pub fn samples() -> std::io::Result<Vec<Sample>> {
    let mut samples = made();
    if let Some(folder) = std::env::var_os(FOLDER) {
        let mut files = Vec::new();
        collect(Path::new(&folder), &mut files)?;
        files.sort();
        for file in files {
            samples.push(Sample { name: file.display().to_string(), bytes: std::fs::read(&file)? });
        }
    }
    Ok(samples)
}

/// The same lines, each ended by CRLF, as a client would send them; a bare CR has no place in mail (RFC 5322 §2.3) and is left out.
#[must_use]
pub fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(bytes.len() + bytes.len() / 40);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        lines.extend(line.iter().filter(|byte| **byte != b'\r'));
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// Every combination.
fn made() -> Vec<Sample> {
    let mut messages = Vec::new();
    for (charset, words) in CHARSETS {
        for encoding in ENCODINGS {
            for structure in STRUCTURES {
                for oddity in ODDITIES {
                    let name = format!("{charset}, {encoding}, {structure}, {oddity}");
                    let mut message = header(charset, words, oddity);
                    message.extend(entity(structure, charset, words, encoding));
                    messages.push(Sample { name, bytes: message });
                }
            }
        }
    }
    messages
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn header(charset: &str, words: &[u8], oddity: &str) -> Vec<u8> {
    let subject = format!("=?{charset}?B?{}?=", BASE64.encode(words));
    let mut header = format!("From: {subject} <a@sender.example>\r\nTo: u0@corpus.example\r\n").into_bytes();
    if oddity == "tidy" {
        header.extend(format!("Date: Sat, 21 Nov 2026 10:00:00 +0900\r\nSubject: {subject}\r\n").bytes());
    } else {
        // Octets as they are, folding at every blank, a group, a comment, a field twice, a name that is none.
        header.extend(b"Subject: ");
        header.extend(words);
        header
            .extend(b"\r\n again\r\n\t and again\r\nCc: undisclosed:;, \"a , b\" (a \\) comment) <c@[192.0.2.1]>\r\n");
        header.extend(b"Date: yesterday\r\nSubject: twice\r\nX-Empty:\r\nX Odd : name\r\n");
    }
    header.extend(b"MIME-Version: 1.0\r\n");
    header
}

/// Content fields, an empty line, and the content.
fn entity(structure: &str, charset: &str, words: &[u8], encoding: &str) -> Vec<u8> {
    let text = |kind: &str| part(&format!("text/{kind}; charset={charset}"), words, encoding);
    let file = || part("application/pdf; name*=utf-8''%E3%83%86.pdf", &[0x25, 0x50, 0xff, 0x0d, 0x0a, 0x80], "base64");
    match structure {
        "alternative" => multipart("alternative", &[text("plain"), text("html")], "--\r\n"),
        "attachment" => multipart("mixed", &[text("plain"), file()], "--\r\n"),
        "related in mixed" => {
            let related = multipart("related", &[text("html"), file()], "--\r\n");
            multipart("mixed", &[related, file()], "--\r\n")
        }
        "forwarded" => {
            let mut inner = header(charset, words, "odd");
            inner.extend(text("plain"));
            part("message/rfc822", &inner, "8bit")
        }
        "unclosed" => multipart("mixed", &[text("plain"), file()], ""),
        "deep" => (0..DEPTH).fold(text("plain"), |inner, _| multipart("mixed", &[inner], "--\r\n")),
        _ => text("plain"),
    }
}

fn part(content_type: &str, octets: &[u8], encoding: &str) -> Vec<u8> {
    let fields = format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    let mut part = fields.into_bytes();
    match encoding {
        "base64" => part.extend(BASE64.encode(octets).bytes()),
        "quoted-printable" => part.extend(octets.iter().flat_map(|octet| format!("={octet:02X}").into_bytes())),
        _ => part.extend(octets),
    }
    part.extend(b"\r\n");
    part
}

fn multipart(kind: &str, parts: &[Vec<u8>], end: &str) -> Vec<u8> {
    // Unlike any boundary inside.
    let boundary = format!("=_{kind}.{}", parts.iter().map(Vec::len).sum::<usize>());
    let mut whole = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\nbefore\r\n").into_bytes();
    for part in parts {
        whole.extend(format!("--{boundary}\r\n").bytes());
        whole.extend(part);
    }
    if !end.is_empty() {
        whole.extend(format!("--{boundary}{end}").bytes());
    }
    whole
}
