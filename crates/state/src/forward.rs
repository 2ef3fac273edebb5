//! Forwarding: mail for an account goes on to other addresses, hosted or not, and a copy stays in the mailbox or doesn't (SHIN-20).
//!
//! The command that delivers a message queues what it becomes, in the same step: nothing is forwarded that wasn't accepted, and nothing
//! twice. The queued message keeps its sender; who takes it out of the cluster rewrites it (SRS). Aliases stay inside their domain, so
//! whoever wants an outside target forwards an account.
//!
//! Not forwarded but kept in the mailbox, whatever the setting: junk, what has been at the account before (a loop) or was forwarded too
//! often, mail for a suspended account, and all mail while every target is paused. An account that keeps no copy needs no room: its quota is
//! not asked. A target that refuses message after message for good is paused, and the owner is told.
//!
//! - [`command`]: what can be proposed; [`record`]: what rows hold and others see.
//!
//! Behind it: `onward` queues, `settings` sets and pauses, `reading` answers. Limits: [`yubin_types::limits::FORWARD_TARGETS_MAX`] and
//! those after it.

pub mod command;
pub mod record;

pub(crate) mod onward;
pub(crate) mod reading;
pub(crate) mod settings;

pub use command::ForwardCommand;
pub use record::{Forward, ForwardNotice, ForwardPause, ForwardTarget, LocalCopy, Passage};
