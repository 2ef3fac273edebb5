//! `yubin ctl account auto-reply`: how an account answers by itself.

use anyhow::Context as _;
use yubin_proto::r#gen::admin as api;

use super::args::{AutoReplyVerb, SetAutoReplyArgs};
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print: the reply as it is now.
pub(super) async fn auto_reply(mut api: Connection, verb: AutoReplyVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let reply = match verb {
        AutoReplyVerb::Set(set) => {
            let text = text(&set)?;
            let SetAutoReplyArgs { address, subject, from, until, days, everything, stop_forward, off, .. } = set;
            let set = api::SetAutoReplyRequest {
                address,
                off,
                from_ms: from,
                until_ms: until,
                subject,
                text,
                days,
                everything,
                stops_forward: stop_forward,
                request_id,
            };
            api.set_auto_reply(set).await?
        }
        AutoReplyVerb::Show { address } => api.get_auto_reply(api::GetAutoReplyRequest { address }).await?,
        AutoReplyVerb::Clear { address } => {
            api.clear_auto_reply(api::ClearAutoReplyRequest { address, request_id }).await?
        }
    };
    Ok(reply.into_inner().shown(form))
}

fn text(set: &SetAutoReplyArgs) -> anyhow::Result<String> {
    match (&set.text, &set.text_file) {
        (Some(text), _) => Ok(text.clone()),
        (None, Some(path)) => std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display())),
        (None, None) => Ok(String::new()),
    }
}
