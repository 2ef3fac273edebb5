//! SEARCH beside the data: a program is decided per message from its rows, and from its text where the program asks for it.
//!
//! The program is flattened once into a postfix form and run with a stack of booleans, so that no client's nesting costs native stack.
//! Text keys are read last and only where the rest leaves the outcome open. Hot rows come first; cold rows and bodies only if needed.
//!
//! A search holds a blocking thread and asks for others that read bodies, so only so many run at a time ([`Searches`]); the rest wait
//! without a thread. One that nobody waits for any more ends at its next message.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::Semaphore;
use yubin_consensus::Group;
use yubin_message::{Envelope, PartTree, search as text};
use yubin_proto::{Scope, SearchOutcome, SearchRequest, StoreError};
use yubin_state::query::{MessageRow, RowDetail};
use yubin_state::record::ColdRow;
use yubin_state::{Answer, Query};
use yubin_types::search::{SearchKey, SortCriterion};
use yubin_types::{ModSeq, Timestamp, Uid, UidSet, limits};

use crate::bridge::StateView;
use crate::kept_bodies::KeptBodies;
use crate::read::{answer, disk_error, fresh_view};
use crate::sort::{self, Sortable};

/// Room for searches that run at the same time: two for each core, so that one which waits for the disk leaves none idle.
#[derive(Clone)]
pub(crate) struct Searches(Arc<Semaphore>);

impl Searches {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(2 * cores)))
    }
}

/// Set when nobody waits for the outcome any more.
type Abandoned = Arc<AtomicBool>;

/// Held by who waits.
struct Waiting(Abandoned);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a SEARCH when there is room for it.
pub(crate) async fn search(
    group: &Group,
    scope: Scope,
    now: Timestamp,
    request: SearchRequest,
    searches: &Searches,
) -> Result<SearchOutcome, StoreError> {
    let stopped = |_| StoreError::Unavailable("the node is stopping".to_owned());
    let room = Arc::clone(&searches.0).acquire_owned().await.map_err(stopped)?;
    let view = fresh_view(group).await?;
    let runtime = tokio::runtime::Handle::current();
    let group = group.clone();
    let waiting = Waiting(Abandoned::default());
    let abandoned = Arc::clone(&waiting.0);
    let run = move || {
        let kept = KeptBodies::new(limits::INLINE_BODY_BYTES_MAX);
        let bodies = Bodies { group, runtime, kept };
        let outcome = Run { view: &view, scope, now, bodies: &bodies, abandoned: &abandoned }.all(&request);
        drop(room);
        outcome
    };
    let outcome = tokio::task::spawn_blocking(run).await;
    drop(waiting);
    outcome.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

/// Bodies as a blocking reader, on a thread that may block.
struct Bodies {
    group: Group,
    runtime: tokio::runtime::Handle,
    /// The one whose text is read.
    kept: KeptBodies,
}

impl Bodies {
    fn read(&self, cold: &ColdRow, range: std::ops::Range<u64>) -> io::Result<Bytes> {
        let bodies = crate::read::Bodies { group: &self.group, kept: &self.kept };
        self.runtime.block_on(bodies.octets(cold, range))
    }
}

struct Run<'a> {
    view: &'a StateView,
    scope: Scope,
    now: Timestamp,
    bodies: &'a Bodies,
    abandoned: &'a AtomicBool,
}

