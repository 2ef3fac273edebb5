//! The fields that go before a stored message: Return-Path, Delivered-To, Authentication-Results (RFC 8601), Received
//! (RFC 5321 §4.4), X-Spam-Status.
//!
//! What was found stands above Received, as what was written later does (RFC 8601 §4): whoever reads it there knows that no message brought it,
//! because Received is written before every one.

use std::net::IpAddr;

use bytes::Bytes;
use yubin_message::{DateTime, HeaderWriter, Received};
use yubin_policy::DeliverPermit;
use yubin_session::smtp::Origin;
use yubin_types::{Address, DomainName, ReversePath, Timestamp, TraceId};

use super::assessment::Assessment;
use super::verification::Verified;

/// Writes the prefixes of one message, which differ in their recipient.
pub(super) struct TraceFields<'a> {
    pub(super) sender: &'a ReversePath,
    pub(super) origin: &'a Origin,
    pub(super) peer: IpAddr,
    pub(super) hostname: &'a str,
    pub(super) id: TraceId,
    pub(super) now: Timestamp,
    /// Of a stranger's message.
    pub(super) verified: Option<&'a Verified>,
    /// What its content is to its recipients.
    pub(super) assessed: Option<&'a Assessment>,
}

impl TraceFields<'_> {
    /// The prefix of each recipient's copy. `for` is written where there is one alone: naming several would disclose them.
    pub(super) fn prefixes(&self, recipients: &[&DeliverPermit]) -> Vec<Bytes> {
        let alone = match recipients {
            [permit] => Some(permit.recipient().to_string()),
            _ => None,
        };
        let mut common: Vec<u8> = self.verified.iter().flat_map(|verified| &verified.field).copied().collect();
        common.extend(self.received(alone.as_deref()));
        let sender = self.sender.address().map(Address::to_string);
        let prefix = |permit: &&DeliverPermit| {
            let mut writer = HeaderWriter::new();
            writer.return_path(sender.as_deref());
            writer.delivered_to(&permit.recipient().to_string());
            let mut prefix = writer.into_bytes();
            prefix.extend_from_slice(&common);
            prefix.extend(self.assessed.map(|assessed| assessed.fields(permit.recipient())).unwrap_or_default());
            Bytes::from(prefix)
        };
        recipients.iter().map(prefix).collect()
    }

    /// The Received field alone: all that goes before a message on its way out.
    pub(super) fn received(&self, recipient: Option<&str>) -> Vec<u8> {
        let tls = self.origin.tls.as_ref().map(|facts| format!("{} {}", facts.version, facts.cipher));
        let mut writer = HeaderWriter::new();
        writer.received(&Received {
            helo: &self.origin.helo,
            peer: self.peer,
            peer_name: self.verified.and_then(|verified| verified.peer_name.as_ref()).map(DomainName::as_str),
            by: self.hostname,
            with: self.origin.protocol,
            tls: tls.as_deref(),
            id: &self.id.to_string(),
            recipient,
            date: DateTime::utc(i64::try_from(self.now.seconds()).unwrap_or(i64::MAX)),
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use yubin_policy::DeliverPermit;
    use yubin_policy::recipient::{self as policy, Admission, Hosting, RecipientFacts, admit};
    use yubin_session::TlsFacts;
    use yubin_session::smtp::Origin;
    use yubin_types::{Address, ReversePath, Timestamp, TraceId};

    use super::TraceFields;

    fn permit(address: &str) -> DeliverPermit {
        let recipient = &Address::parse(address).unwrap();
        let origin = policy::Origin::Mx { transaction: None };
        match admit(RecipientFacts { recipient, hosting: Hosting::Hosted, origin }) {
            Ok(Admission::Deliver(permit)) => permit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sole_recipient_is_named_and_several_are_not() {
        let origin = Origin {
            helo: "mail.example".to_owned(),
            protocol: "ESMTPS",
            tls: Some(TlsFacts {
                version: "TLSv1.3".to_owned(),
                cipher: "TLS13_AES_128_GCM_SHA256".to_owned(),
                server_name: None,
                channel_binding: None,
            }),
            user: None,
        };
        let fields = TraceFields {
            sender: &ReversePath::Address(Address::parse("a@example.org").unwrap()),
            origin: &origin,
            peer: [192, 0, 2, 1].into(),
            hostname: "mx.example.jp",
            id: TraceId([0xab; 16]),
            now: Timestamp::from_seconds(880_127_706),
            verified: None,
            assessed: None,
        };
        let (b, c) = (permit("b@example.jp"), permit("c@example.jp"));
        let text = |prefix: &bytes::Bytes| String::from_utf8(prefix.to_vec()).unwrap().replace("\r\n\t", " ");
        let [prefix] = &fields.prefixes(&[&b])[..] else { panic!() };
        assert_eq!(
            text(prefix),
            "Return-Path: <a@example.org>\r\nDelivered-To: b@example.jp\r\n\
             Received: from mail.example ([192.0.2.1]) by mx.example.jp with ESMTPS (TLSv1.3 TLS13_AES_128_GCM_SHA256) \
             id abababababababababababababababab for <b@example.jp>; Fri, 21 Nov 1997 15:55:06 +0000\r\n"
        );
        let both = fields.prefixes(&[&b, &c]);
        assert!(both.iter().all(|prefix| !text(prefix).contains(" for <")));
        assert!(text(&both[1]).contains("Delivered-To: c@example.jp\r\n"));
    }
}
