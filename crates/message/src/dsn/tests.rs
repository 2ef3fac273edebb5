//! Notifications are read back with this crate's scanner, field by field.

use yubin_types::{
    Address, ByMode, ByTrace, Deadline, DsnEnvelope, DsnReturn, EnhancedStatus, Handling, RecipientAddress, Release,
    Timestamp, TlsDemand, limits,
};

use super::{Action, Advice, Cause, Notice, Notification, Original, Profile, Recipient, Stage, Transport};
use crate::{DateTime, Defects, HeaderFields, PartKind, PartTree, TransferDecoder, TransferEncoding, scan};

const MESSAGE: &[u8] = b"From: ann@example.jp\r\nSubject: Plans\r\nMessage-ID: <1@example.jp>\r\n\r\nHello\r\n";

fn date(seconds: i64) -> DateTime {
    DateTime { epoch_s: 1_795_000_000 + seconds, offset_minutes: 540 }
}

fn address(text: &str) -> &'static Address {
    Box::leak(Box::new(Address::parse(text).unwrap()))
}

fn dsn(envid: Option<&'static [u8]>, ret: Option<DsnReturn>) -> &'static DsnEnvelope {
    Box::leak(Box::new(DsnEnvelope { envid: envid.map(bytes::Bytes::from_static), ret }))
}

fn reply() -> Cause<'static> {
    Cause::Reply {
        host: "mx.example.net[192.0.2.7]",
        code: 550,
        enhanced: Some(EnhancedStatus::new(5, 7, 1)),
        text: "Error: message content rejected",
        stage: Some(Stage::EndOfData),
    }
}

fn recipient(to: &str, action: Action, status: (u8, u16, u16), cause: Cause<'static>) -> Recipient<'static> {
    Recipient {
        address: Box::leak(Box::new(RecipientAddress::parse(to).unwrap())),
        orcpt: None,
        action,
        status: EnhancedStatus::new(status.0, status.1, status.2),
        cause,
        last_attempt: Some(date(60)),
        advice: Some(Advice {
            english: "Ask the recipient.", japanese: "受信者に問い合わせてください。"
        }),
    }
}

fn notification<'a>(recipients: &'a [Recipient<'a>], profile: Profile) -> Notification<'a> {
    Notification {
        to: address("ann@example.jp"),
        reporting_mta: "mx1.example.jp",
        id: "0197-abc",
        queue_id: "Q123",
        date: date(120),
        arrival: date(0),
        dsn: dsn(None, None),
        tls: TlsDemand::None,
        handling: Box::leak(Box::default()),
        original: Original::Whole(MESSAGE),
        recipients,
        profile,
    }
}

/// A notification read back: its tree, the text decoded, the status fields, what was returned.
struct Read {
    bytes: Vec<u8>,
    tree: PartTree,
    text: String,
    status: String,
    returned: Vec<u8>,
}

fn body<'a>(bytes: &'a [u8], tree: &PartTree, number: u32) -> &'a [u8] {
    let part = tree.section(&[number]).unwrap();
    let start = usize::try_from(part.body).unwrap();
    &bytes[start..start + usize::try_from(part.body_bytes()).unwrap()]
}

fn read(notice: Notice) -> Read {
    let bytes = notice.bytes;
    let tree = scan(&bytes);
    for part in tree.parts() {
        assert_eq!(part.defects, Defects::default());
    }
    assert_eq!(tree.root().kind, PartKind::Multipart);
    assert!(tree.section(&[4]).is_none());
    let mut text = Vec::new();
    let mut decoder = TransferDecoder::new(TransferEncoding::QuotedPrintable);
    decoder.feed(body(&bytes, &tree, 1), &mut text);
    decoder.finish(&mut text);
    let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
    let status = String::from_utf8(body(&bytes, &tree, 2).to_vec()).unwrap().replace("\r\n", "\n");
    let returned = body(&bytes, &tree, 3).to_vec();
    for line in bytes.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 999 && (line.is_empty() || line.ends_with(b"\r")), "{line:?}");
    }
    Read { bytes, tree, text, status, returned }
}

