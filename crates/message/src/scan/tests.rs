//! What the scanner finds, and that chunks make no difference.

use proptest::prelude::*;

use super::*;

/// One line per part: depth, type, and where header, body and end lie as text.
fn outline(message: &[u8]) -> Vec<String> {
    let tree = scan(message);
    assert!(tree.is_sound(), "{tree:?}");
    let text = |from: u64, to: u64| {
        let range = usize::try_from(from).expect("offset")..usize::try_from(to).expect("offset");
        String::from_utf8_lossy(&message[range]).replace("\r\n", "/").replace('\n', "|")
    };
    let mut depths: Vec<usize> = Vec::new();
    let mut lines = Vec::new();
    for part in tree.parts() {
        let depth = part.parent.map_or(0, |parent| depths[usize::try_from(parent).expect("index")] + 1);
        depths.push(depth);
        let (kind, subtype) = part.media_type();
        let name = format!("{}/{}", String::from_utf8_lossy(kind), String::from_utf8_lossy(subtype));
        let body = if part.kind == PartKind::Leaf { text(part.body, part.end) } else { "..".to_owned() };
        lines.push(format!("{}{name} [{}][{body}] {}", " ".repeat(depth), text(part.header, part.body), part.lines));
    }
    lines
}

fn check(message: &str, want: &[&str]) {
    assert_eq!(outline(message.as_bytes()), want, "{message}");
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

#[test]
fn messages_without_parts() {
    check("", &["text/plain [][] 0"]);
    check("\r\n", &["text/plain [/][] 0"]);
    check("A: b", &["text/plain [A: b][] 0"]);
    check("A: b\r\n\r\nc\r\nd", &["text/plain [A: b//][c/d] 1"]);
    check("A: b\n\nc\n", &["text/plain [A: b||][c|] 1"]);
    check("A: b\r\n\r\n--b\r\n", &["text/plain [A: b//][--b/] 1"]);
    check("Content-Type: nonsense\r\n\r\nx", &["text/plain [Content-Type: nonsense//][x] 0"]);
}

#[test]
fn multiparts() {
    let top = "multipart/mixed [Content-Type: multipart/mixed; boundary=b//][..]";
    let parts = |body: &str, lines: usize, want: &[&str]| {
        let mut all = vec![format!("{top} {lines}")];
        all.extend(want.iter().map(|it| format!(" {it}")));
        assert_eq!(outline(format!("{MIXED}{body}").as_bytes()), all, "{body}");
    };
    parts("--b\r\n\r\nx\r\n--b--\r\n", 4, &["text/plain [/][x] 0"]);
    parts("pre\r\n--b\r\nA: b\r\n\r\nx\r\n\r\n--b--\r\npost", 7, &["text/plain [A: b//][x/] 1"]);
    parts("--b\r\n\r\nx\r\n--b\r\n\r\ny", 5, &["text/plain [/][x] 0", "text/plain [/][y] 0"]);
    parts("--b\n\nx\n--b--", 3, &["text/plain [|][x] 0"]);
    parts("--b \t\r\n\r\nx\r\n--b-- \r\n", 4, &["text/plain [/][x] 0"]);
    // Nothing between boundaries; a header that a boundary ends; a boundary at the very end.
    parts(
        "--b\r\n--b\r\n\r\n--b\r\nA: b\r\n--b",
        5,
        &["text/plain [][] 0", "text/plain [][] 0", "text/plain [A: b][] 0", "text/plain [][] 0"],
    );
    // Near misses are content.
    parts(
        "--b\r\n\r\n--bc\r\n--b-\r\n -b\r\n--b--c\r\n--B\r\n--b--",
        7,
        &["text/plain [/][--bc/--b-/ -b/--b--c/--B] 4"],
    );
    // After the closing boundary there are no more parts.
    parts("--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny", 6, &["text/plain [/][x] 0"]);
}

#[test]
fn a_multipart_without_parts_is_text() {
    check("Content-Type: multipart/mixed\r\n\r\nx", &["text/plain [Content-Type: multipart/mixed//][x] 0"]);
    check(&format!("{MIXED}x\r\n--c\r\n"), &["text/plain [Content-Type: multipart/mixed; boundary=b//][x/--c/] 2"]);
    assert!(scan(format!("{MIXED}x").as_bytes()).root().defects.contains(Defects::NO_BOUNDARY));
}

#[test]
fn an_outer_boundary_ends_all_inside() {
    let message = format!(
        "{MIXED}--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n--b\r\n\r\ny\r\n--b--"
    );
    let want = [
        "multipart/mixed [Content-Type: multipart/mixed; boundary=b//][..] 10",
        " multipart/x [Content-Type: multipart/x; boundary=c//][..] 3",
        "  message/rfc822 [Content-Type: message/rfc822//][..] 0",
        "   text/plain [A: b][] 0",
        " text/plain [/][y] 0",
    ];
    check(&message, &want);
    let tree = scan(message.as_bytes());
    assert!(tree.parts()[1].defects.contains(Defects::NOT_CLOSED));
    assert!(!tree.parts()[0].defects.contains(Defects::NOT_CLOSED));
    assert!(tree.parts()[3].defects.contains(Defects::HEADER_NOT_ENDED));
}

#[test]
fn the_innermost_of_equal_boundaries_counts() {
    let message = format!("{MIXED}--b\r\n{MIXED}--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n--b\r\n\r\nz\r\n--b--");
    let want = [
        "multipart/mixed [Content-Type: multipart/mixed; boundary=b//][..] 13",
        " multipart/mixed [Content-Type: multipart/mixed; boundary=b//][..] 6",
        "  text/plain [/][x] 0",
        "  text/plain [/][y] 0",
        " text/plain [/][z] 0",
    ];
    check(&message, &want);
}

#[test]
fn messages_inside() {
    let digest = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\ny\r\n--b--";
    let want = [
        "multipart/digest [Content-Type: multipart/digest; boundary=b//][..] 9",
        " message/rfc822 [/][..] 2",
        "  text/plain [Subject: s//][x] 0",
        " text/html [Content-Type: text/html//][y] 0",
    ];
    check(digest, &want);
    assert_eq!(
        scan(digest.as_bytes()).parts()[2].envelope.as_ref().and_then(|it| it.subject.as_deref()),
        Some(&b"s"[..])
    );
    let encoded = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3Vi";
    assert_eq!(scan(encoded.as_bytes()).root().media_type(), (&b"application"[..], &b"octet-stream"[..]));
    assert_eq!(scan(encoded.as_bytes()).parts().len(), 1);
}

#[test]
fn header_fields_are_found_as_they_come() {
    let message = "From x@y Sat Nov 21 10:00:00 2026\r\nRECEIVED : a\r\nreceived: b\r\njunk\r\n folded junk\r\nSubject : a\r\n\tb\r\nX: y\r\n z\r\nSubject: c\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\nReceived: c\r\n";
    let tree = scan(message.as_bytes());
    assert_eq!(tree.received_count(), 2);
    assert_eq!(tree.envelope().subject.as_deref(), Some(&b"a\tb"[..]));
    assert_eq!(tree.root().media_type().1, b"html");
    assert!(tree.root().defects.contains(Defects::DUPLICATE_FIELD));
    assert!(!tree.root().defects.contains(Defects::HEADER_CUT));
}

#[test]
fn limits_make_parts_opaque() {
    let limits = ScanLimits { depth_max: 2, parts_max: 3, field_bytes_max: 64, structure_bytes_max: 256 };
    let run = |message: &str| {
        let mut scanner = Scanner::new(limits);
        scanner.feed(message.as_bytes());
        let tree = scanner.finish();
        assert!(tree.is_sound());
        tree
    };
    let deep = format!("{MIXED}--b\r\n{}--b\r\n\r\nx\r\n--b--", MIXED.replace("=b", "=c"));
    assert_eq!(run(&deep).parts()[1].media_type().0, b"application");
    let many = format!("{MIXED}{}", "--b\r\n\r\nx\r\n".repeat(5));
    let tree = run(&many);
    assert_eq!((tree.parts().len(), tree.section_range(&[2], crate::SectionText::All)), (3, Some(62..63)));
    assert!(tree.root().defects.contains(Defects::TOO_MANY_PARTS));
    let long = run(&format!("Subject: {}\r\n\r\n", "x".repeat(100)));
    assert_eq!(long.envelope().subject.as_ref().map(|it| it.len()), Some(64 - 9));
    assert!(long.root().defects.contains(Defects::HEADER_CUT));
    let heavy = run(&format!("To: {}\r\nCc: a@b\r\nSubject: x\r\n\r\n", "a@b,".repeat(10)));
    assert_eq!((heavy.envelope().to.len(), heavy.envelope().subject.as_deref()), (10, None));
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "--b\r\n",
        "--b--\r\n",
        "--c\r\n",
        "--c--\r\n",
        "--",
        "b",
        "x",
        " ",
        "\t",
        "Subject: s\r\n",
        "A: b\r\n",
        ":",
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Type: multipart/digest; boundary=\"c\"\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: 8bit\r\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn chunks_of_any_size_give_the_same_tree(message in pieces(), small in prop::bool::ANY) {
        let limits = if small { ScanLimits { depth_max: 3, parts_max: 5, field_bytes_max: 24, structure_bytes_max: 64 } } else { ScanLimits::default() };
        let mut whole = Scanner::new(limits);
        whole.feed(&message);
        let whole = whole.finish();
        prop_assert!(whole.is_sound(), "{:?}", whole);
        prop_assert_eq!(whole.size_bytes(), message.len() as u64);
        prop_assert_eq!(&PartTree::from_bytes(&whole.to_bytes()), &Ok(whole.clone()));
        for size in 1..=message.len() {
            let mut scanner = Scanner::new(limits);
            message.chunks(size).for_each(|chunk| scanner.feed(chunk));
            prop_assert_eq!(&scanner.finish(), &whole, "chunks of {}", size);
        }
    }

    #[test]
    fn a_damaged_row_is_an_error_or_a_sound_tree(message in pieces(), at in 0_usize..2_000, byte in any::<u8>()) {
        let mut row = scan(&message).to_bytes();
        let at = at % row.len();
        row[at] = byte;
        if let Ok(tree) = PartTree::from_bytes(&row) {
            prop_assert!(tree.is_sound());
            let mut out = Vec::new();
            crate::imap::write_body(&mut out, &tree, crate::imap::BodyForm::BodyStructure, crate::imap::Utf8::No);
            prop_assert!(!out.is_empty());
        }
        prop_assert!(PartTree::from_bytes(&row[..at]).is_err());
    }
}
