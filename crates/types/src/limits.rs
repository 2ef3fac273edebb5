//! Every bound that a stranger can reach, in one place, each with its reason or the minimum its RFC asks for.
//!
//! A name ends in its unit. Relations between bounds are asserted at compile time, at the bottom of each file. What only the
//! operator or this program itself can reach (sizes of buffers, times between looks) stands where it is used; `consensus` knows
//! nothing of mail and has a `limits.rs` of its own. Below `limits/`: places of connections and how long one is kept
//! (`connections.rs`), the DNS and what mail proves with it (`proof.rs`), what is found in messages (`content.rs`), what senders wish (`handling.rs`), reports (`reports.rs`), what accounts send (`sending.rs`),
//! the mail log (`mail_log.rs`), what waits for other servers (`queue.rs`), what queue workers share (`sharing.rs`); all are named alike.

mod connections;
mod content;
mod handling;
mod mail_log;
mod proof;
mod queue;
mod reports;
mod sending;
mod sharing;

pub use connections::*;
pub use content::*;
pub use handling::*;
pub use mail_log::*;
pub use proof::*;
pub use queue::*;
pub use reports::*;
pub use sending::*;
pub use sharing::*;

/// Longest local part accepted from the network, octets (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// Longest domain name, octets of its ASCII form (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// Longest label of a domain name, octets (RFC 1035 §2.3.4).
pub const DOMAIN_LABEL_BYTES_MAX: usize = 63;
/// Longest path, octets, with its angle brackets (RFC 5321 §4.5.3.1.3).
pub const PATH_BYTES_MAX: usize = 256 + 64;

/// Longest SMTP command line, octets with CRLF: RFC 5321 §4.5.3.1.4 asks for 512, extensions add to it (RFC 1870, 3461, 6152).
pub const SMTP_COMMAND_BYTES_MAX: usize = 2_048;
/// Longest line of an AUTH exchange, octets (RFC 4954 §4).
pub const SMTP_AUTH_LINE_BYTES_MAX: usize = 12_288;
/// Longest text line in message data that is kept as it is, octets: 998 is what RFC 5322 §2.1.1 allows, real mail exceeds it.
pub const SMTP_TEXT_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Recipients of one transaction (RFC 5321 §4.5.3.1.8 asks for at least 100).
pub const SMTP_RECIPIENTS_MAX: usize = 1_000;
/// Protocol errors of one SMTP session before it is closed with 421.
pub const SMTP_ERRORS_MAX: u32 = 20;
/// Refused recipients of one SMTP session before it is closed with 421: harvesting addresses takes many connections.
pub const SMTP_REFUSED_RECIPIENTS_MAX: u32 = 100;
/// Commands of one SMTP session that do nothing (NOOP, RSET, VRFY, EHLO ...) before each counts as an error; starts anew with every
/// message.
pub const SMTP_IDLE_COMMANDS_MAX: u32 = 100;
/// Transactions of one SMTP session before it is asked to reconnect, so that load spreads.
pub const SMTP_TRANSACTIONS_MAX: u32 = 10_000;
/// Trace headers (`Received`) after which mail is held to be looping (RFC 5321 §6.3 asks for a large number, at least 100 is the
/// text's advice; 50 is what Postfix and most operators run).
pub const HOPS_MAX: usize = 50;
/// Silence after which an SMTP peer is disconnected, seconds (RFC 5321 §4.5.3.2.7).
pub const SMTP_IDLE_SECONDS_MAX: u64 = 300;
/// A message that comes in more slowly than this over [`SMTP_IDLE_SECONDS_MAX`] and its own length is given up, bytes per second.
pub const SMTP_DATA_BYTES_PER_SECOND_MIN: u64 = 500;
/// How many recipients of a pipelined group are asked about at once.
pub const SMTP_RECIPIENTS_PER_QUESTION_MAX: usize = 100;
/// Longest line of a remote server's reply, octets: RFC 5321 §4.5.3.1.5 asks for 512, some servers write whole paragraphs.
pub const SMTP_REPLY_LINE_BYTES_MAX: usize = 4_096;
/// Lines of one reply; the longest EHLO replies of real servers have about thirty.
pub const SMTP_REPLY_LINES_MAX: usize = 200;
/// What is kept of one reply, octets.
pub const SMTP_REPLY_BYTES_MAX: usize = 8 * 1024;
/// Commands that a client sends ahead of their replies (RFC 2920 §3.1: both directions must fit the sockets' buffers).
pub const SMTP_PIPELINED_COMMANDS_MAX: usize = 100;
/// Chunks that a client sends ahead of their replies (RFC 3030).
pub const SMTP_PIPELINED_CHUNKS_MAX: usize = 4;
/// Largest message that is downgraded to 7 bits for a server that takes no others, bytes: it is held in memory twice.
pub const DOWNGRADE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Watchers of deliveries that a worker has at once.
pub const DIALOGUE_WATCHERS_MAX: usize = 16;
/// Lines kept of the transcript of one connection.
pub const SMTP_TRANSCRIPT_LINES_MAX: usize = 500;

