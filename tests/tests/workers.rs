//! Several queue workers and one receiver with much mail, through the real binary: all of them deliver, together they open no more connections than
//! one may, and what a worker had that is killed the others use.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use yubin_tests::cluster::Cluster;
use yubin_tests::crash::Target as _;
use yubin_tests::imap::Imap;
use yubin_tests::load::{self, Login, Plan, Protocol, Until};
use yubin_tests::process::wait_until;
use yubin_tests::receiver::{Receiver, Taken};
use yubin_tests::system::smart_host;

const LANES: usize = 4;
const MESSAGES: usize = 2_500;
const SENDER: &str = "u0@home.example";
const PASSWORD: &str = "correct horse battery staple";
/// How long mail may wait for its first worker, what a share takes, and a dead worker's is kept; on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// Who sent the last messages.
fn lately(taken: &[Taken]) -> BTreeSet<&str> {
    taken[taken.len().saturating_sub(20)..].iter().map(|one| one.hello.as_str()).collect()
}

#[test]
fn a_receiver_is_one_to_all_workers_and_survives_one_of_them() {
    let receiver = Receiver::start().unwrap();
    receiver.take_time(Duration::from_millis(60));
    let folder = tempfile::tempdir().unwrap();
    let queue =
        format!("deliveries_per_destination = {LANES}\nlease_seconds = 5\n{}", smart_host(receiver.address(), &[]));
    let mut cluster = Cluster::with_workers(folder.path(), &queue).unwrap();
    let admin = cluster.admin();
    admin.populate("home.example", 1, PASSWORD).unwrap();
    admin.lift_sending_limits("home.example").unwrap();
    Imap::login(cluster.front_ends[0].port("imaps").unwrap(), SENDER, PASSWORD).unwrap();
    let plan = Plan {
        targets: vec![cluster.front_ends[0].port("submissions").unwrap()],
        protocol: Protocol::Smtp,
        login: Some(Login { user: SENDER.to_owned(), password: PASSWORD.to_owned() }),
        connections: 8,
        networks: 0,
        size_bytes: 512,
        letters: Vec::new(),
        recipients: vec!["someone@large.example".to_owned()],
        until: Until::Count(MESSAGES as u64),
        run: 1,
    };
    let sent = load::run(&plan).unwrap();
    assert_eq!(sent.acknowledged.len(), MESSAGES, "{:?}", sent.refused);
    wait_until(WITHIN, || lately(&receiver.taken()).len() == 2).expect("both deliver");
    assert!(receiver.most_open() <= LANES, "{} connections", receiver.most_open());

    let killed = Instant::now();
    let dead = cluster.workers.remove(0);
    let mut running = dead.running;
    running.kill().unwrap();
    let all_used = || receiver.open() == LANES && lately(&receiver.taken()).len() == 1;
    wait_until(WITHIN, all_used).expect("the other one uses all");
    println!("all lanes are used {:.1} s after the kill", killed.elapsed().as_secs_f64());
    receiver.take_time(Duration::ZERO);
    let all_there = || {
        let taken = receiver.taken();
        let messages: BTreeSet<&str> =
            taken.iter().filter_map(|one| one.text.lines().find(|line| line.starts_with("Subject:"))).collect();
        messages.len() == MESSAGES
    };
    wait_until(WITHIN, all_there).expect("everything arrives");
    assert!(receiver.most_open() <= LANES, "{} connections", receiver.most_open());
    let copies = receiver.taken().len() - MESSAGES;
    assert!(copies <= LANES, "{copies} twice: no more than were under way at the kill");
}
