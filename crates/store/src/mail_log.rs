//! The mail log on this node's disk: blocks of events in the order of time, and marks under each of their terms.
//!
//! A RocksDB of its own, so that the replicated store's one never waits for it: no sync, first in first out, bounded in bytes and days
//! by dropping whole files. A crash of the machine loses the last moments, a full log the oldest days.
//!
//! What comes together is kept together, because a mark costs as much as an event, and mail that comes together has much in common: its
//! sender, its client.
//!
//! Keys: eight zeros ‖ time of the block's last event (8 bytes) ‖ number (8 bytes) → its events in the log's encoding; hash of a term (8
//! bytes) ‖ time ‖ number → nothing; `2`, kind of report, two zeros, day (4 bytes) ‖ place (24 bytes) → the fact in the log's encoding.
//! Hashes may collide: what is found is looked at again.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompactionStyle, DBCompressionType, FifoCompactOptions, Options, ReadOptions,
    SliceTransform, WriteBatch,
};
use yubin_proto::mail_log::Term;
use yubin_proto::report_facts::{FactPlace, FactsQuery, day_of};
use yubin_proto::{LogEntry, MailEvent, MailLogSearch};
use yubin_state::{Decode as _, Encode as _};
use yubin_types::report::{ReportFact, ReportKind};
use yubin_types::{Timestamp, limits};

const CACHE_BYTES: usize = 4 << 20;
/// A full log has some hundred files, which are all open: so much of it is gathered in memory for each, before it is compressed.
const FILES: u64 = 256;
const PREFIX_BYTES: usize = 8;
/// Before events themselves.
const EVENT: [u8; PREFIX_BYTES] = [0; PREFIX_BYTES];
const DAY_SECONDS: u64 = 86_400;
/// Events of a block at most: all of them are read to find one.
const BLOCK_EVENTS_MAX: usize = 128;
/// From the first event of a block to its last at most: so much behind its end a search for a time begins.
const BLOCK_MS_MAX: u64 = 10_000;

/// Why the log can't be used.
pub type MailLogError = rocksdb::Error;

/// Events of the mail log.
pub(crate) struct MailLog {
    db: DB,
    /// Tells events of one millisecond apart.
    number: AtomicU64,
}