/// Largest message any listener accepts, bytes; plans lower it.
pub const MESSAGE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// The least room on disk for messages that are coming in to a front end, MiB: one of the largest.
pub const SPOOL_MIB_MIN: u32 = 128;
/// A plan's message size limit where none is set, bytes (SPPD-18: 100 MB).
pub const MESSAGE_BYTES_DEFAULT: u64 = 100 * 1024 * 1024;
/// What of an incoming message is held in memory, while all messages together leave room, before it goes to a temporary file, bytes.
pub const SPOOL_MEMORY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bodies below this are stored inline in the log's batch, others as files, bytes.
pub const INLINE_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest per-recipient prefix of a stored message, bytes.
pub const MESSAGE_PREFIX_BYTES_MAX: usize = 16 * 1024;
/// Largest message that a delivery status notification returns whole, bytes; a larger one comes back as its header.
pub const NOTICE_ORIGINAL_BYTES_MAX: usize = 64 * 1024;
/// What a delivery status notification returns of a header at most, bytes.
pub const NOTICE_HEADER_BYTES_MAX: usize = 32 * 1024;
/// One piece of a streamed body, bytes.
pub const BODY_CHUNK_BYTES: usize = 128 * 1024;
/// Inline bodies that a store node keeps because their next piece may be asked for, bytes together.
pub const KEPT_BODIES_BYTES_MAX: usize = 4 * INLINE_BODY_BYTES_MAX;
/// The same, how many: each piece that is read looks through them.
pub const KEPT_BODIES_MAX: usize = 32;

/// Longest POP3 command line, octets (RFC 2449 §4).
pub const POP3_COMMAND_BYTES_MAX: usize = 512;
/// Longest line of a POP3 AUTH exchange, octets.
pub const POP3_AUTH_LINE_BYTES_MAX: usize = 12_288;
/// Silence after which a POP3 client is disconnected, seconds (RFC 1939 §3: at least ten minutes).
pub const POP3_IDLE_SECONDS_MAX: u64 = 600;
/// Protocol errors of one POP3 session before it is closed.
pub const POP3_ERRORS_MAX: u32 = 20;
/// How long a POP3 lock outlives the silence of its holder's front end, seconds.
pub const POP3_LOCK_SECONDS: u64 = 10;

