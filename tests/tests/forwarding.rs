//! Mail that goes on to other addresses, through the real binary: to servers elsewhere and to hosted domains, with a copy and without, and
//! what comes back of it (SHIN-20, SONET-24).

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::time::Duration;

use yubin_tests::outside::Outside;
use yubin_tests::over_both_transports;
use yubin_tests::process::wait_until;
use yubin_tests::receiver::Taken;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::Transport;

over_both_transports! {
    mail_goes_on_and_its_bounces_find_the_first_sender,
    without_a_copy_nothing_stays_and_circles_end,
    a_target_that_refuses_is_paused_and_the_owner_told,
    a_circle_over_forgetful_servers_ends_and_its_sender_hears_of_it_once,
}

const HOME: &str = "home.example";
const NEIGHBOUR: &str = "neighbour.example";
const FRIEND: &str = "friend@far.example";
/// How long mail may be on its way on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// Another server sends: the reply that settled it.
fn send(world: &Outside, from: &str, to: &str, subject: &str) -> String {
    let mut smtp = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    let message =
        format!("From: <{FRIEND}>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@far.example>\r\n\r\nbody\r\n");
    smtp.send(from, to, message.as_bytes()).unwrap()
}

/// Another server's answer to RCPT.
fn rcpt(world: &Outside, from: &str, to: &str) -> String {
    let mut smtp = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    smtp.expect(&format!("MAIL FROM:<{from}>"), "250").unwrap();
    smtp.command(&format!("RCPT TO:<{to}>")).unwrap()
}

/// Waits until a user has so many messages.
fn has(world: &Outside, user: &str, count: usize) -> Vec<String> {
    wait_until(DELIVERED_WITHIN, || world.inbox(user).unwrap().len() >= count).unwrap();
    let inbox = world.inbox(user).unwrap();
    assert_eq!(inbox.len(), count, "{inbox:?}");
    inbox
}

/// Waits until the receiver has so many messages; the last one.
fn taken(world: &Outside, count: usize) -> Taken {
    wait_until(DELIVERED_WITHIN, || world.receiver.taken().len() >= count).unwrap();
    let taken = world.receiver.taken();
    assert_eq!(taken.len(), count, "{taken:?}");
    taken[count - 1].clone()
}

fn settled(world: &Outside) {
    let empty = || world.json("queue list").unwrap()["deliveries"].as_array().is_some_and(Vec::is_empty);
    wait_until(DELIVERED_WITHIN, empty).unwrap();
}

