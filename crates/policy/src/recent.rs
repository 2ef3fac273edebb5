//! A table that keeps what was touched lately and forgets the rest, in bounded memory.
//!
//! Two generations: what is touched is young; when the young ones are half of the bound, they become the old ones, and the old ones of
//! before are forgotten. So at least the last half of the bound is remembered, and nothing is ever searched for what to forget.

use std::collections::BTreeMap;

/// At most `entries_max` entries.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    half: usize,
}

impl<K: Ord, V: Default> Recent<K, V> {
    pub(crate) const fn new(entries_max: usize) -> Self {
        Recent { young: BTreeMap::new(), old: BTreeMap::new(), half: entries_max / 2 }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The entry, made if there is none; now young.
    pub(crate) fn touch(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| before.unwrap_or_default())
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn what_is_touched_stays_and_the_rest_goes() {
        let mut recent: Recent<u32, u32> = Recent::new(10);
        for key in 0..1_000 {
            *recent.touch(key) = key;
            *recent.touch(7_777) += 1;
            assert!(recent.young.len() + recent.old.len() <= 10);
        }
        assert_eq!(recent.get(&7_777), Some(&1_000));
        assert_eq!((recent.get(&999), recent.get(&996), recent.get(&900)), (Some(&999), Some(&996), None));
        recent.remove(&7_777);
        recent.remove(&996);
        assert_eq!((recent.get(&7_777), recent.get(&996)), (None, None));
    }
}
