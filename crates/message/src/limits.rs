//! The bounds of message reading.
//!
//! Every figure is a cap on what one message can make us keep or do; the message itself is stored whole and untouched
//! whatever it holds. Past a bound the structure is coarser (a part is opaque, a list is cut), never wrong in its offsets.

/// Nested parts deeper than this are opaque leaves (Postfix and Dovecot: 100; real mail stays below 10).
pub const MIME_DEPTH_MAX: usize = 64;
/// Parts of one message that are recorded (Dovecot: 10,000).
pub const MIME_PARTS_MAX: usize = 10_000;
/// Bytes of one header field that are read for the structure; RFC 5322 allows more, Postfix reads 102,400.
pub const HEADER_FIELD_BYTES_MAX: usize = 128 * 1024;
/// Bytes of header values, with an allowance per item, that the structure of one message may hold.
pub const STRUCTURE_BYTES_MAX: usize = 1024 * 1024;
/// What one address or parameter counts for in [`STRUCTURE_BYTES_MAX`] beside its bytes.
pub const STRUCTURE_ITEM_BYTES: usize = 32;
/// Longest boundary that is honoured (RFC 2046 §5.1.1 says 70).
pub const MIME_BOUNDARY_BYTES_MAX: usize = 256;
/// Parameters of one Content-Type or Content-Disposition, RFC 2231 continuations counted each.
pub const MIME_PARAMS_MAX: usize = 128;
/// Addresses kept of one ENVELOPE address field.
pub const ENVELOPE_ADDRESSES_MAX: usize = 2_048;
/// Message ids kept of a References field: the last ones, which are the nearest ancestors.
pub const REFERENCES_MAX: usize = 100;
/// Tags kept of a Content-Language field.
pub const MIME_LANGUAGES_MAX: usize = 16;

const _: () = assert!(MIME_BOUNDARY_BYTES_MAX >= 70);
const _: () = assert!(HEADER_FIELD_BYTES_MAX <= STRUCTURE_BYTES_MAX);
