//! How it is printed what reports are about.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::date;
use super::Shown;

impl Shown for api::SendReportsResponse {
    fn table(&self) -> String {
        let (from, to) = (date(self.from_time_ms), date(self.to_time_ms));
        format!("Workers that are configured to report send what happened from {from} to {to}.\n")
    }

    fn json(&self) -> Value {
        json!({ "from_time_ms": self.from_time_ms, "to_time_ms": self.to_time_ms })
    }
}