impl MailLog {
    /// Opens or makes the log, which keeps to `bytes_max`.
    pub(crate) fn open(folder: &Path, bytes_max: u64) -> Result<Self, MailLogError> {
        let mut fifo = FifoCompactOptions::default();
        fifo.set_max_table_files_size(bytes_max);
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        table.set_cache_index_and_filter_blocks(true);
        table.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compaction_style(DBCompactionStyle::Fifo);
        options.set_fifo_compaction_options(&fifo);
        options.set_ttl(limits::MAIL_LOG_DAYS * DAY_SECONDS);
        options.set_compression_type(DBCompressionType::Zstd);
        options.set_block_based_table_factory(&table);
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(PREFIX_BYTES));
        options.set_write_buffer_size(usize::try_from(bytes_max / FILES).unwrap_or(usize::MAX).max(64 << 10));
        options.set_keep_log_file_num(2);
        let db = DB::open(&options, folder)?;
        // Another run of the process counts from elsewhere.
        Ok(MailLog { db, number: AtomicU64::new(u64::from(rand::random::<u32>()) << 31) })
    }

    /// Keeps entries.
    pub(crate) fn append(&self, entries: &[LogEntry]) -> Result<(), MailLogError> {
        let (mut batch, mut events) = (WriteBatch::default(), Vec::new());
        for entry in entries {
            match entry {
                LogEntry::Event(event) => events.push(event),
                LogEntry::Fact(fact) => {
                    batch.put(fact_key(fact.kind(), day_of(fact.at), FactPlace::of(fact)), fact.encode());
                }
            }
        }
        events.sort_by_key(|event| event.at);
        for near in events.chunk_by(|one, next| one.at.0 / BLOCK_MS_MAX == next.at.0 / BLOCK_MS_MAX) {
            near.chunks(BLOCK_EVENTS_MAX).for_each(|block| self.put_block(&mut batch, block));
        }
        self.db.write(batch)
    }

    /// Writes events, in the order of time, as one block.
    fn put_block(&self, batch: &mut WriteBatch, block: &[&MailEvent]) {
        let Some(last) = block.last() else { return };
        let place = place(last.at, self.number.fetch_add(1, Ordering::Relaxed));
        batch.put([&EVENT[..], &place[..]].concat(), block.encode());
        let terms: BTreeSet<[u8; PREFIX_BYTES]> =
            block.iter().flat_map(|event| event.terms()).map(|term| hash(&term)).collect();
        terms.iter().for_each(|term| batch.put([&term[..], &place[..]].concat(), []));
    }

    /// Facts for reports in the order of their places.
    pub(crate) fn facts(&self, query: &FactsQuery) -> Result<Vec<ReportFact>, MailLogError> {
        let FactsQuery { kind, day, from, last_hash, limit } = *query;
        let limit = limit.min(limits::REPORT_FACTS_PER_CALL_MAX);
        let last = fact_key(kind, day, FactPlace(last_hash.to_be_bytes(), [u8::MAX; 16]));
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        let mut kept = self.db.raw_iterator_opt(options);
        kept.seek(fact_key(kind, day, from));
        let mut found = Vec::new();
        while let Some((_, value)) = kept.item().filter(|(key, _)| *key <= &last[..] && found.len() < limit) {
            found.extend(ReportFact::decode(value).ok());
            kept.next();
        }
        kept.status().map(|()| found)
    }

    /// What a search finds, the latest first.
    pub(crate) fn search(&self, search: &MailLogSearch) -> Result<Vec<MailEvent>, MailLogError> {
        let (term, limit) = (search.term.clone().normalized(), search.limit.min(limits::MAIL_EVENTS_PER_CALL_MAX));
        let prefix = hash(&term);
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        let mut marks = self.db.raw_iterator_opt(options);
        marks.seek_for_prev([&prefix[..], &place(Timestamp(search.to.0.saturating_add(BLOCK_MS_MAX)), 0)].concat());
        let wanted =
            |event: &MailEvent| search.from <= event.at && event.at < search.to && event.terms().contains(&term);
        let mut found: Vec<MailEvent> = Vec::new();
        while let Some(place) = marks.key().and_then(|key| key.strip_prefix(&prefix[..])) {
            // No event of this block or of those before it is later than its place says.
            let after = if found.len() < limit { search.from } else { found.last().map_or(search.to, |last| last.at) };
            if place < &after.0.to_be_bytes()[..] {
                break;
            }
            // Dropped files take blocks and their marks along.
            let block = self.db.get([&EVENT[..], place].concat())?;
            let events = block.and_then(|block| Vec::<MailEvent>::decode(&block).ok()).unwrap_or_default();
            found.extend(events.into_iter().filter(wanted));
            found.sort_by_key(|event| Reverse(event.at));
            found.truncate(limit);
            marks.prev();
        }
        marks.status().map(|()| found)
    }
}

/// Where a fact stands. The first byte is even, so it is no mark, and not zero, so it is no event.
fn fact_key(kind: ReportKind, day: u32, FactPlace(hash, id): FactPlace) -> Vec<u8> {
    let kind = match kind {
        ReportKind::Dmarc => 1,
        ReportKind::Tls => 2,
        ReportKind::Received => 3,
    };
    [&[2, kind, 0, 0][..], &day.to_be_bytes(), &hash, &id].concat()
}

/// Where a block stands among those of its prefix.
fn place(at: Timestamp, number: u64) -> [u8; 16] {
    (u128::from(at.0) << 64 | u128::from(number)).to_be_bytes()
}

/// Under what a term is marked; never that of events themselves.
fn hash(term: &Term) -> [u8; PREFIX_BYTES] {
    let mut prefix = EVENT;
    prefix.iter_mut().zip(blake3::hash(&term.encode()).as_bytes()).for_each(|(to, from)| *to = *from);
    prefix[0] |= 1;
    prefix
}

