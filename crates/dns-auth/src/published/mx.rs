//! The MX records of a hosted domain: ours, all of them, and nobody else's (RFC 5321 §5.1, RFC 7505; hosting rule WEBL-05).
//!
//! One finding for each host that must be named, then one for each that must not. Preferences are the owner's to choose, as long as their
//! order is ours. A host that is an alias or has no address gets no mail from many senders (RFC 2181 §10.3).

use super::Expected;
use super::finding::{Finding, RecordType, Subject};
use super::zone::{Host, Looked, Zone};

pub(super) fn check(expected: &Expected, zone: &Zone) -> Vec<Finding> {
    let domain = expected.domain.as_str();
    let (published, unknown) = match zone.exchanges(domain) {
        Looked::Found(published) => (published, None),
        Looked::Nothing => (Vec::new(), None),
        Looked::Unknown(cause) => (Vec::new(), Some(cause)),
    };
    let mut findings = Vec::new();
    for (host, preference) in
        expected.mx_hosts.iter().map(|host| host.as_str()).zip((1_u16..).map(|place| place.saturating_mul(10)))
    {
        let finding = Finding::new(Subject::Mx, domain, RecordType::Mx, format!("{preference} {host}."));
        findings.push(match &unknown {
            Some(cause) => {
                let mut finding = finding;
                finding.unknown(cause);
                finding
            }
            None => own(finding, host, &published, expected, zone),
        });
    }
    if unknown.is_none() {
        findings.extend(
            published.iter().filter(|(_, host)| !is_ours(host, expected)).map(|it| foreign(it, &published, expected)),
        );
    }
    findings
}

/// A host of ours.
fn own(finding: Finding, host: &str, published: &[(u16, String)], expected: &Expected, zone: &Zone) -> Finding {
    let Some((preference, _)) = published.iter().filter(|(_, name)| name == host).min() else {
        let record = finding.expected.clone();
        let what = match published.iter().any(|(_, name)| is_ours(name, expected)) {
            true => format!(
                "{host} is not among the MX records: when the other host can't be reached, mail waits or is lost."
            ),
            false if published.is_empty() => {
                "There is no MX record: mail goes to the address of the domain itself, if it has one.".to_owned()
            }
            false => "No MX record names this cluster: mail for the domain goes elsewhere.".to_owned(),
        };
        return finding.missing(what, format!("Publish MX {record}"));
    };
    let mut finding = finding.found(vec![format!("{preference} {host}.")]);
    match zone.host(host) {
        Host::Sound => {}
        Host::Alias(target) => finding.wrong(
            format!("{host} is an alias (CNAME) of {target}: an MX record must not name one (RFC 2181, section 10.3)."),
            format!("The operator of {host} gives it addresses in place of the CNAME."),
        ),
        Host::Nowhere => finding.wrong(
            format!("{host} has no address."),
            format!("The operator of {host} publishes A and AAAA records for it."),
        ),
        Host::Unknown(cause) => finding.unknown(&format!("the addresses of {host}: {cause}")),
    }
    if let Some(after) = should_come_later(host, *preference, published, expected) {
        finding.hint(
            format!("{after} is preferred to {host}, which is meant to come first."),
            format!("Give {host} a lower number than {after}."),
        );
    }
    finding
}

/// A host of ours that is tried before this one and is meant to be tried after it.
fn should_come_later(host: &str, preference: u16, published: &[(u16, String)], expected: &Expected) -> Option<String> {
    let later = expected.mx_hosts.iter().map(|name| name.as_str()).skip_while(|name| *name != host).skip(1);
    let lower = |name: &&str| published.iter().any(|(number, known)| known == name && *number < preference);
    later.filter(|name| lower(name)).map(str::to_owned).next()
}

/// A host that is not ours.
fn foreign((preference, host): &(u16, String), published: &[(u16, String)], expected: &Expected) -> Finding {
    let domain = expected.domain.as_str();
    let written = if host == "." { format!("{preference} .") } else { format!("{preference} {host}.") };
    let mut finding = Finding::new(Subject::Mx, domain, RecordType::Mx, "").found(vec![written.clone()]);
    let doubled = host.strip_suffix(domain).and_then(|head| head.strip_suffix('.'));
    if host == "." {
        let what = if published.len() == 1 {
            "This is a null MX: it says that the domain takes no mail at all (RFC 7505)."
        } else {
            "A null MX stands beside other MX records, which contradicts them (RFC 7505, section 3)."
        };
        finding.wrong(what, format!("Remove MX {written}"));
    } else if let Some(name) = doubled.filter(|name| is_ours(name, expected)) {
        finding.wrong(
            "The domain's name was added to the host's name, because it was written without a final dot.",
            format!("Write the host as {name}. with a dot at the end."),
        );
    } else {
        finding.wrong(
            format!("{host} is no host of this cluster: what senders bring there does not arrive here."),
            format!("Remove MX {written}, unless it passes mail on to this cluster."),
        );
    }
    finding
}

fn is_ours(host: &str, expected: &Expected) -> bool {
    expected.mx_hosts.iter().any(|own| own.as_str() == host)
}

