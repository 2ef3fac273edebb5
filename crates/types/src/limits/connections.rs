//! Connections of a front end: how many it serves and turns away at a time, and how long one is kept of which nothing comes.

use super::{SMTP_IDLE_SECONDS_MAX, SMTP_RECIPIENTS_MAX};

/// Connections of one front end at a time, all services together, however it is configured; below the file descriptors that manifests
/// give a process.
pub const CONNECTIONS_MAX: usize = 60_000;
/// Networks whose connections a front end remembers, about 300 bytes each; more than it has connections, which are never forgotten.
pub const NETWORKS_REMEMBERED_MAX: usize = 65_536;
/// Connections without a place that are kept at a time until the peer has read why; further ones are closed at once.
pub const CONNECTIONS_TURNED_AWAY_MAX: usize = 256;
/// How long such a connection is kept, seconds.
pub const TURNING_AWAY_SECONDS_MAX: u64 = 1;
/// Places are scarce when fewer than one of so many of a service's are free.
pub const SCARCE_PLACES_PART: usize = 10;
/// Silence allowed while places are scarce, seconds, of whoever is not logged in: what Postfix allows under stress.
pub const SCARCE_IDLE_SECONDS_MAX: u64 = 10;
/// Silence allowed before login, seconds.
pub const PREAUTH_IDLE_SECONDS_MAX: u64 = 60;
/// Time from connecting to being logged in, or with SMTP to the first sender that is accepted, seconds: silence alone doesn't stop a
/// peer that sends an octet a minute.
pub const PREAUTH_SECONDS_MAX: u64 = 180;
/// Time that an SMTP session may go on without a message that is taken, seconds; one that comes in ends by its own rate.
pub const SMTP_FRUITLESS_SECONDS_MAX: u64 = 1_800;
/// Commands of one SMTP session that fail by no fault of the peer (recipients beyond `SMTP_RECIPIENTS_MAX`, declared sizes), before
/// each counts as an error; starts anew with every message. A sender that knows no limits may name ten times the recipients.
pub const SMTP_FORGIVEN_COMMANDS_MAX: u32 = 10_000;

const _: () = {
    assert!(CONNECTIONS_MAX < NETWORKS_REMEMBERED_MAX);
    assert!(SCARCE_IDLE_SECONDS_MAX <= PREAUTH_IDLE_SECONDS_MAX);
    assert!(PREAUTH_IDLE_SECONDS_MAX <= PREAUTH_SECONDS_MAX);
    assert!(SMTP_IDLE_SECONDS_MAX < SMTP_FRUITLESS_SECONDS_MAX);
    assert!(SMTP_RECIPIENTS_MAX < SMTP_FORGIVEN_COMMANDS_MAX as usize);
};
