//! Bounds of what is found in messages: spam, viruses, archives.

/// Findings written into X-Spam-Status, bytes: it stands in a message's prefix.
pub const SPAM_TESTS_BYTES_MAX: usize = 1_536;
/// Longest name of a finding there, bytes.
pub const SPAM_TEST_NAME_BYTES_MAX: usize = 64;
/// Longest tag of a subject, bytes: as one encoded word it fits a line (RFC 2047 §2: 75).
pub const SUBJECT_TAG_BYTES_MAX: usize = 21;
/// Senders that one set of rules may allow, and deny: all are looked at for each message.
pub const SENDER_PATTERNS_MAX: usize = 1_000;

const _: () = assert!(
    super::AUTH_RESULTS_BYTES_MAX + SPAM_TESTS_BYTES_MAX + 4 * 1024 <= super::MESSAGE_PREFIX_BYTES_MAX,
    "all fields that we write fit the prefix"
);
const _: () = assert!(3 * SUBJECT_TAG_BYTES_MAX + "=?UTF-8?Q??=".len() <= 75, "a tag is one encoded word");
