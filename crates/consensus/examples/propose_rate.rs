//! Proposals per second of one node alone: 4 KiB bodies, 4 groups, 1, 16 and 64 proposers at once.
//!
//! `propose_rate [directory] [seconds]`; the directory is made, and left for inspection. What it
//! measures is the write path: log, group commit, apply and reply, with a state machine that writes
//! one row per command.

#![allow(clippy::print_stdout)] // It is what the program is for.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use yubin_consensus::{
    Applied, Body, BodyRef, Group, GroupId, Node, NodeConfig, NodeId, PeerAddress, Position, StateMachine, Txn,
};

const GROUPS: u32 = 4;
const BODY_BYTES: usize = 4 << 10;

/// Keeps each body's reference under the entry's index.
struct Rows;

impl StateMachine for Rows {
    fn apply(&self, txn: &mut Txn<'_>, position: Position, _: &[u8], bodies: &[BodyRef]) -> io::Result<Applied> {
        for body in bodies {
            txn.put(&position.index.to_be_bytes(), body.to_bytes());
        }
        Ok(Applied::default())
    }

    fn visible(&self, _: GroupId, _: u64, _: &[u64]) {}

    fn replaced(&self, _: GroupId, _: u64) {}
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(|| std::env::temp_dir().join("propose-rate"), PathBuf::from);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let me = NodeId(1);
    let node = Node::open(NodeConfig::single(&dir, me), Arc::new(Rows)).await?;
    let mut groups = Vec::new();
    for id in 0..GROUPS {
        let group = node.create_group(GroupId(id), BTreeMap::from([(me, PeerAddress::default())])).await?;
        group.leadership().wait_for(|now| now.is_leader()).await?;
        groups.push(group);
    }
    for proposers in [1, 16, 64] {
        measure(&groups, proposers, Duration::from_secs(seconds)).await?;
    }
    drop(groups);
    node.shutdown().await;
    Ok(())
}

async fn measure(groups: &[Group], proposers: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let tasks: Vec<_> =
        groups.iter().cycle().take(proposers).cloned().map(|group| propose(group, start, time)).collect();
    let mut latencies = Vec::new();
    for task in tasks.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
        latencies.extend(task.await?);
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(latencies.len() * part / 1000).copied().unwrap_or_default();
    println!("{proposers:3} proposers: {rate:8.0} /s   p50 {:?}   p99 {:?}   p99.9 {:?}", at(500), at(990), at(999));
    Ok(())
}

/// Proposes one after the other until the time is over; gives the latencies.
async fn propose(group: Group, start: Instant, time: Duration) -> Vec<Duration> {
    let body = Bytes::from(vec![0x5a; BODY_BYTES]);
    let mut latencies = Vec::new();
    while start.elapsed() < time {
        let began = Instant::now();
        let proposed = group.propose(Bytes::from_static(b"deliver"), vec![Body::Inline(body.clone())]).await;
        match proposed {
            Ok(_) => latencies.push(began.elapsed()),
            Err(error) => {
                println!("{error}");
                break;
            }
        }
    }
    latencies
}
