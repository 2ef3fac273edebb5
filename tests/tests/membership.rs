//! Disks die and machines are replaced: what was acknowledged is there as long as a majority of each group is, and the operator has a
//! command for each case.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use serde_json::Value;
use std::time::Duration;
use yubin_tests::cluster::Cluster;
use yubin_tests::crash::{PASSWORD, Target};
use yubin_tests::imap::Imap;
use yubin_tests::process::wait_until;
use yubin_tests::smtp::Smtp;

const DOMAIN: &str = "kept.example";
const ACCOUNTS: usize = 3;
const SENDER: &str = "friend@elsewhere.example";
/// How long a cluster may take to serve again after a node went.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);
/// A body that is a file of its own.
const LARGE: usize = 1_500_000;

struct World {
    cluster: Cluster,
    folder: tempfile::TempDir,
    sent: Vec<String>,
}

impl World {
    fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(folder.path()).unwrap();
        cluster.admin().populate(DOMAIN, ACCOUNTS, PASSWORD).unwrap();
        World { cluster, folder, sent: Vec::new() }
    }

    /// Delivers a message to everybody, as soon as the cluster takes it.
    fn deliver(&mut self, subject: &str, size: usize) {
        let front_end = self.cluster.front_ends[0].port("smtp").unwrap();
        let line = format!("{}\r\n", "x".repeat(70));
        let message = format!("Subject: {subject}\r\n\r\n{}", line.repeat(size / line.len() + 1));
        for account in 0..ACCOUNTS {
            let recipient = format!("u{account}@{DOMAIN}");
            let taken = || {
                let sent =
                    Smtp::hello(front_end).and_then(|mut smtp| smtp.send(SENDER, &recipient, message.as_bytes()));
                sent.is_ok_and(|reply| reply.starts_with("250"))
            };
            wait_until(RECOVER_WITHIN, taken).unwrap();
        }
        self.sent.push(subject.to_owned());
    }

    /// Everybody has every message, once, and whole.
    fn check(&self) {
        let imaps = self.cluster.front_ends[1].port("imaps").unwrap();
        for account in 0..ACCOUNTS {
            let mut imap = None;
            let login = || {
                imap = Imap::login(imaps, &format!("u{account}@{DOMAIN}"), PASSWORD).ok();
                imap.is_some()
            };
            wait_until(RECOVER_WITHIN, login).unwrap();
            let mut imap = imap.unwrap();
            imap.ok("SELECT INBOX").unwrap();
            let fetched = imap.ok("FETCH 1:* (BODY.PEEK[])").unwrap();
            let messages: Vec<String> =
                fetched.literals().iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect();
            assert_eq!(messages.len(), self.sent.len());
            for (message, subject) in messages.iter().zip(&self.sent) {
                assert!(message.contains(&format!("Subject: {subject}\r\n")) && message.ends_with("xxx\r\n"));
            }
        }
    }

    fn ctl(&self, command: &str) -> Result<String, String> {
        let arguments: Vec<&str> = command.split(' ').collect();
        self.cluster.admin().ctl(&arguments, "").map_err(|error| format!("{error:#}"))
    }

    fn node(&self, id: usize) -> Value {
        let nodes: Value = serde_json::from_str(&self.ctl("node list --json").unwrap()).unwrap();
        let nodes = nodes["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["id"] == id).cloned().unwrap_or(Value::Null)
    }

    /// The voters of every group, in the order of groups.
    fn voters(&self) -> Vec<Vec<u64>> {
        let groups: Value = serde_json::from_str(&self.ctl("group list --json").unwrap()).unwrap();
        let voters =
            |group: &Value| group["voters"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        groups["groups"].as_array().unwrap().iter().map(voters).collect()
    }
}

#[test]
fn a_node_that_lost_its_disk_is_taken_in_again_and_holds_everything() {
    let mut world = World::start();
    world.deliver("small", 4096);
    world.deliver("large", LARGE);
    // Nothing is lost, so there is nothing to do.
    world.ctl("node readmit 2").unwrap();

    world.cluster.kill(1).unwrap();
    let away = world.ctl("node readmit 2").unwrap_err();
    assert!(away.contains("start it on its empty disk first"), "{away}");
    world.deliver("while it is away", 4096);
    world.cluster.revive_empty(1).unwrap();
    wait_until(RECOVER_WITHIN, || world.node(2)["strange_disk"] == true).unwrap();
    assert!(world.ctl("node list").unwrap().contains("yubin ctl node readmit 2"));
    world.deliver("while it is a stranger", 4096);

    world.ctl("node readmit 2").unwrap();
    assert_eq!(world.node(2)["strange_disk"], false);
    assert!(world.voters().iter().all(|voters| voters == &[1, 2, 3]), "{:?}", world.voters());
    world.deliver("after it came back", 4096);
    // It counts: with it, and without the first, there is a majority that has everything.
    world.cluster.kill(0).unwrap();
    world.check();
    world.deliver("without the first", 4096);
    world.check();
}

#[test]
fn a_new_node_takes_the_place_of_a_dead_one() {
    let mut world = World::start();
    world.deliver("small", 4096);
    world.deliver("large", LARGE);
    world.cluster.kill(2).unwrap();
    let (id, peer, store) = world.cluster.join(world.folder.path()).unwrap();
    let unknown = world.ctl(&format!("node replace 3 {id}")).unwrap_err();
    assert!(unknown.contains("there is no node 4"), "{unknown}");
    world.ctl(&format!("node add {id} --peer {peer} --store {store}")).unwrap();
    assert_eq!(world.node(id)["reachable"], true);
    let counted = world.ctl("node remove 3").unwrap_err();
    assert!(counted.contains("still counts it"), "{counted}");
    world.ctl(&format!("node replace 3 {id}")).unwrap();
    assert!(world.voters().iter().all(|voters| voters == &[1, 2, 4]), "{:?}", world.voters());
    world.ctl("node remove 3").unwrap();
    assert!(world.node(3).is_null());

    // One of the first goes as well: front ends that were never told of the new node find it.
    world.cluster.kill(0).unwrap();
    world.check();
    world.deliver("on the new node", 4096);
    world.check();
    // A node that is alive is emptied when it leaves, and a leader hands over first.
    world.cluster.revive(0).unwrap();
    let led = |world: &World| world.node(1)["replicas"].as_u64();
    wait_until(RECOVER_WITHIN, || led(&world) == Some(5)).unwrap();
    for group in 0..5 {
        world.ctl(&format!("group move {group} --from 1")).unwrap();
    }
    assert!(world.voters().iter().all(|voters| voters == &[2, 4]), "{:?}", world.voters());
    assert_eq!(world.node(1)["replicas"], 0);
    world.cluster.kill(0).unwrap();
    world.cluster.revive(0).unwrap();
    assert_eq!(world.node(1)["replicas"], 0, "what it held came back with a restart");
    world.check();
}
