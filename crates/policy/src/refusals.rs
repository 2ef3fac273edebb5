//! Which refused logins and connections are written down one by one, and which are added up: a log must answer "why was I refused?" for
//! an owner, and must not grow with the zeal of whoever guesses passwords.
//!
//! Networks and accounts each have an allowance that grows back evenly ([`limits::REFUSALS_LOGGED_PER_WINDOW`]), and so have all together.
//! While it lasts a refusal is written down as it is. Beyond, refusals are added up under the network, or under the account where many
//! networks guess, and come out as one line each [`limits::REFUSALS_SUM_SECONDS`]. What finds no place to be added up is added up under
//! nobody. Time comes in, memory is bounded; one front end knows nothing of another's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use yubin_types::{Timestamp, limits};

use crate::allowance::Allowance;
use crate::networks::NetworkId;
use crate::recent::Recent;

const WINDOW_MS: u64 = limits::REFUSALS_WINDOW_SECONDS * 1_000;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusedWhat {
    /// A login.
    Login,
    /// A connection.
    Connection,
}

/// Somebody was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What.
    pub what: RefusedWhat,
    /// From where.
    pub peer: IpAddr,
    /// What that belongs to.
    pub network: NetworkId,
    /// The account that the login named, all spellings alike; `None`: it named none.
    pub account: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
}

/// How a refusal is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Now, as it is.
    Now,
    /// Later, with others.
    AddedUp,
}

/// Refusals of one network or account, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalSum {
    /// What was refused.
    pub what: RefusedWhat,
    /// How often; from 1.
    pub count: u64,
    /// When first.
    pub since: Timestamp,
    /// When last.
    pub until: Timestamp,
    /// From where the last one came.
    pub peer: IpAddr,
    /// The network that all of them came from, if it is one.
    pub network: Option<NetworkId>,
    /// The account that all of them named, if it is one.
    pub account: Option<String>,
    /// Some of the networks, if they are several.
    pub networks: Few<NetworkId>,
    /// Some of the accounts, if they are several.
    pub accounts: Few<String>,
    /// Why the last one was refused.
    pub why: String,
}

/// The first few of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T> {
    first: Vec<T>,
    more: More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    None,
    Some,
}

/// Refusals of a front end.
#[derive(Debug)]
pub struct Refusals {
    networks: Recent<NetworkId, Allowance>,
    accounts: Recent<String, Allowance>,
    all: Allowance,
    sums: BTreeMap<(RefusedWhat, Whose), RefusalSum>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Network(NetworkId),
    Account(String),
    Nobody,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals {
            networks: Recent::new(limits::REFUSALS_REMEMBERED_MAX),
            accounts: Recent::new(limits::REFUSALS_REMEMBERED_MAX),
            all: Allowance::default(),
            sums: BTreeMap::new(),
        }
    }
}

impl Refusals {
    /// Counts a refusal and says how it is written down.
    pub fn refused(&mut self, refused: &Refused) -> Entry {
        let (at, each) = (refused.at, WINDOW_MS / limits::REFUSALS_LOGGED_PER_WINDOW);
        let of_all = WINDOW_MS / limits::REFUSALS_LOGGED_PER_WINDOW_OF_ALL;
        let free = |allowance: &Allowance, cost| allowance.wait_ms(at, WINDOW_MS, cost) == 0;
        let network = self.networks.get(&refused.network).is_none_or(|allowance| free(allowance, each));
        let account = refused.account.as_ref().and_then(|account| self.accounts.get(account));
        let account = account.is_none_or(|allowance| free(allowance, each));
        if !(network && account && free(&self.all, of_all)) {
            let whose = match (&refused.account, network) {
                (Some(account), true) => Whose::Account(account.clone()),
                _ => Whose::Network(refused.network),
            };
            self.add(refused, whose);
            return Entry::AddedUp;
        }
        self.networks.touch(refused.network).take(at, WINDOW_MS, each);
        if let Some(account) = &refused.account {
            self.accounts.touch(account.clone()).take(at, WINDOW_MS, each);
        }
        self.all.take(at, WINDOW_MS, of_all);
        Entry::Now
    }

