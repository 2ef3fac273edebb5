//! Asks a domain wherever it lives now.

use std::sync::Arc;

use yubin_state::record::{DkimKey, DkimKeyState};
use yubin_state::{Answer, Query};
use yubin_types::{DomainName, Refusal};

use crate::client::StoreClient;
use crate::contract::StoreError;
use crate::placement::Hosted;

impl StoreClient {
    /// A domain's answer and its place; `None`: it is not hosted here, as the directory or the domain's own group just confirmed.
    ///
    /// # Errors
    /// The directory or the group can't be reached.
    pub async fn ask(&self, name: &DomainName, query: Query) -> Result<Option<(Arc<Hosted>, Answer)>, StoreError> {
        let Some(hosted) = self.resolve(name).await? else { return Ok(None) };
        let answer = self.query(hosted.scope(), query.clone()).await?;
        if !is_stale(&answer) {
            return Ok(Some((hosted, answer)));
        }
        // The place was remembered from before a move; the directory knows better.
        self.forget(name);
        let Some(hosted) = self.resolve(name).await? else { return Ok(None) };
        match self.query(hosted.scope(), query).await? {
            Answer::Refused(Refusal::NoSuchDomain) => Ok(None),
            answer => Ok(Some((hosted, answer))),
        }
    }

    /// The DKIM keys that a domain signs with now; a refusal if it is not hosted here.
    ///
    /// # Errors
    /// The directory or the group can't be reached.
    pub async fn signing_keys(&self, name: &DomainName) -> Result<Result<Vec<DkimKey>, Refusal>, StoreError> {
        match self.ask(name, Query::DkimKeys).await? {
            Some((_, Answer::DkimKeys(mut keys))) => {
                keys.retain(|key| key.state == DkimKeyState::Active);
                Ok(Ok(keys))
            }
            Some((_, Answer::Refused(refusal))) => Ok(Err(refusal)),
            Some((_, other)) => Err(StoreError::Malformed(format!("unexpected answer: {other:?}"))),
            None => Ok(Err(Refusal::NoSuchDomain)),
        }
    }
}

fn is_stale(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(Refusal::StaleEpoch | Refusal::NoSuchDomain))
}
