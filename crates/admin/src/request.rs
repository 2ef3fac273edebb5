//! Who calls, and under which request id.

use tonic::Status;
use yubin_proto::Caller;
use yubin_state::DedupeClass;
use yubin_types::{RequestId, TraceId};

/// A request's identity, from which each of its steps gets its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestKey([u8; 16]);

impl RequestKey {
    /// The caller's id, or a new one where it gave none.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, Status> {
        match bytes {
            [] => Ok(RequestKey(*uuid::Uuid::new_v4().as_bytes())),
            bytes => <[u8; 16]>::try_from(bytes)
                .map(RequestKey)
                .map_err(|_| Status::invalid_argument("request_id: 16 bytes, or none")),
        }
    }

    /// The id of one step of the work.
    pub(crate) fn step(self, step: u8) -> (RequestId, DedupeClass) {
        let RequestKey(mut bytes) = self;
        if let Some(last) = bytes.last_mut() {
            *last ^= step;
        }
        (RequestId(bytes), DedupeClass::Admin)
    }
}

/// The caller of a request, as the interceptor found it.
pub(crate) fn caller<T>(request: &tonic::Request<T>) -> Caller {
    let principal = request.extensions().get::<crate::auth::Principal>();
    Caller {
        principal: principal.map_or_else(|| "admin".to_owned(), |principal| principal.0.clone()),
        peer: request.remote_addr().map(|address| address.ip()),
        trace: TraceId(*uuid::Uuid::new_v4().as_bytes()),
    }
}
