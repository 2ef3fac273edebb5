//! The Sender Rewriting Scheme: a forwarded message gets a sender in the forwarder's domain, so that SPF holds, and a bounce to that
//! sender finds its way back.
//!
//! `user@source` forwarded by `here` becomes `SRS0=hash=day=source=user@here`. What was rewritten by others already becomes
//! `SRS1=hash=first==their-hash=day=source=user@here`: however long the chain, a bounce goes back over the first forwarder alone.
//! The hash is a keyed BLAKE3 digest that only this cluster can make, so that nobody relays through these addresses; the day ends
//! their life after [`limits::SRS_DAYS_MAX`]. Letter case may be lost on the way: nothing depends on it.
//!
//! Which mail is rewritten is not decided here. There is no RFC; this is the scheme of Shevek (2004) that libsrs2 and others speak.

use yubin_types::{Address, AddressError, DomainName, LocalPart, Secret, Timestamp, limits};

/// The key of rewritten senders; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SrsKey([u8; 32]);

impl SrsKey {
    /// The key that follows from the cluster's secret: whoever forwards and whoever takes bounces have the same.
    #[must_use]
    pub fn derive(cluster_secret: &Secret) -> Self {
        SrsKey(blake3::derive_key("yubin 2026 senders of forwarded mail", cluster_secret.expose()))
    }
}

impl std::fmt::Debug for SrsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrsKey(..)")
    }
}

/// Why an address can't be rewritten or reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrsError {
    /// Longer than a local part may be (RFC 5321 §4.5.3.1.1): the forwarder sends under an address of its own instead.
    #[error("the rewritten sender would be too long")]
    TooLong,
    /// Not an SRS address at all.
    #[error("not a rewritten sender")]
    NotSrs,
    /// An SRS address that was not made here.
    #[error("this rewritten sender was not made here")]
    Forged,
    /// Made here, too long ago.
    #[error("this rewritten sender has expired")]
    Expired,
}

/// Rewrites the sender of a message that `forwarder` sends on.
///
/// # Errors
/// [`SrsError::TooLong`].
pub fn rewrite(sender: &Address, forwarder: &DomainName, key: &SrsKey, now: Timestamp) -> Result<Address, SrsError> {
    let (scheme, rest) = match Parsed::read(sender.local.as_str()) {
        // The first forwarder stays in its place, the ones between drop out.
        Some(Parsed::Srs1 { first, tail, .. }) => ("SRS1", format!("{first}={tail}")),
        Some(Parsed::Srs0 { text, .. }) => ("SRS1", format!("{}={text}", sender.domain)),
        None => ("SRS0", format!("{}={}={}", day_text(day(now)), sender.domain, sender.local.as_str())),
    };
    let local = format!("{scheme}={}={rest}", hash(key, &rest));
    match LocalPart::try_from(local) {
        Ok(local) => Ok(Address { local, domain: forwarder.clone() }),
        Err(_) => Err(SrsError::TooLong),
    }
}

/// Does it look like a rewritten sender, be it one that nobody made? No account has such a name.
#[must_use]
pub fn is_srs(local: &LocalPart) -> bool {
    let text = local.as_str();
    let scheme =
        text.get(..4).is_some_and(|scheme| ["SRS0", "SRS1"].iter().any(|one| scheme.eq_ignore_ascii_case(one)));
    scheme && matches!(text.as_bytes().get(4), Some(b'=' | b'+' | b'-'))
}

/// Where a bounce to a rewritten sender goes: to the first sender, or to the first forwarder. The first of the keys is the one in
/// use, the others are those before it.
///
/// # Errors
/// [`SrsError::NotSrs`], [`SrsError::Forged`], [`SrsError::Expired`].
pub fn reverse(local: &LocalPart, keys: &[SrsKey], now: Timestamp) -> Result<Address, SrsError> {
    let parsed = Parsed::read(local.as_str()).ok_or(SrsError::NotSrs)?;
    let (given, signed) = parsed.signed();
    if !keys.iter().any(|key| hash(key, signed).eq_ignore_ascii_case(given)) {
        return Err(SrsError::Forged);
    }
    match parsed {
        Parsed::Srs1 { first, tail, .. } => address(&format!("SRS0{tail}"), first).map_err(|_| SrsError::Forged),
        Parsed::Srs0 { day: made, domain, user, .. } => {
            let age = (day(now) + DAYS - made) % DAYS;
            // A clock that went back a little makes no address old.
            if age > limits::SRS_DAYS_MAX && age != DAYS - 1 {
                return Err(SrsError::Expired);
            }
            address(user, domain).map_err(|_| SrsError::Forged)
        }
    }
}

