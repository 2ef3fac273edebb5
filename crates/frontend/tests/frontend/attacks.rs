//! Attack list, items 9 and 10: what strangers say of themselves ends no line of a header and is not believed; whoever wants to be taken for
//! another author by the way in which a header is written is refused, or nobody is shown that author.

use yubin_dns_auth::verify::Verifier;

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::verification::{count, enforced, send, stored};
use crate::world::World;

const USER: &str = "alice@example.jp";

/// The test's own address may send for `good.test` and for nobody else.
async fn world(reverse: &str) -> (World, DnsServer) {
    let dns = DnsServer::start(&[
        Zone(
            "good.test.",
            Signing::Unsigned,
            "@ IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n_dmarc IN TXT \"v=DMARC1; p=reject\"\n",
        ),
        Zone("bank.test.", Signing::Unsigned, "@ IN TXT \"v=spf1 -all\"\n_dmarc IN TXT \"v=DMARC1; p=reject\"\n"),
        Zone("0.0.127.in-addr.arpa.", Signing::Unsigned, reverse),
    ])
    .await;
    let inbound = enforced(Verifier::new(dns.resolver()).unwrap());
    (World::verifying(Some(inbound)).await, dns)
}

/// Ways to write a header by which some reader shows the bank as the author while some verifier sees another, after "Composition Kills",
/// "Weak Links" and their successors. Without the line that says what the mail is about.
pub(crate) const DISGUISES: [&str; 46] = [
    // Several fields, or none.
    "From: ceo@bank.test\r\nFrom: a@good.test",
    "From: a@good.test\r\nFrom: ceo@bank.test",
    "From: a@good.test\r\nfrom: ceo@bank.test",
    "From: a@good.test\r\nFrom : ceo@bank.test",
    "From: a@good.test\r\nFrom\t: ceo@bank.test",
    "From : ceo@bank.test\r\nFrom: a@good.test",
    "From : ceo@bank.test",
    " From: ceo@bank.test\r\nFrom: a@good.test",
    "From ceo@bank.test Mon Jan 1 00:00:00 2024\r\nFrom: a@good.test\r\nFrom: ceo@bank.test",
    "X: y\r\n From: ceo@bank.test",
    "Sender: ceo@bank.test",
    "Sender: a@good.test\r\nFrom: ceo@bank.test",
    "Resent-From: a@good.test\r\nFrom: ceo@bank.test",
    "Resent-Sender: a@good.test\r\nSender: a@good.test\r\nFrom: ceo@bank.test",
    // Several addresses in one.
    "From: ceo@bank.test, a@good.test",
    "From: a@good.test, ceo@bank.test",
    "From: <a@good.test> <ceo@bank.test>",
    "From: <ceo@bank.test> <a@good.test>",
    "From: <a@good.test>, <ceo@bank.test>",
    "From: a@good.test; ceo@bank.test",
    "From: ceo@bank.test\\, a@good.test",
    "From: ceo@bank.test a@good.test",
    "From: group: ceo@bank.test;, a@good.test",
    "From: group: ceo@bank.test;",
    "From: a@good.test,,,,, ceo@bank.test",
    "From: ceo@[127.0.0.1], a@good.test",
    "From: ceo@bank..test, a@good.test",
    "From: ceo@-bank.test, a@good.test",
    // Routes, comments, quotes, encoded words.
    "From: <@good.test:ceo@bank.test>",
    "From: <@good.test,@a.good.test:ceo@bank.test>",
    "From: (a@good.test) ceo@bank.test",
    "From: ceo@bank.test (a@good.test)",
    "From: ceo@bank.test(<a@good.test>)",
    "From: ceo@(a@good.test)bank.test",
    "From: \"a@good.test\" <ceo@bank.test>",
    "From: \"a@good.test\"@bank.test",
    "From: =?utf-8?q?a=40good.test?= <ceo@bank.test>",
    "From: =?utf-8?q?a=40good.test?=@bank.test",
    "From: \"<a@good.test>\\\" <ceo@bank.test>",
    "From: a@good.test\r\n\t<ceo@bank.test>",
    // Spellings of the domain.
    "From: ceo@BANK.TEST",
    "From: ceo@bank.test.",
    "From: ceo@sub.bank.test",
    "From: ceo @ bank . test",
    "From: ceo@bank\u{3002}test",
    "From: ceo@\u{ff42}\u{ff41}nk.test",
];

