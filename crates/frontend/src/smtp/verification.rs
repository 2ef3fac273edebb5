//! A message from a stranger, verified when it is complete and before it is stored: SPF was asked for while it came in, its signatures
//! are checked over the spool, and `policy` says what becomes of it.
//!
//! What was found stands in one Authentication-Results field of ours (RFC 8601), below our Received. Fields in our name that the message
//! brought are forged and taken out (§5), which is the only change that is ever made to a message; signatures are checked before it. The
//! author is read by the parser that the store uses, so that nobody is shown another author than was checked.
//!
//! - [`reported`]: what the author's domain is told of it.

mod reported;

use std::net::IpAddr;
use std::time::Duration;

use futures::TryStreamExt as _;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use yubin_dns_auth::verify::{
    ArcSet, AuthenticationResults, DkimCheck, DmarcCheck, DmarcQuestion, MessageCheck, MessageChecks, SpfChecks,
    SpfQuestion, is_results_of,
};
use yubin_message::{Address as Author, HeaderFields, HeaderWriter, parse_address_list};
use yubin_policy::inbound::{
    self, Disposition, DmarcFact, Forwarder, InboundDenial, InboundFacts, InboundRules, Signed,
};
use yubin_policy::refusal_text;
use yubin_policy::spam::{Authentication, Proof};
use yubin_session::smtp::Origin;
use yubin_types::{AuthResult, DomainName, ReversePath, SmtpReply, limits};

use self::reported::Judged;
use super::deliver::Complete;
use super::edit::{self, Edit, NewBody};
use super::received::is_report;
use super::stranger::PeerFacts;
use super::{SmtpRim, Transaction, spool_failed};
use crate::config::InboundConfig;
use crate::header::Opened;
use crate::metrics::VerificationResult;

/// What verification adds to a message.
#[derive(Debug)]
pub(super) struct Verified {
    /// The Authentication-Results field.
    pub(super) field: Vec<u8>,
    /// Where the message goes.
    pub(super) disposition: Disposition,
    /// The name that leads back to the peer.
    pub(super) peer_name: Option<DomainName>,
    /// What was found.
    pub(super) authentication: Authentication,
    /// Whose report it is, if it says that it is one and its author is proven.
    pub(super) reporter: Option<DomainName>,
}

/// What was found about a message.
struct Findings {
    spf: SpfChecks,
    checks: MessageChecks,
    dmarc: Vec<DmarcCheck>,
}

/// What its header says of its author.
struct Header {
    author: inbound::Author,
    domains: Vec<DomainName>,
    /// Authors whose domain is none: a reader may show one of them.
    unreadable: usize,
    /// Elements in which a reader may find authors that nobody was asked about.
    overlooked: usize,
    /// Where fields stand that claim to be ours.
    forged: Vec<std::ops::Range<usize>>,
}

/// Begins to ask whether the peer may send in these names.
pub(super) fn begin_spf(
    inbound: &InboundConfig,
    origin: &Origin,
    sender: &ReversePath,
    peer: IpAddr,
    host: &str,
) -> AbortOnDropHandle<SpfChecks> {
    let (verifier, helo, host) = (inbound.verifier.clone(), origin.helo.clone(), host.to_owned());
    let sender = sender.address().cloned();
    let asking =
        async move { verifier.spf(SpfQuestion { peer, helo: &helo, sender: sender.as_ref(), host: &host }).await };
    AbortOnDropHandle::new(tokio::spawn(asking.in_current_span()))
}

