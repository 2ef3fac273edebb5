//! What other servers are told when their mail is not believed, or they themselves are not.
//!
//! Each text says what failed and what the sender's side can do. SONET-09 and SONET-10 are word for word what the service's users know,
//! in sendmail's full form. Codes follow RFC 7372 where it has one and the hosting rule names no other.

use yubin_types::{Address, SmtpReply};

use crate::inbound::InboundDenial;
use crate::peer::PeerDenial;

/// A message that is not taken.
#[must_use]
pub fn inbound(denial: &InboundDenial) -> SmtpReply {
    match denial {
        InboundDenial::Dmarc { author } => {
            let text = format!(
                "Message refused: it is not authentic mail of {author} (DMARC: neither SPF nor DKIM passed for that domain), whose \
                 policy is to reject such mail. If it is yours, sign it with DKIM as {author}, or send it through that domain's servers"
            );
            SmtpReply::new(550, (5, 7, 1), &text)
        }
        InboundDenial::Author => SmtpReply::new(
            550,
            (5, 7, 1),
            "Message refused: it must have exactly one From field (RFC 5322 section 3.6); correct the sending program",
        ),
        InboundDenial::Unknown { author } => {
            let text = format!(
                "The DNS records of {author} that would prove this message authentic can't be looked up now; try again later"
            );
            SmtpReply::new(451, (4, 7, 1), &text)
        }
    }
}

/// A message that has more header than is read.
#[must_use]
pub fn header_too_long(bytes_max: usize) -> SmtpReply {
    SmtpReply::new(552, (5, 3, 4), &format!("Message header size exceeds fixed limit of {bytes_max} bytes"))
}

/// A host that may not send.
#[must_use]
pub fn peer(denial: &PeerDenial) -> SmtpReply {
    match denial {
        PeerDenial::NoName { recipient, peer } => {
            let text = format!("<{recipient}>... Relaying denied. IP name lookup failed [{peer}]");
            SmtpReply::new(550, (5, 7, 1), &text)
        }
        PeerDenial::ForgedName { recipient, peer } => {
            let text = format!("<{recipient}>... Relaying denied. IP name possibly forged [{peer}]");
            SmtpReply::new(550, (5, 7, 1), &text)
        }
        PeerDenial::UnknownName { peer } => {
            SmtpReply::new(450, (4, 7, 1), &format!("Cannot resolve PTR record for {peer}"))
        }
        PeerDenial::Listed { peer, zone, lookup } => {
            let text = if lookup.is_empty() {
                format!("Refused: {peer} is listed by {zone}; ask the operator of that list")
            } else {
                format!("Refused: {peer} is listed by {zone}; look it up and ask for removal at {lookup}")
            };
            SmtpReply::new(550, (5, 7, 1), &text)
        }
    }
}

/// A stranger that is asked to come again in so many seconds (RFC 6647 §5).
#[must_use]
pub fn greylisted(recipient: &Address, seconds: u64) -> SmtpReply {
    let text = format!(
        "<{recipient}>: Greylisted: this server does not know you yet; try again in {seconds} seconds, as every mail server does"
    );
    SmtpReply::new(451, (4, 7, 1), &text)
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName};

    use super::{greylisted, inbound, peer};
    use crate::inbound::InboundDenial;
    use crate::peer::PeerDenial;

    /// SONET-09, SONET-10.
    #[test]
    fn hosts_without_a_name_read_what_they_know() {
        let recipient = || Address::parse("tim@example.jp").unwrap();
        let host = [192, 0, 2, 1].into();
        assert_eq!(
            peer(&PeerDenial::NoName { recipient: recipient(), peer: host }).to_string(),
            "550 5.7.1 <tim@example.jp>... Relaying denied. IP name lookup failed [192.0.2.1]"
        );
        assert_eq!(
            peer(&PeerDenial::ForgedName { recipient: recipient(), peer: host }).to_string(),
            "550 5.7.1 <tim@example.jp>... Relaying denied. IP name possibly forged [192.0.2.1]"
        );
        assert_eq!(
            peer(&PeerDenial::UnknownName { peer: host }).to_string(),
            "450 4.7.1 Cannot resolve PTR record for 192.0.2.1"
        );
    }

    #[test]
    fn a_stranger_is_told_when_to_come_again() {
        let said = greylisted(&Address::parse("tim@example.jp").unwrap(), 300).to_string();
        assert!(
            said.starts_with("451 4.7.1 <tim@example.jp>: Greylisted") && said.contains("in 300 seconds"),
            "{said}"
        );
    }

    #[test]
    fn a_refusal_says_what_failed_and_what_to_do() {
        let author = DomainName::parse("a.example").unwrap();
        let forged = inbound(&InboundDenial::Dmarc { author: author.clone() }).to_string();
        assert!(forged.starts_with("550 5.7.1 ") && forged.contains("DMARC") && forged.contains("sign it"), "{forged}");
        assert!(inbound(&InboundDenial::Unknown { author }).to_string().starts_with("451 4.7.1 "));
        let listed = PeerDenial::Listed {
            peer: [192, 0, 2, 1].into(),
            zone: "bl.example".into(),
            lookup: "https://bl.example/q".into(),
        };
        let listed = peer(&listed).to_string();
        assert!(listed.contains("bl.example;") && listed.ends_with("https://bl.example/q"), "{listed}");
    }
}
