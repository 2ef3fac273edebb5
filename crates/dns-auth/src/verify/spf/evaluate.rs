//! check_host() (RFC 7208 §4): from a domain's record to what it says of the peer.
//!
//! Records are held to the grammar (`syntax`), then read and their macros expanded by the library; who is asked, in which order, and when it
//! is enough is decided here, on the house's resolver: at most [`limits::SPF_LOOKUPS_MAX`] terms ask the DNS and
//! [`limits::SPF_VOID_LOOKUPS_MAX`] of them find nothing, over all included records together; more is a permanent error (§4.6.4). So are
//! more than [`limits::SPF_QUESTIONS_MAX`] questions, those about the hosts of an `mx` among them, of which the letter of the RFC would
//! allow a hundred. A lookup that nobody could answer ends the check as a temporary error, so that it never becomes a verdict.

use std::net::IpAddr;
use std::pin::Pin;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::spf::{Directive, Macro, Mechanism, Qualifier, Spf};
use yubin_types::{AuthResult, limits};

use super::SpfQuestion;
use super::syntax::{is_record, known_terms};
use super::target::Names;
use crate::resolver::{Family, LookupError, Resolver, Validation};

/// One check, with what it has spent.
pub(super) struct Evaluation<'a> {
    resolver: &'a Resolver,
    question: SpfQuestion<'a>,
    sender: &'a str,
    lookups: u32,
    voids: u32,
    /// Questions to the DNS, for whatever they were.
    questions: u32,
    /// Names of the peer that lead back to it, once they were asked for.
    validated: Option<Vec<String>>,
}

/// Why a check ends before its record does: with this result.
struct Stop(AuthResult);

const TEMPORARY: Stop = Stop(AuthResult::TempError);
const PERMANENT: Stop = Stop(AuthResult::PermError);

type Boxed<'b> = Pin<Box<dyn Future<Output = Result<AuthResult, Stop>> + Send + 'b>>;

impl<'a> Evaluation<'a> {
    pub(super) fn new(resolver: &'a Resolver, question: SpfQuestion<'a>, sender: &'a str) -> Evaluation<'a> {
        Evaluation { resolver, question, sender, lookups: 0, voids: 0, questions: 0, validated: None }
    }

    /// What the domain's record says of the peer.
    pub(super) async fn run(mut self, domain: &str) -> AuthResult {
        match self.check_host(domain).await {
            Ok(result) | Err(Stop(result)) => result,
        }
    }

    /// Boxed, since records include records.
    fn check_host<'b>(&'b mut self, domain: &'b str) -> Boxed<'b> {
        Box::pin(async move {
            let Some(record) = self.record(domain).await? else { return Ok(AuthResult::None) };
            for Directive { qualifier, mechanism } in &record.directives {
                if self.matches(domain, mechanism).await? {
                    return Ok(match qualifier {
                        Qualifier::Pass => AuthResult::Pass,
                        Qualifier::Fail => AuthResult::Fail,
                        Qualifier::SoftFail => AuthResult::SoftFail,
                        Qualifier::Neutral => AuthResult::Neutral,
                    });
                }
            }
            let Some(redirect) = &record.redirect else { return Ok(AuthResult::Neutral) };
            self.spend()?;
            let target = self.target(domain, redirect).await?;
            match self.check_host(&target).await? {
                AuthResult::None => Err(PERMANENT),
                result => Ok(result),
            }
        })
    }

    /// The one record of a domain (§4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<Spf>, Stop> {
        self.ask()?;
        let texts = match self.resolver.texts_at(domain).await {
            Ok(texts) => texts,
            Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => return Ok(None),
            Err(_) => return Err(TEMPORARY),
        };
        let mut records = texts.iter().filter(|text| is_record(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(record), None) => {
                let known = known_terms(record).ok_or(PERMANENT)?;
                Spf::parse(&known).map(Some).map_err(|_| PERMANENT)
            }
            (Some(_), Some(_)) => Err(PERMANENT),
        }
    }

