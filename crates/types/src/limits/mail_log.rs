//! Bounds of the mail log, and of what is written down in it of logins and connections that were refused.

/// How long the mail log is kept, days.
pub const MAIL_LOG_DAYS: u64 = 30;
/// Events of the mail log that wait in a process to be carried to a store node; more are lost, and counted.
pub const MAIL_EVENTS_WAITING_MAX: usize = 8_192;
/// Events that are carried, or found, at once.
pub const MAIL_EVENTS_PER_CALL_MAX: usize = 1_000;
/// Longest text in an event of the mail log, bytes; the rest is cut off.
pub const MAIL_EVENT_TEXT_BYTES_MAX: usize = 512;
/// In which the allowances grow back by which refused logins and connections are written down one by one, seconds.
pub const REFUSALS_WINDOW_SECONDS: u64 = 600;
/// Refusals of one network, and of one account, that are written down one by one within [`REFUSALS_WINDOW_SECONDS`]; more are added up.
pub const REFUSALS_LOGGED_PER_WINDOW: u64 = 20;
/// Refusals of a whole front end that are written down one by one within [`REFUSALS_WINDOW_SECONDS`].
pub const REFUSALS_LOGGED_PER_WINDOW_OF_ALL: u64 = 3_000;
/// How often refusals that were added up are written down, seconds.
pub const REFUSALS_SUM_SECONDS: u64 = 60;
/// Networks and accounts whose refusals are added up at a time, each by itself; those of more are added up together.
pub const REFUSAL_SUMS_MAX: usize = 1_000;
/// Accounts or networks that are named where refusals of several are added up.
pub const REFUSAL_NAMES_MAX: usize = 3;
/// Networks, and accounts, whose refusals a front end remembers.
pub const REFUSALS_REMEMBERED_MAX: usize = 10_000;
