//! All commands and capabilities. An extension is a family of its own: a file, and a line here.

use super::command::{Allowed, Command, Completion, Reject};
use super::commands;
use super::config::Config;
use super::output::Output;
use super::state::State;
use crate::Security;
use crate::sasl::Mechanism;

/// A file of commands that belong together.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) commands: &'static [Command],
    pub(super) capabilities: &'static [Capability],
}

/// A word of the CAPABILITY line.
#[derive(Debug)]
pub(super) struct Capability {
    pub(super) name: &'static str,
    pub(super) when: When,
}

/// When it works, which is when it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// In every state.
    Always,
    /// After login.
    Authenticated,
    /// Before login, while TLS can be started.
    TlsOffered,
    /// Before login, where passwords are taken.
    LoginAllowed,
    /// Before login, where passwords are taken and this mechanism is on offer.
    Offered(Mechanism),
    /// Before login, where they are not.
    LoginDisabled,
}

const FAMILIES: &[&Family] = &[
    &commands::any_state::FAMILY,
    &commands::starttls::FAMILY,
    &commands::login::FAMILY,
    &commands::enable::FAMILY,
    &commands::namespace::FAMILY,
    &commands::idle::FAMILY,
    &commands::mailboxes::FAMILY,
    &commands::list::FAMILY,
    &commands::status::FAMILY,
    &commands::quota::FAMILY,
    &commands::append::FAMILY,
    &commands::select::FAMILY,
    &commands::fetch::FAMILY,
    &commands::store::FAMILY,
    &commands::copy::FAMILY,
    &commands::expunge::FAMILY,
    &commands::search::FAMILY,
    &commands::sort::FAMILY,
];

/// The command of this name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    FAMILIES.iter().flat_map(|family| family.commands).find(|command| command.name.eq_ignore_ascii_case(name))
}

/// The capabilities of this moment: what follows `CAPABILITY`.
pub(super) fn write_capabilities(state: &State, config: &Config, out: &mut Output) {
    out.text("CAPABILITY IMAP4rev1");
    for capability in FAMILIES.iter().flat_map(|family| family.capabilities) {
        if capability.when.holds(state, config) {
            out.text(" ").text(capability.name);
        }
    }
}

impl When {
    fn holds(self, state: &State, config: &Config) -> bool {
        let before_login = state.user.is_none();
        match self {
            When::Always => true,
            When::Authenticated => !before_login,
            When::TlsOffered => before_login && state.security == Security::Upgradable,
            When::LoginAllowed => before_login && login_allowed(state, config),
            When::Offered(mechanism) => {
                before_login && login_allowed(state, config) && config.offer(&state.security).includes(mechanism)
            }
            When::LoginDisabled => before_login && !login_allowed(state, config),
        }
    }
}

impl Allowed {
    /// May such a command be given now? If not, the words after `BAD` or the refusal.
    pub(super) fn check(self, state: &State, config: &Config) -> Result<(), Reject> {
        match self {
            Allowed::Always => Ok(()),
            Allowed::NotAuthenticated | Allowed::Login if state.user.is_some() => Err(Reject::Bad("Already logged in")),
            Allowed::Login if !login_allowed(state, config) => {
                Err(Reject::Refused(Completion::no(Some("PRIVACYREQUIRED"), "Start TLS first")))
            }
            Allowed::NotAuthenticated | Allowed::Login => Ok(()),
            Allowed::Authenticated | Allowed::Selected if state.user.is_none() => Err(Reject::Bad("Log in first")),
            Allowed::Selected if state.selected().is_none() => Err(Reject::Bad("No mailbox selected")),
            Allowed::Authenticated | Allowed::Selected => Ok(()),
        }
    }
}

fn login_allowed(state: &State, config: &Config) -> bool {
    state.security.admits_login(config.plaintext_login)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::FAMILIES;

    #[test]
    fn every_command_and_capability_has_one_home() {
        let mut names = BTreeSet::new();
        for command in FAMILIES.iter().flat_map(|family| family.commands) {
            assert!(names.insert(command.name), "{}", command.name);
            assert_eq!(command.name, command.name.to_uppercase());
        }
        let mut words = BTreeSet::new();
        for capability in FAMILIES.iter().flat_map(|family| family.capabilities) {
            assert!(words.insert(capability.name), "{}", capability.name);
        }
    }
}
