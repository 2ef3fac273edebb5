//! What milters say of a message: they are asked one after the other, and each sees what those before it made of it.
//!
//! A milter that is away puts mail off or is passed over, as configured. Its changes of the header become the message's; for a user's mail
//! they are made before it is signed.

use yubin_message::HeaderFields;
use yubin_policy::content::{ContentDenial, ContentFact, judge};
use yubin_types::SmtpReply;

use super::Whose;
use super::scanned::{away, rules};
use crate::config::ContentConfig;
use crate::metrics::ScanResult;
use crate::scan::milter::{Change, Field, Milter};
use crate::smtp::deliver::Complete;
use crate::smtp::edit::{self, Edit, NewBody};
use crate::smtp::{SmtpRim, Transaction};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filtered {
    /// It goes where it goes.
    Take,
    /// It stays out of the inbox.
    Quarantine,
    /// Nobody gets it.
    Discard,
}

impl SmtpRim {
    /// Asks the milters.
    pub(super) async fn filter(
        &self,
        content: &ContentConfig,
        whose: Whose,
        transaction: &Transaction,
        complete: &mut Complete,
    ) -> Result<Filtered, SmtpReply> {
        let shared = &self.connection.shared;
        let mut filtered = Filtered::Take;
        for milter in shared.scanners.milters.iter().filter(|milter| whose.is_shown(milter)) {
            let opened = edit::open(&complete.spooled).await?;
            let header = opened.header.clone();
            let said = if complete.spooled.bytes > milter.config.message_bytes_max {
                Err((ContentFact::TooLarge, ScanResult::TooLarge))
            } else {
                let said = milter.milter(opened, &self.way(transaction, complete)).await;
                said.map_err(|error| (away("milter", &error), ScanResult::Unavailable))
            };
            shared.metrics.scan("milter", result(&said));
            let changes = match said {
                Ok(Milter::Take(changes)) => changes,
                Ok(Milter::Quarantine(changes)) => {
                    filtered = Filtered::Quarantine;
                    changes
                }
                Ok(Milter::Refuse(reply)) => return Err(self.denied_content(&ContentDenial::Filter { reply })),
                Ok(Milter::Discard) => return Ok(Filtered::Discard),
                Err((fact, _)) => {
                    let judged = judge(&fact, rules(content, &milter.config));
                    judged.map_err(|denial| self.denied_content(&denial))?;
                    continue;
                }
            };
            let mut edits = edits(&header, &changes);
            if !edits.is_empty() {
                let (spooled, spooler) = (&complete.spooled, &shared.spooler);
                complete.spooled = edit::edited(spooled, spooler, &header, &mut edits, NewBody::Same).await?;
            }
        }
        Ok(filtered)
    }
}

fn result(said: &Result<Milter, (ContentFact, ScanResult)>) -> ScanResult {
    match said {
        Ok(Milter::Take(_)) => ScanResult::Clean,
        Ok(Milter::Quarantine(_) | Milter::Refuse(_) | Milter::Discard) => ScanResult::Found,
        Err((_, result)) => *result,
    }
}

/// A milter's changes of a header, in their places; of two changes of one field the later counts.
fn edits(header: &[u8], changes: &[Change]) -> Vec<Edit> {
    let fields: Vec<_> = HeaderFields::new(header).map(|field| (field.name, edit::place(header, &field))).collect();
    let end = match header {
        b"\r\n" => 0,
        _ => header.len() - if header.ends_with(b"\r\n\r\n") { 2 } else { 0 },
    };
    let mut edits: Vec<Edit> = Vec::new();
    for change in changes {
        let edit = match change {
            Change::Add(field) => Edit { range: end..end, with: line(field) },
            Change::Insert(place, field) => {
                let at = fields.get(*place).map_or(end, |(_, range)| range.start);
                Edit { range: at..at, with: line(field) }
            }
            Change::Replace(number, field) => {
                let mut same = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(field.name.as_bytes()));
                match same.nth(number.saturating_sub(1)) {
                    Some((_, range)) if field.value.is_empty() => Edit::cut(range.clone()),
                    Some((_, range)) => Edit { range: range.clone(), with: line(field) },
                    None if field.value.is_empty() => continue,
                    None => Edit { range: end..end, with: line(field) },
                }
            }
        };
        edits.retain(|earlier| earlier.range.is_empty() || earlier.range != edit.range);
        edits.push(edit);
    }
    edits
}

fn line(field: &Field) -> Vec<u8> {
    [field.name.as_bytes(), b": ", &field.value, b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(header: &str, changes: &[Change]) -> String {
        let (mut out, mut at) = (Vec::new(), 0);
        let mut edits = edits(header.as_bytes(), changes);
        edit::sort(&mut edits);
        for Edit { range, with } in edits {
            out.extend([&header.as_bytes()[at..range.start], &with].concat());
            at = range.end;
        }
        out.extend(&header.as_bytes()[at..]);
        String::from_utf8(out).unwrap()
    }

    fn field(name: &str, value: &str) -> Field {
        Field { name: name.to_owned(), value: value.as_bytes().to_vec() }
    }

    #[test]
    fn changes_come_where_they_belong() {
        let header = "A: 1\r\nB: 2\r\n folded\r\na: 3\r\n\r\n";
        let of = |changes: &[Change]| changed(header, changes);
        assert_eq!(of(&[Change::Add(field("C", "4"))]), "A: 1\r\nB: 2\r\n folded\r\na: 3\r\nC: 4\r\n\r\n");
        assert_eq!(of(&[Change::Insert(1, field("C", "4"))]), "A: 1\r\nC: 4\r\nB: 2\r\n folded\r\na: 3\r\n\r\n");
        assert_eq!(of(&[Change::Insert(9, field("C", "4"))]), "A: 1\r\nB: 2\r\n folded\r\na: 3\r\nC: 4\r\n\r\n");
        assert_eq!(of(&[Change::Replace(2, field("A", "x"))]), "A: 1\r\nB: 2\r\n folded\r\nA: x\r\n\r\n");
        assert_eq!(of(&[Change::Replace(1, field("b", ""))]), "A: 1\r\na: 3\r\n\r\n");
        assert_eq!(of(&[Change::Replace(3, field("A", ""))]), header);
        let several = [
            Change::Replace(1, field("A", "x")),
            Change::Insert(0, field("N", "0")),
            Change::Replace(1, field("A", "y")),
        ];
        assert_eq!(of(&several), "N: 0\r\nA: y\r\nB: 2\r\n folded\r\na: 3\r\n\r\n");
        assert_eq!(changed("\r\n", &[Change::Add(field("C", "4"))]), "C: 4\r\n\r\n");
    }
}
