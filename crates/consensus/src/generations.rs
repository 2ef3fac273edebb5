//! Which generations of a replica's state are in use: the active one, and one that a snapshot is
//! loaded under and becomes the active one.
//!
//! A generation that is neither may be removed at any time. A snapshot that begins ends one that is
//! still being loaded, but never one that is being installed: its flip may be durable already.

use crate::keys::GENERATION_POINTER;

/// The generations of one replica.
#[derive(Debug)]
pub(crate) struct Generations {
    active: u16,
    incoming: Incoming,
    /// The one that was taken last; the next one to load follows it.
    last: u16,
    /// The one whose rows are being removed, and that nothing may be loaded under meanwhile.
    removing: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Idle,
    Loading(u16),
    Installing(u16),
}

impl Generations {
    pub(crate) fn new(active: u16) -> Self {
        Self { active, incoming: Incoming::Idle, last: active, removing: None }
    }

    pub(crate) fn active(&self) -> u16 {
        self.active
    }

    /// Takes a generation to load a snapshot under; `None` while another one is being installed.
    pub(crate) fn begin(&mut self) -> Option<u16> {
        if matches!(self.incoming, Incoming::Installing(_)) {
            return None;
        }
        let mut generation = next(self.last);
        while generation == self.active || Some(generation) == self.removing {
            generation = next(generation);
        }
        self.last = generation;
        self.incoming = Incoming::Loading(generation);
        Some(generation)
    }

    /// Whether a snapshot is still being loaded under a generation.
    pub(crate) fn is_loading(&self, generation: u16) -> bool {
        self.incoming == Incoming::Loading(generation)
    }

    /// From now on the loaded generation is being installed; false if it is not the one being loaded any more.
    pub(crate) fn install(&mut self, generation: u16) -> bool {
        let loading = self.is_loading(generation);
        if loading {
            self.incoming = Incoming::Installing(generation);
        }
        loading
    }

    /// The flip to a generation is durable.
    pub(crate) fn activate(&mut self, generation: u16) {
        self.active = generation;
        self.incoming = Incoming::Idle;
    }

    /// Nothing will be installed from a generation that was being loaded; false if it no longer is.
    pub(crate) fn give_up(&mut self, generation: u16) -> bool {
        let loading = self.is_loading(generation);
        if loading {
            self.incoming = Incoming::Idle;
        }
        loading
    }

    /// The generations whose rows are needed.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = u16> + use<> {
        let incoming = match self.incoming {
            Incoming::Idle => None,
            Incoming::Loading(generation) | Incoming::Installing(generation) => Some(generation),
        };
        [Some(self.active), incoming].into_iter().flatten()
    }

    /// Takes a generation to remove; false if it is in use.
    pub(crate) fn begin_removing(&mut self, generation: u16) -> bool {
        let free = self.in_use().all(|used| used != generation);
        if free {
            self.removing = Some(generation);
        }
        free
    }

    /// Its rows are gone.
    pub(crate) fn end_removing(&mut self) {
        self.removing = None;
    }
}

fn next(generation: u16) -> u16 {
    match generation.wrapping_add(1) {
        GENERATION_POINTER => 0,
        next => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_ends_one_that_is_being_loaded_and_none_that_is_being_installed() {
        let mut generations = Generations::new(7);
        assert_eq!(generations.begin(), Some(8));
        assert_eq!(generations.begin(), Some(9));
        assert!(!generations.is_loading(8) && !generations.install(8) && !generations.give_up(8));
        assert!(generations.install(9));
        assert_eq!(generations.begin(), None);
        assert!(!generations.give_up(9) && !generations.begin_removing(9), "its flip may be durable");
        generations.activate(9);
        assert_eq!((generations.active(), generations.begin()), (9, Some(10)));
        assert!(generations.begin_removing(7));
        assert!(generations.give_up(10));
        assert_eq!(generations.in_use().collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn nothing_is_loaded_under_a_generation_that_is_active_or_being_removed() {
        let mut generations = Generations::new(GENERATION_POINTER - 1);
        assert!(generations.begin_removing(0));
        assert_eq!(generations.begin(), Some(1));
        generations.end_removing();
        assert!(generations.install(1));
        generations.activate(1);
        generations.last = 0;
        assert_eq!(generations.begin(), Some(2));
    }
}
