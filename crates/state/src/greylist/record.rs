//! Strangers, what is remembered of them, and the terms they are received on.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yubin_types::{LocalPart, ReversePath, Timestamp, limits};

/// Who is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stranger {
    /// One of these.
    pub kind: StrangerKind,
    /// FNV-1a, 64 bits, of what makes it.
    pub hash: u64,
}

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum StrangerKind {
    /// A network, a sender and a recipient.
    Triplet = 1,
    /// A network.
    Network = 2,
}

impl StrangerKind {
    /// The kind with this number.
    #[must_use]
    pub const fn read(number: u8) -> Option<StrangerKind> {
        match number {
            1 => Some(StrangerKind::Triplet),
            2 => Some(StrangerKind::Network),
            _ => None,
        }
    }
}

/// What is remembered of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When it came first.
    pub since: Timestamp,
    /// How often it came again in time: 0 or 1 for a triplet; of a network, how many strangers of it did.
    pub passes: u32,
    /// When it is forgotten.
    pub until: Timestamp,
}

/// On which terms strangers are received, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreylistTerms {
    /// How long a stranger waits; at most [`limits::GREYLIST_DELAY_SECONDS_MAX`].
    pub delay_seconds: u64,
    /// Within what time of its first visit it must come again.
    pub retry_seconds: u64,
    /// How long one that did is welcome after its last visit.
    pub welcome_seconds: u64,
    /// After so many strangers of a network have come again all of it is welcome; 0: never.
    pub network_passes: u32,
}

/// Strangers of one network that name recipients of one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The network: [`network_hash`].
    pub network: u64,
    /// For each recipient, [`stranger_hash`]; at most [`limits::SMTP_RECIPIENTS_MAX`].
    pub triplets: Vec<u64>,
    /// The terms.
    pub terms: GreylistTerms,
}

/// How a stranger is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reception {
    /// It may go on.
    Now,
    /// It may come again at this time.
    From(Timestamp),
    /// Only in answer to a question: a visit must be proposed, it changes something.
    Unrecorded,
}

/// The network of an address, hashed: its first [`limits::GREYLIST_IPV4_BITS`] or [`limits::GREYLIST_IPV6_BITS`].
#[must_use]
pub fn network_hash(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            fnv(START, address.octets().into_iter().take(usize::from(limits::GREYLIST_IPV4_BITS / 8)))
        }
        IpAddr::V6(address) => {
            fnv(START, address.octets().into_iter().take(usize::from(limits::GREYLIST_IPV6_BITS / 8)))
        }
    }
}

/// A network, a sender and a recipient of the domain, hashed.
#[must_use]
pub fn stranger_hash(network: u64, sender: &ReversePath, recipient: &LocalPart) -> u64 {
    let sender = sender.to_string().to_ascii_lowercase();
    let recipient = recipient.key();
    fnv(START, network.to_be_bytes().into_iter().chain(sender.bytes()).chain([0]).chain(recipient.bytes()))
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(start: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, LocalPart, ReversePath};

    use super::{network_hash, stranger_hash};

    #[test]
    fn neighbours_are_one_network() {
        let of = |text: &str| network_hash(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.7"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn a_stranger_is_all_three() {
        let sender = |text: &str| ReversePath::Address(Address::parse(text).unwrap());
        let local = |text: &str| LocalPart::parse(text).unwrap();
        let one = stranger_hash(1, &sender("a@b.example"), &local("c"));
        assert_eq!(one, stranger_hash(1, &sender("A@B.example"), &local("C")));
        for other in [
            stranger_hash(2, &sender("a@b.example"), &local("c")),
            stranger_hash(1, &sender("x@b.example"), &local("c")),
            stranger_hash(1, &sender("a@b.example"), &local("d")),
            stranger_hash(1, &ReversePath::Null, &local("c")),
        ] {
            assert_ne!(one, other);
        }
    }
}
