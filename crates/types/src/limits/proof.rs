//! Bounds of the DNS and of what mail proves with it: SPF, DKIM, DMARC, ARC, SRS, MTA-STS, TLS reports.

/// One DNS lookup, with its aliases, its validation and its retries, seconds.
pub const DNS_LOOKUP_SECONDS_MAX: u64 = 15;
/// One question to one name server, seconds.
pub const DNS_ATTEMPT_SECONDS_MAX: u64 = 3;
/// How often a question without an answer is asked again.
pub const DNS_RETRIES: usize = 2;
/// CNAMEs followed in one lookup (RFC 1034 §3.6.2 asks to follow chains and to stop at loops; BIND and unbound stop near here).
pub const DNS_ALIASES_MAX: usize = 11;
/// What remembered DNS answers may weigh, bytes.
pub const DNS_CACHE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest time an answer is remembered, seconds (RFC 8767 §4 advises a cap of days; a day is soon enough forgotten).
pub const DNS_TTL_SECONDS_MAX: u64 = 86_400;
/// Longest time it is remembered that there is no answer, seconds (RFC 2308 §5: one to three hours).
pub const DNS_NEGATIVE_TTL_SECONDS_MAX: u64 = 3_600;
/// Records kept of one answer: more come from mistakes and attacks.
pub const DNS_RECORDS_MAX: usize = 100;

/// DKIM keys of one domain: two in use, two that follow, and two retired ones, twice where rotations come close.
pub const DKIM_KEYS_PER_DOMAIN_MAX: usize = 8;
/// Longest sealed private key, bytes: an RSA key of 4,096 bits has about 2,400.
pub const DKIM_SEALED_BYTES_MAX: usize = 4 * 1024;
/// Longest DKIM record, bytes: that of an RSA key of 4,096 bits has about 760.
pub const DKIM_RECORD_BYTES_MAX: usize = 1_024;
/// How long a retired DKIM key stays published, seconds: longer than mail that it signed waits to be sent.
pub const DKIM_RETIRING_SECONDS: u64 = 7 * 86_400;
/// RSA keys made ahead of need.
pub const DKIM_POOL_KEYS: usize = 2;
/// How long a front end signs with the keys it knows before it asks again, seconds.
pub const DKIM_SIGNER_SECONDS: u64 = 60;
/// Domains whose keys a front end remembers.
pub const DKIM_SIGNERS_MAX: usize = 1_000;
/// Longest header that is signed, bytes.
pub const DKIM_HEADER_BYTES_MAX: usize = 256 * 1024;
/// Longest signatures of one message together, bytes: they stand in its prefix.
pub const DKIM_SIGNATURES_BYTES_MAX: usize = 8 * 1024;

