//! What a part is, once its header has been read, and what it turns out to be at its end.
//!
//! A part that is left whole is recorded under the media type it is then shown and searched by: text/plain where the
//! boundary of a multipart is missing, so that its content can be read; application/octet-stream where a limit or a
//! transfer encoding keeps it closed, since a MESSAGE/RFC822 without its ENVELOPE would break the syntax of BODY.

use yubin_types::limits::MIME_BOUNDARY_BYTES_MAX;

use crate::mime::{ContentType, TransferEncoding};
use crate::tree::{Defects, Part, PartKind};

/// Whether the limits let a part be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    None,
}

/// How the body of a part is read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// As content.
    Opaque,
    /// As parts between lines of this boundary.
    Parts(Box<[u8]>),
    /// As a message.
    Message,
}

/// Decides by the Content fields of a part; `part.kind` and, where the part is left whole, its type are set.
pub(super) fn decide(part: &mut Part, room: Room) -> Body {
    let Some(content_type) = &part.mime.content_type else { return Body::Opaque };
    if content_type.is_kind("multipart") {
        let boundary = content_type.param("boundary").map(|it| it.trim_ascii_end()).unwrap_or_default();
        let usable = (1..=MIME_BOUNDARY_BYTES_MAX).contains(&boundary.len());
        let boundary: Box<[u8]> = boundary.into();
        match (usable, room) {
            (false, _) => read_as_text(part),
            (true, Room::None) => close(part, Defects::TOO_MANY_PARTS),
            (true, Room::Enough) => {
                part.kind = PartKind::Multipart;
                return Body::Parts(boundary);
            }
        }
    } else if content_type.is("message", "rfc822") || content_type.is("message", "global") {
        match (part.mime.transfer_encoding(), room) {
            (TransferEncoding::Identity, Room::Enough) => {
                part.kind = PartKind::Message;
                return Body::Message;
            }
            (TransferEncoding::Identity, Room::None) => close(part, Defects::TOO_MANY_PARTS),
            _ => close(part, Defects::default()),
        }
    }
    Body::Opaque
}

/// A multipart has ended in which no part was found, or none had room.
pub(super) fn end_childless(part: &mut Part) {
    if part.defects.contains(Defects::TOO_MANY_PARTS) {
        close(part, Defects::TOO_MANY_PARTS);
    } else {
        read_as_text(part);
    }
}

fn read_as_text(part: &mut Part) {
    part.kind = PartKind::Leaf;
    part.defects.add(Defects::NO_BOUNDARY);
    part.mime.content_type = None;
}

fn close(part: &mut Part, defect: Defects) {
    part.kind = PartKind::Leaf;
    part.defects.add(defect);
    part.mime.content_type = Some(ContentType::plain("application", "octet-stream"));
}
