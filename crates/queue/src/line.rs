//! A line of deliveries to one destination: tenants take turns, so that nobody's priorities are of any matter to others. Within a tenant
//! the highest priority goes first (RFC 6710 §5), of the same mail that is tried for the first time before mail that is tried again, but for
//! every fourth. What has expired goes before all.
//!
//! A pure value, and unbounded: whoever fills it counts.

use std::collections::{BTreeMap, VecDeque};

use yubin_types::{DomainId, Priority};

use crate::board::{Age, Due};

/// Deliveries in line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    tenants: VecDeque<(DomainId, Waiting)>,
    count: usize,
}

/// Who may leave a line?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    All,
    /// What has expired: it goes whatever its destination does.
    Expired,
}

#[derive(Debug, Default)]
struct Waiting {
    over: VecDeque<Due>,
    new: Ranked,
    again: Ranked,
    taken: u32,
}

/// Deliveries by priority, those of each in the order in which they came.
#[derive(Debug, Default)]
struct Ranked(BTreeMap<Priority, VecDeque<Due>>);

impl Ranked {
    fn push(&mut self, due: Due) {
        self.0.entry(due.priority).or_default().push_back(due);
    }

    /// The highest priority there is.
    fn rank(&self) -> Option<Priority> {
        self.0.last_key_value().map(|(priority, _)| *priority)
    }

    /// The first of the highest priority, if it is free.
    fn pop_if(&mut self, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        let mut highest = self.0.last_entry()?;
        let due = highest.get_mut().pop_front_if(|due| free(due));
        if highest.get().is_empty() {
            highest.remove();
        }
        due
    }

    fn into_all(self) -> impl Iterator<Item = Due> {
        self.0.into_values().flatten()
    }
}

impl Line {
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn add(&mut self, due: Due) {
        self.count += 1;
        let tenant = due.key.domain;
        let index = self.tenants.iter().position(|(domain, _)| *domain == tenant).unwrap_or_else(|| {
            self.tenants.push_back((tenant, Waiting::default()));
            self.tenants.len() - 1
        });
        let Some((_, waiting)) = self.tenants.get_mut(index) else { return };
        match due.age {
            Age::Over => waiting.over.push_back(due),
            Age::New => waiting.new.push(due),
            Age::Again => waiting.again.push(due),
        }
    }

    /// Whose deliveries wait.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = DomainId> {
        self.tenants.iter().map(|(tenant, _)| *tenant)
    }

    /// The next delivery of the tenant whose turn it is, of those that are `free`.
    pub(crate) fn next(&mut self, passage: Passage, free: impl Fn(&Due) -> bool) -> Option<Due> {
        for _ in 0..self.tenants.len() {
            let (tenant, mut waiting) = self.tenants.pop_front()?;
            let due = waiting.next(passage, &free);
            if !waiting.is_empty() {
                self.tenants.push_back((tenant, waiting));
            }
            if due.is_some() {
                self.count -= 1;
                return due;
            }
        }
        None
    }

    /// Takes out what `gone` says.
    pub(crate) fn extract(&mut self, gone: impl Fn(&Due) -> bool) -> Vec<Due> {
        let all = self.tenants.drain(..).flat_map(|(_, waiting)| {
            waiting.over.into_iter().chain(waiting.new.into_all()).chain(waiting.again.into_all())
        });
        let (out, stay): (Vec<Due>, Vec<Due>) = all.partition(gone);
        self.count = 0;
        stay.into_iter().for_each(|due| self.add(due));
        out
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.over.is_empty() && self.new.rank().is_none() && self.again.rank().is_none()
    }

    fn next(&mut self, passage: Passage, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        if let Some(due) = self.over.pop_front_if(|due| free(due)) {
            return Some(due);
        }
        if passage == Passage::Expired {
            return None;
        }
        self.taken = self.taken.wrapping_add(1);
        let (new, again) = (self.new.rank(), self.again.rank());
        let again_first = again > new || (again == new && self.taken.is_multiple_of(4));
        let (first, second) =
            if again_first { (&mut self.again, &mut self.new) } else { (&mut self.new, &mut self.again) };
        first.pop_if(free).or_else(|| second.pop_if(free))
    }
}
