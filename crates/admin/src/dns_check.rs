//! What a check of published records says, as a message of the API.
//!
//! Nothing is judged here: `dns-auth` compares and words. Each finding goes over as it is, in the order in which it was made.

use yubin_dns_auth::published::{Advice, Finding, Subject, Verdict};
use yubin_proto::r#gen::admin as api;

pub(crate) fn finding_to(finding: Finding) -> api::DnsFinding {
    let advice =
        |advice: Vec<Advice>| advice.into_iter().map(|Advice { what, mend }| api::DnsAdvice { what, mend }).collect();
    api::DnsFinding {
        subject: subject(finding.subject).into(),
        name: finding.name,
        r#type: finding.kind.as_str().to_owned(),
        expected: finding.expected,
        found: finding.found,
        verdict: verdict(finding.verdict).into(),
        faults: advice(finding.faults),
        hints: advice(finding.hints),
    }
}

const fn subject(subject: Subject) -> api::DnsSubject {
    match subject {
        Subject::Mx => api::DnsSubject::Mx,
        Subject::Spf => api::DnsSubject::Spf,
        Subject::Dkim => api::DnsSubject::Dkim,
        Subject::Dmarc => api::DnsSubject::Dmarc,
        Subject::MtaSts => api::DnsSubject::MtaSts,
        Subject::TlsRpt => api::DnsSubject::TlsRpt,
        Subject::Service => api::DnsSubject::Service,
    }
}

const fn verdict(verdict: Verdict) -> api::DnsVerdict {
    match verdict {
        Verdict::Right => api::DnsVerdict::Right,
        Verdict::Absent => api::DnsVerdict::Absent,
        Verdict::Unknown => api::DnsVerdict::Unknown,
        Verdict::Missing => api::DnsVerdict::Missing,
        Verdict::Wrong => api::DnsVerdict::Wrong,
    }
}
