//! A crash never takes back what a node has answered: a vote it granted, entries it acknowledged.
//!
//! The answers are read off the network, the stored state off the disk as the crash left it. A node
//! may lose acknowledged entries only to a newer leader, whose term its stored vote then shows.

use std::collections::{BTreeMap, BTreeSet};

use super::disk;
use crate::engine::SimEngine;
use crate::ids::{GroupId, NodeId};
use crate::raft_types::{LogId, Vote};
use crate::sim::network::Sent;
use crate::transport::peer::{AppendOutcome, Body};

/// What nodes have promised.
#[derive(Default)]
pub(super) struct Promises {
    appended: BTreeMap<(NodeId, GroupId), LogId>,
    voted: BTreeMap<(NodeId, GroupId), Vote>,
    /// Calls that ask for a vote, not a pre-vote.
    vote_calls: BTreeSet<(u64, u64)>,
}

impl Promises {
    pub(super) fn note(&mut self, sent: &Sent<'_>) {
        for message in &sent.frame.messages {
            let key = (sent.from, GroupId(message.group));
            match &message.body {
                Some(Body::Vote(_)) => {
                    self.vote_calls.insert((sent.stream, message.call));
                }
                Some(Body::VoteAnswer(answer))
                    if answer.granted && self.vote_calls.remove(&(sent.stream, message.call)) =>
                {
                    let vote = answer.vote.unwrap();
                    self.voted.insert(key, Vote::new(vote.term, NodeId(vote.node)));
                }
                Some(Body::AppendAnswer(answer)) => {
                    if let Some(AppendOutcome::Matched(matched)) = &answer.outcome
                        && let Some(id) = matched.log_id
                    {
                        let id = LogId::new_term_index(id.term, id.index);
                        let known = self.appended.entry(key).or_insert(id);
                        *known = id.max(*known);
                    }
                }
                _ => {}
            }
        }
    }

    /// Compares the promises with what is stored.
    pub(super) fn check(&self, disk: &SimEngine, node: NodeId, group: GroupId) {
        let stored = disk::vote(disk, group);
        let term = stored.map_or(0, |vote| vote.leader_id.term);
        if let Some(voted) = self.voted.get(&(node, group)) {
            let kept = match stored {
                // It may have voted for a candidate and then followed the leader that others elected.
                Some(stored) if term == voted.leader_id.term => stored.committed || stored.leader_id == voted.leader_id,
                _ => term > voted.leader_id.term,
            };
            assert!(kept, "node {node} group {group} forgot its vote {voted}: it has {stored:?}");
        }
        if let Some(appended) = self.appended.get(&(node, group)) {
            let last = disk::entries(disk, group).last().map(|entry| entry.log_id).or(disk::purged(disk, group));
            let kept = last >= Some(*appended) || term > appended.leader_id.term;
            assert!(
                kept,
                "node {node} group {group} forgot entries up to {appended}: it ends at {last:?}, term {term}"
            );
        }
    }
}
