//! Every verb of `yubin ctl` does what it says: seen from the ports for mail, and in what the next call shows.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use serde_json::Value;
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    names_lead_to_accounts_as_they_are_told,
    accounts_and_domains_come_and_go,
    deleted_mail_comes_back,
    plans_and_quotas_are_shown_and_kept,
    a_domain_is_told_what_to_publish_and_its_keys_rotate,
    an_account_s_sending_is_limited_shown_and_stopped,
}

const PASSWORD: &str = "correct horse battery";

struct Fixture {
    system: System,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn start(transport: Transport) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let system = System::over(transport, folder.path()).unwrap();
        system.admin.populate("ctl.example", 2, PASSWORD).unwrap();
        Self { system, _folder: folder }
    }

    fn ctl(&self, line: &str) -> String {
        self.try_ctl(line).unwrap_or_else(|refused| panic!("{line}: {refused}"))
    }

    fn try_ctl(&self, line: &str) -> Result<String, String> {
        let arguments: Vec<&str> = line.split(' ').collect();
        self.system.admin.ctl(&arguments, PASSWORD).map_err(|error| error.to_string())
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ctl(&format!("{line} --json"))).unwrap()
    }

    /// The reply that settled a message to this address.
    fn send(&self, to: &str) -> String {
        let mut smtp = Smtp::hello(self.system.port("smtp").unwrap()).unwrap();
        smtp.send("friend@elsewhere.example", to, b"Subject: a\r\n\r\nb\r\n").unwrap()
    }

    fn messages(&self, name: &str) -> u64 {
        self.system.admin.usage(name).unwrap().messages
    }

    fn log_in(&self, user: &str) -> anyhow::Result<Imap> {
        Imap::login(self.system.port("imaps").unwrap(), user, PASSWORD)
    }
}

/// The names of the things in a list of JSON.
fn names<'a>(list: &'a Value, key: &str, name: &str) -> Vec<&'a str> {
    list[key].as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap()).collect()
}

fn names_lead_to_accounts_as_they_are_told(transport: Transport) {
    let fixture = Fixture::start(transport);
    assert!(fixture.send("team@ctl.example").starts_with("550 5.1.1"));
    fixture.ctl("alias put team@ctl.example u0@ctl.example u1@ctl.example");
    assert_eq!(names(&fixture.json("alias list ctl.example"), "aliases", "address"), ["team@ctl.example"]);
    assert!(fixture.send("team@ctl.example").starts_with("250"));
    assert_eq!((fixture.messages("u0@ctl.example"), fixture.messages("u1@ctl.example")), (1, 1));
    fixture.ctl("alias put team@ctl.example u1@ctl.example");
    assert!(fixture.send("team@ctl.example").starts_with("250"));
    assert_eq!((fixture.messages("u0@ctl.example"), fixture.messages("u1@ctl.example")), (1, 2));
    fixture.ctl("alias delete team@ctl.example");
    assert!(fixture.send("team@ctl.example").starts_with("550 5.1.1"));

    fixture.ctl("domain update ctl.example --catch-all u0");
    assert!(fixture.send("whoever@ctl.example").starts_with("250"));
    assert_eq!(fixture.messages("u0@ctl.example"), 2);
    fixture.ctl("domain update ctl.example --catch-all=");
    assert!(fixture.send("whoever@ctl.example").starts_with("550 5.1.1"));

    let mailboxes = fixture.json("mailbox list u0@ctl.example");
    let listed = names(&mailboxes, "mailboxes", "name");
    for name in ["INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive"] {
        assert!(listed.contains(&name), "no {name} in {listed:?}");
    }
    assert!(fixture.try_ctl("mailbox clear u0@ctl.example --confirm u1@ctl.example").is_err());
    assert_eq!(fixture.messages("u0@ctl.example"), 2);
    fixture.ctl("mailbox clear u0@ctl.example --mailbox INBOX --confirm u0@ctl.example");
    assert_eq!(fixture.messages("u0@ctl.example"), 0);
}