/// Attack list, item 10.
#[tokio::test]
async fn no_disguise_shows_an_author_that_was_not_checked() {
    let (world, _dns) = world("1 IN PTR host.good.test.\n").await;
    let mut taken = 0;
    for disguise in DISGUISES {
        let reply = send(&world, USER, "a@good.test", &format!("{disguise}\r\nSubject: x\r\n\r\nhello")).await;
        if reply.starts_with("550 5.7.1 ") {
            continue;
        }
        assert!(reply.starts_with("250 "), "{disguise:?}: {reply}");
        let before = taken;
        taken = count(&world, USER, "INBOX").await;
        if taken == before {
            continue;
        }
        let mut imap = world.imap(USER).await;
        imap.imap("EXAMINE INBOX").await;
        let shown = imap.imap(&format!("FETCH {taken} (ENVELOPE)")).await.to_lowercase();
        assert!(shown.contains("\"good.test\") ") || shown.contains("\"good.test\"))"), "{disguise:?}: {shown}");
        assert!(!shown.contains("bank"), "{disguise:?}: {shown}");
    }
    // A name as it is written by people who forget the quotes is none.
    let reply = send(&world, USER, "a@good.test", "From: Doe, John <a@good.test>\r\nSubject: x\r\n\r\nhello").await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(count(&world, USER, "INBOX").await, taken + 1);
}

/// Attack list, item 10: results in our name that are not ours.
#[tokio::test]
async fn no_results_in_our_name_are_taken_over() {
    let (world, _dns) = world("1 IN PTR host.good.test.\n").await;
    let forged = "Authentication-Results: mx.yubin.test; spf=pass smtp.mailfrom=bank.test\r\n\
                  Authentication-Results : mx.yubin.test; dkim=pass header.d=bank.test\r\n\
                  AUTHENTICATION-RESULTS:\r\n (hello) \"mx.yubin.test\" 1; dmarc=pass header.from=bank.test\r\n\
                  Authentication-Results: MX2.yubin.test.; dmarc=pass header.from=bank.test\r\n\
                  Received-SPF: pass (mx.yubin.test: domain of bank.test designates 127.0.0.1) client-ip=127.0.0.1\r\n\
                  Received-SPF: pass receiver=mx.yubin.test; client-ip=127.0.0.1; envelope-from=bank.test\r\n\
                  Received-Spf:\r\n\tPass identity=mailfrom; receiver = \"MX.yubin.test\" ; helo=bank.test\r\n";
    let kept = "Received-SPF: pass receiver=mx.other.test; client-ip=192.0.2.1; helo=mx.yubin.test\r\n\
                Authentication-Results: mx.yubin.test.evil.test; dkim=pass\r\n";
    let message = format!("{forged}{kept}From: a@good.test\r\n\r\nhello");
    assert!(send(&world, USER, "a@good.test", &message).await.starts_with("250 "));
    let stored = stored(&world, USER, "INBOX").await;
    assert!(!stored.contains("bank.test"), "{stored}");
    assert_eq!(stored.matches("Authentication-Results: mx.yubin.test; ").count(), 1, "{stored}");
    assert!(stored.contains(kept), "what others found is theirs to say: {stored}");
}

/// Attack list, item 9: names in the DNS and tags of signatures are a stranger's words.
#[tokio::test]
async fn nothing_that_was_found_out_ends_a_line() {
    for reverse in ["1 IN PTR ev\\013\\010X-Injected\\058il.good.test.\n", "1 IN PTR a\\040b\\059c\\034d.good.test.\n"]
    {
        let (world, _dns) = world(reverse).await;
        let signatures = "DKIM-Signature: v=1; a=rsa-sha256; d=good.test\r\n\tX-Injected: 1; s=a\"b;c; h=from; bh=AAAA; b=AAAA\r\n\
             DKIM-Signature: v=1; a=rsa-sha256; d=good.test; s==0D=0AX-Injected:1; i=\"x y\"@good.test; h=from; bh=AAAA; b=AAAA\r\n\
             DKIM-Signature: v=1; a=rsa-sha256; d=g(o)od.test\\; s=\u{e9}\u{2028}X-Injected; h=from; bh=AAAA; b=\"\\\r\n\t;(\r\n";
        let message = format!("{signatures}From: a@good.test\r\nSubject: the first of theirs\r\n\r\nhello");
        let reply = send(&world, USER, "\"x;y (z\"@good.test", &message).await;
        assert!(reply.starts_with("250 "), "{reply}");
        let stored = stored_lines(&world).await;
        let ours: Vec<&String> = stored.iter().take_while(|line| !line.starts_with("DKIM-Signature")).collect();
        for line in &ours {
            let known = ["Return-Path: ", "Delivered-To: ", "Received: ", "Authentication-Results: ", " ", "\t"];
            assert!(known.iter().any(|start| line.starts_with(start)), "{line:?} in {ours:?}");
            assert!(line.chars().all(|c| c == '\t' || !c.is_control()), "{line:?}");
        }
        assert!(ours.iter().any(|line| line.starts_with("Authentication-Results: mx.yubin.test")), "{ours:?}");
    }
}

/// The lines of the only message of the INBOX, folds left as they are.
async fn stored_lines(world: &World) -> Vec<String> {
    let mut imap = world.imap(USER).await;
    imap.imap("EXAMINE INBOX").await;
    let fetched = imap.imap("FETCH 1 BODY.PEEK[]").await;
    fetched.split("\r\n").skip(1).map(str::to_owned).collect()
}
