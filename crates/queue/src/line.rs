//! A line of deliveries to one destination: tenants take turns, and within a tenant mail that is tried for the first time goes before
//! mail that is tried again, but for every fourth. What has expired goes before all.
//!
//! A pure value, and unbounded: whoever fills it counts.

use std::collections::VecDeque;

use yubin_types::DomainId;

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
    new: VecDeque<Due>,
    again: VecDeque<Due>,
    taken: u32,
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
            Age::New => waiting.new.push_back(due),
            Age::Again => waiting.again.push_back(due),
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
        let all = self
            .tenants
            .drain(..)
            .flat_map(|(_, waiting)| waiting.over.into_iter().chain(waiting.new).chain(waiting.again));
        let (out, stay): (Vec<Due>, Vec<Due>) = all.partition(gone);
        self.count = 0;
        stay.into_iter().for_each(|due| self.add(due));
        out
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.over.is_empty() && self.new.is_empty() && self.again.is_empty()
    }

    fn next(&mut self, passage: Passage, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        if let Some(due) = self.over.pop_front_if(|due| free(due)) {
            return Some(due);
        }
        if passage == Passage::Expired {
            return None;
        }
        self.taken = self.taken.wrapping_add(1);
        let (first, second) = if self.taken.is_multiple_of(4) {
            (&mut self.again, &mut self.new)
        } else {
            (&mut self.new, &mut self.again)
        };
        first.pop_front_if(|due| free(due)).or_else(|| second.pop_front_if(|due| free(due)))
    }
}
