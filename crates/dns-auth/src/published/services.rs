//! Where users' programs find their servers by themselves: SRV records (RFC 6186, RFC 8314 §5.1).
//!
//! Looked at where the operator names the host that programs connect to. The services are those over TLS from the first byte, on
//! their registered ports. Without the records programs ask their users, so a missing one is missing and not wrong.

use yubin_types::DomainName;

use super::Expected;
use super::finding::{Finding, RecordType, Subject};
use super::zone::{Looked, Zone};

const SERVICES: [(&str, u16); 3] = [("_submissions._tcp", 465), ("_imaps._tcp", 993), ("_pop3s._tcp", 995)];

/// The SRV records of a domain whose users connect to this host: name and value.
pub fn service_records(domain: &DomainName, host: &DomainName) -> Vec<(String, String)> {
    SERVICES.iter().map(|(service, port)| (format!("{service}.{domain}"), format!("0 1 {port} {host}."))).collect()
}

pub(super) fn names(expected: &Expected) -> Vec<String> {
    let records = expected.client_host.iter().flat_map(|host| service_records(&expected.domain, host));
    records.map(|(name, _)| name).collect()
}

pub(super) fn check(expected: &Expected, zone: &Zone) -> Vec<Finding> {
    let Some(host) = &expected.client_host else { return Vec::new() };
    let records = service_records(&expected.domain, host).into_iter().zip(SERVICES);
    records.map(|((name, value), (_, port))| check_service(name, value, (port, host), zone)).collect()
}

fn check_service(name: String, value: String, (port, host): (u16, &DomainName), zone: &Zone) -> Finding {
    let publish = format!("Publish SRV {value} at {name}");
    let mut finding = Finding::new(Subject::Service, name.as_str(), RecordType::Srv, value);
    match zone.services(&name) {
        Looked::Nothing => finding.missing("Programs can't find the server by themselves.", publish),
        Looked::Unknown(cause) => {
            finding.unknown(&cause);
            finding
        }
        Looked::Found(found) => {
            let mut finding = finding.found(found.iter().map(|(port, host)| format!("{port} {host}.")).collect());
            let strays = found.iter().filter(|(other, name)| (*other, name.as_str()) != (port, host.as_str())).count();
            if strays == found.len() {
                finding.wrong(format!("It leads programs elsewhere than to port {port} of {host}."), publish);
            } else if strays > 0 {
                finding.hint(format!("Other servers than {host} are named beside it."), "Remove what is out of date.");
            }
            finding
        }
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::DomainName;

    use super::super::Expected;
    use super::super::finding::Verdict;
    use super::super::zone::{Looked, Zone};
    use super::check;

    #[test]
    fn programs_are_led_to_the_named_host() {
        let name = |text: &str| DomainName::parse(text).unwrap();
        let client_host = Some(name("mail.host.example"));
        let mut expected =
            Expected { domain: name("example.jp"), mx_hosts: vec![], spf: String::new(), keys: vec![], client_host };
        let mut zone = Zone::default();
        let found = |port: u16, host: &str| Looked::Found(vec![(port, host.to_owned())]);
        zone.services.insert("_submissions._tcp.example.jp".into(), found(465, "mail.host.example"));
        zone.services.insert("_imaps._tcp.example.jp".into(), found(993, "old.host.example"));
        zone.services.insert("_pop3s._tcp.example.jp".into(), Looked::Nothing);
        let findings = check(&expected, &zone);
        let verdicts: Vec<_> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Right, Verdict::Wrong, Verdict::Missing]);
        assert_eq!(findings[1].faults[0].mend, "Publish SRV 0 1 993 mail.host.example. at _imaps._tcp.example.jp");
        expected.client_host = None;
        assert_eq!(check(&expected, &zone), []);
    }
}
