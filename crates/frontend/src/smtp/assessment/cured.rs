//! A message without its viruses (SONET-30 to SONET-32): text parts in the places of those that have one, and the same notice before the body.
//!
//! clamd says that a message has a virus and not where, so it is shown each part again, decoded. Only what it finds something in goes; a
//! message inside the message goes as a whole. What is left is shown to it once more. Everything goes if the message is one part alone or
//! has more than [`limits::CLAMD_PARTS_MAX`], if nothing is found in any single part, if a part can't be looked into, or if anything but
//! nothing is found in what is left: then the notice is all there is.
//!
//! The message becomes a multipart/mixed with the notice and what it was before, whose own fields go along; parts that stay are not changed.
//! clamd repairs nothing, so the action in the notice is always `remove`.

use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use yubin_message::{Part, PartKind, PartTree, TransferDecoder};
use yubin_proto::{Body, BodyStream};
use yubin_types::{SmtpReply, limits};

use super::header;
use super::scanned::shortened;
use crate::config::ContentConfig;
use crate::header::pieces;
use crate::scan::Scanner;
use crate::scan::clamd::Clamd;
use crate::smtp::SmtpRim;
use crate::smtp::edit::{self, Edit, NewBody, Patches};
use crate::spool::{Octets, Spooled};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Virus {
    /// The virus.
    pub(super) name: String,
    /// The file it is in, if that is known.
    pub(super) file: Option<String>,
}

/// A part that goes.
struct Infected {
    range: Range<u64>,
    virus: Virus,
}

impl SmtpRim {
    /// The message without its viruses, and with these edits of its header.
    pub(super) async fn cured(
        &self,
        content: &ContentConfig,
        message: &Spooled,
        header: &[u8],
        edits: &[Edit],
        virus: &Virus,
    ) -> Result<Spooled, SmtpReply> {
        let shared = &self.connection.shared;
        if let Some(clamd) = &shared.scanners.clamd
            && let Some(infected) = infected(clamd, message).await
        {
            let (fields, patches) = without(&infected, &content.virus_notice, message, header);
            let mut edits = [edits, &header::with_content(header, &fields)].concat();
            let body = NewBody::Patched(patches);
            let cured = edit::edited(message, &shared.spooler, header, &mut edits, body).await?;
            if matches!(clamd.clamd(&cured).await, Ok(Clamd::Clean)) {
                return Ok(cured);
            }
        }
        let mut edits = [edits, &header::plain_text(header)].concat();
        let body = NewBody::Text(notice(&content.virus_notice, virus));
        edit::edited(message, &shared.spooler, header, &mut edits, body).await
    }
}

/// The parts that have a virus; none if that can't be said of each part in the time of one scan, or there are no such.
async fn infected(clamd: &Scanner, message: &Spooled) -> Option<Vec<Infected>> {
    let parts = message.tree.parts();
    let leaves: Vec<&Part> = parts.iter().filter(|part| part.kind == PartKind::Leaf && part.body_bytes() > 0).collect();
    if message.tree.root().kind == PartKind::Leaf || leaves.len() > limits::CLAMD_PARTS_MAX {
        return None;
    }
    let time = Duration::from_secs(clamd.config.timeout_seconds);
    let looked_at = tokio::time::timeout(time, look_at(clamd, message, &leaves)).await;
    looked_at.ok().flatten().filter(|infected| !infected.is_empty())
}

async fn look_at(clamd: &Scanner, message: &Spooled, leaves: &[&Part]) -> Option<Vec<Infected>> {
    let mut infected: Vec<Infected> = Vec::new();
    for leaf in leaves {
        let name = match clamd.clamd_stream(decoded(&message.body, leaf)).await {
            Ok(Clamd::Clean) => continue,
            Ok(Clamd::Virus(name)) => shortened(name),
            Ok(Clamd::Encrypted | Clamd::Unpacked | Clamd::TooLarge) | Err(_) => return None,
        };
        let whole = outermost(&message.tree, leaf)?;
        let range = whole.header..whole.end;
        // A message in the message may have several.
        if infected.last().is_none_or(|last| last.range != range) {
            let file = leaf.file_name().or_else(|| whole.file_name()).map(shortened);
            infected.push(Infected { range, virus: Virus { name, file } });
        }
    }
    Some(infected)
}

