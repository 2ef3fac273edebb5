//! How many deliveries wait, by how urgent they are, and whether one more may.
//!
//! What is urgent finds room where nothing else does, and what can wait leaves half of it to the rest; so each is found and ordered, however much of the
//! others is due. Each has a little room of its own besides, so that nothing is kept out for ever.

use yubin_state::queue::DueClass;

/// Deliveries that wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crowd {
    urgent: usize,
    normal: usize,
    bulk: usize,
}

impl Crowd {
    pub(crate) const fn total(&self) -> usize {
        self.urgent + self.normal + self.bulk
    }

    /// So many of a class came, or went.
    pub(crate) const fn add(&mut self, class: DueClass, by: isize) {
        let count = match class {
            DueClass::Urgent => &mut self.urgent,
            DueClass::Bulk => &mut self.bulk,
            DueClass::Normal | DueClass::Leased | DueClass::Held => &mut self.normal,
        };
        *count = count.saturating_add_signed(by);
    }

    /// How many more of a class may wait, where `max` do, and a quarter more at most.
    pub(crate) fn room(&self, max: usize, class: DueClass) -> usize {
        let (own, most) = match class {
            DueClass::Urgent => (self.urgent, max + max.div_ceil(8)),
            DueClass::Bulk => (self.bulk, max.div_ceil(2)),
            DueClass::Normal | DueClass::Leased | DueClass::Held => (self.normal, max),
        };
        most.saturating_sub(self.total()).max((max / 16).saturating_sub(own))
    }
}

#[cfg(test)]
mod tests {
    use yubin_state::queue::DueClass;

    use super::Crowd;

    /// Fills up with each class in turn.
    fn filled(max: usize, classes: &[DueClass]) -> Crowd {
        let mut crowd = Crowd::default();
        for &class in classes {
            while crowd.room(max, class) > 0 {
                crowd.add(class, 1);
            }
        }
        crowd
    }

    #[test]
    fn nothing_keeps_what_is_more_urgent_out_nor_anything_for_ever() {
        let first = filled(1_600, &[DueClass::Bulk]);
        assert_eq!(
            (first.bulk, first.room(1_600, DueClass::Normal), first.room(1_600, DueClass::Urgent)),
            (800, 800, 1_000)
        );
        let first = filled(1_600, &[DueClass::Urgent]);
        assert_eq!(
            (first.urgent, first.room(1_600, DueClass::Normal), first.room(1_600, DueClass::Bulk)),
            (1_800, 100, 100)
        );
        let all = filled(1_600, &[DueClass::Urgent, DueClass::Normal, DueClass::Bulk]);
        assert_eq!((all.urgent, all.normal, all.bulk), (1_800, 100, 100));
        assert!(all.total() <= 1_600 + 1_600 / 4);
        assert_eq!(filled(1, &[DueClass::Normal, DueClass::Bulk]).total(), 1);
    }
}
