//! What a network is told that asks for more than its share, and anybody for whom no place is left: temporary in every protocol, and said
//! before or in place of anything else.

use std::net::IpAddr;

use yubin_types::{ResponseText, SmtpReply};

use crate::networks::{NetworkDenial, NetworkId};

const FULL: &str = "Too many connections at the moment; try again later";

/// An SMTP greeting, or the end of a session.
#[must_use]
pub fn smtp_network(denial: NetworkDenial, network: NetworkId) -> SmtpReply {
    SmtpReply::new(421, (4, 7, 0), &text(denial, network))
}

/// An IMAP greeting: what goes after `* BYE ` (RFC 9051 §7.1.5, RFC 5530).
#[must_use]
pub fn imap_network(denial: NetworkDenial, network: NetworkId) -> ResponseText {
    ResponseText::new(Some("UNAVAILABLE"), &text(denial, network))
}

/// A POP3 greeting: what goes after `-ERR ` (RFC 3206).
#[must_use]
pub fn pop3_network(denial: NetworkDenial, network: NetworkId) -> ResponseText {
    ResponseText::new(Some("SYS/TEMP"), &text(denial, network))
}

/// An SMTP greeting where no place is left (RFC 5321 §3.8, RFC 3463 §3.4).
#[must_use]
pub fn smtp_full() -> SmtpReply {
    SmtpReply::new(421, (4, 3, 2), FULL)
}

/// An IMAP greeting where no place is left: what goes after `* BYE `.
#[must_use]
pub fn imap_full() -> ResponseText {
    ResponseText::new(Some("UNAVAILABLE"), FULL)
}

/// A POP3 greeting where no place is left: what goes after `-ERR `.
#[must_use]
pub fn pop3_full() -> ResponseText {
    ResponseText::new(Some("SYS/TEMP"), FULL)
}

/// An LMTP greeting for a stranger.
#[must_use]
pub fn not_our_own(peer: IpAddr) -> SmtpReply {
    SmtpReply::new(
        554,
        (5, 7, 1),
        &format!("LMTP is for this system's own machines, and {peer} is none of them; use SMTP"),
    )
}

fn text(denial: NetworkDenial, network: NetworkId) -> String {
    match denial {
        NetworkDenial::Connections => {
            format!("Too many connections from {network}; close some, or try again when they have ended")
        }
        NetworkDenial::ConnectionRate => {
            format!("Too many new connections from {network}; try again in a minute")
        }
        NetworkDenial::Failures => format!(
            "Too many failed commands and refused recipients from {network}; check the addresses you send to, and try again in an hour"
        ),
    }
}
