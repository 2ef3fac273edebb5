//! A DMARC aggregate report: how mail in a domain's name fared (RFC 7489 §7.2, in the format of RFC 9990).
//!
//! [`Rows`] adds messages up: those that are alike are one row, at most [`limits::REPORT_ROWS_MAX`] of them; what goes beyond is counted, and the
//! report says so in `error`. The policy that is said to be published is the latest one that was applied.

use std::collections::BTreeMap;
use std::io;

use mail_auth::report as library;
use yubin_types::report::{Alignment, AlignmentMode, PolicyForce, PolicyOverride, PublishedPolicy, VerifiedMail};
use yubin_types::{Address, AuthResult, DmarcPolicy, DomainName, limits};

use super::{Organization, Period, gzip};

/// Messages of one domain, added up.
#[derive(Debug, Default)]
pub struct Rows {
    rows: BTreeMap<VerifiedMail, u32>,
    /// Messages beyond the bound.
    left_out: u64,
}

impl Rows {
    /// Counts a message.
    pub fn count(&mut self, mail: VerifiedMail) {
        if let Some(count) = self.rows.get_mut(&mail) {
            *count = count.saturating_add(1);
        } else if self.rows.len() < limits::REPORT_ROWS_MAX {
            self.rows.insert(mail, 1);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// A report that is ready to be sent.
#[derive(Debug)]
pub struct DmarcReport {
    report: library::Report,
    submitter: String,
    from: String,
    name: String,
    packed_bytes: usize,
}

impl DmarcReport {
    /// The report on a domain's policy.
    ///
    /// # Errors
    /// Packing fails, which memory doesn't.
    pub fn new(
        organization: &Organization,
        (domain, policy): (&DomainName, &PublishedPolicy),
        period: Period,
        id: &str,
        rows: Rows,
    ) -> io::Result<DmarcReport> {
        let Organization { name, from, contact } = organization;
        let mut report = library::Report::new()
            .with_version(1.0)
            .with_org_name(name)
            .with_email(from.to_string())
            .with_report_id(id)
            .with_date_range_begin(period.begin.seconds())
            .with_date_range_end(period.last_second())
            .with_generator("yubin")
            .with_policy_published(published(domain, policy));
        if !contact.is_empty() {
            report = report.with_extra_contact_info(contact);
        }
        if rows.left_out > 0 {
            report = report.with_error(format!("{} more messages are not in this report", rows.left_out));
        }
        for (mail, count) in rows.rows {
            report = report.with_record(record(mail, count));
        }
        let packed_bytes = gzip(&report.to_xml())?.len();
        let submitter = from.domain.to_string();
        Ok(DmarcReport { report, submitter, from: from.to_string(), name: name.clone(), packed_bytes })
    }

    /// How long it is when packed, which addressees may bound, bytes.
    #[must_use]
    pub const fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// The message to these.
    ///
    /// # Errors
    /// Writing fails, which memory doesn't.
    pub fn message(&self, to: &[Address]) -> io::Result<Vec<u8>> {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        let mut message = Vec::new();
        let from = (self.name.as_str(), self.from.as_str());
        self.report.write_rfc5322(&self.submitter, from, to.iter().map(String::as_str), &mut message)?;
        Ok(message)
    }
}

fn published(domain: &DomainName, policy: &PublishedPolicy) -> library::PolicyPublished {
    let wish = |policy| match policy {
        DmarcPolicy::None => library::Disposition::None,
        DmarcPolicy::Quarantine => library::Disposition::Quarantine,
        DmarcPolicy::Reject => library::Disposition::Reject,
    };
    let mode = |mode| match mode {
        AlignmentMode::Relaxed => library::Alignment::Relaxed,
        AlignmentMode::Strict => library::Alignment::Strict,
    };
    library::PolicyPublished {
        domain: domain.to_string(),
        version_published: None,
        adkim: mode(policy.adkim),
        aspf: mode(policy.aspf),
        p: wish(policy.p),
        sp: wish(policy.sp),
        np: wish(policy.np),
        testing: policy.force == PolicyForce::Testing,
        discovery_method: library::Discovery::Treewalk,
        fo: None,
    }
}

fn record(mail: VerifiedMail, count: u32) -> library::Record {
    let aligned = |alignment| match alignment {
        Alignment::Pass => library::DmarcResult::Pass,
        Alignment::Fail => library::DmarcResult::Fail,
    };
    let disposition = match mail.disposition {
        DmarcPolicy::None => library::ActionDisposition::None,
        DmarcPolicy::Quarantine => library::ActionDisposition::Quarantine,
        DmarcPolicy::Reject => library::ActionDisposition::Reject,
    };
    let mut record = library::Record::new()
        .with_source_ip(mail.peer)
        .with_count(count)
        .with_action_disposition(disposition)
        .with_dmarc_dkim_result(aligned(mail.dkim_aligned))
        .with_dmarc_spf_result(aligned(mail.spf_aligned))
        .with_envelope_from(mail.sender.map(|sender| sender.to_string()).unwrap_or_default())
        .with_header_from(mail.author.to_string());
    if let Some(reason) = mail.overridden {
        record = record.with_policy_override_reason(library::PolicyOverrideReason::new(match reason {
            PolicyOverride::TrustedForwarder => library::PolicyOverride::TrustedForwarder,
            PolicyOverride::LocalPolicy => library::PolicyOverride::LocalPolicy,
            PolicyOverride::TestMode => library::PolicyOverride::PolicyTestMode,
        }));
    }
    for found in mail.dkim {
        let selector = found.selector.map(|selector| selector.to_string()).unwrap_or_default();
        record = record.with_dkim_auth_result(
            library::DKIMAuthResult::new()
                .with_domain(found.domain.to_string())
                .with_selector(selector)
                .with_result(signature(found.result)),
        );
    }
    if let Some(found) = mail.spf {
        record = record.with_spf_auth_result(
            library::SPFAuthResult::new()
                .with_domain(found.domain.to_string())
                .with_scope(library::SPFDomainScope::MailFrom)
                .with_result(sender(found.result)),
        );
    }
    record
}

const fn signature(result: AuthResult) -> library::DkimResult {
    match result {
        AuthResult::None => library::DkimResult::None,
        AuthResult::Pass => library::DkimResult::Pass,
        AuthResult::Fail | AuthResult::SoftFail => library::DkimResult::Fail,
        AuthResult::Neutral => library::DkimResult::Neutral,
        AuthResult::Policy => library::DkimResult::Policy,
        AuthResult::TempError => library::DkimResult::TempError,
        AuthResult::PermError => library::DkimResult::PermError,
    }
}

const fn sender(result: AuthResult) -> library::SpfResult {
    match result {
        AuthResult::None => library::SpfResult::None,
        AuthResult::Pass => library::SpfResult::Pass,
        AuthResult::Fail => library::SpfResult::Fail,
        AuthResult::SoftFail => library::SpfResult::SoftFail,
        AuthResult::Neutral | AuthResult::Policy => library::SpfResult::Neutral,
        AuthResult::TempError => library::SpfResult::TempError,
        AuthResult::PermError => library::SpfResult::PermError,
    }
}

#[cfg(test)]
mod tests {
    use mail_auth::report as library;
    use yubin_types::report::{
        Alignment, AlignmentMode, DkimFinding, PolicyForce, PolicyOverride, PublishedPolicy, SpfFinding, VerifiedMail,
    };
    use yubin_types::{Address, AuthResult, DmarcPolicy, DomainName, Timestamp, limits};

    use super::super::{Organization, Period};
    use super::{DmarcReport, Rows};

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    const POLICY: PublishedPolicy = PublishedPolicy {
        p: DmarcPolicy::Reject,
        sp: DmarcPolicy::Quarantine,
        np: DmarcPolicy::Quarantine,
        adkim: AlignmentMode::Strict,
        aspf: AlignmentMode::Relaxed,
        force: PolicyForce::Full,
    };

    fn mail(last: u8) -> VerifiedMail {
        VerifiedMail {
            peer: [192, 0, 2, last].into(),
            author: name("a.example"),
            sender: Some(name("bounces.a.example")),
            policy: POLICY,
            disposition: DmarcPolicy::None,
            dkim_aligned: Alignment::Fail,
            spf_aligned: Alignment::Fail,
            overridden: Some(PolicyOverride::TrustedForwarder),
            spf: Some(SpfFinding { domain: name("bounces.a.example"), result: AuthResult::SoftFail }),
            dkim: vec![DkimFinding { domain: name("a.example"), selector: Some(name("s1")), result: AuthResult::Fail }],
        }
    }

    fn report(rows: Rows) -> DmarcReport {
        let organization = Organization {
            name: "Host & Sons <Kyoto>".to_owned(),
            from: Address::parse("dmarc@host.example").unwrap(),
            contact: "https://host.example/abuse".to_owned(),
        };
        let period = Period { begin: Timestamp::from_seconds(86_400), end: Timestamp::from_seconds(2 * 86_400) };
        DmarcReport::new(&organization, (&name("a.example"), &POLICY), period, "abc", rows).unwrap()
    }

    /// RFC 9990 appendix A: the elements stand in the order of the schema.
    #[test]
    fn the_elements_stand_in_the_order_of_the_schema() {
        let mut rows = Rows::default();
        rows.count(mail(1));
        let xml = report(rows).report.to_xml();
        let mut rest = xml.as_str();
        for element in [
            "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">",
            "<version>1.0</version>",
            "<report_metadata>",
            "<org_name>Host &amp; Sons &lt;Kyoto&gt;</org_name>",
            "<email>dmarc@host.example</email>",
            "<extra_contact_info>https://host.example/abuse</extra_contact_info>",
            "<report_id>abc</report_id>",
            "<date_range>",
            "<begin>86400</begin>",
            "<end>172799</end>",
            "</date_range>",
            "</report_metadata>",
            "<policy_published>",
            "<domain>a.example</domain>",
            "<p>reject</p>",
            "<sp>quarantine</sp>",
            "<adkim>s</adkim>",
            "<aspf>r</aspf>",
            "<testing>n</testing>",
            "</policy_published>",
            "<record>",
            "<row>",
            "<source_ip>192.0.2.1</source_ip>",
            "<count>1</count>",
            "<policy_evaluated>",
            "<disposition>none</disposition>",
            "<dkim>fail</dkim>",
            "<spf>fail</spf>",
            "<reason>",
            "<type>trusted_forwarder</type>",
            "</row>",
            "<identifiers>",
            "<envelope_from>bounces.a.example</envelope_from>",
            "<header_from>a.example</header_from>",
            "</identifiers>",
            "<auth_results>",
            "<dkim>",
            "<domain>a.example</domain>",
            "<selector>s1</selector>",
            "<result>fail</result>",
            "<spf>",
            "<domain>bounces.a.example</domain>",
            "<scope>mfrom</scope>",
            "<result>softfail</result>",
            "</auth_results>",
            "</record>",
            "</feedback>",
        ] {
            let at = rest.find(element).unwrap_or_else(|| panic!("no {element} in the rest {rest} of {xml}"));
            rest = &rest[at + element.len()..];
        }
    }

    #[test]
    fn the_message_is_read_back_as_it_was_counted() {
        let mut rows = Rows::default();
        for last in [1, 2, 1, 1] {
            rows.count(mail(last));
        }
        let report = report(rows);
        let to = [Address::parse("rua@a.example").unwrap(), Address::parse("x@b.example").unwrap()];
        let message = report.message(&to).unwrap();
        let read = library::Report::parse_rfc5322(&message, 1 << 20).unwrap();
        let counts: Vec<u32> = read.record.iter().map(|record| record.row.count).collect();
        assert_eq!((read.domain(), &counts[..]), ("a.example", &[3, 1][..]));
        let text = String::from_utf8(message).unwrap().replace("\r\n\t", " ").replace("\r\n ", " ");
        for field in [
            "Subject: Report Domain: a.example Submitter: host.example Report-ID: <abc>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "host.example!a.example!86400!172799.xml.gz",
            "application/gzip",
            "Date: ",
            "rua@a.example",
            "x@b.example",
        ] {
            assert!(text.contains(field), "no {field} in {text}");
        }
        assert!(text.is_ascii() && report.packed_bytes() > 100);
    }

    #[test]
    fn a_flood_of_sources_is_bounded_and_told() {
        let mut rows = Rows::default();
        for number in 0..u32::try_from(limits::REPORT_ROWS_MAX).unwrap() + 5 {
            rows.count(VerifiedMail { peer: std::net::Ipv4Addr::from(number).into(), ..mail(1) });
        }
        rows.count(VerifiedMail { peer: std::net::Ipv4Addr::from(0).into(), ..mail(1) });
        let report = report(rows);
        assert_eq!(report.report.record.len(), limits::REPORT_ROWS_MAX);
        assert!(report.report.to_xml().contains("<error>5 more messages are not in this report</error>"));
        assert!(report.packed_bytes() < 1 << 20, "{}", report.packed_bytes());
    }
}
