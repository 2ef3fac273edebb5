//! What others say of an address: lists in the DNS, of senders to be avoided and of senders to be trusted (RFC 5782).
//!
//! All lists are asked at once, each within [`limits::DNS_LIST_SECONDS_MAX`]; the resolver remembers the answers. A list that fails lists
//! nobody. An answer counts within 127.0.0.0/8 alone (§2.1), and not within 127.255.255.0/24, where lists say that *we* are the problem:
//! too many questions, or through somebody else's resolver. What an answer within the range means is the list's own; one score stands for
//! all of them.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use yubin_types::{DomainName, limits};

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
}

/// An address is on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which one, by its place among those that were asked.
    pub list: usize,
    /// What it answered.
    pub answer: IpAddr,
}

impl Verifier {
    /// The lists that an address is on.
    pub async fn listed(&self, address: IpAddr, lists: &[DnsList]) -> Vec<Listing> {
        let reversed = reversed(address);
        let time = Duration::from_secs(limits::DNS_LIST_SECONDS_MAX);
        let asked = lists.iter().take(limits::DNS_LISTS_MAX).enumerate().map(|(list, DnsList { zone, .. })| {
            let name = format!("{reversed}.{zone}");
            async move {
                let answers = tokio::time::timeout(time, self.resolver.addresses_at(&name, Family::V4)).await;
                let answers = answers.ok()?.unwrap_or_default();
                answers.into_iter().find(is_listing).map(|answer| Listing { list, answer })
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

fn is_listing(answer: &IpAddr) -> bool {
    match answer {
        IpAddr::V4(answer) => matches!(answer.octets(), [127, second, third, _] if (second, third) != (255, 255)),
        IpAddr::V6(_) => false,
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
    use super::{is_listing, reversed};

    /// RFC 5782 §2.1 and §2.4: the examples.
    #[test]
    fn addresses_as_names() {
        assert_eq!(reversed("192.0.2.99".parse().unwrap()), "99.2.0.192");
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
    }

    #[test]
    fn answers_that_list() {
        let listing = |text: &str| is_listing(&text.parse().unwrap());
        assert!(listing("127.0.0.2") && listing("127.0.1.4") && listing("127.255.0.1"));
        assert!(!listing("127.255.255.254") && !listing("192.0.2.1") && !listing("::1"));
    }
}
