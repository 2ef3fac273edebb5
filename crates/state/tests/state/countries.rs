//! From where accounts may send: set for domains and accounts, told with a login, gone with their account.

use yubin_state::command::DomainCommand;
use yubin_state::{Answer, Query, Reply};
use yubin_types::{CountryCode, CountryRule, CountryRules, PermittedCountries, Refusal, Timestamp, limits};

use crate::lab::{D1, Lab, local};

fn only(countries: &[&str]) -> CountryRule {
    let countries = countries.iter().map(|code| CountryCode::parse(code).unwrap()).collect();
    CountryRule { permitted: PermittedCountries::Only(countries), off_until: None }
}

impl Lab {
    fn set_countries(&mut self, account: Option<&str>, rule: Option<CountryRule>) -> Reply {
        self.domain(DomainCommand::SetCountries { account: account.map(local), rule })
    }

    fn countries(&self, account: Option<&str>) -> CountryRules {
        match self.ask(D1, &Query::Countries(account.map(local))) {
            Answer::Countries(rules) => rules,
            other => panic!("{other:?}"),
        }
    }

    fn countries_at_login(&self, account: &str) -> CountryRules {
        match self.ask(D1, &Query::Credentials(local(account))) {
            Answer::Credentials(credentials) => credentials.countries,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_login_tells_the_rules_of_the_account_and_of_its_domain() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("bob");
    assert_eq!(lab.countries_at_login("ann"), CountryRules::default());
    assert_eq!(lab.set_countries(None, Some(only(&["JP"]))), Reply::Done);
    let journey = CountryRule { permitted: PermittedCountries::Inherited, off_until: Some(Timestamp(9)) };
    assert_eq!(lab.set_countries(Some("ann"), Some(journey.clone())), Reply::Done);
    let of_ann = CountryRules { account: Some(journey), domain: Some(only(&["JP"])) };
    assert_eq!((lab.countries_at_login("ann"), lab.countries(Some("ann"))), (of_ann.clone(), of_ann));
    let of_domain = CountryRules { account: None, domain: Some(only(&["JP"])) };
    assert_eq!((lab.countries_at_login("bob"), lab.countries(None)), (of_domain.clone(), of_domain));

    assert!(matches!(lab.domain(DomainCommand::DeleteAccount { local: local("ann") }), Reply::Progress { .. }));
    lab.account("ann");
    assert_eq!(lab.countries_at_login("ann").account, None, "a new account has no rule of an old one");
    assert_eq!(lab.set_countries(None, None), Reply::Done);
    assert_eq!(lab.countries(None), CountryRules::default());
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let mut lab = Lab::new();
    let many = vec!["JP"; limits::COUNTRIES_MAX + 1];
    for rule in [only(&[]), only(&many)] {
        let refused = lab.set_countries(None, Some(rule));
        assert!(matches!(refused, Reply::Refused(Refusal::InvalidValue { .. })), "{refused:?}");
    }
    assert_eq!(lab.set_countries(Some("nobody"), None), Reply::Refused(Refusal::NoSuchAccount));
}