#[cfg(test)]
mod tests {
    use yubin_types::DomainName;

    use super::super::finding::Verdict;
    use super::super::zone::{Host, Looked, Zone};
    use super::super::{Expected, Finding, OptionalRecords};
    use super::check;

    fn checked(published: Looked<(u16, &str)>, hosts: &[(&str, Host)]) -> Vec<Finding> {
        let name = |text: &str| DomainName::parse(text).unwrap();
        let expected = Expected {
            domain: name("example.jp"),
            mx_hosts: vec![name("mx1.host.example"), name("mx2.host.example")],
            spf: String::new(),
            keys: vec![],
            optional: OptionalRecords::default(),
        };
        let mut zone = Zone::default();
        let published = match published {
            Looked::Found(hosts) => {
                Looked::Found(hosts.into_iter().map(|(number, name)| (number, name.to_owned())).collect())
            }
            Looked::Nothing => Looked::Nothing,
            Looked::Unknown(cause) => Looked::Unknown(cause),
        };
        zone.exchanges.insert("example.jp".to_owned(), published);
        for host in ["mx1.host.example", "mx2.host.example"] {
            zone.hosts.insert(host.to_owned(), Host::Sound);
        }
        zone.hosts.extend(hosts.iter().map(|(name, host)| ((*name).to_owned(), host.clone())));
        check(&expected, &zone)
    }

    fn verdicts(findings: &[Finding]) -> Vec<Verdict> {
        findings.iter().map(|finding| finding.verdict).collect()
    }

    const PAIR: [(u16, &str); 2] = [(10, "mx1.host.example"), (100, "mx2.host.example")];

    #[test]
    fn both_hosts_with_numbers_of_ones_own() {
        let findings = checked(Looked::Found(PAIR.to_vec()), &[]);
        assert_eq!(verdicts(&findings), [Verdict::Right; 2]);
        assert_eq!(findings[1].found, ["100 mx2.host.example."]);
        let turned = checked(Looked::Found(vec![(20, PAIR[0].1), (10, PAIR[1].1)]), &[]);
        assert_eq!(verdicts(&turned), [Verdict::Right; 2]);
        assert!(turned[0].hints[0].mend.contains("lower number than mx2.host.example"), "{turned:?}");
        assert!(turned[1].hints.is_empty());
    }

    /// WEBL-05: two are needed, and it is said which one is missing.
    #[test]
    fn one_of_two_is_missing() {
        let findings = checked(Looked::Found(PAIR[..1].to_vec()), &[]);
        assert_eq!(verdicts(&findings), [Verdict::Right, Verdict::Missing]);
        let fault = &findings[1].faults[0];
        assert!(
            fault.what.contains("mx2.host.example") && fault.mend == "Publish MX 20 mx2.host.example.",
            "{fault:?}"
        );
        let none = checked(Looked::Nothing, &[]);
        assert_eq!(verdicts(&none), [Verdict::Missing; 2]);
        assert!(none[0].faults[0].what.contains("no MX record"), "{none:?}");
    }

    #[test]
    fn hosts_of_others_and_the_null_mx() {
        let findings = checked(Looked::Found(vec![PAIR[0], PAIR[1], (5, "mx.old.example")]), &[]);
        assert_eq!(verdicts(&findings), [Verdict::Right, Verdict::Right, Verdict::Wrong]);
        assert!(findings[2].expected.is_empty() && findings[2].faults[0].mend.contains("Remove MX 5 mx.old.example."));
        let null = checked(Looked::Found(vec![(0, ".")]), &[]);
        assert_eq!(verdicts(&null), [Verdict::Missing, Verdict::Missing, Verdict::Wrong]);
        assert!(null[2].faults[0].what.contains("takes no mail at all"), "{null:?}");
        let beside = checked(Looked::Found(vec![PAIR[0], PAIR[1], (0, ".")]), &[]);
        assert!(beside[2].faults[0].what.contains("contradicts"), "{beside:?}");
        let undotted = checked(Looked::Found(vec![(10, "mx1.host.example.example.jp")]), &[]);
        assert!(undotted[2].faults[0].mend.contains("mx1.host.example. with a dot"), "{undotted:?}");
    }

    #[test]
    fn hosts_that_can_not_be_used() {
        let alias = Host::Alias("real.host.example".to_owned());
        let findings = checked(Looked::Found(PAIR.to_vec()), &[(PAIR[0].1, alias), (PAIR[1].1, Host::Nowhere)]);
        assert_eq!(verdicts(&findings), [Verdict::Wrong; 2]);
        assert!(findings[0].faults[0].what.contains("CNAME") && findings[1].faults[0].what.contains("no address"));
    }

    #[test]
    fn what_can_not_be_looked_up_is_not_missing() {
        let cause = || "no name server answered in time".to_owned();
        let findings = checked(Looked::Unknown(cause()), &[]);
        assert_eq!(verdicts(&findings), [Verdict::Unknown; 2]);
        let addresses = checked(Looked::Found(PAIR.to_vec()), &[(PAIR[0].1, Host::Unknown(cause()))]);
        assert_eq!(verdicts(&addresses), [Verdict::Unknown, Verdict::Right]);
    }
}
