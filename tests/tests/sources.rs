//! The addresses that mail leaves from, through the real binary: pools by the kind of mail, names in EHLO, blocks, warm-up, and addresses that
//! the machine does not have. All of 127.0.0.0/8 is this machine's.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::net::IpAddr;
use std::time::Duration;
use yubin_tests::outside::Outside;
use yubin_tests::over_both_transports;
use yubin_tests::process::{http_get, wait_until};
use yubin_tests::receiver::Taken;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::Transport;

over_both_transports! {
    each_kind_of_mail_leaves_from_its_pool,
    a_blocked_address_is_set_aside_until_the_operator_ends_it,
}

const HOME: &str = "home.example";
/// How long mail may be on its way on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A pool in the configuration; an address may have a first day behind a space.
fn pool(name: &str, mail: &[&str], plans: &[&str], fallback: &str, addresses: &[&str]) -> String {
    let addresses = addresses.iter().map(|one| {
        let (address, from) = one.split_once(' ').unwrap_or((one, ""));
        format!("{{ address = \"{address}\", hello = \"{name}.out.example\", warm_up_from = \"{from}\" }}")
    });
    format!(
        "[[queue.pools]]\nname = \"{name}\"\nmail = {mail:?}\ndomains = []\nplans = {plans:?}\nfallback = \"{fallback}\"\n\
         addresses = [{}]\n",
        addresses.collect::<Vec<_>>().join(", ")
    )
}

/// What was taken for a recipient.
fn taken_for(world: &Outside, recipient: &str) -> Taken {
    let find = || world.receiver.taken().into_iter().find(|taken| taken.recipients[0] == recipient);
    wait_until(WITHIN, || find().is_some()).unwrap_or_else(|error| {
        panic!("{recipient}: {error}: {} {}", world.ctl("queue list").unwrap(), world.ctl("queue suspensions").unwrap())
    });
    find().unwrap()
}

fn submit(world: &Outside, recipient: &str) {
    world.submit(&format!("u0@{HOME}"), recipient).unwrap();
}

