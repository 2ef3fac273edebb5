//! Tokens of the API itself: named by who makes them, shown once, revoked for good. How a call shows one is [`crate::auth`]'s.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Scope, StoreClient};
use yubin_state::Command;
use yubin_state::command::DirectoryCommand;
use yubin_state::record::AdminToken;
use yubin_types::{Timestamp, limits};

use crate::auth;
use crate::request::RequestKey;
use crate::status::{accepted, failed};

pub(crate) async fn list(client: &StoreClient) -> Result<api::ListTokensResponse, Status> {
    let tokens = auth::tokens(client).await.map_err(failed)?;
    Ok(api::ListTokensResponse { tokens: tokens.iter().map(told).collect() })
}

/// Makes a token. Its secret is in the answer only, so a retry can't be given it again: the name is then taken.
pub(crate) async fn create(
    client: &StoreClient,
    request: api::CreateTokenRequest,
    caller: &Caller,
) -> Result<api::CreateTokenResponse, Status> {
    check_name(&request.name)?;
    let token = auth::mint_named(&request.name);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let created = Timestamp::from_seconds(now.as_secs());
    let record = AdminToken { id: request.name, sha256: auth::sha256(&token), created, made_from: caller.peer };
    let command = Command::Directory(DirectoryCommand::PutToken(record.clone()));
    accepted(client.propose_once(Scope::DIRECTORY, &command, caller).await.map_err(failed)?)?;
    Ok(api::CreateTokenResponse { token: Some(told(&record)), secret: token })
}

pub(crate) async fn revoke(
    client: &StoreClient,
    request: api::RevokeTokenRequest,
    caller: &Caller,
) -> Result<api::RevokeTokenResponse, Status> {
    let key = RequestKey::new(&request.request_id)?;
    let command = Command::Directory(DirectoryCommand::RemoveToken(request.name));
    let reply = client.propose(Scope::DIRECTORY, &command, key.step(0), caller, Vec::new()).await;
    accepted(reply.map_err(failed)?)?;
    Ok(api::RevokeTokenResponse {})
}

/// A name stands in the token between `_`, and in logs.
fn check_name(name: &str) -> Result<(), Status> {
    let fits = (1..=limits::ADMIN_TOKEN_NAME_BYTES_MAX).contains(&name.len());
    if fits && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)) {
        return Ok(());
    }
    let most = limits::ADMIN_TOKEN_NAME_BYTES_MAX;
    Err(Status::invalid_argument(format!("name: 1 to {most} of a to z, 0 to 9, '-' and '.'")))
}

fn told(token: &AdminToken) -> api::Token {
    api::Token {
        name: token.id.clone(),
        fingerprint: token.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        create_time_ms: token.created.millis(),
        made_from: token.made_from.map(|address| address.to_string()).unwrap_or_default(),
    }
}