impl SmtpRim {
    /// Verifies the message of a stranger; none for everybody else. What it brought in our name is gone from the message afterwards.
    pub(super) async fn verify(
        &mut self,
        transaction: &Transaction,
        complete: &mut Complete,
    ) -> Result<Option<Verified>, SmtpReply> {
        let Some(stranger) = &mut self.stranger else { return Ok(None) };
        let shared = &self.connection.shared;
        let Some(inbound) = &shared.config.inbound else { return Ok(None) };
        let peer = self.connection.peer_ip();
        let facts = stranger.facts(inbound, peer).await;
        let hosts = self.own_hosts();
        let Opened { header, begun, mut rest } = edit::open(&complete.spooled).await?;
        let read = Header::read(&header, &hosts);
        let mut check = MessageCheck::begin(&header);
        check.body(&begun);
        while let Some(piece) = rest.try_next().await.map_err(|error| spool_failed(&error))? {
            check.body(&piece);
        }
        let time = Duration::from_secs(limits::VERIFICATION_SECONDS_MAX);
        let found = tokio::time::timeout(time, find(inbound, check, complete.spf.take(), &read.domains)).await;
        let found = found.map_err(|_| refusal_text::smtp_unavailable())?;
        let (authentication, judged) = judge(inbound, transaction, &read, &found, &facts, peer);
        self.connection.shared.metrics.verification(match &judged {
            Ok(Disposition::Inbox) => VerificationResult::Inbox,
            Ok(Disposition::Junk(_)) => VerificationResult::Junk,
            Err(InboundDenial::Unknown { .. }) => VerificationResult::Deferred,
            Err(_) => VerificationResult::Refused,
        });
        log(transaction, &found, &judged);
        if let Some(own) = &inbound.reports {
            let (header, forwarder) = (&header[..], authentication.forwarder);
            let told = Judged { transaction, peer, header, found: &found, forwarder, outcome: &judged };
            told.facts(own).into_iter().for_each(|fact| shared.store.note_fact(fact));
        }
        let disposition = judged.map_err(|denial| {
            shared.metrics.reject(reason(&denial));
            refusal_text::inbound(&denial)
        })?;
        let results = AuthenticationResults {
            host: &shared.config.hostname,
            peer,
            iprev: Some(&facts.iprev),
            spf: Some(&found.spf),
            message: Some(&found.checks),
            dmarc: &found.dmarc,
        };
        let reporter = match found.dmarc.as_slice() {
            [check] if check.result == AuthResult::Pass && is_report(&header) => Some(check.author.clone()),
            _ => None,
        };
        let mut writer = HeaderWriter::new();
        writer.field("Authentication-Results", &results.body());
        if !read.forged.is_empty() {
            let mut edits: Vec<Edit> = read.forged.into_iter().map(Edit::cut).collect();
            complete.spooled =
                edit::edited(&complete.spooled, &shared.spooler, &header, &mut edits, NewBody::Same).await?;
        }
        let (field, peer_name) = (writer.into_bytes(), facts.iprev.confirmed().cloned());
        Ok(Some(Verified { field, disposition, peer_name, authentication, reporter }))
    }
}

async fn find(
    inbound: &InboundConfig,
    check: MessageCheck<'_>,
    spf: Option<AbortOnDropHandle<SpfChecks>>,
    authors: &[DomainName],
) -> Findings {
    let spf = async {
        match spf {
            // A task that is gone knows nothing.
            Some(task) => task.await.ok(),
            None => None,
        }
    };
    let (spf, checks) = tokio::join!(spf, check.finish(&inbound.verifier));
    let spf = spf.unwrap_or(SpfChecks { helo: None, mail_from: None });
    let mut dmarc = Vec::with_capacity(authors.len());
    for author in authors {
        dmarc.push(inbound.verifier.dmarc(DmarcQuestion { author, spf: spf.sender(), dkim: &checks.dkim }).await);
    }
    Findings { spf, checks, dmarc }
}

/// What is known of it, and what becomes of it.
fn judge<'a>(
    inbound: &InboundConfig,
    transaction: &Transaction,
    header: &Header,
    found: &'a Findings,
    facts: &PeerFacts,
    peer: IpAddr,
) -> (Authentication, Result<Disposition, InboundDenial>) {
    let fact = |check: &'a DmarcCheck| DmarcFact { author: &check.author, result: check.result, policy: check.policy };
    let forwarder = |set: &'a ArcSet| Forwarder { sealer: &set.sealer, dmarc_pass: set.dmarc_pass.as_ref() };
    let dmarc: Vec<DmarcFact<'a>> = found.dmarc.iter().map(fact).collect();
    let forwarders: Vec<Forwarder<'a>> = found.checks.arc.sets.iter().map(forwarder).collect();
    let configured = || transaction.hosted().map(|hosted| inbound.rules(&hosted.name).dmarc);
    let handling = transaction.dmarc().or_else(configured).unwrap_or_default();
    let signed_by_author = signed(&found.checks.dkim, &header.domains);
    let spf = found.spf.sender().map_or(AuthResult::None, |check| check.result);
    let vouched = |author| inbound::vouched(author, &forwarders, &inbound.trusted_forwarders);
    let authentication = Authentication {
        spf,
        dkim: found.checks.dkim.iter().map(|check| check.result).collect(),
        dmarc: found.dmarc.iter().map(|check| check.result).collect(),
        arc: found.checks.arc.result,
        author: author_proof(found, &header.domains, signed_by_author),
        forwarder: match header.domains.as_slice() {
            [] => Proof::Unproven,
            authors if authors.iter().all(vouched) => Proof::Proven,
            _ => Proof::Unproven,
        },
        host: facts.name(),
        lists: facts.list_points(inbound),
    };
    let facts = InboundFacts {
        author: header.author,
        dmarc: &dmarc,
        spf,
        spf_domain: found.spf.sender().map(|check| &check.domain),
        signed_by_author,
        forwarders: &forwarders,
        // Who was to be refused for it was, at RCPT.
        reputation: facts.reputation(inbound, peer).unwrap_or(inbound::Reputation::Doubtful),
    };
    let rules = InboundRules { dmarc: handling, trusted_forwarders: &inbound.trusted_forwarders };
    (authentication, inbound::judge(facts, rules))
}