fn media_type(tree: &PartTree, number: u32) -> String {
    let (kind, subtype) = tree.section(&[number]).unwrap().media_type();
    format!("{}/{}", String::from_utf8_lossy(kind), String::from_utf8_lossy(subtype)).to_lowercase()
}

fn field(header: &[u8], name: &str) -> String {
    let field = HeaderFields::new(header).find(|field| field.is(name)).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(field.unfolded()).unwrap().replace('\t', " ")
}

/// RFC 3464, field by field, for a refusal at the end of the message.
#[test]
fn a_failure_is_a_report_with_fields_and_the_message() {
    let recipients = [recipient("bob@example.net", Action::Failed, (5, 7, 1), reply())];
    let mut it = notification(&recipients, Profile::Plain);
    it.dsn = dsn(Some(b"QQ+2B314"), None);
    let notice = it.write();
    assert_eq!(notice.transport, Transport::SevenBit);
    let read = read(notice);
    assert_eq!(field(&read.bytes, "From"), "Mail Delivery System <MAILER-DAEMON@mx1.example.jp>");
    assert_eq!(field(&read.bytes, "To"), "<ann@example.jp>");
    assert_eq!(field(&read.bytes, "Auto-Submitted"), "auto-replied");
    assert_eq!(field(&read.bytes, "Message-ID"), "<0197-abc@mx1.example.jp>");
    assert_eq!(field(&read.bytes, "References"), "<1@example.jp>");
    assert!(field(&read.bytes, "Content-Type").starts_with("multipart/report; report-type=delivery-status; boundary="));
    assert_eq!(media_type(&read.tree, 2), "message/delivery-status");
    assert_eq!(media_type(&read.tree, 3), "message/rfc822");
    assert_eq!(read.returned, MESSAGE);
    assert_eq!(
        read.status,
        "Reporting-MTA: dns; mx1.example.jp\nOriginal-Envelope-Id: QQ+314\nX-Yubin-Queue-Id: Q123\n\
         Arrival-Date: Wed, 18 Nov 2026 20:06:40 +0900\n\n\
         Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.7.1\nRemote-MTA: dns; mx.example.net\n\
         Diagnostic-Code: smtp; 550 5.7.1 Error: message content rejected\n\
         Last-Attempt-Date: Wed, 18 Nov 2026 20:07:40 +0900\n"
    );
    assert!(read.text.contains("    host mx.example.net[192.0.2.7] said: 550 5.7.1 Error: message content rejected"));
    assert!(
        read.text.contains("    Ask the recipient.\n") && read.text.contains("    受信者に問い合わせてください。\n")
    );
}

/// RFC 8689 §5.
#[test]
fn what_was_to_travel_under_tls_comes_back_as_its_header_and_a_waiver_is_repeated() {
    let recipients = [recipient("bob@example.net", Action::Failed, (5, 7, 30), reply())];
    let written = |tls| {
        let mut it = notification(&recipients, Profile::Plain);
        it.dsn = dsn(None, Some(DsnReturn::Full));
        it.tls = tls;
        read(it.write())
    };
    let required = written(TlsDemand::Required);
    assert_eq!(media_type(&required.tree, 3), "text/rfc822-headers");
    assert!(!required.returned.windows(5).any(|bytes| bytes == b"Hello"));
    let waived = written(TlsDemand::Waived);
    assert_eq!((field(&waived.bytes, "TLS-Required"), waived.returned.as_slice()), ("No".into(), MESSAGE));
}

