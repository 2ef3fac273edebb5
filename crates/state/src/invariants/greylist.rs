//! Greylists: each stranger is forgotten at its time and counted, and none are too many.

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{DomainId, limits};

use super::Findings;
use crate::keys;
use crate::kv::View;
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn check<V: View>(
    view: &V,
    domains: impl Iterator<Item = DomainId>,
    found: &mut Findings,
) -> Outcome<(), V::Error> {
    let mut indexed: BTreeMap<DomainId, BTreeSet<_>> = BTreeMap::new();
    for key in view.first_keys(&keys::greylist_forgets(), usize::MAX)? {
        if let Some((until, id, stranger)) = keys::parse_greylist_forget(&key) {
            indexed.entry(id).or_default().insert((stranger, until));
        }
    }
    for id in domains {
        let mut remembered = BTreeSet::new();
        view.each(&keys::greylist_of(id), |key, seen| {
            remembered.extend(keys::parse_stranger(key).map(|stranger| (stranger, seen.until)));
            go_on_while(true)
        })?;
        let place = format!("domain {id}");
        let kept = view.row(&keys::greylist_count(id))?.unwrap_or_default();
        found.equal("strangers are counted", &place, &(kept as usize), &remembered.len());
        found.holds("strangers are bounded", kept <= limits::GREYLIST_ROWS_PER_DOMAIN_MAX, || place.clone());
        let due = indexed.get(&id).cloned().unwrap_or_default();
        let lost: Vec<_> = remembered.difference(&due).collect();
        found.holds("strangers are forgotten at their time", lost.is_empty(), || format!("{place}: {lost:?}"));
    }
    Ok(())
}
