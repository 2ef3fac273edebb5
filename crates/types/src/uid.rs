//! UIDs and their sets (RFC 9051 §2.3.1.1), MODSEQs (RFC 7162).

use serde::{Deserialize, Serialize};

/// A message's unique identifier in its mailbox; ascending, never 0, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub u32);

/// Changes when a mailbox's UIDs start anew; from a counter of the domain that never falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UidValidity(pub u32);

/// A modification sequence: one counter per domain stamps every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModSeq(pub u64);

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of UIDs as ascending, disjoint, non-adjacent ranges: memory per gap, not per message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UidSet(Vec<(u32, u32)>);

impl UidSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        UidSet(Vec::new())
    }

    /// All UIDs from `first` to `last`, both included; empty if `first > last`.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        let mut set = UidSet::new();
        set.insert_range(first, last);
        set
    }

    /// Adds one UID.
    pub fn insert(&mut self, uid: Uid) {
        self.insert_range(uid.0, uid.0);
    }

    /// Adds all UIDs from `first` to `last`, both included. Constant time at the upper end, linear in ranges elsewhere.
    pub fn insert_range(&mut self, first: u32, last: u32) {
        if first > last || last == 0 {
            return;
        }
        let first = first.max(1);
        match self.0.last_mut() {
            Some((from, to)) if first >= *from && first <= to.saturating_add(1) => *to = last.max(*to),
            Some((_, to)) if first > *to => self.0.push((first, last)),
            None => self.0.push((first, last)),
            Some(_) => self.merge(first, last),
        }
    }

    fn merge(&mut self, first: u32, last: u32) {
        let start = self.0.partition_point(|&(_, to)| to.saturating_add(1) < first);
        let end = self.0.partition_point(|&(from, _)| from <= last.saturating_add(1));
        let merged = self
            .0
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .fold((first, last), |(f, l), &(from, to)| (f.min(from), l.max(to)));
        self.0.splice(start..end, [merged]);
    }

    /// Removes one UID; was it there?
    pub fn remove(&mut self, uid: Uid) -> bool {
        let at = self.0.partition_point(|&(_, to)| to < uid.0);
        match self.0.get(at).copied() {
            Some((from, to)) if from <= uid.0 => {
                let left = (from < uid.0).then(|| (from, uid.0 - 1));
                let right = (uid.0 < to).then(|| (uid.0 + 1, to));
                self.0.splice(at..=at, left.into_iter().chain(right));
                true
            }
            _ => false,
        }
    }

    /// Is `uid` in the set?
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|&(_, to)| to < uid.0);
        self.0.get(at).is_some_and(|&(from, _)| from <= uid.0)
    }

    /// How many UIDs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|&(from, to)| u64::from(to - from) + 1).sum()
    }

    /// Nothing in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// All UIDs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.0.iter().flat_map(|&(from, to)| (from..=to).map(Uid))
    }

    /// The largest UID.
    #[must_use]
    pub fn last(&self) -> Option<Uid> {
        self.0.last().map(|&(_, to)| Uid(to))
    }

    /// The 1-based position of `uid`: its message sequence number if the set is the mailbox.
    #[must_use]
    pub fn position(&self, uid: Uid) -> Option<u32> {
        let mut before = 0u32;
        for &(from, to) in &self.0 {
            if uid.0 < from {
                return None;
            }
            if uid.0 <= to {
                return Some(before + (uid.0 - from) + 1);
            }
            before += to - from + 1;
        }
        None
    }

    /// The UID at a 1-based position.
    #[must_use]
    pub fn at(&self, position: u32) -> Option<Uid> {
        let mut left = position.checked_sub(1)?;
        for &(from, to) in &self.0 {
            if left <= to - from {
                return Some(Uid(from + left));
            }
            left -= to - from + 1;
        }
        None
    }

    /// UIDs in both sets.
    #[must_use]
    pub fn intersection(&self, other: &UidSet) -> UidSet {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = UidSet::new();
        while let (Some(&&(f1, t1)), Some(&&(f2, t2))) = (a.peek(), b.peek()) {
            common.insert_range(f1.max(f2), t1.min(t2));
            if t1 < t2 {
                a.next()
            } else {
                b.next()
            };
        }
        common
    }

    /// UIDs in `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &UidSet) -> UidSet {
        let mut rest = UidSet::new();
        for &(from, to) in &self.0 {
            let mut next = u64::from(from);
            let start = other.0.partition_point(|&(_, t)| t < from);
            for &(f, t) in other.0.iter().skip(start).take_while(|&&(f, _)| f <= to) {
                if u64::from(f) > next {
                    rest.insert_range(u32::try_from(next).unwrap_or(u32::MAX), f - 1);
                }
                next = next.max(u64::from(t) + 1);
            }
            if next <= u64::from(to) {
                rest.insert_range(u32::try_from(next).unwrap_or(u32::MAX), to);
            }
        }
        rest
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = UidSet::new();
        uids.into_iter().for_each(|uid| set.insert(uid));
        set
    }
}

impl std::fmt::Display for UidSet {
    /// RFC 9051 sequence-set: `1:4,9`. The empty set prints nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, &(from, to)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}:{to}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Uid, UidSet};

    fn from(model: &BTreeSet<u32>) -> UidSet {
        model.iter().copied().map(Uid).collect()
    }

    proptest! {
        #[test]
        fn a_set_behaves_like_a_set(ops in prop::collection::vec((any::<bool>(), 1u32..40, 0u32..6), 0..60), other in prop::collection::btree_set(1u32..40, 0..20)) {
            let (mut set, mut model) = (UidSet::new(), BTreeSet::new());
            for (add, first, span) in ops {
                if add {
                    set.insert_range(first, first + span);
                    model.extend(first..=first + span);
                } else {
                    prop_assert_eq!(set.remove(Uid(first)), model.remove(&first));
                }
            }
            prop_assert_eq!(&set, &from(&model));
            prop_assert_eq!(set.len(), model.len() as u64);
            for (position, &uid) in (1u32..).zip(&model) {
                prop_assert_eq!(set.position(Uid(uid)), Some(position));
                prop_assert_eq!(set.at(position), Some(Uid(uid)));
            }
            prop_assert_eq!(set.at(u32::try_from(model.len()).unwrap() + 1), None);
            let b = from(&other);
            prop_assert_eq!(set.intersection(&b), from(&model.intersection(&other).copied().collect()));
            prop_assert_eq!(set.difference(&b), from(&model.difference(&other).copied().collect()));
        }
    }

    #[test]
    fn a_set_prints_as_a_sequence_set() {
        let mut set = UidSet::range(1, 4);
        set.insert(Uid(9));
        assert_eq!(set.to_string(), "1:4,9");
        set.insert_range(u32::MAX - 1, u32::MAX);
        assert!(set.contains(Uid(u32::MAX)));
        assert_eq!(UidSet::range(0, 0), UidSet::new());
    }
}
