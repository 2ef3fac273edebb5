//! A line of deliveries to one destination: tenants take turns, so that nobody's priorities are of any matter to others. Within a tenant
//! the highest priority goes first (RFC 6710 §5), of the same mail that is tried for the first time before mail that is tried again, but for
//! every fourth; every eighth is of the lowest priority, so that nothing waits for ever. What has expired goes before all, and before the rest what an operator
//! wants tried.
//!
//! A pure value, and unbounded: whoever fills it counts.

use std::collections::{BTreeMap, VecDeque};

use yubin_types::{DomainId, Priority};

use crate::board::{Age, Due};
use crate::crowd::Crowd;

/// Deliveries in line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    tenants: VecDeque<(DomainId, Waiting)>,
    crowd: Crowd,
}

/// Who may leave a line?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    All,
    /// What goes though the destination pauses: what has expired, and what an operator wants tried.
    Pressing,
}

#[derive(Debug, Default)]
struct Waiting {
    over: VecDeque<Due>,
    asked: VecDeque<Due>,
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

    /// The lowest priority there is.
    fn lowest(&self) -> Option<Priority> {
        self.0.first_key_value().map(|(priority, _)| *priority)
    }

    /// The first of the lowest priority, if it is free.
    fn pop_lowest_if(&mut self, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        let mut lowest = self.0.first_entry()?;
        let due = lowest.get_mut().pop_front_if(|due| free(due));
        if lowest.get().is_empty() {
            lowest.remove();
        }
        due
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
        self.crowd.total()
    }

    /// How many, by how urgent they are.
    pub(crate) const fn crowd(&self) -> Crowd {
        self.crowd
    }

    pub(crate) fn add(&mut self, due: Due) {
        self.crowd.add(due.class(), 1);
        let tenant = due.key.domain;
        let index = self.tenants.iter().position(|(domain, _)| *domain == tenant).unwrap_or_else(|| {
            self.tenants.push_back((tenant, Waiting::default()));
            self.tenants.len() - 1
        });
        let Some((_, waiting)) = self.tenants.get_mut(index) else { return };
        match due.age {
            Age::Over => waiting.over.push_back(due),
            Age::Asked => waiting.asked.push_back(due),
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
            if let Some(due) = due {
                self.crowd.add(due.class(), -1);
                return Some(due);
            }
        }
        None
    }

    /// Takes out what `gone` says.
    pub(crate) fn extract(&mut self, gone: impl Fn(&Due) -> bool) -> Vec<Due> {
        let all = self.tenants.drain(..).flat_map(|(_, waiting)| {
            let pressing = waiting.over.into_iter().chain(waiting.asked);
            pressing.chain(waiting.new.into_all()).chain(waiting.again.into_all())
        });
        let (out, stay): (Vec<Due>, Vec<Due>) = all.partition(gone);
        self.crowd = Crowd::default();
        stay.into_iter().for_each(|due| self.add(due));
        out
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.over.is_empty() && self.asked.is_empty() && self.new.rank().is_none() && self.again.rank().is_none()
    }

    fn next(&mut self, passage: Passage, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        let pressing = self.over.pop_front_if(|due| free(due)).or_else(|| self.asked.pop_front_if(|due| free(due)));
        if pressing.is_some() || passage == Passage::Pressing {
            return pressing;
        }
        self.taken = self.taken.wrapping_add(1);
        if self.taken.is_multiple_of(8)
            && let Some(due) = self.last(free)
        {
            return Some(due);
        }
        let (new, again) = (self.new.rank(), self.again.rank());
        let again_first = again > new || (again == new && self.taken.is_multiple_of(4));
        let (first, second) =
            if again_first { (&mut self.again, &mut self.new) } else { (&mut self.new, &mut self.again) };
        first.pop_if(free).or_else(|| second.pop_if(free))
    }

    /// The first of the lowest priority, if there are several.
    fn last(&mut self, free: &impl Fn(&Due) -> bool) -> Option<Due> {
        let highest = self.new.rank().max(self.again.rank());
        let lowest = self.new.lowest().into_iter().chain(self.again.lowest()).min();
        if lowest == highest {
            return None;
        }
        let ranked = if self.again.lowest() == lowest { &mut self.again } else { &mut self.new };
        ranked.pop_lowest_if(free)
    }
}
