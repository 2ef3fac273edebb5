//! How tokens of the administration are printed.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::date;
use super::{Row, Shown};

/// What of a fingerprint people compare, hex digits.
const FINGERPRINT_DIGITS: usize = 16;

impl Row for api::Token {
    const HEADS: &'static [&'static str] = &["TOKEN", "FINGERPRINT", "MADE", "FROM"];
    const LIST: &'static str = "tokens";

    fn cells(&self) -> Vec<String> {
        let fingerprint = self.fingerprint.get(..FINGERPRINT_DIGITS).unwrap_or(&self.fingerprint);
        let from = if self.made_from.is_empty() { "-" } else { &self.made_from };
        vec![self.name.clone(), fingerprint.to_owned(), date(self.create_time_ms), from.to_owned()]
    }

    fn object(&self) -> Value {
        json!({
            "name": self.name,
            "fingerprint": self.fingerprint,
            "create_time_ms": self.create_time_ms,
            "made_from": self.made_from,
        })
    }
}

/// The token alone, so that it can be sent into a file.
impl Shown for api::CreateTokenResponse {
    fn table(&self) -> String {
        format!("{}\n", self.secret)
    }

    fn json(&self) -> Value {
        json!({ "token": self.token.as_ref().map(Row::object), "secret": self.secret })
    }
}

impl Shown for api::RevokeTokenResponse {
    fn table(&self) -> String {
        "done\n".to_owned()
    }

    fn json(&self) -> Value {
        json!({})
    }
}