    async fn matches(&mut self, domain: &str, mechanism: &Mechanism) -> Result<bool, Stop> {
        let peer = self.question.peer;
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4 { addr, mask } => Ok(within(peer, IpAddr::V4(*addr), *mask, u128::MAX)),
            Mechanism::Ip6 { addr, mask } => Ok(within(peer, IpAddr::V6(*addr), u32::MAX, *mask)),
            Mechanism::Include { macro_string } => {
                self.spend()?;
                let target = self.target(domain, macro_string).await?;
                match self.check_host(&target).await? {
                    AuthResult::Pass => Ok(true),
                    AuthResult::None => Err(PERMANENT),
                    _ => Ok(false),
                }
            }
            Mechanism::A { macro_string, ip4_mask, ip6_mask } => {
                self.spend()?;
                let target = self.target(domain, macro_string).await?;
                self.ask()?;
                let addresses = self.found(self.resolver.addresses_at(&target, Family::of(peer)).await)?;
                Ok(addresses.into_iter().any(|address| within(peer, address, *ip4_mask, *ip6_mask)))
            }
            Mechanism::Mx { macro_string, ip4_mask, ip6_mask } => {
                self.spend()?;
                let target = self.target(domain, macro_string).await?;
                self.ask()?;
                let hosts = self.found(self.resolver.exchanges_at(&target).await)?;
                self.hosts_match(hosts, *ip4_mask, *ip6_mask).await
            }
            Mechanism::Exists { macro_string } => {
                self.spend()?;
                let target = self.target(domain, macro_string).await?;
                self.ask()?;
                Ok(!self.found(self.resolver.addresses_at(&target, Family::V4).await)?.is_empty())
            }
            Mechanism::Ptr { macro_string } => {
                self.spend()?;
                let target = self.target(domain, macro_string).await?.to_ascii_lowercase();
                Ok(self.validated().await.iter().any(|name| is_below(name, &target)))
            }
        }
    }

    async fn hosts_match(&mut self, hosts: Vec<String>, ip4_mask: u32, ip6_mask: u128) -> Result<bool, Stop> {
        let peer = self.question.peer;
        for (number, host) in hosts.iter().enumerate() {
            if number >= limits::SPF_NAMES_MAX {
                return Err(PERMANENT);
            }
            self.ask()?;
            match self.resolver.addresses_at(host, Family::of(peer)).await {
                Ok(addresses) if addresses.iter().any(|address| within(peer, *address, ip4_mask, ip6_mask)) => {
                    return Ok(true);
                }
                Err(error) if error.is_temporary() => return Err(TEMPORARY),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }

    /// The name that a term asks about.
    async fn target(&mut self, domain: &str, term: &Macro) -> Result<String, Stop> {
        let validated = if term.needs_ptr() {
            // The DNS is asked for `%{p}` too.
            self.spend()?;
            let names = self.validated().await;
            let fitting =
                names.iter().find(|name| *name == domain).or_else(|| names.iter().find(|n| is_below(n, domain)));
            fitting.or(names.first()).cloned()
        } else {
            None
        };
        let validated = validated.as_deref().unwrap_or("unknown");
        Ok(Names { question: self.question, sender: self.sender, domain, validated }.target(term))
    }

    /// Names of the peer that lead back to it (§5.5). What can't be found out counts as not there.
    async fn validated(&mut self) -> &[String] {
        if self.validated.is_none() {
            let peer = self.question.peer;
            let claimed = self.resolver.ptr(peer, Validation::Off).await.map(|answer| answer.value).unwrap_or_default();
            let mut names = Vec::new();
            self.questions += 1;
            for name in claimed.iter().take(limits::SPF_NAMES_MAX) {
                self.questions += 1;
                let addresses = self.resolver.addresses_at(name.as_str(), Family::of(peer)).await;
                if addresses.is_ok_and(|addresses| addresses.contains(&peer)) {
                    names.push(name.as_str().to_owned());
                }
            }
            self.validated = Some(names);
        }
        self.validated.as_deref().unwrap_or_default()
    }

    /// Counts a term that asks the DNS.
    fn spend(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > limits::SPF_LOOKUPS_MAX { Err(PERMANENT) } else { Ok(()) }
    }

    /// Counts a question to the DNS.
    fn ask(&mut self) -> Result<(), Stop> {
        self.questions += 1;
        if self.questions > limits::SPF_QUESTIONS_MAX { Err(PERMANENT) } else { Ok(()) }
    }

    /// What a lookup found; nothing is counted too.
    fn found<T>(&mut self, looked_up: Result<Vec<T>, LookupError>) -> Result<Vec<T>, Stop> {
        match looked_up {
            Ok(found) => Ok(found),
            Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => {
                self.voids += 1;
                if self.voids > limits::SPF_VOID_LOOKUPS_MAX { Err(PERMANENT) } else { Ok(Vec::new()) }
            }
            Err(_) => Err(TEMPORARY),
        }
    }
}

/// Is the peer in the network of an address of its family?
fn within(peer: IpAddr, address: IpAddr, ip4_mask: u32, ip6_mask: u128) -> bool {
    match (peer, address) {
        (IpAddr::V4(peer), IpAddr::V4(address)) => peer.to_bits() & ip4_mask == address.to_bits() & ip4_mask,
        (IpAddr::V6(peer), IpAddr::V6(address)) => peer.to_bits() & ip6_mask == address.to_bits() & ip6_mask,
        _ => false,
    }
}

/// Is the name that domain, or one below it?
fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}
