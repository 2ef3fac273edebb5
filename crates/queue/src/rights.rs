//! What this worker may use of receivers' limits (docs/rfd/0018).
//!
//! A pure value. A worker alone may use all of them. Of several, each receiver has one as its owner, by rendezvous hashing over the roster
//! that the directory keeps; the owner uses the whole limit while nobody shares it, others what the directory granted them. After the roster
//! changed, an owner goes on with what it had, and begins with what it gained when all workers act by the new roster.
//!
//! How long any of this is good is not known here (`sharing`).

use std::collections::BTreeSet;

use yubin_state::queue::{QueueId, Receiver, SharedLimit, Shares};
use yubin_types::{DestinationName, Timestamp};

/// What may be used.
#[derive(Debug)]
pub(crate) struct Rights {
    worker: String,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    /// There is no other worker.
    Alone,
    Among(Box<Known>),
}

#[derive(Debug, Default)]
struct Known {
    shares: Shares,
    /// The last roster that all workers acted by, with its epoch.
    settled: (u64, Vec<String>),
}

/// For whom something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Owners may be others.
    All,
    These(BTreeSet<Receiver>),
}

/// Whose turn a delivery is, of workers that share its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Ours,
    Anothers,
    /// Nobody shares: so many workers go before this one.
    Rank(u32),
}

impl Rights {
    /// Of the only worker.
    pub(crate) fn alone() -> Rights {
        Rights { worker: String::new(), standing: Standing::Alone }
    }

    /// Of one of several, which knows nothing yet and may use nothing.
    pub(crate) fn among_others(worker: &str) -> Rights {
        Rights { worker: worker.to_owned(), standing: Standing::Among(Box::default()) }
    }

    /// Are there others?
    pub(crate) fn are_shared(&self) -> bool {
        matches!(self.standing, Standing::Among(_))
    }

    /// What the directory said last.
    pub(crate) fn shares(&self) -> Option<&Shares> {
        match &self.standing {
            Standing::Alone => None,
            Standing::Among(known) => Some(&known.shares),
        }
    }

    /// This worker's name.
    pub(crate) fn worker(&self) -> &str {
        &self.worker
    }

    /// The directory says this.
    pub(crate) fn learn(&mut self, shares: Shares) -> Changed {
        let Standing::Among(known) = &mut self.standing else { return Changed::These(BTreeSet::new()) };
        let before = std::mem::replace(&mut known.shares, shares);
        let roster = &known.shares.roster;
        // Who was thought to be gone goes on with nothing.
        let joined = roster.member(&self.worker).map(|member| member.joined);
        if joined.is_none_or(|joined| joined > known.settled.0) {
            known.settled = (0, Vec::new());
        }
        if joined.is_some() && roster.is_settled() {
            known.settled = (roster.epoch, roster.members.iter().map(|member| member.worker.clone()).collect());
        }
        if (before.roster.epoch, before.roster.is_settled()) != (roster.epoch, roster.is_settled()) {
            return Changed::All;
        }
        let limits = (&before.limits, &known.shares.limits);
        let all = limits.0.keys().chain(limits.1.keys());
        Changed::These(all.filter(|receiver| limits.0.get(receiver) != limits.1.get(receiver)).cloned().collect())
    }

    /// Deliveries at a time that may be under way to a receiver with this limit.
    pub(crate) fn allowance(&self, receiver: &Receiver, limit: u32) -> u32 {
        match &self.standing {
            Standing::Alone => u32::MAX,
            Standing::Among(known) => match known.shares.limits.get(receiver) {
                Some(shared) => {
                    shared.share(&self.worker).map_or(0, |share| share.lanes.min(shared.fair(&self.worker)))
                }
                None if self.has_whole(known, receiver) => limit,
                None => 0,
            },
        }
    }

    /// Is the receiver this worker's alone?
    pub(crate) fn is_whole(&self, receiver: &Receiver) -> bool {
        match &self.standing {
            Standing::Alone => true,
            Standing::Among(known) => !known.shares.limits.contains_key(receiver) && self.has_whole(known, receiver),
        }
    }

    fn has_whole(&self, known: &Known, receiver: &Receiver) -> bool {
        let owns = |owner: Option<&str>| owner == Some(self.worker.as_str());
        // Where all act by the new roster, it is the one that is settled.
        owns(self.owner(receiver)) && owns(first(known.settled.1.iter().map(String::as_str), receiver))
    }

    /// Whose it is while nobody shares it.
    pub(crate) fn owner(&self, receiver: &Receiver) -> Option<&str> {
        let members = &self.shares()?.roster.members;
        first(members.iter().map(|member| member.worker.as_str()), receiver)
    }

