//! What an outgoing snapshot still needs: while one is being sent, the janitor neither purges past
//! its last index nor removes body files.

use std::sync::Arc;

use parking_lot::Mutex;

/// The pinned indexes of one replica.
#[derive(Default)]
pub(crate) struct Pins {
    held: Arc<Mutex<Vec<u64>>>,
}

/// Keeps an index pinned until dropped.
pub(crate) struct Pin {
    index: u64,
    held: Arc<Mutex<Vec<u64>>>,
}

impl Pins {
    pub(crate) fn pin(&self, index: u64) -> Pin {
        self.held.lock().push(index);
        Pin { index, held: Arc::clone(&self.held) }
    }

    /// The lowest pinned index.
    pub(crate) fn lowest(&self) -> Option<u64> {
        self.held.lock().iter().copied().min()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        if let Some(at) = held.iter().position(|index| *index == self.index) {
            held.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_holds_until_dropped() {
        let pins = Pins::default();
        let (five, seven) = (pins.pin(5), pins.pin(7));
        assert_eq!(pins.lowest(), Some(5));
        drop(five);
        assert_eq!(pins.lowest(), Some(7));
        drop(seven);
        assert_eq!(pins.lowest(), None);
    }
}
