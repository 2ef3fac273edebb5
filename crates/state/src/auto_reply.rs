//! Automatic replies: an account answers who writes to it, once in a while (RFC 3834; SONET-26, SONET-27).
//!
//! The command that delivers a message queues the answer, in the same step: nothing is answered that wasn't accepted, and nothing twice.
//! What an owner writes is encoded by whoever sets it and stored as a body that all answers share; what an answer takes from the message
//! comes with the delivery ([`Answerable`]), for applying a command writes no dates and parses no headers. Whether the message may be
//! answered at all is decided there too; here it is decided whether this account answers it now.
//!
//! Not answered: junk, mail that does not name the account where that is asked for, the account's own mail, a sender that was answered
//! within the interval, mail in a circle, and everything while the account, or its sending, is suspended. An answer that finds no room in
//! the queue is given up; the mail is delivered all the same.
//!
//! - [`command`]: what can be proposed; [`record`]: what rows hold and others see.
//!
//! Behind it: `answering` decides and queues, `settings` sets, `reading` answers questions. Limits: those named `AUTO_REPLY` in
//! [`yubin_types::limits`].

pub mod command;
pub mod record;

pub(crate) mod answering;
pub(crate) mod reading;
pub(crate) mod settings;

pub use command::AutoReplyCommand;
pub use record::{Answerable, AutoReply, AutoReplyReport, Forwarding, ReplySwitch, ReplyTo};
