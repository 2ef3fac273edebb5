//! Looks for several texts at once in folded text that comes in chunks.
//!
//! The cost is linear in the text for each sought text. Held between chunks: the end of the text seen, shorter than
//! the longest sought text, and what has not been looked at yet.

use memchr::memmem::Finder;

use super::fold::Folder;

/// Folded text is gathered up to this before it is looked at, so that small chunks cost no more than large ones.
const BATCH_BYTES: usize = 4_096;

/// A search in progress.
#[derive(Debug)]
pub struct Matcher {
    needles: Vec<Needle>,
    longest: usize,
    folder: Folder,
    /// Folded text: the first `seen` bytes have been looked at.
    text: Vec<u8>,
    seen: usize,
}

#[derive(Debug)]
struct Needle {
    finder: Finder<'static>,
    found: bool,
}

impl Matcher {
    /// Looks for each of the texts; the empty text is found in any text, even an empty one that is fed.
    pub fn new(needles: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let needle = |text: &str| {
            let mut folded = Vec::new();
            let mut folder = Folder::default();
            folder.feed(text, &mut folded);
            folder.finish(&mut folded);
            Needle { finder: Finder::new(&folded).into_owned(), found: false }
        };
        let needles: Vec<Needle> = needles.into_iter().map(|text| needle(text.as_ref())).collect();
        let longest = needles.iter().map(|it| it.finder.needle().len()).max().unwrap_or(0);
        Matcher { needles, longest, folder: Folder::default(), text: Vec::new(), seen: 0 }
    }

    /// Takes in the next piece of the text.
    pub fn feed(&mut self, text: &str) {
        self.folder.feed(text, &mut self.text);
        if self.text.len() - self.seen >= BATCH_BYTES.max(self.longest) {
            self.look();
        }
        self.needles.iter_mut().filter(|it| it.finder.needle().is_empty()).for_each(|it| it.found = true);
    }

    /// Ends one text: what is found next lies in another.
    pub fn end_text(&mut self) {
        self.folder.finish(&mut self.text);
        self.look();
        self.text.clear();
        self.seen = 0;
    }

    /// Whether the text given at `index` has been found; complete for what lies before [`Self::end_text`].
    pub fn found(&self, index: usize) -> bool {
        self.needles.get(index).is_some_and(|it| it.found)
    }

    /// Whether all have been found, so that reading on is of no use.
    pub fn all_found(&self) -> bool {
        self.needles.iter().all(|it| it.found)
    }

    fn look(&mut self) {
        let unseen = self.text.len() > self.seen;
        for needle in self.needles.iter_mut().filter(|it| !it.found && unseen) {
            needle.found = needle.finder.find(&self.text).is_some();
        }
        let keep = self.longest.saturating_sub(1).min(self.text.len());
        self.text.drain(..self.text.len() - keep);
        self.seen = keep;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(needles: &[&str], texts: &[&str]) -> Vec<bool> {
        let mut matcher = Matcher::new(needles);
        for text in texts {
            text.chars().for_each(|c| matcher.feed(c.encode_utf8(&mut [0; 4])));
            matcher.end_text();
        }
        (0..needles.len()).map(|index| matcher.found(index)).collect()
    }

    #[test]
    fn finds_what_folds_equal() {
        assert_eq!(found(&["WORLD", "ｶﾞｷ", "が", "none"], &["Hello World, ガキ"]), [true, true, false, false]);
        assert_eq!(found(&["hello world"], &["Hello\r\n  World"]), [true]);
        assert_eq!(found(&["ab"], &["a", "b"]), [false], "two texts are not one");
        assert_eq!(found(&[""], &[]), [false]);
        assert_eq!(found(&[""], &["x"]), [true]);
        assert!(Matcher::new([] as [&str; 0]).all_found());
    }

    #[test]
    fn finds_across_batches() {
        for place in [0, 4_090, 4_095, 4_096, 8_191, 10_000] {
            let text = format!("{}needle{}", "n".repeat(place), "e".repeat(3_000));
            assert_eq!(found(&["needle", "n needle"], &[&text]), [true, false], "{place}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_contains(needle in "[ab]{1,4}", text in "[ab]{0,30}", pad in 4_080_usize..4_110) {
            let text = format!("{}{text}", "c".repeat(pad));
            prop_assert_eq!(found(&[&needle], &[&text]), [text.contains(&needle)]);
        }
    }
}
