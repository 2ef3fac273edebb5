//! May this host send us anything at all? Its name and what lists say of its address decide at RCPT, before any content comes.
//!
//! A host without a name that leads back to it is refused where the hosted domain asks for that (SONET-09, SONET-10: a missing name and
//! one that leads elsewhere are told apart, in the services' own words); a name server that does not answer is no reason to refuse for
//! good. Lists add up: each has a score, those of trusted senders one below zero.

use std::net::IpAddr;

use yubin_types::{Address, ReverseDnsRule};

use crate::inbound::Reputation;

/// What is known of the host's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseDns {
    /// It has one that leads back to it.
    Confirmed,
    /// It has none.
    Missing,
    /// None of those it has leads back to it.
    Forged,
    /// Nobody could say.
    Unknown,
}

/// From which sum of scores on something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListRule {
    /// Mail is refused.
    pub refuse: i32,
    /// Mail is junk.
    pub junk: i32,
}

/// A list that the host is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListFact<'a> {
    /// Its zone.
    pub zone: &'a str,
    /// What it adds to the sum.
    pub score: i32,
    /// Where the host's owner can look it up.
    pub lookup: &'a str,
}

/// Why a host may not send to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerDenial {
    /// SONET-09.
    NoName {
        /// Whom the mail was for.
        recipient: Address,
        /// The host.
        peer: IpAddr,
    },
    /// SONET-10.
    ForgedName {
        /// Whom the mail was for.
        recipient: Address,
        /// The host.
        peer: IpAddr,
    },
    /// The host's name can't be looked up now.
    UnknownName {
        /// The host.
        peer: IpAddr,
    },
    /// The host is on a list.
    Listed {
        /// The host.
        peer: IpAddr,
        /// The list that says the most against it.
        zone: String,
        /// Where to look it up.
        lookup: String,
    },
}

/// Is the host's name good enough for this recipient?
///
/// # Errors
/// [`PeerDenial`], for [`crate::refusal_text::peer`].
pub fn admit_name(name: ReverseDns, rule: ReverseDnsRule, recipient: &Address, peer: IpAddr) -> Result<(), PeerDenial> {
    let recipient = || recipient.clone();
    match (rule, name) {
        (ReverseDnsRule::Accept, _) | (ReverseDnsRule::Require, ReverseDns::Confirmed) => Ok(()),
        (ReverseDnsRule::Require, ReverseDns::Missing) => Err(PeerDenial::NoName { recipient: recipient(), peer }),
        (ReverseDnsRule::Require, ReverseDns::Forged) => Err(PeerDenial::ForgedName { recipient: recipient(), peer }),
        (ReverseDnsRule::Require, ReverseDns::Unknown) => Err(PeerDenial::UnknownName { peer }),
    }
}

/// What the lists that a host is on make of it.
///
/// # Errors
/// [`PeerDenial::Listed`].
pub fn admit_listed(lists: &[ListFact<'_>], rule: ListRule, peer: IpAddr) -> Result<Reputation, PeerDenial> {
    let sum = lists.iter().fold(0_i32, |sum, list| sum.saturating_add(list.score));
    let worst = lists.iter().filter(|list| list.score > 0).max_by_key(|list| list.score);
    match worst {
        Some(worst) if sum >= rule.refuse => {
            Err(PeerDenial::Listed { peer, zone: worst.zone.to_owned(), lookup: worst.lookup.to_owned() })
        }
        Some(_) if sum >= rule.junk => Ok(Reputation::Doubtful),
        _ => Ok(Reputation::Neutral),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demanded_only_where_the_domain_says_so() {
        let recipient = Address::parse("tim@example.jp").unwrap();
        let peer = IpAddr::from([192, 0, 2, 1]);
        for name in [ReverseDns::Confirmed, ReverseDns::Missing, ReverseDns::Forged, ReverseDns::Unknown] {
            assert_eq!(admit_name(name, ReverseDnsRule::Accept, &recipient, peer), Ok(()));
            let demanded = admit_name(name, ReverseDnsRule::Require, &recipient, peer);
            assert_eq!(demanded.is_ok(), name == ReverseDns::Confirmed, "{name:?}");
        }
    }

    #[test]
    fn scores_add_up() {
        let rule = ListRule { refuse: 10, junk: 5 };
        let list = |zone, score| ListFact { zone, score, lookup: "https://lookup.example" };
        let judged = |lists: &[ListFact<'_>]| admit_listed(lists, rule, IpAddr::from([192, 0, 2, 1]));
        assert_eq!(judged(&[]), Ok(Reputation::Neutral));
        assert_eq!(judged(&[list("a", 4)]), Ok(Reputation::Neutral));
        assert_eq!(judged(&[list("a", 5)]), Ok(Reputation::Doubtful));
        assert_eq!(judged(&[list("a", 9), list("trusted", -5)]), Ok(Reputation::Neutral));
        let Err(PeerDenial::Listed { zone, .. }) = judged(&[list("a", 4), list("b", 6)]) else { panic!() };
        assert_eq!(zone, "b");
        assert_eq!(judged(&[list("trusted", -5)]), Ok(Reputation::Neutral));
    }
}
