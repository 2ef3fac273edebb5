//! How the content of messages is looked at, and what follows from it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use yubin_policy::content::{AbsentHandling, EncryptedHandling, UnscannedHandling, VirusHandling};
use yubin_policy::spam::Weights;
use yubin_types::{Address, DomainName, Network, SpamRules};

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
    /// Who says what is spam, in place of the built-in score.
    pub rspamd: Option<ScannerConfig>,
    /// What becomes of what rspamd would greylist.
    pub greylist: GreylistHandling,
    /// Who finds viruses.
    pub clamd: Option<ScannerConfig>,
    /// What becomes of viruses.
    pub virus: VirusHandling,
    /// What stands in the place of what is removed, a line each; `{virus}`, `{file}` and `{action}` are filled in (SONET-31).
    pub virus_notice: Vec<String>,
    /// Filters that are asked last, in their order.
    pub milters: Vec<ScannerConfig>,
    /// What becomes of archives that nobody can look into.
    pub encrypted: EncryptedHandling,
    /// What archives of one message may unpack to, bytes; none: they are not looked into (SONET-18).
    pub unpacked_bytes_max: Option<u64>,
    /// Are archives looked into that users send?
    pub archives_of_users: SubmissionScan,
}

/// A scanner.
#[derive(Clone, Debug)]
pub struct ScannerConfig {
    /// Where it listens.
    pub address: ScannerAddress,
    /// How long a scan may take, waiting for its turn included, seconds.
    pub timeout_seconds: u64,
    /// Scans at a time.
    pub scans_max: usize,
    /// Longest message that it is shown, bytes.
    pub message_bytes_max: u64,
    /// What becomes of longer ones.
    pub too_large: UnscannedHandling,
    /// What becomes of mail while it is away.
    pub absent: AbsentHandling,
    /// Is it shown what users send?
    pub submissions: SubmissionScan,
}

/// Where a scanner listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerAddress {
    /// `host:port`
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Are messages scanned that users send?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubmissionScan {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
}

/// What becomes of what rspamd would greylist. It keeps account of who waited only if it has a place for that; without one it says so of
/// the same message again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GreylistHandling {
    /// It is taken.
    #[default]
    Take,
    /// It is put off.
    Defer,
}

impl ContentConfig {
    /// Is anything asked about what users send?
    pub(crate) fn looks_at_users(&self) -> bool {
        let mut scanners = self.rspamd.iter().chain(&self.clamd).chain(&self.milters);
        let on = SubmissionScan::On;
        self.archives_of_users == on || scanners.any(|scanner| scanner.submissions == on)
    }

    /// What a recipient wants done with spam: by its own rules, its domain's, or those of all.
    pub(crate) fn rules(&self, recipient: &Address) -> &SpamRules {
        let own = self.addresses.get(&(recipient.domain.clone(), recipient.local.key()));
        own.or_else(|| self.domains.get(&recipient.domain)).unwrap_or(&self.rules)
    }
}
