//! Reports to other domains for operators: sent now instead of when the day is over.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};

use crate::queue::now;
use crate::status::{failed, refused};

/// Ends the period that runs; workers that report hear of it and send.
pub(crate) async fn send(client: &StoreClient, caller: &Caller) -> Result<api::SendReportsResponse, Status> {
    let (from, to) = client.cut_reports(now(), caller).await.map_err(failed)?.map_err(|refusal| refused(&refusal))?;
    Ok(api::SendReportsResponse { from_time_ms: from.millis(), to_time_ms: to.millis() })
}
