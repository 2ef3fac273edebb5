//! SORT beside the data (RFC 5256): what a search found, put in an order before it is told.
//!
//! Of each message only what is compared is kept, text cut to [`limits::SORT_TEXT_BYTES_MAX`](yubin_types::limits::SORT_TEXT_BYTES_MAX) octets.

use std::cmp::Ordering;

use yubin_message::{Envelope, sort};
use yubin_state::query::MessageRow;
use yubin_types::Uid;
use yubin_types::search::{SortCriterion, SortKey, SortOrder};

/// A message and what it is sorted by, in the order of the criteria.
pub(crate) struct Sortable {
    uid: Uid,
    values: Box<[Value]>,
}

/// Values of one criterion are of one kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Box<str>),
}

/// Must headers be known to sort so?
pub(crate) fn needs_header(criteria: &[SortCriterion]) -> bool {
    criteria.iter().any(|criterion| !matches!(criterion.key, SortKey::Arrival | SortKey::Size))
}

impl Sortable {
    pub(crate) fn new(row: &MessageRow, envelope: &Envelope, criteria: &[SortCriterion]) -> Sortable {
        let values = criteria.iter().map(|criterion| value(criterion.key, row, envelope)).collect();
        Sortable { uid: row.uid, values }
    }
}

/// In order; those that are equal in all criteria as they stand in the mailbox.
pub(crate) fn sorted(mut messages: Vec<Sortable>, criteria: &[SortCriterion]) -> Vec<Uid> {
    messages.sort_by(|a, b| {
        let compared =
            criteria.iter().zip(a.values.iter().zip(&b.values)).map(|(criterion, (a, b))| match criterion.order {
                SortOrder::Ascending => a.cmp(b),
                SortOrder::Descending => b.cmp(a),
            });
        compared.fold(Ordering::Equal, Ordering::then).then(a.uid.cmp(&b.uid))
    });
    messages.into_iter().map(|message| message.uid).collect()
}

fn value(key: SortKey, row: &MessageRow, envelope: &Envelope) -> Value {
    let number = |number: u64| Value::Number(i64::try_from(number).unwrap_or(i64::MAX));
    let text = |text: String| Value::Text(text.into_boxed_str());
    match key {
        SortKey::Arrival => number(row.hot.internal_date.seconds()),
        SortKey::Size => number(row.hot.bytes),
        // RFC 5256 §2.2: without a Date that can be read, INTERNALDATE.
        SortKey::Date => {
            envelope.sent.map_or_else(|| number(row.hot.internal_date.seconds()), |date| Value::Number(date.epoch_s))
        }
        SortKey::Cc => text(sort::first_mailbox(&envelope.cc)),
        SortKey::From => text(sort::first_mailbox(&envelope.from)),
        SortKey::To => text(sort::first_mailbox(&envelope.to)),
        SortKey::Subject => text(sort::subject(envelope)),
    }
}
