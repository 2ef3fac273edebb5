//! What hostile and broken clients send: every command that breaks the grammar is answered, nothing grows, nothing panics.

use proptest::prelude::*;
use yubin_session::imap::ImapSession;
use yubin_types::limits;

use crate::client::{Client, Phase, config};

#[test]
fn malformed_commands_are_answered_and_change_nothing() {
    for (command, reply) in [
        ("", "* BAD Missing or invalid tag"),
        ("+ NOOP", "* BAD Missing or invalid tag"),
        ("(a NOOP", "* BAD Missing or invalid tag"),
        ("a", "a BAD Missing argument"),
        ("a FOO", "a BAD Unknown command"),
        ("a UID", "a BAD Missing argument"),
        ("a UID NOOP", "a BAD Unknown UID command"),
        ("a UID UID FETCH 1 UID", "a BAD Unknown command"),
        ("a NOOP x", "a BAD Too many arguments"),
        ("a SELECT", "a BAD Missing argument"),
        ("a SELECT \"INBOX", "a BAD Missing or invalid string"),
        ("a SELECT INBOX (FOO)", "a BAD Unknown parameter"),
        ("a SELECT INBOX extra", "a BAD Invalid parameters"),
        ("a FETCH", "a BAD Missing argument"),
        ("a FETCH 0 UID", "a BAD Invalid message set"),
        ("a FETCH 1:2:3 UID", "a BAD Invalid message set"),
        ("a FETCH 4294967296 UID", "a BAD Invalid message set"),
        ("a FETCH 1", "a BAD Missing argument"),
        ("a FETCH 1 (UID", "a BAD Missing argument"),
        ("a FETCH 1 BODY[", "a BAD Missing argument"),
        ("a FETCH 1 UID (CHANGEDSINCE)", "a BAD Missing argument"),
        ("a FETCH 1 UID (FOO 1)", "a BAD Unknown modifier"),
        ("a STORE 1 FOO (\\Seen)", "a BAD Unknown data item"),
        ("a STORE 1 (UNCHANGEDSINCE x) FLAGS ()", "a BAD Missing number"),
        ("a COPY 1", "a BAD Missing argument"),
        ("a SEARCH", "a BAD Missing argument"),
        ("a SEARCH FOO", "a BAD Unknown search key"),
        ("a ENABLE", "a BAD Missing argument"),
        ("a LIST \"\"", "a BAD Missing argument"),
        ("a STATUS INBOX MESSAGES", "a BAD Missing status items"),
        ("a ID (\"name\")", "a BAD Missing argument"),
        ("a LOGIN x {5000000}", "a BAD Already logged in"),
        ("a SEARCH BODY {131073}", "a BAD [TOOBIG] Command too long"),
        ("a SEARCH BODY {18446744073709551616}", "a BAD [TOOBIG] Command too long"),
        ("a SEARCH BODY {-1}", "a BAD Missing or invalid string"),
    ] {
        let mut client = Client::selected(&[""]);
        client.send(&format!("{command}\r\n"));
        assert_eq!(client.take(), format!("{reply}\r\n"), "{command}");
        client.send("b NOOP\r\n");
        assert_eq!(client.take(), "b OK Completed\r\n", "{command}");
    }
}

#[test]
fn careless_spelling_is_forgiven() {
    let mut client = Client::selected(&[""]);
    client.send("a noop  \r\nb  Fetch  1  ( uid  FLAGS )  \nc STORE 1 +flags  ( \\Seen ) \r\n");
    assert_eq!(
        client.take(),
        "a OK Completed\r\n* 1 FETCH (UID 1 FLAGS ())\r\nb OK Fetch completed\r\n\
         * 1 FETCH (FLAGS (\\Seen))\r\nc OK Store completed\r\n"
    );
}

