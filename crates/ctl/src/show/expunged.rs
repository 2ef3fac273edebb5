//! How expunged mail is printed.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::{date, human};
use super::{Row, Shown};

impl Row for api::ExpungedMail {
    const HEADS: &'static [&'static str] = &["ACCOUNT", "UID", "MAILBOX", "MESSAGES", "SIZE", "FIRST", "LAST"];
    const LIST: &'static str = "expunged";

    fn cells(&self) -> Vec<String> {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        vec![
            or(&self.address, "(deleted)"),
            self.account_uid.to_string(),
            or(&self.mailbox, "-"),
            self.messages.to_string(),
            human(self.bytes),
            date(self.first_time_ms),
            date(self.last_time_ms),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "address": self.address,
            "account_uid": self.account_uid,
            "mailbox": self.mailbox,
            "messages": self.messages,
            "bytes": self.bytes,
            "first_time_ms": self.first_time_ms,
            "last_time_ms": self.last_time_ms,
        })
    }
}

impl Shown for api::RestoreMailResponse {
    fn table(&self) -> String {
        format!("messages brought back: {}\n", self.messages)
    }

    fn json(&self) -> Value {
        json!({ "messages": self.messages })
    }
}