/// Another server sends to u1.
fn receive(world: &Outside) {
    let mut stranger = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    let message = b"From: <friend@far.example>\r\nSubject: hello\r\n\r\nHello\r\n";
    let reply = stranger.send("friend@far.example", &format!("u1@{HOME}"), message).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

fn each_kind_of_mail_leaves_from_its_pool(transport: Transport) {
    let pools = [
        pool("forward", &["forward"], &[], "", &["127.0.0.21"]),
        // Nobody has this address: another pool helps out.
        pool("bounce", &["notice"], &[], "forward", &["192.0.2.77"]),
        pool("trusted", &[], &["gold"], "", &["127.0.0.22"]),
        pool("default", &[], &[], "", &["127.0.0.23"]),
    ];
    let world = Outside::configured(transport, &[HOME], &pools.concat()).unwrap();
    submit(&world, "one@elsewhere.example");
    let first = taken_for(&world, "one@elsewhere.example");
    assert_eq!((first.peer.to_string().as_str(), first.hello.as_str()), ("127.0.0.23", "default.out.example"));

    world.ctl("plan put gold").unwrap();
    world.ctl(&format!("domain update {HOME} --plan gold")).unwrap();
    submit(&world, "two@elsewhere.example");
    let second = taken_for(&world, "two@elsewhere.example");
    assert_eq!((second.peer.to_string().as_str(), second.hello.as_str()), ("127.0.0.22", "trusted.out.example"));

    world.ctl(&format!("account forward set u1@{HOME} three@elsewhere.example")).unwrap();
    receive(&world);
    let third = taken_for(&world, "three@elsewhere.example");
    assert_eq!((third.peer.to_string().as_str(), third.hello.as_str()), ("127.0.0.21", "forward.out.example"));

    // A forward that is refused is told to the stranger, by a notice.
    world.ctl(&format!("account forward set u1@{HOME} gone@elsewhere.example")).unwrap();
    receive(&world);
    let notice = taken_for(&world, "friend@far.example");
    assert_eq!((notice.sender.as_str(), notice.peer.to_string().as_str()), ("", "127.0.0.21"));
    let metrics = http_get(world.system.port("http").unwrap(), "/metrics").unwrap();
    for line in [
        "yubin_queue_source_usable{address=\"192.0.2.77\"} 0",
        "yubin_queue_source_usable{address=\"127.0.0.21\"} 1",
        "yubin_queue_source_attempts_total{address=\"127.0.0.23\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
}

fn a_blocked_address_is_set_aside_until_the_operator_ends_it(transport: Transport) {
    let pools = pool("default", &[], &[], "", &["127.0.0.31", "127.0.0.32"]);
    let world = Outside::configured(transport, &[HOME], &pools).unwrap();
    submit(&world, "one@elsewhere.example");
    // A domain's mail to a destination keeps to one address.
    let blocked = taken_for(&world, "one@elsewhere.example").peer;
    world.receiver.block(blocked, "554 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org");
    submit(&world, "two@elsewhere.example");
    let other = taken_for(&world, "two@elsewhere.example").peer;
    assert_ne!(blocked, other);

    let suspensions = || world.json("queue suspensions").unwrap()["suspensions"].as_array().unwrap().clone();
    wait_until(WITHIN, || !suspensions().is_empty()).unwrap();
    let [aside] = &suspensions()[..] else { panic!("{:?}", suspensions()) };
    assert_eq!((&aside["destination"], &aside["source"]), (&"elsewhere.example".into(), &blocked.to_string().into()));
    assert!(aside["reason"].as_str().unwrap().contains("zen.spamhaus.org"), "{aside}");
    let minutes = (aside["expire_time_ms"].as_u64().unwrap() - aside["since_time_ms"].as_u64().unwrap()) / 60_000;
    assert!((13..=15).contains(&minutes), "{aside}");
    let table = world.ctl("queue suspensions").unwrap();
    assert!(table.contains(&format!("to elsewhere.example from {blocked}")), "{table}");

    // While it lasts nobody tries; the operator ends it.
    world.receiver.unblock(blocked);
    submit(&world, "three@elsewhere.example");
    assert_eq!(taken_for(&world, "three@elsewhere.example").peer, other);
    let left = world.ctl(&format!("queue resume --destination elsewhere.example --source {blocked}")).unwrap();
    assert!(!left.contains("zen.spamhaus.org"), "{left}");
    let mut number = 0;
    wait_until(WITHIN, || {
        number += 1;
        let recipient = format!("again{number}@elsewhere.example");
        submit(&world, &recipient);
        taken_for(&world, &recipient).peer == blocked
    })
    .unwrap();

    // One may be set aside by hand, too.
    let suspend = format!("queue suspend --destination elsewhere.example --source {blocked} --for 2h --reason moving");
    assert!(world.ctl(&suspend).unwrap().contains("moving"));
    wait_until(WITHIN, || {
        number += 1;
        let recipient = format!("again{number}@elsewhere.example");
        submit(&world, &recipient);
        taken_for(&world, &recipient).peer == other
    })
    .unwrap();
    assert!(world.ctl(&format!("queue resume --source {blocked}")).is_err(), "of which destination?");
}

#[test]
fn a_new_address_sends_its_share_of_a_day_and_the_rest_waits() {
    // Whatever day it is, two messages are its share.
    let new = pool("default", &[], &[], "", &["127.0.0.41 2020-01-01"]);
    let shares = vec!["2"; 40_000].join(", ");
    let world =
        Outside::configured(Transport::Direct, &[HOME], &format!("[queue]\nwarm_up = [{shares}]\n{new}")).unwrap();
    for number in 0..3 {
        submit(&world, &format!("user{number}@elsewhere.example"));
    }
    wait_until(WITHIN, || world.receiver.taken().len() == 2).unwrap();
    let waits = || world.json("queue list").unwrap()["deliveries"].clone();
    wait_until(WITHIN, || {
        let waits = waits();
        waits.as_array().unwrap().len() == 1 && waits[0]["state"] == "scheduled" && waits[0]["attempts"] == 0
    })
    .unwrap_or_else(|error| panic!("{error}: {}", waits()));
    let peers: Vec<IpAddr> = world.receiver.taken().into_iter().map(|taken| taken.peer).collect();
    assert!(peers.iter().all(|peer| peer.to_string() == "127.0.0.41"), "{peers:?}");
    // An operator may have it tried nevertheless.
    wait_until(WITHIN, || {
        world.ctl("queue retry --destination elsewhere.example").unwrap();
        world.receiver.taken().len() == 3
    })
    .unwrap();
}
