//! Where users' programs find their servers by themselves: SRV records (RFC 6186, RFC 8314 §5.1).
//!
//! Looked at where the operator names the host that programs connect to. The services are those over TLS from the first byte, on
//! their registered ports. Beside them stand the names at which programs ask a web server for their settings, where the operator names one:
//! `autoconfig.` and `_autodiscover._tcp`. Without the records programs ask their users, so a missing one is missing and not wrong.

use yubin_types::DomainName;

use super::finding::{Finding, RecordType, Subject};
use super::zone::{Host, Looked, Zone};
use super::{Expected, OptionalRecords};

const SERVICES: [(&str, u16); 3] = [("_submissions._tcp", 465), ("_imaps._tcp", 993), ("_pop3s._tcp", 995)];

/// Where Outlook and its like ask for their settings over HTTPS.
const AUTODISCOVER: (&str, u16) = ("_autodiscover._tcp", 443);

/// A service's port and host.
pub(super) type Target<'a> = (u16, &'a DomainName);

/// The SRV records of a domain: name and target.
pub(super) fn wanted<'a>(domain: &DomainName, optional: &'a OptionalRecords) -> Vec<(String, Target<'a>)> {
    let mail = optional.client_host.iter().flat_map(|host| SERVICES.map(|service| (service, host)));
    let settings = optional.autoconfig_host.iter().map(|host| (AUTODISCOVER, host));
    mail.chain(settings).map(|((service, port), host)| (format!("{service}.{domain}"), (port, host))).collect()
}

/// What such a record says.
pub(super) fn value(port: u16, host: &DomainName) -> String {
    format!("0 1 {port} {host}.")
}

/// Where Thunderbird and its like ask for their settings over HTTP.
pub(super) fn autoconfig_name(domain: &DomainName) -> String {
    format!("autoconfig.{domain}")
}

pub(super) fn names(expected: &Expected) -> Vec<String> {
    wanted(&expected.domain, &expected.optional).into_iter().map(|(name, _)| name).collect()
}

/// Hosts that are looked at.
pub(super) fn hosts(expected: &Expected) -> Vec<String> {
    let named = expected.optional.autoconfig_host.iter();
    named.flat_map(|host| [autoconfig_name(&expected.domain), host.to_string()]).collect()
}

pub(super) fn check(expected: &Expected, zone: &Zone) -> Vec<Finding> {
    let records = wanted(&expected.domain, &expected.optional);
    let services = records.into_iter().map(|(name, (port, host))| check_service(name, (port, host), zone));
    let autoconfig = expected.optional.autoconfig_host.iter();
    services.chain(autoconfig.map(|host| check_autoconfig(autoconfig_name(&expected.domain), host, zone))).collect()
}

/// Another server that answers there is the owner's choice.
fn check_autoconfig(name: String, host: &DomainName, zone: &Zone) -> Finding {
    let mut finding = Finding::new(Subject::Service, name.as_str(), RecordType::Cname, format!("{host}."));
    let found = zone.host(&name);
    // The host may have another name itself.
    let own = zone.host(host.as_str());
    match found {
        Host::Nowhere => {
            return finding.missing(
                "Programs that look for their settings there find none.",
                format!("Publish CNAME {host}. at {name}"),
            );
        }
        Host::Unknown(cause) => finding.unknown(&cause),
        Host::Alias(target) if target == host.as_str() || own == Host::Alias(target.clone()) => {
            finding.found.push(format!("{target}."));
        }
        Host::Alias(_) | Host::Sound => {
            let publish =
                format!("Publish CNAME {host}. instead if that server does not tell programs their settings.");
            finding.hint(format!("It leads elsewhere than to {host}."), publish);
        }
    }
    finding
}

fn check_service(name: String, (port, host): Target<'_>, zone: &Zone) -> Finding {
    let value = value(port, host);
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

    use super::super::finding::Verdict;
    use super::super::zone::{Host, Looked, Zone};
    use super::super::{Expected, OptionalRecords};
    use super::check;

    #[test]
    fn programs_are_led_to_the_named_host() {
        let name = |text: &str| DomainName::parse(text).unwrap();
        let optional = OptionalRecords { client_host: Some(name("mail.host.example")), ..Default::default() };
        let mut expected =
            Expected { domain: name("example.jp"), mx_hosts: vec![], spf: String::new(), keys: vec![], optional };
        let mut zone = Zone::default();
        let found = |port: u16, host: &str| Looked::Found(vec![(port, host.to_owned())]);
        zone.services.insert("_submissions._tcp.example.jp".into(), found(465, "mail.host.example"));
        zone.services.insert("_imaps._tcp.example.jp".into(), found(993, "old.host.example"));
        zone.services.insert("_pop3s._tcp.example.jp".into(), Looked::Nothing);
        let findings = check(&expected, &zone);
        let verdicts: Vec<_> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Right, Verdict::Wrong, Verdict::Missing]);
        assert_eq!(findings[1].faults[0].mend, "Publish SRV 0 1 993 mail.host.example. at _imaps._tcp.example.jp");
        expected.optional.client_host = None;
        assert_eq!(check(&expected, &zone), []);
    }

    #[test]
    fn programs_are_led_to_the_server_of_their_settings() {
        let name = |text: &str| DomainName::parse(text).unwrap();
        let optional = OptionalRecords { autoconfig_host: Some(name("web.host.example")), ..Default::default() };
        let expected =
            Expected { domain: name("example.jp"), mx_hosts: vec![], spf: String::new(), keys: vec![], optional };
        let checked = |there: Host, own: Host| {
            let mut zone = Zone::default();
            let service = Looked::Found(vec![(443, "web.host.example".to_owned())]);
            zone.services.insert("_autodiscover._tcp.example.jp".into(), service);
            zone.hosts.insert("autoconfig.example.jp".into(), there);
            zone.hosts.insert("web.host.example".into(), own);
            let findings = check(&expected, &zone);
            assert_eq!((findings.len(), findings[0].verdict), (2, Verdict::Right), "{findings:?}");
            (findings[1].verdict, findings[1].hints.len())
        };
        let alias = |name: &str| Host::Alias(name.to_owned());
        assert_eq!(checked(alias("web.host.example"), Host::Sound), (Verdict::Right, 0));
        assert_eq!(checked(alias("cdn.example"), alias("cdn.example")), (Verdict::Right, 0));
        assert_eq!(checked(alias("web.other.example"), Host::Sound), (Verdict::Right, 1));
        assert_eq!(checked(Host::Sound, Host::Sound), (Verdict::Right, 1));
        assert_eq!(checked(Host::Nowhere, Host::Sound).0, Verdict::Missing);
        assert_eq!(checked(Host::Unknown("no answer".to_owned()), Host::Sound).0, Verdict::Unknown);
    }
}
