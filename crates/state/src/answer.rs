//! Answers to queries: pure functions over a [`View`], one family per file.
//!
//! An answer tells the state at the view's applied index; whether that index is recent enough is the asker's business (ReadIndex).
//! Answers are bounded; scans touch hot rows, UID sets or names, and cold rows only where they are asked for.

pub(crate) mod accounts;
mod changes;
mod directory;
mod ends;
mod events;
mod mailboxes;
mod messages;
mod obstacles;
mod queue;
mod sums;
pub(crate) mod usage;

use yubin_types::{DomainId, Epoch, Refusal};

use crate::keys::{self, DueKind};
use crate::kv::View;
use crate::query::{Answer, Query};
use crate::rows::{Counters, Domain, Phase};
use crate::sending::{countries, reading, send_as};
use crate::stop::{Outcome, Stop};
use crate::table::Read as _;
use crate::vault::first_due;
use crate::work::logged_in;
use crate::{auto_reply, dkim, expunged, filtering, forward, greylist};

/// Answers a question on a domain; on the directory or the whole group where `domain` is 0.
///
/// # Errors
/// The disk failed.
///
/// # Panics
/// A row is damaged.
pub fn answer<V: View>(view: &V, domain: DomainId, epoch: Epoch, query: &Query) -> Result<Answer, V::Error> {
    let answer = match query {
        Query::ResolveDomain(_)
        | Query::Domains { .. }
        | Query::Nodes
        | Query::Groups
        | Query::Plans
        | Query::Tokens
        | Query::Setting(_)
        | Query::QueueSuspensions => directory::answer(view, query),
        Query::NextDue => next_due(view),
        Query::SendingNotices => reading::notices(view),
        Query::ForwardNotices => forward::reading::notices(view),
        Query::Queue(query) if domain == DomainId(0) => queue::answer(view, domain, query),
        _ => on_domain(view, domain, epoch, query),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(Stop::Refused(refusal)) => Ok(Answer::Refused(refusal)),
        Err(Stop::Disk(error)) => Err(error),
    }
}

/// A domain, opened for reading.
pub(crate) struct Reading<'v, V: View> {
    pub(crate) view: &'v V,
    pub(crate) id: DomainId,
    pub(crate) domain: Domain,
}

impl<V: View> Reading<'_, V> {
    fn counters(&self) -> Outcome<Counters, V::Error> {
        Ok(self.view.row(&keys::counters(self.id))?.unwrap_or_default())
    }
}

fn on_domain<V: View>(view: &V, id: DomainId, epoch: Epoch, query: &Query) -> Outcome<Answer, V::Error> {
    let domain = view.row(&keys::domain(id))?.ok_or(Refusal::StaleEpoch)?;
    if domain.epoch != epoch {
        return Err(Refusal::StaleEpoch.into());
    }
    if domain.phase == Phase::Deleting {
        return Err(Refusal::NoSuchDomain.into());
    }
    let reading = Reading { view, id, domain };
    match query {
        Query::Domain => Ok(Answer::Domain(reading.domain.record(id, &reading.counters()?))),
        Query::Recipient { local, bytes } => accounts::recipient(&reading, local, *bytes),
        Query::Credentials(local) => accounts::credentials(&reading, local),
        Query::Account(local) => accounts::account(&reading, local),
        Query::Accounts { after, limit } => accounts::accounts(&reading, after.as_ref(), *limit),
        Query::Aliases { after, limit } => accounts::aliases(&reading, after.as_ref(), *limit),
        Query::Mailboxes(login) => mailboxes::mailboxes(&reading, *login),
        Query::Select { login, name } => mailboxes::select(&reading, *login, name),
        Query::QuotaRoots(login) => mailboxes::quota_roots(&reading, *login),
        Query::Rows { login, mailbox, uids, changed_since, detail } => {
            let wanted = messages::Wanted { uids, changed_since: *changed_since, detail: *detail };
            messages::rows(&reading, *login, *mailbox, &wanted)
        }
        Query::Changes { login, mailbox, since } => changes::changes(&reading, *login, *mailbox, *since),
        Query::CheckLogin(login) => logged_in(view, id, &reading.domain, *login).map(|_| Answer::Ok),
        Query::Queue(query) => queue::answer(view, id, query),
        Query::Sending { login, sender, now } => reading::allowance(&reading, *login, sender.as_ref(), *now),
        Query::SendingReport(local) => reading::report(&reading, local),
        Query::SendAs(local) => send_as::answer(&reading, local),
        Query::NameHolder(local) => send_as::holder(&reading, local.as_ref()),
        Query::Forward(local) => forward::reading::forward(&reading, local),
        Query::AutoReply(local) => auto_reply::reading::report(&reading, local),
        Query::Greylist { visit, now } => greylist::look(&reading, visit, *now),
        Query::Countries(account) => countries::answer(&reading, account.as_ref()),
        Query::Filtering(account) => filtering::answer(&reading, account.as_ref()),
        Query::DkimKeys => Ok(Answer::DkimKeys(dkim::keys_of(view, id)?)),
        Query::Expunged(search) => expunged::search(&reading, search),
        Query::VerifyUsage => usage::verify(view, id, &reading.counters()?),
        _ => Err(Refusal::Unsupported.into()),
    }
}

fn next_due<V: View>(view: &V) -> Outcome<Answer, V::Error> {
    let mut next = view.first_key(&keys::forgets())?.map(|key| keys::parse_forget(&key).0);
    next = [next, greylist::next_due(view)?].into_iter().flatten().min();
    for kind in DueKind::ALL {
        let due = first_due(view, kind)?.map(|(due, _)| due);
        next = [next, due].into_iter().flatten().min();
    }
    Ok(Answer::NextDue(next))
}
