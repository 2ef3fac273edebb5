//! What somebody is told whose login to send comes from a country where it may not.
//!
//! The text names both countries, so that an owner on a journey knows what to have changed, and whoever stole the password no more than that.

use yubin_types::SmtpReply;

use crate::countries::CountryDenial;

/// A login to send that comes from a country where it may not (SHIN-04).
#[must_use]
pub fn country(denial: &CountryDenial) -> SmtpReply {
    let from = denial.country.map_or_else(|| "an unknown country".to_owned(), |country| country.to_string());
    let permitted: Vec<String> = denial.permitted.iter().map(ToString::to_string).collect();
    let text = format!(
        "Sending from {from} is not allowed for this account, only from {}; ask your provider to lift the restriction for a journey",
        permitted.join(", ")
    );
    SmtpReply::new(535, (5, 7, 8), &text)
}

#[cfg(test)]
mod tests {
    use yubin_types::CountryCode;

    use super::country;
    use crate::countries::CountryDenial;

    #[test]
    fn both_countries_are_named() {
        let code = |text: &str| CountryCode::parse(text).unwrap();
        let denial = CountryDenial { country: Some(code("US")), permitted: vec![code("JP"), code("KR")] };
        let said = country(&denial).to_string();
        assert!(said.starts_with("535 5.7.8 Sending from US") && said.contains("only from JP, KR;"), "{said}");
    }
}
