//! Zip archives in a message: what their directories say of their size unpacked, and whether their files are encrypted (SONET-15 to SONET-18).
//!
//! The message goes by in pieces; of each part that begins like a zip file the end is kept, where its directory is (APPNOTE 4.3), at
//! most [`limits::ZIP_DIRECTORY_BYTES_MAX`]. Nothing is unpacked: a directory that lies, archives inside archives and other formats are
//! for a scanner to see through. Archives are known by their first octets, not by what their part is called.

use std::ops::Range;

use yubin_types::limits;

use crate::transfer::TransferDecoder;
use crate::tree::{PartKind, PartTree};

/// What was found in the archives of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveFacts {
    /// What all files of all archives have unpacked, bytes.
    pub unpacked_bytes: u64,
    /// The first archive with an encrypted file: its name, if its part says one.
    pub encrypted: Option<Option<String>>,
}

/// Looks for archives in a message that goes by.
#[derive(Debug)]
pub struct ArchiveReader {
    /// Parts that may be archives, the next one last.
    parts: Vec<Candidate>,
    offset: u64,
    facts: ArchiveFacts,
}

#[derive(Debug)]
struct Candidate {
    body: Range<u64>,
    name: Option<String>,
    decoder: TransferDecoder,
    /// The first octets, or the last ones of an archive.
    kept: Vec<u8>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Zip,
    Other,
}

impl ArchiveReader {
    /// A reader at the start of a message; none if no part of it can be an archive.
    pub fn new(tree: &PartTree) -> Option<ArchiveReader> {
        let leaves = tree.parts().iter().filter(|part| part.kind == PartKind::Leaf && !part.is_text());
        let mut parts: Vec<Candidate> = leaves
            .map(|part| Candidate {
                body: part.body..part.end,
                name: part.file_name(),
                decoder: TransferDecoder::new(part.mime.transfer_encoding()),
                kept: Vec::new(),
                kind: Kind::Unknown,
            })
            .collect();
        parts.reverse();
        (!parts.is_empty()).then(|| ArchiveReader { parts, offset: 0, facts: ArchiveFacts::default() })
    }

    /// Takes the next octets of the message.
    pub fn feed(&mut self, piece: &[u8]) {
        let (start, end) = (self.offset, self.offset + piece.len() as u64);
        self.offset = end;
        while let Some(part) = self.parts.last_mut().filter(|part| part.body.start < end) {
            let from = usize::try_from(part.body.start.saturating_sub(start)).unwrap_or(usize::MAX);
            let to = usize::try_from(part.body.end.min(end).saturating_sub(start)).unwrap_or(usize::MAX);
            part.take(piece.get(from..to).unwrap_or_default());
            if part.body.end > end {
                return;
            }
            self.end_part();
        }
    }

    /// The message is over.
    pub fn finish(mut self) -> ArchiveFacts {
        while !self.parts.is_empty() {
            self.end_part();
        }
        self.facts
    }

    fn end_part(&mut self) {
        let Some(mut part) = self.parts.pop() else { return };
        part.decoder.finish(&mut part.kept);
        let Some(directory) = (part.kind == Kind::Zip).then(|| read_directory(&part.kept)).flatten() else { return };
        self.facts.unpacked_bytes = self.facts.unpacked_bytes.saturating_add(directory.unpacked_bytes);
        if directory.encrypted > 0 && self.facts.encrypted.is_none() {
            self.facts.encrypted = Some(part.name);
        }
    }
}

impl Candidate {
    fn take(&mut self, octets: &[u8]) {
        if self.kind == Kind::Other {
            return;
        }
        self.decoder.feed(octets, &mut self.kept);
        if self.kind == Kind::Unknown && self.kept.len() >= LOCAL_FILE.len() {
            self.kind = if self.kept.starts_with(LOCAL_FILE) { Kind::Zip } else { Kind::Other };
        }
        let excess = self.kept.len().saturating_sub(limits::ZIP_DIRECTORY_BYTES_MAX);
        // Seldom, so that moving the rest costs little.
        if excess >= limits::ZIP_DIRECTORY_BYTES_MAX {
            self.kept.drain(..excess);
        }
    }
}

/// What the directory of an archive says.
#[derive(Debug, PartialEq, Eq)]
struct Directory {
    unpacked_bytes: u64,
    encrypted: u64,
}

const LOCAL_FILE: &[u8] = b"PK\x03\x04";
const ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_ZIP64: &[u8] = b"PK\x06\x06";
const END_BYTES: usize = 22;
const END_ZIP64_BYTES: usize = 56;
const LOCATOR_ZIP64_BYTES: usize = 20;
const ENTRY_BYTES: usize = 46;
const COMMENT_BYTES_MAX: usize = 65_535;
/// A size that stands elsewhere.
const SEE_ZIP64: u32 = u32::MAX;