fn accounts_and_domains_come_and_go(transport: Transport) {
    let fixture = Fixture::start(transport);
    let listed = fixture.json("account list ctl.example");
    assert_eq!(names(&listed, "accounts", "address"), ["u0@ctl.example", "u1@ctl.example"]);
    assert!(fixture.send("u0@ctl.example").starts_with("250"));

    fixture.ctl("account suspend u0@ctl.example --reason unpaid");
    assert!(fixture.log_in("u0@ctl.example").is_err());
    assert_eq!(fixture.json("account show u0@ctl.example")["state"], "suspended");
    assert_eq!(fixture.json("account show u0@ctl.example")["suspension_reason"], "unpaid");
    assert!(fixture.send("u0@ctl.example").starts_with("250"), "a suspended account still receives");
    fixture.ctl("account resume u0@ctl.example");
    fixture.log_in("u0@ctl.example").unwrap();
    assert_eq!(fixture.messages("u0@ctl.example"), 2);

    assert!(fixture.try_ctl("account create u0@ctl.example --password-stdin").is_err(), "it exists");
    assert!(fixture.try_ctl("account delete u0@ctl.example --confirm u1@ctl.example").is_err());
    fixture.ctl("account delete u0@ctl.example --confirm u0@ctl.example");
    assert!(fixture.log_in("u0@ctl.example").is_err());
    assert!(fixture.send("u0@ctl.example").starts_with("550 5.1.1"));
    assert_eq!(fixture.messages("ctl.example"), 0);
    // The same address again is another account: nothing of the old one is in it.
    fixture.ctl("account create u0@ctl.example --password-stdin");
    assert_eq!(fixture.messages("u0@ctl.example"), 0);
    fixture.log_in("u0@ctl.example").unwrap();

    fixture.ctl("domain create other.example");
    let domains = fixture.json("domain list");
    assert_eq!(names(&domains, "domains", "name"), ["ctl.example", "other.example"]);
    assert!(fixture.try_ctl("domain delete ctl.example --confirm other.example").is_err());
    fixture.ctl("domain delete ctl.example --confirm ctl.example");
    assert!(fixture.log_in("u1@ctl.example").is_err());
    assert!(fixture.send("u1@ctl.example").starts_with("550 5."));
    assert_eq!(names(&fixture.json("domain list"), "domains", "name"), ["other.example"]);
    assert!(fixture.try_ctl("domain show ctl.example").is_err());
}

fn deleted_mail_comes_back(transport: Transport) {
    let fixture = Fixture::start(transport);
    for _ in 0..3 {
        assert!(fixture.send("u0@ctl.example").starts_with("250"));
    }
    let size = fixture.json("usage u0@ctl.example")["usage"]["bytes"].as_u64().unwrap();
    let mut imap = fixture.log_in("u0@ctl.example").unwrap();
    imap.ok("SELECT INBOX").unwrap();
    imap.ok("STORE 1:2 +FLAGS (\\Deleted \\Flagged)").unwrap();
    imap.ok("EXPUNGE").unwrap();
    let kept = &fixture.json("mailbox expunged u0@ctl.example")["expunged"];
    assert_eq!((&kept[0]["mailbox"], &kept[0]["messages"]), (&"INBOX".into(), &2.into()), "{kept}");

    fixture.ctl(&format!("quota set u0@ctl.example {}", size - 1));
    let full = fixture.try_ctl("mailbox restore u0@ctl.example").unwrap_err();
    assert!(full.contains("raise it"), "{full}");
    assert_eq!(fixture.messages("u0@ctl.example"), 1);
    fixture.ctl("quota set u0@ctl.example plan");
    assert!(fixture.try_ctl("mailbox restore u0@ctl.example --mailbox Nowhere").is_err());
    assert_eq!(fixture.json("mailbox restore u0@ctl.example --mailbox Sent")["messages"], 0);
    assert_eq!(fixture.json("mailbox restore u0@ctl.example --until 1h")["messages"], 0);
    assert_eq!(fixture.json("mailbox restore u0@ctl.example --since 1h --into Found/again")["messages"], 2);
    assert_eq!(fixture.json("usage u0@ctl.example")["usage"]["bytes"], size);
    imap.ok("SELECT Found/again").unwrap();
    let found = imap.ok("FETCH 1:* (FLAGS BODY.PEEK[TEXT])").unwrap().text().concat();
    assert_eq!((found.matches("\\Flagged").count(), found.matches("\\Deleted").count()), (2, 0), "{found}");

    // An account that was deleted by mistake: its name again, and its mail.
    let uid = fixture.json("account show u0@ctl.example")["uid"].clone();
    fixture.ctl("account delete u0@ctl.example --confirm u0@ctl.example");
    fixture.ctl("account create u0@ctl.example --password-stdin");
    let kept = &fixture.json("mailbox expunged ctl.example")["expunged"];
    assert_eq!((&kept[0]["account_uid"], &kept[0]["address"], &kept[0]["messages"]), (&uid, &"".into(), &3.into()));
    fixture.ctl(&format!("mailbox restore u0@ctl.example --from-account {uid} --into INBOX"));
    assert_eq!(fixture.messages("u0@ctl.example"), 3);
    assert_eq!(fixture.json("mailbox expunged ctl.example")["expunged"].as_array().unwrap().len(), 0);
}

