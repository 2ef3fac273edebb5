//! From which countries accounts may send (SHIN-04): rules of domains and accounts, kept here, applied where somebody logs in to send.
//!
//! Most have none. The domain's own stands under the account id 0, which no account has.

use yubin_types::{AccountId, CountryRule, CountryRules, DomainId, LocalPart, PermittedCountries, Refusal, limits};

use super::admit::WHOLE_DOMAIN;
use crate::accounts;
use crate::answer::Reading;
use crate::answer::accounts::named;
use crate::keys;
use crate::kv::{Txn, View};
use crate::query::Answer;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// Sets or forgets the rule of an account, or of the domain.
pub(crate) fn set<T: Txn>(
    work: &mut Work<'_, T>,
    account: Option<&LocalPart>,
    rule: Option<&CountryRule>,
) -> Outcome<Reply, T::Error> {
    let account = match account {
        Some(local) => accounts::named(work, local)?.0,
        None => WHOLE_DOMAIN,
    };
    if let Some(CountryRule { permitted: PermittedCountries::Only(countries), .. }) = rule
        && !(1..=limits::COUNTRIES_MAX).contains(&countries.len())
    {
        let why = format!("a rule names 1 to {} countries", limits::COUNTRIES_MAX);
        return Err(Refusal::InvalidValue { why }.into());
    }
    let key = keys::countries(work.id, account);
    match rule {
        Some(rule) => work.txn.set(&key, rule),
        None => work.txn.unset(&key),
    }
    Ok(Reply::Done)
}

/// An account is gone.
pub(super) fn forget<T: Txn>(work: &mut Work<'_, T>, account: AccountId) {
    work.txn.unset(&keys::countries(work.id, account));
}

/// The rules of an account, or of the domain alone.
pub(crate) fn answer<V: View>(reading: &Reading<'_, V>, account: Option<&LocalPart>) -> Outcome<Answer, V::Error> {
    let account = match account {
        Some(local) => Some(named(reading, local)?.0),
        None => None,
    };
    Ok(Answer::Countries(rules(reading.view, reading.id, account)?))
}

/// The rules that hold for an account.
pub(crate) fn rules<V: View>(
    view: &V,
    domain: DomainId,
    account: Option<AccountId>,
) -> Outcome<CountryRules, V::Error> {
    let own = match account {
        Some(account) => view.row(&keys::countries(domain, account))?,
        None => None,
    };
    Ok(CountryRules { account: own, domain: view.row(&keys::countries(domain, WHOLE_DOMAIN))? })
}
