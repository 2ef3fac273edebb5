//! What a domain and its accounts want done with mail from other servers (SHIN-11, SHIN-12, SONET-09, SONET-10): kept here, told with each recipient, applied by
//! the front end that takes the message.
//!
//! Most have no such rules, and the rows of domain and account know it, so that a recipient costs nothing more. The domain's own stand under
//! the account id 0, which no account has.

use yubin_types::{AccountId, Filtering, FilteringRules, LocalPart, Refusal};

use crate::accounts;
use crate::answer::Reading;
use crate::answer::accounts::named;
use crate::keys;
use crate::kv::{Txn, View};
use crate::query::Answer;
use crate::reply::Reply;
use crate::sending::admit::WHOLE_DOMAIN;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::work::Work;

/// Sets or forgets the rules of an account, or of the domain.
pub(crate) fn set<T: Txn>(
    work: &mut Work<'_, T>,
    account: Option<&LocalPart>,
    rules: Option<&Filtering>,
) -> Outcome<Reply, T::Error> {
    check(account, rules)?;
    let owner = match account {
        Some(local) => {
            let (id, mut account) = accounts::named(work, local)?;
            account.filters = rules.is_some();
            work.save_account(id, &account);
            id
        }
        None => {
            work.domain.filters = rules.is_some();
            work.save_domain();
            WHOLE_DOMAIN
        }
    };
    let key = keys::filtering(work.id, owner);
    match rules {
        Some(rules) => work.txn.set(&key, rules),
        None => work.txn.unset(&key),
    }
    Ok(Reply::Done)
}

fn check(account: Option<&LocalPart>, rules: Option<&Filtering>) -> Result<(), Refusal> {
    let invalid = |why: String| Refusal::InvalidValue { why };
    let Some(Filtering { dmarc, spam, .. }) = rules else { return Ok(()) };
    if account.is_some() && dmarc.is_some() {
        return Err(invalid("what is done with mail that fails DMARC is for the domain to say".to_owned()));
    }
    spam.as_ref().map_or(Ok(()), |spam| spam.check().map_err(|error| invalid(error.to_string())))
}

/// An account is gone.
pub(crate) fn forget<T: Txn>(work: &mut Work<'_, T>, account: AccountId) {
    work.txn.unset(&keys::filtering(work.id, account));
}

/// The rules of an account and its domain, or of the domain alone.
pub(crate) fn answer<V: View>(reading: &Reading<'_, V>, account: Option<&LocalPart>) -> Outcome<Answer, V::Error> {
    let account = match account {
        Some(local) => Some(named(reading, local)?.0),
        None => None,
    };
    Ok(Answer::Filtering(Box::new(rules(reading, account)?)))
}

/// What is in force for a recipient; `None` if nobody has set anything.
///
/// `account` is the one that it reaches, if that has rules of its own. Behind an alias of several accounts it is the domain's that hold.
pub(crate) fn in_force<V: View>(
    reading: &Reading<'_, V>,
    account: Option<AccountId>,
) -> Outcome<Option<Box<Filtering>>, V::Error> {
    Ok(rules(reading, account)?.in_force().map(Box::new))
}

fn rules<V: View>(reading: &Reading<'_, V>, account: Option<AccountId>) -> Outcome<FilteringRules, V::Error> {
    let row = |owner: Option<AccountId>| match owner {
        Some(owner) => reading.view.row(&keys::filtering(reading.id, owner)),
        None => Ok(None),
    };
    let domain = reading.domain.filters.then_some(WHOLE_DOMAIN);
    Ok(FilteringRules {
        account: row(account)?,
        domain: row(domain)?,
        plan_reverse_dns: reading.domain.plan.reverse_dns,
    })
}
