//! The store's words into the session's. The shapes are the same; a session knows nothing of the store.

use yubin_session::imap::ask;
use yubin_state::{command, query, record};

pub(super) fn mailbox(record: record::MailboxRecord) -> ask::MailboxFacts {
    ask::MailboxFacts {
        id: record.id,
        name: record.name,
        special_use: record.special_use,
        uid_validity: record.uid_validity,
        uid_next: record.uid_next,
        highest_modseq: record.highest_modseq,
        messages: record.messages,
        unseen: record.unseen,
        deleted: record.deleted,
        bytes: record.bytes,
    }
}

pub(super) fn selected(selected: query::Selected) -> ask::SelectedFacts {
    ask::SelectedFacts {
        mailbox: mailbox(selected.mailbox),
        uids: selected.uids,
        first_unseen: selected.first_unseen,
        keywords: selected.keywords,
    }
}

pub(super) fn row(row: query::MessageRow) -> ask::MessageRow {
    ask::MessageRow {
        uid: row.uid,
        flags: row.hot.flags,
        modseq: row.hot.modseq,
        bytes: row.hot.bytes,
        internal_date: row.hot.internal_date,
        save_date: row.hot.save_date,
        email_id: row.hot.email_id,
        cold: row.cold.map(|cold| ask::ColdFacts { prefix_bytes: cold.prefix.len() as u64, facts: cold.facts }),
    }
}

pub(super) fn changes(changes: query::Changes) -> ask::Changes {
    let changed = |message: query::ChangedMessage| ask::ChangedMessage {
        uid: message.uid,
        modseq: message.modseq,
        flags: message.flags,
    };
    ask::Changes {
        highest_modseq: changes.highest_modseq,
        uid_next: changes.uid_next,
        changed: changes.changed.into_iter().map(changed).collect(),
        vanished: changes.vanished,
        live: changes.live,
    }
}

pub(super) const fn detail(detail: ask::RowDetail) -> query::RowDetail {
    match detail {
        ask::RowDetail::Hot => query::RowDetail::Hot,
        ask::RowDetail::HotAndCold => query::RowDetail::HotAndCold,
    }
}

pub(super) const fn operation(operation: ask::FlagOperation) -> command::FlagOperation {
    match operation {
        ask::FlagOperation::Add => command::FlagOperation::Add,
        ask::FlagOperation::Remove => command::FlagOperation::Remove,
        ask::FlagOperation::Replace => command::FlagOperation::Replace,
    }
}

pub(super) const fn which(which: ask::ExpungeWhich) -> command::ExpungeWhich {
    match which {
        ask::ExpungeWhich::FlaggedDeleted => command::ExpungeWhich::FlaggedDeleted,
        ask::ExpungeWhich::All => command::ExpungeWhich::All,
    }
}

pub(super) const fn subscription(subscription: ask::Subscription) -> command::Subscription {
    match subscription {
        ask::Subscription::Subscribed => command::Subscription::Subscribed,
        ask::Subscription::Unsubscribed => command::Subscription::Unsubscribed,
    }
}