/// Reads the directory at the end of an archive; none if there is none, or it is longer than what is held.
fn read_directory(tail: &[u8]) -> Option<Directory> {
    let searched = tail.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let end = searched + memchr::memmem::rfind(tail.get(searched..)?, END)?;
    let (mut bytes, mut directory_end) = (u64::from(u32_at(tail, end + 12)?), end);
    if bytes == u64::from(SEE_ZIP64) {
        directory_end = end.checked_sub(LOCATOR_ZIP64_BYTES + END_ZIP64_BYTES)?;
        tail.get(directory_end..)?.starts_with(END_ZIP64).then_some(())?;
        bytes = u64_at(tail, directory_end + 40)?;
    }
    let start = directory_end.checked_sub(usize::try_from(bytes).ok()?)?;
    let mut rest = tail.get(start..directory_end)?;
    let mut directory = Directory { unpacked_bytes: 0, encrypted: 0 };
    while rest.starts_with(ENTRY) {
        let length = |at| u16_at(rest, at).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let extra = rest.get(ENTRY_BYTES + name..)?.get(..extra)?;
        let unpacked = match u32_at(rest, 24)? {
            SEE_ZIP64 => zip64_size(extra).unwrap_or(u64::MAX),
            bytes => u64::from(bytes),
        };
        directory.unpacked_bytes = directory.unpacked_bytes.saturating_add(unpacked);
        directory.encrypted += u64::from(u16_at(rest, 8)? & 1);
        rest = rest.get(ENTRY_BYTES + name + extra.len() + comment..)?;
    }
    Some(directory)
}

/// The size in an entry's extra field (APPNOTE 4.5.3).
fn zip64_size(mut extra: &[u8]) -> Option<u64> {
    loop {
        let (kind, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        if kind == 1 {
            return u64_at(extra.get(4..)?.get(..length)?, 0);
        }
        extra = extra.get(4 + length..)?;
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    octets.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of files of these sizes unpacked, encrypted or not; the content is nothing.
    fn zip(files: &[(u64, u16)], comment: &str) -> Vec<u8> {
        let mut archive = b"PK\x03\x04 content".to_vec();
        let mut directory = Vec::new();
        for (bytes, flags) in files {
            let small = u32::try_from(*bytes).unwrap_or(SEE_ZIP64);
            let extra = if small == SEE_ZIP64 {
                [&[9, 9, 1, 0, 7, 1, 0, 8, 0][..], &bytes.to_le_bytes()].concat()
            } else {
                Vec::new()
            };
            let mut entry = ENTRY.to_vec();
            entry.resize(ENTRY_BYTES, 0);
            entry[8..10].copy_from_slice(&flags.to_le_bytes());
            entry[24..28].copy_from_slice(&small.to_le_bytes());
            entry[28..30].copy_from_slice(&1_u16.to_le_bytes());
            entry[30..32].copy_from_slice(&u16::try_from(extra.len()).unwrap().to_le_bytes());
            directory.extend([&entry[..], b"a", &extra].concat());
        }
        archive.extend(&directory);
        let mut end = END.to_vec();
        end.resize(END_BYTES, 0);
        end[12..16].copy_from_slice(&u32::try_from(directory.len()).unwrap().to_le_bytes());
        end[20..22].copy_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
        archive.extend(end);
        archive.extend(comment.as_bytes());
        archive
    }

    fn base64(octets: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |three: &[u8]| {
            let bits = three.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
            (0..4)
                .map(|i| if i > three.len() { '=' } else { char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]) })
                .collect::<String>()
        };
        octets.chunks(3).map(group).collect()
    }

    fn message(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
        for (name, content) in parts {
            let head =
                format!("--b\r\nContent-Type: application/x; name={name}\r\nContent-Transfer-Encoding: base64\r\n\r\n");
            message.extend([head.as_bytes(), base64(content).as_bytes(), b"\r\n"].concat());
        }
        [&message[..], b"--b--\r\n"].concat()
    }

    fn facts(message: &[u8], piece: usize) -> ArchiveFacts {
        let mut reader = ArchiveReader::new(&crate::scan::scan(message)).unwrap();
        message.chunks(piece).for_each(|piece| reader.feed(piece));
        reader.finish()
    }

    #[test]
    fn archives_tell_what_they_unpack_to_however_the_message_is_cut() {
        let message = message(&[
            ("a.zip", zip(&[(1_000, 0), (2_000, 8)], "")),
            ("b.txt", b"no archive PK\x05\x06".to_vec()),
            ("c.docx", zip(&[(5 << 32, 0), (7, 1)], "a comment")),
            ("d.zip", zip(&[(1, 1)], "")),
        ]);
        let expected = ArchiveFacts { unpacked_bytes: 3_008 + (5 << 32), encrypted: Some(Some("c.docx".to_owned())) };
        for piece in [1, 7, 100, message.len()] {
            assert_eq!(facts(&message, piece), expected, "{piece}");
        }
    }

    #[test]
    fn what_can_not_be_read_says_nothing() {
        let whole = zip(&[(1_000, 1); 3], "");
        for end in 0..whole.len() - 6 {
            assert_eq!(facts(&message(&[("a.zip", whole[..end].to_vec())]), 50), ArchiveFacts::default(), "{end}");
        }
        for at in 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            // Whatever it says, reading it ends.
            facts(&message(&[("a.zip", damaged)]), 50);
        }
        assert!(ArchiveReader::new(&crate::scan::scan(b"Subject: x\r\n\r\nPK\x03\x04")).is_none());
    }

    #[test]
    fn only_the_end_of_a_large_archive_is_held() {
        let mut large = b"PK\x03\x04".to_vec();
        large.resize(3 * limits::ZIP_DIRECTORY_BYTES_MAX, b'x');
        large.extend(&zip(&[(42, 0)], "")[4..]);
        let message = message(&[("a.zip", large)]);
        let mut reader = ArchiveReader::new(&crate::scan::scan(&message)).unwrap();
        for piece in message.chunks(10_000) {
            reader.feed(piece);
            let held = reader.parts.last().map_or(0, |part| part.kept.capacity());
            assert!(held <= 5 * limits::ZIP_DIRECTORY_BYTES_MAX, "{held}");
        }
        assert_eq!(reader.finish().unpacked_bytes, 42);
    }
}
