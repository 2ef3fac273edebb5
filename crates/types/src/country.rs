//! Countries, and from which of them somebody may send (SHIN-04).
//!
//! A country is its code of two letters (ISO 3166-1 alpha-2); whether a code is given to a country is not checked. A domain and an account
//! have a rule each, or none; the account's goes first. What is inherited is for `policy` to find.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A country: two capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountryCode([u8; 2]);

/// A text is no country's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a country is two letters, like JP")]
pub struct CountryCodeError;

impl CountryCode {
    /// Reads a code, in capitals or not.
    ///
    /// # Errors
    /// [`CountryCodeError`].
    pub fn parse(text: &str) -> Result<CountryCode, CountryCodeError> {
        match *text.as_bytes() {
            [first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
                Ok(CountryCode([first.to_ascii_uppercase(), second.to_ascii_uppercase()]))
            }
            _ => Err(CountryCodeError),
        }
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for CountryCode {
    type Error = CountryCodeError;

    fn try_from(text: String) -> Result<CountryCode, CountryCodeError> {
        CountryCode::parse(&text)
    }
}

impl From<CountryCode> for String {
    fn from(code: CountryCode) -> String {
        code.to_string()
    }
}

/// From where one may send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermittedCountries {
    /// As the domain says; of a domain, as the front ends are told.
    Inherited,
    /// From all.
    Anywhere,
    /// From these; at most [`crate::limits::COUNTRIES_MAX`].
    Only(Vec<CountryCode>),
}

/// The rule of a domain or of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountryRule {
    /// From where.
    pub permitted: PermittedCountries,
    /// Until then from everywhere, all the same: for a journey.
    pub off_until: Option<Timestamp>,
}

/// The rules that hold for an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountryRules {
    /// Its own.
    pub account: Option<CountryRule>,
    /// That of its domain.
    pub domain: Option<CountryRule>,
}

#[cfg(test)]
mod tests {
    use super::CountryCode;

    #[test]
    fn codes_are_two_letters() {
        assert_eq!(CountryCode::parse("jp").unwrap().to_string(), "JP");
        for text in ["", "J", "JPN", "J1", "\u{e9}"] {
            assert!(CountryCode::parse(text).is_err(), "{text}");
        }
    }
}