/// Terms of SPF records that ask the DNS, in one check (RFC 7208 §4.6.4).
pub const SPF_LOOKUPS_MAX: u32 = 10;
/// How many of them may find nothing (RFC 7208 §4.6.4).
pub const SPF_VOID_LOOKUPS_MAX: u32 = 2;
/// Questions to the DNS in one check, those about the hosts of `mx` and `ptr` terms among them: three times what real records take.
pub const SPF_QUESTIONS_MAX: u32 = 40;
/// How far a check of a published SPF record counts on when there are too many.
pub const SPF_LOOKUPS_COUNTED_MAX: u32 = 40;
/// Names that one `mx` or `ptr` term looks up (RFC 7208 §4.6.4).
pub const SPF_NAMES_MAX: usize = 10;
/// One SPF check, seconds (RFC 7208 §4.6.4: at least 20).
pub const SPF_SECONDS_MAX: u64 = 20;
/// DKIM signatures of one message that are verified, the topmost ones: real mail has one to four.
pub const DKIM_SIGNATURES_CHECKED_MAX: usize = 10;
/// Shortest RSA key that a signature may be made with, bits (RFC 8301 §3.2).
pub const DKIM_RSA_BITS_MIN: usize = 1_024;
/// Longest RSA key that is verified with, bits: what the library takes; RFC 8301 §3.2 asks for 4,096.
pub const DKIM_RSA_BITS_MAX: usize = 8_192;
/// Fields that one signature may cover: each is searched for among all fields.
pub const DKIM_SIGNED_FIELDS_MAX: usize = 200;
/// Longest header of a message from another server, bytes; longer ones are refused. Postfix reads 102,400.
pub const INBOUND_HEADER_BYTES_MAX: usize = 256 * 1024;
/// Fields of a header whose signatures are verified; the longest real ones have about two hundred.
pub const VERIFIED_FIELDS_MAX: usize = 1_000;
/// Sets of an ARC chain (RFC 8617 §4.2.1).
pub const ARC_SETS_MAX: usize = 50;
/// Different keys that one ARC chain may need: real chains have one to five sealers. Its sets are bounded by RFC 8617 §4.2.1.
pub const ARC_KEYS_MAX: usize = 10;
/// Names that one tree walk of DMARC asks about (RFC 9989 §4.10).
pub const DMARC_WALK_MAX: usize = 8;
/// Authors' domains of one message that DMARC is checked for; more is refused.
pub const DMARC_AUTHORS_MAX: usize = 4;
/// Addresses in the From field of a message that a user sends: each may be asked about. Real mail has one.
pub const SUBMITTED_AUTHORS_MAX: usize = 10;
/// Names of one address that are looked up to confirm it.
pub const PTR_NAMES_MAX: usize = 10;
/// Everything that is asked of the DNS after a message has come in, seconds; whoever sends waits ten minutes (RFC 5321 §4.5.3.2.6).
pub const VERIFICATION_SECONDS_MAX: u64 = 60;
/// Longest Authentication-Results field, bytes: it stands in a message's prefix.
pub const AUTH_RESULTS_BYTES_MAX: usize = 6 * 1024;
/// DNS lists that a peer is looked up in.
pub const DNS_LISTS_MAX: usize = 20;
/// How long a DNS list may take to answer, seconds; one that doesn't lists nobody.
pub const DNS_LIST_SECONDS_MAX: u64 = 5;

/// One check of what a domain publishes, seconds; what is not known by then is said to be unknown.
pub const DNS_CHECK_SECONDS_MAX: u64 = 30;
/// Lookups of one check of what a domain publishes: its own records take about twenty, records that SPF includes the rest.
pub const DNS_CHECK_LOOKUPS_MAX: usize = 120;
/// Mail exchangers of a domain whose addresses a check looks up.
pub const DNS_CHECK_HOSTS_MAX: usize = 20;

/// How long a rewritten sender takes bounces, days: longer than any queue holds a message; as others have it.
pub const SRS_DAYS_MAX: u64 = 21;
/// Longest MTA-STS policy, bytes (RFC 8461 §3.2 suggests 64 KiB).
pub const MTA_STS_POLICY_BYTES_MAX: usize = 64 * 1024;
/// Hosts in one MTA-STS policy.
pub const MTA_STS_HOSTS_MAX: usize = 200;
/// Longest life of an MTA-STS policy, seconds: about a year (RFC 8461 §3.2).
pub const MTA_STS_MAX_AGE_SECONDS_MAX: u64 = 31_557_600;
/// One fetch of an MTA-STS policy, seconds (RFC 8461 §3.3 suggests a minute).
pub const MTA_STS_FETCH_SECONDS_MAX: u64 = 60;
/// How long a fetch that failed is not repeated, seconds (RFC 8461 §3.3 suggests five minutes or longer).
pub const MTA_STS_RETRY_SECONDS: u64 = 300;
/// Fetches of MTA-STS policies at the same time.
pub const MTA_STS_FETCHES_MAX: usize = 32;
/// Domains whose MTA-STS policy is remembered.
pub const MTA_STS_POLICIES_MAX: usize = 10_000;
/// Policies under which sessions are counted for TLS reports.
pub const TLS_RPT_POLICIES_MAX: usize = 10_000;
/// Kinds of failure that are told apart under one policy.
pub const TLS_RPT_FAILURES_MAX: usize = 100;
/// Places one domain may want its TLS reports sent to.
pub const TLS_RPT_TARGETS_MAX: usize = 5;
