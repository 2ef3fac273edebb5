//! What a front end is told when it starts: checked values, no files, no environment.

mod content;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use yubin_dns_auth::verify::{DnsList, Verifier};
use yubin_policy::author::AuthorRule;
use yubin_policy::countries::UnknownCountry;
use yubin_policy::guessing::GuessingRule;
use yubin_policy::networks::{NetworkLimits, NetworkWidth};
use yubin_policy::peer::ListRule;
use yubin_session::PlaintextLogin;
use yubin_session::sasl::TokenLogin;
use yubin_state::greylist::GreylistTerms;
use yubin_types::{
    Address, CountryCode, DmarcHandling, DomainName, Network, Priority, ReverseDnsRule, SenderName, UtcOffset,
};

use crate::auth::issuers::IssuersConfig;
use crate::tls::TlsSource;

pub use content::{ContentConfig, GreylistHandling, ScannerAddress, ScannerConfig, SubmissionScan};

/// A front end.
#[derive(Clone, Debug)]
pub struct FrontendConfig {
    /// Our name in greetings, in `Received` and in message ids: a host name.
    pub hostname: String,
    /// The clock of IMAP: when the days of SEARCH begin, and how times are shown.
    pub utc_offset: UtcOffset,
    /// Where it listens; never empty.
    pub listeners: Vec<ListenerConfig>,
    /// Certificates; without them listeners that need TLS refuse to start.
    pub tls: Option<TlsSource>,
    /// Where incoming messages go that are too large for memory; created if missing.
    pub spool_directory: PathBuf,
    /// Memory for incoming messages, bytes, all connections together; what exceeds it goes to the spool directory.
    pub spool_memory_bytes_max: usize,
    /// Room in that directory for incoming messages, bytes, all connections together; what exceeds it is put off.
    pub spool_file_bytes_max: u64,
    /// Connections at a time.
    pub connections: ConnectionsConfig,
    /// Largest message taken, bytes; plans lower it. At most [`yubin_types::limits::MESSAGE_BYTES_MAX`].
    pub message_bytes_max: u64,
    /// Proxies and load balancers: each of their connections begins with a PROXY header that names the client. Nobody else's does.
    pub proxies: Vec<Network>,
    /// Own machines that may bring mail by LMTP, which is taken as it is.
    pub lmtp: Vec<Network>,
    /// Own machines that may say by XCLIENT, on every SMTP listener, whose client they speak for.
    pub xclient: Vec<Network>,
    /// Whom the messages of users may name as their authors.
    pub authors: AuthorsConfig,
    /// Who gets mail for the postmaster of our name and of hosted domains that have none; none: nobody.
    pub postmaster: Option<Address>,
    /// Highest priority that users may give their mail (RFC 6710); more is lowered.
    pub priority_max: Priority,
    /// How much one network may have.
    pub networks: NetworksConfig,
    /// Slow answers for SMTP peers that ask much in vain, if any.
    pub tarpit: Option<Tarpit>,
    /// How mail from other servers is verified; none: it isn't.
    pub inbound: Option<InboundConfig>,
    /// How the content of messages is looked at; none: it isn't.
    pub content: Option<ContentConfig>,
    /// From which countries logins to send may come; none: from all.
    pub countries: Option<CountriesConfig>,
    /// How much guessing of passwords is suffered; none: any.
    pub guessing: Option<GuessingRule>,
    /// Issuers whose tokens are taken in place of passwords; none: no tokens are.
    pub issuers: Option<IssuersConfig>,
}

/// Whom the messages of users may name as their authors.
#[derive(Clone, Debug, Default)]
pub struct AuthorsConfig {
    /// Which.
    pub rule: AuthorRule,
    /// Accounts whose messages may name anybody: programs of lists and the like.
    pub exempt: Vec<SenderName>,
}

/// From which countries logins to send may come (SHIN-04).
#[derive(Clone, Debug)]
pub struct CountriesConfig {
    /// The database, in MaxMind's format; read anew when it changes.
    pub database: PathBuf,
    /// Where accounts may send from that neither have a rule nor their domains; empty: from everywhere.
    pub permitted: Vec<CountryCode>,
    /// Networks whose country does not matter.
    pub exempt: Vec<Network>,
    /// What becomes of addresses that the database doesn't know.
    pub unknown: UnknownCountry,
}

/// Connections at a time, of everybody together; each service has its own, and further ones are turned away. All together are at most
/// [`yubin_types::limits::CONNECTIONS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionsConfig {
    /// SMTP from other servers.
    pub smtp: usize,
    /// SMTP from users, on both kinds of port.
    pub submission: usize,
    /// LMTP.
    pub lmtp: usize,
    /// POP3, on both kinds of port.
    pub pop3: usize,
    /// IMAP, on both kinds of port.
    pub imap: usize,
}

