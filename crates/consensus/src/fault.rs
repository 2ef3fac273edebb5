//! Why a replica of a group does not run.

use std::any::Any;
use std::fmt;

use tokio::sync::watch;

use crate::ids::Position;

/// A state machine's panic: this replica stops at the entry until an operator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The entry that could not be applied.
    pub position: Position,
    /// What the panic said.
    pub message: String,
}

impl Fault {
    pub(crate) fn from_panic(position: Position, panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Self { position, message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "apply panicked at {}: {}", self.position, self.message)
    }
}

/// A place for a replica's fault.
pub(crate) struct FaultCell(watch::Sender<Option<Fault>>);

impl Default for FaultCell {
    fn default() -> Self {
        Self(watch::channel(None).0)
    }
}

impl FaultCell {
    pub(crate) fn set(&self, fault: Fault) {
        self.0.send_replace(Some(fault));
    }

    pub(crate) fn get(&self) -> Option<Fault> {
        self.0.borrow().clone()
    }
}