/// RFC 4865 §5, RFC 2852 §5.
#[test]
fn what_was_asked_of_the_time_is_repeated() {
    let recipients = [recipient("bob@example.net", Action::Failed, (5, 4, 7), reply())];
    let at = Timestamp::from_seconds(1_795_003_600);
    let status = |held_for_seconds| {
        let mut it = notification(&recipients, Profile::Plain);
        let deadline = Some(Deadline { at, mode: ByMode::Return, trace: ByTrace::Off });
        let release = Some(Release { at, held_for_seconds });
        let handling = Handling { release, deadline, ..Handling::default() };
        it.handling = &handling;
        read(it.write()).status
    };
    let (held, until) = (status(Some(3_600)), status(None));
    assert!(
        held.contains("\nFuture-Release-Request: for;3600\nDeliver-By-Date: Wed, 18 Nov 2026 12:06:40 +0000\n"),
        "{held}"
    );
    assert!(until.contains("\nFuture-Release-Request: until;2026-11-18T12:06:40Z\n"), "{until}");
}

/// NEWC-10 to NEWC-14.
#[test]
fn qmails_words_are_the_services_own() {
    let none = Cause::Local { text: "", host: None };
    let recipients = [
        recipient("abc@domain.jp", Action::Failed, (5, 1, 1), none),
        recipient("abc@domaint.jp", Action::Failed, (5, 1, 2), none),
        recipient(
            "x@slow.jp",
            Action::Failed,
            (4, 4, 1),
            Cause::Local { text: "Connection timed out", host: Some("111.111.111.1") },
        ),
        recipient("y@far.jp", Action::Failed, (5, 7, 1), reply()),
    ];
    let read = read(notification(&recipients, Profile::Qmail).write());
    assert_eq!(field(&read.bytes, "From"), "MAILER-DAEMON@mx1.example.jp");
    assert_eq!(field(&read.bytes, "Subject"), "failure notice");
    let expected = "Hi. This is the qmail-send program at mx1.example.jp.\n\
        I'm afraid I wasn't able to deliver your message to the following addresses.\n\
        This is a permanent error; I've given up. Sorry it didn't work out.\n\n\
        <abc@domain.jp>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n\
        <abc@domaint.jp>:\nSorry, I couldn't find any host named domaint.jp. (#5.1.2)\n\n\
        <x@slow.jp>:\nSorry, no SMTP connection got far enough; most progress was no connection\n\
        to remote host 111.111.111.1. (#5.5.0)\n\
        I'm not going to try again; this message has been in the queue too long.\n\n\
        <y@far.jp>:\nmx.example.net[192.0.2.7] failed after I sent the message.\n\
        Remote host said: 550 5.7.1 Error: message content rejected\nGiving up on mx.example.net[192.0.2.7].\n\
        Ask the recipient.\n\n--- 日本語 (Japanese) ---\n";
    assert!(read.text.starts_with(expected), "{}", read.text);
}

/// SONET-18, SONET-23.
#[test]
fn postfixs_words_are_the_services_own() {
    let mut first = recipient("box@example.net", Action::Failed, (5, 7, 1), reply());
    first.orcpt = Some(b"rfc822;info+2Bjp@example.com");
    let full = Cause::Local { text: "Disk quota exceeded", host: None };
    let recipients = [first, recipient("full@example.jp", Action::Failed, (5, 2, 2), full)];
    let read = read(notification(&recipients, Profile::Postfix).write());
    assert_eq!(field(&read.bytes, "Subject"), "Undelivered Mail Returned to Sender");
    assert!(read.text.contains(
        "\n<box@example.net> (expanded from <info+jp@example.com>): host mx.example.net[192.0.2.7] said: \
         550 5.7.1 Error: message content rejected (in reply to end of DATA command)\n"
    ));
    assert!(read.text.contains("\n<full@example.jp>: Disk quota exceeded\n    Ask the recipient.\n"), "{}", read.text);
    assert!(read.status.contains("\n\nOriginal-Recipient: rfc822; info+jp@example.com\nFinal-Recipient: "));
}

