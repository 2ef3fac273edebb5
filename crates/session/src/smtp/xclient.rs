//! XCLIENT: a trusted peer, such as a webmail or a filter in front, says whose client it speaks for (Postfix's XCLIENT_README).
//!
//! Offered to trusted peers only. `ADDR` and `PORT` become the peer's, `HELO` and `PROTO` stand in the Received field; `NAME` is
//! understood and not believed, since names are looked up here. `LOGIN` is not offered: nobody is logged in without showing a password.
//! Values are xtext (RFC 3461 §4). The session begins anew with a greeting, but for TLS.

use std::net::IpAddr;
use std::str::FromStr as _;

use super::command::{harmless_name, parameters_of};
use super::contract::{Ask, ClientClaim, Xclient};
use super::session::{Client, Envelope, Phase, SmtpSession};
use super::violation::Violation;

/// The line of EHLO.
pub(super) const OFFER: &str = "250-XCLIENT NAME ADDR PORT PROTO HELO";

/// Longest value, octets: a name of the DNS as xtext.
const VALUE_BYTES_MAX: usize = 3 * 255;

/// What stands in the Received field in place of the peer's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claimed {
    /// HELO.
    pub(super) helo: Option<String>,
    /// PROTO.
    pub(super) protocol: Option<Protocol>,
}

/// What the client spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Smtp,
    Esmtp,
}

impl SmtpSession {
    /// XCLIENT with its arguments.
    pub(super) fn xclient(&mut self, arguments: &[u8], envelope: Envelope) -> Option<Ask> {
        let violation = if self.config.xclient == Xclient::Off {
            Violation::UnknownCommand
        } else if !self.input.is_empty() {
            Violation::Unsynchronized
        } else if !matches!(envelope, Envelope::None) || self.client.user.is_some() {
            Violation::InTransaction
        } else {
            match parse(arguments) {
                Ok((claim, claimed)) => {
                    self.phase = Phase::Claiming(claimed);
                    return Some(Ask::Client(claim));
                }
                Err(violation) => violation,
            }
        };
        self.misplaced(envelope, violation)
    }

    /// The rim believes it: everything begins anew.
    pub(super) fn claimed(&mut self, claimed: Claimed) {
        self.claimed = Some(claimed);
        self.client = Client::new(self.client.security.clone());
        self.greet();
    }
}

fn parse(arguments: &[u8]) -> Result<(ClientClaim, Claimed), Violation> {
    let (mut claim, mut claimed) = (ClientClaim::default(), Claimed::default());
    if arguments.is_empty() {
        return Err(Violation::Arguments);
    }
    for (name, value) in parameters_of(arguments) {
        let value = decode(value.ok_or(Violation::Arguments)?).ok_or(Violation::Arguments)?;
        let known = match value.to_ascii_uppercase().as_str() {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => None,
            _ => Some(value.as_str()),
        };
        match (name.to_ascii_uppercase().as_slice(), known) {
            (b"NAME", _) | (b"PORT" | b"PROTO" | b"HELO", None) => {}
            (b"ADDR", Some(value)) => claim.address = Some(address(value).ok_or(Violation::Arguments)?),
            (b"PORT", Some(value)) => claim.port = Some(value.parse().map_err(|_| Violation::Arguments)?),
            (b"PROTO", Some(value)) => claimed.protocol = Some(protocol(value).ok_or(Violation::Arguments)?),
            (b"HELO", Some(value)) => claimed.helo = Some(harmless_name(value.as_bytes())),
            // Without an address nothing could be said of the client's rights.
            _ => return Err(Violation::Arguments),
        }
    }
    Ok((claim, claimed))
}

/// `192.0.2.1` or `IPV6:2001:db8::1`.
fn address(value: &str) -> Option<IpAddr> {
    let tagged = value.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPV6:"));
    match tagged {
        Some(_) => value.get(5..).and_then(|rest| IpAddr::from_str(rest).ok()).filter(IpAddr::is_ipv6),
        None => IpAddr::from_str(value).ok(),
    }
}

fn protocol(value: &str) -> Option<Protocol> {
    match value.to_ascii_uppercase().as_str() {
        "SMTP" => Some(Protocol::Smtp),
        "ESMTP" => Some(Protocol::Esmtp),
        _ => None,
    }
}

/// xtext: `+` and two hex digits stand for an octet.
fn decode(value: &[u8]) -> Option<String> {
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        return None;
    }
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        rest = tail;
        octets.push(match (first, tail) {
            (b'+', [high, low, tail @ ..]) => {
                rest = tail;
                let digits = [*high, *low];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            (b'+', _) => return None,
            (octet, _) => *octet,
        });
    }
    String::from_utf8(octets).ok().filter(|text| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::{Claimed, Protocol, parse};
    use crate::smtp::ClientClaim;

    #[test]
    fn attributes_are_read_as_postfix_writes_them() {
        let (claim, claimed) =
            parse(b"NAME=spike.example ADDR=192.0.2.9 PORT=4711 PROTO=ESMTP HELO=spike+2Eexample").unwrap();
        assert_eq!(claim, ClientClaim { address: Some([192, 0, 2, 9].into()), port: Some(4711) });
        assert_eq!(claimed, Claimed { helo: Some("spike.example".to_owned()), protocol: Some(Protocol::Esmtp) });
        let (claim, claimed) = parse(b"name=[unavailable] addr=IPV6:2001:db8::9 HELO=[TEMPUNAVAIL]").unwrap();
        assert_eq!(claim.address, Some("2001:db8::9".parse().unwrap()));
        assert_eq!(claimed, Claimed::default());
        assert_eq!(parse(b"HELO=a+28b+29").unwrap().1.helo.unwrap(), "a?b?");
    }

    #[test]
    fn what_is_not_offered_or_makes_no_sense_is_refused() {
        for arguments in [
            "",
            "ADDR",
            "ADDR=",
            "ADDR=[UNAVAILABLE]",
            "ADDR=spike.example",
            "ADDR=192.0.2.256",
            "ADDR=IPV6:192.0.2.1",
            "PORT=70000",
            "PROTO=HTTP",
            "HELO=a+0",
            "HELO=a+0D+0Ab",
            "LOGIN=tim@example.jp",
            "DESTADDR=192.0.2.1",
            "X=1",
        ] {
            assert!(parse(arguments.as_bytes()).is_err(), "{arguments}");
        }
    }
}
