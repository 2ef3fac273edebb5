//! From which countries may an account log in to send? (SHIN-04)
//!
//! A stolen password is used from far away more often than not. The account's rule goes first; what it leaves open is its domain's to say,
//! and then the operator's. A rule that is off until a date lets through until then. An address that no database knows is permitted or not
//! as the operator says. Reading mail is not restricted, and neither are exempt networks, which are not asked about here.

use yubin_types::{CountryCode, CountryRule, CountryRules, PermittedCountries, Timestamp};

/// What becomes of an address of which the country is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownCountry {
    /// It may send.
    #[default]
    Permit,
    /// It may not, where countries are restricted.
    Refuse,
}

/// A country that one may not send from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryDenial {
    /// Which; none if it is not known.
    pub country: Option<CountryCode>,
    /// From where one may.
    pub permitted: Vec<CountryCode>,
}

/// The countries that an account is restricted to now; none: it may send from everywhere.
#[must_use]
pub fn restriction<'a>(
    rules: &'a CountryRules,
    default: &'a [CountryCode],
    now: Timestamp,
) -> Option<&'a [CountryCode]> {
    for rule in [&rules.account, &rules.domain].into_iter().flatten() {
        match rule {
            CountryRule { off_until: Some(until), .. } if now < *until => return None,
            CountryRule { permitted: PermittedCountries::Anywhere, .. } => return None,
            CountryRule { permitted: PermittedCountries::Only(countries), .. } => return Some(countries),
            CountryRule { permitted: PermittedCountries::Inherited, .. } => {}
        }
    }
    (!default.is_empty()).then_some(default)
}

/// May one send from there?
///
/// # Errors
/// [`CountryDenial`], for [`crate::refusal_text::country`].
pub fn admit(
    country: Option<CountryCode>,
    permitted: &[CountryCode],
    unknown: UnknownCountry,
) -> Result<(), CountryDenial> {
    let admitted = match country {
        Some(country) => permitted.contains(&country),
        None => unknown == UnknownCountry::Permit,
    };
    if admitted { Ok(()) } else { Err(CountryDenial { country, permitted: permitted.to_vec() }) }
}

#[cfg(test)]
mod tests {
    use yubin_types::PermittedCountries::{Anywhere, Inherited, Only};

    use super::*;

    fn code(text: &str) -> CountryCode {
        CountryCode::parse(text).unwrap()
    }

    fn rule(permitted: PermittedCountries, off_until: Option<u64>) -> Option<CountryRule> {
        Some(CountryRule { permitted, off_until: off_until.map(Timestamp) })
    }

    #[test]
    fn the_nearest_rule_goes_first() {
        let (jp, us, default) = (vec![code("JP")], vec![code("US")], [code("DE")]);
        for (account, domain, expected) in [
            (None, None, Some(&default[..])),
            (None, rule(Only(jp.clone()), None), Some(&jp[..])),
            (rule(Only(us.clone()), None), rule(Only(jp.clone()), None), Some(&us[..])),
            (rule(Inherited, None), rule(Only(jp.clone()), None), Some(&jp[..])),
            (rule(Anywhere, None), rule(Only(jp.clone()), None), None),
            (rule(Only(us.clone()), Some(11)), rule(Only(jp.clone()), None), None),
            (rule(Only(us.clone()), Some(10)), rule(Only(jp.clone()), None), Some(&us[..])),
            (None, rule(Inherited, Some(11)), None),
            (rule(Inherited, Some(10)), rule(Inherited, Some(10)), Some(&default[..])),
            (rule(Only(us.clone()), None), rule(Only(jp.clone()), Some(11)), Some(&us[..])),
        ] {
            let rules = CountryRules { account, domain };
            assert_eq!(restriction(&rules, &default, Timestamp(10)), expected, "{rules:?}");
        }
        assert_eq!(restriction(&CountryRules::default(), &[], Timestamp(10)), None);
    }

    #[test]
    fn what_no_database_knows_is_as_the_operator_says() {
        let permitted = [code("JP"), code("US")];
        assert_eq!(admit(Some(code("US")), &permitted, UnknownCountry::Refuse), Ok(()));
        assert_eq!(admit(Some(code("DE")), &permitted, UnknownCountry::Permit).unwrap_err().country, Some(code("DE")));
        assert_eq!(admit(None, &permitted, UnknownCountry::Permit), Ok(()));
        assert_eq!(admit(None, &permitted, UnknownCountry::Refuse).unwrap_err().permitted, permitted);
    }
}
