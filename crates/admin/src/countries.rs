//! From which countries accounts may log in to send (SHIN-04): shown, set and cleared, for a domain or for one account of it.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::{Answer, Query};
use yubin_types::{CountryCode, CountryRule, PermittedCountries, Timestamp};

use crate::domains::{change, hosted};
use crate::request::RequestKey;
use crate::status::{failed, unexpected};
use crate::whose::Whose;

pub(crate) async fn get(client: &StoreClient, name: &str) -> Result<api::CountryRules, Status> {
    show(client, &Whose::read(name)?).await
}

pub(crate) async fn set(
    client: &StoreClient,
    request: api::SetCountriesRequest,
    caller: &Caller,
) -> Result<api::CountryRules, Status> {
    let (whose, key) = (Whose::read(&request.name)?, RequestKey::new(&request.request_id)?);
    let rule = request.rule.ok_or_else(|| Status::invalid_argument("rule: missing"))?;
    put(client, &whose, Some(rule_from(&rule)?), key, caller).await
}

pub(crate) async fn clear(
    client: &StoreClient,
    request: api::ClearCountriesRequest,
    caller: &Caller,
) -> Result<api::CountryRules, Status> {
    let (whose, key) = (Whose::read(&request.name)?, RequestKey::new(&request.request_id)?);
    put(client, &whose, None, key, caller).await
}

async fn put(
    client: &StoreClient,
    whose: &Whose,
    rule: Option<CountryRule>,
    key: RequestKey,
    caller: &Caller,
) -> Result<api::CountryRules, Status> {
    let command = DomainCommand::SetCountries { account: whose.account.clone(), rule };
    change(client, &whose.domain, command, key, caller).await?;
    show(client, whose).await
}

async fn show(client: &StoreClient, whose: &Whose) -> Result<api::CountryRules, Status> {
    let scope = hosted(client, &whose.domain).await?.scope();
    match client.query(scope, Query::Countries(whose.account.clone())).await.map_err(failed)? {
        Answer::Countries(rules) => Ok(api::CountryRules {
            name: whose.to_string(),
            account: rules.account.as_ref().map(rule_to),
            domain: rules.domain.as_ref().map(rule_to),
        }),
        other => Err(unexpected(&other)),
    }
}

fn rule_to(rule: &CountryRule) -> api::CountryRule {
    let (scope, countries) = match &rule.permitted {
        PermittedCountries::Inherited => (api::CountryScope::Unspecified, Vec::new()),
        PermittedCountries::Anywhere => (api::CountryScope::Anywhere, Vec::new()),
        PermittedCountries::Only(countries) => {
            (api::CountryScope::Only, countries.iter().map(ToString::to_string).collect())
        }
    };
    api::CountryRule { scope: scope.into(), countries, off_until_ms: rule.off_until.map(Timestamp::millis) }
}

fn rule_from(rule: &api::CountryRule) -> Result<CountryRule, Status> {
    let code = |text: &String| {
        CountryCode::parse(text).map_err(|error| Status::invalid_argument(format!("countries: {text}: {error}")))
    };
    let countries = rule.countries.iter().map(code).collect::<Result<Vec<_>, _>>()?;
    let permitted = match rule.scope() {
        api::CountryScope::Only => PermittedCountries::Only(countries),
        _ if !countries.is_empty() => return Err(Status::invalid_argument("countries: only with the scope ONLY")),
        api::CountryScope::Unspecified => PermittedCountries::Inherited,
        api::CountryScope::Anywhere => PermittedCountries::Anywhere,
    };
    Ok(CountryRule { permitted, off_until: rule.off_until_ms.map(Timestamp) })
}