/// Messages that one FETCH of texts sets `\Seen` on before it shows them: a client that goes away meanwhile leaves so many at most that are
/// read without having been shown.
pub const IMAP_SEEN_TOGETHER_MAX: usize = 20;
/// Headers of messages that one FETCH reads at the same time: they share one confirmation by the majority, and each may hold a whole
/// inline body in memory meanwhile.
pub const IMAP_HEADERS_READ_TOGETHER_MAX: usize = 16;
/// Longest IMAP command line before login, octets.
pub const IMAP_PREAUTH_LINE_BYTES_MAX: usize = 8_192;
/// Longest IMAP command after login, octets of lines and literals together, APPEND's message excepted.
pub const IMAP_COMMAND_BYTES_MAX: usize = 1024 * 1024;
/// Longest single literal outside APPEND, octets.
pub const IMAP_LITERAL_BYTES_MAX: usize = 128 * 1024;
/// Keys of one SEARCH program, nested ones included.
pub const IMAP_SEARCH_KEYS_MAX: usize = 1_000;
/// Nesting of a SEARCH program.
pub const IMAP_SEARCH_DEPTH_MAX: usize = 100;
/// Criteria of one SORT; there are seven.
pub const SORT_CRITERIA_MAX: usize = 14;
/// A text that SORT compares is cut to so many octets: sorting keeps one for each message.
pub const SORT_TEXT_BYTES_MAX: usize = 256;
/// Items of one sequence set.
pub const IMAP_SET_ITEMS_MAX: usize = 10_000;
/// Data items of one FETCH: each may show a whole message.
pub const IMAP_FETCH_ITEMS_MAX: usize = 200;
/// Field names of one HEADER.FIELDS; real clients send about twenty.
pub const IMAP_FETCH_FIELDS_MAX: usize = 256;
/// Patterns of one LIST.
pub const IMAP_LIST_PATTERNS_MAX: usize = 100;
/// Silence after which an IMAP client is logged out, seconds (RFC 9051 §5.4: at least thirty minutes).
pub const IMAP_IDLE_SECONDS_MAX: u64 = 1_800;
/// A client in IDLE hears something at least this often, seconds: routers at home and of mobile networks forget a connection that is
/// silent for five minutes.
pub const IMAP_STILL_HERE_SECONDS: u64 = 120;
/// Silence after which the other side of a connection is asked whether it is there (TCP keepalive), seconds; below what routers forget.
pub const KEEPALIVE_AFTER_SECONDS: u64 = 120;
/// Between two such questions, seconds.
pub const KEEPALIVE_INTERVAL_SECONDS: u64 = 60;
/// So many without an answer end the connection: a phone may be without a network for ten minutes.
pub const KEEPALIVE_PROBES_MAX: u32 = 10;
/// Protocol errors of one IMAP session before it is closed with BYE.
pub const IMAP_ERRORS_MAX: u32 = 50;
/// Failed logins of one connection before it is closed.
pub const LOGIN_FAILURES_MAX: u32 = 3;

/// Longest mailbox name, octets of its UTF-8 form.
pub const MAILBOX_NAME_BYTES_MAX: usize = 1_000;
/// Levels of a mailbox name.
pub const MAILBOX_DEPTH_MAX: usize = 64;
/// Mailboxes of one account.
pub const MAILBOXES_PER_ACCOUNT_MAX: usize = 10_000;
/// Longest keyword, octets.
pub const KEYWORD_BYTES_MAX: usize = 128;
/// Different keywords on one message.
pub const KEYWORDS_PER_MESSAGE_MAX: usize = 64;
/// Different keywords that STORE and APPEND may bring into one mailbox: FLAGS of SELECT names them all.
pub const KEYWORDS_PER_MAILBOX_MAX: usize = 1_000;
/// Messages one command may touch; larger work goes in several commands.
pub const MESSAGES_PER_COMMAND_MAX: usize = 1_000;
/// Expunged messages that one answer looks at to find those that are wanted.
pub const EXPUNGED_VISITS_MAX: usize = 10_000;
/// Expunged messages that one call of the administration brings back.
pub const EXPUNGED_PER_CALL_MAX: usize = 100_000;
/// Rows in one frame of an answer.
pub const ROWS_PER_FRAME_MAX: usize = 500;
/// Cold rows (prefix and structure) of one frame, bytes, before the last: a frame stays far below what a call may answer.
pub const COLD_BYTES_PER_FRAME_MAX: usize = 2 * 1024 * 1024;
/// Changed messages in one answer of changes, give or take those of one command.
pub const CHANGES_PER_ANSWER_MAX: usize = 5_000;

/// MIME nesting that is described; deeper parts are opaque.
pub const MIME_DEPTH_MAX: usize = 64;
/// MIME parts that are described; the rest is opaque.
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

