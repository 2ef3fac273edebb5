//! Whose rules a call is about: a domain's, or those of an account of it.

use std::fmt;

use tonic::Status;
use yubin_types::{DomainName, LocalPart};

use crate::convert::{address, domain_name};

/// A domain, or an account of it.
pub(crate) struct Whose {
    pub(crate) domain: DomainName,
    /// `None`: the domain as a whole.
    pub(crate) account: Option<LocalPart>,
}

impl Whose {
    /// Reads a domain's name or an address.
    pub(crate) fn read(name: &str) -> Result<Whose, Status> {
        if name.contains('@') {
            let address = address(name)?;
            return Ok(Whose { domain: address.domain, account: Some(address.local) });
        }
        Ok(Whose { domain: domain_name(name)?, account: None })
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(local) => write!(f, "{local}@{}", self.domain),
            None => self.domain.fmt(f),
        }
    }
}