    fn add(&mut self, refused: &Refused, whose: Whose) {
        let mut key = (refused.what, whose);
        if self.sums.len() >= limits::REFUSAL_SUMS_MAX && !self.sums.contains_key(&key) {
            key.1 = Whose::Nobody;
        }
        let sum = self.sums.entry(key).or_insert_with(|| RefusalSum {
            what: refused.what,
            count: 0,
            since: refused.at,
            until: refused.at,
            peer: refused.peer,
            network: Some(refused.network),
            account: refused.account.clone(),
            networks: Few::default(),
            accounts: Few::default(),
            why: String::new(),
        });
        sum.count += 1;
        sum.until = sum.until.max(refused.at);
        sum.peer = refused.peer;
        sum.why.clone_from(&refused.why);
        sum.networks.add(&refused.network);
        if let Some(account) = &refused.account {
            sum.accounts.add(account);
        }
        if sum.network != Some(refused.network) {
            sum.network = None;
        }
        if sum.account != refused.account {
            sum.account = None;
        }
    }

    /// What was added up until `now` and is to be written down.
    pub fn due(&mut self, now: Timestamp) -> Vec<RefusalSum> {
        let over = |_: &_, sum: &mut RefusalSum| now.millis_since(sum.since) >= limits::REFUSALS_SUM_SECONDS * 1_000;
        self.sums.extract_if(.., over).map(|(_, sum)| sum).collect()
    }

    /// Everything that was added up.
    pub fn rest(&mut self) -> Vec<RefusalSum> {
        std::mem::take(&mut self.sums).into_values().collect()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few { first: Vec::new(), more: More::None }
    }
}

impl<T: PartialEq + Clone> Few<T> {
    fn add(&mut self, one: &T) {
        if self.first.contains(one) {
            return;
        }
        if self.first.len() < limits::REFUSAL_NAMES_MAX {
            self.first.push(one.clone());
        } else {
            self.more = More::Some;
        }
    }
}

impl<T: fmt::Display> fmt::Display for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, one) in self.first.iter().enumerate() {
            write!(f, "{}{one}", if place == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.more == More::Some { " and others" } else { "" })
    }
}

impl fmt::Display for RefusalSum {
    /// What the fields of a line in the log don't say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.until.millis_since(self.since).div_ceil(1_000).max(1);
        write!(f, "{} more within {seconds} s", self.count)?;
        if self.network.is_none() {
            write!(f, ", from {}", self.networks)?;
        }
        if self.account.is_none() && self.what == RefusedWhat::Login {
            write!(f, ", of {}", self.accounts)?;
        }
        write!(f, "; the last: {}", self.why)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use yubin_types::{Timestamp, limits};

    use super::{Entry, Refusals, Refused, RefusedWhat};
    use crate::networks::NetworkWidth;

    const WIDTH: NetworkWidth = NetworkWidth { ipv4_bits: 32, ipv6_bits: 64 };
    const START: u64 = 1_700_000_000;

    fn login(peer: u32, account: &str, seconds: u64) -> Refused {
        let peer = Ipv4Addr::from_bits(0x0a00_0000 + peer).into();
        Refused {
            what: RefusedWhat::Login,
            peer,
            network: WIDTH.network_of(peer),
            account: Some(account.to_owned()),
            at: Timestamp::from_seconds(START + seconds),
            why: "wrong password".to_owned(),
        }
    }