fn mail_goes_on_and_its_bounces_find_the_first_sender(transport: Transport) {
    let world = Outside::start(transport, &[HOME, NEIGHBOUR]).unwrap();
    let (user, neighbour) = (format!("u0@{HOME}"), format!("u1@{NEIGHBOUR}"));
    let set = world.json(&format!("account forward set {user} someone@elsewhere.example u0@{NEIGHBOUR}")).unwrap();
    assert_eq!((&set["keep_copy"], &set["targets"][0]["address"]), (&true.into(), &"someone@elsewhere.example".into()));
    assert!(world.ctl(&format!("account forward show {user}")).unwrap().contains("a copy stays in the mailbox"));

    // A stranger's message goes on to both, and stays.
    assert!(send(&world, FRIEND, &user, "first").starts_with("250"));
    let elsewhere = taken(&world, 1);
    assert_eq!(elsewhere.recipients, ["someone@elsewhere.example"]);
    let rewritten = elsewhere.sender.clone();
    assert!(rewritten.starts_with("SRS0=") && rewritten.ends_with("=far.example=friend@home.example"), "{rewritten}");
    let text = &elsewhere.text;
    let (signatures, text) = text.split_at(text.find("X-Forwarded-For").unwrap());
    assert_eq!(signatures.matches("DKIM-Signature: ").count(), 2, "with both keys of the domain: {signatures}");
    assert_eq!(signatures.matches("d=home.example;").count(), 2, "{signatures}");
    assert!(text.starts_with(&format!("X-Forwarded-For: {user}\r\nDelivered-To: {user}\r\nReceived: from ")), "{text}");
    assert!(text.ends_with("\r\nSubject: first\r\nMessage-ID: <first@far.example>\r\n\r\nbody\r\n"), "{text}");
    assert!(!text.contains("Return-Path"), "{text}");
    let copy = &has(&world, &user, 1)[0];
    assert!(copy.contains("Return-Path: <friend@far.example>") && !copy.contains("X-Forwarded-For"), "{copy}");
    let hosted = &has(&world, &format!("u0@{NEIGHBOUR}"), 1)[0];
    assert!(hosted.contains(&format!("Delivered-To: u0@{NEIGHBOUR}\r\nX-Forwarded-For: {user}\r\n")), "{hosted}");
    assert!(hosted.contains("Return-Path: <friend@far.example>"), "senders keep their names inside: {hosted}");
    let trace = world.ctl(&format!("trace {FRIEND} --json")).unwrap();
    assert!(trace.contains("someone@elsewhere.example") && trace.contains("\"forward\""), "{trace}");

    // Its bounce comes back and goes to the stranger; nobody else passes.
    assert!(send(&world, "", &rewritten, "bounce").starts_with("250"));
    let bounce = taken(&world, 2);
    assert_eq!((bounce.sender.as_str(), &bounce.recipients[..]), ("", &[FRIEND.to_owned()][..]));
    assert!(
        bounce.text.starts_with("Received: from ") && bounce.text.contains("\r\nSubject: bounce\r\n"),
        "{bounce:?}"
    );
    let forged = rewritten.replace("=friend@", "=victim@");
    for (from, to, text) in [
        ("", forged.as_str(), "550 5.1.1 No such bounce address"),
        ("", "SRS0=x@home.example", "550 5.1.1 No such bounce address"),
        (FRIEND, rewritten.as_str(), "550 5.1.1 The address takes bounces of forwarded mail only"),
        ("", "SRS0=AAAA=AA=far.example=friend@elsewhere.example", "550 5.7.1 "),
    ] {
        let reply = rcpt(&world, from, to);
        assert!(reply.starts_with(text), "{from} {to}: {reply}");
    }

    // A hosted sender gets the bounce in the mailbox.
    assert!(send(&world, &neighbour, &user, "second").starts_with("250"));
    let rewritten = taken(&world, 3).sender;
    assert!(rewritten.ends_with("=neighbour.example=u1@home.example"), "{rewritten}");
    assert!(send(&world, "", &rewritten, "returned").starts_with("250"));
    assert!(has(&world, &neighbour, 1)[0].contains("Subject: returned\r\n"));

    world.ctl(&format!("account forward clear {user}")).unwrap();
    assert!(send(&world, FRIEND, &user, "third").starts_with("250"));
    has(&world, &user, 3);
    settled(&world);
    assert_eq!(world.receiver.taken().len(), 3);
}

fn without_a_copy_nothing_stays_and_circles_end(transport: Transport) {
    let world = Outside::start(transport, &[HOME, NEIGHBOUR]).unwrap();
    let (one, two) = (format!("u0@{HOME}"), format!("u0@{NEIGHBOUR}"));
    world.ctl(&format!("account forward set {one} {two} --no-copy")).unwrap();
    world.ctl(&format!("quota set {one} 10")).unwrap();
    assert!(send(&world, FRIEND, &one, "through").starts_with("250"), "a full mailbox is no matter");
    assert!(has(&world, &two, 1)[0].contains("Subject: through\r\n"));
    assert!(world.inbox(&one).unwrap().is_empty());
    world.ctl(&format!("quota set {one} unlimited")).unwrap();

    world.ctl(&format!("account forward set {two} {one} --no-copy")).unwrap();
    assert!(send(&world, FRIEND, &one, "circle").starts_with("250"));
    assert!(has(&world, &one, 1)[0].contains("Subject: circle\r\n"), "it ends where it began");
    settled(&world);
    assert_eq!((world.inbox(&one).unwrap().len(), world.inbox(&two).unwrap().len()), (1, 1));
    // Over a server elsewhere the message brings back where it has been.
    let message = format!("Delivered-To: {one}\r\nFrom: <{FRIEND}>\r\nSubject: back\r\n\r\nbody\r\n");
    let mut smtp = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send("SRS0=x=y=z=z@else.example", &one, message.as_bytes()).unwrap().starts_with("250"));
    has(&world, &one, 2);
    settled(&world);
    assert_eq!(world.inbox(&two).unwrap().len(), 1);
    assert!(world.receiver.taken().is_empty(), "nobody is told of anything");
}

