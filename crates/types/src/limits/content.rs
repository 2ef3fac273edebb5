//! Bounds of what is found in messages: spam, viruses, archives.

/// Findings written into X-Spam-Status, bytes: it stands in a message's prefix.
pub const SPAM_TESTS_BYTES_MAX: usize = 1_536;
/// Longest name of a finding there, bytes.
pub const SPAM_TEST_NAME_BYTES_MAX: usize = 64;
/// Longest tag of a subject, bytes: as one encoded word it fits a line (RFC 2047 §2: 75).
pub const SUBJECT_TAG_BYTES_MAX: usize = 21;
/// Senders that one set of rules may allow, and deny: all are looked at for each message.
pub const SENDER_PATTERNS_MAX: usize = 1_000;
/// Longest answer of rspamd, bytes: a few hundred findings with their words.
pub const RSPAMD_ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Longest answer of clamd, bytes: one line.
pub const CLAMD_ANSWER_BYTES_MAX: u64 = 4 * 1024;
/// Parts of a message with a virus that are looked at one by one, to remove those that have it: each is a scan of its own. Of a message
/// with more parts everything is removed.
pub const CLAMD_PARTS_MAX: usize = 50;
/// Longest name of a virus or a file that is told on, bytes.
pub const SCANNED_NAME_BYTES_MAX: usize = 200;
/// How much of the end of a zip archive is held to find its directory, bytes; longer directories, of some three thousand files, say nothing.
pub const ZIP_DIRECTORY_BYTES_MAX: usize = 256 * 1024;
/// Longest packet of a milter, bytes: a header field that it adds.
pub const MILTER_PACKET_BYTES_MAX: usize = 64 * 1024;
/// Changes that a milter may make to one message.
pub const MILTER_CHANGES_MAX: usize = 100;
/// Milters that a message is shown.
pub const MILTERS_MAX: usize = 10;
/// How long a scan may take at most, seconds: whoever sends waits ten minutes (RFC 5321 §4.5.3.2.6), for verification too.
pub const SCAN_SECONDS_MAX: u64 = 300;
/// Scans of one scanner at a time at most.
pub const SCANS_MAX: usize = 10_000;

const _: () = assert!(
    super::AUTH_RESULTS_BYTES_MAX + SPAM_TESTS_BYTES_MAX + 4 * 1024 <= super::MESSAGE_PREFIX_BYTES_MAX,
    "all fields that we write fit the prefix"
);
const _: () = assert!(3 * SUBJECT_TAG_BYTES_MAX + "=?UTF-8?Q??=".len() <= 75, "a tag is one encoded word");
