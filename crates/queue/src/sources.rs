//! Which source addresses may be used for a destination now: those that this machine has, that the destination's servers don't block, and
//! that have not sent what their warm-up allows for today.
//!
//! A pure value. An address that a receiver blocks is *set aside* at that destination: for [`ASIDE_SECONDS_MIN`] at first, for twice as long each
//! time it is blocked again, up to [`ASIDE_SECONDS_MAX`]; mail that it delivers afterwards makes that forgotten. The directory keeps what
//! is set aside, so that all workers know, and an operator can end it. Hosts of some destinations have addresses of one family only;
//! that is learned from an attempt, and sources of the other family are passed over for a while.

mod warming;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use yubin_state::queue::Receiver;
use yubin_types::{DestinationName, DomainId, Timestamp, limits};

use crate::pools::{PoolId, Pools, SourceId};
use crate::profile::Family;
use crate::warm_up::{Purse, Stock, tomorrow};

/// How long an address is set aside for the first time, seconds.
pub(crate) const ASIDE_SECONDS_MIN: u64 = 15 * 60;
/// How long at most, seconds.
pub(crate) const ASIDE_SECONDS_MAX: u64 = 8 * 3_600;
/// How long the last time counts for the length of the next, seconds after its end.
const ASIDE_REMEMBERED_SECONDS: u64 = 24 * 3_600;
/// When addresses are looked for again that this machine does not have, seconds.
pub(crate) const MISSING_SECONDS: u64 = 60;
/// When to look again at addresses that another worker uses, seconds.
const ANOTHERS_SECONDS: u64 = 10;
/// How long mail waits at most for an address that has sent its share for today, seconds: others may come.
const SPENT_SECONDS_MAX: u64 = 3_600;
/// How long a delivery waits while the directory is asked what a new address may send, seconds.
const ASKING_SECONDS: u64 = 1;
/// How long it is remembered that a destination has addresses of one family only, seconds.
const FAMILY_SECONDS: u64 = 3_600;

/// What may be used where.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) pools: Arc<Pools>,
    /// Those that this machine doesn't have.
    missing: BTreeSet<SourceId>,
    /// Those that another worker uses.
    others: BTreeSet<SourceId>,
    aside: BTreeMap<DestinationName, BTreeMap<SourceId, Aside>>,
    purses: BTreeMap<(Receiver, SourceId), Purse>,
    /// Of which more is to be asked for.
    wanting: BTreeSet<(Receiver, SourceId)>,
    families: BTreeMap<DestinationName, (Family, Timestamp)>,
}

/// What is believed of new addresses of which the directory has to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    /// They may be used: more is not known yet.
    Hope,
    /// They may not.
    Doubt,
}

/// A source that is set aside, or was lately.
#[derive(Clone, Copy, Debug)]
struct Aside {
    until: Timestamp,
    /// How long the last time was.
    seconds: u64,
    keeping: Keeping,
}

/// Does the directory know?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    NotYet,
    Kept,
}

/// A delivery that looks for a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traveller<'a> {
    pub(crate) pool: PoolId,
    pub(crate) tenant: DomainId,
    pub(crate) destination: &'a DestinationName,
    /// Its receiver's name, if a profile knows it.
    pub(crate) site: Option<&'a str>,
    pub(crate) prefers: Family,
}

impl Traveller<'_> {
    fn receiver(&self) -> Receiver {
        match self.site {
            Some(name) => Receiver::Known(name.to_owned()),
            None => Receiver::Destination(self.destination.clone()),
        }
    }
}

impl Sources {
    pub(crate) fn new(pools: Arc<Pools>) -> Sources {
        Sources {
            pools,
            missing: BTreeSet::new(),
            others: BTreeSet::new(),
            aside: BTreeMap::new(),
            purses: BTreeMap::new(),
            wanting: BTreeSet::new(),
            families: BTreeMap::new(),
        }
    }

    /// Messages that a source may send to each receiver today; `None`: any number.
    fn limit(&self, now: Timestamp, source: SourceId) -> Option<u32> {
        self.pools.source(source)?.warm_up.as_ref()?.limit(now)
    }

