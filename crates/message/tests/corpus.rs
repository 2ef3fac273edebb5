//! Ordinary and broken messages: the tree accounts for every byte, and what IMAP writes of it parses.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod grammar;

use std::ops::Range;

use yubin_message::imap::{self, BodyForm, Utf8};
use yubin_message::{PartKind, PartTree, ScanLimits, Scanner, SectionText, scan, search};

/// Every message of the corpus, as it is and with CRLF line ends.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut messages = Vec::new();
    for sample in yubin_corpus::samples().expect("readable") {
        messages.push((format!("{} with CRLF", sample.name), yubin_corpus::with_crlf(&sample.bytes)));
        messages.push((format!("{} as it is", sample.name), sample.bytes));
    }
    messages
}

fn slice(message: &[u8], range: Range<u64>) -> &[u8] {
    &message[usize::try_from(range.start).expect("offset")..usize::try_from(range.end).expect("offset")]
}

/// The section numbers of every part that has them.
fn sections(tree: &PartTree) -> Vec<(usize, Vec<u32>)> {
    let mut found: Vec<Option<Vec<u32>>> = Vec::new();
    for (index, part) in tree.parts().iter().enumerate() {
        let numbers = match part.parent.map(|it| usize::try_from(it).expect("index")) {
            None if part.kind == PartKind::Multipart => Some(vec![]),
            None => Some(vec![1]),
            Some(parent) => {
                let nth = tree.children(parent).position(|child| child == index).expect("a child of its parent");
                let mut numbers = found[parent].clone().expect("parents come first");
                match tree.parts()[parent].kind {
                    PartKind::Multipart => numbers.push(u32::try_from(nth).expect("count") + 1),
                    _ if part.kind == PartKind::Multipart => {}
                    _ => numbers.push(1),
                }
                Some(numbers)
            }
        };
        found.push(numbers);
    }
    found.into_iter().enumerate().filter_map(|(index, numbers)| Some((index, numbers?))).collect()
}

#[test]
fn every_byte_has_its_place() {
    for (name, message) in corpus() {
        let tree = scan(&message);
        assert_eq!(tree.size_bytes(), message.len() as u64, "{name}");
        for (index, part) in tree.parts().iter().enumerate() {
            assert!(part.header <= part.body && part.body <= part.end, "{name}: part {index}");
            let newlines = slice(&message, part.body..part.end).iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(part.lines, newlines as u64, "{name}: part {index}");
            let header = slice(&message, part.header..part.body);
            assert!(header.is_empty() || header.ends_with(b"\n") || part.body == part.end, "{name}: part {index}");
            // Between two parts of a multipart stands a boundary and nothing else.
            let mut at = None;
            for child in tree.children(index).map(|child| &tree.parts()[child]) {
                assert!(part.body <= child.header && child.end <= part.end, "{name}: part {index}");
                if let Some(at) = at {
                    let gap = String::from_utf8_lossy(slice(&message, at..child.header)).into_owned();
                    assert!(
                        gap.trim_start_matches(['\r', '\n']).starts_with("--") && gap.ends_with('\n'),
                        "{name}: {gap:?}"
                    );
                    assert!(gap.matches('\n').count() <= 2, "{name}: {gap:?}");
                }
                at = Some(child.end);
            }
        }
    }
}

#[test]
fn sections_name_their_parts() {
    for (name, message) in corpus() {
        let tree = scan(&message);
        for (index, numbers) in sections(&tree) {
            let part = &tree.parts()[index];
            // The message inside a message/rfc822 part goes by the number of that part, if it is a multipart.
            let named = tree.section_index(&numbers).unwrap_or_else(|| panic!("{name}: no section {numbers:?}"));
            let is_inner = part.envelope.is_some() && part.kind == PartKind::Multipart && index != 0;
            assert_eq!(named, if is_inner { index - 1 } else { index }, "{name}: {numbers:?}");
            if part.kind == PartKind::Leaf {
                let range = tree.section_range(&numbers, SectionText::All);
                assert_eq!(range, Some(part.body..part.end), "{name}: {numbers:?}");
                let mime = tree.section_range(&numbers, SectionText::Mime);
                assert_eq!(mime, Some(part.header..part.body), "{name}: {numbers:?}");
            }
        }
        let header = tree.section_range(&[], SectionText::Header).expect("a header");
        let text = tree.section_range(&[], SectionText::Text).expect("a text");
        assert_eq!((header.start, header.end, text.end), (0, text.start, message.len() as u64), "{name}");
    }
}

#[test]
fn chunks_make_no_difference() {
    for (name, message) in corpus() {
        let whole = scan(&message);
        assert_eq!(PartTree::from_bytes(&whole.to_bytes()).as_ref(), Ok(&whole), "{name}");
        for size in [1, 2, 3, 7, 64, 1_000] {
            let mut scanner = Scanner::new(ScanLimits::default());
            message.chunks(size).for_each(|chunk| scanner.feed(chunk));
            assert_eq!(scanner.finish(), whole, "{name} by {size}");
        }
    }
}

#[test]
fn what_imap_writes_parses() {
    for (name, message) in corpus() {
        let tree = scan(&message);
        for utf8 in [Utf8::No, Utf8::Accepted] {
            let mut out = Vec::new();
            imap::write_envelope(&mut out, tree.envelope(), utf8);
            grammar::check_envelope(&out, utf8).unwrap_or_else(|error| panic!("{name}: {error}"));
            for form in [BodyForm::Body, BodyForm::BodyStructure] {
                out.clear();
                imap::write_body(&mut out, &tree, form, utf8);
                grammar::check_body(&out, form, utf8).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_imap_writes_of_anything_parses(
        message in "((To|From|Subject|Message-ID|Content-(Type|ID|Disposition|Language|Transfer-Encoding)): ([ -~\u{5c71}\u{0}\u{1}\t]|multipart/mixed; boundary=b|message/rfc822|\r\n ){0,12}\r\n){0,4}(\r\n(--b)?\r\n.{0,5}){0,3}",
        broken in proptest::collection::vec((0_usize..400, proptest::prelude::any::<u8>()), 0..6),
    ) {
        let mut message = message.into_bytes();
        for (at, byte) in broken {
            if let Some(place) = message.get_mut(at) {
                *place = byte;
            }
        }
        let tree = scan(&message);
        for utf8 in [Utf8::No, Utf8::Accepted] {
            let mut out = Vec::new();
            imap::write_envelope(&mut out, tree.envelope(), utf8);
            proptest::prop_assert_eq!(grammar::check_envelope(&out, utf8), Ok(()));
            out.clear();
            imap::write_body(&mut out, &tree, BodyForm::BodyStructure, utf8);
            proptest::prop_assert_eq!(grammar::check_body(&out, BodyForm::BodyStructure, utf8), Ok(()));
        }
    }
}

#[test]
fn all_text_can_be_searched() {
    for (name, message) in corpus() {
        let tree = scan(&message);
        let read = |range| Ok::<_, ()>(slice(&message, range));
        assert_eq!(search::find(&tree, search::Scope::Text, "\u{10ffff}", read), Ok(false), "{name}");
        if tree.envelope().from.is_empty() {
            continue;
        }
        assert_eq!(search::find(&tree, search::Scope::Header("FROM"), "", read), Ok(true), "{name}");
    }
}
