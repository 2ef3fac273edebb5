//! Calls of queue workers that share receivers' limits and source addresses (docs/rfd/0018).

use std::time::Duration;

use yubin_state::command::DirectoryCommand;
use yubin_state::queue::{ShareReport, Shares, WarmUpItem};
use yubin_state::{Command, DedupeClass, Reply};
use yubin_types::RequestId;

use crate::client::{Caller, StoreClient};
use crate::contract::{Scope, StoreError};
use crate::queue::{QueueError, not_done};

/// How long a report may take: the next one says more.
const REPORT: Duration = Duration::from_secs(3);

impl StoreClient {
    /// Reports what a worker uses of receivers' limits; answers with what all may use. A report whose outcome is not known is superseded by the next.
    ///
    /// # Errors
    /// Out of bounds or out of order; the directory can't be reached in time.
    pub async fn report_shares(&self, report: ShareReport, caller: &Caller) -> Result<Shares, QueueError> {
        let command = Command::Directory(DirectoryCommand::ReportShares(Box::new(report)));
        let request = (RequestId(rand::random()), DedupeClass::None);
        let proposed = self.propose(Scope::DIRECTORY, &command, request, caller, Vec::new());
        let late = |_| StoreError::Unavailable("the directory did not answer in time".to_owned());
        match tokio::time::timeout(REPORT, proposed).await.map_err(late)?? {
            Reply::Shares(shares) => Ok(*shares),
            other => Err(not_done(other)),
        }
    }

    /// Counts what new source addresses are to send, before they do; answers for each item how much of it is granted.
    ///
    /// # Errors
    /// Out of bounds; the directory can't be reached.
    pub async fn count_warm_up(&self, items: Vec<WarmUpItem>, caller: &Caller) -> Result<Vec<u32>, QueueError> {
        let command = Command::Directory(DirectoryCommand::CountWarmUp(items));
        match self.propose_once(Scope::DIRECTORY, &command, caller).await? {
            Reply::WarmUp(granted) => Ok(granted),
            other => Err(not_done(other)),
        }
    }
}
