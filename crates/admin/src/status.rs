//! Refusals and failures as gRPC status, with a message that says what to do.

use tonic::{Code, Status};
use yubin_proto::StoreError;
use yubin_state::{Answer, Reply};
use yubin_types::Refusal;

/// A refusal as status.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let code = match refusal {
        Refusal::NoSuchDomain
        | Refusal::NoSuchAccount
        | Refusal::NoSuchRecipient
        | Refusal::NoSuchMailbox
        | Refusal::NotFound { .. } => Code::NotFound,
        Refusal::NameTaken { .. } | Refusal::MailboxExists => Code::AlreadyExists,
        Refusal::InvalidName { .. } | Refusal::InvalidValue { .. } => Code::InvalidArgument,
        Refusal::TooMany { .. } | Refusal::OverQuota { .. } | Refusal::QueueFull | Refusal::SendingLimit { .. } => {
            Code::ResourceExhausted
        }
        Refusal::StaleEpoch | Refusal::DomainFrozen => Code::Aborted,
        Refusal::Unsupported => Code::Unimplemented,
        _ => Code::FailedPrecondition,
    };
    Status::new(code, refusal.to_string())
}

/// A failure as status: retrying under the same request id is safe.
pub(crate) fn failed(error: StoreError) -> Status {
    match error {
        StoreError::Unknown(why) => {
            Status::unavailable(format!("the outcome is not known ({why}); try again with the same request id"))
        }
        StoreError::Overloaded => Status::resource_exhausted("too much is under way; try again"),
        StoreError::Malformed(why) => Status::internal(why),
        StoreError::Unavailable(_) | StoreError::NotLeader { .. } => Status::unavailable(error.to_string()),
    }
}

/// A reply, unless it is a refusal.
pub(crate) fn accepted(reply: Reply) -> Result<Reply, Status> {
    match reply {
        Reply::Refused(refusal) => Err(refused(&refusal)),
        reply => Ok(reply),
    }
}

/// An answer of another kind than was asked for.
pub(crate) fn unexpected(answer: &Answer) -> Status {
    match answer {
        Answer::Refused(refusal) => refused(refusal),
        other => Status::internal(format!("unexpected answer: {other:?}")),
    }
}
