//! What becomes of bodies that nothing needs any more, and of those that somebody relies on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::{GROUP, bounds, kept, propose, start};
use crate::body::Body;
use crate::engine::{Batch, Cf, Engine, Reads, SimEngine};
use crate::error::ProposeError;
use crate::ids::GroupId;
use crate::janitor::{DropBounds, LogBounds};
use crate::keys;
use crate::limits::ORPHAN_AGE_MIN;
use crate::reclaim;
use crate::snapshot::{Frame, FrameBounds, Outgoing, SnapshotData, SnapshotReader};

/// A file that nothing names yet.
fn put_file(disk: &SimEngine, group: GroupId, id: u128) {
    let mut sink = disk.files().create(group, id).unwrap();
    sink.write(b"hello").unwrap();
    sink.finish().unwrap();
}

#[tokio::test]
async fn a_file_goes_when_it_is_old_and_nothing_names_it() {
    let disk = SimEngine::new(1);
    let (node, group) = start(&disk, Arc::default()).await;
    let mut writer = group.stage_body().await.unwrap();
    writer.write(Bytes::from_static(b"kept")).await.unwrap();
    let named = Body::Staged(writer.finish().await.unwrap());
    let at = group.propose(Bytes::from_static(b"put"), vec![named]).await.unwrap().position;
    let named = kept(&group, at.index, 0).unwrap();
    let mut writer = group.stage_body().await.unwrap();
    writer.write(Bytes::from_static(b"late")).await.unwrap();
    let forgotten = writer.finish().await.unwrap();
    for id in [1, 2] {
        put_file(&disk, GROUP, id);
    }
    let sweep = || async { reclaim::sweep(&group.replica(), &node.shared.peers).await.unwrap() };
    sweep().await;
    assert_eq!(disk.files().list(GROUP).unwrap().len(), 4);
    disk.advance(ORPHAN_AGE_MIN);
    // Somebody relies on this one: its entry is on its way.
    assert_eq!(disk.files().touch(GROUP, 2).unwrap(), Some(5));
    sweep().await;
    assert_eq!(disk.files().list(GROUP).unwrap().len(), 2);
    assert_eq!(disk.files().len(GROUP, 2).unwrap(), Some(5));
    assert_eq!(group.read_body(&named, 0..4).await.unwrap(), "kept");
    assert_eq!(group.metrics().missing_files, 0);
    let late = group.propose(Bytes::from_static(b"put"), vec![Body::Staged(forgotten)]).await;
    assert!(matches!(late, Err(ProposeError::BodyGone)), "{late:?}");
}

#[tokio::test]
async fn a_file_of_a_snapshot_that_is_being_loaded_stays() {
    let disk = SimEngine::new(1);
    let (node, group) = start(&disk, Arc::default()).await;
    propose(&group, "put", &[]).await;
    put_file(&disk, GROUP, 1);
    disk.advance(ORPHAN_AGE_MIN);
    let replica = group.replica();
    let keys = replica.begin_incoming().unwrap();
    let mut register = Batch::new();
    register.put(Cf::State, &keys.file(1), &[&5u64.to_be_bytes()[..], &[0; 32]].concat());
    replica.write(register).await.unwrap();
    reclaim::sweep(&replica, &node.shared.peers).await.unwrap();
    assert_eq!(disk.files().len(GROUP, 1).unwrap(), Some(5));
    // Without it, nothing names the file.
    replica.give_up_loading(keys.generation);
    reclaim::sweep(&replica, &node.shared.peers).await.unwrap();
    assert_eq!(disk.files().len(GROUP, 1).unwrap(), None);
}

#[tokio::test]
async fn files_of_a_group_that_is_not_here_go_at_the_start() {
    let disk = SimEngine::new(1);
    let (node, group) = start(&disk, Arc::default()).await;
    propose(&group, "put", &[]).await;
    for of in [GROUP, GroupId(8)] {
        put_file(&disk, of, 1);
    }
    drop((node, group));
    let disk = disk.crash();
    let (_node, _group) = start(&disk, Arc::default()).await;
    assert_eq!(disk.files().len(GROUP, 1).unwrap(), Some(5));
    assert_eq!(disk.files().len(GroupId(8), 1).unwrap(), None, "a crash cut its removal off");
}

#[tokio::test]
async fn what_was_dropped_is_freed_in_a_group_that_does_nothing_more() {
    let disk = SimEngine::new(1);
    let (node, group) = start(&disk, Arc::default()).await;
    let (at, _) = propose(&group, "put", &[b"dropped"]).await;
    propose(&group, &format!("drop {}", at.index), &[]).await;
    let replica = group.replica();
    let patient = LogBounds { drops: DropBounds { age_max: Duration::from_secs(3600), ..eager() }, ..bounds() };
    crate::janitor::tend_group(&group, &patient).await;
    assert_eq!(replica.log.lock().purged, None, "too few entries would stay");
    let last = replica.applied_id();
    while replica.log.lock().purged_synced != last {
        crate::janitor::tend_group(&group, &LogBounds { drops: eager(), ..bounds() }).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reclaim::reclaim(&replica).await.unwrap();
    assert!(disk.get(Cf::Body, &keys::body(GROUP, at.index, at.term, 0)).unwrap().is_none());
    assert!(node.shared.disk.freed.load(Ordering::Relaxed) >= 7);
    // A log without entries goes on, and so it does after a crash.
    assert_eq!(propose(&group, "put", &[]).await.1, 3);
    drop((replica, node, group));
    let disk = disk.crash();
    let (_node, group) = start(&disk, Arc::default()).await;
    assert_eq!(propose(&group, "put", &[]).await.1, 4);
}

/// Every drop is old at once.
fn eager() -> DropBounds {
    DropBounds { age: Duration::ZERO, age_max: Duration::ZERO, ..DropBounds::default() }
}

#[tokio::test]
async fn a_snapshot_names_no_more_bodies_at_a_time_than_are_quickly_read() {
    let disk = SimEngine::new(1);
    let (_node, group) = start(&disk, Arc::default()).await;
    let mut indexes = Vec::new();
    for _ in 0..6 {
        indexes.push(propose(&group, "put", &[&[7; 700]]).await.0.index);
    }
    for index in &indexes[..3] {
        propose(&group, &format!("drop {index}"), &[]).await;
    }
    let SnapshotData::Outgoing(source) = Outgoing::take(&group.replica()).unwrap().snapshot else { panic!("staged") };
    let mut reader = SnapshotReader::new(source).unwrap();
    reader.set_bounds(FrameBounds { names: 100, body_bytes: 1_000 });
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        let Frame::Bodies(bodies) = frame else { continue };
        for body in &bodies {
            assert_eq!(reader.read_body(body, 0..700).unwrap(), vec![7; 700]);
        }
        frames.push(bodies.len());
    }
    // Two are read for each. The far side hears of a frame in which all are dropped, too.
    assert_eq!(frames, [0, 1, 2]);
}
