//! `yubin ctl account forward`: where an account's mail goes on to.

use yubin_proto::r#gen::admin as api;

use super::args::ForwardVerb;
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print: the forward as it is now.
pub(super) async fn forward(mut api: Connection, verb: ForwardVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let forward = match verb {
        ForwardVerb::Set { address, targets, no_copy } => {
            let set = api::SetForwardRequest { address, targets, keep_copy: !no_copy, request_id };
            api.set_forward(set).await?
        }
        ForwardVerb::Show { address } => api.get_forward(api::GetForwardRequest { address }).await?,
        ForwardVerb::Clear { address } => api.clear_forward(api::ClearForwardRequest { address, request_id }).await?,
        ForwardVerb::Resume { address } => {
            api.resume_forward(api::ResumeForwardRequest { address, request_id }).await?
        }
    };
    Ok(forward.into_inner().shown(form))
}
