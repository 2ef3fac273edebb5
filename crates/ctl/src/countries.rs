//! `yubin ctl countries`: from which countries a domain or an account may send.

use yubin_proto::r#gen::admin as api;

use super::args::{CountriesVerb, SetCountriesArgs};
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print: the rules as they are now.
pub(super) async fn countries(mut api: Connection, verb: CountriesVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let rules = match verb {
        CountriesVerb::Show { name } => api.get_countries(api::GetCountriesRequest { name }).await?,
        CountriesVerb::Clear { name } => api.clear_countries(api::ClearCountriesRequest { name, request_id }).await?,
        CountriesVerb::Set(SetCountriesArgs { name, only, anywhere, off_until }) => {
            let scope = match (anywhere, only.is_empty()) {
                (true, _) => api::CountryScope::Anywhere,
                (false, false) => api::CountryScope::Only,
                (false, true) => api::CountryScope::Unspecified,
            };
            let rule = Some(api::CountryRule { scope: scope.into(), countries: only, off_until_ms: off_until });
            api.set_countries(api::SetCountriesRequest { name, rule, request_id }).await?
        }
    };
    Ok(rules.into_inner().shown(form))
}
