//! A domain's DKIM keys: added, put into use, retired, forgotten.
//!
//! Keys come sealed; nobody here can open them. A domain's first keys are in use at once: nothing was published that they could break.
//! Later ones wait until somebody says that their records are published, because a signature that can't be verified is worse than an
//! older one. Then they are used, and those before them retire: their records stay published while mail that they signed may be on its
//! way, and the keys go with the next change after [`limits::DKIM_RETIRING_SECONDS`].

use yubin_types::{DomainId, DomainName, Refusal, limits};

use crate::keys;
use crate::kv::{Txn, View};
use crate::record::{DkimKey, DkimKeyState, NewDkimKey};
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _, go_on_while};
use crate::work::Work;

/// A domain's keys by selector.
pub(crate) fn keys_of<V: View>(view: &V, id: DomainId) -> Outcome<Vec<DkimKey>, V::Error> {
    let mut found = Vec::new();
    view.each(&keys::dkim_keys(id), |_, key| {
        found.push(key);
        go_on_while(true)
    })?;
    Ok(found)
}

/// Adds keys, all or none: in use at once if none is, else waiting.
pub(crate) fn add<T: Txn>(work: &mut Work<'_, T>, new: Vec<NewDkimKey>) -> Outcome<Reply, T::Error> {
    let (gone, kept) = partition(work)?;
    let has = |state| kept.iter().any(|key| key.state == state);
    if has(DkimKeyState::Pending) {
        return Err(Refusal::InUse { why: "new DKIM keys wait for their records to be published".to_owned() }.into());
    }
    if kept.len() + new.len() > limits::DKIM_KEYS_PER_DOMAIN_MAX {
        let limit = limits::DKIM_KEYS_PER_DOMAIN_MAX as u64;
        return Err(Refusal::TooMany { what: "DKIM keys".to_owned(), limit }.into());
    }
    let state = if has(DkimKeyState::Active) { DkimKeyState::Pending } else { DkimKeyState::Active };
    for (at, key) in new.iter().enumerate() {
        check(key)?;
        let again = new.iter().take(at).any(|other| other.selector == key.selector);
        if again || kept.iter().any(|other| other.selector == key.selector) {
            return Err(Refusal::NameTaken { owner: "a DKIM key".to_owned() }.into());
        }
    }
    forget(work, &gone);
    for NewDkimKey { selector, sealed, record } in new {
        let key = DkimKey { selector, sealed, record, state, created: work.now, since: work.now };
        save(work, &key);
    }
    Ok(Reply::Done)
}

/// Uses the keys that wait and retires those in use.
pub(crate) fn activate<T: Txn>(work: &mut Work<'_, T>) -> Outcome<Reply, T::Error> {
    let (gone, kept) = partition(work)?;
    if !kept.iter().any(|key| key.state == DkimKeyState::Pending) {
        return Err(Refusal::NotFound { what: "DKIM keys that wait to be used".to_owned() }.into());
    }
    forget(work, &gone);
    for mut key in kept {
        key.state = match key.state {
            DkimKeyState::Pending => DkimKeyState::Active,
            DkimKeyState::Active => DkimKeyState::Retiring,
            DkimKeyState::Retiring => continue,
        };
        key.since = work.now;
        save(work, &key);
    }
    Ok(Reply::Done)
}

/// Forgets a key, whatever its state: it may have become known.
pub(crate) fn remove<T: Txn>(work: &mut Work<'_, T>, selector: &DomainName) -> Outcome<Reply, T::Error> {
    let key = keys::dkim_key(work.id, selector);
    if work.txn.row(&key)?.is_none() {
        return Err(Refusal::NotFound { what: "DKIM key".to_owned() }.into());
    }
    work.txn.unset(&key);
    Ok(Reply::Done)
}

fn check(key: &NewDkimKey) -> Result<(), Refusal> {
    let sizes = [
        ("sealed key", key.sealed.len(), limits::DKIM_SEALED_BYTES_MAX),
        ("record", key.record.len(), limits::DKIM_RECORD_BYTES_MAX),
    ];
    for (what, bytes, most) in sizes {
        if !(1..=most).contains(&bytes) {
            return Err(Refusal::InvalidValue { why: format!("a DKIM key's {what} has 1 to {most} bytes") });
        }
    }
    Ok(())
}

/// The keys whose time is over, and the others.
fn partition<T: Txn>(work: &Work<'_, T>) -> Outcome<(Vec<DkimKey>, Vec<DkimKey>), T::Error> {
    let over = |key: &DkimKey| key.retired_until().is_some_and(|until| until <= work.now);
    Ok(keys_of(&*work.txn, work.id)?.into_iter().partition(over))
}

fn forget<T: Txn>(work: &mut Work<'_, T>, gone: &[DkimKey]) {
    gone.iter().for_each(|key| work.txn.unset(&keys::dkim_key(work.id, &key.selector)));
}

fn save<T: Txn>(work: &mut Work<'_, T>, key: &DkimKey) {
    work.txn.set(&keys::dkim_key(work.id, &key.selector), key);
}
