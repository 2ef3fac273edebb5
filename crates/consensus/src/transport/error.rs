//! Why a call to a peer failed, and what openraft is told.
//!
//! openraft retries a `Network` error at once and backs off after `Unreachable`. So a peer that
//! can't be reached, or that refuses, is `Unreachable`; a connection that broke under a call is
//! `Network`; silence is `Timeout`. None of them is ever a vote or an acknowledgement.

use std::time::Duration;

use openraft::errors::{NetworkError, RPCError, Timeout, Unreachable};
use openraft::network::RPCTypes;

use super::peer;
use crate::codec::CodecError;
use crate::ids::NodeId;
use crate::raft_types::TypeConfig;

/// Why a peer does not serve a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {text}")]
pub(crate) struct Refusal {
    /// The kind of refusal.
    pub(crate) code: RefusalCode,
    /// For people.
    pub(crate) text: String,
}

/// The kinds of refusal, as numbered in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalCode {
    /// The caller meant another node, another cluster or another version of the protocol.
    Identity,
    /// This node has no replica of the group.
    UnknownGroup,
    /// A body that an entry names is not here yet; it is being fetched. Try again.
    BodyMissing,
    /// This node serves as many of these as it may. Try again.
    Busy,
    /// The replica has stopped.
    Stopped,
    /// The message makes no sense.
    Malformed,
    /// The work failed on this node.
    Failed,
}

impl RefusalCode {
    const ALL: [(Self, u32); 7] = [
        (Self::Identity, 1),
        (Self::UnknownGroup, 2),
        (Self::BodyMissing, 3),
        (Self::Busy, 4),
        (Self::Stopped, 5),
        (Self::Malformed, 6),
        (Self::Failed, 7),
    ];
}

impl Refusal {
    /// A refusal with its reason.
    pub(crate) fn new(code: RefusalCode, text: impl ToString) -> Self {
        Self { code, text: text.to_string() }
    }

    /// As it travels.
    pub(crate) fn encode(self) -> peer::Refusal {
        let code = RefusalCode::ALL.iter().find(|(code, _)| *code == self.code).map_or(0, |(_, number)| *number);
        peer::Refusal { code, text: self.text }
    }

    /// As it arrived; a code this version doesn't know is a failure.
    pub(crate) fn decode(refusal: peer::Refusal) -> Self {
        let code = RefusalCode::ALL
            .iter()
            .find(|(_, number)| *number == refusal.code)
            .map_or(RefusalCode::Failed, |(code, _)| *code);
        Self { code, text: refusal.text }
    }
}

impl From<CodecError> for Refusal {
    fn from(error: CodecError) -> Self {
        Self::new(RefusalCode::Malformed, error)
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no connection, and one can't be made now.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The connection broke during the call.
    #[error("the connection broke")]
    Lost,
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The peer answered that it won't.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The peer's answer makes no sense.
    #[error("bad answer: {0}")]
    BadAnswer(#[from] CodecError),
}

impl CallError {
    /// What openraft makes of it.
    pub(crate) fn into_rpc(self, action: RPCTypes, from: NodeId, to: NodeId) -> RPCError<TypeConfig> {
        match self {
            Self::Silent(timeout) => RPCError::Timeout(Timeout { action, id: from, target: to, timeout }),
            Self::Lost => RPCError::Network(NetworkError::new(&self)),
            Self::Unreachable(_) | Self::Refused(_) | Self::BadAnswer(_) => {
                RPCError::Unreachable(Unreachable::new(&self))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_wire_and_an_unknown_one_is_a_failure() {
        for (code, _) in RefusalCode::ALL {
            let refusal = Refusal::new(code, "why");
            assert_eq!(Refusal::decode(refusal.clone().encode()), refusal);
        }
        let unknown = peer::Refusal { code: 99, text: String::new() };
        assert_eq!(Refusal::decode(unknown).code, RefusalCode::Failed);
    }
}