    fn purse(&self, receiver: &Receiver, source: SourceId) -> Purse {
        self.purses.get(&(receiver.clone(), source)).copied().unwrap_or_default()
    }

    /// A delivery looks for a source: of new addresses that it might leave from there is to be enough.
    pub(crate) fn expect(&mut self, now: Timestamp, traveller: &Traveller<'_>) {
        for pool in self.pools.chain(traveller.pool) {
            for source in self.pools.of(pool) {
                let Some(limit) = self.limit(now, *source).filter(|limit| *limit > 0) else { continue };
                let receiver = traveller.receiver();
                if self.purse(&receiver, *source).wants(now, limit).is_some() {
                    self.wanting.insert((receiver, *source));
                }
            }
        }
    }

    /// The sources that may be used, of the first pool that has any: those of the preferred family first, and by the tenant's order. Or
    /// when to look again.
    pub(crate) fn candidates(&self, now: Timestamp, traveller: &Traveller<'_>) -> Result<Vec<SourceId>, Timestamp> {
        self.find(now, traveller, Belief::Hope)
    }

    /// The same for a delivery that is leased. It waits a moment for a new address of which the directory is being asked, rather than leave by a pool
    /// that only helps out.
    pub(crate) fn certain(&self, now: Timestamp, traveller: &Traveller<'_>) -> Result<Vec<SourceId>, Timestamp> {
        self.find(now, traveller, Belief::Doubt)
    }

    /// The source for what an operator wants tried: one whose share of the day is spent, too, but none that is set aside or missing.
    pub(crate) fn urged(&self, now: Timestamp, traveller: &Traveller<'_>) -> Option<SourceId> {
        let is_there = |source: &SourceId| {
            !self.is_absent(*source)
                && self.aside_until(now, traveller.destination, *source).is_none()
                && self.limit(now, *source) != Some(0)
        };
        let of = |pool| self.pools.order(pool, traveller.tenant, traveller.destination).into_iter().find(is_there);
        self.pools.chain(traveller.pool).into_iter().find_map(of)
    }

    fn find(&self, now: Timestamp, traveller: &Traveller<'_>, belief: Belief) -> Result<Vec<SourceId>, Timestamp> {
        let mut soonest = None;
        for pool in self.pools.chain(traveller.pool) {
            let mut found = Vec::new();
            let mut asking = false;
            for source in self.pools.order(pool, traveller.tenant, traveller.destination) {
                match self.usable(now, source, traveller) {
                    Ok(Stock::Unknown) if belief == Belief::Doubt => asking = true,
                    Ok(_) => found.push(source),
                    Err(until) => soonest = Some(soonest.map_or(until, |soonest: Timestamp| soonest.min(until))),
                }
            }
            if let Some((family, _)) = self.families.get(traveller.destination).filter(|(_, until)| *until > now)
                && found.iter().any(|source| self.is_of(*source, *family))
            {
                found.retain(|source| self.is_of(*source, *family));
            }
            found.sort_by_key(|source| !self.is_of(*source, traveller.prefers));
            if !found.is_empty() {
                return Ok(found);
            }
            if asking {
                return Err(now.plus_seconds(ASKING_SECONDS));
            }
        }
        Err(soonest.unwrap_or_else(|| now.plus_seconds(MISSING_SECONDS)))
    }

    /// Does this machine not have it, or another worker use it?
    pub(crate) fn is_absent(&self, source: SourceId) -> bool {
        self.missing.contains(&source) || self.others.contains(&source)
    }

    /// Is it of this family? The system's choice is of both.
    pub(crate) fn is_of(&self, source: SourceId, family: Family) -> bool {
        let address = self.pools.source(source).and_then(|source| source.address);
        address.is_none_or(|address| Family::of(address) == family)
    }

