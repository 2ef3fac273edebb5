//! One file for each family of commands.

pub(super) mod any_state;
pub(super) mod enable;
pub(super) mod idle;
pub(super) mod login;
pub(super) mod namespace;
pub(super) mod starttls;