impl Run<'_> {
    /// All frames of rows, one after the other.
    fn all(&self, request: &SearchRequest) -> Result<SearchOutcome, StoreError> {
        let program = Program::new(&request.key);
        let needs_cold = needs_cold(&request.key) || sort::needs_header(&request.sort);
        let detail = if needs_cold { RowDetail::HotAndCold } else { RowDetail::Hot };
        let mut left = request.among.clone();
        let (mut uids, mut highest_modseq) = (UidSet::new(), ModSeq(0));
        let mut sortable = Vec::new();
        loop {
            let query = Query::Rows {
                login: request.login,
                mailbox: request.mailbox,
                uids: left.clone(),
                changed_since: None,
                detail,
            };
            let (rows, next) = match answer(self.view, self.scope, &query)? {
                Answer::Rows { rows, next } => (rows, next),
                Answer::Refused(refusal) => return Ok(SearchOutcome::Refused(refusal)),
                other => return Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
            };
            for row in &rows {
                if self.abandoned.load(Ordering::Relaxed) {
                    return Err(StoreError::Unavailable("nobody waits for the outcome".to_owned()));
                }
                let mut message = Message { row, facts: None, bodies: self.bodies };
                if self.matches(&program, &mut message).map_err(|error| disk_error(&error))? {
                    if request.sort.is_empty() {
                        uids.insert(row.uid);
                    } else {
                        sortable.push(message.sortable(&request.sort));
                    }
                    highest_modseq = highest_modseq.max(row.hot.modseq);
                }
            }
            match next {
                Some(Uid(next)) => left = left.intersection(&UidSet::range(next, u32::MAX)),
                None if request.sort.is_empty() => return Ok(SearchOutcome::Found { uids, highest_modseq }),
                None => {
                    let uids = sort::sorted(sortable, &request.sort);
                    return Ok(SearchOutcome::Sorted { uids, highest_modseq });
                }
            }
        }
    }

    fn matches(&self, program: &Program<'_>, message: &mut Message<'_>) -> io::Result<bool> {
        let mut stack: Vec<Verdict<'_>> = Vec::new();
        for op in &program.ops {
            let verdict = match op {
                Op::Leaf(key) => message.cheap(key, self.now),
                Op::Not => stack.pop().unwrap_or(Verdict::Known(false)).negated(),
                Op::And(count) => fold(&mut stack, *count, message, Junction::All)?,
                Op::Or => fold(&mut stack, 2, message, Junction::Any)?,
            };
            stack.push(verdict);
        }
        let last = stack.pop().unwrap_or(Verdict::Known(false));
        message.settle(last)
    }
}

/// What is known of a key so far.
#[derive(Clone, Copy)]
enum Verdict<'k> {
    Known(bool),
    /// Needs the text; `true`: the outcome is the contrary.
    Open(&'k SearchKey, bool),
}

impl Verdict<'_> {
    fn negated(self) -> Self {
        match self {
            Verdict::Known(known) => Verdict::Known(!known),
            Verdict::Open(key, negated) => Verdict::Open(key, !negated),
        }
    }
}

/// How operands are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junction {
    /// AND.
    All,
    /// OR.
    Any,
}

/// Joins the top of the stack: known verdicts decide first, open ones are settled only if they must.
fn fold<'k>(
    stack: &mut Vec<Verdict<'k>>,
    count: usize,
    message: &mut Message<'_>,
    junction: Junction,
) -> io::Result<Verdict<'k>> {
    // What leaves the outcome open: true for AND, false for OR.
    let neutral = junction == Junction::All;
    let operands = stack.split_off(stack.len().saturating_sub(count));
    if operands.iter().any(|verdict| matches!(verdict, Verdict::Known(known) if *known != neutral)) {
        return Ok(Verdict::Known(!neutral));
    }
    for verdict in operands {
        if message.settle(verdict)? != neutral {
            return Ok(Verdict::Known(!neutral));
        }
    }
    Ok(Verdict::Known(neutral))
}

/// A program in postfix form.
struct Program<'k> {
    ops: Vec<Op<'k>>,
}

enum Op<'k> {
    Leaf(&'k SearchKey),
    Not,
    And(usize),
    Or,
}

impl<'k> Program<'k> {
    fn new(key: &'k SearchKey) -> Self {
        let mut ops = Vec::new();
        // Prefix order with operands reversed, turned round at the end, is postfix order.
        let mut left = vec![key];
        while let Some(key) = left.pop() {
            match key {
                SearchKey::And(keys) => {
                    ops.push(Op::And(keys.len()));
                    left.extend(keys);
                }
                SearchKey::Or(a, b) => {
                    ops.push(Op::Or);
                    left.extend([&**a, &**b]);
                }
                SearchKey::Not(inner) => {
                    ops.push(Op::Not);
                    left.push(inner);
                }
                leaf => ops.push(Op::Leaf(leaf)),
            }
        }
        ops.reverse();
        Program { ops }
    }
}

/// Must the cold row be read to decide the key?
fn needs_cold(key: &SearchKey) -> bool {
    let mut left = vec![key];
    while let Some(key) = left.pop() {
        match key {
            SearchKey::And(keys) => left.extend(keys),
            SearchKey::Or(a, b) => left.extend([&**a, &**b]),
            SearchKey::Not(inner) => left.push(inner),
            SearchKey::SentBefore(_) | SearchKey::SentOn(_) | SearchKey::SentSince(_) => return true,
            key if key.reads_text() => return true,
            _ => {}
        }
    }
    false
}