/// Longest password, octets.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Longest nonce of a SCRAM client, octets; clients send 24 to 64.
pub const SCRAM_NONCE_BYTES_MAX: usize = 256;
/// Longest token in place of a password, octets: the command that shows it fits a line of every protocol.
pub const TOKEN_BYTES_MAX: usize = 5_500;
/// Longest key set of an issuer, octets.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys of one issuer.
pub const KEY_SET_KEYS_MAX: usize = 100;
/// How old keys of an issuer may be before they are asked for again, seconds.
pub const KEYS_FRESH_SECONDS: u64 = 3_600;
/// How long they hold while new ones can't be had, seconds.
pub const KEYS_STALE_SECONDS: u64 = 86_400;
/// Between two questions for keys of an issuer, seconds.
pub const KEYS_RETRY_SECONDS: u64 = 60;
/// How long an issuer may take to tell its keys, seconds.
pub const KEYS_FETCH_SECONDS_MAX: u64 = 10;
/// Shortest password that can be set, octets.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Targets of one alias.
pub const ALIAS_TARGETS_MAX: usize = 1_000;
/// Names that are looked up behind one alias, nested ones included.
pub const ALIAS_EXPANSION_MAX: usize = 2_000;
/// How deep aliases may point at aliases.
pub const ALIAS_DEPTH_MAX: usize = 10;
/// Addresses that one account forwards to (SONET-24).
pub const FORWARD_TARGETS_MAX: usize = 5;
/// Delivered-To fields of a message that is forwarded once more, less one: with [`FORWARD_TARGETS_MAX`] it bounds what a message becomes
/// where accounts forward to each other. One that has more is kept.
pub const FORWARD_HOPS_MAX: u32 = 5;
/// Messages that a forward's target refuses for good, one after the other, until nothing more is forwarded to it.
pub const FORWARD_REFUSALS_MAX: u32 = 5;
/// Longest free text an operator may attach (suspension reason, description), octets.
pub const REASON_BYTES_MAX: usize = 1_024;
/// Longest local part that can be created, octets (SONET-33).
pub const CREATED_LOCAL_PART_BYTES_MAX: usize = 32;

/// Longest name of a plan, token or setting, octets.
pub const OBJECT_NAME_BYTES_MAX: usize = 64;
/// Tokens of the administration: each call reads them all.
pub const ADMIN_TOKENS_MAX: usize = 1_000;
/// Longest name that a token is given, octets.
pub const ADMIN_TOKEN_NAME_BYTES_MAX: usize = 32;
/// Longest value of a cluster setting, bytes.
pub const SETTING_BYTES_MAX: usize = 64 * 1024;

