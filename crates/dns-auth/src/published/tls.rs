//! What a hosted domain publishes about TLS: an MTA-STS policy (RFC 8461) and where failures are reported (RFC 8460).
//!
//! Neither must be there. But a policy that doesn't let our hosts take the domain's mail stops it, wherever the policy is kept; so it is
//! fetched, as a sender would.

use yubin_types::DomainName;

use super::Expected;
use super::finding::{Finding, RecordType, Subject};
use super::zone::{Looked, Zone};
use crate::mta_sts::{FetchError, Mode, Policy, announced_id};
use crate::tls_rpt::{ReportTarget, targets};

pub(super) fn mta_sts_name(domain: &DomainName) -> String {
    format!("_mta-sts.{domain}")
}

pub(super) fn tls_rpt_name(domain: &DomainName) -> String {
    format!("_smtp._tls.{domain}")
}

pub(super) fn mta_sts(expected: &Expected, zone: &Zone) -> Finding {
    let wanted = expected.optional.announcement(&expected.mx_hosts);
    let name = mta_sts_name(&expected.domain);
    let mut finding = Finding::new(Subject::MtaSts, name, RecordType::Txt, wanted.clone().unwrap_or_default());
    let Some(texts) = texts(&mut finding, zone) else {
        let what = "Senders are not told that mail for the domain must come over TLS (MTA-STS).";
        let publish = |record| {
            let host = format!("https://mta-sts.{}/.well-known/mta-sts.txt", expected.domain);
            format!("Serve the policy that is shown with the expected records at {host}, then publish TXT {record}")
        };
        return unpublished(finding, what, wanted.map(publish), "Nothing need be done.".to_owned());
    };
    if announced_id(&texts).is_none() {
        let what = if texts.iter().filter(|text| text.starts_with("v=STSv1")).count() > 1 {
            "There are several MTA-STS records, which counts as none."
        } else {
            "It is no MTA-STS record."
        };
        finding.wrong(what, "Publish one TXT record like v=STSv1; id=20261122 (a new id of letters and digits for each change of the policy), or none.");
        return finding;
    }
    match &zone.policy {
        Some(Ok(policy)) => permits(&mut finding, policy, expected),
        Some(Err(FetchError::Host(error))) if error.is_temporary() => {
            finding.unknown(&format!("mta-sts.{}: {error}", expected.domain))
        }
        Some(Err(error)) => finding.wrong(
            format!("A policy is announced and can't be had: {error}."),
            format!("Serve it at https://mta-sts.{}/.well-known/mta-sts.txt, or remove the record.", expected.domain),
        ),
        None => finding.unknown("the policy was not fetched"),
    }
    finding
}

pub(super) fn tls_rpt(expected: &Expected, zone: &Zone) -> Finding {
    let wanted = expected.optional.tls_rpt();
    let name = tls_rpt_name(&expected.domain);
    let mut finding = Finding::new(Subject::TlsRpt, name, RecordType::Txt, wanted.clone().unwrap_or_default());
    let Some(texts) = texts(&mut finding, zone) else {
        let example = format!("v=TLSRPTv1; rua=mailto:postmaster@{}", expected.domain);
        let what = "Nobody is told when senders fail to reach the domain over TLS (TLS-RPT).";
        let publish = wanted.map(|record| format!("Publish TXT {record} at {}", finding.name));
        return unpublished(finding, what, publish, format!("Publish TXT {example} if such reports are wanted."));
    };
    let targets = targets(&texts);
    if let Some(address) = &expected.optional.tls_reports
        && !targets.is_empty()
        && !targets.contains(&ReportTarget::Mail(address.clone()))
    {
        finding.hint(
            format!("The reports do not go to {address}."),
            format!("Add mailto:{address} to the addresses of rua=."),
        );
    }
    if targets.is_empty() {
        let what = match texts.iter().filter(|text| text.starts_with("v=TLSRPTv1;")).count() {
            0 | 1 => "It names nowhere to send reports to.",
            _ => "There are several TLS-RPT records, which counts as none.",
        };
        finding.wrong(what, "Publish one TXT record like v=TLSRPTv1; rua=mailto:name@domain, or none.");
    }
    finding
}

/// The texts at the finding's name; none if there are none, which is no fault, or if they are not known.
fn texts(finding: &mut Finding, zone: &Zone) -> Option<Vec<String>> {
    match zone.texts(&finding.name) {
        Looked::Found(texts) => {
            finding.found.clone_from(&texts);
            Some(texts)
        }
        Looked::Nothing => None,
        Looked::Unknown(cause) => {
            finding.unknown(&cause);
            None
        }
    }
}

/// What does not stand there is missing if the operator asks for it, and else absent; nothing if it is not known whether it does.
fn unpublished(finding: Finding, what: &str, publish: Option<String>, otherwise: String) -> Finding {
    match publish {
        _ if !finding.faults.is_empty() => finding,
        Some(publish) => finding.missing(what, publish),
        None => finding.absent(what, otherwise),
    }
}

