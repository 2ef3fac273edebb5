//! Failures as gRPC status codes and back.

use tonic::{Code, Status};

use crate::contract::StoreError;

const LEADER: &str = "yubin-leader";
const OUTCOME: &str = "yubin-outcome";

/// What the server answers.
pub(super) fn to_status(error: StoreError) -> Status {
    let text = error.to_string();
    match error {
        StoreError::NotLeader { leader } => {
            let mut status = Status::failed_precondition(text);
            if let Some(value) = leader.and_then(|id| id.to_string().parse().ok()) {
                status.metadata_mut().insert(LEADER, value);
            }
            status
        }
        StoreError::Unavailable(why) => {
            let mut status = Status::unavailable(why);
            status.metadata_mut().insert(OUTCOME, tonic::metadata::MetadataValue::from_static("none"));
            status
        }
        StoreError::Overloaded => Status::resource_exhausted(text),
        StoreError::Unknown(why) => Status::aborted(why),
        StoreError::Malformed(why) => Status::invalid_argument(why),
    }
}

/// What the client makes of it. `connected` tells whether the request can have left this process.
pub(super) fn from_status(status: &Status) -> StoreError {
    let text = || status.message().to_owned();
    match status.code() {
        Code::FailedPrecondition => StoreError::NotLeader { leader: leader(status) },
        Code::Unavailable if status.metadata().contains_key(OUTCOME) => StoreError::Unavailable(text()),
        Code::ResourceExhausted => StoreError::Overloaded,
        Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange => StoreError::Malformed(text()),
        _ => StoreError::Unknown(format!("{}: {}", status.code(), status.message())),
    }
}

fn leader(status: &Status) -> Option<u64> {
    status.metadata().get(LEADER)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{from_status, to_status};
    use crate::contract::StoreError;

    #[test]
    fn failures_survive_the_wire() {
        for error in [
            StoreError::NotLeader { leader: Some(7) },
            StoreError::NotLeader { leader: None },
            StoreError::Unavailable("starting".to_owned()),
            StoreError::Overloaded,
            StoreError::Malformed("bytes".to_owned()),
        ] {
            assert_eq!(from_status(&to_status(error.clone())), error);
        }
    }

    #[test]
    fn a_broken_connection_leaves_the_outcome_unknown() {
        let status = tonic::Status::unavailable("connection reset");
        assert!(matches!(from_status(&status), StoreError::Unknown(_)));
    }
}