    fn usable(&self, now: Timestamp, source: SourceId, traveller: &Traveller<'_>) -> Result<Stock, Timestamp> {
        if self.missing.contains(&source) {
            return Err(now.plus_seconds(MISSING_SECONDS));
        }
        if self.others.contains(&source) {
            return Err(now.plus_seconds(ANOTHERS_SECONDS));
        }
        if let Some(until) = self.aside_until(now, traveller.destination, source) {
            return Err(until.min(now.plus_seconds(limits::QUEUE_SUSPENDED_SECONDS)));
        }
        let longest = tomorrow(now).min(now.plus_seconds(SPENT_SECONDS_MAX));
        match self.limit(now, source) {
            None => Ok(Stock::Some),
            Some(0) => Err(longest),
            Some(_) => match self.purse(&traveller.receiver(), source).stock(now) {
                Stock::Spent(until) => Err(until.min(longest)),
                stock => Ok(stock),
            },
        }
    }

    /// A delivery is to leave from there.
    pub(crate) fn taken(&mut self, now: Timestamp, source: SourceId, traveller: &Traveller<'_>) {
        if self.limit(now, source).is_some() {
            self.purses.entry((traveller.receiver(), source)).or_default().take(now);
        }
    }

    /// It does not leave after all.
    pub(crate) fn returned(&mut self, now: Timestamp, source: SourceId, traveller: &Traveller<'_>) {
        if let Some(purse) = self.purses.get_mut(&(traveller.receiver(), source)) {
            purse.take_back(now);
        }
    }

    /// This machine has it, or not. Says whether that is news.
    pub(crate) fn present(&mut self, source: SourceId, presence: Presence) -> bool {
        match presence {
            Presence::Here => self.missing.remove(&source),
            Presence::Missing => self.missing.insert(source),
        }
    }

    /// Addresses that this worker would use.
    pub(crate) fn here(&self) -> Vec<IpAddr> {
        let all = self.pools.addressed().filter(|(id, ..)| !self.missing.contains(id));
        all.map(|(_, address, _)| address).take(limits::QUEUE_SOURCES_PER_WORKER_MAX).collect()
    }

    /// Of several workers, this one alone uses these addresses, and no others. Which it may use no more.
    pub(crate) fn granted(&mut self, addresses: &BTreeSet<IpAddr>) -> Vec<SourceId> {
        let others = self.pools.addressed().filter(|(_, address, _)| !addresses.contains(address));
        let others = others.map(|(id, ..)| id).collect();
        let before = std::mem::replace(&mut self.others, others);
        self.others.difference(&before).copied().collect()
    }

    /// Those that this worker may use, whatever destinations make of them.
    pub(crate) fn own(&self) -> BTreeSet<SourceId> {
        let all = self.pools.addressed().map(|(id, ..)| id);
        all.filter(|id| !self.missing.contains(id) && !self.others.contains(id)).collect()
    }

    /// The destination's hosts have only addresses of this family.
    pub(crate) fn learn(&mut self, now: Timestamp, destination: &DestinationName, family: Family) {
        self.families.insert(destination.clone(), (family, now.plus_seconds(FAMILY_SECONDS)));
    }

    /// Sets a source aside at a destination, for longer than the last time; until when. `None`: it is set aside already, or is the system's
    /// choice, which nobody can do without.
    pub(crate) fn set_aside(
        &mut self,
        now: Timestamp,
        destination: &DestinationName,
        source: SourceId,
    ) -> Option<Timestamp> {
        self.pools.source(source)?.address?;
        let known = self.aside.entry(destination.clone()).or_default();
        let seconds = match known.get(&source) {
            Some(last) if last.until > now => return None,
            Some(last) => last.seconds.saturating_mul(2).min(ASIDE_SECONDS_MAX),
            None => ASIDE_SECONDS_MIN,
        };
        let until = now.plus_seconds(seconds);
        known.insert(source, Aside { until, seconds, keeping: Keeping::NotYet });
        Some(until)
    }

