//! What whoever runs it relies on: an orderly end, pages for probes, and a configuration that says what is wrong with it.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::process::Command;
use std::time::{Duration, Instant};
use yubin_tests::imap::Imap;
use yubin_tests::load::{self, Login, Plan, Protocol, Until};
use yubin_tests::over_both_transports;
use yubin_tests::pop3::Pop3;
use yubin_tests::process::{self, Running, http_get, wait_until};
use yubin_tests::receiver::Receiver;
use yubin_tests::smtp::{Smtp, stuffed};
use yubin_tests::system::{self, Program, READY_WITHIN, System, Transport};

over_both_transports! {
    sigterm_lets_what_is_under_way_finish,
    probes_and_metrics_are_answered,
    a_mailbox_is_free_when_quit_is_answered,
}

const USER: &str = "u0@operation.example";
const PASSWORD: &str = "correct horse battery";
const END_WITHIN: Duration = Duration::from_secs(30);
/// Long enough to tell once from twice on a busy machine.
const DRAIN_SECONDS: u64 = 8;

fn start(transport: Transport, folder: &tempfile::TempDir) -> System {
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate("operation.example", 1, PASSWORD).unwrap();
    system
}

fn sigterm_lets_what_is_under_way_finish(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut system = start(transport, &folder);
    let address = system.port("smtp").unwrap();
    let mut waiting = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    waiting.ok("SELECT INBOX").unwrap();
    waiting.idle().unwrap();
    let mut idle = Smtp::hello(address).unwrap();
    let mut busy = Smtp::hello(address).unwrap();
    busy.expect("MAIL FROM:<friend@elsewhere.example>", "250").unwrap();
    busy.expect(&format!("RCPT TO:<{USER}>"), "250").unwrap();
    busy.expect("DATA", "354").unwrap();

    process::signal(system.running.id(), "TERM");
    wait_until(END_WITHIN, || !process::listens(address)).unwrap();
    // Whoever waits is told, whoever is in the middle of a message may finish it.
    assert!(idle.reply().unwrap().starts_with("421"));
    while !waiting.response().unwrap().starts_with(b"* BYE") {}
    let reply = busy.bytes(&stuffed(b"Subject: under way\r\n\r\na\r\n")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    assert!(busy.reply().unwrap().starts_with("421"));

    assert!(system.running.terminate(END_WITHIN).unwrap().success());
    system.start_again().unwrap();
    let mut pop3 = Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).unwrap();
    assert_eq!(pop3.stat().unwrap().0, 1);
}

fn probes_and_metrics_are_answered(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = start(transport, &folder);
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    assert!(smtp.send("friend@elsewhere.example", USER, b"Subject: a\r\n\r\nb\r\n").unwrap().starts_with("250"));
    let http = system.port("http").unwrap();
    for page in ["/livez", "/readyz"] {
        assert!(http_get(http, page).unwrap().starts_with("HTTP/1.1 200 "), "{page}");
    }
    let metrics = http_get(http, "/metrics").unwrap();
    assert!(metrics.contains("yubin_smtp_deliveries_total{result=\"stored\"} 1"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "not whole: {metrics}");
    assert!(http_get(http, "/nothing").unwrap().starts_with("HTTP/1.1 404 "));
}

fn a_mailbox_is_free_when_quit_is_answered(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let system = start(transport, &folder);
    for _ in 0..50 {
        Pop3::login(system.port("pop3s").unwrap(), USER, PASSWORD).unwrap().quit().unwrap();
    }
}

/// Whoever runs it has told the process manager how long to wait.
#[test]
fn sessions_and_deliveries_end_by_one_deadline() {
    let receiver = Receiver::start().unwrap();
    receiver.take_time(Duration::from_secs(300));
    let folder = tempfile::tempdir().unwrap();
    let listen = system::listen("127.0.0.1", &system::SERVICES).unwrap();
    let queue = system::smart_host(receiver.address(), &[]);
    let config = format!("drain_seconds = {DRAIN_SECONDS}\n[listen]\n{listen}\n{queue}");
    let mut system = System::run(Program::new("yubin", folder.path(), &config).unwrap()).unwrap();
    system.admin.populate("operation.example", 1, PASSWORD).unwrap();
    let user = Login { user: USER.to_owned(), password: PASSWORD.to_owned() };
    let plan = Plan {
        targets: vec![system.port("submissions").unwrap()],
        protocol: Protocol::Smtp,
        login: Some(user),
        connections: 1,
        networks: 0,
        size_bytes: 512,
        letters: Vec::new(),
        recipients: vec!["someone@elsewhere.example".to_owned()],
        until: Until::Count(1),
        run: 1,
    };
    assert_eq!(load::run(&plan).unwrap().acknowledged.len(), 1);
    wait_until(END_WITHIN, || receiver.open() == 1).unwrap();
    let mut busy = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    busy.expect("MAIL FROM:<friend@elsewhere.example>", "250").unwrap();
    busy.expect(&format!("RCPT TO:<{USER}>"), "250").unwrap();
    busy.expect("DATA", "354").unwrap();

    let asked = Instant::now();
    assert!(system.running.terminate(END_WITHIN).unwrap().success());
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(DRAIN_SECONDS), "neither had its time: {took:?}");
    assert!(took < Duration::from_secs(2 * DRAIN_SECONDS), "one after the other: {took:?}");
}

/// Whoever looks at the log of a process without an administration sees that it is up, too.
#[test]
fn every_process_says_when_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("yubin.toml"), folder.path().join("log"));
    let listen = system::listen("127.0.0.1", &["http"]).unwrap();
    std::fs::write(&config, format!("roles = [\"store\"]\n[listen]\n{listen}")).unwrap();
    let mut command = Command::new(system::binary().unwrap());
    command.arg("run").arg("--config").arg(&config).arg("--data").arg(folder.path().join("data"));
    command.stderr(std::fs::File::create(&log).unwrap());
    let _running = Running::start("store", &mut command).unwrap();
    wait_until(READY_WITHIN, || std::fs::read_to_string(&log).unwrap().contains("ready")).unwrap();
}

#[test]
fn a_configuration_is_checked_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("yubin.toml");
    let config = |verb: &str, text: &str| {
        std::fs::write(&path, text).unwrap();
        process::output(Command::new(system::binary().unwrap()).args(["config", verb, "--config"]).arg(&path))
    };
    config("check", "hostname = \"mail.example\"\n").unwrap();
    let printed = config("print", "[store]\ndata_groups = 9\n").unwrap();
    assert!(printed.contains("data_groups = 9") && printed.contains("hostname = \"localhost\""), "{printed}");
    // What is printed is a configuration.
    assert_eq!(config("print", &printed).unwrap(), printed);
    for (text, word) in [("hostnam = \"a\"", "hostnam"), ("[store]\nnode = 0", "store.node"), ("roles =", "TOML")] {
        let error = config("check", text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}
