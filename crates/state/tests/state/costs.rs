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
use yubin_state::{BodyRef, DedupeClass, Encode as _, Entry, Position, Query, Txn, View, answer, apply};
use yubin_types::UidSet;

use crate::lab::{D1, EPOCH, Lab, deliver_to, name, recipient};

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