/// An SRS local part, taken apart.
enum Parsed<'a> {
    /// `SRS0` *text*; text is `=hash=day=domain=user`.
    Srs0 { text: &'a str, hash: &'a str, signed: &'a str, day: u64, domain: &'a str, user: &'a str },
    /// `SRS1=hash=first=` *tail*; tail is the text of an SRS0, whose separator may be another forwarder's taste.
    Srs1 { hash: &'a str, signed: &'a str, first: &'a str, tail: &'a str },
}

impl<'a> Parsed<'a> {
    fn read(local: &'a str) -> Option<Parsed<'a>> {
        let (scheme, text) = local.split_at_checked(4)?;
        // The first separator may be `=`, `+` or `-`, all further ones are `=`.
        let rest = text.strip_prefix(['=', '+', '-'])?;
        let (hash, signed) = rest.split_once('=')?;
        if scheme.eq_ignore_ascii_case("SRS0") {
            let (day, rest) = signed.split_once('=')?;
            let (domain, user) = rest.split_once('=')?;
            Some(Parsed::Srs0 { text, hash, signed, day: read_day(day)?, domain, user })
        } else if scheme.eq_ignore_ascii_case("SRS1") {
            let (first, tail) = signed.split_once('=')?;
            tail.starts_with(['=', '+', '-']).then_some(Parsed::Srs1 { hash, signed, first, tail })
        } else {
            None
        }
    }

    /// The hash, and what it is of.
    fn signed(&self) -> (&'a str, &'a str) {
        match self {
            Parsed::Srs0 { hash, signed, .. } | Parsed::Srs1 { hash, signed, .. } => (hash, signed),
        }
    }
}

fn address(local: &str, domain: &str) -> Result<Address, AddressError> {
    Ok(Address { local: LocalPart::try_from(local.to_owned())?, domain: DomainName::parse(domain)? })
}

/// Days are counted in a circle of this many, which two letters hold.
const DAYS: u64 = 1_024;

fn day(now: Timestamp) -> u64 {
    now.seconds() / 86_400 % DAYS
}

/// RFC 4648 §6, as others write it.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn letter(value: u64) -> char {
    BASE32.get(usize::try_from(value % 32).unwrap_or_default()).copied().map_or('A', char::from)
}

fn day_text(day: u64) -> String {
    [letter(day / 32), letter(day)].into_iter().collect()
}

fn read_day(text: &str) -> Option<u64> {
    if text.len() != 2 {
        return None;
    }
    let mut day = 0;
    for byte in text.bytes() {
        let value = BASE32.iter().position(|letter| letter.eq_ignore_ascii_case(&byte))?;
        day = day * 32 + u64::try_from(value).ok()?;
    }
    Some(day)
}

/// Four letters, as others have it: local parts are short, and a guess is a message sent to us.
fn hash(key: &SrsKey, text: &str) -> String {
    let digest = blake3::keyed_hash(&key.0, text.to_ascii_lowercase().as_bytes());
    digest.as_bytes().iter().take(HASH_LETTERS).map(|byte| letter(u64::from(*byte))).collect()
}

