//! An account that sends too much is stopped and its owner told why; it goes on reading and receiving, and sends again when it may.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::time::Duration;

use serde_json::Value;
use yubin_tests::imap::Imap;
use yubin_tests::outside::{Outside, PASSWORD};
use yubin_tests::over_both_transports;
use yubin_tests::process::wait_until;
use yubin_tests::system::Transport;

over_both_transports! {
    an_infected_account_is_stopped_and_its_owner_told,
    held_mail_goes_out_when_sending_is_resumed,
    who_does_not_exist_is_refused_after_some_bounces,
}

const HOME: &str = "home.example";
const INFECTED: &str = "u0@home.example";
const NEIGHBOUR: &str = "u1@home.example";
/// How long mail may be on its way on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// Sends as a user; an error holds what it was told.
fn submit(world: &Outside, user: &str, to: &str) -> Result<(), String> {
    world.submit(user, to).map_err(|error| error.to_string())
}

/// Everything in a user's INBOX.
fn inbox(world: &Outside, user: &str) -> String {
    let mut imap = Imap::login(world.system.port("imaps").unwrap(), user, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    imap.ok("FETCH 1:* BODY.PEEK[]").unwrap().text().concat()
}

fn an_infected_account_is_stopped_and_its_owner_told(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    world.ctl("plan put small --messages-per-day 2 --suspend-above-refusals-per-hour 2").unwrap();
    world.ctl("domain update home.example --plan small").unwrap();
    submit(&world, INFECTED, "someone@elsewhere.example").unwrap();
    submit(&world, INFECTED, NEIGHBOUR).unwrap();
    let refused = submit(&world, INFECTED, "someone@elsewhere.example").unwrap_err();
    let text = "450 4.7.1 Sending limit reached: 2 messages per day for this account; try again at ";
    assert!(refused.contains(text), "{refused}");
    let sending = world.json("account limits u0@home.example").unwrap();
    assert_eq!((&sending["used"]["messages_this_day"], &sending["limits"]["messages_per_day"]), (&2.into(), &2.into()));
    assert_eq!((&sending["used"]["recipients_this_day"], &sending["state"]), (&2.into(), &"active".into()));

    // It goes on, and is stopped. The count is of an hour: one that ends meanwhile lets it begin again.
    let stopped = (0..6).find_map(|_| {
        let refused = submit(&world, INFECTED, "someone@elsewhere.example").unwrap_err();
        refused.contains("550 5.7.1 Sending is suspended for this account; ").then_some(refused)
    });
    let stopped = stopped.expect("never stopped");
    assert!(stopped.contains("3 messages in one hour were refused by the limit of 2 messages per day"), "{stopped}");
    let account = world.json("account show u0@home.example").unwrap();
    assert_eq!((&account["sending_state"], &account["state"]), (&"suspended".into(), &"active".into()));
    assert!(account["sending_suspension_reason"].as_str().unwrap().starts_with("3 messages in one hour were refused"));

    // The owner reads it, in both languages; others' mail still comes in, and others still send.
    wait_until(DELIVERED_WITHIN, || inbox(&world, INFECTED).contains("Sending from your mail account is suspended"))
        .unwrap();
    submit(&world, NEIGHBOUR, INFECTED).unwrap();
    let inbox = inbox(&world, INFECTED);
    assert!(inbox.contains("From: Mail system <postmaster@home.example>") && inbox.contains("Change the password"));
    assert_eq!(inbox.matches("Sending from your mail account is suspended").count(), 1, "{inbox}");
    assert!(inbox.contains("To: u0@home.example"), "the neighbour's: {inbox}");
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == 1).unwrap();

    // An operator lets it go and gives it limits of its own.
    let resumed = world.json("account resume-sending u0@home.example").unwrap();
    assert_eq!((&resumed["state"], &resumed["refused_this_hour"]), (&"active".into(), &0.into()));
    assert!(submit(&world, INFECTED, "someone@elsewhere.example").unwrap_err().contains(text));
    world.ctl("account set-limits u0@home.example --messages-per-day 0").unwrap();
    submit(&world, INFECTED, "someone@elsewhere.example").unwrap();
    let states: Vec<Value> = world.json("account limits u0@home.example").unwrap()["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["state"].clone())
        .collect();
    assert_eq!(states, ["suspended", "active"]);
}

fn held_mail_goes_out_when_sending_is_resumed(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    world.receiver.put_off();
    submit(&world, INFECTED, "later@elsewhere.example").unwrap();
    let tried = || !world.json("queue list").unwrap()["deliveries"][0]["recipients"][0]["last_reply"].is_null();
    wait_until(DELIVERED_WITHIN, tried).unwrap();
    world.ctl("account suspend-sending u0@home.example --reason stolen-password").unwrap();
    let refused = submit(&world, INFECTED, "someone@elsewhere.example").unwrap_err();
    assert!(refused.contains("550 5.7.1 ") && refused.contains(": stolen-password"), "{refused}");
    world.receiver.take_all();
    world.ctl("queue retry --sender u0@home.example").unwrap();
    // Somebody else's mail goes out meanwhile; what was queued is put off.
    submit(&world, NEIGHBOUR, "someone@other.example").unwrap();
    wait_until(DELIVERED_WITHIN, || !world.receiver.taken().is_empty()).unwrap();
    assert_eq!(world.receiver.taken()[0].sender, NEIGHBOUR);
    assert_eq!(world.json("queue list").unwrap()["deliveries"].as_array().unwrap().len(), 1);
    world.ctl("account resume-sending u0@home.example").unwrap();
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == 2).unwrap();
}

fn who_does_not_exist_is_refused_after_some_bounces(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    let gone = "gone@elsewhere.example";
    for number in 1..=3 {
        submit(&world, NEIGHBOUR, gone).unwrap();
        let bounces = || inbox(&world, NEIGHBOUR).matches("Action: failed").count();
        wait_until(DELIVERED_WITHIN, || bounces() == number).unwrap();
    }
    let refused = submit(&world, NEIGHBOUR, gone).unwrap_err();
    assert!(
        refused.contains("550 5.1.1 The address does not exist: its server refused the last messages to it"),
        "{refused}"
    );
    submit(&world, NEIGHBOUR, "someone@elsewhere.example").unwrap();
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() == 1).unwrap();

    // Whoever asks where the mail of a suspended account is, is told.
    world.ctl("account suspend-sending u0@home.example --reason compromised").unwrap();
    let trace = world.ctl("trace u0@home.example").unwrap();
    assert!(
        trace.contains("Sending from u0@home.example is suspended since ") && trace.contains("compromised"),
        "{trace}"
    );
    assert_eq!(world.json("trace u0@home.example").unwrap()["suspension"]["reason"], "compromised");
    assert!(world.json("trace u1@home.example").unwrap()["suspension"].is_null());
}
