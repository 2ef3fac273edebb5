//! Facts about mail messages: RFC 5322 headers and MIME structure, bounded before they are parsed.
//!
//! A message is scanned once, when it is accepted, by a [`Scanner`] that takes it in chunks and keeps little; what it
//! finds is a [`PartTree`]: offsets, Content fields and ENVELOPE, stored beside the message. Everything IMAP asks about
//! structure is answered from the tree, every body section is a range of the stored bytes.
//!
//! Pure: no I/O, no clock, no randomness. Messages are changed by [`downgrade()`] alone, for servers that take 7 bits only. Nothing recurses, whatever the input; every
//! bound is in [`yubin_types::limits`].

mod address;
mod archive;
mod auto_reply;
mod charset;
mod date;
mod downgrade;
pub mod dsn;
mod encoded_word;
mod envelope;
mod forward_notice;
mod header;
mod header_check;
mod header_writer;
pub mod imap;
mod lex;
mod mime;
mod originators;
mod owner_notice;
mod param_text;
mod quoted_printable;
mod scan;
pub mod search;
mod section;
mod sending_notice;
pub mod sort;
mod transfer;
mod tree;

pub use address::{Address, AddressList, Mailbox, parse_address_list, parse_addresses};
pub use archive::{ArchiveFacts, ArchiveReader};
pub use auto_reply::{AnswerFields, AutoReplyBody, named_recipients};
pub use charset::{CharsetDecoder, decode_text, encoding_for};
pub use date::{DateTime, Day};
pub use downgrade::downgrade;
pub use encoded_word::decode_header;
pub use envelope::{Envelope, message_ids};
pub use forward_notice::ForwardNotice;
pub use header::{
    FieldSelection, FieldSelector, HeaderField, HeaderFields, count_received, select_fields, was_delivered_to,
};
pub use header_check::{check_attachments, check_header};
pub use header_writer::{HeaderWriter, Received};
pub use mime::{ContentType, Disposition, Mime, Param, TransferEncoding};
pub use originators::{OriginatorError, Originators};
pub use param_text::param_texts;
pub use scan::{DeliveredTo, OriginFields, ScanLimits, Scanner, scan};
pub use section::SectionText;
pub use sending_notice::SendingNotice;
pub use transfer::TransferDecoder;
pub use tree::{DecodeError, Defects, Part, PartKind, PartTree, SCANNER_VERSION};
