//! Bearer tokens: `ybn_ID_SECRET`, of which the directory keeps the id and a SHA-256.
//!
//! Every call looks its token up with a linearizable read, so a revoked token is refused from the moment its removal returned.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use tonic::Status;
use tonic::metadata::MetadataMap;
use yubin_proto::{Caller, Scope, StoreClient, StoreError};
use yubin_state::command::DirectoryCommand;
use yubin_state::record::AdminToken;
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{Refusal, Secret, Timestamp};

use crate::status::failed;

/// Who called: the token's id.
#[derive(Clone, Debug)]
pub struct Principal(pub String);

/// Whether a token is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Good,
    /// It was revoked, which is for good.
    Revoked,
}

/// A new token.
#[must_use]
pub fn mint() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    mint_named(id.get(..12).unwrap_or(&id))
}

/// A new token of a name without `_`.
pub(crate) fn mint_named(id: &str) -> String {
    let secret: Vec<u8> =
        [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].iter().flat_map(|part| *part.as_bytes()).collect();
    format!("ybn_{id}_{}", URL_SAFE_NO_PAD.encode(secret))
}

/// Makes a token good, if it isn't yet and was not revoked.
///
/// # Errors
/// The directory can't be reached, or another token has its id.
pub async fn register(client: &StoreClient, token: &str, now: Timestamp) -> Result<Standing, StoreError> {
    let Some(id) = id_of(token) else {
        return Err(StoreError::Malformed("not a token of the form ybn_ID_SECRET".to_owned()));
    };
    if known(client, id).await?.is_some_and(|known| known.sha256 == sha256(token)) {
        return Ok(Standing::Good);
    }
    let record = AdminToken { id: id.to_owned(), sha256: sha256(token), created: now, made_from: None };
    let command = Command::Directory(DirectoryCommand::PutToken(record));
    match client.propose_once(Scope::DIRECTORY, &command, &Caller::internal("bootstrap")).await? {
        Reply::Refused(Refusal::InvalidValue { .. }) => Ok(Standing::Revoked),
        Reply::Refused(refusal) => Err(StoreError::Malformed(refusal.to_string())),
        _ => Ok(Standing::Good),
    }
}

/// Checks the `authorization` header of a call.
pub(crate) async fn authenticate(client: &Arc<StoreClient>, headers: &MetadataMap) -> Result<Principal, Status> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Err(Status::unauthenticated("send `authorization: Bearer TOKEN`"));
    };
    let known = match id_of(token) {
        Some(id) => known(client, id).await.map_err(failed)?,
        None => None,
    };
    // `Secret` compares in constant time.
    let good = known.filter(|known| Secret::new(known.sha256) == Secret::new(sha256(token)));
    good.map(|known| Principal(known.id)).ok_or_else(|| Status::unauthenticated("this token is not known"))
}

async fn known(client: &StoreClient, id: &str) -> Result<Option<AdminToken>, StoreError> {
    Ok(tokens(client).await?.into_iter().find(|token| token.id == id))
}

/// All that are good.
pub(crate) async fn tokens(client: &StoreClient) -> Result<Vec<AdminToken>, StoreError> {
    match client.query(Scope::DIRECTORY, Query::Tokens).await? {
        Answer::Tokens(tokens) => Ok(tokens),
        other => Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
    }
}

fn id_of(token: &str) -> Option<&str> {
    token.strip_prefix("ybn_")?.split_once('_').map(|(id, _)| id)
}

/// What the directory keeps of a token.
pub(crate) fn sha256(token: &str) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::{id_of, mint};

    #[test]
    fn tokens_differ_and_carry_their_id() {
        let (a, b) = (mint(), mint());
        assert_ne!(id_of(&a), id_of(&b));
        assert_eq!(id_of(&a).map(str::len), Some(12));
        assert_eq!(id_of("Bearer x"), None);
    }
}