    fn due(refusals: &mut Refusals, seconds: u64) -> Vec<String> {
        refusals.due(Timestamp::from_seconds(START + seconds)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_who_mistypes_is_written_down_each_time() {
        let mut refusals = Refusals::default();
        for seconds in [0, 5, 10, 3_600, 3_605] {
            assert_eq!(refusals.refused(&login(1, "ann@a.example", seconds)), Entry::Now);
        }
        assert_eq!(refusals.rest(), []);
    }

    #[test]
    fn one_who_guesses_is_added_up() {
        let mut refusals = Refusals::default();
        let most = usize::try_from(limits::REFUSALS_LOGGED_PER_WINDOW).unwrap();
        let written = (0..1_000).filter(|_| refusals.refused(&login(1, "ann@a.example", 0)) == Entry::Now).count();
        assert_eq!(written, most);
        assert_eq!(refusals.refused(&login(2, "bob@a.example", 0)), Entry::Now, "others are not added to him");
        assert_eq!(due(&mut refusals, limits::REFUSALS_SUM_SECONDS - 1), [""; 0], "not yet");
        let sums = refusals.due(Timestamp::from_seconds(START + limits::REFUSALS_SUM_SECONDS));
        let [sum] = &sums[..] else { panic!("{sums:?}") };
        assert_eq!((sum.count, sum.account.as_deref()), (1_000 - most as u64, Some("ann@a.example")));
        assert_eq!(sum.to_string(), "980 more within 1 s; the last: wrong password");
        // The allowance grows back evenly.
        let each = limits::REFUSALS_WINDOW_SECONDS / limits::REFUSALS_LOGGED_PER_WINDOW;
        assert_eq!(refusals.refused(&login(1, "ann@a.example", each)), Entry::Now);
        assert_eq!(refusals.refused(&login(1, "ann@a.example", each)), Entry::AddedUp);
        assert_eq!(refusals.refused(&login(1, "ann@a.example", limits::REFUSALS_WINDOW_SECONDS * 2)), Entry::Now);
    }

    #[test]
    fn one_network_that_tries_all_accounts_is_one_line() {
        let mut refusals = Refusals::default();
        for account in 0..1_000 {
            refusals.refused(&login(1, &format!("u{account}@a.example"), account / 100));
        }
        let sums = refusals.rest();
        let [sum] = &sums[..] else { panic!("{sums:?}") };
        assert_eq!(
            (sum.account.clone(), sum.network.map(|network| network.to_string())),
            (None, Some("10.0.0.1".into()))
        );
        let names = "u20@a.example, u21@a.example, u22@a.example and others";
        assert_eq!(sum.to_string(), format!("980 more within 9 s, of {names}; the last: wrong password"));
    }

    #[test]
    fn many_networks_that_try_one_account_are_one_line_of_the_account() {
        let mut refusals = Refusals::default();
        for peer in 0..1_000 {
            refusals.refused(&login(peer, "ann@a.example", 0));
        }
        let sums = refusals.rest();
        let [sum] = &sums[..] else { panic!("{sums:?}") };
        assert_eq!((sum.account.as_deref(), sum.network), (Some("ann@a.example"), None));
        assert!(sum.to_string().starts_with("980 more within 1 s, from 10.0.0.20, 10.0.0.21, 10.0.0.22 and others;"));
    }

    /// Networks and accounts without end, for an hour: lines are bounded, and so is memory.
    #[test]
    fn a_flood_of_strangers_is_bounded() {
        let mut refusals = Refusals::default();
        let (mut lines, mut refused) = (0_u64, 0_u64);
        for number in 0..300_000_u32 {
            let seconds = u64::from(number) * 3_600 / 300_000;
            refused +=
                u64::from(refusals.refused(&login(number, &format!("u{number}@a.example"), seconds)) == Entry::Now);
            assert!(refusals.sums.len() <= limits::REFUSAL_SUMS_MAX + 2);
            lines += refusals.due(Timestamp::from_seconds(START + seconds)).len() as u64;
        }
        let windows = 3_600 / limits::REFUSALS_WINDOW_SECONDS + 1;
        assert!(refused <= windows * limits::REFUSALS_LOGGED_PER_WINDOW_OF_ALL, "{refused}");
        let rounds = 3_600 / limits::REFUSALS_SUM_SECONDS + 1;
        assert!(lines <= rounds * (limits::REFUSAL_SUMS_MAX as u64 + 2), "{lines}");
    }

    #[test]
    fn connections_have_lines_of_their_own() {
        let mut refusals = Refusals::default();
        let connection = Refused { what: RefusedWhat::Connection, account: None, ..login(1, "", 0) };
        for _ in 0..100 {
            refusals.refused(&connection);
            refusals.refused(&login(1, "ann@a.example", 0));
        }
        let mut sums = refusals.rest();
        sums.sort_by_key(|sum| sum.what);
        let [of_logins, of_connections] = &sums[..] else { panic!("{sums:?}") };
        assert_eq!((of_logins.what, of_connections.what), (RefusedWhat::Login, RefusedWhat::Connection));
        assert_eq!(of_connections.to_string(), "90 more within 1 s; the last: wrong password");
    }
}
