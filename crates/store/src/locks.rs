//! POP3 locks (RFC 1939 §4): in the memory of the group's leader, with a lease that its holder renews.
//!
//! A new leader knows no locks, so it grants none before every lease its predecessor may have granted is over; a leader that has no
//! peers had no predecessor but itself, restarted, and its holders' sessions renew under their tokens or find theirs gone. QUIT's
//! expunge names UIDs, so a lock that is lost never deletes the wrong message.
//!
//! A lease that is over counts as none where it is met. Those that nobody meets again go in a sweep, so that a login does not cost more
//! the more locks are held.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use yubin_consensus::GroupId;
use yubin_proto::{LockAction, StoreError};
use yubin_types::{AccountId, DomainId, limits};

const LEASE: Duration = Duration::from_secs(limits::POP3_LOCK_SECONDS);
/// Pause between two sweeps.
const SWEEP_PAUSE: Duration = LEASE;

/// Which INBOX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LockName {
    pub(crate) group: GroupId,
    pub(crate) domain: DomainId,
    pub(crate) account: AccountId,
}

#[derive(Clone, Copy)]
struct Held {
    token: [u8; 16],
    until: Instant,
}

/// The leadership under which a lock is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leader {
    pub(crate) term: u64,
    pub(crate) predecessor: Predecessor,
}

/// Locks of the groups that this node leads.
#[derive(Default)]
pub(crate) struct Locks {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    held: HashMap<LockName, Held>,
    /// Since when this node leads each group, and in which term.
    terms: HashMap<GroupId, (u64, Instant)>,
    /// Not before that are leases looked through again.
    next_sweep: Option<Instant>,
}

impl Inner {
    /// Who holds a lock now.
    fn holder(&self, name: &LockName, now: Instant) -> Option<[u8; 16]> {
        self.held.get(name).filter(|held| held.until > now).map(|held| held.token)
    }

    /// Forgets leases that are over, if it is time.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|next| next <= now) {
            self.held.retain(|_, held| held.until > now);
            self.next_sweep = Some(now + SWEEP_PAUSE);
        }
    }
}

/// Whether an earlier leader may have granted locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predecessor {
    /// Another node may have led.
    Possible,
    /// The group has no other voter.
    None,
}

impl Locks {
    /// This node leads the group in this term, since `now` if that is news; what it granted in an earlier term is void.
    pub(crate) fn began(&self, group: GroupId, term: u64, now: Instant) -> Instant {
        let mut inner = self.inner.lock();
        match inner.terms.get(&group) {
            Some((known, since)) if *known == term => *since,
            _ => {
                inner.terms.insert(group, (term, now));
                inner.held.retain(|held, _| held.group != group);
                now
            }
        }
    }

    /// Carries out an action for the holder of a token; answers whether it holds the lock now.
    pub(crate) fn act(
        &self,
        name: LockName,
        leader: Leader,
        token: [u8; 16],
        action: LockAction,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let since = self.began(name.group, leader.term, now);
        let old_leases_may_run = leader.predecessor == Predecessor::Possible && now < since + LEASE;
        let mut inner = self.inner.lock();
        inner.sweep(now);
        let holder = inner.holder(&name, now);
        match (action, holder) {
            (LockAction::Release, Some(holder)) if holder == token => {
                inner.held.remove(&name);
                Ok(false)
            }
            (LockAction::Release, _) => Ok(false),
            (_, Some(holder)) if holder != token => Ok(false),
            (LockAction::Take, None) if old_leases_may_run => {
                Err(StoreError::Unavailable("a new leader waits for old locks to end".to_owned()))
            }
            (LockAction::Take | LockAction::Renew, _) => {
                inner.held.insert(name, Held { token, until: now + LEASE });
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountId, DomainId, GroupId, Instant, LEASE, Leader, LockAction, LockName, Locks, Predecessor};

    const NAME: LockName = LockName { group: GroupId(1), domain: DomainId(2), account: AccountId(3) };
    const A: [u8; 16] = [1; 16];
    const B: [u8; 16] = [2; 16];

    #[test]
    fn a_lock_is_exclusive_until_its_lease_ends() {
        let locks = Locks::default();
        let leader = Leader { term: 1, predecessor: Predecessor::None };
        let mut now = Instant::now();
        let act = |token, action, now| locks.act(NAME, leader, token, action, now);
        assert_eq!(act(A, LockAction::Take, now), Ok(true));
        assert_eq!(act(B, LockAction::Take, now), Ok(false));
        now += LEASE / 2;
        assert_eq!(act(A, LockAction::Renew, now), Ok(true));
        now += LEASE * 3 / 4;
        assert_eq!(act(B, LockAction::Take, now), Ok(false));
        now += LEASE;
        assert_eq!(act(B, LockAction::Take, now), Ok(true));
        assert_eq!(act(A, LockAction::Release, now), Ok(false));
        assert_eq!(act(A, LockAction::Take, now), Ok(false));
        assert_eq!(act(B, LockAction::Release, now), Ok(false));
        assert_eq!(act(A, LockAction::Take, now), Ok(true));
    }

    #[test]
    fn leases_that_nobody_meets_again_are_swept_once_in_a_while() {
        let (locks, start) = (Locks::default(), Instant::now());
        let leader = Leader { term: 1, predecessor: Predecessor::None };
        let take = |account, now| {
            let name = LockName { account: AccountId(account), ..NAME };
            assert_eq!(locks.act(name, leader, A, LockAction::Take, now), Ok(true));
            locks.inner.lock().held.len()
        };
        assert_eq!(take(1, start), 1);
        assert_eq!(take(2, start + LEASE / 2), 2);
        // The first lease is over, the second is not.
        assert_eq!(take(3, start + LEASE), 2);
        // The second is over as well; a sweep was just made.
        assert_eq!(take(4, start + LEASE * 3 / 2), 3);
        assert_eq!(take(5, start + LEASE * 2), 2);
    }

    #[test]
    fn a_new_leader_waits_for_the_leases_of_the_old_one() {
        let locks = Locks::default();
        let start = Instant::now();
        let act = |term, token, action, now| {
            locks.act(NAME, Leader { term, predecessor: Predecessor::Possible }, token, action, now)
        };
        assert!(act(1, A, LockAction::Take, start).is_err());
        assert_eq!(act(1, A, LockAction::Take, start + LEASE), Ok(true));
        assert!(act(2, B, LockAction::Take, start + LEASE).is_err());
        // Whoever held the lock under the old leader may keep it.
        assert_eq!(act(2, A, LockAction::Renew, start + LEASE), Ok(true));
        assert_eq!(act(2, B, LockAction::Take, start + LEASE), Ok(false));
    }
}
