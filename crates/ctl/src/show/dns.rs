//! How the records that a domain publishes are printed.
//!
//! The value of a TXT record is one text, however long: most name servers' panels cut it into strings of 255 octets themselves. The
//! column KEY says of a DKIM record whether its key signs; `keep_until_ms` in JSON says when a retiring key's record may go.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::Row;

impl Row for api::DnsRecord {
    const HEADS: &'static [&'static str] = &["NAME", "TYPE", "KEY", "VALUE"];
    const LIST: &'static str = "records";

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.r#type.clone(), dkim_state(self.dkim).to_owned(), self.value.clone()]
    }

    fn object(&self) -> Value {
        let mut object = json!({ "name": self.name, "type": self.r#type, "value": self.value });
        if let (Some(fields), false) = (object.as_object_mut(), self.selector.is_empty()) {
            fields.insert("selector".to_owned(), json!(self.selector));
            fields.insert("state".to_owned(), json!(dkim_state(self.dkim)));
            fields.insert("keep_until_ms".to_owned(), json!(self.keep_until_ms));
        }
        object
    }
}

fn dkim_state(state: i32) -> &'static str {
    match api::DkimState::try_from(state) {
        Ok(api::DkimState::Pending) => "pending",
        Ok(api::DkimState::Active) => "active",
        Ok(api::DkimState::Retiring) => "retiring",
        _ => "-",
    }
}
