//! How it is printed in whose names an account may send.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::{date, table};
use super::Shown;

impl Shown for api::SendAsGrants {
    fn table(&self) -> String {
        if self.grants.is_empty() {
            return format!("{} sends in its own name only\n", self.address);
        }
        let row = |grant: &api::SendAsGrant| {
            let state = if grant.in_force { "in force" } else { "without effect: gone or suspended" };
            vec![grant.name.clone(), state.to_owned(), date(grant.granted_time_ms), grant.granted_by.clone()]
        };
        table(&["MAY SEND AS", "STATE", "SINCE", "BY"], &self.grants.iter().map(row).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let grant = |grant: &api::SendAsGrant| {
            json!({
                "name": grant.name,
                "in_force": grant.in_force,
                "granted_time_ms": grant.granted_time_ms,
                "granted_by": grant.granted_by,
            })
        };
        json!({ "address": self.address, "grants": self.grants.iter().map(grant).collect::<Vec<_>>() })
    }
}
