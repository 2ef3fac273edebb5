//! Tokens of the administration (group 0): made and revoked, never changed.
//!
//! A revoked token leaves its id behind, which is never used again: a node whose file still holds the token can't make it good at its next
//! start, and what was done under the name stays the doing of one holder. One token always stays, so that the administration can't lock
//! itself out.

use yubin_types::{Refusal, Timestamp, limits};

use crate::directory::check_name;
use crate::keys;
use crate::kv::Txn;
use crate::record::AdminToken;
use crate::reply::Reply;
use crate::stop::Outcome;
use crate::table::{Read as _, Write as _};

/// Makes a token good. One that is good already stays as it is; the id of another is `NameTaken`, that of a revoked one `InvalidValue`.
pub(crate) fn put<T: Txn>(txn: &mut T, token: &AdminToken) -> Outcome<Reply, T::Error> {
    check_name(&token.id)?;
    if txn.row(&keys::revoked_token(&token.id))?.is_some() {
        return Err(Refusal::InvalidValue { why: "a token of this name was revoked".to_owned() }.into());
    }
    match txn.row(&keys::token(&token.id))? {
        Some(known) if known.sha256 == token.sha256 => return Ok(Reply::Done),
        Some(_) => return Err(Refusal::NameTaken { owner: "another token".to_owned() }.into()),
        None => {}
    }
    if txn.first_keys(&keys::tokens(), limits::ADMIN_TOKENS_MAX)?.len() >= limits::ADMIN_TOKENS_MAX {
        return Err(Refusal::TooMany { what: "tokens".to_owned(), limit: limits::ADMIN_TOKENS_MAX as u64 }.into());
    }
    txn.set(&keys::token(&token.id), token);
    Ok(Reply::Done)
}

/// Revokes a token, unless it is the only one.
pub(crate) fn remove<T: Txn>(txn: &mut T, now: Timestamp, id: &str) -> Outcome<Reply, T::Error> {
    if txn.row(&keys::token(id))?.is_none() {
        return Err(Refusal::NotFound { what: "token".to_owned() }.into());
    }
    if txn.first_keys(&keys::tokens(), 2)?.len() < 2 {
        return Err(Refusal::InUse { why: "it is the only token; make another one first".to_owned() }.into());
    }
    txn.unset(&keys::token(id));
    txn.set(&keys::revoked_token(id), &now);
    Ok(Reply::Done)
}
