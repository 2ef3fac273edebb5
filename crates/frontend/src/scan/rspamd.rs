//! rspamd's protocol: the message as the body of `POST /checkv2`, what is known of its way in header fields, and an answer in JSON.
//!
//! What it says of spam is taken as it says it; how much of that is obeyed, the recipients' rules say. Header fields that it would add are
//! not: what was found stands in fields of ours.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;
use yubin_policy::spam::{Hit, Scored};
use yubin_types::{SpamScore, limits};

use super::{ScanError, Scanner, Way};
use crate::header;
use crate::spool::Spooled;

/// What rspamd says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rspamd {
    /// What is to be done.
    pub(crate) action: Action,
    /// The score and what it is made of, the heaviest first.
    pub(crate) scored: Scored,
    /// From which score on it is spam to rspamd.
    pub(crate) required: SpamScore,
    /// Words for the peer.
    pub(crate) words: Option<String>,
}

/// What rspamd wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Take,
    /// To make the peer wait, if somebody keeps the account of who did.
    Greylist,
    /// To mark it as spam, in the header or in the subject.
    Mark,
    /// To put it off.
    Defer,
    /// To refuse it.
    Reject,
}

/// The answer's JSON.
#[derive(Deserialize)]
struct Answer {
    action: String,
    score: f64,
    required_score: f64,
    #[serde(default)]
    thresholds: BTreeMap<String, Option<f64>>,
    #[serde(default)]
    symbols: BTreeMap<String, Symbol>,
    /// An object, or an empty list.
    #[serde(default)]
    messages: serde_json::Value,
}

#[derive(Deserialize)]
struct Symbol {
    #[serde(default)]
    score: f64,
}

impl Scanner {
    /// Shows rspamd a message; none if it is longer than it is to be shown.
    pub(crate) async fn rspamd(&self, message: &Spooled, way: &Way) -> Result<Option<Rspamd>, ScanError> {
        if message.bytes > self.config.message_bytes_max {
            return Ok(None);
        }
        self.run(async {
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(self.connect().await?)).await.map_err(broken)?;
            // Ends with this scan.
            let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
            let body = StreamBody::new(header::pieces(&message.body).map_ok(Frame::data));
            let mut request =
                Request::post("/checkv2").body(body).map_err(|error| ScanError::Answer(error.to_string()))?;
            *request.headers_mut() = fields(message, way);
            let response = sender.send_request(request).await.map_err(broken)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), limits::RSPAMD_ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| ScanError::Answer(error.to_string()))?.to_bytes();
            if status != StatusCode::OK {
                return Err(ScanError::Answer(format!("status {status}")));
            }
            parse(&body).map(Some)
        })
        .await
    }
}

fn broken(error: hyper::Error) -> ScanError {
    ScanError::Connection(std::io::Error::other(error))
}

/// What goes with the message. What no HTTP field can hold is left out.
fn fields(message: &Spooled, way: &Way) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            fields.append(HeaderName::from_static(name), value);
        }
    };
    add("ip", &way.peer.to_string());
    add("helo", &way.helo);
    add("from", &way.sender);
    way.recipients.iter().for_each(|recipient| add("rcpt", recipient));
    way.user.iter().for_each(|user| add("user", user));
    way.peer_name.iter().for_each(|name| add("hostname", name));
    add("queue-id", &way.id);
    add("mta-name", &way.hostname);
    fields.insert(HOST, HeaderValue::from_static("rspamd"));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(message.bytes));
    fields
}

fn parse(body: &Bytes) -> Result<Rspamd, ScanError> {
    let unreadable = |what: &str| ScanError::Answer(what.to_owned());
    let answer: Answer = serde_json::from_slice(body).map_err(|error| ScanError::Answer(error.to_string()))?;
    let action = match answer.action.as_str() {
        "no action" => Action::Take,
        "greylist" => Action::Greylist,
        // Nothing is kept apart here: what is to be quarantined goes where spam goes.
        "add header" | "rewrite subject" | "quarantine" => Action::Mark,
        "soft reject" => Action::Defer,
        // Nothing vanishes unsaid: a sender who is no spammer learns of it.
        "reject" | "discard" => Action::Reject,
        _ => return Err(unreadable("an unknown action")),
    };
    let score = |points| SpamScore::from_fraction(points).ok_or_else(|| unreadable("a score that is none"));
    let marks = answer.thresholds.get("add header").copied().flatten();
    let hit = |(name, symbol): (String, Symbol)| {
        let score = SpamScore::from_fraction(symbol.score).filter(|score| score.0 != 0)?;
        Some(Hit { name, score })
    };
    let mut hits: Vec<Hit> = answer.symbols.into_iter().filter_map(hit).collect();
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.score.0.abs()));
    Ok(Rspamd {
        action,
        scored: Scored { score: score(answer.score)?, hits },
        required: score(marks.unwrap_or(answer.required_score))?,
        words: answer.messages.get("smtp_message").and_then(|words| words.as_str()).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use yubin_types::SpamScore;

    use super::{Action, parse};

    fn read(json: &str) -> Option<super::Rspamd> {
        parse(&Bytes::copy_from_slice(json.as_bytes())).ok()
    }

    #[test]
    fn answers_are_read_as_rspamd_writes_them() {
        let answer = r#"{"is_skipped":false,"score":5.997,"required_score":15.0,"action":"add header",
            "thresholds":{"reject":15.0,"add header":6.0,"greylist":4.0,"rewrite subject":null},
            "symbols":{"ARC_NA":{"name":"ARC_NA","score":0.0,"metric_score":0.0},"A":{"score":1.5},"B":{"score":-4.5}},
            "messages":{"smtp_message":"Gtube pattern"},"message-id":"x@y","time_real":0.1}"#;
        let read = read(answer).unwrap();
        assert_eq!((read.action, read.scored.score, read.required), (Action::Mark, SpamScore(600), SpamScore(600)));
        assert_eq!(read.scored.hits.iter().map(|hit| hit.name.as_str()).collect::<Vec<_>>(), ["B", "A"]);
        assert_eq!(read.words.as_deref(), Some("Gtube pattern"));
    }

    /// Actions that its modules force, beside those that it comes to by scores.
    #[test]
    fn forced_actions_are_verdicts() {
        for (action, expected) in
            [("reject", Action::Reject), ("discard", Action::Reject), ("quarantine", Action::Mark)]
        {
            let answer = format!(r#"{{"action":"{action}","score":1,"required_score":15}}"#);
            assert_eq!(read(&answer).map(|said| said.action), Some(expected), "{action}");
        }
    }

    #[test]
    fn what_is_no_answer_is_no_verdict() {
        let whole =
            |action: &str, score: &str| format!(r#"{{"action":"{action}","score":{score},"required_score":15}}"#);
        assert_eq!(read(&whole("soft reject", "1")).unwrap().action, Action::Defer);
        assert_eq!(read(&whole("reject", "1")).unwrap().required, SpamScore::points(15));
        for json in ["", "{}", "[]", "null", r#"{"error":"x"}"#, &whole("explode", "1"), &whole("reject", "1e300")] {
            assert!(read(json).is_none(), "{json}");
        }
    }
}
