//! The reserved name (RFC 5321 §4.5.1): every domain that takes mail has a postmaster, whether or not somebody made the address.
//!
//! Where `smtp.postmaster` is configured, it stands in for the postmaster of a hosted domain that has no such address, nor a catch-all,
//! and of our own name, which seldom is a hosted domain. Without it a name that nobody made is refused like any other.

use yubin_state::{Answer, Query};
use yubin_types::{Address, Refusal};

use super::SmtpRim;

const RESERVED: &str = "postmaster";

impl SmtpRim {
    /// Who gets mail for this address in its place, if somebody does. What can't be asked now is asked again with the recipient.
    pub(super) async fn stand_in(&self, named: &Address) -> Option<Address> {
        let shared = &self.connection.shared;
        let postmaster = shared.config.postmaster.as_ref().filter(|_| named.local.key() == RESERVED)?;
        let query = Query::Recipient { local: named.local.clone(), bytes: None };
        let is_nobody = match shared.store.ask(&named.domain, query).await.ok()? {
            Some((_, answer)) => matches!(answer, Answer::Refused(Refusal::NoSuchRecipient)),
            None => named.domain == shared.postmaster.domain,
        };
        is_nobody.then(|| postmaster.clone())
    }
}
