//! The DMARC policy of a hosted domain (RFC 9989): one record, readable, and its reports wanted where they go.
//!
//! A subdomain has a policy too if a domain above it does (§4.10). Where reports go to another domain, that one must agree (RFC 9990 §4);
//! if it doesn't, mail goes as it should, and only reports are not sent: advice, not a fault.

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::dmarc::Dmarc;
use yubin_types::{Address, DomainName};

use super::finding::{Finding, RecordType, Subject};
use super::zone::{Looked, Zone};
use super::{Expected, tag, tags};
use crate::verify::dmarc::{is_below, names};

/// What a domain begins with: reports first, refusals when every sender of the domain is known (RFC 7489 §6.3).
pub(super) const FIRST: &str = "v=DMARC1; p=none";

/// Where a policy may stand.
pub(super) fn names_of(expected: &Expected) -> Vec<String> {
    names(&expected.domain).iter().map(name).collect()
}

/// Where other domains agree to get this one's reports.
pub(super) fn unasked(expected: &Expected, zone: &Zone) -> Vec<String> {
    let Looked::Found(texts) = zone.texts(&name(&expected.domain)) else { return Vec::new() };
    let [record] = &records(&texts)[..] else { return Vec::new() };
    let agreements = foreign(record, expected).into_iter().map(|host| agreement(&host, &expected.domain));
    agreements.filter(|name| !zone.texts.contains_key(name)).collect()
}

pub(super) fn check(expected: &Expected, zone: &Zone) -> Finding {
    let name = name(&expected.domain);
    let mut finding = Finding::new(Subject::Dmarc, name.as_str(), RecordType::Txt, expected.optional.dmarc());
    let texts = match zone.texts(&name) {
        Looked::Found(texts) => texts,
        Looked::Nothing => Vec::new(),
        Looked::Unknown(cause) => {
            finding.unknown(&cause);
            return finding;
        }
    };
    let records = records(&texts);
    match records.as_slice() {
        [record] => {
            let mut finding = finding.found(vec![(*record).clone()]);
            lint(&mut finding, record);
            agreed(&mut finding, record, expected, zone);
            reported(&mut finding, record, expected);
            finding
        }
        [] => none(finding, texts, expected, zone),
        _ => {
            let found = records.into_iter().cloned().collect();
            let mut finding = finding.found(found);
            finding.wrong(
                "There are several DMARC records, which counts as none (RFC 9989, section 4.10).",
                "Keep one and remove the others.",
            );
            finding
        }
    }
}

pub(super) fn name(domain: &DomainName) -> String {
    format!("_dmarc.{domain}")
}

fn records(texts: &[String]) -> Vec<&String> {
    texts.iter().filter(|text| tags(text).first() == Some(&("v", "DMARC1"))).collect()
}

/// There is none: is there one above, or something that was meant to be one?
fn none(finding: Finding, texts: Vec<String>, expected: &Expected, zone: &Zone) -> Finding {
    let publish = format!("Publish TXT {} at {}", finding.expected, finding.name);
    let close = texts.iter().any(|text| text.to_ascii_lowercase().contains("dmarc"));
    if close {
        let mut finding = finding.found(texts);
        finding.wrong("It looks like a DMARC record, and is none: it must begin with v=DMARC1;", publish);
        return finding;
    }
    for above in names(&expected.domain).iter().skip(1) {
        match zone.texts(&name(above)) {
            Looked::Found(texts) => {
                if let [record] = records(&texts).as_slice() {
                    let mut finding = finding.found(vec![(*record).clone()]);
                    finding.hint(
                        format!("The policy of {above} holds for it (sp=, or p=)."),
                        format!("Publish a record at {} if it needs another policy.", finding.name.clone()),
                    );
                    return finding;
                }
            }
            Looked::Nothing => {}
            Looked::Unknown(cause) => {
                let mut finding = finding;
                finding.unknown(&format!("{}: {cause}", name(above)));
                return finding;
            }
        }
    }
    finding
        .missing("There is no DMARC record: big receivers refuse mail of domains that send much without one.", publish)
}

