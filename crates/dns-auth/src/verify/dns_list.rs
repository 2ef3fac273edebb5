//! What others say of an address: lists in the DNS, of senders to be avoided and of senders to be trusted (RFC 5782).
//!
//! All lists are asked at once, each within [`limits::DNS_LIST_SECONDS_MAX`]; the resolver remembers the answers. A list that fails lists
//! nobody. An answer counts within 127.0.0.0/8 alone (§2.1). With 127.255.255.0/24, with a last octet of 255 and with 127.0.0.1 (which no
//! list has as an entry, §5) lists say to everybody that *we* are the problem: too many questions, or through somebody else's resolver.
//! What else an answer means is the list's own; those that count may be told, and one score stands for all of them.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use yubin_types::{DomainName, Network, limits};

use super::Verifier;
use crate::resolver::Family;

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsList {
    /// The domain below which addresses are listed.
    pub zone: DomainName,
    /// What being listed adds up to; below zero for lists of those to be trusted.
    pub score: i32,
    /// Where the owner of an address can look it up: a URL.
    pub lookup: String,
    /// Answers that count; empty: all by which lists list.
    pub answers: Vec<Network>,
}

/// An address is on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which one, by its place among those that were asked.
    pub list: usize,
    /// What it answered.
    pub answer: IpAddr,
}

/// What lists say of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listings {
    /// Those that it is on.
    pub listed: Vec<Listing>,
    /// Those that refuse to tell us: what they answered stands for nobody's address.
    pub refused: Vec<Listing>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Listed,
    Refused,
    Nothing,
}

impl Verifier {
    /// What lists say of an address.
    pub async fn listed(&self, address: IpAddr, lists: &[DnsList]) -> Listings {
        let reversed = reversed(address);
        let time = Duration::from_secs(limits::DNS_LIST_SECONDS_MAX);
        let asked = lists.iter().take(limits::DNS_LISTS_MAX).map(|DnsList { zone, .. }| {
            let name = format!("{reversed}.{zone}");
            async move {
                let answers = tokio::time::timeout(time, self.resolver.addresses_at(&name, Family::V4)).await;
                answers.ok().and_then(Result::ok).unwrap_or_default()
            }
        });
        let mut listings = Listings::default();
        for (list, (asked, answers)) in lists.iter().zip(join_all(asked).await).enumerate() {
            let of = |meaning: Meaning| {
                let answer = answers.iter().copied().find(|answer| asked.meaning(*answer) == meaning);
                answer.map(|answer| Listing { list, answer })
            };
            match (of(Meaning::Refused), of(Meaning::Listed)) {
                // It has said nothing of the address.
                (Some(refusal), _) => listings.refused.push(refusal),
                (None, Some(listing)) => listings.listed.push(listing),
                (None, None) => {}
            }
        }
        listings
    }
}

impl DnsList {
    fn meaning(&self, answer: IpAddr) -> Meaning {
        let IpAddr::V4(address) = answer else { return Meaning::Nothing };
        let told = self.answers.iter().any(|network| network.contains(answer));
        match address.octets() {
            [127, 255, 255, _] | [127, _, _, 255] => Meaning::Refused,
            [127, ..] if told => Meaning::Listed,
            [127, 0, 0, 1] => Meaning::Refused,
            [127, ..] if self.answers.is_empty() => Meaning::Listed,
            _ => Meaning::Nothing,
        }
    }
}

/// Octets or nibbles from the last to the first (RFC 5782 §2.1, §2.4).
fn reversed(address: IpAddr) -> String {
    let parts: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect()
        }
    };
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use yubin_types::DomainName;

    use super::{DnsList, Meaning, reversed};

    /// RFC 5782 §2.1 and §2.4: the examples.
    #[test]
    fn addresses_as_names() {
        assert_eq!(reversed("192.0.2.99".parse().unwrap()), "99.2.0.192");
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
    }

    fn meaning(answers: &[&str], answer: &str) -> Meaning {
        let zone = DomainName::parse("bl.example").unwrap();
        let answers = answers.iter().map(|text| text.parse().unwrap()).collect();
        DnsList { zone, score: 1, lookup: String::new(), answers }.meaning(answer.parse().unwrap())
    }

    #[test]
    fn answers_that_list() {
        for listed in ["127.0.0.2", "127.0.1.4", "127.255.0.1", "127.0.4.100"] {
            assert_eq!(meaning(&[], listed), Meaning::Listed, "{listed}");
        }
        for nothing in ["192.0.2.1", "192.0.2.255", "::1"] {
            assert_eq!(meaning(&[], nothing), Meaning::Nothing, "{nothing}");
        }
        // dnswl.org answers the first, Spamhaus the second, URIBL and SURBL the last, for every address over their limits.
        for refused in ["127.0.0.255", "127.255.255.254", "127.0.10.255", "127.0.0.1"] {
            assert_eq!(meaning(&[], refused), Meaning::Refused, "{refused}");
        }
    }

    #[test]
    fn answers_that_count_may_be_told() {
        let of = |answer| meaning(&["127.0.0.1", "127.0.0.8/30"], answer);
        assert_eq!([of("127.0.0.1"), of("127.0.0.9")], [Meaning::Listed; 2]);
        assert_eq!([of("127.0.0.2"), of("127.0.0.12")], [Meaning::Nothing; 2]);
        assert_eq!(meaning(&["127.0.0.0/8"], "127.0.0.255"), Meaning::Refused);
        assert_eq!(meaning(&["0.0.0.0/0"], "192.0.2.1"), Meaning::Nothing);
        assert_eq!(meaning(&["127.0.0.2"], "127.0.0.1"), Meaning::Refused);
    }
}
