//! `yubin ctl token`: who may call the administration.

use yubin_proto::r#gen::admin as api;

use super::args::TokenVerb;
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print.
pub(super) async fn token(mut api: Connection, verb: TokenVerb, form: Form) -> anyhow::Result<String> {
    match verb {
        TokenVerb::List => {
            let found = api.list_tokens(api::ListTokensRequest {}).await?;
            Ok(found.into_inner().tokens.shown(form))
        }
        TokenVerb::Create { name } => {
            let made = api.create_token(api::CreateTokenRequest { name }).await?;
            Ok(made.into_inner().shown(form))
        }
        TokenVerb::Revoke { name } => {
            let request = api::RevokeTokenRequest { name, request_id: request_id() };
            Ok(api.revoke_token(request).await?.into_inner().shown(form))
        }
    }
}
