//! What a front end counts. Few label values, none of them chosen by peers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use yubin_policy::networks::NetworkDenial;

/// Counters, gauges and histograms of one process. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    connections: Family<ListenerLabel, Gauge>,
    sessions: Family<SessionLabels, Counter>,
    handshake_failures: Counter,
    network_refusals: Family<NetworkLabels, Counter>,
    logins: Family<LoginLabels, Counter>,
    deliveries: Family<ResultLabel, Counter>,
    rejects: Family<ReasonLabel, Counter>,
    signatures: Family<ResultLabel, Counter>,
    verifications: Family<ResultLabel, Counter>,
    assessments: Family<ResultLabel, Counter>,
    scans: Family<ScanLabels, Counter>,
    list_refusals: Family<ListLabel, Counter>,
    asks: Family<ProtocolLabel, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SessionLabels {
    listener: String,
    result: &'static str,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionResult {
    /// As it should.
    Closed,
    /// The connection broke, or the peer did not read.
    Failed,
    /// TLS could not be established.
    Handshake,
    /// A trusted proxy did not say whose connection it is.
    Proxy,
    /// The peer's network has its share.
    Refused,
    /// The service had no place left.
    Full,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NetworkLabels {
    protocol: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LoginLabels {
    protocol: &'static str,
    result: &'static str,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginResult {
    /// Accepted.
    Accepted,
    /// No such account, or another password.
    Rejected,
    /// Too many wrong ones came before; not looked at.
    Throttled,
    /// The right password, and no admittance.
    Refused,
    /// The store could not be asked.
    Unavailable,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// What came of a message that was taken in whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryResult {
    /// In mailboxes, on a majority.
    Stored,
    /// In the queue, on a majority.
    Queued,
    /// Refused when it was to be stored.
    Refused,
    /// The store could not take it now.
    Unavailable,
}

/// What came of a message that was to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureResult {
    /// Signed with every key in use.
    Signed,
    /// Its domain has no key.
    NoKey,
    /// Not sent.
    Failed,
}

/// What verification made of a message from another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerificationResult {
    /// Taken.
    Inbox,
    /// Taken as junk.
    Junk,
    /// Refused.
    Refused,
    /// Put off: nobody could say.
    Deferred,
}

/// What a message was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssessmentResult {
    /// No spam, to any recipient.
    Clean,
    /// Spam, to one recipient at least; taken.
    Spam,
    /// Refused.
    Refused,
    /// Put off.
    Deferred,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ScanLabels {
    scanner: &'static str,
    result: &'static str,
}

/// What came of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanResult {
    /// Nothing was found.
    Clean,
    /// Something was.
    Found,
    /// The message was too large.
    TooLarge,
    /// There was no answer.
    Unavailable,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListLabel {
    list: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

impl SessionResult {
    const fn name(self) -> &'static str {
        match self {
            SessionResult::Closed => "closed",
            SessionResult::Failed => "failed",
            SessionResult::Handshake => "handshake",
            SessionResult::Proxy => "proxy",
            SessionResult::Refused => "refused",
            SessionResult::Full => "full",
        }
    }
}

impl LoginResult {
    const fn name(self) -> &'static str {
        match self {
            LoginResult::Accepted => "accepted",
            LoginResult::Rejected => "rejected",
            LoginResult::Throttled => "throttled",
            LoginResult::Refused => "refused",
            LoginResult::Unavailable => "unavailable",
        }
    }
}

impl DeliveryResult {
    const fn name(self) -> &'static str {
        match self {
            DeliveryResult::Stored => "stored",
            DeliveryResult::Queued => "queued",
            DeliveryResult::Refused => "refused",
            DeliveryResult::Unavailable => "unavailable",
        }
    }
}

impl SignatureResult {
    const fn name(self) -> &'static str {
        match self {
            SignatureResult::Signed => "signed",
            SignatureResult::NoKey => "no_key",
            SignatureResult::Failed => "failed",
        }
    }
}

impl VerificationResult {
    const fn name(self) -> &'static str {
        match self {
            VerificationResult::Inbox => "inbox",
            VerificationResult::Junk => "junk",
            VerificationResult::Refused => "refused",
            VerificationResult::Deferred => "deferred",
        }
    }
}

impl ScanResult {
    const fn name(self) -> &'static str {
        match self {
            ScanResult::Clean => "clean",
            ScanResult::Found => "found",
            ScanResult::TooLarge => "too_large",
            ScanResult::Unavailable => "unavailable",
        }
    }
}