    /// What the directory keeps is in force, and what it kept no longer is over.
    pub(crate) fn keep(&mut self, now: Timestamp, kept: &BTreeMap<(DestinationName, IpAddr), (Timestamp, Timestamp)>) {
        for (destination, sources) in &mut self.aside {
            for (source, aside) in sources {
                let address = self.pools.source(*source).and_then(|source| source.address);
                let known = address.is_some_and(|address| kept.contains_key(&(destination.clone(), address)));
                if !known && aside.keeping == Keeping::Kept {
                    aside.until = aside.until.min(now);
                }
            }
        }
        for ((destination, address), (since, until)) in kept {
            let Some(source) = self.pools.at(*address) else { continue };
            let sources = self.aside.entry(destination.clone()).or_default();
            // A worker that begins goes on where others were.
            let told = (until.millis_since(*since).div_ceil(1_000)).clamp(ASIDE_SECONDS_MIN, ASIDE_SECONDS_MAX);
            match sources.get(&source) {
                Some(known) if known.until > *until && known.keeping == Keeping::NotYet => {}
                None if *until <= now => {
                    sources.insert(source, Aside { until: *until, seconds: told, keeping: Keeping::Kept });
                }
                known => {
                    let seconds = known.map_or(told, |aside| aside.seconds.max(told));
                    sources.insert(source, Aside { until: *until, seconds, keeping: Keeping::Kept });
                }
            }
        }
    }

    /// A source delivered mail to a destination: if it was set aside there, that is forgotten.
    pub(crate) fn delivered(&mut self, now: Timestamp, destination: &DestinationName, source: SourceId) {
        if let Some(sources) = self.aside.get_mut(destination) {
            sources.retain(|known, aside| *known != source || aside.until > now);
        }
    }

    /// Until when it is set aside at a destination.
    pub(crate) fn aside_until(
        &self,
        now: Timestamp,
        destination: &DestinationName,
        source: SourceId,
    ) -> Option<Timestamp> {
        let aside = self.aside.get(destination)?.get(&source)?;
        (aside.until > now).then_some(aside.until)
    }

    /// At how many destinations a source is set aside.
    pub(crate) fn asides(&self, now: Timestamp, source: SourceId) -> usize {
        self.aside.values().filter(|known| known.get(&source).is_some_and(|aside| aside.until > now)).count()
    }

    /// Has this machine none of the addresses that a pool's mail may leave from?
    pub(crate) fn lacks(&self, pool: PoolId) -> bool {
        let lacks = |source: &SourceId| self.missing.contains(source) || self.others.contains(source);
        let missing = |pool: PoolId| self.pools.of(pool).iter().all(lacks);
        self.pools.chain(pool).into_iter().all(missing)
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.aside.retain(|_, known| {
            known.retain(|_, aside| aside.until.plus_seconds(ASIDE_REMEMBERED_SECONDS) > now);
            !known.is_empty()
        });
        self.purses.retain(|_, purse| !purse.is_over(now));
        self.families.retain(|_, (_, until)| *until > now);
    }
}

/// What is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unused {
    ForLong,
    All,
}

