//! MTA-STS (RFC 8461): which hosts may take a domain's mail, and that they must show a certificate for it.
//!
//! [`MtaSts::lookup`] finds the policy that holds for a domain now: the one remembered, or the one fetched because the domain announces
//! another, or because the remembered one is a day old or half through its life. What a failure means stands in §3.3 and §5.1: a
//! remembered policy holds on while it lasts, and without one the domain is as if it had none. A fetch that failed is not repeated
//! for [`limits::MTA_STS_RETRY_SECONDS`]. DANE goes first where both apply (§2).
//!
//! Policies are remembered, [`limits::MTA_STS_POLICIES_MAX`] of them, and kept in a folder if there is one for them (`keep`): then a restart forgets
//! none.

mod fetch;
mod keep;
mod policy;

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use yubin_types::{DomainName, limits};

use crate::resolver::{Resolver, Validation};

pub use fetch::{FetchConfig, FetchError};
pub use policy::{Mode, MxPattern, Policy, PolicyError};

pub(crate) use fetch::Fetcher;
use keep::Keep;
pub(crate) use policy::announced_id;

/// What MTA-STS says about a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsLookup {
    /// Nothing: the domain has no policy, or one that says that it has none.
    Nothing,
    /// This policy holds; its mode is `enforce` or `testing`.
    Policy(Arc<Policy>),
    /// The domain announces a policy and none could be had: as if it had none, but worth a report (RFC 8460 §4.3.2.2).
    Unavailable(FetchError),
}

/// Finds and remembers policies.
pub struct MtaSts {
    resolver: Resolver,
    fetcher: Fetcher,
    /// Each held by whoever fetches, so that a burst of mail to one domain fetches once.
    known: quick_cache::sync::Cache<DomainName, Arc<Mutex<Known>>>,
    fetches: Semaphore,
    keep: Option<Arc<Keep>>,
}

/// What is remembered of a domain.
#[derive(Default)]
struct Known {
    held: Option<Held>,
    failed: Option<Failed>,
}

struct Held {
    id: String,
    policy: Arc<Policy>,
    /// From then on another one is fetched if it can be.
    ages: Instant,
    ends: Instant,
}

struct Failed {
    id: String,
    error: FetchError,
    at: Instant,
}

impl MtaSts {
    /// Asks this resolver, and fetches as configured.
    ///
    /// # Errors
    /// When the TLS library refuses its configuration.
    pub fn new(resolver: Resolver, config: FetchConfig) -> Result<MtaSts, rustls::Error> {
        Ok(MtaSts {
            resolver,
            fetcher: Fetcher::new(config)?,
            known: quick_cache::sync::Cache::new(limits::MTA_STS_POLICIES_MAX),
            fetches: Semaphore::new(limits::MTA_STS_FETCHES_MAX),
            keep: None,
        })
    }

    /// Keeps policies in this folder, which is made if it is missing, and remembers those that are there and still hold.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn kept_in(mut self, folder: PathBuf) -> io::Result<MtaSts> {
        let (keep, found) = Keep::open(folder)?;
        let now = Instant::now();
        for (domain, kept) in found {
            let held = Held::of(kept.id, kept.policy, (now, kept.age));
            self.known.insert(domain, Arc::new(Mutex::new(Known { held: Some(held), failed: None })));
        }
        self.keep = Some(Arc::new(keep));
        Ok(self)
    }

    /// What holds for a domain now. Takes as long as a fetch may if the policy is not remembered.
    pub async fn lookup(&self, domain: &DomainName) -> StsLookup {
        let announced = self.announced(domain).await;
        let remembered = self.known.get(domain);
        if announced.is_none() && remembered.is_none() {
            return StsLookup::Nothing;
        }
        let Ok(entry) = self.known.get_or_insert_with(domain, || Ok::<_, Infallible>(Arc::default()));
        let mut known = entry.lock().await;
        if let Some(id) = announced
            && known.wants_fetch(&id, Instant::now())
        {
            match self.fetch(domain).await {
                Ok(policy) => {
                    self.write_down(domain, &id, &policy).await;
                    let held = Held::of(id, policy, (Instant::now(), Duration::ZERO));
                    *known = Known { held: Some(held), failed: None };
                }
                Err(error) => {
                    tracing::info!(domain.name = %domain, %error, "MTA-STS policy not fetched");
                    known.failed = Some(Failed { id, error, at: Instant::now() });
                }
            }
        }
        known.verdict(Instant::now())
    }

    /// The id in the DNS. That there is none and that nobody can say come to the same: what is remembered holds (§3.3).
    async fn announced(&self, domain: &DomainName) -> Option<String> {
        let name = DomainName::parse(&format!("_mta-sts.{domain}")).ok()?;
        let texts = self.resolver.txt(&name, Validation::Off).await.ok()?;
        announced_id(&texts.value)
    }

    async fn write_down(&self, domain: &DomainName, id: &str, policy: &Policy) {
        let Some(keep) = self.keep.clone() else { return };
        let (name, id, policy) = (domain.clone(), id.to_owned(), policy.clone());
        let written = tokio::task::spawn_blocking(move || keep.put(&name, &id, &policy)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(domain.name = %domain, %error, "an MTA-STS policy can't be kept: a restart forgets it");
        }
    }

    async fn fetch(&self, domain: &DomainName) -> Result<Policy, FetchError> {
        let _permit = self.fetches.acquire().await.map_err(|_| FetchError::Timeout)?;
        self.fetcher.fetch(&self.resolver, domain).await
    }
}

