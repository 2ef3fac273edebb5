//! `sequence-set` (RFC 9051 §9) before it is known what the numbers name.
//!
//! At most [`limits::IMAP_SET_ITEMS_MAX`] items. Sorted and merged when it is resolved, so that what a set costs afterwards depends on
//! the mailbox and not on how it was written.

use yubin_types::{UidSet, limits};

/// A set of numbers in which `*` stands for the largest that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SequenceSet(Vec<(Number, Number)>);

/// One bound of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    /// Never 0.
    Value(u32),
    /// `*`
    Largest,
}

impl SequenceSet {
    /// `None` if it is no sequence set, or has too many items.
    pub(super) fn parse(text: &[u8]) -> Option<SequenceSet> {
        if memchr::memchr_iter(b',', text).count() >= limits::IMAP_SET_ITEMS_MAX {
            return None;
        }
        let item = |item: &[u8]| match memchr::memchr(b':', item) {
            Some(at) => Some((number(item.get(..at)?)?, number(item.get(at + 1..)?)?)),
            None => number(item).map(|number| (number, number)),
        };
        text.split(|&byte| byte == b',').map(item).collect::<Option<Vec<_>>>().map(SequenceSet)
    }

    /// The numbers, with the largest that there is in place of `*`; without it (an empty mailbox), a range with `*` is empty.
    pub(super) fn resolve(&self, largest: Option<u32>) -> UidSet {
        let value = |number| match number {
            Number::Value(value) => Some(value),
            Number::Largest => largest,
        };
        let resolved = self.0.iter().filter_map(|&(a, b)| Some((value(a)?, value(b)?)));
        let mut ranges: Vec<(u32, u32)> = resolved.map(|(a, b)| (a.min(b), a.max(b))).collect();
        ranges.sort_unstable();
        let mut set = UidSet::new();
        for (first, last) in ranges {
            set.insert_range(first, last);
        }
        set
    }
}

fn number(text: &[u8]) -> Option<Number> {
    if text == b"*" {
        return Some(Number::Largest);
    }
    let value = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    value.parse().ok().filter(|&value| value > 0).map(Number::Value)
}

#[cfg(test)]
mod tests {
    use yubin_types::limits;

    use super::SequenceSet;

    #[test]
    fn sets_resolve_against_the_largest_number() {
        let resolve = |text: &str, largest| SequenceSet::parse(text.as_bytes()).unwrap().resolve(largest).to_string();
        assert_eq!(resolve("2,4:7,9,12:*", Some(15)), "2,4:7,9,12:15");
        assert_eq!(resolve("*:4,5:7", Some(10)), "4:10");
        assert_eq!(resolve("20:*", Some(10)), "10:20");
        assert_eq!(resolve("5,3,4,*", Some(9)), "3:5,9");
        assert_eq!(resolve("1:*,7", None), "7");
        assert_eq!(resolve("4294967295", Some(1)), "4294967295");
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in ["", ",", "1,", ",1", "0", "1:", ":1", "1:2:3", "a", "4294967296", "**", "1,,2", "-1", "+1"] {
            assert_eq!(SequenceSet::parse(text.as_bytes()), None, "{text}");
        }
        let many = vec!["1"; limits::IMAP_SET_ITEMS_MAX];
        assert!(SequenceSet::parse(many.join(",").as_bytes()).is_some());
        assert_eq!(SequenceSet::parse(format!("{},1", many.join(",")).as_bytes()), None);
    }
}