/// How much one network may have of a front end.
#[derive(Clone, Debug)]
pub struct NetworksConfig {
    /// Which addresses belong together.
    pub width: NetworkWidth,
    /// What each network may have.
    pub limits: NetworkLimits,
    /// Networks that have no limits.
    pub exempt: Vec<Network>,
}

/// How peers that ask in vain are slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tarpit {
    /// Failures of a connection that are answered at once.
    pub after: u32,
    /// How long each further one waits, seconds; together at most [`yubin_types::limits::TARPIT_SECONDS_MAX`].
    pub seconds: u64,
}

/// How mail from other servers is verified, and what follows from it.
#[derive(Clone, Debug)]
pub struct InboundConfig {
    /// Asks the DNS.
    pub verifier: Verifier,
    /// Who is believed by its address: from there mail is taken as it is.
    pub exempt: Vec<Network>,
    /// The rules of hosted domains that have none of their own.
    pub rules: DomainRules,
    /// The rules of those that have.
    pub domains: BTreeMap<DomainName, DomainRules>,
    /// Forwarders who are believed about mail that they changed (ARC).
    pub trusted_forwarders: Vec<DomainName>,
    /// Lists that a peer is looked up in; at most [`yubin_types::limits::DNS_LISTS_MAX`].
    pub lists: Vec<DnsList>,
    /// What their scores add up to.
    pub list_rule: ListRule,
    /// Whether strangers are asked to come again; none: nobody is.
    pub greylisting: Option<GreylistingConfig>,
    /// Names of this cluster's MX hosts beside ours: another server's Authentication-Results in any of these names are forged.
    pub hosts: Vec<String>,
    /// Whom our reports to other domains are from; none: mail is not reported on.
    pub reports: Option<Address>,
}

/// How strangers are asked to come again (RFC 6647).
#[derive(Clone, Debug)]
pub struct GreylistingConfig {
    /// When.
    pub terms: GreylistTerms,
    /// Whether a host that SPF names as the sender's is asked.
    pub spf_pass: SpfWelcome,
    /// Hosted domains whose mail it is for; empty: all.
    pub domains: Vec<DomainName>,
}

/// What SPF means to greylisting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpfWelcome {
    /// A host that passes for the sender's domain is welcome at once.
    Welcome,
    /// It waits like others.
    Wait,
}

/// What a hosted domain demands of mail from other servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DomainRules {
    /// What is done with mail that fails DMARC.
    pub dmarc: DmarcHandling,
    /// What the sending host's name must be.
    pub reverse_dns: ReverseDnsRule,
}

impl FrontendConfig {
    /// Are tokens taken in place of passwords?
    pub(crate) const fn tokens(&self) -> TokenLogin {
        match self.issuers {
            Some(_) => TokenLogin::Allow,
            None => TokenLogin::Refuse,
        }
    }
}

impl InboundConfig {
    /// The rules of a hosted domain.
    pub(crate) fn rules(&self, domain: &DomainName) -> DomainRules {
        self.domains.get(domain).copied().unwrap_or(self.rules)
    }

    /// Is mail from there to be verified?
    pub(crate) fn is_exempt(&self, peer: IpAddr) -> bool {
        contains(&self.exempt, peer)
    }
}

/// Is the address in any of these? IPv4 addresses written as IPv6 are IPv4.
pub(crate) fn contains(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address.to_canonical()))
}

/// A listener.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Its name in logs and metrics, such as `submissions`.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Where; port 0 takes any free one.
    pub address: SocketAddr,
    /// How connections are protected.
    pub tls: ListenerTls,
    /// May a password be sent without TLS?
    pub plaintext_login: PlaintextLogin,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP from other servers (port 25).
    Mx,
    /// SMTP from users (ports 587 and 465).
    Submission,
    /// LMTP from own machines.
    Lmtp,
    /// POP3 (ports 110 and 995).
    Pop3,
    /// IMAP (ports 143 and 993).
    Imap,
}

impl Protocol {
    /// Its ALPN name.
    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Protocol::Mx | Protocol::Submission => b"smtp",
            // Not registered: no client of another protocol means it.
            Protocol::Lmtp => b"lmtp",
            Protocol::Pop3 => b"pop3",
            Protocol::Imap => b"imap",
        }
    }

    /// Its name in logs and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Protocol::Mx => "smtp",
            Protocol::Submission => "submission",
            Protocol::Lmtp => "lmtp",
            Protocol::Pop3 => "pop3",
            Protocol::Imap => "imap",
        }
    }
}

/// How a listener's connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerTls {
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// STARTTLS or STLS is offered.
    Upgrade,
    /// None.
    Off,
}
