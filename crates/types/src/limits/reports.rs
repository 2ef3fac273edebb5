//! Bounds of reports to other domains: DMARC aggregate reports and TLS reports.

/// How long after the end of a day its first reports are sent, seconds: facts that were gathered before midnight are carried by then.
pub const REPORT_DELAY_SECONDS: u64 = 1_800;
/// Over how long the reports of a day are spread, seconds: all are sent on the next day, with time to spare for what had to wait.
pub const REPORT_SPREAD_SECONDS: u64 = 20 * 3_600;
/// Parts in which the domains of a day are reported on, one after the other: a minute each.
pub const REPORT_SLOTS: u64 = REPORT_SPREAD_SECONDS / 60;
/// How long a part waits for store nodes that don't answer, seconds; then what they keep is left out.
pub const REPORT_WAIT_SECONDS: u64 = 3_600;
/// How long after the end of its period a report is no longer sent, seconds.
pub const REPORT_OVER_SECONDS: u64 = REPORT_DELAY_SECONDS + REPORT_SPREAD_SECONDS + REPORT_WAIT_SECONDS;
/// How long facts may be on their way to the store nodes when an operator asks for reports, seconds.
pub const REPORT_SETTLE_SECONDS: u64 = 5;
/// How much later than the worker before it a worker sends what is due, seconds.
pub const REPORT_TAKEOVER_SECONDS: u64 = 600;
/// Times a day that an operator may have reports sent before the day is over: each makes one report more for a domain.
pub const REPORT_CUTS_PER_DAY_MAX: usize = 10;
/// Reports sent of one day, or of one part of it that an operator asked for. Whoever forges mail in the names of many domains makes us
/// write to all of them.
pub const REPORTS_PER_PERIOD_MAX: u64 = 500_000;
/// Rows of one DMARC report; further sources are summed up in its `error`. A row has about a kilobyte, and twenty bytes when packed.
pub const REPORT_ROWS_MAX: usize = 10_000;
/// Policies in one TLS report, of a domain whose policy changes.
pub const REPORT_POLICIES_MAX: usize = 20;
/// Signatures of one message that a report tells of, those that passed first.
pub const REPORT_SIGNATURES_MAX: usize = 4;
/// Addresses of one domain that a DMARC report is sent to (RFC 7489 §6.2: at least two).
pub const REPORT_TARGETS_MAX: usize = 5;
/// Domains that are reported on at the same time.
pub const REPORTS_AT_ONCE: usize = 16;
/// How often workers write down how TLS went, seconds; one that is killed forgets as much.
pub const TLS_RPT_WRITE_SECONDS: u64 = 60;
/// Facts for reports that a store node answers at once.
pub const REPORT_FACTS_PER_CALL_MAX: usize = 1_000;
/// Text of one TLS policy that is kept, lines.
pub const TLS_RPT_STRINGS_MAX: usize = 20;
/// Longest such line, bytes.
pub const TLS_RPT_STRING_BYTES_MAX: usize = 256;
/// Longest name of the organization, or contact, in a report, bytes.
pub const REPORT_NAME_BYTES_MAX: usize = 200;
/// Largest message that is looked at as a report of others, bytes.
pub const REPORT_MESSAGE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Parts of such a message: a report has a text and an attachment.
pub const REPORT_PARTS_MAX: usize = 20;
/// Reports of others that a front end reads at a time.
pub const REPORT_READERS_MAX: usize = 2;
/// What a report of others may have when it is unpacked, bytes.
pub const REPORT_UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Elements of its XML, or objects of its JSON: a row has about seventy tags.
pub const REPORT_ELEMENTS_MAX: usize = 1_000_000;
/// Sources of one report of others that are kept, those that failed most; the others are summed up.
pub const REPORT_SOURCES_KEPT_MAX: usize = 100;
/// Days of reports of others that can be looked at: as long as the mail log is kept.
pub const REPORT_DAYS_MAX: u32 = 30;
/// Reports of others that are shown of one domain.
pub const REPORTS_SHOWN_MAX: usize = 1_000;
/// Longest `https:` address that a report is posted to, bytes; others are passed over.
pub const HTTPS_URL_BYTES_MAX: usize = 2_000;
/// One attempt to post a report, seconds.
pub const REPORT_POST_SECONDS_MAX: u64 = 30;
/// Reports that are posted at the same time.
pub const REPORT_POSTS_AT_ONCE: usize = 16;
/// Reports that wait to be posted, those that will be tried again among them; more are dropped and counted.
pub const REPORT_POSTS_MAX: usize = 2_000;
/// Bytes of all of them together: what one has more than its share, the others must have less.
pub const REPORT_POSTS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a report is left alone after the first attempt to post it failed, seconds; twice as long after each further one.
pub const REPORT_POST_RETRY_SECONDS: u64 = 300;
/// How long a report is tried to be delivered, seconds (RFC 8460 §5.3: a day).
pub const REPORT_LIFETIME_SECONDS: u64 = 86_400;

const _: () = {
    // A report is sent within the time in which its request is remembered, so never twice.
    assert!(REPORT_OVER_SECONDS < super::DEDUPE_ADMIN_SECONDS);
    assert!(REPORT_SIGNATURES_MAX <= super::DKIM_SIGNATURES_CHECKED_MAX);
    assert!(REPORTS_PER_PERIOD_MAX < super::QUEUED_PER_DOMAIN_MAX);
};
