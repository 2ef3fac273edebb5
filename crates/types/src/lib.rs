//! The domain's words: every value that two crates exchange, and every bound that a stranger can reach.
//!
//! A value that exists is valid: constructors parse and refuse, nothing is checked twice. No I/O, no clock, no randomness;
//! time and identity are inputs. What is *not* here: wire syntax (`session`), MIME (`message`), rules (`policy`), rows (`state`).
//!
//! - [`limits`]: every bound that a stranger can reach, with its reason.
//! - [`address`]: mail addresses and domain names (RFC 5321, RFC 6531, RFC 5890).
//! - [`authentication`]: results of SPF, DKIM and DMARC; [`network`]: networks in CIDR notation.
//! - [`country`]: countries, and from which of them somebody may send.
//! - [`destination`]: where mail to the outside goes; [`dsn`]: what its sender wants to hear of it (RFC 3461).
//! - [`ids`]: the identities that never get reused.
//! - [`mailbox`]: mailbox names, UIDs, flags, MODSEQs (RFC 9051, RFC 7162).
//! - [`sending`]: how much may be sent, and why no more; [`spam`]: what speaks for or against a message.
//! - [`report`]: what reports to other domains are made of.
//! - [`quota`], [`time`], [`status`], [`refusal`], [`reply`], [`search`], [`secret`].

pub mod address;
pub mod authentication;
pub mod country;
pub mod destination;
pub mod dsn;
pub mod filtering;
pub mod flags;
pub mod handling;
pub mod ids;
pub mod limits;
pub mod mailbox;
pub mod network;
pub mod quota;
pub mod refusal;
pub mod reply;
pub mod report;
pub mod search;
pub mod secret;
pub mod send_as;
pub mod sending;
pub mod spam;
pub mod status;
mod text;
pub mod time;
pub mod uid;

pub use address::{Address, AddressError, DomainName, LocalPart, ReversePath};
pub use authentication::{AuthResult, DmarcPolicy};
pub use country::{CountryCode, CountryCodeError, CountryRule, CountryRules, PermittedCountries};
pub use destination::{DestinationName, RecipientAddress};
pub use dsn::{DsnEnvelope, DsnReturn, NotifyOn, NotifySet, is_xtext};
pub use filtering::{
    DmarcHandling, Filtering, FilteringRules, ReverseDnsRule, SenderPattern, SpamFilter, SpamHandling, SpamRules,
    SpamRulesError,
};
pub use flags::{Flag, FlagSet, Keyword, SystemFlags};
pub use handling::{ByMode, ByTrace, Deadline, Handling, Priority, Release, TlsDemand};
pub use ids::{
    AccountId, DomainId, EmailId, Epoch, GroupNumber, IdError, MailboxId, Placement, QueueId, RequestId, TraceId,
};
pub use mailbox::{MailboxName, SpecialUse};
pub use network::{Network, NetworkError};
pub use quota::{Limit, Quota, QuotaScope, Usage};
pub use refusal::Refusal;
pub use reply::{ResponseText, SmtpReply};
pub use secret::Secret;
pub use send_as::SenderName;
pub use sending::{
    AccountSending, SendingLimit, SendingLimits, SendingPeriod, SendingRate, SendingUnit, SuspensionCause,
    SuspensionRules,
};
pub use spam::{SpamCheck, SpamScore};
pub use status::EnhancedStatus;
pub use time::{Timestamp, UtcOffset};
pub use uid::{ModSeq, Uid, UidSet, UidValidity};
