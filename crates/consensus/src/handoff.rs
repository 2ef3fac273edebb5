//! A queue from many producers to one consumer that always takes all there is.
//!
//! A push wakes the consumer only if it sleeps, so a busy pipeline costs one short lock per item.
//! There is no bound here: proposals, appends and snapshots are bounded where they enter.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

pub(crate) struct Handoff<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    items: Vec<T>,
    sleeper: Option<Waker>,
    pushed: u64,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl<T> Handoff<T> {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::new(Inner { items: Vec::new(), sleeper: None, pushed: 0, state: State::Open }) }
    }

    /// Adds an item and gives its number, counted from 1; an item pushed after the close is
    /// dropped and has number 0.
    pub(crate) fn push(&self, item: T) -> u64 {
        let (number, sleeper) = {
            let mut inner = self.inner.lock();
            if inner.state == State::Closed {
                return 0;
            }
            inner.items.push(item);
            inner.pushed += 1;
            (inner.pushed, inner.sleeper.take())
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        number
    }

    /// Adds several items under one lock.
    pub(crate) fn extend(&self, items: &mut Vec<T>) {
        if items.is_empty() {
            return;
        }
        let sleeper = {
            let mut inner = self.inner.lock();
            if inner.state == State::Closed {
                return items.clear();
            }
            inner.pushed += items.len() as u64;
            inner.items.append(items);
            inner.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// Waits for items and swaps them into `into`, which must be empty; `None` once closed and
    /// drained, else the number of the last item taken.
    pub(crate) async fn take_all(&self, into: &mut Vec<T>) -> Option<u64> {
        poll_fn(|context| {
            let mut inner = self.inner.lock();
            if !inner.items.is_empty() {
                std::mem::swap(&mut inner.items, into);
                return Poll::Ready(Some(inner.pushed));
            }
            if inner.state == State::Closed {
                return Poll::Ready(None);
            }
            inner.sleeper = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Lets the consumer end after what is queued.
    pub(crate) fn close(&self) {
        self.end(|_| Vec::new());
    }

    /// Drops what is queued and lets the consumer end.
    pub(crate) fn abandon(&self) {
        self.end(std::mem::take);
    }

    fn end(&self, doom: impl FnOnce(&mut Vec<T>) -> Vec<T>) {
        let (doomed, sleeper) = {
            let mut inner = self.inner.lock();
            inner.state = State::Closed;
            (doom(&mut inner.items), inner.sleeper.take())
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        drop(doomed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_sleeping_consumer_is_woken_and_drains_before_it_ends() {
        let queue = Arc::new(Handoff::new());
        let consumer = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                futures::executor::block_on(async {
                    let (mut all, mut some) = (Vec::new(), Vec::new());
                    while queue.take_all(&mut some).await.is_some() {
                        all.append(&mut some);
                    }
                    all
                })
            })
        };
        for item in 0..1000 {
            assert_eq!(queue.push(item), item + 1);
        }
        queue.extend(&mut vec![1000, 1001]);
        queue.close();
        assert_eq!(queue.push(7), 0);
        assert_eq!(consumer.join().unwrap(), (0..1002).collect::<Vec<_>>());
    }
}
