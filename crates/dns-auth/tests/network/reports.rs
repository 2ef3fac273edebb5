//! Who wants reports and who agrees to get them, and what a check says of a message for whoever asked, against a DNS server of the test.

use yubin_dns_auth::reports::addressees::of_dmarc;
use yubin_dns_auth::verify::{DmarcQuestion, SpfCheck, Verifier};
use yubin_types::report::{Alignment, AlignmentMode, PolicyForce};
use yubin_types::{AuthResult, DmarcPolicy, DomainName};

use crate::dns_server::{DnsServer, Signing, Zone};

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

async fn verifier() -> (Verifier, DnsServer) {
    let dns = DnsServer::start(&[
        Zone(
            "a.test.",
            Signing::Unsigned,
            "_dmarc IN TXT \"v=DMARC1; p=reject; sp=quarantine; aspf=s; t=y; \
             rua=mailto:own@a.test!10m,mailto:below@mail.a.test,mailto:x@agrees.test,mailto:y@moves.test,mailto:z@refuses.test,\
             https://a.test/\"\n",
        ),
        Zone("agrees.test.", Signing::Unsigned, "a.test._report._dmarc IN TXT \"v=DMARC1\"\n"),
        Zone("moves.test.", Signing::Unsigned, "*._report._dmarc IN TXT \"v=DMARC1; rua=mailto:new@moves.test\"\n"),
        Zone("refuses.test.", Signing::Unsigned, "b.test._report._dmarc IN TXT \"v=DMARC1\"\n"),
        Zone("thief.test.", Signing::Unsigned, "_dmarc IN TXT \"v=DMARC1; p=none; rua=mailto:x@lost.test\"\n"),
        Zone("lost.test.", Signing::Unsigned, "*._report._dmarc IN TXT \"v=DMARC1; rua=mailto:x@agrees.test\"\n"),
        Zone("none.test.", Signing::Unsigned, "_dmarc IN TXT \"v=DMARC1; p=none\"\n"),
        Zone("down.test.", Signing::Unsigned, "_dmarc IN TXT \"v=DMARC1; p=none; rua=mailto:x@broken.test\"\n"),
    ])
    .await;
    (Verifier::new(dns.resolver()).unwrap(), dns)
}

#[tokio::test]
async fn reports_go_to_who_wants_them_and_agrees() {
    let (verifier, _dns) = verifier().await;
    let of = async |domain: &str| {
        let found = of_dmarc(&verifier, &name(domain)).await.unwrap();
        found.into_iter().map(|wish| (wish.address.to_string(), wish.bytes_max)).collect::<Vec<_>>()
    };
    let plain = |address: &str| (address.to_owned(), None);
    assert_eq!(
        of("a.test").await,
        [
            ("own@a.test".to_owned(), Some(10 << 20)),
            plain("below@mail.a.test"),
            plain("x@agrees.test"),
            plain("new@moves.test"),
        ]
    );
    assert_eq!(of("thief.test").await, [plain("x@lost.test")], "an agreement names addresses of its own host only");
    assert_eq!(of("none.test").await, []);
    assert_eq!(of("nothing.a.test").await, [], "the record of another name is another report");
    assert!(of_dmarc(&verifier, &name("down.test")).await.is_err(), "what nobody can say is no refusal");
}

#[tokio::test]
async fn a_check_says_what_a_report_tells_if_one_is_asked_for() {
    let (verifier, _dns) = verifier().await;
    let check = async |author: &str, sender: &str| {
        let spf = SpfCheck { domain: name(sender), result: AuthResult::Pass };
        verifier.dmarc(DmarcQuestion { author: &name(author), spf: Some(&spf), dkim: &[] }).await
    };
    let below = check("sub.a.test", "sub.a.test").await;
    let asked = below.asked.unwrap();
    assert_eq!((below.result, below.policy), (AuthResult::Pass, Some(DmarcPolicy::None)), "t=y weakens sp=quarantine");
    assert_eq!((asked.domain, asked.spf, asked.dkim), (name("a.test"), Alignment::Pass, Alignment::Fail));
    let tags = (asked.policy.p, asked.policy.sp, asked.policy.np, asked.policy.adkim, asked.policy.aspf);
    let (p, sp) = (DmarcPolicy::Reject, DmarcPolicy::Quarantine);
    assert_eq!(tags, (p, sp, sp, AlignmentMode::Relaxed, AlignmentMode::Strict));
    assert_eq!(asked.policy.force, PolicyForce::Testing);
    let strict = check("a.test", "mail.a.test").await;
    assert_eq!((strict.result, strict.asked.unwrap().spf), (AuthResult::Fail, Alignment::Fail));
    assert_eq!(check("none.test", "none.test").await.asked, None, "nobody asks");
}
