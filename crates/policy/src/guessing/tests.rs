use std::net::IpAddr;

use yubin_types::{Secret, Timestamp, limits};

use super::{Attempt, Counted, Guessing, GuessingRule, WELCOME_FACTOR, Wait};

const HOUR: u64 = 3_600;

fn rule() -> GuessingRule {
    GuessingRule {
        trusted: vec!["192.0.2.7".parse().unwrap()],
        failures_per_account: 10,
        failures_per_network: 30,
        window_seconds: HOUR,
        ipv4_prefix_bits: 32,
        ipv6_prefix_bits: 64,
    }
}

/// A guesser, with passwords that never repeat.
struct World {
    guessing: Guessing,
    now: Timestamp,
    guesses: u64,
}

impl World {
    fn new() -> World {
        World { guessing: Guessing::new(rule(), [7; 32]), now: Timestamp::from_seconds(1_000_000), guesses: 0 }
    }

    fn attempt<'a>(&self, peer: &str, user: &'a str) -> Attempt<'a> {
        Attempt { peer: peer.parse::<IpAddr>().unwrap(), user, now: self.now }
    }

    fn admitted(&self, peer: &str, user: &str) -> Result<(), Wait> {
        self.guessing.admit(self.attempt(peer, user))
    }

    fn wrong(&mut self, peer: &str, user: &str, password: &str) -> Counted {
        let attempt = self.attempt(peer, user);
        self.guessing.wrong(attempt, Some(&Secret::new(password)))
    }

    fn right(&mut self, peer: &str, user: &str) -> Result<(), Wait> {
        let attempt = self.attempt(peer, user);
        self.guessing.right(attempt)
    }

    /// Guesses until it has to wait; how many guesses that were.
    fn guess(&mut self, peer: &str, user: &str) -> u64 {
        for guesses in 0.. {
            if self.admitted(peer, user).is_err() {
                return guesses;
            }
            self.guesses += 1;
            let password = self.guesses.to_string();
            self.wrong(peer, user, &password);
        }
        unreachable!()
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
    }
}

#[test]
fn an_allowance_is_used_up_and_grows_back_evenly() {
    let mut world = World::new();
    assert_eq!(world.guess("198.51.100.1", "a@x"), 10);
    assert_eq!(world.admitted("198.51.100.1", "a@x"), Err(Wait { seconds: 360 }));
    world.pass(359);
    assert_eq!(world.admitted("198.51.100.1", "a@x"), Err(Wait { seconds: 1 }));
    world.pass(1);
    assert_eq!(world.guess("198.51.100.1", "a@x"), 1);
    world.pass(HOUR);
    assert_eq!(world.guess("198.51.100.1", "a@x"), 10);
}

#[test]
fn the_last_guess_of_an_allowance_is_told_apart() {
    let mut world = World::new();
    let counted: Vec<Counted> = (0..11).map(|n| world.wrong("198.51.100.1", "a@x", &n.to_string())).collect();
    let expected = |n| if n == 9 { Counted::Last } else { Counted::One };
    assert_eq!(counted, (0..11).map(expected).collect::<Vec<_>>());
}

#[test]
fn the_same_wrong_password_counts_once() {
    let mut world = World::new();
    for round in 0..1_000 {
        for old in ["old", "older", "oldest"] {
            let counted = world.wrong("198.51.100.1", "a@x", old);
            assert_eq!(counted, if round == 0 { Counted::One } else { Counted::Not });
        }
    }
    world.admitted("198.51.100.1", "a@x").unwrap();
    // For another account, and from elsewhere, it is another guess.
    assert_eq!(world.wrong("198.51.100.1", "b@x", "old"), Counted::One);
    assert_eq!(world.wrong("198.51.100.2", "a@x", "old"), Counted::One);
    // A proof shows no password.
    let attempt = world.attempt("198.51.100.3", "a@x");
    assert_eq!(world.guessing.wrong(attempt, None), Counted::One);
    assert_eq!(world.guessing.wrong(attempt, None), Counted::One);
}

#[test]
fn one_password_for_many_accounts_uses_up_the_network() {
    let mut world = World::new();
    for n in 0..30 {
        let user = format!("u{n}@x");
        world.admitted("198.51.100.1", &user).unwrap();
        world.wrong("198.51.100.1", &user, "123456");
    }
    assert_eq!(world.admitted("198.51.100.1", "new@x"), Err(Wait { seconds: 120 }));
    world.admitted("198.51.100.2", "new@x").unwrap();
}

