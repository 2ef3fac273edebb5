//! What reports to other domains are made of: how mail in their names fared with DMARC (RFC 7489 §7.2, RFC 9990), and how TLS with their
//! hosts went (RFC 8460).
//!
//! Front ends and workers say facts, the mail log keeps them, a reporter adds them up. A fact names domains and addresses of hosts, never
//! those of people. Nothing here counts or writes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AuthResult, DmarcPolicy, DomainName, Timestamp};

/// Which kind of report a fact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ReportKind {
    /// DMARC aggregate reports, to whom `rua` of the policy names.
    Dmarc,
    /// TLS reports, to whom `rua` of `_smtp._tls` names.
    Tls,
    /// Reports of others that came in, on hosted domains.
    Received,
}

/// One thing to report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFact {
    /// When it was seen.
    pub at: Timestamp,
    /// Tells it from all others: what is carried twice counts once.
    pub id: [u8; 16],
    /// The domain whose policy was applied, and whose report it goes into.
    pub domain: DomainName,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// A message that says to be of the domain, or of one below.
    Mail(Box<VerifiedMail>),
    /// Sessions with the domain's mail hosts.
    Sessions(Box<TlsSessions>),
    /// What somebody else has seen of the domain.
    Report {
        /// Who, proven by DMARC.
        reporter: DomainName,
        /// What.
        report: Box<ReceivedReport>,
    },
}

impl ReportFact {
    /// The kind of report that it is for.
    #[must_use]
    pub const fn kind(&self) -> ReportKind {
        match self.seen {
            Seen::Mail(_) => ReportKind::Dmarc,
            Seen::Sessions(_) => ReportKind::Tls,
            Seen::Report { .. } => ReportKind::Received,
        }
    }
}

/// A report that came in, as far as it is kept. Its texts are strangers'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedReport {
    /// The organization's name for itself, one line.
    pub organization: String,
    /// Its id for the report.
    pub id: String,
    /// The first second that it is about.
    pub begin_seconds: u64,
    /// The last one.
    pub end_seconds: u64,
    /// What it says.
    pub about: ReceivedAbout,
}

/// What a report that came in says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceivedAbout {
    /// Of mail in the domain's name, by its source; those that failed most come first.
    Mail(Vec<ReceivedSource>),
    /// Of TLS with the domain's hosts.
    Sessions {
        /// Sessions that went well.
        passed: u64,
        /// Those that did not, by result type (RFC 8460 §4.3).
        failures: Vec<(String, u64)>,
    },
}

/// A source of mail in a domain's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedSource {
    /// Its address; none: all others together.
    pub address: Option<IpAddr>,
    /// Messages that passed DMARC.
    pub passed: u64,
    /// Messages that failed.
    pub failed: u64,
}

/// A message as a row of an aggregate report tells of it. Messages that are alike in all of this are one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VerifiedMail {
    /// Who brought it.
    pub peer: IpAddr,
    /// The domain in its field From.
    pub author: DomainName,
    /// The domain of its envelope's sender; none: the null sender.
    pub sender: Option<DomainName>,
    /// The policy as it was published then.
    pub policy: PublishedPolicy,
    /// What was done with it.
    pub disposition: DmarcPolicy,
    /// Does a signature of the author's organization pass?
    pub dkim_aligned: Alignment,
    /// Does SPF pass for the author's organization?
    pub spf_aligned: Alignment,
    /// Why something else was done than the policy asks.
    pub overridden: Option<PolicyOverride>,
    /// What SPF said, of whom.
    pub spf: Option<SpfFinding>,
    /// What became of each signature of a domain.
    pub dkim: Vec<DkimFinding>,
}

/// The tags of a DMARC record (RFC 9989 §4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPolicy {
    /// `p`
    pub p: DmarcPolicy,
    /// `sp`
    pub sp: DmarcPolicy,
    /// `np`
    pub np: DmarcPolicy,
    /// `adkim`
    pub adkim: AlignmentMode,
    /// `aspf`
    pub aspf: AlignmentMode,
    /// `t`
    pub force: PolicyForce,
}

