//! Accounts that may send in other names, of their own domain and of others, through the real binary: by whom it is signed, against whose limits
//! it counts, and when it ends.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;
use std::time::Duration;

use yubin_tests::outside::{Outside, PASSWORD};
use yubin_tests::over_both_transports;
use yubin_tests::process::{output, wait_until};
use yubin_tests::receiver::Taken;
use yubin_tests::system::Transport;

over_both_transports! {
    a_granted_address_is_sent_as_from_the_moment_it_is_granted_until_it_is_revoked,
    a_name_of_another_domain_is_lent_while_it_is_what_it_was,
    a_message_names_no_author_of_this_cluster_whom_its_account_may_not_send_as,
}

const HOME: &str = "home.example";
const SHOP: &str = "shop.example";
const ANN: &str = "u0@home.example";
/// How long mail may be on its way on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);
const NOT_OWNED: &str = "553 5.7.1 Sender address rejected: not owned by the user who logged in";

/// Ann logs in and sends in this name, by a real client; an error holds what it was told.
fn send_as(world: &Outside, sender: &str) -> Result<(), String> {
    send(world, sender, sender)
}

/// The same with this author.
fn send(world: &Outside, sender: &str, from: &str) -> Result<(), String> {
    let port = world.system.port("submissions").unwrap().port().to_string();
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect", "--auth", "PLAIN"]);
    swaks.args(["--auth-user", ANN, "--auth-password", PASSWORD, "--from", sender, "--to", "friend@far.example"]);
    swaks.args(["--h-From", from]);
    output(&mut swaks).map(drop).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(world: &Outside, sender: &str, text: &str) {
    let refused = send_as(world, sender).unwrap_err();
    assert!(refused.contains(text), "{sender}: {refused}");
}

/// Waits until the receiver has so many messages; the last one.
fn taken(world: &Outside, count: usize) -> Taken {
    wait_until(WITHIN, || world.receiver.taken().len() >= count).unwrap();
    let taken = world.receiver.taken();
    assert_eq!(taken.len(), count, "{taken:?}");
    taken[count - 1].clone()
}

/// The domains that signed a message.
fn signers(message: &Taken) -> Vec<String> {
    let text = message.text.replace("\r\n\t", " ");
    let fields = text.lines().filter(|line| line.starts_with("DKIM-Signature: "));
    let domain = |field: &str| field.split("d=").nth(1).unwrap().split(';').next().unwrap().trim().to_owned();
    fields.map(domain).collect()
}

/// Attack list, item 11.
fn a_granted_address_is_sent_as_from_the_moment_it_is_granted_until_it_is_revoked(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    world.ctl("alias put info@home.example u0@home.example u1@home.example").unwrap();
    refused(&world, "info@home.example", NOT_OWNED);
    let granted = world.json(&format!("account send-as grant {ANN} info@home.example")).unwrap();
    assert_eq!((&granted["address"], &granted["grants"][0]["name"]), (&ANN.into(), &"info@home.example".into()));
    send_as(&world, "Info@home.example").unwrap();
    let message = taken(&world, 1);
    assert_eq!((message.sender.as_str(), signers(&message)), ("Info@home.example", vec![HOME.to_owned(); 2]));
    refused(&world, "u1@home.example", NOT_OWNED);
    refused(&world, "info+x@home.example", NOT_OWNED);

    // It counts against the account that logged in, and is found by it.
    let used = world.json(&format!("account limits {ANN}")).unwrap()["used"]["messages_this_day"].clone();
    assert_eq!(used, 1);
    let found = || world.json(&format!("trace {ANN}")).unwrap()["log"].as_array().unwrap().clone();
    wait_until(WITHIN, || found().iter().any(|event| event["sender"] == "Info@home.example")).unwrap();
    assert!(found().iter().all(|event| event["login"] == ANN), "{:?}", found());
    assert!(world.ctl("trace info@home.example").unwrap().contains("<Info@home.example> (u0@home.example)"));

    world.ctl(&format!("account send-as grant {ANN} @home.example")).unwrap();
    send_as(&world, "noreply@home.example").unwrap();
    world.ctl(&format!("account send-as revoke {ANN} @home.example")).unwrap();
    refused(&world, "noreply@home.example", NOT_OWNED);
    send_as(&world, "info@home.example").unwrap();
    world.ctl(&format!("account send-as revoke {ANN} info@home.example")).unwrap();
    refused(&world, "info@home.example", NOT_OWNED);
    let shown = world.ctl(&format!("account send-as show {ANN}")).unwrap();
    assert_eq!(shown, format!("{ANN} sends in its own name only\n"));
    for (line, text) in [
        ("account send-as grant u0@home.example nobody@home.example", "nobody@home.example: no such account or alias"),
        ("account send-as grant u0@home.example info@far.example", "the domain far.example is not hosted here"),
        ("account send-as grant u0@home.example u0@home.example", "no right to its own address"),
        ("account send-as grant nobody@home.example info@home.example", "no such account"),
        ("account send-as revoke u0@home.example info@home.example", "right to send as info@home.example"),
        ("account send-as grant u0@home.example home.example", "local@domain"),
    ] {
        let error = world.ctl(line).unwrap_err().to_string();
        assert!(error.to_lowercase().contains(&text.to_lowercase()), "{line}: {error}");
    }
}

fn a_name_of_another_domain_is_lent_while_it_is_what_it_was(transport: Transport) {
    let world = Outside::start(transport, &[HOME, SHOP]).unwrap();
    let in_force = |place: usize| {
        let shown = world.json(&format!("account send-as show {ANN}")).unwrap();
        shown["grants"][place]["in_force"].as_bool().unwrap()
    };
    world.ctl(&format!("account send-as grant {ANN} u1@shop.example")).unwrap();
    send_as(&world, "u1@shop.example").unwrap();
    // Signed by the domain whose name it bears, as its DMARC record asks; taken back by nobody but who logged in.
    let message = taken(&world, 1);
    assert_eq!((message.sender.as_str(), signers(&message)), ("u1@shop.example", vec![SHOP.to_owned(); 2]));
    let limits =
        |user: &str| world.json(&format!("account limits {user}")).unwrap()["used"]["messages_this_day"].clone();
    assert_eq!((limits(ANN), limits("u1@shop.example")), (1.into(), 0.into()));
    refused(&world, "u0@shop.example", NOT_OWNED);

    world.ctl("domain suspend shop.example --reason unpaid").unwrap();
    refused(&world, "u1@shop.example", "unpaid");
    assert!(!in_force(0));
    world.ctl("domain resume shop.example").unwrap();
    send_as(&world, "u1@shop.example").unwrap();

    // An account of the same name that came later lends nothing, nor does a domain.
    world.ctl("account delete u1@shop.example --confirm u1@shop.example").unwrap();
    refused(&world, "u1@shop.example", NOT_OWNED);
    world.ctl("account create u1@shop.example --password-stdin").unwrap();
    refused(&world, "u1@shop.example", NOT_OWNED);
    world.ctl(&format!("account send-as grant {ANN} @shop.example")).unwrap();
    send_as(&world, "anybody@shop.example").unwrap();
    assert!(!in_force(0) && in_force(1));
    world.ctl("domain delete shop.example --confirm shop.example").unwrap();
    refused(&world, "anybody@shop.example", NOT_OWNED);
    world.system.admin.populate(SHOP, 2, PASSWORD).unwrap();
    refused(&world, "anybody@shop.example", NOT_OWNED);
    assert!(!in_force(0) && !in_force(1));
    taken(&world, 3);
}

fn a_message_names_no_author_of_this_cluster_whom_its_account_may_not_send_as(transport: Transport) {
    let world = Outside::start(transport, &[HOME, SHOP]).unwrap();
    for boss in ["u1@home.example", "u0@shop.example"] {
        let refused = send(&world, ANN, &format!("The Boss <{boss}>")).unwrap_err();
        assert!(refused.contains(&format!("550 5.7.1 From <{boss}> refused: no address of {ANN}")), "{refused}");
    }
    let logged = || world.json(&format!("trace {ANN}")).unwrap()["log"].to_string();
    wait_until(WITHIN, || logged().contains("From <u1@home.example> refused")).unwrap();
    world.ctl(&format!("account send-as grant {ANN} u0@shop.example")).unwrap();
    send(&world, ANN, "The Boss <u0@shop.example>").unwrap();
    send(&world, ANN, "A customer <somebody@far.example>").unwrap();
    assert!(taken(&world, 2).text.contains("From: A customer <somebody@far.example>"));
}
