//! `yubin ctl account send-as`: in whose names an account may send beside its own.

use yubin_proto::r#gen::admin as api;

use super::args::SendAsVerb;
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print: the rights as they are now.
pub(super) async fn send_as(mut api: Connection, verb: SendAsVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let grants = match verb {
        SendAsVerb::Grant { account, name } => {
            api.grant_send_as(api::GrantSendAsRequest { address: account, name, request_id }).await?
        }
        SendAsVerb::Revoke { account, name } => {
            api.revoke_send_as(api::RevokeSendAsRequest { address: account, name, request_id }).await?
        }
        SendAsVerb::Show { account } => api.get_send_as(api::GetSendAsRequest { address: account }).await?,
    };
    Ok(grants.into_inner().shown(form))
}
