//! Published SPF records and what a check says of them.

use yubin_types::DomainName;

use super::super::finding::{Finding, Verdict};
use super::super::zone::Zone;
use super::super::{Expected, OptionalRecords};
use super::{check, unasked};

fn expected(spf: &str) -> Expected {
    Expected {
        domain: DomainName::parse("example.jp").unwrap(),
        mx_hosts: vec![],
        spf: spf.to_owned(),
        keys: vec![],
        optional: OptionalRecords::default(),
    }
}

const OURS: &str = "v=spf1 include:spf.host.example ~all";

/// With a record of ours and these.
fn checked(texts: &[(&str, &str)]) -> Finding {
    let ours = [("spf.host.example", "v=spf1 ip4:192.0.2.0/24 -all")];
    check(&expected(OURS), &Zone::of_texts(&[&ours[..], texts].concat()))
}

#[track_caller]
fn wrong(texts: &[(&str, &str)], what: &str, mend: &str) {
    let finding = checked(texts);
    assert_eq!(finding.verdict, Verdict::Wrong, "{finding:?}");
    assert!(finding.faults.iter().any(|fault| fault.what.contains(what) && fault.mend.contains(mend)), "{finding:?}");
}

#[test]
fn a_record_with_ours_in_it_is_right_whatever_else_it_names() {
    for record in [
        "v=spf1 include:spf.host.example ~all",
        "v=spf1 a mx ip4:198.51.100.7 +include:SPF.host.example. -all",
        "V=SPF1 include:spf.host.example unknown=modifier ~all",
        "v=spf1 redirect=spf.host.example",
    ] {
        let finding = checked(&[("example.jp", "other text"), ("example.jp", record)]);
        assert_eq!((finding.verdict, &finding.faults[..]), (Verdict::Right, &[][..]), "{record}");
        assert_eq!(finding.found, [record]);
    }
    let beneath = [("example.jp", "v=spf1 include:mail.example.jp -all"), ("mail.example.jp", OURS)];
    assert_eq!(checked(&beneath).verdict, Verdict::Right, "an included record includes ours");
}

#[test]
fn terms_of_ours_are_found_in_other_forms() {
    for (ours, published, verdict) in [
        ("v=spf1 mx ~all", "v=spf1 mx:example.jp -all", Verdict::Right),
        ("v=spf1 mx ~all", "v=spf1 mx/24 -all", Verdict::Right),
        ("v=spf1 mx/24 ~all", "v=spf1 mx -all", Verdict::Wrong),
        ("v=spf1 mx ~all", "v=spf1 a -all", Verdict::Wrong),
        ("v=spf1 ip4:192.0.2.7 ~all", "v=spf1 ip4:192.0.2.0/24 -all", Verdict::Right),
        ("v=spf1 ip4:192.0.2.0/24 ~all", "v=spf1 ip4:192.0.2.7 -all", Verdict::Wrong),
        ("v=spf1 ip6:2001:db8::1 ~all", "v=spf1 ip6:2001:db8::/32 -all", Verdict::Right),
        ("v=spf1 a:a.host.example ~all", "v=spf1 ~a:a.host.example -all", Verdict::Wrong),
        ("v=spf1 mx ~all", "v=spf1 -all mx", Verdict::Wrong),
    ] {
        let finding = check(&expected(ours), &Zone::of_texts(&[("example.jp", published)]));
        assert_eq!(finding.verdict, verdict, "{ours} in {published}: {finding:?}");
    }
}

#[test]
fn none_at_all_or_something_close_to_one() {
    let finding = checked(&[("example.jp", "google-site-verification=x")]);
    assert_eq!(finding.verdict, Verdict::Missing);
    assert!(finding.faults[0].mend.ends_with(OURS) && finding.faults[0].what.contains("parent"), "{finding:?}");
    for close in ["v=spf1include:spf.host.example", "spf1 mx ~all", " v=spf1 mx", "v=spf2 mx"] {
        wrong(&[("example.jp", close)], "must begin with v=spf1", OURS);
    }
}

#[test]
fn several_records() {
    let texts = [("example.jp", "v=spf1 mx -all"), ("example.jp", "v=spf1 mx include:spf.host.example ~all")];
    wrong(&texts, "several SPF records", "v=spf1 mx include:spf.host.example -all");
}

#[test]
fn mistakes_in_the_record_name_the_term() {
    for (record, term) in [
        ("v=spf1 include:spf.host.example ipv4:192.0.2.1 ~all", "ipv4:192.0.2.1"),
        ("v=spf1 include:spf.host.example ip4:192.0.2.300 ~all", "ip4:192.0.2.300"),
        ("v=spf1 include:spf.host.example ~all mail.example.jp", "mail.example.jp"),
        ("v=spf1 include:spf.host.example, ~all", "include:spf.host.example,"),
        ("v=spf1 include: ~all", "include:"),
    ] {
        wrong(&[("example.jp", record)], term, "Correct or remove");
    }
}

