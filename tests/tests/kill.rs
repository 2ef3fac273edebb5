//! A few rounds of what `cargo xtask crash` does fifty times: processes that are killed, and disks that run full.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::time::Duration;

use yubin_tests::cluster::Cluster;
use yubin_tests::crash::{self, Round, Target};
use yubin_tests::flaky::Script;
use yubin_tests::full_disk::{self, Filler};
use yubin_tests::queue_crash::{self, Figures, Ground, Storm, Victim};
use yubin_tests::system::System;

/// Longest time without any acknowledgement while one of three nodes is killed.
const SILENCE_SECONDS_MAX: u64 = 3;

fn rounds(target: &mut dyn Target, count: u64) -> Vec<Round> {
    target.admin().populate(crash::DOMAIN, crash::ACCOUNTS, crash::PASSWORD).unwrap();
    (1..=count).map(|seed| crash::round(target, seed, 4).unwrap()).collect()
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut system = System::start(folder.path()).unwrap();
    for round in rounds(&mut system, 2) {
        assert!(!round.outcome.acknowledged.is_empty(), "{:?}", round.outcome.refused);
        assert_eq!(round.findings.faults, Vec::<String>::new());
    }
}

#[test]
fn a_killed_node_of_three_loses_nothing_and_pauses_deliveries_briefly() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path()).unwrap();
    for round in rounds(&mut cluster, 2) {
        assert!(!round.outcome.acknowledged.is_empty(), "{:?}", round.outcome.refused);
        assert_eq!(round.findings.faults, Vec::<String>::new());
        let permanent = round.outcome.refused.keys().find(|reply| reply.starts_with('5'));
        assert_eq!(permanent, None, "a permanent refusal while a node was away");
        let silence = round.outcome.silence_max();
        assert!(silence.as_secs() < SILENCE_SECONDS_MAX, "{} ms without a delivery", silence.as_millis());
    }
}

#[test]
fn queued_mail_survives_its_workers_and_its_store() {
    let figures = storm(Ground::Cluster);
    assert_eq!([Victim::Worker, Victim::Leader].map(|victim| figures.kills_of(victim)), [2, 1]);
}

#[test]
fn queued_mail_survives_the_process_that_is_everything() {
    assert_eq!(storm(Ground::Single).kills_of(Victim::Process), 3);
}

/// The receiver puts a fifth off, refuses some and hangs up on others; each message is put off once at most, so that the test is short.
fn storm(ground: Ground) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let script = Script { patience: 1, seed: 7, ..Script::default() };
    let within = Duration::from_secs(120);
    let storm = Storm { ground, messages: 400, kills: 3, calm_ms_max: 800, script, within };
    let figures = queue_crash::rage(folder.path(), &storm).unwrap();
    println!("{}", figures.table());
    assert_eq!(figures.faults, Vec::<String>::new());
    assert!(figures.acknowledged > 300 && figures.delivered > 300 && figures.bounced > 0, "{figures:?}");
    figures
}

#[test]
fn a_disk_that_mail_fills_refuses_more_and_still_reads_and_deletes() {
    full_disk(Filler::Mail);
}

#[test]
fn a_disk_without_any_room_loses_nothing_that_was_acknowledged() {
    full_disk(Filler::Stranger);
}

fn full_disk(filler: Filler) {
    if let Some(reason) = full_disk::impossible() {
        println!("not run: a small file system takes root: {reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let round = full_disk::round(folder.path(), filler, 1).unwrap();
    println!("refused {:?}, ended {:?}", round.outcome.refused, round.ended);
    assert_eq!(round.findings.faults, Vec::<String>::new());
}
