//! The front end: listeners, TLS, the one async driver loop, and what each protocol asks of store and policy.
//!
//! A connection is a session (a value without I/O, crate `session`) and a rim that answers its questions; [`driver`] runs the two. Front
//! ends hold nothing that matters: whatever was answered with success is in the store, and any front end serves any user.
//!
//! - [`server`]: start and shutdown; [`config`]: what it is told.
//! - [`listener`], [`connection`], [`driver`]: from accept to close; [`transport`], [`outgoing`], [`tls`]: its bytes.
//! - [`proxy`]: whose connection a load balancer passes on; [`networks`]: how much one network may have.
//! - [`auth`]: passwords; [`logins`]: the login of a connection; [`account`]: the store as one login sees it.
//! - [`spool`]: incoming messages; [`header`]: their header and body again; [`signing`]: what users send, signed.
//! - [`scan`]: scanners for spam and viruses.
//! - [`smtp`], [`pop3`], [`imap`]: the rims. [`metrics`]: what is counted.
//!
//! What it doesn't do: protocol syntax (`session`), rules (`policy`), storage (`store`), outbound mail.

mod account;
mod auth;
pub mod config;
mod connection;
mod countries;
mod driver;
mod header;
mod imap;
mod listener;
mod logins;
mod metrics;
mod networks;
mod outgoing;
mod places;
mod pop3;
mod proxy;
mod refusals;
mod scan;
pub mod server;
mod signing;
mod smtp;
mod spool;
pub mod tls;
mod transport;
mod turn_away;

pub use auth::issuers::{IssuerConfig, IssuersConfig, KeySource};
pub use config::{
    AuthorsConfig, ConnectionsConfig, ContentConfig, CountriesConfig, DomainRules, FrontendConfig, GreylistHandling,
    GreylistingConfig, InboundConfig, ListenerConfig, ListenerTls, NetworksConfig, Protocol, ScannerAddress,
    ScannerConfig, SpfWelcome, SubmissionScan, Tarpit,
};
pub use countries::CountriesError;
pub use server::{Frontend, RunningFrontend, StartError};
pub use tls::{CertificateFiles, TlsSource};
pub use yubin_password::TokenRule;
pub use yubin_policy::author::AuthorRule;
pub use yubin_policy::content::{AbsentHandling, EncryptedHandling, UnscannedHandling, VirusHandling};
pub use yubin_policy::countries::UnknownCountry;
pub use yubin_policy::guessing::GuessingRule;
pub use yubin_policy::networks::{NetworkLimits, NetworkWidth, ServiceLimits};
pub use yubin_policy::peer::ListRule;
pub use yubin_policy::spam::{SPAM_POINTS_DEFAULT, Weights};
pub use yubin_session::PlaintextLogin;
pub use yubin_state::greylist::GreylistTerms;
pub use yubin_types::{DmarcHandling, ReverseDnsRule, SenderPattern, SpamFilter, SpamHandling, SpamRules};
