//! The exclusive lock of a maildrop (RFC 1939 §4), held in the memory of the group's leader.
//!
//! Renewed at a third of its life, so that one failed renewal and a change of leader lose nothing. A session that can't renew for a
//! whole life is told that the lock is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yubin_proto::{LockAction, Scope, StoreClient, StoreError};
use yubin_types::{AccountId, limits};

use crate::account::{Account, Trouble};

/// A held lock. Dropping it gives it back in the background.
pub(super) struct Lock {
    place: Place,
    lost: CancellationToken,
    renewing: JoinHandle<()>,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    Released,
}

#[derive(Clone)]
struct Place {
    store: Arc<StoreClient>,
    scope: Scope,
    account: AccountId,
    token: [u8; 16],
}

impl Place {
    async fn act(&self, action: LockAction) -> Result<bool, StoreError> {
        self.store.lock(self.scope, self.account, self.token, action).await
    }

    async fn release(&self) {
        if let Err(error) = self.act(LockAction::Release).await {
            tracing::debug!(%error, "a lock was not given back; it ends by itself");
        }
    }
}

impl Lock {
    /// Takes it; `None`: another session has it.
    pub(super) async fn take(account: &Account) -> Result<Option<Lock>, Trouble> {
        let place = Place {
            store: Arc::clone(account.store()),
            scope: account.scope(),
            account: account.login().account,
            token: rand::random(),
        };
        if !place.act(LockAction::Take).await.map_err(|error| unavailable(&error))? {
            return Ok(None);
        }
        let lost = CancellationToken::new();
        let renewing = tokio::spawn(renew(place.clone(), lost.clone()));
        Ok(Some(Lock { place, lost, renewing, standing: Standing::Held }))
    }

    /// Is it still held, as its leader says now?
    pub(super) async fn confirm(&self) -> Result<bool, Trouble> {
        self.place.act(LockAction::Renew).await.map_err(|error| unavailable(&error))
    }

    /// Waits until it is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Gives it back.
    pub(super) async fn release(mut self) {
        self.standing = Standing::Released;
        self.renewing.abort();
        self.place.release().await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
        if self.standing == Standing::Held {
            let place = self.place.clone();
            tokio::spawn(async move { place.release().await });
        }
    }
}

async fn renew(place: Place, lost: CancellationToken) {
    let life = Duration::from_secs(limits::POP3_LOCK_SECONDS);
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(life / 3).await;
        let asked = Instant::now();
        match place.act(LockAction::Renew).await {
            Ok(true) => renewed = asked,
            Ok(false) => return lost.cancel(),
            Err(_) if renewed.elapsed() > life => return lost.cancel(),
            Err(error) => tracing::debug!(%error, "a lock was not renewed yet"),
        }
    }
}

fn unavailable(error: &StoreError) -> Trouble {
    tracing::warn!(%error, "the lock can't be asked for");
    Trouble::Unavailable
}