/// Trash expiry where a plan sets none, seconds: 7 days after the move into Trash (SHIN-17).
pub const TRASH_EXPIRY_SECONDS_DEFAULT: u64 = 7 * 86_400;
/// How long expunged mail stays in the vault where a plan sets none, seconds.
pub const VAULT_SECONDS_DEFAULT: u64 = 7 * 86_400;
/// Shortest time between two automatic answers to one sender, seconds: a day, so that two programs can't keep each other busy.
pub const AUTO_REPLY_SECONDS_MIN: u64 = 86_400;
/// Days between two automatic answers to one sender, at most.
pub const AUTO_REPLY_DAYS_MAX: u16 = 90;
/// Days between two automatic answers to one sender where nobody says otherwise (RFC 5230 §4.1).
pub const AUTO_REPLY_DAYS_DEFAULT: u16 = 7;
/// Subject of an automatic answer, bytes of UTF-8.
pub const AUTO_REPLY_SUBJECT_BYTES_MAX: usize = 500;
/// Text of an automatic answer, bytes of UTF-8.
pub const AUTO_REPLY_TEXT_BYTES_MAX: usize = 16 * 1024;
/// The same with its fields as it is sent, bytes: quoted-printable makes three of one, and adds line ends.
pub const AUTO_REPLY_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Senders that an account has answered and must not answer again yet: nobody else is answered beyond, so that nobody is twice.
pub const AUTO_REPLIES_REMEMBERED_MAX: usize = 2_000;
/// Accounts that answer one delivery: who writes to an alias of all does not get mail from all.
pub const AUTO_REPLIES_PER_DELIVERY_MAX: usize = 5;
/// Recipients in a message's header that are looked at to see whether an account is named.
pub const AUTO_REPLY_NAMED_MAX: usize = 50;
/// Header fields that an automatic answer takes from the message that it answers, bytes.
pub const AUTO_REPLY_FIELDS_BYTES_MAX: usize = 4 * 1024;
/// Header fields that say where a message comes from of which a note is made.
pub const ORIGIN_FIELDS_MAX: usize = 32;
/// How long the outcome of a delivery is remembered for its retry, seconds.
pub const DEDUPE_DELIVERY_SECONDS: u64 = 15 * 60;
/// How long it is remembered that queued mail was delivered to a hosted domain, seconds: so long may all queue workers be away between the
/// delivery and its record.
pub const DEDUPE_QUEUED_SECONDS: u64 = 2 * 86_400;
/// How long the outcome of an administrative request is remembered, seconds.
pub const DEDUPE_ADMIN_SECONDS: u64 = 24 * 3_600;
/// Outcomes are forgotten at whole multiples of this, seconds, so that a group isn't woken for each.
pub const FORGET_STEP_SECONDS: u64 = 60;
/// Expunge tombstones (one per command that removed messages) kept per mailbox before its QRESYNC floor rises.
pub const TOMBSTONES_PER_MAILBOX_MAX: u32 = 1_000;
/// The latest stamp that apply takes, milliseconds: the year 2200. A stamp in a wrong unit must not become a group's time.
pub const STAMP_MS_MAX: u64 = 7_258_118_400_000;
/// How far a store node's clock may be from the median of all store nodes' clocks, milliseconds: beyond that the node neither
/// stamps entries nor leads.
pub const CLOCK_OFF_MS_MAX: u64 = 2_000;

/// What a front end gathers for a peer before it sends and waits, bytes; a peer that does not read stops its session here.
pub const OUTGOING_BYTES_MAX: usize = 64 * 1024;
/// How long a peer may take to read what is sent to it, seconds, and one more for each [`WRITE_BYTES_PER_SECOND_MIN`].
pub const WRITE_SECONDS_MAX: u64 = 60;
/// A peer that reads more slowly is given up, bytes per second.
pub const WRITE_BYTES_PER_SECOND_MIN: u64 = 1_024;
/// Logins that wait for Argon2id; more are answered that the server is busy.
pub const SLOW_LOGINS_QUEUED_MAX: usize = 100;
/// Accounts, each from one network, whose failed logins one front end remembers; and as many networks.
pub const LOGIN_ENTRIES_MAX: usize = 100_000;
/// Different wrong passwords that are remembered of one account from one network.
pub const WRONG_PASSWORDS_REMEMBERED: usize = 4;
/// How long a network is welcome after a login of an account, seconds.
pub const LOGIN_WELCOME_SECONDS: u64 = 30 * 86_400;
/// Longest wait before failed commands of a group are answered, seconds: well below the five minutes that clients wait for a reply
/// (RFC 5321 §4.5.3.2).
pub const TARPIT_SECONDS_MAX: u64 = 60;
/// Leading bits that IPv4 addresses of one network share where strangers are asked to come again: big senders try from their neighbours.
pub const GREYLIST_IPV4_BITS: u8 = 24;
/// As [`GREYLIST_IPV4_BITS`], of IPv6 addresses.
pub const GREYLIST_IPV6_BITS: u8 = 64;
/// Strangers and networks that one domain remembers, about 60 bytes each; while it is full nobody new is asked to come again.
pub const GREYLIST_ROWS_PER_DOMAIN_MAX: u32 = 50_000;
/// They are forgotten at whole multiples of this, seconds, so that a group isn't woken for each.
pub const GREYLIST_STEP_SECONDS: u64 = 3_600;
/// What is remembered is made to last longer when so much of its time is over, seconds: a welcome guest costs a command a day at most.
pub const GREYLIST_RENEW_SECONDS: u64 = 86_400;
/// Longest time a stranger may be asked to wait, seconds: senders retry for days, their users don't.
pub const GREYLIST_DELAY_SECONDS_MAX: u64 = 3_600;
/// Longest time that anything is remembered, seconds.
pub const GREYLIST_SECONDS_MAX: u64 = 366 * 86_400;
/// Countries in one rule; there are about 250.
pub const COUNTRIES_MAX: usize = 300;
/// Accounts and domains whose messages may name anybody as their author: each is compared with who sends.
pub const AUTHORS_EXEMPT_MAX: usize = 1_000;
/// Largest database of countries that is read, bytes; those of whole cities have about 60 MB.
pub const COUNTRY_DATABASE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How often a message that came by LMTP is stored anew for recipients who are not to blame that others were refused.
pub const LMTP_ROUNDS_MAX: usize = 3;
/// How long a proxy may take to say whose connection it passes on, seconds (proxy-protocol.txt section 2: at least 3).
pub const PROXY_HEADER_SECONDS_MAX: u64 = 10;
/// Longest rest of a PROXY header of version 2, octets: addresses, and what load balancers append, a client's certificate included.
pub const PROXY_HEADER_BYTES_MAX: usize = 4_096;
/// Items in one page of a listing, default and bound (AIP-158).
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// See [`PAGE_SIZE_DEFAULT`].
pub const PAGE_SIZE_MAX: usize = 1_000;