fn plans_and_quotas_are_shown_and_kept(transport: Transport) {
    let fixture = Fixture::start(transport);
    fixture.ctl("plan put two --accounts 2 --account-quota 10000 --domain-quota 30000");
    fixture.ctl("domain update ctl.example --plan two");
    assert_eq!(fixture.json("domain show ctl.example")["plan"], "two");
    assert_eq!(fixture.json("domain show ctl.example")["quota"]["bytes"], 30_000);
    assert_eq!(fixture.json("account show u0@ctl.example")["quota"]["bytes"], 10_000);
    let more = fixture.try_ctl("account create u2@ctl.example --password-stdin").unwrap_err();
    assert!(more.contains('2'), "{more}");
    let used = fixture.try_ctl("plan delete two").unwrap_err();
    assert!(used.contains("the domain ctl.example uses the plan two"), "{used}");

    fixture.ctl("quota set u0@ctl.example 100");
    let full = fixture.send("u0@ctl.example");
    assert!(full.starts_with("552 5.2.2"), "{full}");
    fixture.ctl("quota set u0@ctl.example plan");
    assert!(fixture.send("u0@ctl.example").starts_with("250"));
    fixture.ctl("quota set ctl.example 100");
    let full = fixture.send("u1@ctl.example");
    assert!(full.starts_with("552 5.2.2"), "{full}");
    fixture.ctl("quota set ctl.example unlimited");
    assert!(fixture.send("u1@ctl.example").starts_with("250"));

    let report = fixture.ctl("usage ctl.example --verify");
    // Name, then bytes and messages as they were counted, then as they are kept.
    let row: Vec<&str> = report.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(row.len() == 7 && row[3] == "2" && row[1..4] == row[4..7], "{report}");
    let groups = fixture.json("group list");
    assert!(groups["groups"].as_array().unwrap().len() > 1, "{groups}");
    fixture.ctl("plan put spare");
    fixture.ctl("plan delete spare");
    assert!(!names(&fixture.json("plan list"), "plans", "name").contains(&"spare"));
}