#[test]
fn ours_is_not_in_it() {
    wrong(
        &[("example.jp", "v=spf1 ip4:198.51.100.7 -all")],
        "include:spf.host.example is not in it",
        "Publish TXT v=spf1 include:spf.host.example ip4:198.51.100.7 -all",
    );
    wrong(&[("example.jp", "v=spf1 -include:spf.host.example ~all")], "not in it", "Publish");
}

#[test]
fn everybody_may_send() {
    wrong(&[("example.jp", "v=spf1 include:spf.host.example +all")], "every host of the internet", "~all or -all");
    wrong(&[("example.jp", "v=spf1 include:spf.host.example all")], "every host of the internet", "~all or -all");
    let included =
        [("example.jp", "v=spf1 include:spf.host.example include:lax.example -all"), ("lax.example", "v=spf1 +all")];
    wrong(&included, "The record of lax.example", "Remove what includes lax.example");
}

#[test]
fn included_records_that_are_none() {
    let record = ("example.jp", "v=spf1 include:spf.host.example include:gone.example ~all");
    wrong(&[record, ("gone.example", "")], "gone.example has no SPF record", "Remove include:gone.example");
    wrong(&[record, ("gone.example", "hello")], "gone.example has no SPF record", "Remove include:gone.example");
    wrong(&[record, ("gone.example", "v=spf1 -all"), ("gone.example", "v=spf1 mx")], "several SPF records", "Remove");
    wrong(&[record, ("gone.example", "v=spf1 ip5:1 -all")], "a mistake in it (ip5:1)", "the owner of gone.example");
    wrong(&[record, ("gone.example", "v=spf1 include:example.jp -all")], "leads back", "Remove include of example.jp");
}

#[test]
fn lookups_are_counted_over_all_records() {
    let nine = "v=spf1 mx a:a.example a:b.example a:c.example a:d.example a:e.example a:f.example a:g.example a:h.example -all";
    let with = |more: &str| format!("v=spf1 include:spf.host.example include:nine.example {more}-all");
    let at_most = checked(&[
        ("example.jp", "v=spf1 include:spf.host.example include:eight.example -all"),
        ("eight.example", &nine.replace(" mx", "")),
    ]);
    assert_eq!(at_most.verdict, Verdict::Right, "{at_most:?}");
    wrong(&[("example.jp", &with("")), ("nine.example", nine)], "It takes 11 lookups", "ip4");
    wrong(&[("example.jp", &with("exists:%{i}.x.example ")), ("nine.example", nine)], "It takes 12 lookups", "ip4");
    let ip = format!("v=spf1 include:spf.host.example {}-all", "ip4:192.0.2.1 ".repeat(30));
    assert_eq!(checked(&[("example.jp", &ip)]).verdict, Verdict::Right, "networks cost nothing");
    let flood = format!("v=spf1 {}-all", "include:a.example ".repeat(60));
    wrong(
        &[("example.jp", &flood), ("a.example", "v=spf1 include:b.example"), ("b.example", "v=spf1 a -all")],
        "more than 40 lookups",
        "ip4",
    );
}

#[test]
fn advice_about_records_that_work() {
    for (record, hint) in [
        ("v=spf1 include:spf.host.example ?all", "?all"),
        ("v=spf1 include:spf.host.example", "says nothing about hosts"),
        ("v=spf1 include:spf.host.example ~all mx", "after all never counts"),
        ("v=spf1 include:spf.host.example ptr ~all", "ptr"),
    ] {
        let finding = checked(&[("example.jp", record)]);
        assert_eq!(finding.verdict, Verdict::Right, "{record}");
        assert!(finding.hints.iter().any(|advice| advice.what.contains(hint)), "{record}: {finding:?}");
    }
    assert!(checked(&[("example.jp", OURS)]).hints.is_empty());
}

#[test]
fn what_can_not_be_looked_up_is_neither_missing_nor_wrong() {
    assert_eq!(checked(&[("example.jp", "?")]).verdict, Verdict::Unknown);
    let finding = checked(&[("example.jp", "v=spf1 include:slow.example -all"), ("slow.example", "?")]);
    assert_eq!(finding.verdict, Verdict::Unknown, "ours may be in what it includes: {finding:?}");
    let both = checked(&[("example.jp", "v=spf1 include:slow.example +all"), ("slow.example", "?")]);
    assert_eq!(both.verdict, Verdict::Wrong, "what is certain is said");
}

#[test]
fn included_names_are_asked_for_until_all_are_known() {
    let record = ("example.jp", "v=spf1 include:a.example exists:%{i}.x.example redirect=b.example");
    assert_eq!(unasked(&expected(OURS), &Zone::of_texts(&[record])), ["a.example", "b.example"]);
    let deeper = [record, ("a.example", "v=spf1 include:c.example"), ("b.example", "?")];
    assert_eq!(unasked(&expected(OURS), &Zone::of_texts(&deeper)), ["c.example"]);
    assert_eq!(unasked(&expected(OURS), &Zone::of_texts(&[("example.jp", "?")])), [""; 0]);
}
