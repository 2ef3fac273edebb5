//! Where a domain wants its aggregate reports (`rua`), as far as whoever gets them agrees (RFC 7489 §7.1, RFC 9990 §4).
//!
//! An address of the policy's own organization needs no agreement. Any other needs a record `v=DMARC1` at
//! `POLICY._report._dmarc.HOST`, which may name another address at that host. Only `mailto:` is followed, at most
//! [`limits::REPORT_TARGETS_MAX`] of them. What nobody can say now is an error, for another attempt.

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::dmarc::{Dmarc, URI};
use yubin_types::{Address, DomainName, limits};

use crate::resolver::LookupError;
use crate::verify::Verifier;

/// Somebody who gets a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Whom it goes to.
    pub address: Address,
    /// Packed reports that are longer don't, bytes (`!10m`).
    pub bytes_max: Option<usize>,
}

/// Who gets the aggregate reports of a domain's policy; empty if nobody wants them.
///
/// # Errors
/// [`LookupError`], when nobody can say.
pub async fn of_dmarc(verifier: &Verifier, domain: &DomainName) -> Result<Vec<Addressee>, LookupError> {
    let Some(record) = record(verifier, &format!("_dmarc.{domain}")).await? else { return Ok(Vec::new()) };
    let mut agreed = Vec::new();
    for addressee in record.rua.iter().filter_map(addressee).take(limits::REPORT_TARGETS_MAX) {
        agreed.extend(agreement(verifier, domain, addressee).await?);
    }
    Ok(agreed)
}

/// The addressee, if whoever gets the report agrees; perhaps at another address.
async fn agreement(
    verifier: &Verifier,
    domain: &DomainName,
    addressee: Addressee,
) -> Result<Option<Addressee>, LookupError> {
    let host = &addressee.address.domain;
    if host == domain {
        return Ok(Some(addressee));
    }
    let (own, theirs) = tokio::join!(verifier.organization(domain), verifier.organization(host));
    if own.is_some() && own == theirs {
        return Ok(Some(addressee));
    }
    let Some(agreement) = record(verifier, &format!("{domain}._report._dmarc.{host}")).await? else { return Ok(None) };
    let instead = agreement.rua.iter().find_map(self::addressee).filter(|instead| instead.address.domain == *host);
    Ok(Some(instead.unwrap_or(addressee)))
}

/// The one DMARC record at a name; two are as none.
async fn record(verifier: &Verifier, name: &str) -> Result<Option<Dmarc>, LookupError> {
    let texts = match verifier.resolver().texts_at(name).await {
        Ok(texts) => texts,
        Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut records = texts.iter().filter_map(|text| Dmarc::parse(text).ok());
    Ok(records.next().filter(|_| records.next().is_none()))
}

fn addressee(uri: &URI) -> Option<Addressee> {
    // Headers that the address may bring along are not ours to set.
    let address = uri.uri.split('?').next().unwrap_or_default();
    let bytes_max = Some(uri.max_size).filter(|size| *size > 0);
    Some(Addressee { address: Address::parse(address).ok()?, bytes_max })
}
