//! What domains publish where the operator asks for it: where reports go (RFC 9990, RFC 8460), that mail must come over TLS (RFC 8461), and
//! where users' programs find their servers (RFC 6186).
//!
//! These are texts only. Whoever names an address for reports keeps a mailbox there; whoever chooses a mode of MTA-STS or names a host for
//! autoconfiguration keeps a web server that answers for it, since none is part of this system.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use yubin_types::{Address, DomainName};

use super::finding::RecordType;
use super::{dmarc, services, tls};
use crate::mta_sts::{Mode, MxPattern, Policy};

/// What domains publish where the operator asks for it.
#[derive(Clone, Debug, Default)]
pub struct OptionalRecords {
    /// The host that users' programs connect to (RFC 6186).
    pub client_host: Option<DomainName>,
    /// The web server that tells programs their settings.
    pub autoconfig_host: Option<DomainName>,
    /// Where aggregate reports of DMARC go; ASCII, and nothing that a URI has another use for.
    pub dmarc_reports: Option<Address>,
    /// Where reports of TLS go; the same holds for it.
    pub tls_reports: Option<Address>,
    /// How strictly the MTA-STS policy is meant; none: there is none.
    pub mta_sts: Option<Mode>,
}

/// A record that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where, without a final dot.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// What.
    pub value: String,
}

/// For how long senders remember the MTA-STS policy, seconds: a week, of the weeks that RFC 8461 §3.2 advises.
const MTA_STS_AGE_SECONDS: u64 = 604_800;

impl OptionalRecords {
    /// The records of a domain with these MX hosts, its DMARC record first: that one is published in any case.
    #[must_use]
    pub fn records(&self, domain: &DomainName, mx_hosts: &[DomainName]) -> Vec<Record> {
        let text = |name: String, value: String| Record { name, kind: RecordType::Txt, value };
        let mut records = vec![text(dmarc::name(domain), self.dmarc())];
        let foreign = self.dmarc_reports.iter().filter(|address| dmarc::is_foreign(&address.domain, domain));
        records.extend(foreign.map(|address| text(dmarc::agreement(&address.domain, domain), "v=DMARC1;".to_owned())));
        records.extend(self.tls_rpt().map(|value| text(tls::tls_rpt_name(domain), value)));
        records.extend(self.announcement(mx_hosts).map(|value| text(tls::mta_sts_name(domain), value)));
        let services = services::wanted(domain, self);
        records.extend(services.into_iter().map(|(name, (port, host))| Record {
            name,
            kind: RecordType::Srv,
            value: services::value(port, host),
        }));
        records.extend(self.autoconfig_host.iter().map(|host| Record {
            name: services::autoconfig_name(domain),
            kind: RecordType::Cname,
            value: format!("{host}."),
        }));
        records
    }

    /// The text to serve at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`; none if there is no policy.
    #[must_use]
    pub fn mta_sts_policy(&self, mx_hosts: &[DomainName]) -> Option<String> {
        let mx = mx_hosts.iter().cloned().map(MxPattern::Host).collect();
        let policy = Policy { mode: self.mta_sts?, max_age: Duration::from_secs(MTA_STS_AGE_SECONDS), mx };
        Some(policy.lines().into_iter().map(|line| line + "\n").collect())
    }

    /// What announces the policy: its id changes with it (RFC 8461 §3.1).
    pub(super) fn announcement(&self, mx_hosts: &[DomainName]) -> Option<String> {
        let policy = self.mta_sts_policy(mx_hosts)?;
        let hash = digest(&SHA256, policy.as_bytes());
        let id: String = hash.as_ref().iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("v=STSv1; id={id};"))
    }

    pub(super) fn dmarc(&self) -> String {
        match &self.dmarc_reports {
            Some(address) => format!("{}; rua=mailto:{address}", dmarc::FIRST),
            None => dmarc::FIRST.to_owned(),
        }
    }

    pub(super) fn tls_rpt(&self) -> Option<String> {
        self.tls_reports.as_ref().map(|address| format!("v=TLSRPTv1; rua=mailto:{address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mta_sts::announced_id;
    use crate::tls_rpt::targets;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    fn lines(optional: &OptionalRecords, mx_hosts: &[DomainName]) -> Vec<String> {
        let records = optional.records(&name("example.jp"), mx_hosts);
        records.into_iter().map(|it| format!("{} {} {}", it.name, it.kind.as_str(), it.value)).collect()
    }

    #[test]
    fn only_what_is_asked_for_is_published() {
        assert_eq!(lines(&OptionalRecords::default(), &[]), ["_dmarc.example.jp TXT v=DMARC1; p=none"]);
        let optional = OptionalRecords {
            dmarc_reports: Address::parse("dmarc@host.example").ok(),
            tls_reports: Address::parse("tls@host.example").ok(),
            autoconfig_host: Some(name("web.host.example")),
            ..OptionalRecords::default()
        };
        assert_eq!(
            lines(&optional, &[]),
            [
                "_dmarc.example.jp TXT v=DMARC1; p=none; rua=mailto:dmarc@host.example",
                "example.jp._report._dmarc.host.example TXT v=DMARC1;",
                "_smtp._tls.example.jp TXT v=TLSRPTv1; rua=mailto:tls@host.example",
                "_autodiscover._tcp.example.jp SRV 0 1 443 web.host.example.",
                "autoconfig.example.jp CNAME web.host.example.",
            ]
        );
        assert_eq!(targets(&optional.tls_rpt().into_iter().collect::<Vec<_>>()).len(), 1);
        let own = OptionalRecords { dmarc_reports: Address::parse("d@example.jp").ok(), ..OptionalRecords::default() };
        assert_eq!(lines(&own, &[]), ["_dmarc.example.jp TXT v=DMARC1; p=none; rua=mailto:d@example.jp"]);
    }

    #[test]
    fn a_policy_is_announced_by_what_it_says() {
        let hosts = [name("mx1.host.example"), name("mx2.host.example")];
        let testing = OptionalRecords { mta_sts: Some(Mode::Testing), ..OptionalRecords::default() };
        let text = testing.mta_sts_policy(&hosts).unwrap();
        assert_eq!(
            text,
            "version: STSv1\nmode: testing\nmax_age: 604800\nmx: mx1.host.example\nmx: mx2.host.example\n"
        );
        assert!(Policy::parse(&text).unwrap().permits(&hosts[1]));
        let announced = |optional: &OptionalRecords, hosts: &[DomainName]| {
            announced_id(&[optional.announcement(hosts).unwrap()]).expect("an id by which senders know the policy")
        };
        let enforced = OptionalRecords { mta_sts: Some(Mode::Enforce), ..OptionalRecords::default() };
        let first = announced(&testing, &hosts);
        assert_eq!(announced(&testing, &hosts), first);
        assert!(announced(&testing, &hosts[..1]) != first && announced(&enforced, &hosts) != first);
        assert!(lines(&testing, &hosts)[1].starts_with("_mta-sts.example.jp TXT v=STSv1; id="));
    }
}