/// Is it from its author's domain: signed by it, sent by its host, or in DMARC's eyes?
fn author_proof(found: &Findings, authors: &[DomainName], signed: Signed) -> Proof {
    if signed == Signed::Yes || is_authors_host(found, authors) || all_pass(&found.dmarc) {
        Proof::Proven
    } else {
        Proof::Unproven
    }
}

fn all_pass(checks: &[DmarcCheck]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.result == AuthResult::Pass)
}

/// Does SPF pass for the domain of a single author?
fn is_authors_host(found: &Findings, authors: &[DomainName]) -> bool {
    let sender = found.spf.sender().filter(|check| check.result == AuthResult::Pass);
    matches!((sender, authors), (Some(sender), [author]) if sender.domain == *author)
}

/// Does a signature of an author's domain, or of one above it, pass?
fn signed(checks: &[DkimCheck], authors: &[DomainName]) -> Signed {
    let of_author = |domain: &DomainName| {
        authors.iter().any(|author| {
            let head = author.as_str().strip_suffix(domain.as_str());
            head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
        })
    };
    let mut passed = checks.iter().filter(|check| check.result == AuthResult::Pass);
    if passed.any(|check| check.domain.as_ref().is_some_and(of_author)) { Signed::Yes } else { Signed::No }
}

const fn reason(denial: &InboundDenial) -> &'static str {
    match denial {
        InboundDenial::Dmarc { .. } => "dmarc",
        InboundDenial::Author => "from",
        InboundDenial::Unknown { .. } => "dns",
    }
}

fn log(transaction: &Transaction, found: &Findings, judged: &Result<Disposition, InboundDenial>) {
    let passed = found.checks.dkim.iter().filter(|check| check.result == AuthResult::Pass).count();
    let worst = found.dmarc.iter().find(|check| check.result != AuthResult::Pass).or(found.dmarc.first());
    tracing::info!(
        from = %transaction.sender.path(),
        author = worst.map(|check| tracing::field::display(&check.author)),
        spf = found.spf.sender().map_or("none", |check| check.result.name()),
        dkim.signatures = found.checks.dkim.len(),
        dkim.passed = passed,
        dmarc = worst.map_or("none", |check| check.result.name()),
        arc = found.checks.arc.result.name(),
        result = ?judged,
        "message verified"
    );
}

impl Header {
    fn read(header: &[u8], hosts: &[String]) -> Header {
        let mut read = Header {
            author: inbound::Author::Malformed,
            domains: Vec::new(),
            unreadable: 0,
            overlooked: 0,
            forged: Vec::new(),
        };
        let mut authors = 0_usize;
        for field in HeaderFields::new(header) {
            if field.is("From") {
                authors += 1;
                read.note_author(field.body);
            } else if is_results_of(field.name, field.body, hosts) {
                read.forged.push(edit::place(header, &field));
            }
        }
        read.author = match (authors, read.domains.len(), read.unreadable) {
            _ if read.overlooked > 0 => inbound::Author::Malformed,
            (1, 0, _) => inbound::Author::NoDomain,
            (1, 1..=limits::DMARC_AUTHORS_MAX, 0) => inbound::Author::Known,
            _ => inbound::Author::Malformed,
        };
        read
    }

    fn note_author(&mut self, body: &[u8]) {
        let list = parse_address_list(body);
        self.overlooked += list.unreadable;
        for address in list.addresses {
            let Author::Mailbox(mailbox) = address else { continue };
            let domain = std::str::from_utf8(&mailbox.domain).ok().and_then(|text| DomainName::parse(text).ok());
            // A name whose comma nobody quoted has no domain, and is not another author.
            if domain.is_none() && !mailbox.domain.is_empty() {
                self.unreadable += 1;
            }
            if let Some(domain) = domain.filter(|domain| !self.domains.contains(domain)) {
                self.domains.push(domain);
            }
            if self.domains.len() > limits::DMARC_AUTHORS_MAX {
                return;
            }
        }
    }
}
