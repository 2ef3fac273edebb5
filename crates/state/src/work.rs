//! One entry at work on one domain: its rows that nearly every command needs, this entry's MODSEQ, its bodies and its topics.
//!
//! A handler reads and refuses first and writes afterwards, through the transaction; counters are kept here and written by
//! [`Work::finish`], which also settles the bodies: one that no row took is dropped, one that several rows took is counted.
//! A body's count is a row only while it is above one, so that the common delivery needs none.

use smallvec::SmallVec;
use yubin_types::{AccountId, DomainId, MailboxId, ModSeq, Refusal, Timestamp, UidValidity, Usage};

use crate::command::Login;
use crate::keys::{self, DueKind};
use crate::kv::{BodyRef, Txn, View};
use crate::record::Standing;
use crate::rows::{Account, Counters, Domain, Mailbox};
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};
use crate::topic::Topic;

/// Topics of an entry.
pub(crate) type Topics = SmallVec<[Topic; 2]>;

/// A domain, opened by an entry.
pub(crate) struct Work<'t, T: Txn> {
    pub(crate) txn: &'t mut T,
    /// The entry's time.
    pub(crate) now: Timestamp,
    pub(crate) id: DomainId,
    /// Write it with [`Work::save_domain`].
    pub(crate) domain: Domain,
    /// Written by [`Work::finish`].
    pub(crate) counters: Counters,
    pub(crate) topics: Topics,
    stored: Counters,
    bodies: &'t [BodyRef],
    taken: SmallVec<[u32; 1]>,
    stamped: Option<ModSeq>,
}

impl<'t, T: Txn> Work<'t, T> {
    /// Opens a domain; `None` if the group has none of this id.
    pub(crate) fn open(
        txn: &'t mut T,
        id: DomainId,
        now: Timestamp,
        bodies: &'t [BodyRef],
    ) -> Outcome<Option<Self>, T::Error> {
        let Some(domain) = txn.row(&keys::domain(id))? else { return Ok(None) };
        let counters = txn.row(&keys::counters(id))?.unwrap_or_default();
        let taken = bodies.iter().map(|_| 0).collect();
        let topics = Topics::new();
        Ok(Some(Work { txn, now, id, domain, counters, topics, stored: counters, bodies, taken, stamped: None }))
    }

    /// Writes what is kept here and settles the bodies.
    pub(crate) fn finish(self) -> Topics {
        if self.counters != self.stored {
            self.txn.set(&keys::counters(self.id), &self.counters);
        }
        for (body, &taken) in self.bodies.iter().zip(&self.taken) {
            match taken {
                0 => self.txn.drop_body(body),
                1 => {}
                several => self.txn.set(&keys::body_count(self.id, body), &several),
            }
        }
        self.topics
    }

    /// Writes the domain's settings.
    pub(crate) fn save_domain(&mut self) {
        self.txn.set(&keys::domain(self.id), &self.domain);
    }