    /// A receiver that is shared.
    pub(crate) fn shared(&self, receiver: &Receiver) -> Option<&SharedLimit> {
        self.shares()?.limits.get(receiver)
    }

    /// Until when others leave a destination alone.
    pub(crate) fn pause(&self, receiver: &Receiver, destination: &DestinationName) -> Option<Timestamp> {
        self.shared(receiver)?.pauses.get(destination).copied()
    }

    /// Whose turn a message is. Workers share the work at a receiver where its owner has more than it takes at a time.
    pub(crate) fn turn(&self, receiver: &Receiver, id: QueueId) -> Turn {
        let Some(shares) = self.shares() else { return Turn::Rank(0) };
        if let Some(shared) = shares.limits.get(receiver) {
            let busy = shared.shares.iter().filter(|share| shared.fair(&share.worker) > 0);
            let workers: Vec<&str> = busy.map(|share| share.worker.as_str()).collect();
            let owner = self.owner(receiver).and_then(|owner| shared.share(owner));
            let crowded = owner.is_none_or(|share| share.wanted >= shared.limit);
            if crowded && workers.len() > 1 && workers.contains(&self.worker.as_str()) {
                // The end of an id is random.
                let place = id.0.last().map_or(0, |&last| usize::from(last)) % workers.len();
                return if workers.get(place) == Some(&self.worker.as_str()) { Turn::Ours } else { Turn::Anothers };
            }
        }
        let name = receiver.to_string();
        let own = weight(&self.worker, &name);
        let others = shares.roster.members.iter().filter(|member| member.worker != self.worker);
        let before = others.filter(|member| weight(&member.worker, &name) > own).count();
        Turn::Rank(u32::try_from(before).unwrap_or(u32::MAX))
    }
}

fn first<'a>(workers: impl Iterator<Item = &'a str>, receiver: &Receiver) -> Option<&'a str> {
    let name = receiver.to_string();
    workers.max_by_key(|worker| weight(worker, &name))
}

/// What a worker weighs for something (rendezvous hashing): the heaviest has it.
pub(crate) fn weight(worker: &str, what: &str) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(worker.as_bytes()).update(&[0]).update(what.as_bytes());
    *hash.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use yubin_state::queue::{Member, QueueId, Receiver, Roster, Shares};
    use yubin_types::{DestinationName, Timestamp};

    use super::{Rights, Turn};

    fn shares(names: &[String], epoch: u64) -> Shares {
        let member = |name: &String| Member {
            worker: name.clone(),
            until: Timestamp(u64::MAX),
            joined: 1,
            seen: epoch,
            number: 0,
            addresses: BTreeSet::new(),
        };
        Shares { roster: Roster { epoch, members: names.iter().map(member).collect() }, ..Shares::default() }
    }

    #[test]
    fn workers_share_receivers_and_agree_on_the_order() {
        let names: Vec<String> = (0..3).map(|number| format!("worker-{number}")).collect();
        let mut all: Vec<Rights> = names.iter().map(|name| Rights::among_others(name)).collect();
        all.iter_mut().for_each(|rights| drop(rights.learn(shares(&names, 1))));
        let mut firsts = [0; 3];
        for number in 0..3_000 {
            let receiver = Receiver::Destination(DestinationName::parse(&format!("d{number}.example")).unwrap());
            let ranks = all.iter().map(|rights| match rights.turn(&receiver, QueueId([0; 16])) {
                Turn::Rank(rank) => rank,
                other => panic!("{other:?}"),
            });
            let mut ranks: Vec<u32> = ranks.collect();
            let first = ranks.iter().position(|&rank| rank == 0).unwrap();
            firsts[first] += 1;
            assert_eq!(all[0].owner(&receiver), Some(names[first].as_str()));
            let allowed: Vec<u32> = all.iter().map(|rights| rights.allowance(&receiver, 20)).collect();
            assert_eq!((allowed[first], allowed.iter().sum::<u32>()), (20, 20));
            ranks.sort_unstable();
            assert_eq!(ranks, [0, 1, 2]);
        }
        assert!(firsts.iter().all(|count| (900..1_100).contains(count)), "{firsts:?}");
        let known = Receiver::Known("gmail".to_owned());
        assert_eq!(Rights::alone().turn(&known, QueueId([0; 16])), Turn::Rank(0));
        assert_eq!(
            (Rights::alone().allowance(&known, 20), Rights::among_others("w").allowance(&known, 20)),
            (u32::MAX, 0)
        );
    }
}
