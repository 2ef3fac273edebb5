//! Lookups of names that no host could have: SPF makes them from senders' addresses (RFC 7208 §7), DKIM and DMARC put labels with an
//! underscore before them, DNS lists write addresses as names (RFC 5782 §2.1).
//!
//! A name is text with dots; each label is taken byte for byte. One that does not fit the DNS (an empty label, more than 63 bytes in one,
//! more than 255 in all) can't exist in it. DNSSEC is not asked for: who verifies mail asks often and proves little by it, and the
//! configured name servers validate for everybody.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::answer::{LookupError, Security, Validation};
use super::cache::Question;
use super::query::Records;
use super::{Resolver, host_name};

/// Which addresses of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// That of an address.
    pub(crate) const fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl Resolver {
    /// The texts of a name, each record's strings joined.
    pub(crate) async fn texts_at(&self, name: &str) -> Result<Vec<Vec<u8>>, LookupError> {
        let records = self.any(name, RecordType::TXT).await?;
        let text = |data: &RData| match data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        };
        Ok(records.data.iter().filter_map(text).collect())
    }

    /// The addresses of one family.
    pub(crate) async fn addresses_at(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, LookupError> {
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let records = self.any(name, kind).await?;
        let address = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        Ok(records.data.iter().filter_map(address).collect())
    }

    /// The names of a domain's mail exchangers, in no order. A null MX names none.
    pub(crate) async fn exchanges_at(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let records = self.any(name, RecordType::MX).await?;
        let exchange = |data: &RData| match data {
            RData::MX(mx) if !mx.exchange.is_root() => host_name(&mx.exchange).map(|name| name.as_str().to_owned()),
            _ => None,
        };
        Ok(records.data.iter().filter_map(exchange).collect())
    }

    /// The mail exchangers of a domain as they are published: preference and name, `.` for a null MX, in no order.
    pub(crate) async fn published_exchanges(&self, name: &str) -> Result<Vec<(u16, String)>, LookupError> {
        let records = self.any(name, RecordType::MX).await?;
        let exchange = |data: &RData| match data {
            RData::MX(mx) => Some((mx.preference, written(&mx.exchange))),
            _ => None,
        };
        Ok(records.data.iter().filter_map(exchange).collect())
    }

    /// Where a service is offered (RFC 2782): port and host, `.` for nowhere.
    pub(crate) async fn services_at(&self, name: &str) -> Result<Vec<(u16, String)>, LookupError> {
        let records = self.any(name, RecordType::SRV).await?;
        let service = |data: &RData| match data {
            RData::SRV(service) => Some((service.port, written(&service.target))),
            _ => None,
        };
        Ok(records.data.iter().filter_map(service).collect())
    }

    async fn any(&self, name: &str, kind: RecordType) -> Result<Records, LookupError> {
        let labels = name.strip_suffix('.').unwrap_or(name).split('.').map(str::as_bytes);
        // Too long for the DNS, or with an empty label: it can't exist.
        let name = Name::from_labels(labels).map_err(|_| LookupError::NoDomain(Security::Unchecked))?;
        self.ask(Question { name, kind, validation: Validation::Off }).await
    }
}

/// In lower case, without the final dot; the root as `.`.
fn written(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    text.strip_suffix('.').filter(|rest| !rest.is_empty()).map(str::to_owned).unwrap_or(text)
}
