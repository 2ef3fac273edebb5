//! The built-in score of a message: what its header says and what verification found, gathered for `policy`.

use yubin_message::{check_attachments, check_header};
use yubin_policy::spam::handling::SpamFinding;
use yubin_policy::spam::{Helo, SPAM_POINTS_DEFAULT, Scored, SpamFacts, score};
use yubin_session::smtp::AddressEncoding;
use yubin_types::{DomainName, SpamCheck, SpamScore};

use super::header::Header;
use crate::config::ContentConfig;
use crate::driver::now;
use crate::smtp::deliver::Complete;
use crate::smtp::{SmtpRim, Transaction};

impl SmtpRim {
    /// The built-in score; nothing is found where it is off.
    pub(super) fn built_in(
        &self,
        content: &ContentConfig,
        transaction: &Transaction,
        complete: &Complete,
        octets: &[u8],
        header: &Header,
    ) -> SpamFinding {
        let required = SpamScore::points(SPAM_POINTS_DEFAULT);
        let Some(weights) = &content.scoring else {
            return SpamFinding { scored: Scored::default(), required, says: None };
        };
        let mut found = check_header(octets, i64::try_from(now().seconds()).unwrap_or(i64::MAX));
        if transaction.encoding == AddressEncoding::Utf8 {
            found.retain(|check| *check != SpamCheck::HeaderOctets);
        }
        found.extend(check_attachments(&complete.spooled.tree));
        let facts = SpamFacts {
            authentication: complete.verified.as_ref().map(|verified| &verified.authentication),
            helo: self.helo(&complete.origin.helo),
            authors: &header.domains(),
            hosted: transaction.hosted().map(|hosted| &hosted.name),
            found: &found,
        };
        SpamFinding { scored: score(facts, weights), required, says: None }
    }

    fn helo(&self, helo: &str) -> Helo {
        let config = &self.connection.shared.config;
        let ours = config.inbound.iter().flat_map(|inbound| &inbound.hosts).chain([&config.hostname]);
        let name = helo.trim_end_matches('.');
        match DomainName::parse(name) {
            _ if ours.into_iter().any(|host| host.eq_ignore_ascii_case(name)) => Helo::Ours,
            Ok(domain) if domain.as_str().contains('.') => Helo::Name,
            _ => Helo::Unqualified,
        }
    }
}