const _: () = {
    assert!(LOCAL_PART_BYTES_MAX + 1 + DOMAIN_BYTES_MAX <= PATH_BYTES_MAX);
    assert!(MESSAGE_BYTES_DEFAULT <= MESSAGE_BYTES_MAX);
    assert!((SPOOL_MIB_MIN as u64) << 20 >= MESSAGE_BYTES_MAX);
    assert!(NOTICE_HEADER_BYTES_MAX <= NOTICE_ORIGINAL_BYTES_MAX);
    assert!(PATH_BYTES_MAX < SMTP_COMMAND_BYTES_MAX);
    assert!((TOKEN_BYTES_MAX + PATH_BYTES_MAX + 100) * 4 / 3 + 100 < IMAP_PREAUTH_LINE_BYTES_MAX);
    assert!(
        IMAP_PREAUTH_LINE_BYTES_MAX <= SMTP_AUTH_LINE_BYTES_MAX && SMTP_AUTH_LINE_BYTES_MAX <= POP3_AUTH_LINE_BYTES_MAX
    );
    assert!(REMOTE_REPLY_BYTES_MAX <= SMTP_REPLY_BYTES_MAX);
    assert!(SMTP_REPLY_LINE_BYTES_MAX <= SMTP_REPLY_BYTES_MAX);
    assert!(CREATED_LOCAL_PART_BYTES_MAX <= LOCAL_PART_BYTES_MAX);
    assert!(QUEUE_LIFETIME_SECONDS_DEFAULT < DKIM_RETIRING_SECONDS);
    assert!(2 * DKIM_SIGNATURES_BYTES_MAX <= MESSAGE_PREFIX_BYTES_MAX);
    assert!(2 * AUTH_RESULTS_BYTES_MAX <= MESSAGE_PREFIX_BYTES_MAX);
    assert!(TARPIT_SECONDS_MAX < SMTP_IDLE_SECONDS_MAX);
    assert!(GREYLIST_STEP_SECONDS <= GREYLIST_RENEW_SECONDS);
    assert!(MIME_BOUNDARY_BYTES_MAX >= 70);
    assert!(HEADER_FIELD_BYTES_MAX <= STRUCTURE_BYTES_MAX);
    // The recipients of one transaction, all of one destination, fit in one command.
    assert!(SMTP_RECIPIENTS_MAX <= QUEUE_RECIPIENTS_PER_COMMAND_MAX);
};