fn permits(finding: &mut Finding, policy: &Policy, expected: &Expected) {
    let barred: Vec<&str> =
        expected.mx_hosts.iter().filter(|host| !policy.permits(host)).map(DomainName::as_str).collect();
    let lines = || barred.iter().map(|host| format!("mx: {host}")).collect::<Vec<_>>().join(", ");
    match policy.mode {
        Mode::None => finding.hint("The policy says that there is none (mode: none).", "Nothing need be done."),
        Mode::Enforce | Mode::Testing if barred.is_empty() => {}
        Mode::Enforce => finding.wrong(
            format!(
                "The policy does not let {} take the domain's mail: senders that obey it do not deliver.",
                barred.join(", ")
            ),
            format!("Add {} to the policy, then publish a new id.", lines()),
        ),
        Mode::Testing => finding.wrong(
            format!("The policy does not name {}; in mode testing this is only reported.", barred.join(", ")),
            format!("Add {} to the policy, then publish a new id.", lines()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, DomainName};

    use super::super::finding::{Finding, Verdict};
    use super::super::zone::Zone;
    use super::super::{Expected, OptionalRecords};
    use super::{mta_sts, tls_rpt};
    use crate::mta_sts::{FetchError, Mode, Policy};
    use crate::resolver::{LookupError, TemporaryCause};

    fn expected() -> Expected {
        let name = |text: &str| DomainName::parse(text).unwrap();
        let mx_hosts = vec![name("mx1.host.example"), name("mx2.host.example")];
        Expected {
            domain: name("example.jp"),
            mx_hosts,
            spf: String::new(),
            keys: vec![],
            optional: OptionalRecords::default(),
        }
    }

    fn sts(texts: &[&str], policy: Option<Result<&str, FetchError>>) -> Finding {
        let texts: Vec<_> = texts.iter().map(|text| ("_mta-sts.example.jp", *text)).collect();
        let policy = policy.map(|policy| policy.map(|text| Policy::parse(text).unwrap()));
        mta_sts(&expected(), &Zone { policy, ..Zone::of_texts(&texts) })
    }

    const RECORD: &str = "v=STSv1; id=1;";

    #[test]
    fn a_policy_must_let_our_hosts_take_mail() {
        let policy = |mode: &str, hosts: &str| format!("version: STSv1\nmode: {mode}\n{hosts}max_age: 86400\n");
        let both = policy("enforce", "mx: *.host.example\n");
        assert_eq!(sts(&[RECORD], Some(Ok(&both))).verdict, Verdict::Right);
        let one = sts(&[RECORD], Some(Ok(&policy("enforce", "mx: mx1.host.example\n"))));
        assert_eq!(one.verdict, Verdict::Wrong);
        assert!(one.faults[0].mend.contains("mx: mx2.host.example") && !one.faults[0].mend.contains("mx1"), "{one:?}");
        let testing = sts(&[RECORD], Some(Ok(&policy("testing", "mx: mx1.host.example\n"))));
        assert!(testing.faults[0].what.contains("only reported"), "{testing:?}");
        assert_eq!(sts(&[RECORD], Some(Ok(&policy("none", "")))).verdict, Verdict::Right);
    }

    #[test]
    fn a_policy_that_can_not_be_had() {
        let tls = sts(&[RECORD], Some(Err(FetchError::Tls("expired".to_owned()))));
        assert!(tls.verdict == Verdict::Wrong && tls.faults[0].mend.contains("https://mta-sts.example.jp/"), "{tls:?}");
        let later = FetchError::Host(LookupError::Temporary(TemporaryCause::Timeout));
        assert_eq!(sts(&[RECORD], Some(Err(later))).verdict, Verdict::Unknown);
        assert_eq!(sts(&["?"], None).verdict, Verdict::Unknown);
        assert_eq!(sts(&[""], None).verdict, Verdict::Absent);
        assert_eq!(sts(&["v=STSv1"], None).verdict, Verdict::Wrong);
        assert!(sts(&[RECORD, "v=STSv1; id=2;"], None).faults[0].what.contains("several"));
    }

    #[test]
    fn what_the_operator_asks_for_is_missing_where_it_is_not() {
        let tls_reports = Address::parse("tls@host.example").ok();
        let optional = OptionalRecords { tls_reports, mta_sts: Some(Mode::Testing), ..OptionalRecords::default() };
        let expected = Expected { optional, ..expected() };
        let nothing = Zone::of_texts(&[("_mta-sts.example.jp", ""), ("_smtp._tls.example.jp", "")]);
        let (policy, reports) = (mta_sts(&expected, &nothing), tls_rpt(&expected, &nothing));
        assert_eq!((policy.verdict, reports.verdict), (Verdict::Missing, Verdict::Missing));
        assert_eq!(reports.expected, "v=TLSRPTv1; rua=mailto:tls@host.example");
        assert!(policy.expected.starts_with("v=STSv1; id=") && policy.faults[0].mend.contains(&policy.expected));
        let unknown = Zone::of_texts(&[("_mta-sts.example.jp", "?"), ("_smtp._tls.example.jp", "?")]);
        let (policy, reports) = (mta_sts(&expected, &unknown), tls_rpt(&expected, &unknown));
        assert_eq!((policy.verdict, reports.verdict), (Verdict::Unknown, Verdict::Unknown));
        for (record, hints) in
            [("v=TLSRPTv1; rua=mailto:a@example.jp,mailto:tls@host.example", 0), ("v=TLSRPTv1; rua=mailto:a@x.jp", 1)]
        {
            let reports = tls_rpt(&expected, &Zone::of_texts(&[("_smtp._tls.example.jp", record)]));
            assert_eq!((reports.verdict, reports.hints.len()), (Verdict::Right, hints), "{reports:?}");
        }
    }

    #[test]
    fn where_failures_are_reported() {
        let of = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| ("_smtp._tls.example.jp", *text)).collect();
            tls_rpt(&expected(), &Zone::of_texts(&texts)).verdict
        };
        let record = "v=TLSRPTv1; rua=mailto:a@example.jp";
        assert_eq!(of(&[record]), Verdict::Right);
        assert_eq!(of(&[record, record]), Verdict::Wrong);
        assert_eq!(of(&["v=TLSRPTv1; rua=a@example.jp"]), Verdict::Wrong);
        assert_eq!(of(&[""]), Verdict::Absent);
        assert_eq!(of(&["?"]), Verdict::Unknown);
    }
}