/// A message under examination; its part tree is decoded once, if at all.
struct Message<'r> {
    row: &'r MessageRow,
    facts: Option<PartTree>,
    bodies: &'r Bodies,
}

impl Message<'_> {
    /// Decides a leaf from the rows, or leaves it open.
    fn cheap<'k>(&mut self, key: &'k SearchKey, now: Timestamp) -> Verdict<'k> {
        let hot = &self.row.hot;
        let age_seconds = now.millis_since(hot.internal_date) / 1_000;
        Verdict::Known(match key {
            SearchKey::Header(..) | SearchKey::Body(_) | SearchKey::Text(_) => return Verdict::Open(key, false),
            SearchKey::Flag(flag) => hot.flags.contains(flag),
            SearchKey::Uids(uids) => uids.contains(self.row.uid),
            SearchKey::Larger(bytes) => hot.bytes > *bytes,
            SearchKey::Smaller(bytes) => hot.bytes < *bytes,
            SearchKey::Before(time) => hot.internal_date < *time,
            SearchKey::Since(time) => hot.internal_date >= *time,
            SearchKey::SavedBefore(time) => hot.save_date < *time,
            SearchKey::SavedSince(time) => hot.save_date >= *time,
            SearchKey::SentBefore(limit) => self.sent_day().is_some_and(|sent| sent < *limit),
            SearchKey::SentOn(limit) => self.sent_day() == Some(*limit),
            SearchKey::SentSince(limit) => self.sent_day().is_some_and(|sent| sent >= *limit),
            SearchKey::EmailId(id) => hot.email_id == *id,
            SearchKey::ModSeq(least) => hot.modseq >= *least,
            SearchKey::Younger(seconds) => age_seconds <= *seconds,
            SearchKey::Older(seconds) => age_seconds >= *seconds,
            SearchKey::All | SearchKey::And(_) | SearchKey::Or(..) | SearchKey::Not(_) => true,
        })
    }

    /// Reads text if a verdict is still open.
    fn settle(&mut self, verdict: Verdict<'_>) -> io::Result<bool> {
        match verdict {
            Verdict::Known(known) => Ok(known),
            Verdict::Open(key, negated) => Ok(self.text_matches(key)? != negated),
        }
    }

    fn text_matches(&mut self, key: &SearchKey) -> io::Result<bool> {
        let (scope, needle) = match key {
            SearchKey::Header(name, needle) => (text::Scope::Header(name), needle),
            SearchKey::Body(needle) => (text::Scope::Body, needle),
            SearchKey::Text(needle) => (text::Scope::Text, needle),
            _ => return Ok(false),
        };
        let Some(cold) = self.row.cold.as_ref() else { return Ok(false) };
        if !matches!(scope, text::Scope::Body) && prefix_matches(&cold.prefix, scope, needle) {
            return Ok(true);
        }
        let bodies = self.bodies;
        match self.facts() {
            Some(tree) => text::find(tree, scope, needle, |range| bodies.read(cold, range)),
            None => Ok(false),
        }
    }

    /// What it is sorted by.
    fn sortable(&mut self, criteria: &[SortCriterion]) -> Sortable {
        let row = self.row;
        let none = Envelope::EMPTY;
        let envelope = self.facts().map_or(&none, PartTree::envelope);
        Sortable::new(row, envelope, criteria)
    }

    /// The day of the `Date:` field in its own zone (RFC 9051 §6.4.4 SENTON: without regard to time and timezone).
    fn sent_day(&mut self) -> Option<i64> {
        self.facts()?.envelope().sent.map(|date| date.day().0)
    }

    fn facts(&mut self) -> Option<&PartTree> {
        if self.facts.is_none() {
            self.facts = self.row.cold.as_ref().and_then(|cold| PartTree::from_bytes(&cold.facts).ok());
        }
        self.facts.as_ref()
    }
}

/// The prefix holds header fields only.
fn prefix_matches(prefix: &Bytes, scope: text::Scope<'_>, needle: &str) -> bool {
    let tree = yubin_message::scan(prefix);
    let read = |range: std::ops::Range<u64>| {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        Ok::<_, std::convert::Infallible>(prefix.get(index(range.start)..index(range.end)).unwrap_or_default().to_vec())
    };
    !prefix.is_empty() && text::find(&tree, scope, needle, read).unwrap_or(false)
}
