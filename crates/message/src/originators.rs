//! Whom a message says that it is from: its originator fields (RFC 5322 §3.6.2, §3.6.6), for whoever has to know every author it names.
//!
//! Every address is found that some program might take for an author's, be it by reading a broken field in another way; a field about which
//! programs may differ is unreadable. Names beside addresses, comments and quoted strings are not read. At most
//! [`SUBMITTED_AUTHORS_MAX`] addresses.

use yubin_types::limits::SUBMITTED_AUTHORS_MAX;
use yubin_types::{Address, DomainName, LocalPart};

use crate::address::{Mailbox, every_mailbox};
use crate::header::HeaderFields;

/// Whom a header names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Originators {
    /// What each From field says; RFC 5322 §3.6 wants one.
    pub from: Vec<Result<Vec<Address>, OriginatorError>>,
    /// Who says that they send it for the authors: the first Resent-Sender, else Resent-From, else Sender, as RFC 4407 §2 has them in turn.
    pub sender: Option<Result<Vec<Address>, OriginatorError>>,
}

/// Why a field is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginatorError {
    /// It is no list of addresses, or not the same one to everybody.
    Unreadable,
    /// It has more than [`SUBMITTED_AUTHORS_MAX`] addresses.
    TooMany,
}

impl Originators {
    /// Reads a header, or a message from its beginning.
    #[must_use]
    pub fn read(header: &[u8]) -> Originators {
        let mut read = Originators::default();
        let mut senders = [None, None, None];
        for field in HeaderFields::new(header) {
            if field.is("From") {
                read.from.push(addresses(field.body));
                continue;
            }
            let place = ["Resent-Sender", "Resent-From", "Sender"].iter().position(|name| field.is(name));
            if let Some(first) = place.and_then(|place| senders.get_mut(place)) {
                first.get_or_insert(field.body);
            }
        }
        read.sender = senders.into_iter().flatten().next().map(addresses);
        read
    }
}

fn addresses(body: &[u8]) -> Result<Vec<Address>, OriginatorError> {
    let found = every_mailbox(body).ok_or(OriginatorError::Unreadable)?;
    if found.len() > SUBMITTED_AUTHORS_MAX {
        return Err(OriginatorError::TooMany);
    }
    let named = found.iter().map(|mailbox| address(mailbox).ok_or(OriginatorError::Unreadable));
    let mut named = named.collect::<Result<Vec<Address>, _>>()?;
    // Programs write an address as its own name.
    named.dedup();
    Ok(named)
}

/// Unquoted, as [`LocalPart`] keeps it.
fn address(mailbox: &Mailbox) -> Option<Address> {
    let local = String::from_utf8(mailbox.local.to_vec()).ok()?;
    let domain = std::str::from_utf8(&mailbox.domain).ok()?;
    Some(Address { local: LocalPart::try_from(local).ok()?, domain: DomainName::parse(domain).ok()? })
}

#[cfg(test)]
mod tests {
    use super::{OriginatorError, Originators};

    fn read(header: &str) -> Originators {
        Originators::read(header.as_bytes())
    }

    fn shown(field: &Result<Vec<yubin_types::Address>, OriginatorError>) -> Vec<String> {
        field.as_ref().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn authors_are_found_in_every_spelling_of_the_field() {
        let header =
            "To: x@y\r\nno field\r\nfrom : A@B.Example <a@b.example>,\r\n\t\"c d\"@e.example\r\n\r\nFrom: z@body\r\n";
        let read = read(header);
        assert_eq!(read.from.len(), 1);
        assert_eq!(shown(&read.from[0]), ["A@b.example", "a@b.example", "\"c d\"@e.example"]);
        assert_eq!(read.sender, None);
    }

    #[test]
    fn what_is_no_address_makes_the_field_unreadable() {
        let unreadable = Err(OriginatorError::Unreadable);
        for body in ["a@[127.0.0.1]", "a@b..c", "a@b c@d", "a@b_\u{1}", "a@\u{fffd}\u{ad}"] {
            assert_eq!(read(&format!("From: {body}\r\n\r\n")).from, std::slice::from_ref(&unreadable), "{body:?}");
        }
        assert_eq!(Originators::read(b"From: a@b\xff\r\n\r\n").from, [unreadable]);
        let many = format!("From: {}\r\n\r\n", "a@b,".repeat(20_000));
        assert_eq!(read(&many).from, [Err(OriginatorError::TooMany)]);
        assert!(read("Subject: x\r\n\r\n").from.is_empty());
        assert_eq!(read("From: root\r\nFROM: a@b\r\n\r\n").from.len(), 2);
    }

    #[test]
    fn who_sends_it_now_goes_before_who_sent_it_first() {
        let sender = |header: &str| read(header).sender.map(|sender| shown(&sender).join(","));
        assert_eq!(sender("Sender: a@b\r\nSender: c@d\r\n\r\n").as_deref(), Some("a@b"));
        assert_eq!(sender("Sender: a@b\r\nResent-From: c@d\r\n\r\n").as_deref(), Some("c@d"));
        assert_eq!(sender("Resent-From: c@d\r\nResent-Sender: e@f\r\n\r\n").as_deref(), Some("e@f"));
        assert_eq!(sender("From: a@b\r\n\r\n"), None);
    }
}