#[cfg(test)]
mod tests {
    use yubin_proto::mail_log::Term;
    use yubin_proto::report_facts::{FactPlace, FactsQuery, domain_hash};
    use yubin_proto::{LogEntry, MailEvent, MailEventKind, MailLogSearch};
    use yubin_types::report::{AppliedPolicy, ReportFact, ReportKind, Seen, TlsPolicyType, TlsSessions};
    use yubin_types::{DomainName, QueueId, Timestamp, TraceId};

    use super::MailLog;

    fn append(log: &MailLog, events: Vec<MailEvent>) {
        let entries: Vec<LogEntry> = events.into_iter().map(LogEntry::Event).collect();
        log.append(&entries).unwrap();
    }

    fn event(at: u8, sender: &str, recipient: &str) -> MailEvent {
        MailEvent {
            at: Timestamp(at.into()),
            kind: MailEventKind::Rejection,
            trace: TraceId([at; 16]),
            host: "mx1.host.example".to_owned(),
            peer: "192.0.2.7".to_owned(),
            sender: sender.to_owned(),
            recipient: recipient.to_owned(),
            message_id: Some(format!("<{at}@a.example>")),
            login: format!("login{at}@a.example"),
            id: Some(QueueId([at.wrapping_add(100); 16])),
            bytes: 1_000,
            count: 1,
            text: "550 5.1.1 No such mailbox".to_owned(),
            attempt: None,
        }
    }

    fn search(term: Term) -> MailLogSearch {
        MailLogSearch { term, from: Timestamp(0), to: Timestamp(u64::MAX), limit: 10 }
    }

