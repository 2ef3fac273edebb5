//! How it is printed from which countries may be sent.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::{date, table};
use super::Shown;

impl Shown for api::CountryRules {
    fn table(&self) -> String {
        let rules = [("account", &self.account), ("domain", &self.domain)];
        let row = |(whose, rule): (&str, &Option<api::CountryRule>)| {
            let rule = rule.as_ref()?;
            let off = rule.off_until_ms.map_or_else(|| "-".to_owned(), date);
            Some(vec![whose.to_owned(), permitted(rule), off])
        };
        let rows: Vec<_> = rules.into_iter().filter_map(row).collect();
        if rows.is_empty() {
            return format!("{}: no rule of its own; as the front ends are configured\n", self.name);
        }
        table(&["RULE OF", "MAY SEND FROM", "OFF UNTIL"], &rows)
    }

    fn json(&self) -> Value {
        let rule = |rule: &Option<api::CountryRule>| {
            rule.as_ref().map(|rule| {
                json!({ "permitted": permitted(rule), "countries": rule.countries, "off_until_ms": rule.off_until_ms })
            })
        };
        json!({ "name": self.name, "account": rule(&self.account), "domain": rule(&self.domain) })
    }
}

fn permitted(rule: &api::CountryRule) -> String {
    match rule.scope() {
        api::CountryScope::Unspecified => "inherited".to_owned(),
        api::CountryScope::Anywhere => "anywhere".to_owned(),
        api::CountryScope::Only => rule.countries.join(", "),
    }
}