/// The outermost message in which the part is, or itself where it is in none but the whole one: a part of a multipart. None if there is none.
fn outermost<'a>(tree: &'a PartTree, leaf: &'a Part) -> Option<&'a Part> {
    let parent = |part: &Part| tree.get(usize::try_from(part.parent?).ok()?);
    let above = std::iter::successors(Some(leaf), |part| parent(part));
    let whole = above.filter(|part| part.kind != PartKind::Multipart).filter(|part| {
        // A message's only child is its header and its body, which can't go alone.
        parent(part).is_some_and(|holder| holder.kind == PartKind::Multipart)
    });
    whole.last()
}

/// The octets of a part without its transfer encoding, in pieces of which none is empty.
fn decoded(message: &Body, part: &Part) -> BodyStream {
    let decoder = Some(TransferDecoder::new(part.mime.transfer_encoding()));
    let leaf = Leaf { pieces: pieces(message), at: 0, range: part.body..part.end, decoder };
    stream::try_unfold(leaf, |mut leaf| async move {
        loop {
            let Some(decoder) = &mut leaf.decoder else { return Ok::<_, std::io::Error>(None) };
            let mut octets = Vec::new();
            match leaf.pieces.try_next().await? {
                Some(piece) if leaf.at < leaf.range.end => {
                    let place = |offset: u64| usize::try_from(offset.saturating_sub(leaf.at)).unwrap_or(usize::MAX);
                    let (from, to) = (place(leaf.range.start), place(leaf.range.end).min(piece.len()));
                    decoder.feed(piece.get(from..to).unwrap_or_default(), &mut octets);
                    leaf.at += piece.len() as u64;
                }
                _ => {
                    decoder.finish(&mut octets);
                    leaf.decoder = None;
                }
            }
            if !octets.is_empty() {
                return Ok(Some((Bytes::from(octets), leaf)));
            }
        }
    })
    .boxed()
}

/// A part on its way by.
struct Leaf {
    pieces: BodyStream,
    /// Where the next piece stands.
    at: u64,
    range: Range<u64>,
    /// None when it is over.
    decoder: Option<TransferDecoder>,
}

/// The fields of the new content, and what becomes of the old one.
fn without(infected: &[Infected], lines: &[String], message: &Spooled, header: &[u8]) -> (Vec<u8>, Patches) {
    // No other program knows it beforehand, so it is in no part.
    let boundary = format!("=_{:032x}", rand::random::<u128>());
    let encoding = match message.octets {
        Octets::Ascii => "7bit",
        Octets::Any => "8bit",
    };
    let fields = format!(
        "Content-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\nContent-Transfer-Encoding: {encoding}\r\n"
    );
    let all: String = infected.iter().map(|part| notice(lines, &part.virus)).collect();
    let mut before = format!("--{boundary}\r\n{}\r\n--{boundary}\r\n", text_part(&all)).into_bytes();
    before.extend(header::content_fields(header));
    before.extend_from_slice(b"\r\n");
    let replaced = |part: &Infected| {
        // The line end behind it is the next boundary's, unless there is none.
        let end = if part.range.end == message.bytes { "\r\n" } else { "" };
        (part.range.clone(), (text_part(&notice(lines, &part.virus)) + end).into_bytes())
    };
    let inside = infected.iter().map(replaced).collect();
    (fields.into_bytes(), Patches { before, inside, after: format!("\r\n--{boundary}--\r\n").into_bytes() })
}

/// A part with this text, in characters that every way takes, without a last line end.
fn text_part(text: &str) -> String {
    let coded = STANDARD.encode(text);
    let mut part = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n".to_owned();
    let mut rest = coded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE_MAX).unwrap_or((rest, ""));
        part.push_str("\r\n");
        part.push_str(line);
        rest = after;
    }
    part
}

/// Characters of a line of base64 (RFC 2045 §6.8).
const LINE_MAX: usize = 76;

/// What the recipient is told (SONET-31).
fn notice(lines: &[String], Virus { name, file }: &Virus) -> String {
    let line = |line: &String| {
        let line = line.replace("{virus}", name).replace("{file}", file.as_deref().unwrap_or("message"));
        line.replace("{action}", "remove").replace(['\r', '\n'], " ") + "\r\n"
    };
    lines.iter().map(line).collect()
}