impl AssessmentResult {
    const fn name(self) -> &'static str {
        match self {
            AssessmentResult::Clean => "clean",
            AssessmentResult::Spam => "spam",
            AssessmentResult::Refused => "refused",
            AssessmentResult::Deferred => "deferred",
        }
    }
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            connections: Family::default(),
            sessions: Family::default(),
            handshake_failures: Counter::default(),
            network_refusals: Family::default(),
            logins: Family::default(),
            deliveries: Family::default(),
            rejects: Family::default(),
            signatures: Family::default(),
            verifications: Family::default(),
            assessments: Family::default(),
            scans: Family::default(),
            list_refusals: Family::default(),
            asks: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_1, 4.0, 10))),
        };
        let yubin = registry.sub_registry_with_prefix("yubin");
        yubin.register("connections", "Open connections", metrics.connections.clone());
        yubin.register("sessions", "Ended sessions", metrics.sessions.clone());
        yubin.register("tls_handshake_failures", "Failed TLS handshakes", metrics.handshake_failures.clone());
        yubin.register(
            "network_refusals",
            "Connections refused or ended because their network had its share",
            metrics.network_refusals.clone(),
        );
        yubin.register("auth_attempts", "Logins", metrics.logins.clone());
        yubin.register("smtp_deliveries", "Messages received by SMTP", metrics.deliveries.clone());
        yubin.register("smtp_rejects", "Refused senders, recipients and messages", metrics.rejects.clone());
        yubin.register("dkim_messages", "Messages to be signed before they were queued", metrics.signatures.clone());
        yubin.register(
            "verified_messages",
            "Messages from other servers by what verification made of them",
            metrics.verifications.clone(),
        );
        yubin.register("assessed_messages", "Messages by what they were found to be", metrics.assessments.clone());
        yubin.register("scans", "Scans of messages by what came of them", metrics.scans.clone());
        yubin.register("dns_list_refusals", "Answers by which DNS lists refuse us", metrics.list_refusals.clone());
        yubin.register("ask_duration_seconds", "Time to answer what a session asked", metrics.asks.clone());
        metrics
    }

    /// Counts an open connection until the guard is dropped.
    pub(crate) fn connected(&self, listener: &str) -> ConnectionGuard {
        let gauge = self.connections.get_or_create_owned(&ListenerLabel { listener: listener.to_owned() });
        gauge.inc();
        ConnectionGuard(gauge)
    }

    pub(crate) fn session_ended(&self, listener: &str, result: SessionResult) {
        self.sessions.get_or_create(&SessionLabels { listener: listener.to_owned(), result: result.name() }).inc();
        if result == SessionResult::Handshake {
            self.handshake_failures.inc();
        }
    }

    pub(crate) fn network_refused(&self, protocol: &'static str, denial: NetworkDenial) {
        let reason = match denial {
            NetworkDenial::Connections => "connections",
            NetworkDenial::ConnectionRate => "connection_rate",
            NetworkDenial::Failures => "failures",
        };
        self.network_refusals.get_or_create(&NetworkLabels { protocol, reason }).inc();
    }

    pub(crate) fn login(&self, protocol: &'static str, result: LoginResult) {
        self.logins.get_or_create(&LoginLabels { protocol, result: result.name() }).inc();
    }

    pub(crate) fn delivery(&self, result: DeliveryResult) {
        self.deliveries.get_or_create(&ResultLabel { result: result.name() }).inc();
    }

    pub(crate) fn reject(&self, reason: &'static str) {
        self.rejects.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn signature(&self, result: SignatureResult) {
        self.signatures.get_or_create(&ResultLabel { result: result.name() }).inc();
    }

    pub(crate) fn verification(&self, result: VerificationResult) {
        self.verifications.get_or_create(&ResultLabel { result: result.name() }).inc();
    }

    pub(crate) fn assessment(&self, result: AssessmentResult) {
        self.assessments.get_or_create(&ResultLabel { result: result.name() }).inc();
    }

    pub(crate) fn scan(&self, scanner: &'static str, result: ScanResult) {
        self.scans.get_or_create(&ScanLabels { scanner, result: result.name() }).inc();
    }

    /// Counts an answer by which a configured list refuses us; how often it had before.
    pub(crate) fn list_refusal(&self, zone: &str) -> u64 {
        self.list_refusals.get_or_create(&ListLabel { list: zone.to_owned() }).inc()
    }

    /// The histogram of a protocol's questions, for a session to keep.
    pub(crate) fn asks(&self, protocol: &'static str) -> Histogram {
        self.asks.get_or_create_owned(&ProtocolLabel { protocol })
    }
}

/// An open connection, counted.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Gauge);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