const HASH_LETTERS: usize = 4;

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName, LocalPart, Secret, Timestamp};

    use super::{SrsError, SrsKey, reverse, rewrite};

    const KEY: SrsKey = SrsKey([7; 32]);
    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn forward(sender: &Address, by: &str) -> Address {
        rewrite(sender, &DomainName::parse(by).unwrap(), &KEY, NOW).unwrap()
    }

    fn back(local: &str, now: Timestamp) -> Result<Address, SrsError> {
        reverse(&LocalPart::parse(local).unwrap(), &[SrsKey([1; 32]), KEY], now)
    }

    #[test]
    fn a_bounce_finds_its_way_back() {
        for sender in ["a@source.example", "a=b=c@source.example", "a..b@docomo.ne.jp", "\"a b\"@source.example"] {
            let forwarded = forward(&address(sender), "here.example");
            assert_eq!(forwarded.domain.as_str(), "here.example");
            assert!(forwarded.local.as_str().starts_with("SRS0="), "{forwarded}");
            assert_eq!(reverse(&forwarded.local, &[KEY], NOW), Ok(address(sender)));
        }
    }

    #[test]
    fn over_many_forwarders_it_goes_back_to_the_first() {
        let first = forward(&address("a@source.example"), "first.example");
        let second = forward(&first, "second.example");
        let third = forward(&second, "third.example");
        assert!(second.local.as_str().starts_with("SRS1="), "{second}");
        assert_eq!(second.local.as_str().len(), third.local.as_str().len(), "it grows no more");
        assert_eq!(reverse(&third.local, &[KEY], NOW), Ok(first.clone()));
        assert_eq!(reverse(&second.local, &[KEY], NOW), Ok(first));
    }

    #[test]
    fn addresses_of_other_makers_are_carried_whole() {
        let theirs = address("SRS0+Xy2z=4L=source.example=Some.User@relay.example");
        let ours = forward(&theirs, "here.example");
        assert_eq!(reverse(&ours.local, &[KEY], NOW), Ok(theirs));
    }

    #[test]
    fn letter_case_may_be_lost() {
        let forwarded = forward(&address("user@source.example"), "here.example");
        let lowered = forwarded.local.as_str().to_ascii_lowercase();
        assert_eq!(back(&lowered, NOW), Ok(address("user@source.example")));
    }

    #[test]
    fn what_was_not_made_here_is_refused() {
        let forwarded = forward(&address("a@source.example"), "here.example").local.as_str().to_owned();
        assert_eq!(back(&forwarded.replace("source", "victim"), NOW), Err(SrsError::Forged));
        assert_eq!(back(&forwarded.replace("=a", "=b"), NOW), Err(SrsError::Forged));
        let other = reverse(&LocalPart::parse(&forwarded).unwrap(), &[SrsKey([8; 32])], NOW);
        assert_eq!(other, Err(SrsError::Forged));
        for none in [
            "user",
            "SRS0",
            "SRS0=a",
            "SRS0=a=b=c",
            "SRS1=abcd=x",
            "SRS2=abcd=AA=x=y",
            "srs",
            "SRS0=abcd=!!=d.example=u",
        ] {
            assert_eq!(back(none, NOW), Err(SrsError::NotSrs), "{none}");
        }
    }

    #[test]
    fn it_lives_for_three_weeks_across_the_end_of_the_circle() {
        let day = 86_400;
        for start in [NOW, Timestamp::from_seconds(day * 1_024 * 20 - 5 * day)] {
            let domain = DomainName::parse("here.example").unwrap();
            let made = rewrite(&address("a@source.example"), &domain, &KEY, start).unwrap();
            let at = |days: u64| reverse(&made.local, &[KEY], start.plus_seconds(days * day));
            assert!(at(0).is_ok() && at(21).is_ok());
            assert_eq!(at(22), Err(SrsError::Expired));
            assert_eq!(at(500), Err(SrsError::Expired));
            let before = Timestamp::from_seconds(start.seconds() - day);
            assert!(reverse(&made.local, &[KEY], before).is_ok(), "a clock that went back");
        }
    }

    #[test]
    fn a_cluster_has_one_key_and_shows_it_to_nobody() {
        let derive = |secret: &str| SrsKey::derive(&Secret::new(secret));
        assert!(derive("a") == derive("a") && derive("a") != derive("b"));
        assert_eq!(format!("{:?}", derive("a")), "SrsKey(..)");
    }

    #[test]
    fn a_sender_too_long_to_carry_is_said_so() {
        let long = address(&format!("{}@source.example", "a".repeat(60)));
        assert_eq!(rewrite(&long, &DomainName::parse("here.example").unwrap(), &KEY, NOW), Err(SrsError::TooLong));
    }
}