fn a_target_that_refuses_is_paused_and_the_owner_told(transport: Transport) {
    let world = Outside::start(transport, &[HOME, NEIGHBOUR]).unwrap();
    let user = format!("u0@{HOME}");
    world.ctl(&format!("account forward set {user} gone@elsewhere.example --no-copy")).unwrap();
    let show = || world.json(&format!("account forward show {user}")).unwrap();
    for number in 1..=5 {
        assert!(send(&world, FRIEND, &user, &format!("number{number}")).starts_with("250"));
        // The sender hears of each, by one honest bounce.
        let notice = taken(&world, number);
        assert_eq!((notice.sender.as_str(), &notice.recipients[..]), ("", &[FRIEND.to_owned()][..]));
        assert!(notice.text.contains("No such user here") && notice.text.contains("Status: 5.1.1"), "{notice:?}");
    }
    wait_until(DELIVERED_WITHIN, || show()["targets"][0]["state"] == "suspended").unwrap();
    assert_eq!(show()["targets"][0]["pause_reason"], "550 5.1.1 No such user here");
    assert_eq!((&show()["targets"][0]["refused"], &show()["keep_copy"]), (&5.into(), &true.into()));
    let notice = has(&world, &user, 1).remove(0);
    assert!(notice.contains("Subject: Your mail is no longer forwarded") && notice.contains("gone@elsewhere.example"));
    // Mail is kept from now on.
    assert!(send(&world, FRIEND, &user, "kept").starts_with("250"));
    assert!(has(&world, &user, 2)[1].contains("Subject: kept\r\n"));

    let resumed = world.json(&format!("account forward resume {user}")).unwrap();
    assert_eq!((&resumed["targets"][0]["state"], &resumed["keep_copy"]), (&"active".into(), &false.into()));
    assert!(send(&world, FRIEND, &user, "number6").starts_with("250"));
    taken(&world, 6);
    assert_eq!(world.inbox(&user).unwrap().len(), 2);
}

/// Attack list, item 12: three servers in a circle, of which the other two write nothing down but that they had the message. It goes round
/// until it has fifty hops, and the one who sent it first gets one notice.
fn a_circle_over_forgetful_servers_ends_and_its_sender_hears_of_it_once(transport: Transport) {
    let world = Outside::start(transport, &[HOME]).unwrap();
    let user = format!("u0@{HOME}");
    world.ctl(&format!("account forward set {user} round@elsewhere.example --no-copy")).unwrap();
    assert!(send(&world, FRIEND, &user, "circle").starts_with("250"));
    let mut rounds = 1;
    let (sender, refused) = loop {
        let Taken { sender, text, .. } = taken(&world, rounds);
        let forgotten = |line: &&str| !line.starts_with("Delivered-To: ") && !line.starts_with("X-Forwarded-For: ");
        let kept: String = text.split_inclusive('\n').filter(forgotten).collect();
        let hops = "Received: from one.example by two.example\r\nReceived: from two.example by three.example\r\n";
        let mut smtp = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
        let reply = smtp.send(&sender, &user, format!("{hops}{kept}").as_bytes()).unwrap();
        if !reply.starts_with("250") {
            break (sender, reply);
        }
        rounds += 1;
        assert!(rounds < 50, "it goes on for ever");
    };
    assert!(refused.starts_with("554 5.4.6 "), "{refused}");
    assert!((10..=18).contains(&rounds), "{rounds} rounds of three hops");
    // Who was refused tells the sender, and nobody else is told; a notice about the notice is never made.
    assert!(send(&world, "", &sender, "notice").starts_with("250"));
    let notice = taken(&world, rounds + 1);
    assert_eq!((notice.sender.as_str(), &notice.recipients[..]), ("", &[FRIEND.to_owned()][..]));
    settled(&world);
    assert_eq!(world.receiver.taken().iter().filter(|message| message.sender.is_empty()).count(), 1);
    assert!(world.inbox(&user).unwrap().is_empty());
}
