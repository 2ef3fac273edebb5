//! SEARCH, UID SEARCH, ESEARCH, MODSEQ.

use crate::client::Client;

#[test]
fn searches_answer_in_the_numbers_they_were_asked_in() {
    let mut client = Client::selected(&["", "\\Seen", "\\Flagged"]);
    client.rim.remove("INBOX", 1);
    client.play(
        "C: a NOOP
         S: * 1 EXPUNGE
         S: a OK Completed
         C: b SEARCH ALL
         S: * SEARCH 1 2
         S: b OK Search completed
         C: c UID SEARCH UNSEEN
         S: * SEARCH 3
         S: c OK Search completed
         C: d SEARCH 2 FLAGGED
         S: * SEARCH 2
         S: d OK Search completed
         C: e SEARCH UID 1:2
         S: * SEARCH 1
         S: e OK Search completed
         C: f SEARCH 5:9
         S: * SEARCH
         S: f OK Search completed
         C: g SEARCH OR SUBJECT \"message 2\" (NOT SEEN LARGER 10)
         S: * SEARCH 1 2
         S: g OK Search completed
         C: h SEARCH NEW
         S: * SEARCH
         S: h OK Search completed",
    );
}

#[test]
fn text_comes_in_charsets() {
    let mut client = Client::selected(&[]);
    client.rim.deliver("INBOX", "Subject: x\r\n\r\n日本\r\n", "");
    client.send("a NOOP\r\n");
    client.take();
    client.send("a SEARCH CHARSET utf-8 BODY {6}\r\n");
    assert_eq!(client.take(), "+ OK\r\n");
    client.send("日本\r\n");
    assert_eq!(client.take(), "* SEARCH 1\r\na OK Search completed\r\n");
    client.send_bytes(b"b SEARCH CHARSET ISO-2022-JP BODY \"\x1b$BF|K\\\\\x1b(B\"\r\n");
    assert_eq!(client.take(), "* SEARCH 1\r\nb OK Search completed\r\n");
    client.send("c SEARCH CHARSET KLINGON BODY x\r\n");
    assert_eq!(
        client.take(),
        "c NO [BADCHARSET (US-ASCII UTF-8 ISO-2022-JP SHIFT_JIS EUC-JP ISO-8859-1)] Charset not supported\r\n"
    );
    client.send_bytes(b"d SEARCH BODY \"\xff\"\r\n");
    assert_eq!(client.take(), "d BAD Text is not in its charset\r\n");
}

#[test]
fn extended_results() {
    let mut client = Client::selected(&["", "\\Seen", "", "", ""]);
    client.rim.set_flags("INBOX", 2, "\\Seen \\Flagged");
    client.play(
        "C: a SEARCH RETURN () UNSEEN
         S: * ESEARCH (TAG \"a\") ALL 1,3:5
         S: a OK Search completed
         C: b UID SEARCH RETURN (COUNT MAX MIN ALL) 2:4
         S: * ESEARCH (TAG \"b\") UID MIN 2 MAX 4 ALL 2:4 COUNT 3
         S: * 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))
         S: b OK Search completed
         C: c SEARCH RETURN (MIN COUNT) ANSWERED
         S: * ESEARCH (TAG \"c\") COUNT 0
         S: c OK Search completed
         C: d SEARCH RETURN (FOO) ALL
         S: d BAD Unknown result option
         C: e SEARCH RETURN (MAX) MODSEQ 1
         S: * OK [HIGHESTMODSEQ 106] CONDSTORE enabled
         S: * ESEARCH (TAG \"e\") MAX 5 MODSEQ 105
         S: e OK Search completed
         C: f SEARCH RETURN (MAX COUNT) MODSEQ 1
         S: * ESEARCH (TAG \"f\") MAX 5 COUNT 5 MODSEQ 106
         S: f OK Search completed
         C: g SEARCH MODSEQ 105
         S: * SEARCH 2 5 (MODSEQ 106)
         S: g OK Search completed
         C: h SEARCH MODSEQ 900
         S: * SEARCH
         S: h OK Search completed",
    );
}

#[test]
fn sorted_answers_keep_their_order() {
    let mut client = Client::logged_in();
    for text in ["aaa", "a", "aa", "a"] {
        client.rim.deliver("INBOX", &format!("a: b\r\n\r\n{text}"), "");
    }
    client.rim.remove("INBOX", 2);
    client.send("0 SELECT INBOX\r\n");
    client.take();
    client.rim.deliver("INBOX", "a: b\r\n\r\n", "");
    client.play(
        "C: a SORT (SIZE) UTF-8 ALL
         S: * SORT 3 2 1
         S: a OK Sort completed
         C: b UID SORT (REVERSE SIZE SUBJECT) US-ASCII NOT UID 3
         S: * SORT 1 4
         S: * 4 EXISTS
         S: b OK Sort completed
         C: c SORT (SIZE) UTF-8 MODSEQ 103
         S: * OK [HIGHESTMODSEQ 106] CONDSTORE enabled
         S: * SORT 4 3 2 (MODSEQ 106)
         S: c OK Sort completed
         C: d SORT () UTF-8 ALL
         S: d BAD Invalid sort criteria
         C: e SORT (REVERSE) UTF-8 ALL
         S: e BAD Missing argument
         C: f SORT (SIZE) KLINGON ALL
         S: f NO [BADCHARSET ...",
    );
}
