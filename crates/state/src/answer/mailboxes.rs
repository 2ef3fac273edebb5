//! LIST with STATUS, SELECT, GETQUOTAROOT: from mailbox rows and UID sets, never from message rows.

use yubin_types::{Keyword, MailboxName, Refusal};

use super::Reading;
use crate::command::Login;
use crate::keys;
use crate::kv::View;
use crate::live;
use crate::query::{Answer, Selected};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};
use crate::work::{logged_in, mailbox_of};

pub(super) fn mailboxes<V: View>(reading: &Reading<'_, V>, login: Login) -> Outcome<Answer, V::Error> {
    logged_in(reading.view, reading.id, &reading.domain, login)?;
    let names = reading.view.first_rows(&keys::mailbox_names(reading.id, login.account), usize::MAX)?;
    let mut mailboxes = Vec::with_capacity(names.len());
    for (_, id) in names {
        mailboxes.push(mailbox_of(reading.view, reading.id, login.account, id)?.record(id));
    }
    let mut subscribed = Vec::new();
    reading.view.each_key(&keys::subscriptions(reading.id, login.account), |key| {
        subscribed.extend(keys::parse_mailbox_name(key));
        go_on_while(true)
    })?;
    Ok(Answer::Mailboxes { mailboxes, subscribed })
}

pub(super) fn select<V: View>(reading: &Reading<'_, V>, login: Login, name: &MailboxName) -> Outcome<Answer, V::Error> {
    logged_in(reading.view, reading.id, &reading.domain, login)?;
    let key = keys::mailbox_name(reading.id, login.account, name);
    let id = reading.view.row(&key)?.ok_or(Refusal::NoSuchMailbox)?;
    let mailbox = mailbox_of(reading.view, reading.id, login.account, id)?.record(id);
    let (uids, first_unseen) = live::all(reading.view, reading.id, id)?;
    let mut keywords: Vec<Keyword> = Vec::new();
    reading.view.each(&keys::keywords(reading.id, id), |_, count| {
        keywords.push(count.keyword);
        go_on_while(true)
    })?;
    Ok(Answer::Selected(Selected { mailbox, uids, first_unseen, keywords }))
}

pub(super) fn quota_roots<V: View>(reading: &Reading<'_, V>, login: Login) -> Outcome<Answer, V::Error> {
    let account = logged_in(reading.view, reading.id, &reading.domain, login)?;
    Ok(Answer::QuotaRoots {
        account: (account.effective_quota(&reading.domain), account.usage),
        domain: (reading.domain.effective_quota(), reading.counters()?.usage),
    })
}
