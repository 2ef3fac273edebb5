//! Whom the From field of a message may name that a user sends (RFC 6409 §6.1).
//!
//! The envelope sender is the login's ([`crate::sender`]); recipients see From. Without a rule every user of every domain here could write
//! in the name of every other, and the mail would be signed by the cluster. Sender and Resent-From, which others write too, permit nothing,
//! but where [`AuthorRule::Sender`] says so: programs show the author, and hardly ever who sent for it.

use yubin_types::Address;

/// What From may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthorRule {
    /// Anything.
    Off,
    /// As [`AuthorRule::Hosted`], but whoever names itself in Sender, Resent-From or Resent-Sender may send for any author.
    Sender,
    /// Addresses of the login, and any address of a domain that is not hosted here.
    #[default]
    Hosted,
    /// Addresses of the login.
    Strict,
}

/// What an address is to the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorStanding {
    /// It may send as it.
    Usable,
    /// It may not, and the address's domain is hosted here.
    NotOwned,
    /// The address's domain is not hosted here.
    Elsewhere,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorDenial {
    /// It has no From field.
    Missing,
    /// It has several (RFC 5322 §3.6).
    Several,
    /// From is no list of addresses, or readers may differ about it.
    Unreadable,
    /// From has more addresses than are looked at.
    TooMany,
    /// From names somebody else of this cluster.
    NotOwned(Address),
    /// From names somebody who is not of this cluster.
    Elsewhere(Address),
}

/// May a message with these authors be sent?
///
/// # Errors
/// [`AuthorDenial`] of the first author who stands against it.
pub fn admit(rule: AuthorRule, authors: &[(Address, AuthorStanding)]) -> Result<(), AuthorDenial> {
    for (address, standing) in authors {
        match (rule, standing) {
            (AuthorRule::Off, _) | (_, AuthorStanding::Usable) => {}
            (_, AuthorStanding::NotOwned) => return Err(AuthorDenial::NotOwned(address.clone())),
            (AuthorRule::Strict, AuthorStanding::Elsewhere) => return Err(AuthorDenial::Elsewhere(address.clone())),
            (AuthorRule::Sender | AuthorRule::Hosted, AuthorStanding::Elsewhere) => {}
        }
    }
    Ok(())
}

/// May a message be sent whose header names no author? It names nobody else either; who signs may still refuse it.
///
/// # Errors
/// [`AuthorDenial::Missing`].
pub fn admit_anonymous(rule: AuthorRule) -> Result<(), AuthorDenial> {
    if rule == AuthorRule::Strict { Err(AuthorDenial::Missing) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use yubin_types::Address;

    use super::{AuthorDenial, AuthorRule, AuthorStanding, admit, admit_anonymous};

    #[test]
    fn every_author_must_suit_the_rule() {
        use AuthorRule::{Hosted, Off, Sender, Strict};
        let address = |text: &str| Address::parse(text).unwrap();
        let (own, other, far) = (address("a@home.jp"), address("b@home.jp"), address("c@far.example"));
        let not_owned = || Err(AuthorDenial::NotOwned(other.clone()));
        let authors = |both: &[(&Address, AuthorStanding)]| -> Vec<(Address, AuthorStanding)> {
            both.iter().map(|(address, standing)| ((*address).clone(), *standing)).collect()
        };
        let mine = (&own, AuthorStanding::Usable);
        for (named, expected) in [
            (authors(&[mine]), [Ok(()), Ok(()), Ok(()), Ok(())]),
            (authors(&[mine, (&other, AuthorStanding::NotOwned)]), [Ok(()), not_owned(), not_owned(), not_owned()]),
            (
                authors(&[mine, (&far, AuthorStanding::Elsewhere)]),
                [Ok(()), Ok(()), Ok(()), Err(AuthorDenial::Elsewhere(far.clone()))],
            ),
        ] {
            for (rule, expected) in [Off, Sender, Hosted, Strict].into_iter().zip(expected) {
                assert_eq!(admit(rule, &named), expected, "{rule:?} {named:?}");
            }
        }
        assert_eq!(admit_anonymous(Strict), Err(AuthorDenial::Missing));
        assert_eq!(admit_anonymous(Hosted), Ok(()));
    }
}
