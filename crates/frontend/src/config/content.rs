//! How the content of messages is looked at, and what follows from it.

use std::collections::BTreeMap;

use yubin_policy::spam::Weights;
use yubin_policy::spam::handling::SpamRules;
use yubin_types::{Address, DomainName, Network};

/// How the content of messages is looked at.
#[derive(Clone, Debug, Default)]
pub struct ContentConfig {
    /// Who is believed by its address: mail from there is taken as it is.
    pub exempt: Vec<Network>,
    /// The weights of the built-in score; none: there is no such score.
    pub scoring: Option<Weights>,
    /// What recipients want done with spam who have no rules of their own.
    pub rules: SpamRules,
    /// What hosted domains want done with it.
    pub domains: BTreeMap<DomainName, SpamRules>,
    /// What single addresses want done with it, by domain and [key](yubin_types::LocalPart::key) of the local part.
    pub addresses: BTreeMap<(DomainName, String), SpamRules>,
}

impl ContentConfig {
    /// What a recipient wants done with spam: by its own rules, its domain's, or those of all.
    pub(crate) fn rules(&self, recipient: &Address) -> &SpamRules {
        let own = self.addresses.get(&(recipient.domain.clone(), recipient.local.key()));
        own.or_else(|| self.domains.get(&recipient.domain)).unwrap_or(&self.rules)
    }
}