    /// Tells watchers.
    pub(crate) fn changed(&mut self, topic: Topic) {
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    /// The MODSEQ of all changes of this entry.
    pub(crate) fn modseq(&mut self) -> ModSeq {
        *self.stamped.get_or_insert_with(|| {
            self.counters.modseq.0 += 1;
            self.counters.modseq
        })
    }

    /// A UIDVALIDITY above every earlier one. It starts from the clock, so that it also lies above those of an earlier domain of
    /// the same name.
    pub(crate) fn next_uid_validity(&mut self) -> UidValidity {
        let clock = u32::try_from(self.now.seconds()).unwrap_or(u32::MAX);
        self.counters.uid_validity = self.counters.uid_validity.saturating_add(1).max(clock);
        UidValidity(self.counters.uid_validity)
    }

    /// A new account's id.
    pub(crate) fn next_account(&mut self) -> AccountId {
        self.counters.account += 1;
        AccountId(self.counters.account)
    }

    /// A new mailbox's id.
    pub(crate) fn next_mailbox(&mut self) -> MailboxId {
        self.counters.mailbox += 1;
        MailboxId(self.counters.mailbox)
    }

    /// The account of a login that is still good.
    pub(crate) fn login(&self, login: Login) -> Outcome<Account, T::Error> {
        logged_in(&*self.txn, self.id, &self.domain, login)
    }

    /// A mailbox, if it belongs to the account.
    pub(crate) fn mailbox(&self, account: AccountId, mailbox: MailboxId) -> Outcome<Mailbox, T::Error> {
        mailbox_of(&*self.txn, self.id, account, mailbox)
    }

    /// Writes an account.
    pub(crate) fn save_account(&mut self, id: AccountId, account: &Account) {
        self.txn.set(&keys::account(self.id, id), account);
    }

    /// Charges an account and the domain.
    pub(crate) fn charge(&mut self, account: &mut Account, growth: Usage) {
        account.usage = account.usage.plus(growth);
        self.counters.usage = self.counters.usage.plus(growth);
    }

    /// Gives back to an account and the domain.
    pub(crate) fn refund(&mut self, account: &mut Account, shrinkage: Usage) {
        account.usage = less(account.usage, shrinkage);
        self.refund_domain(shrinkage);
    }

    /// Gives back to the domain alone, for an account that is gone.
    pub(crate) fn refund_domain(&mut self, shrinkage: Usage) {
        self.counters.usage = less(self.counters.usage, shrinkage);
    }

    /// Is there a body of this ordinal?
    pub(crate) fn body(&self, ordinal: u16) -> Result<BodyRef, Refusal> {
        let missing = || Refusal::InvalidValue { why: format!("the entry has no body {ordinal}") };
        self.bodies.get(usize::from(ordinal)).cloned().ok_or_else(missing)
    }

    /// A row takes the entry's body of this ordinal.
    pub(crate) fn take_body(&mut self, ordinal: u16) {
        if let Some(taken) = self.taken.get_mut(usize::from(ordinal)) {
            *taken += 1;
        }
    }

    /// Another row holds a stored body.
    pub(crate) fn hold_body(&mut self, body: &BodyRef) -> Outcome<(), T::Error> {
        let key = keys::body_count(self.id, body);
        let count = self.txn.row(&key)?.unwrap_or(1);
        self.txn.set(&key, &(count + 1));
        Ok(())
    }

    /// A row that held a stored body is gone.
    pub(crate) fn release_body(&mut self, body: &BodyRef) -> Outcome<(), T::Error> {
        let key = keys::body_count(self.id, body);
        match self.txn.row(&key)? {
            None => self.txn.drop_body(body),
            Some(0..=2) => self.txn.unset(&key),
            Some(count) => self.txn.set(&key, &(count - 1)),
        }
        Ok(())
    }

    /// Something of this kind is due at `at`, if nothing is earlier.
    pub(crate) fn due_by(&mut self, kind: DueKind, at: Timestamp) {
        if self.due(kind).is_none_or(|filed| at < filed) {
            self.due_at(kind, Some(at));
            self.changed(Topic::Due);
        }
    }

    /// The next of this kind is due at `at`, or nothing is.
    pub(crate) fn due_at(&mut self, kind: DueKind, at: Option<Timestamp>) {
        let filed = self.due(kind);
        if filed == at {
            return;
        }
        if let Some(old) = filed {
            self.txn.unset(&keys::due(kind, old, self.id));
        }
        if let Some(new) = at {
            self.txn.set(&keys::due(kind, new, self.id), &());
        }
        *match kind {
            DueKind::Trash => &mut self.counters.due_trash,
            DueKind::Vault => &mut self.counters.due_vault,
            DueKind::Graves => &mut self.counters.due_graves,
            DueKind::Events => &mut self.counters.due_events,
            DueKind::Notices => &mut self.counters.due_notices,
        } = at;
    }

    fn due(&self, kind: DueKind) -> Option<Timestamp> {
        match kind {
            DueKind::Trash => self.counters.due_trash,
            DueKind::Vault => self.counters.due_vault,
            DueKind::Graves => self.counters.due_graves,
            DueKind::Events => self.counters.due_events,
            DueKind::Notices => self.counters.due_notices,
        }
    }
}

/// The account of a login that is still good: same generation, nobody suspended.
pub(crate) fn logged_in<V: View>(view: &V, id: DomainId, domain: &Domain, login: Login) -> Outcome<Account, V::Error> {
    if let Standing::Suspended { reason, .. } = &domain.standing {
        return Err(Refusal::DomainSuspended { reason: reason.clone() }.into());
    }
    let account = view.row(&keys::account(id, login.account))?.ok_or(Refusal::StaleGeneration)?;
    if matches!(account.standing, Standing::Suspended { .. }) {
        return Err(Refusal::AccountSuspended.into());
    }
    if account.generation + domain.generation == login.generation {
        Ok(account)
    } else {
        Err(Refusal::StaleGeneration.into())
    }
}

/// A mailbox, if it belongs to the account.
pub(crate) fn mailbox_of<V: View>(
    view: &V,
    id: DomainId,
    account: AccountId,
    mailbox: MailboxId,
) -> Outcome<Mailbox, V::Error> {
    let row = view.row(&keys::mailbox(id, mailbox))?.filter(|row| row.account == account);
    row.ok_or_else(|| Refusal::NoSuchMailbox.into())
}

/// Usage below zero is a broken counter: stop this replica rather than go on with a wrong number.
fn less(usage: Usage, shrinkage: Usage) -> Usage {
    let rest = usage.minus(shrinkage);
    assert!(rest.is_some(), "usage {usage:?} can't give back {shrinkage:?}");
    rest.unwrap_or_default()
}
