//! Who guesses passwords, and how long they wait: wrong passwords counted for an account from a network, and for a network in all.
//!
//! A count is an allowance that grows back evenly: whoever has used it up waits until one more guess has grown back, minutes rather
//! than for good, so a guesser is slowed down and an owner who mistypes gets in. A name is never locked out: other networks' guesses
//! don't count against its owner's, and where the account logged in lately ([`limits::LOGIN_WELCOME_SECONDS`]) the network's count is
//! not looked at and the account's own allowance is [`WELCOME_FACTOR`] times as large. The same wrong password again (a phone with an
//! old one) counts once. Trusted networks (webmail, proxies) are not counted at all.
//!
//! Whether somebody waits is asked twice: before a password is looked at, and before it is said to be right. So guesses that are
//! made all at once, before the first of them was found wrong, gain nothing.
//!
//! Time and the key come in; memory is bounded ([`limits::LOGIN_ENTRIES_MAX`]). What a front end counts, other front ends don't know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use yubin_types::{Network, Secret, Timestamp, limits};

use crate::allowance::{Allowance, Taken};
use crate::recent::Recent;

/// How many times larger an account's allowance is where it logged in lately.
pub const WELCOME_FACTOR: u64 = 10;

/// How much guessing is suffered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuessingRule {
    /// Never counted, never refused.
    pub trusted: Vec<Network>,
    /// Different wrong passwords for one account from one network within the window; from 1.
    pub failures_per_account: u64,
    /// Failed logins from one network within the window, of all accounts; from 1.
    pub failures_per_network: u64,
    /// In which an allowance grows back, seconds; from 1.
    pub window_seconds: u64,
    /// What one network is, bits; at most 32.
    pub ipv4_prefix_bits: u8,
    /// What one network is, bits; at most 128.
    pub ipv6_prefix_bits: u8,
}

/// A login that is tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// From where.
    pub peer: IpAddr,
    /// The user name, all spellings of one address alike.
    pub user: &'a str,
    /// When.
    pub now: Timestamp,
}

/// No login now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until the next one, seconds; from 1.
    pub seconds: u64,
}

/// What a wrong password was counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Not at all: from a trusted network, or the same one again.
    Not,
    /// One more.
    One,
    /// One more, and an allowance is used up by it.
    Last,
}

/// What was counted.
#[derive(Debug)]
pub struct Guessing {
    rule: GuessingRule,
    key: [u8; 32],
    accounts: Recent<u128, Guesses>,
    networks: Recent<IpAddr, Allowance>,
    /// Where an account logged in last, and when.
    welcome: Recent<u128, Timestamp>,
}

/// Wrong passwords for one account from one network.
#[derive(Debug, Default)]
struct Guesses {
    allowance: Allowance,
    /// Keyed hashes of the last different ones.
    passwords: [u64; limits::WRONG_PASSWORDS_REMEMBERED],
    next: usize,
}

/// Did the account log in from there lately?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Welcome,
    Unknown,
}

impl Guessing {
    /// Nothing counted yet. `key` is random: nobody can choose names that fall together.
    #[must_use]
    pub const fn new(rule: GuessingRule, key: [u8; 32]) -> Guessing {
        Guessing {
            rule,
            key,
            accounts: Recent::new(limits::LOGIN_ENTRIES_MAX),
            networks: Recent::new(limits::LOGIN_ENTRIES_MAX),
            welcome: Recent::new(limits::LOGIN_ENTRIES_MAX),
        }
    }

    /// May this login be tried?
    ///
    /// # Errors
    /// Not yet.
    pub fn admit(&self, attempt: Attempt<'_>) -> Result<(), Wait> {
        if self.is_trusted(attempt.peer) {
            return Ok(());
        }
        let network = self.network(attempt.peer);
        let account = self.account(network, attempt.user);
        let standing = self.standing(account, attempt.now);
        let own = self.accounts.get(&account).map(|guesses| guesses.allowance).unwrap_or_default();
        let all = self.networks.get(&network).copied().unwrap_or_default();
        let window_ms = self.window_ms();
        let mut wait_ms = own.wait_ms(attempt.now, window_ms, self.account_cost_ms(standing));
        if standing == Standing::Unknown {
            wait_ms = wait_ms.max(all.wait_ms(attempt.now, window_ms, self.network_cost_ms()));
        }
        if wait_ms == 0 { Ok(()) } else { Err(Wait { seconds: wait_ms.div_ceil(1_000) }) }
    }

