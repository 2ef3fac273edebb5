//! How much accounts and domains send: limits, counts, and the suspension of an account's sending.
//!
//! Counted is what is submitted with a login, by the command that takes it (`Enqueue`, or `Deliver` within the own domain), so that it
//! is exact whoever asks at once, and a repeated request is counted once. Over a limit the command is refused; refusals for an account's
//! own limits are counted too. Who is refused too often, or whose mail bounces too often, is suspended with the evidence: submissions are
//! refused, queued mail is put off, reading and receiving go on, and a notice to the owner is due (`store` writes it).
//!
//! - [`command`]: what can be proposed; [`record`]: what rows hold and others see; [`counters`]: hours and their sums.
//!
//! Not here: limits above a domain, and what a plan allows ([`yubin_types::sending`]). Behind it: `admit` decides and counts, `suspend`
//! stops and resumes, `reading` answers, `countries` keeps from where accounts may send, `send_as` in whose names.

pub mod command;
pub mod counters;
pub mod record;

pub(crate) mod admit;
pub(crate) mod countries;
pub(crate) mod reading;
pub(crate) mod send_as;
pub(crate) mod suspend;

pub use command::SendingCommand;
pub use record::{
    Counting, NameHolder, SendAsGrant, SendAsGrants, SenderRight, SendingAllowance, SendingChange, SendingControl,
    SendingNotice, SendingReport, SendingSuspension,
};