fn lint(finding: &mut Finding, record: &str) {
    let tags = tags(record);
    let policy = |name: &str| tag(&tags, name).map(str::to_ascii_lowercase);
    let known = |value: &str| matches!(value, "none" | "quarantine" | "reject");
    for name in ["p", "sp", "np"] {
        match policy(name) {
            Some(value) if !known(&value) => finding.wrong(
                format!("{name}={value} is no policy."),
                format!("Write {name}=none, {name}=quarantine or {name}=reject."),
            ),
            None if name == "p" => {
                finding.wrong(
                    "It has no p= tag, so it asks for nothing.",
                    "Add p=none, p=quarantine or p=reject after v=DMARC1;",
                );
            }
            _ => {}
        }
    }
    for name in ["adkim", "aspf"] {
        if let Some(value) = policy(name).filter(|value| !matches!(value.as_str(), "r" | "s")) {
            finding.wrong(format!("{name}={value} is no mode."), format!("Write {name}=r or {name}=s."));
        }
    }
    for uri in ["rua", "ruf"].into_iter().flat_map(|name| tag(&tags, name)).flat_map(|list| list.split(',')) {
        if mailbox(uri).is_none() {
            let uri = uri.trim();
            finding.wrong(format!("{uri} is no address for reports."), "Write it as mailto:name@domain.");
        }
    }
    if finding.faults.is_empty() && Dmarc::parse(record.as_bytes()).is_err() {
        finding.wrong("It can't be read.", format!("Correct it; the shortest is {FIRST}"));
    }
    if policy("p").as_deref() == Some("none") {
        finding.hint(
            "p=none asks receivers to let forged mail through.",
            "When the reports show that all mail of the domain passes, write p=quarantine, later p=reject.",
        );
    }
    if tag(&tags, "pct").is_some() {
        finding.hint("pct= is no longer looked at (RFC 9989).", "Remove it.");
    }
}

/// Do the domains that get reports want them?
fn agreed(finding: &mut Finding, record: &str, expected: &Expected, zone: &Zone) {
    for host in foreign(record, expected) {
        let agreement = agreement(&host, &expected.domain);
        let agrees = match zone.texts(&agreement) {
            Looked::Found(texts) => !records(&texts).is_empty(),
            Looked::Nothing => false,
            Looked::Unknown(_) => true,
        };
        if !agrees {
            finding.hint(
                format!("Reports go to {host}, which has not agreed to get them: they are not sent."),
                format!("Its owner publishes TXT v=DMARC1 at {agreement}, or reports go elsewhere."),
            );
        }
    }
}

/// Do reports go where the operator wants them?
fn reported(finding: &mut Finding, record: &str, expected: &Expected) {
    let Some(wanted) = &expected.optional.dmarc_reports else { return };
    let tags = tags(record);
    let mut addresses = tag(&tags, "rua").into_iter().flat_map(|list| list.split(',')).filter_map(mailbox);
    if !addresses.any(|address| address == *wanted) {
        finding.hint(
            format!("Aggregate reports do not go to {wanted}."),
            format!("Add rua=mailto:{wanted}, or the address to those that rua= has."),
        );
    }
}

/// Domains of others that aggregate reports go to.
fn foreign(record: &str, expected: &Expected) -> Vec<DomainName> {
    let mailboxes = tag(&tags(record), "rua").into_iter().flat_map(|list| list.split(',')).filter_map(mailbox);
    let mut hosts: Vec<DomainName> = mailboxes.map(|address| address.domain).collect();
    hosts.retain(|host| is_foreign(host, &expected.domain));
    hosts.dedup();
    hosts.truncate(4);
    hosts
}

/// Must a host agree to get reports on a domain (RFC 9990 §4)?
pub(super) fn is_foreign(host: &DomainName, domain: &DomainName) -> bool {
    !is_below(host, domain) && !is_below(domain, host)
}

/// Where it agrees.
pub(super) fn agreement(host: &DomainName, domain: &DomainName) -> String {
    format!("{domain}._report._dmarc.{host}")
}

