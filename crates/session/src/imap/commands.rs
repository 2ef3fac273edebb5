//! One file for each family of commands.

pub(super) mod any_state;
pub(super) mod append;
pub(super) mod copy;
pub(super) mod enable;
pub(super) mod expunge;
pub(super) mod fetch;
pub(super) mod idle;
pub(super) mod list;
pub(super) mod login;
pub(super) mod mailboxes;
pub(super) mod namespace;
pub(super) mod quota;
pub(super) mod search;
pub(super) mod select;
pub(super) mod sort;
pub(super) mod starttls;
pub(super) mod status;
pub(super) mod store;
