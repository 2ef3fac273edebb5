//! How it is printed where an account's mail goes on to.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::{date, table};
use super::{Shown, state, state_word};

impl Shown for api::AccountForward {
    fn table(&self) -> String {
        if self.targets.is_empty() {
            return format!("{} is not forwarded\n", self.address);
        }
        let row = |target: &api::ForwardTarget| {
            let since = target.paused_since_ms.map(date).unwrap_or_default();
            let refused = target.refused.to_string();
            vec![target.address.clone(), state(target.state, &target.pause_reason), since, refused]
        };
        let targets = self.targets.iter().map(row).collect::<Vec<_>>();
        let copy = if self.keep_copy { "a copy stays in the mailbox" } else { "no copy stays in the mailbox" };
        format!("{}\n{}: {copy}\n", table(&["FORWARDED TO", "STATE", "SINCE", "REFUSED"], &targets), self.address)
    }

    fn json(&self) -> Value {
        let target = |target: &api::ForwardTarget| {
            json!({
                "address": target.address,
                "state": state_word(target.state),
                "refused": target.refused,
                "pause_reason": target.pause_reason,
                "paused_since_ms": target.paused_since_ms,
            })
        };
        json!({
            "address": self.address,
            "targets": self.targets.iter().map(target).collect::<Vec<_>>(),
            "keep_copy": self.keep_copy,
            "set_time_ms": self.set_time_ms,
            "set_by": self.set_by,
        })
    }
}
