//! How it is printed how an account answers by itself.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::super::output::date;
use super::Shown;

impl Shown for api::AutoReply {
    fn table(&self) -> String {
        let switch = match self.state() {
            api::State::Unspecified => return format!("{} answers no mail by itself\n", self.address),
            api::State::Suspended => "off",
            api::State::Active => "on",
        };
        let time = |at: Option<u64>, none: &str| at.map_or_else(|| none.to_owned(), date);
        let (from, until) = (time(self.from_ms, "now"), time(self.until_ms, "it is cleared"));
        let which = if self.everything { "all mail" } else { "mail that names it" };
        let forward = if self.stops_forward { "\nNothing is forwarded meanwhile." } else { "" };
        let subject = if self.subject.is_empty() { "Auto: (that of the message)" } else { self.subject.as_str() };
        let (address, days, answered) = (&self.address, self.days, self.answered);
        let subject = format!("Subject: {subject}");
        let lines = [
            format!("{address}: {switch}, from {from} until {until}"),
            format!("It answers {which}, each sender once in {days} days; {answered} wait for that.{forward}"),
            String::new(),
            subject,
            String::new(),
            self.text.trim_end().to_owned(),
            String::new(),
        ];
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let state = match self.state() {
            api::State::Unspecified => "none",
            api::State::Suspended => "off",
            api::State::Active => "on",
        };
        json!({
            "address": self.address,
            "state": state,
            "from_ms": self.from_ms,
            "until_ms": self.until_ms,
            "subject": self.subject,
            "text": self.text,
            "days": self.days,
            "everything": self.everything,
            "stops_forward": self.stops_forward,
            "answered": self.answered,
            "set_time_ms": self.set_time_ms,
            "set_by": self.set_by,
        })
    }
}
