//! What the frequent work reads and writes: bounds that a mailbox of a million messages and a busy group rely on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::ControlFlow;

use bytes::Bytes;
use yubin_state::command::FlagOperation;
use yubin_state::keys::Table;
use yubin_state::memory::Memory;
use yubin_state::query::RowDetail;
use yubin_state::queue::{DeliveryKey, QueueCommand};
use yubin_state::{BodyRef, Command, DedupeClass, Encode as _, Entry, Position, Query, Txn, View, answer, apply};
use yubin_types::UidSet;

use crate::lab::{D1, EPOCH, Lab, deliver_to, name, recipient};
use crate::queue::{GROUP, delivered, key, message};

/// A state that counts what is asked of it.
#[derive(Default)]
struct Counting {
    state: Memory,
    gets: Cell<u32>,
    scanned: Cell<u32>,
    puts: u32,
    deletes: u32,
    tables: RefCell<BTreeSet<u8>>,
}

impl View for Counting {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Infallible> {
        self.gets.set(self.gets.get() + 1);
        self.tables.borrow_mut().insert(key[0]);
        self.state.get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Infallible> {
        self.tables.borrow_mut().insert(from[0]);
        self.state.scan(from, to, &mut |key, value| {
            self.scanned.set(self.scanned.get() + 1);
            visit(key, value)
        })
    }
}

impl Txn for Counting {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.puts += 1;
        self.state.put(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.deletes += 1;
        self.state.delete(key);
    }

    fn drop_body(&mut self, body: &BodyRef) {
        self.state.drop_body(body);
    }
}

fn counting(lab: &Lab) -> Counting {
    Counting { state: lab.state.clone(), ..Counting::default() }
}

#[test]
fn a_delivery_reads_eight_rows_and_writes_ten() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.delivered(&["ann"], 1);
    lab.now = lab.now.plus_seconds(1);
    let entry =
        Entry { envelope: lab.envelope(D1, DedupeClass::Delivery), command: deliver_to(vec![recipient("ann")], 9) };
    let mut state = counting(&lab);
    let body = BodyRef(smallvec::smallvec![1]);
    let Ok(_) = apply(&mut state, Position { index: 99, term: 1 }, &entry.encode(), &[body]);
    assert_eq!((state.gets.get(), state.scanned.get()), (8, 0));
    assert_eq!((state.puts, state.deletes), (10, 0));
}

#[test]
fn select_and_flag_scans_never_read_cold_rows() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..90 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    lab.store(ann, "INBOX", &[5_000], FlagOperation::Add, &["\\Seen", "k"]);
    let state = counting(&lab);
    let Ok(_) = answer(&state, D1, EPOCH, &Query::Select { login: ann, name: name("INBOX") });
    assert!(!state.tables.borrow().contains(&(Table::Hot as u8)));
    assert!(!state.tables.borrow().contains(&(Table::Cold as u8)));
    assert!(state.scanned.get() <= 4, "three chunks and a keyword: {}", state.scanned.get());
    let mailbox = lab.mailbox(ann, "INBOX");
    let query = Query::Rows {
        login: ann,
        mailbox,
        uids: UidSet::range(1, u32::MAX),
        changed_since: None,
        detail: RowDetail::Hot,
    };
    let state = counting(&lab);
    let Ok(_) = answer(&state, D1, EPOCH, &query);
    assert!(!state.tables.borrow().contains(&(Table::Cold as u8)));
    assert!(state.scanned.get() <= 501);
}

/// Reads, writes and deletions of a command on the queue.
fn cost(lab: &Lab, domain: yubin_types::DomainId, dedupe: DedupeClass, command: QueueCommand) -> (u32, u32, u32) {
    let entry = Entry { envelope: lab.envelope(domain, dedupe), command: Command::Queue(command) };
    let mut state = counting(lab);
    let Ok(_) =
        apply(&mut state, Position { index: 9_999, term: 1 }, &entry.encode(), &[BodyRef(smallvec::smallvec![1])]);
    assert_eq!(state.scanned.get(), 0);
    (state.gets.get(), state.puts, state.deletes)
}

#[test]
fn a_queued_message_costs_eight_writes_and_each_step_of_its_delivery_three_more() {
    let mut lab = Lab::new();
    lab.wait(1);
    let enqueue = |number| QueueCommand::Enqueue { login: None, messages: vec![message(number, &["x@b.example"])] };
    assert_eq!(cost(&lab, D1, DedupeClass::Delivery, enqueue(1)), (7, 8, 0));
    for number in 0..100 {
        lab.enqueued(number, &["x@b.example"]);
    }
    lab.wait(1);
    let all: Vec<DeliveryKey> = (0..100).map(|number| key(number, "b.example")).collect();
    let lease = QueueCommand::Lease { worker: "w".to_owned(), seconds: 60, items: all.clone() };
    let (gets, puts, deletes) = cost(&lab, GROUP, DedupeClass::None, lease);
    assert_eq!((gets, puts, deletes), (3 + 100 * 2, 2 + 100 * 2, 100), "the delivery and its due time, and the sum");
    let leased = lab.lease(60, all);
    lab.wait(1);
    let record = QueueCommand::Record { results: leased.iter().map(delivered).collect() };
    let (gets, puts, deletes) = cost(&lab, GROUP, DedupeClass::Delivery, record);
    assert_eq!((gets, puts), (6 + 100 * 4, 7 + 100), "an event each, and their order once");
    assert_eq!(deletes, 100 * 3 + 1, "the delivery, its due time and its message, and the sum");
}
