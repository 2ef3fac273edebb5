//! How many files and connections the process may have open.
//!
//! Systems start services with 1,024, whatever they allow (`getrlimit(2)`), because `select(2)` can't do with more. A front end has one
//! for each connection and a store one for each table, so the process takes what it may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is enough for everything: the kernel's own default for the most that may be allowed.
const ENOUGH: u64 = 1 << 20;

/// Raises the soft limit to the hard one. Returns what is in force.
pub(crate) fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    let present = current.unwrap_or(u64::MAX);
    if present >= wanted {
        return present;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, open_files = present, "the limit of open files can't be raised");
            present
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_all_open_files_that_it_may_have() {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..before }).unwrap();
        let raised = raise_limit();
        assert!(raised > 256 || before.maximum == Some(256), "{raised}");
        assert_eq!(getrlimit(Resource::Nofile).current, Some(raised));
    }
}
