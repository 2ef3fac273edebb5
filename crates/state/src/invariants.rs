//! What must always hold, checked over a whole state: for tests, the simulator and an operator's doubt.
//!
//! Every counter is counted again, every index compared with what it indexes, both ways. Reads everything: not for a busy hour.

mod auto_reply;
mod domain;
mod filtering;
mod forward;
mod greylist;
mod mailbox;
mod queue;
mod sending;

use std::collections::{BTreeMap, BTreeSet};

use yubin_types::{DomainId, Timestamp};

use crate::keys::{self, DueKind, Table};
use crate::kv::View;
use crate::rows::Phase;
use crate::stop::{Outcome, Stop};
use crate::table::{Read as _, go_on_while};

/// Something that must hold does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule, such as `usage of an account`.
    pub rule: &'static str,
    /// Where, and what was found.
    pub detail: String,
}

/// All violations of a group's state; none in a sound one.
///
/// # Errors
/// The disk failed.
///
/// # Panics
/// A row is damaged.
pub fn check<V: View>(view: &V) -> Result<Vec<Violation>, V::Error> {
    let mut found = Findings::default();
    match group(view, &mut found) {
        Err(Stop::Disk(error)) => Err(error),
        Ok(()) | Err(Stop::Refused(_)) => Ok(found.violations),
    }
}

/// Violations while they are being collected.
#[derive(Default)]
struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    /// Two figures that must be equal.
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, rule: &'static str, place: &str, kept: &T, counted: &T) {
        if kept != counted {
            self.violations.push(Violation { rule, detail: format!("{place}: kept {kept:?}, counted {counted:?}") });
        }
    }

    /// A condition that must hold.
    #[expect(clippy::fn_params_excessive_bools, reason = "an assertion takes what it asserts")]
    fn holds(&mut self, rule: &'static str, condition: bool, detail: impl FnOnce() -> String) {
        if !condition {
            self.violations.push(Violation { rule, detail: detail() });
        }
    }
}

/// Due times as the group's index has them, by kind and domain.
type Dues = BTreeMap<(DueKind, DomainId), Vec<Timestamp>>;

fn group<V: View>(view: &V, found: &mut Findings) -> Outcome<(), V::Error> {
    let mut domains = BTreeMap::new();
    view.each(&keys::domains(), |key, domain| {
        domains.insert(keys::parse_domain(key), domain);
        go_on_while(true)
    })?;
    for table in Table::OF_DOMAIN {
        view.each_key(&keys::all_rows(table), |key| {
            let id = keys::parse_domain(key);
            found.holds("rows belong to a domain", domains.contains_key(&id), || format!("{table:?} of {id}"));
            go_on_while(true)
        })?;
    }
    let mut dues = Dues::new();
    for kind in DueKind::ALL {
        for key in view.first_keys(&keys::dues(kind), usize::MAX)? {
            let (at, id) = keys::parse_due(&key);
            dues.entry((kind, id)).or_default().push(at);
        }
    }
    requests(view, found)?;
    greylist::check(view, domains.keys().copied(), found)?;
    queue::due_index(view, found)?;
    for (id, domain) in domains.iter().filter(|(_, domain)| domain.phase == Phase::Live) {
        domain::check(view, *id, domain, &dues, found)?;
    }
    for (kind, id) in dues.keys() {
        found.holds("due times belong to a domain", domains.contains_key(id), || format!("{kind:?} of {id}"));
    }
    Ok(())
}

fn requests<V: View>(view: &V, found: &mut Findings) -> Outcome<(), V::Error> {
    let mut indexed = BTreeSet::new();
    for key in view.first_keys(&keys::forgets(), usize::MAX)? {
        indexed.insert(keys::parse_forget(&key));
    }
    let mut remembered = BTreeSet::new();
    view.each(&keys::requests(), |key, outcome| {
        let (domain, request) = keys::parse_request(key);
        remembered.insert((outcome.expires, domain, request));
        go_on_while(true)
    })?;
    found.equal("remembered requests and their expiry", "group", &indexed, &remembered);
    Ok(())
}