impl Held {
    /// A policy that was fetched so long before now.
    fn of(id: String, policy: Policy, (now, age): (Instant, Duration)) -> Held {
        let day = Duration::from_secs(86_400);
        let ages = now + (policy.max_age / 2).min(day).saturating_sub(age);
        Held { id, ages, ends: now + policy.max_age.saturating_sub(age), policy: Arc::new(policy) }
    }
}

impl Known {
    fn wants_fetch(&self, id: &str, now: Instant) -> bool {
        let retry = Duration::from_secs(limits::MTA_STS_RETRY_SECONDS);
        if self.failed.as_ref().is_some_and(|failed| failed.id == id && now < failed.at + retry) {
            return false;
        }
        self.held.as_ref().is_none_or(|held| held.id != id || now >= held.ages)
    }

    fn verdict(&self, now: Instant) -> StsLookup {
        let held = self.held.as_ref().filter(|held| now < held.ends);
        match (held, &self.failed) {
            (Some(held), _) if held.policy.mode == Mode::None => StsLookup::Nothing,
            (Some(held), _) => StsLookup::Policy(Arc::clone(&held.policy)),
            (None, Some(failed)) => StsLookup::Unavailable(failed.error.clone()),
            (None, None) => StsLookup::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Failed, FetchError, Held, Known, Policy, StsLookup};

    const DAY: Duration = Duration::from_secs(86_400);

    fn policy(mode: &str, max_age: Duration) -> Policy {
        let text = format!("version: STSv1\nmode: {mode}\nmx: a.example\nmax_age: {}\n", max_age.as_secs());
        Policy::parse(&text).unwrap()
    }

    fn known(fetched: Instant, max_age: Duration) -> Known {
        Known { held: Some(Held::of("1".into(), policy("enforce", max_age), (fetched, Duration::ZERO))), failed: None }
    }

    #[tokio::test]
    async fn a_policy_is_fetched_again_when_it_changes_or_ages() {
        let now = Instant::now();
        assert!(Known::default().wants_fetch("1", now));
        let long = known(now, 30 * DAY);
        assert!(!long.wants_fetch("1", now + DAY / 2));
        assert!(long.wants_fetch("2", now), "another id");
        assert!(long.wants_fetch("1", now + DAY), "a day old");
        let short = known(now, DAY);
        assert!(short.wants_fetch("1", now + DAY / 2), "half through its life");
    }

    #[tokio::test]
    async fn what_is_remembered_holds_through_failures_until_it_ends() {
        let now = Instant::now();
        let mut known = known(now, DAY);
        known.failed = Some(Failed { id: "2".into(), error: FetchError::Timeout, at: now });
        assert!(matches!(known.verdict(now + DAY / 2), StsLookup::Policy(_)));
        assert_eq!(known.verdict(now + DAY), StsLookup::Unavailable(FetchError::Timeout));
        assert!(!known.wants_fetch("2", now + Duration::from_secs(299)), "not again at once");
        assert!(known.wants_fetch("2", now + Duration::from_secs(300)));
        assert!(known.wants_fetch("3", now), "another id is another attempt");
    }
}