    #[test]
    fn events_are_found_by_each_of_their_terms_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (event(1, "A@a.example", "b@b.example"), event(2, "", "a@a.example"));
        let log = MailLog::open(folder.path(), 1 << 30).unwrap();
        append(&log, vec![first.clone()]);
        drop(log);
        let log = MailLog::open(folder.path(), 1 << 30).unwrap();
        append(&log, vec![second.clone(), event(3, "c@c.example", "d@d.example")]);
        let found = |term| log.search(&search(term)).unwrap();
        assert_eq!(found(Term::Address("a@A.example".to_owned())), [second.clone(), first.clone()]);
        assert_eq!(found(Term::Address("b@b.example".to_owned())), std::slice::from_ref(&first));
        assert_eq!(found(Term::Address("login1@a.example".to_owned())), std::slice::from_ref(&first));
        assert_eq!(found(Term::MessageId("<2@a.example>".to_owned())), std::slice::from_ref(&second));
        assert_eq!(found(Term::Id([2; 16])), [second]);
        assert_eq!(found(Term::Id([101; 16])), [first]);
        assert_eq!(found(Term::Peer("192.0.2.7".parse().unwrap())).len(), 3);
        assert_eq!(found(Term::Address(String::new())), []);
    }

    #[test]
    fn a_search_keeps_to_its_time_and_to_the_latest() {
        let folder = tempfile::tempdir().unwrap();
        let log = MailLog::open(folder.path(), 1 << 30).unwrap();
        append(&log, (1..=9).map(|at| event(at, "a@a.example", "b@b.example")).collect());
        let times = |from, to, limit| {
            let term = Term::Address("a@a.example".to_owned());
            let found = log.search(&MailLogSearch { term, from: Timestamp(from), to: Timestamp(to), limit }).unwrap();
            found.iter().map(|event| event.at.0).collect::<Vec<_>>()
        };
        assert_eq!(times(0, u64::MAX, 3), [9, 8, 7]);
        assert_eq!(times(3, 6, 10), [5, 4, 3]);
        assert_eq!(times(3, 6, 2), [5, 4]);
    }

    /// Front ends send what they gathered one after the other, and what one gathered may be older than what another sent before.
    #[test]
    fn events_of_several_blocks_come_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let log = MailLog::open(folder.path(), 1 << 30).unwrap();
        let at = |ms: u64| MailEvent { at: Timestamp(ms), ..event(1, "a@a.example", "b@b.example") };
        let times = |from, to, limit| {
            let term = Term::Address("a@a.example".to_owned());
            let found = log.search(&MailLogSearch { term, from: Timestamp(from), to: Timestamp(to), limit }).unwrap();
            found.iter().map(|event| event.at.0).collect::<Vec<_>>()
        };
        append(&log, (0..300).map(|number| at(number * 100)).collect());
        append(&log, vec![at(29_950), at(1_050), at(14_950)]);
        assert_eq!(times(0, u64::MAX, 3), [29_950, 29_900, 29_800]);
        assert_eq!(times(14_800, 15_100, 10), [15_000, 14_950, 14_900, 14_800]);
        assert_eq!(times(0, 1_101, 2), [1_100, 1_050]);
        assert_eq!(times(0, u64::MAX, 1_000).len(), 303);
        assert!(times(0, u64::MAX, 1_000).is_sorted_by(|one, next| one >= next));
    }

    fn fact(domain: &str, day: u64, id: u8) -> ReportFact {
        let domain = DomainName::parse(domain).unwrap();
        let kind = TlsPolicyType::NoPolicyFound;
        let policy = AppliedPolicy { domain: domain.clone(), kind, strings: vec![], mx_hosts: vec![] };
        let seen = Seen::Sessions(Box::new(TlsSessions { policy, successes: id.into(), failures: vec![] }));
        ReportFact { at: Timestamp::from_seconds(day * 86_400 + 5), id: [id; 16], domain, seen }
    }

    #[test]
    fn facts_of_a_day_come_by_domain_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = MailLog::open(folder.path(), 1 << 30).unwrap();
        let mut facts: Vec<ReportFact> = (0..30).map(|id| fact(&format!("d{}.example", id % 4), 7, id)).collect();
        append(&log, vec![event(1, "a@a.example", "b@b.example")]);
        for round in [&facts[..], &facts[5..9], &[fact("d1.example", 8, 99)]] {
            log.append(&round.iter().cloned().map(LogEntry::Fact).collect::<Vec<_>>()).unwrap();
        }
        let query =
            FactsQuery { kind: ReportKind::Tls, day: 7, from: FactPlace::default(), last_hash: u64::MAX, limit: 1_000 };
        facts.sort_by_key(FactPlace::of);
        assert_eq!(log.facts(&query).unwrap(), facts);
        assert_eq!(log.facts(&FactsQuery { limit: 3, ..query }).unwrap(), facts[..3]);
        let from = FactPlace::of(&facts[3]);
        assert_eq!(log.facts(&FactsQuery { from, ..query }).unwrap(), facts[3..]);
        let own = domain_hash(&facts[0].domain);
        let first = log.facts(&FactsQuery { last_hash: own, ..query }).unwrap();
        assert!(first.len() >= 7 && first.iter().all(|fact| fact.domain == facts[0].domain), "{first:?}");
        assert_eq!(log.facts(&FactsQuery { kind: ReportKind::Dmarc, ..query }).unwrap(), []);
        assert_eq!(log.facts(&FactsQuery { day: 6, ..query }).unwrap(), []);
        assert_eq!(log.facts(&FactsQuery { day: 8, ..query }).unwrap().len(), 1);
    }

    #[test]
    fn a_full_log_drops_what_is_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let log = MailLog::open(folder.path(), 200 << 10).unwrap();
        for at in 1..=200 {
            // Nothing that compresses away.
            let noise: String = std::iter::repeat_with(rand::random::<char>).take(2_000).collect();
            append(&log, vec![MailEvent { text: noise, ..event(at, "a@a.example", "b@b.example") }]);
            if at % 20 == 0 {
                log.db.flush().unwrap();
            }
        }
        let oldest = || {
            let term = Term::Address("a@a.example".to_owned());
            let search = MailLogSearch { limit: 1_000, ..search(term) };
            log.search(&search).unwrap().last().unwrap().at
        };
        log.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        assert!(oldest() > Timestamp(100), "{:?}", oldest());
    }
}