#[test]
fn a_network_is_an_address_of_ipv4_and_a_64_of_ipv6() {
    let mut world = World::new();
    world.guess("2001:db8:1:2::1", "a@x");
    assert!(world.admitted("2001:db8:1:2:ffff::9", "a@x").is_err());
    world.admitted("2001:db8:1:3::1", "a@x").unwrap();
    world.guessing = Guessing::new(GuessingRule { ipv4_prefix_bits: 24, ipv6_prefix_bits: 0, ..rule() }, [7; 32]);
    world.guess("198.51.100.1", "a@x");
    assert!(world.admitted("198.51.100.200", "a@x").is_err());
    world.admitted("198.51.101.1", "a@x").unwrap();
    world.guess("2001:db8::1", "b@x");
    assert!(world.admitted("2002::1", "b@x").is_err());
}

#[test]
fn an_owner_gets_in_whoever_guesses_elsewhere_or_beside() {
    let mut world = World::new();
    for n in 0..200 {
        world.guess(&format!("198.51.100.{n}"), "a@x");
    }
    world.right("203.0.113.1", "a@x").unwrap();
    // A guesser behind the same address, who has used up the network.
    for n in 0..30 {
        world.wrong("203.0.113.1", &format!("u{n}@x"), "123456");
    }
    assert!(world.admitted("203.0.113.1", "b@x").is_err());
    world.right("203.0.113.1", "a@x").unwrap();
    // Even from there a name can't be guessed without end.
    assert_eq!(world.guess("203.0.113.1", "a@x"), 10 * WELCOME_FACTOR);
    world.pass(HOUR);
    world.right("203.0.113.1", "a@x").unwrap();
    world.pass(limits::LOGIN_WELCOME_SECONDS + 1);
    assert_eq!(world.guess("203.0.113.1", "a@x"), 10);
}

#[test]
fn guesses_made_all_at_once_gain_nothing() {
    let mut world = World::new();
    // All were admitted before the first was found wrong; the last one is right.
    for n in 0..1_000 {
        world.wrong("198.51.100.1", "a@x", &n.to_string());
    }
    assert!(world.right("198.51.100.1", "a@x").is_err());
    // And they owe no more than an allowance.
    assert_eq!(world.admitted("198.51.100.1", "a@x"), Err(Wait { seconds: 360 }));
}

#[test]
fn trusted_networks_are_never_counted() {
    let mut world = World::new();
    for n in 0..10_000 {
        assert_eq!(world.wrong("192.0.2.7", "a@x", &n.to_string()), Counted::Not);
    }
    world.admitted("192.0.2.7", "a@x").unwrap();
    world.right("192.0.2.7", "a@x").unwrap();
}

#[test]
fn a_right_password_forgives_the_account_but_not_the_network() {
    let mut world = World::new();
    for _ in 0..3 {
        for n in 0..9 {
            world.wrong("198.51.100.1", "a@x", &format!("{}-{n}", world.guesses));
        }
        world.guesses += 1;
        // Somebody with an account of their own can't buy guesses with it.
        world.right("198.51.100.1", "mine@x").unwrap();
        world.pass(1);
        if world.right("198.51.100.1", "a@x").is_err() {
            return;
        }
    }
    world.wrong("198.51.100.1", "b@x", "1");
    world.wrong("198.51.100.1", "b@x", "2");
    world.wrong("198.51.100.1", "b@x", "3");
    assert!(world.admitted("198.51.100.1", "c@x").is_err());
    world.admitted("198.51.100.1", "a@x").unwrap();
}

#[test]
fn memory_is_bounded() {
    let mut world = World::new();
    for n in 0..2 * limits::LOGIN_ENTRIES_MAX {
        let peer = std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap() + 0x0100_0000).to_string();
        world.wrong(&peer, "a@x", "1");
    }
    // The newest are remembered.
    let last = std::net::Ipv4Addr::from_bits(u32::try_from(2 * limits::LOGIN_ENTRIES_MAX - 1).unwrap() + 0x0100_0000);
    assert_eq!(world.wrong(&last.to_string(), "a@x", "1"), Counted::Not);
    assert_eq!(world.wrong("1.0.0.0", "a@x", "1"), Counted::One);
}