    /// The password was wrong, or there is no such account. A proof that hides its password (`None`) is a different one each time.
    pub fn wrong(&mut self, attempt: Attempt<'_>, password: Option<&Secret>) -> Counted {
        if self.is_trusted(attempt.peer) {
            return Counted::Not;
        }
        let network = self.network(attempt.peer);
        let account = self.account(network, attempt.user);
        let cost_ms = self.account_cost_ms(self.standing(account, attempt.now));
        let (window_ms, network_cost_ms) = (self.window_ms(), self.network_cost_ms());
        let mark = password.map(|password| self.mark(account, password));
        let guesses = self.accounts.touch(account);
        if let Some(mark) = mark {
            if guesses.passwords.contains(&mark) {
                return Counted::Not;
            }
            if let Some(place) = guesses.passwords.get_mut(guesses.next % limits::WRONG_PASSWORDS_REMEMBERED) {
                *place = mark;
            }
            guesses.next = (guesses.next + 1) % limits::WRONG_PASSWORDS_REMEMBERED;
        }
        let own = guesses.allowance.take(attempt.now, window_ms, cost_ms);
        let all = self.networks.touch(network).take(attempt.now, window_ms, network_cost_ms);
        if own == Taken::Last || all == Taken::Last { Counted::Last } else { Counted::One }
    }

    /// The password was right; it may be said so unless the allowance was used up meanwhile.
    ///
    /// # Errors
    /// Not yet.
    pub fn right(&mut self, attempt: Attempt<'_>) -> Result<(), Wait> {
        self.admit(attempt)?;
        if !self.is_trusted(attempt.peer) {
            let account = self.account(self.network(attempt.peer), attempt.user);
            self.accounts.remove(&account);
            *self.welcome.touch(account) = attempt.now;
        }
        Ok(())
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        self.rule.trusted.iter().any(|network| network.contains(peer))
    }

    fn standing(&self, account: u128, now: Timestamp) -> Standing {
        match self.welcome.get(&account) {
            Some(last) if now.millis_since(*last) <= limits::LOGIN_WELCOME_SECONDS * 1_000 => Standing::Welcome,
            _ => Standing::Unknown,
        }
    }

    /// The network's first address.
    fn network(&self, peer: IpAddr) -> IpAddr {
        match peer {
            IpAddr::V4(address) => {
                let host_bits = 32u32.saturating_sub(self.rule.ipv4_prefix_bits.into());
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)))
            }
            IpAddr::V6(address) => {
                let host_bits = 128u32.saturating_sub(self.rule.ipv6_prefix_bits.into());
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(host_bits).unwrap_or(0)))
            }
        }
    }

    /// An account as it is tried from a network.
    fn account(&self, network: IpAddr, user: &str) -> u128 {
        let octets = match network {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        u128::from_be_bytes(self.hash(&[&octets, user.as_bytes()]))
    }

    fn mark(&self, account: u128, password: &Secret) -> u64 {
        let hash = u128::from_be_bytes(self.hash(&[&account.to_be_bytes(), b"\0", password.expose()]));
        // Zero is an empty place.
        u64::try_from(hash >> 64).unwrap_or(0).max(1)
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(part);
        }
        let mut octets = [0; 16];
        hasher.finalize_xof().fill(&mut octets);
        octets
    }

    const fn window_ms(&self) -> u64 {
        self.rule.window_seconds.saturating_mul(1_000)
    }

    fn account_cost_ms(&self, standing: Standing) -> u64 {
        let factor = match standing {
            Standing::Welcome => WELCOME_FACTOR,
            Standing::Unknown => 1,
        };
        self.window_ms() / self.rule.failures_per_account.saturating_mul(factor).max(1)
    }

    fn network_cost_ms(&self) -> u64 {
        self.window_ms() / self.rule.failures_per_network.max(1)
    }
}

#[cfg(test)]
mod tests;