/// RFC 3461 §4.3: RET speaks of failures; other notifications return the header.
#[test]
fn the_whole_message_returns_only_for_failures() {
    let failed = [recipient("b@example.net", Action::Failed, (5, 1, 1), reply())];
    let delayed = [recipient("b@example.net", Action::Delayed { will_retry_until: date(9_000) }, (4, 4, 1), reply())];
    let header = b"From: ann@example.jp\r\nSubject: Plans\r\nMessage-ID: <1@example.jp>\r\n";
    let mut large = MESSAGE.to_vec();
    large.resize(limits::NOTICE_ORIGINAL_BYTES_MAX + 1, b'x');
    let mut lines = MESSAGE.to_vec();
    lines.extend_from_slice(&[b'x'; 999]);
    for (recipients, ret, original) in [
        (&failed, Some(DsnReturn::Headers), Original::Whole(MESSAGE)),
        (&failed, None, Original::Beginning(MESSAGE)),
        (&failed, Some(DsnReturn::Full), Original::Whole(&large)),
        (&failed, Some(DsnReturn::Full), Original::Whole(&lines)),
        (&failed, Some(DsnReturn::Full), Original::Whole(header)),
        (&delayed, Some(DsnReturn::Full), Original::Whole(MESSAGE)),
    ] {
        let mut it = notification(recipients, Profile::Plain);
        it.dsn = dsn(None, ret);
        it.original = original;
        let read = read(it.write());
        assert_eq!(read.returned, header);
        let whole = matches!(original, Original::Whole(it) if it == header);
        assert_eq!(media_type(&read.tree, 3), if whole { "message/rfc822" } else { "text/rfc822-headers" });
    }
    let read = read(notification(&delayed, Profile::Qmail).write());
    assert!(read.status.contains("Action: delayed\nStatus: 4.4.1\n"));
    assert!(read.status.ends_with("Will-Retry-Until: Wed, 18 Nov 2026 22:36:40 +0900\n"));
    assert!(read.text.contains("you need not send it again.\n") && read.text.contains("送り直す必要はありません。"));
    assert!(!read.text.contains("Giving up"));
}

#[test]
fn a_header_beyond_its_bound_keeps_its_short_fields() {
    let mut header = b"Subject: Plans\r\nX-Long: ".to_vec();
    for _ in 0..40 {
        header.extend_from_slice(&[b'x'; 990]);
        header.extend_from_slice(b"\r\n ");
    }
    header.extend_from_slice(b"\r\nMessage-ID: <1@example.jp>\r\nX-Cut: her");
    let recipients = [recipient("b@example.net", Action::Failed, (5, 1, 1), reply())];
    let mut it = notification(&recipients, Profile::Plain);
    it.original = Original::Beginning(&header);
    assert_eq!(read(it.write()).returned, b"Subject: Plans\r\nMessage-ID: <1@example.jp>\r\n");
}

/// RFC 6533: UTF-8 where the sender's own address needs it, ASCII forms else.
#[test]
fn addresses_beyond_ascii_are_told_in_the_form_that_the_way_allows() {
    let mut one = recipient("用户@example.net", Action::Failed, (5, 1, 1), reply());
    one.orcpt = Some("utf-8;\\x{7528}@example.net".as_bytes());
    let recipients = [one];
    let mut it = notification(&recipients, Profile::Plain);
    let notice = it.write();
    assert_eq!(notice.transport, Transport::SevenBit);
    let ascii = read(notice);
    assert!(ascii.status.contains("Original-Recipient: utf-8; \\x{7528}@example.net\n"));
    assert!(ascii.status.contains("Final-Recipient: utf-8; \\x{7528}\\x{6237}@example.net\n"));
    assert!(ascii.text.contains("<用户@example.net> (expanded from <用@example.net>)\n"));

    it.to = address("あん@example.jp");
    it.original = Original::Whole("Subject: 予定\r\n\r\nx\r\n".as_bytes());
    let notice = it.write();
    assert_eq!(notice.transport, Transport::Utf8);
    let global = read(notice);
    assert!(field(&global.bytes, "Content-Type").contains("report-type=global-delivery-status"));
    assert_eq!(media_type(&global.tree, 2), "message/global-delivery-status");
    assert_eq!(media_type(&global.tree, 3), "message/global");
    assert!(global.status.contains("Final-Recipient: utf-8; 用户@example.net\n"));

    // A legacy header in Shift_JIS is no UTF-8: returned as it is.
    it.to = address("ann@example.jp");
    it.original = Original::Whole(b"Subject: \x97\x5c\x92\xe8\r\n\r\nx\r\n");
    let notice = it.write();
    assert_eq!(notice.transport, Transport::EightBit);
    assert_eq!(media_type(&read(notice).tree, 3), "message/rfc822");
}

