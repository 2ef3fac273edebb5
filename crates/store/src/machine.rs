//! `state`'s apply as `consensus` calls it, and the news of what it changed.

use std::io;
use std::sync::Arc;

use yubin_consensus::{Applied, BodyRef, GroupId, Position, StateMachine, Txn};

use crate::bridge::{StateTxn, state_body_ref};
use crate::news::News;

/// The state machine of every group of this node.
pub(crate) struct MailMachine {
    pub(crate) news: Arc<News>,
}

impl StateMachine for MailMachine {
    fn apply(&self, txn: &mut Txn<'_>, position: Position, command: &[u8], bodies: &[BodyRef]) -> io::Result<Applied> {
        let bodies: Vec<_> = bodies.iter().map(state_body_ref).collect();
        let position = yubin_state::Position { index: position.index, term: position.term };
        let applied = yubin_state::apply(&mut StateTxn(txn), position, command, &bodies)?;
        Ok(Applied { reply: applied.reply.into(), topics: applied.topics.iter().map(|topic| topic.number()).collect() })
    }

    fn visible(&self, group: GroupId, _: u64, topics: &[u64]) {
        self.news.tell(group, topics);
    }

    fn replaced(&self, group: GroupId, _: u64) {
        self.news.resync(group);
    }
}
