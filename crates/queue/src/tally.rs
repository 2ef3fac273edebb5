//! Which deliveries a board has, how far each is, and how many that makes, in all and of each tenant.

use std::collections::BTreeMap;

use yubin_state::queue::{DeliveryKey, DueClass};
use yubin_types::DomainId;

use crate::crowd::Crowd;

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting(DueClass),
    /// Asked for, or leased.
    Ahead,
    Begun,
}

/// Deliveries by their stage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) waiting: Crowd,
    pub(crate) ahead: usize,
    pub(crate) begun: usize,
}

/// Deliveries and their counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stages: BTreeMap<DeliveryKey, Stage>,
    total: Count,
    by_tenant: BTreeMap<DomainId, Count>,
}

impl Tally {
    /// How far a delivery is, if it is here.
    pub(crate) fn stage(&self, key: &DeliveryKey) -> Option<Stage> {
        self.stages.get(key).copied()
    }

    pub(crate) const fn total(&self) -> Count {
        self.total
    }

    pub(crate) fn of(&self, tenant: DomainId) -> Count {
        self.by_tenant.get(&tenant).copied().unwrap_or_default()
    }

    /// A delivery comes to a stage.
    pub(crate) fn enter(&mut self, key: DeliveryKey, stage: Stage) {
        let tenant = self.by_tenant.entry(key.domain).or_default();
        if let Some(before) = self.stages.insert(key, stage) {
            tenant.add(before, -1);
            self.total.add(before, -1);
        }
        tenant.add(stage, 1);
        self.total.add(stage, 1);
    }

    /// A delivery is here no more.
    pub(crate) fn leave(&mut self, key: &DeliveryKey) {
        let Some(stage) = self.stages.remove(key) else { return };
        self.total.add(stage, -1);
        if let Some(tenant) = self.by_tenant.get_mut(&key.domain) {
            tenant.add(stage, -1);
            if tenant.waiting.total() + tenant.ahead + tenant.begun == 0 {
                self.by_tenant.remove(&key.domain);
            }
        }
    }
}

impl Count {
    fn add(&mut self, stage: Stage, by: isize) {
        let count = match stage {
            Stage::Waiting(class) => return self.waiting.add(class, by),
            Stage::Ahead => &mut self.ahead,
            Stage::Begun => &mut self.begun,
        };
        *count = count.saturating_add_signed(by);
    }
}