/// Has this machine an address?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Missing,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use yubin_types::{DestinationName, DomainId, Timestamp, limits};

    use super::{ASIDE_SECONDS_MAX, ASIDE_SECONDS_MIN, MISSING_SECONDS, Presence, Sources, Traveller, Unused};
    use crate::pools::tests::{hostname, pool};
    use crate::pools::{Pool, Pools, SourceId};
    use crate::profile::Family;
    use crate::warm_up::WarmUp;

    const NOW: Timestamp = Timestamp(20_000 * 86_400_000);

    fn sources(configured: &[Pool]) -> Sources {
        Sources::new(Arc::new(Pools::new(configured, &hostname())))
    }

    fn to(text: &str) -> DestinationName {
        DestinationName::parse(text).unwrap()
    }

    fn at(sources: &Sources, now: Timestamp, destination: &str, prefers: Family) -> Result<Vec<String>, u64> {
        let destination = to(destination);
        let pool = sources.pools.choose(
            crate::pools::MailKind::Submission,
            &yubin_state::queue::Tenant { name: hostname(), plan: "basic".to_owned() },
        );
        let traveller = Traveller { pool, tenant: DomainId(1), destination: &destination, site: None, prefers };
        let shown = |id: SourceId| sources.pools.source(id).unwrap().address.unwrap().to_string();
        let found = sources.candidates(now, &traveller).map(|found| found.into_iter().map(shown).collect());
        found.map_err(|until| until.millis_since(now) / 1_000)
    }

    fn sorted(found: Result<Vec<String>, u64>) -> Vec<String> {
        let mut found = found.unwrap();
        found.sort();
        found
    }

    fn id(sources: &Sources, address: &str) -> SourceId {
        sources.pools.at(address.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_blocked_address_is_left_out_at_that_destination_for_longer_each_time() {
        let mut sources = sources(&[pool("default", &["192.0.2.1", "192.0.2.2"])]);
        let first = id(&sources, "192.0.2.1");
        let mut now = NOW;
        for seconds in [ASIDE_SECONDS_MIN, 2 * ASIDE_SECONDS_MIN, 4 * ASIDE_SECONDS_MIN] {
            assert_eq!(sources.set_aside(now, &to("a.example"), first), Some(now.plus_seconds(seconds)));
            assert_eq!(sources.set_aside(now, &to("a.example"), first), None, "once is enough");
            assert_eq!(sorted(at(&sources, now, "a.example", Family::V4)), ["192.0.2.2"]);
            assert_eq!(sorted(at(&sources, now, "b.example", Family::V4)).len(), 2, "others don't block it");
            now = now.plus_seconds(seconds);
            assert_eq!(sorted(at(&sources, now, "a.example", Family::V4)).len(), 2);
        }
        (0..20).for_each(|_| {
            now = sources.set_aside(now, &to("a.example"), first).unwrap();
        });
        assert_eq!(sources.set_aside(now, &to("a.example"), first), Some(now.plus_seconds(ASIDE_SECONDS_MAX)));
        now = now.plus_seconds(ASIDE_SECONDS_MAX);
        sources.delivered(now, &to("a.example"), first);
        assert_eq!(sources.set_aside(now, &to("a.example"), first), Some(now.plus_seconds(ASIDE_SECONDS_MIN)));
        assert_eq!(sources.set_aside(now, &to("a.example"), SourceId::SYSTEM), None);
    }

    #[test]
    fn what_the_directory_keeps_counts_and_ends_there() {
        let mut sources = sources(&[pool("default", &["192.0.2.1"])]);
        let first = id(&sources, "192.0.2.1");
        let until = sources.set_aside(NOW, &to("a.example"), first).unwrap();
        sources.keep(NOW, &BTreeMap::new());
        assert!(at(&sources, NOW, "a.example", Family::V4).is_err(), "the directory has not heard of it yet");
        let key = (to("a.example"), "192.0.2.1".parse().unwrap());
        sources.keep(NOW, &BTreeMap::from([(key.clone(), (NOW, until))]));
        assert!(at(&sources, NOW, "a.example", Family::V4).is_err());
        sources.keep(NOW, &BTreeMap::new());
        assert!(at(&sources, NOW, "a.example", Family::V4).is_ok(), "somebody ended it");
        // Another worker met a block, or an operator wants it so: for long.
        sources.keep(NOW, &BTreeMap::from([(key, (NOW, NOW.plus_seconds(1_000_000)))]));
        let wait = at(&sources, NOW, "a.example", Family::V4).unwrap_err();
        assert_eq!(wait, limits::QUEUE_SUSPENDED_SECONDS, "its end is noticed");
        assert_eq!(sources.asides(NOW, first), 1);
        // A worker that begins knows how long the last time was.
        let mut next = super::Sources::new(Arc::clone(&sources.pools));
        let over = (Timestamp(NOW.millis() - 4 * ASIDE_SECONDS_MIN * 1_000), Timestamp(NOW.millis() - 1_000));
        next.keep(NOW, &BTreeMap::from([((to("a.example"), "192.0.2.1".parse().unwrap()), over)]));
        assert!(at(&next, NOW, "a.example", Family::V4).is_ok());
        let until = next.set_aside(NOW, &to("a.example"), first).unwrap();
        assert_eq!(until.millis_since(NOW) / 1_000, 2 * (4 * ASIDE_SECONDS_MIN - 1));
    }

    #[test]
    fn a_new_address_sends_what_its_day_allows_and_the_others_send_the_rest() {
        let mut configured = pool("default", &["192.0.2.1", "192.0.2.2"]);
        configured.addresses[0].warm_up = Some(WarmUp { first_day: 20_000, per_day: vec![2] });
        let mut sources = sources(&[configured]);
        let (new, destination) = (id(&sources, "192.0.2.1"), to("a.example"));
        let traveller = Traveller {
            pool: sources.pools.source(new).unwrap().pool,
            tenant: DomainId(1),
            destination: &destination,
            site: None,
            prefers: Family::V4,
        };
        let other = id(&sources, "192.0.2.2");
        assert_eq!(sources.certain(NOW, &traveller), Ok(vec![other]), "the directory knows what it has sent");
        sources.present(other, Presence::Missing);
        assert_eq!(sources.certain(NOW, &traveller), Err(NOW.plus_seconds(1)));
        sources.present(other, Presence::Here);
        sources.expect(NOW, &traveller);
        let asked = sources.wishes(NOW);
        assert_eq!((asked.len(), asked[0].messages, asked[0].limit), (1, 2, 2));
        assert!(sources.wishes(NOW).is_empty());
        sources.fill(NOW, asked, &[1]);
        for _ in 0..2 {
            sources.taken(NOW, new, &traveller);
        }
        assert_eq!(sorted(at(&sources, NOW, "a.example", Family::V4)), ["192.0.2.2"]);
        sources.returned(NOW, new, &traveller);
        assert_eq!(sorted(at(&sources, NOW, "a.example", Family::V4)).len(), 2);
        assert_eq!(sorted(at(&sources, NOW, "b.example", Family::V4)).len(), 2);
        assert_eq!(sorted(at(&sources, NOW.plus_seconds(86_400), "a.example", Family::V4)).len(), 2);
        // Before its first day it is not used.
        assert_eq!(sorted(at(&sources, Timestamp(NOW.millis() - 1), "b.example", Family::V4)), ["192.0.2.2"]);
        let left = sources.unused(NOW, Unused::All);
        assert_eq!((left.len(), left[0].returned), (1, 1));
        assert_eq!(sorted(at(&sources, NOW, "a.example", Family::V4)), ["192.0.2.2"]);
    }

    #[test]
    fn another_pool_helps_out_where_none_of_the_own_addresses_may_be_used() {
        let first = Pool { fallback: Some("other".to_owned()), ..pool("default", &["192.0.2.1", "192.0.2.2"]) };
        let mut sources = sources(&[first, pool("other", &["192.0.2.9"])]);
        let (one, two) = (id(&sources, "192.0.2.1"), id(&sources, "192.0.2.2"));
        assert!(sources.present(one, Presence::Missing) && !sources.present(one, Presence::Missing));
        assert_eq!(sorted(at(&sources, NOW, "a.example", Family::V4)), ["192.0.2.2"]);
        sources.set_aside(NOW, &to("a.example"), two);
        assert_eq!(sorted(at(&sources, NOW, "a.example", Family::V4)), ["192.0.2.9"]);
        sources.present(id(&sources, "192.0.2.9"), Presence::Missing);
        assert_eq!(at(&sources, NOW, "a.example", Family::V4), Err(MISSING_SECONDS));
        assert!(sources.present(one, Presence::Here));
        assert_eq!(sorted(at(&sources, NOW, "a.example", Family::V4)), ["192.0.2.1"]);
    }

    #[test]
    fn the_preferred_family_goes_first_unless_the_destination_has_none_of_it() {
        let mut sources = sources(&[pool("default", &["192.0.2.1", "2001:db8::1"])]);
        assert_eq!(at(&sources, NOW, "a.example", Family::V4).unwrap(), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(at(&sources, NOW, "a.example", Family::V6).unwrap(), ["2001:db8::1", "192.0.2.1"]);
        sources.learn(NOW, &to("a.example"), Family::V6);
        assert_eq!(at(&sources, NOW, "a.example", Family::V4).unwrap(), ["2001:db8::1"]);
        assert_eq!(at(&sources, NOW.plus_seconds(3_600), "a.example", Family::V4).unwrap().len(), 2);
        sources.present(id(&sources, "2001:db8::1"), Presence::Missing);
        assert_eq!(at(&sources, NOW, "a.example", Family::V4).unwrap(), ["192.0.2.1"], "better tried than not");
    }
}