/// Attack list, item 9: replies, ORCPT and names are a peer's words: they make no line of their own, end no part, and forge no field.
#[test]
fn a_peers_words_stay_on_their_line() {
    let evil = "no\r\nAction: delivered\r\n\r\n--=_0197-abc\r\nContent-Type: text/html\r\n\r\n\0<b>\x1b";
    for profile in [Profile::Plain, Profile::Qmail, Profile::Postfix] {
        let mut one = recipient(
            "b@example.net",
            Action::Failed,
            (5, 1, 1),
            Cause::Reply { host: evil, code: 550, enhanced: None, text: evil, stage: None },
        );
        one.orcpt = Some(b"rfc822;x+0D+0AAction:+20delivered+0D+0A+0D+0A--=_0197-abc");
        let other =
            recipient("c@example.net", Action::Failed, (5, 4, 6), Cause::Local { text: evil, host: Some(evil) });
        let recipients = [one, other];
        let mut it = notification(&recipients, profile);
        it.dsn = dsn(Some(b"x+0D+0AAction:+20delivered"), None);
        let message = b"Subject: x\r\nMessage-ID: <a\r\n b>\r\n\r\n--=_0197-abc\r\n\r\n--=_0197-abc_1--\r\n";
        it.original = Original::Whole(message);
        let read = read(it.write());
        assert_eq!(read.returned, message);
        assert_eq!(read.status.matches("\nAction: ").count(), 2);
        assert!(!read.text.contains('\0') && !read.text.contains("\nContent-Type"));
        assert_eq!(HeaderFields::new(&read.bytes).count(), 10);
    }
}

/// A thousand recipients that failed alike: the advice stands once per language.
#[test]
fn neighbours_share_their_advice() {
    let recipients: Vec<_> =
        (0..1_000).map(|n| recipient(&format!("u{n}@example.net"), Action::Failed, (5, 7, 1), reply())).collect();
    let read = read(notification(&recipients, Profile::Plain).write());
    assert_eq!(read.text.matches("Ask the recipient.").count(), 1);
    assert_eq!(read.text.matches("受信者に問い合わせてください。").count(), 1);
    assert_eq!(read.status.matches("\n\nFinal-Recipient: ").count(), 1_000);
    assert!(read.bytes.len() < 700_000, "{}", read.bytes.len());
}

#[test]
fn successes_say_what_will_be_heard() {
    let local = Cause::Local { text: "", host: None };
    for (action, name, text) in [
        (Action::Delivered, "delivered", "was delivered to the following"),
        (Action::Relayed, "relayed", "you will hear no more of it"),
        (Action::Expanded, "expanded", "was distributed to the members"),
    ] {
        let recipients = [recipient("b@example.net", action, (2, 0, 0), local)];
        let read = read(notification(&recipients, Profile::Plain).write());
        assert!(read.status.contains(&format!("\nAction: {name}\nStatus: 2.0.0\n")));
        assert!(read.text.contains(text));
        assert_eq!(media_type(&read.tree, 3), "text/rfc822-headers");
    }
}