#[test]
fn too_many_errors_end_the_session() {
    let mut client = Client::logged_in();
    for _ in 0..limits::IMAP_ERRORS_MAX {
        client.send("a FOO\r\n");
    }
    assert!(client.take().ends_with("a BAD Unknown command\r\n* BYE Too many errors\r\n"));
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn errors_of_a_client_that_works_are_forgiven() {
    let mut client = Client::logged_in();
    for _ in 0..3 {
        client.send(&"a FOO\r\n".repeat(limits::IMAP_ERRORS_MAX as usize - 1));
        client.send("b NOOP\r\n");
        assert!(client.take().ends_with("a BAD Unknown command\r\nb OK Completed\r\n"));
    }
    // Not before login, where nothing that is allowed is work.
    let mut client = Client::connect(config());
    client.send(&"a FOO\r\nb NOOP\r\n".repeat(limits::IMAP_ERRORS_MAX as usize));
    assert!(client.take().ends_with("* BYE Too many errors\r\n"));
}

#[test]
fn a_stranger_can_fill_nothing() {
    let mut client = Client::connect(config());
    client.take();
    for _ in 0..20 {
        client.send(&"x".repeat(1_000));
    }
    assert_eq!(client.take(), "* BYE Command too long\r\n");
    for announcement in ["a LOGIN {9000}\r\n", "a LOGIN {9000+}\r\n", "a LOGIN {9223372036854775808+}\r\n"] {
        let mut client = Client::connect(config());
        client.take();
        client.send(announcement);
        assert!(client.take().starts_with("* BYE "), "{announcement}");
        assert_eq!(client.phase, Phase::Closed);
    }
}

#[test]
fn a_line_without_end_is_dropped_as_it_comes() {
    let mut client = Client::selected(&[""]);
    for _ in 0..80 {
        client.send(&"x".repeat(64 * 1024));
    }
    client.send("\r\nb NOOP\r\n");
    let response = client.take();
    assert!(response.ends_with(" BAD [TOOBIG] Command too long\r\nb OK Completed\r\n"), "{response:.80}");
}

#[test]
fn floods_of_literals_parentheses_and_items_are_bounded() {
    let mut client = Client::selected(&[""]);
    let set = vec!["1"; 400_000].join(",");
    for command in [
        format!("a FETCH {set} UID"),
        format!("a SEARCH {}", "(".repeat(900_000)),
        format!("a SEARCH {}ALL", "NOT ".repeat(200_000)),
        format!("a FETCH 1 ({})", "UID ".repeat(200_000)),
        format!("a FETCH 1 BODY[{}1]", "1.".repeat(400_000)),
        format!("a STORE 1 FLAGS ({})", (0..100_000).map(|i| format!("k{i} ")).collect::<String>()),
        format!("a ID ({})", "\"a\" \"b\" ".repeat(100_000)),
        format!("a LIST \"\" ({})", "* ".repeat(400_000)),
    ] {
        client.send(&format!("{command}\r\n"));
        let response = client.take();
        assert!(response.starts_with("a BAD ") || response.starts_with("a NO [LIMIT]"), "{response:.80}");
    }
    client.send(&format!("a SEARCH {}ALL\r\n", "BODY {0+}\r\n ".repeat(80_000)));
    assert_eq!(client.take(), "a BAD Search program too large\r\n");
    // One literal of 128 KiB is fine, nine of them are more than a command may be.
    let mut command = "a SEARCH BODY {131072+}\r\n".to_owned() + &"x".repeat(131_072);
    for _ in 0..8 {
        command += &(" BODY {131072+}\r\n".to_owned() + &"x".repeat(131_072));
    }
    client.send(&format!("{command}\r\nb NOOP\r\n"));
    let response = client.take();
    assert!(response.starts_with("a BAD [TOOBIG]"), "{response:.80}");
    assert!(response.ends_with("b OK Completed\r\n"), "{response:.80}");
}

#[test]
fn idle_and_sasl_lines_are_bounded() {
    let mut client = Client::logged_in();
    client.send("a IDLE\r\n");
    client.send(&"x".repeat(10_000));
    client.send("\r\nb NOOP\r\n");
    assert_eq!(client.take(), "+ idling\r\na BAD Line too long\r\nb OK Completed\r\n");
}

const WORDS: &[&str] = &[
    "a",
    "b",
    " ",
    " ",
    " ",
    "\r\n",
    "\r\n",
    "UID",
    "FETCH",
    "STORE",
    "SEARCH",
    "COPY",
    "MOVE",
    "LIST",
    "LSUB",
    "STATUS",
    "SELECT",
    "APPEND",
    "IDLE",
    "DONE",
    "EXPUNGE",
    "ENABLE",
    "CONDSTORE",
    "INBOX",
    "Trash",
    "1",
    "1:*",
    "*",
    "2,1",
    "(",
    ")",
    "[",
    "]",
    "<0.5>",
    "BODY",
    "BODY[",
    "BODY.PEEK[",
    "HEADER",
    ".FIELDS",
    "TEXT",
    "MIME",
    "FLAGS",
    "+FLAGS",
    ".SILENT",
    "\\Seen",
    "\\Deleted",
    "$Work",
    "\"\"",
    "\"x\"",
    "\"",
    "{3}\r\n",
    "{3+}\r\n",
    "abc",
    "{0+}\r\n",
    "NOT",
    "OR",
    "ALL",
    "MODSEQ",
    "5",
    "RETURN",
    "CHANGEDSINCE",
    "UNCHANGEDSINCE",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "CREATE",
    "DELETE",
    "RENAME",
    "CLOSE",
    "NOOP",
    "AUTHENTICATE",
    "PLAIN",
    "LOGIN",
    "=",
    "\0",
    "\u{e9}",
    "CHARSET",
    "UTF-8",
    "GETQUOTAROOT",
    "ID",
    "NIL",
    "%",
    "&-",
    "&",
];

fn plays(client: &mut Client, bytes: &[u8], size: usize) -> String {
    for piece in bytes.chunks(size.max(1)) {
        client.send_bytes(piece);
    }
    client.take()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), size in 1usize..50) {
        for mut client in [Client::connect(config()), Client::selected(&["", "\\Deleted"])] {
            plays(&mut client, &bytes, size);
        }
    }

    #[test]
    fn no_words_panic_and_cutting_changes_nothing(words in prop::collection::vec(prop::sample::select(WORDS), 0..60), size in 1usize..50) {
        let text = format!("a {}\r\n", words.concat());
        let mut whole = Client::selected(&["", "\\Deleted"]);
        let mut cut = Client::selected(&["", "\\Deleted"]);
        prop_assert_eq!(plays(&mut whole, text.as_bytes(), usize::MAX), plays(&mut cut, text.as_bytes(), size));
    }

    #[test]
    fn mutations_of_real_sessions_do_not_panic(at in 0usize..1000, with in any::<u8>(), cut in 0usize..1000) {
        let mut bytes = b"a FETCH 1:2 (UID FLAGS BODY.PEEK[HEADER.FIELDS (From To)] BODY[1.TEXT]<0.9>)\r\n\
            b UID STORE 1:* (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen $x)\r\nc SEARCH CHARSET UTF-8 OR BODY {3+}\r\nabc NOT (SEEN 1:2)\r\n\
            d APPEND Trash (\\Draft) \"17-Jul-1996 02:44:25 -0700\" {4+}\r\nabcd\r\ne LIST (SUBSCRIBED) \"\" (% *) RETURN (STATUS (SIZE))\r\n\
            f MOVE 1 Trash\r\ng IDLE\r\nDONE\r\nh RENAME Trash &MLQw33ux-\r\ni STATUS INBOX (DELETED-STORAGE)\r\n".to_vec();
        let length = bytes.len();
        bytes[at % length] = with;
        bytes.remove(cut % length);
        let mut client = Client::selected(&["", "\\Deleted"]);
        plays(&mut client, &bytes, 11);
    }
}

#[test]
fn an_idle_session_is_small() {
    assert!(std::mem::size_of::<ImapSession>() < 1_024);
}