fn a_domain_is_told_what_to_publish_and_its_keys_rotate(transport: Transport) {
    let fixture = Fixture::start(transport);
    let records = |line: &str| fixture.json(line)["records"].as_array().unwrap().clone();
    let keys = |line: &str| -> Vec<String> {
        let states = records(line).into_iter().filter(|record| record.get("selector").is_some());
        states.map(|record| format!("{} {}", record["selector"], record["state"]).replace('"', "")).collect()
    };
    let text: Vec<String> = records("domain dns ctl.example --expected")
        .iter()
        .map(|record| format!("{} {} {:.20}", record["name"], record["type"], record["value"].as_str().unwrap()))
        .map(|line| line.replace('"', ""))
        .collect();
    let expected = [
        "ctl.example MX 10 localhost.",
        "ctl.example TXT v=spf1 mx ~all",
        "yubin1-ed25519._domainkey.ctl.example TXT v=DKIM1; k=ed25519; ",
        "yubin1-rsa._domainkey.ctl.example TXT v=DKIM1; k=rsa; p=MI",
        "_dmarc.ctl.example TXT v=DMARC1; p=none",
    ];
    assert_eq!(text, expected);

    let first = ["yubin1-ed25519 active", "yubin1-rsa active"];
    assert_eq!(keys("domain dns ctl.example --expected"), first);
    let waiting = ["yubin1-ed25519 active", "yubin1-rsa active", "yubin2-ed25519 pending", "yubin2-rsa pending"];
    assert_eq!(keys("domain dkim rotate ctl.example"), waiting);
    assert_eq!(keys("domain dkim rotate ctl.example"), waiting, "those that wait are told again");
    let used = ["yubin1-ed25519 retiring", "yubin1-rsa retiring", "yubin2-ed25519 active", "yubin2-rsa active"];
    assert_eq!(keys("domain dkim activate ctl.example --unchecked"), used);
    let refused = fixture.try_ctl("domain dkim activate ctl.example").unwrap_err();
    assert!(refused.contains("no such DKIM keys that wait to be used"), "{refused}");
    assert_eq!(keys("domain dkim remove ctl.example yubin1-rsa").len(), 3);
    assert!(fixture.try_ctl("domain dkim remove ctl.example yubin1-rsa").is_err());
    assert!(fixture.ctl("domain dns ctl.example --expected").contains("retiring"));
}

fn an_account_s_sending_is_limited_shown_and_stopped(transport: Transport) {
    let fixture = Fixture::start(transport);
    let plans = fixture.json("plan list");
    assert_eq!(plans["plans"][0]["sending"]["account"]["recipients_per_message"], 100, "the standard plan has limits");
    fixture.ctl("plan put small --messages-per-hour 7 --domain-recipients-per-day 0");
    fixture.ctl("domain update ctl.example --plan small");
    let shown = fixture.json("account limits u0@ctl.example");
    assert_eq!(shown["limits"]["messages_per_hour"], 7);
    assert!(shown["domain_limits"]["recipients_per_day"].is_null(), "0 is unlimited");
    assert_eq!(shown["used"]["messages_this_hour"], 0);

    let own = fixture.json("account set-limits u0@ctl.example --messages-per-hour 9 --recipients-per-day 0");
    assert_eq!((&own["limits"]["messages_per_hour"], &own["own_limits"]["recipients_per_day"]), (&9.into(), &0.into()));
    assert!(own["limits"]["recipients_per_day"].is_null());
    let table = fixture.ctl("account limits u0@ctl.example");
    let row =
        |what: &str| table.lines().find(|line| line.starts_with(what)).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(row("messages this hour")[3..], ["0", "9", "account"]);
    assert_eq!(row("recipients in 24 hours")[4..], ["0", "unlimited", "account"]);
    assert_eq!(row("messages in 24 hours")[4..], ["0", "3000", "plan"]);
    let back = fixture.json("account set-limits u0@ctl.example");
    assert_eq!(back["limits"]["messages_per_hour"], 7, "what isn't named is the plan's");

    let stopped = fixture.json("account suspend-sending u0@ctl.example --reason infected");
    assert_eq!((&stopped["state"], &stopped["suspension_reason"]), (&"suspended".into(), &"infected".into()));
    assert_eq!(fixture.json("account list ctl.example")["accounts"][0]["sending_state"], "suspended");
    assert!(fixture.ctl("account show u0@ctl.example").contains("suspended: infected"));
    fixture.log_in("u0@ctl.example").unwrap();
    assert!(fixture.send("u0@ctl.example").starts_with("250"), "it still receives");
    fixture.ctl("account resume-sending u0@ctl.example");
    assert_eq!(fixture.json("account show u0@ctl.example")["sending_state"], "active");
    let history = fixture.ctl("account limits u0@ctl.example");
    assert!(history.contains("suspended: infected") && history.contains(", resumed"), "{history}");
    assert!(fixture.try_ctl("account suspend-sending nobody@ctl.example --reason x").is_err());
    let refused = fixture.try_ctl("plan put bad --suspend-above-bounce-percent 101").unwrap_err();
    assert!(refused.contains("at most 100"), "{refused}");
}
