//! DANE for SMTP (RFC 6698, RFC 7671, RFC 7672): what a mail host's TLSA records demand of a connection to it.
//!
//! [`decide`] looks the records up and says which of four ways to go; [`DaneVerifier`] holds the host's certificate against them.
//! Only what DNSSEC proves counts, from the MX records through the host's addresses to its TLSA records: one insecure step and DANE
//! does not apply. Where a proof is broken or can't be had, mail waits: a downgrade is what an attacker would want.
//!
//! | MX and addresses | TLSA | decision |
//! |---|---|---|
//! | not all secure | – | [`Decision::NotApplicable`]: opportunistic TLS, or MTA-STS |
//! | secure | none, or insecure | [`Decision::NotApplicable`] |
//! | secure | secure, some usable | [`Decision::Required`] |
//! | secure | secure, none usable | [`Decision::EncryptOnly`] (RFC 7672 §2.2) |
//! | bogus, or failed | – | [`Decision::Defer`] |
//! | secure | bogus, or failed | [`Decision::Defer`] |

mod records;
mod verifier;

use yubin_types::DomainName;

use crate::resolver::{Answer, LookupError, Resolver, Security, TlsaRecord, Validation};

pub use records::{Association, Matching, Selector, TlsaSet, Usage};
pub use verifier::DaneVerifier;

/// A mail host that mail is about to go to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The domain whose mail it takes.
    pub domain: &'a DomainName,
    /// What DNSSEC says of the domain's MX records, or of their absence.
    pub mx_security: Security,
    /// The host's name in them.
    pub host: &'a DomainName,
    /// Its port.
    pub port: u16,
}

/// What DANE demands of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// DANE says nothing about this host.
    NotApplicable,
    /// TLS, and a certificate that these records vouch for; without it, no delivery to this host.
    Required(Requirement),
    /// TLS, with whatever certificate: records are there and proven, and none can be used for SMTP.
    EncryptOnly,
    /// Don't connect to this host now: what should prove its records is broken or out of reach.
    Defer(LookupError),
}

/// What a host's certificate is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The usable records.
    pub records: TlsaSet,
    /// The TLSA base domain: the name to send as SNI (RFC 7672 §2.2).
    pub base: DomainName,
    /// Names of which a DANE-TA certificate must carry one (RFC 7672 §3.2.2): the base domain, the host and the domain.
    pub names: Vec<DomainName>,
}

/// Looks up what DANE demands. All lookups are validated; a host without any address is not DANE's business and not applicable.
pub async fn decide(resolver: &Resolver, target: Target<'_>) -> Decision {
    if target.mx_security != Security::Secure {
        return Decision::NotApplicable;
    }
    let canonical = match resolver.addresses(target.host, Validation::On).await {
        Ok(Answer { value, security: Security::Secure }) => value.canonical,
        Ok(_) => return Decision::NotApplicable,
        Err(error) if error.is_temporary() => return Decision::Defer(error),
        Err(_) => return Decision::NotApplicable,
    };
    // Of an alias, the name behind it comes first, then its own (RFC 7672 §2.2.2).
    let bases = canonical.iter().filter(|name| *name != target.host).chain([target.host]);
    for base in bases {
        match judge(resolver.tlsa(base, target.port).await) {
            Judgement::Demands(Some(records)) => {
                let mut names = vec![base.clone(), target.host.clone(), target.domain.clone()];
                names.dedup();
                return Decision::Required(Requirement { records, base: base.clone(), names });
            }
            Judgement::Demands(None) => return Decision::EncryptOnly,
            Judgement::Broken(error) => return Decision::Defer(error),
            Judgement::Nothing => {}
        }
    }
    Decision::NotApplicable
}

/// What one lookup of TLSA records means.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Nothing,
    Demands(Option<TlsaSet>),
    Broken(LookupError),
}

fn judge(found: Result<Answer<Vec<TlsaRecord>>, LookupError>) -> Judgement {
    match found {
        Ok(Answer { value, security: Security::Secure }) => Judgement::Demands(TlsaSet::usable(&value)),
        Ok(_) | Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => Judgement::Nothing,
        Err(error @ (LookupError::Bogus | LookupError::Temporary(_))) => Judgement::Broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Judgement, judge};
    use crate::resolver::{Answer, LookupError, Security, TemporaryCause, TlsaRecord};

    fn record(usage: u8) -> TlsaRecord {
        TlsaRecord { usage, selector: 1, matching: 1, data: vec![7; 32] }
    }

    #[test]
    fn the_table_of_decisions() {
        let found = |security, usage| Ok(Answer { value: vec![record(usage)], security });
        assert!(matches!(judge(found(Security::Secure, 3)), Judgement::Demands(Some(_))));
        assert!(matches!(judge(found(Security::Secure, 2)), Judgement::Demands(Some(_))));
        assert_eq!(judge(found(Security::Secure, 1)), Judgement::Demands(None), "PKIX-EE can't be used for SMTP");
        assert_eq!(judge(found(Security::Secure, 0)), Judgement::Demands(None), "PKIX-TA neither");
        assert_eq!(judge(found(Security::Insecure, 3)), Judgement::Nothing);
        for security in [Security::Secure, Security::Insecure] {
            assert_eq!(judge(Err(LookupError::NoDomain(security))), Judgement::Nothing);
            assert_eq!(judge(Err(LookupError::NoData(security))), Judgement::Nothing);
        }
        for error in [LookupError::Bogus, LookupError::Temporary(TemporaryCause::Timeout)] {
            assert_eq!(judge(Err(error)), Judgement::Broken(error), "a failure must never look like absence");
        }
    }
}