/// How near domains must be to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlignmentMode {
    /// Of one organization.
    Relaxed,
    /// The same.
    Strict,
}

/// Is a policy meant?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PolicyForce {
    /// Yes.
    Full,
    /// One step weaker, for a trial (`t=y`).
    Testing,
}

/// Did what a method proves belong to the author?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Alignment {
    /// Yes.
    Pass,
    /// No, or it proves nothing.
    Fail,
}

/// Why something else was done than a policy asks (RFC 7489 appendix C, `PolicyOverrideType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PolicyOverride {
    /// A forwarder who is believed had seen it pass.
    TrustedForwarder,
    /// The recipient's domain wants it so.
    LocalPolicy,
    /// The policy is on trial.
    TestMode,
}

/// What SPF said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpfFinding {
    /// Of which domain.
    pub domain: DomainName,
    /// The result.
    pub result: AuthResult,
}

/// What became of a signature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DkimFinding {
    /// Who signed.
    pub domain: DomainName,
    /// With which key.
    pub selector: Option<DomainName>,
    /// The result.
    pub result: AuthResult,
}

/// A policy that was applied to sessions with a domain's hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppliedPolicy {
    /// The domain that mail was for.
    pub domain: DomainName,
    /// Its kind.
    pub kind: TlsPolicyType,
    /// Its text: the lines of the MTA-STS policy, or the TLSA records.
    pub strings: Vec<String>,
    /// The host patterns of the MTA-STS policy, or the host that the TLSA records are of.
    pub mx_hosts: Vec<String>,
}

/// Which kind of policy was applied (RFC 8460 §4.4, `policy-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsPolicyType {
    /// `tlsa`
    Tlsa,
    /// `sts`
    Sts,
    /// `no-policy-found`
    NoPolicyFound,
}

/// How sessions under one policy went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSessions {
    /// The policy.
    pub policy: AppliedPolicy,
    /// Sessions that went as it asks.
    pub successes: u64,
    /// Sessions that did not, by kind of failure.
    pub failures: Vec<(TlsFailure, u64)>,
}

/// One kind of failure (RFC 8460 §4.4, `failure-details`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TlsFailure {
    /// What went wrong.
    pub result: TlsResultType,
    /// From which of our addresses.
    pub sending_ip: Option<IpAddr>,
    /// With which host.
    pub receiving_host: Option<DomainName>,
    /// At which of its addresses.
    pub receiving_ip: Option<IpAddr>,
}

/// What went wrong (RFC 8460 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsResultType {
    /// The host does not offer STARTTLS.
    StarttlsNotSupported,
    /// The certificate is for another name.
    CertificateHostMismatch,
    /// The certificate is out of date.
    CertificateExpired,
    /// Nobody who is trusted vouches for the certificate.
    CertificateNotTrusted,
    /// Any other failure of TLS.
    ValidationFailure,
    /// No TLSA record matches, or none can be used.
    TlsaInvalid,
    /// The records could not be validated.
    DnssecInvalid,
    /// The host has no TLSA records where a policy of ours demands them.
    DaneRequired,
    /// The policy could not be fetched.
    StsPolicyFetchError,
    /// The policy was fetched and is none.
    StsPolicyInvalid,
    /// The policy host's certificate is not trusted.
    StsWebpkiInvalid,
}

impl TlsResultType {
    /// As it stands in a report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TlsResultType::StarttlsNotSupported => "starttls-not-supported",
            TlsResultType::CertificateHostMismatch => "certificate-host-mismatch",
            TlsResultType::CertificateExpired => "certificate-expired",
            TlsResultType::CertificateNotTrusted => "certificate-not-trusted",
            TlsResultType::ValidationFailure => "validation-failure",
            TlsResultType::TlsaInvalid => "tlsa-invalid",
            TlsResultType::DnssecInvalid => "dnssec-invalid",
            TlsResultType::DaneRequired => "dane-required",
            TlsResultType::StsPolicyFetchError => "sts-policy-fetch-error",
            TlsResultType::StsPolicyInvalid => "sts-policy-invalid",
            TlsResultType::StsWebpkiInvalid => "sts-webpki-invalid",
        }
    }
}