/// The mailbox of a `mailto:` with an optional size (RFC 9990 §4).
fn mailbox(uri: &str) -> Option<Address> {
    let (scheme, rest) = uri.trim().split_once(':')?;
    let address = rest.split(['!', '?']).next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("mailto") { Address::parse(address).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName};

    use super::super::finding::{Finding, Verdict};
    use super::super::zone::Zone;
    use super::super::{Expected, OptionalRecords};
    use super::{check, unasked};

    fn expected(domain: &str) -> Expected {
        let domain = DomainName::parse(domain).unwrap();
        Expected { domain, mx_hosts: vec![], spf: String::new(), keys: vec![], optional: OptionalRecords::default() }
    }

    fn checked(texts: &[(&str, &str)]) -> Finding {
        let nothing = [("_dmarc.example.jp", ""), ("_dmarc.jp", ""), ("_dmarc.sub.example.jp", "")];
        check(&expected("example.jp"), &Zone::of_texts(&[&nothing[..], texts].concat()))
    }

    fn of(record: &str) -> Finding {
        checked(&[("_dmarc.example.jp", record)])
    }

    #[test]
    fn policies_that_can_be_read_are_right() {
        for record in [
            "v=DMARC1; p=reject",
            "v=DMARC1;p=quarantine;sp=none;rua=mailto:a@example.jp!10m,mailto:b@example.jp;adkim=s",
        ] {
            let finding = of(record);
            assert_eq!((finding.verdict, finding.hints.len()), (Verdict::Right, 0), "{finding:?}");
        }
        let lenient = of("v=DMARC1; p=none; pct=50");
        assert_eq!((lenient.verdict, lenient.hints.len()), (Verdict::Right, 2), "{lenient:?}");
        assert!(lenient.hints[0].mend.contains("p=quarantine"), "{lenient:?}");
    }

    #[test]
    fn mistakes_are_named() {
        for (record, what) in [
            ("v=DMARC1; p=rejct", "p=rejct is no policy"),
            ("v=DMARC1; p=reject; sp=all", "sp=all is no policy"),
            ("v=DMARC1; rua=mailto:a@example.jp", "no p= tag"),
            ("v=DMARC1; p=none; adkim=strict", "adkim=strict"),
            ("v=DMARC1; p=none; rua=a@example.jp", "a@example.jp is no address for reports"),
            ("v=DMARC1 p=none", "must begin with v=DMARC1;"),
            ("p=none; v=DMARC1", "must begin with v=DMARC1;"),
            ("v=dmarc1; p=none", "must begin with v=DMARC1;"),
        ] {
            let finding = of(record);
            assert_eq!(finding.verdict, Verdict::Wrong, "{record}");
            assert!(finding.faults[0].what.contains(what), "{record}: {finding:?}");
        }
        let two = checked(&[("_dmarc.example.jp", "v=DMARC1; p=none"), ("_dmarc.example.jp", "v=DMARC1; p=reject")]);
        assert!(two.verdict == Verdict::Wrong && two.faults[0].what.contains("several"), "{two:?}");
    }

    #[test]
    fn none_of_its_own_and_perhaps_one_above() {
        let missing = checked(&[]);
        assert!(
            missing.verdict == Verdict::Missing && missing.faults[0].mend.contains("v=DMARC1; p=none"),
            "{missing:?}"
        );
        let sub = expected("sub.example.jp");
        let above = [("_dmarc.sub.example.jp", ""), ("_dmarc.example.jp", "v=DMARC1; p=reject")];
        let inherited = check(&sub, &Zone::of_texts(&above));
        assert!(inherited.verdict == Verdict::Right && inherited.hints[0].what.contains("example.jp"), "{inherited:?}");
        let unknown = check(&sub, &Zone::of_texts(&[("_dmarc.sub.example.jp", ""), ("_dmarc.example.jp", "?")]));
        assert_eq!(unknown.verdict, Verdict::Unknown);
        assert_eq!(of("?").verdict, Verdict::Unknown);
    }

    #[test]
    fn reports_go_where_the_operator_wants_them() {
        let dmarc_reports = Address::parse("dmarc@example.jp").ok();
        let optional = OptionalRecords { dmarc_reports, ..OptionalRecords::default() };
        let expected = Expected { optional, ..expected("example.jp") };
        let of = |record: &str| check(&expected, &Zone::of_texts(&[("_dmarc.example.jp", record), ("_dmarc.jp", "")]));
        let missing = of("");
        assert_eq!(missing.expected, "v=DMARC1; p=none; rua=mailto:dmarc@example.jp");
        assert!(
            missing.verdict == Verdict::Missing && missing.faults[0].mend.contains(&missing.expected),
            "{missing:?}"
        );
        let elsewhere = of("v=DMARC1; p=reject; rua=mailto:a@example.jp");
        assert_eq!((elsewhere.verdict, elsewhere.hints.len()), (Verdict::Right, 1), "{elsewhere:?}");
        assert!(of("v=DMARC1; p=reject; rua=mailto:a@example.jp,mailto:dmarc@example.jp!1m").hints.is_empty());
    }

    #[test]
    fn others_that_get_reports_must_agree() {
        let record = "v=DMARC1; p=reject; rua=mailto:x@reports.example,mailto:y@sub.example.jp";
        let agreement = "example.jp._report._dmarc.reports.example";
        assert_eq!(unasked(&expected("example.jp"), &Zone::of_texts(&[("_dmarc.example.jp", record)])), [agreement]);
        let refused = checked(&[("_dmarc.example.jp", record), (agreement, "")]);
        assert!(refused.verdict == Verdict::Right && refused.hints[0].mend.contains(agreement), "{refused:?}");
        assert!(checked(&[("_dmarc.example.jp", record), (agreement, "v=DMARC1;")]).hints.is_empty());
        assert!(checked(&[("_dmarc.example.jp", record), (agreement, "?")]).hints.is_empty());
    }
}
