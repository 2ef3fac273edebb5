//! Debian's rspamd and clamd with the real binary: what they find is filed, refused, removed; and what happens while they are away.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yubin_tests::imap::Imap;
use yubin_tests::process;
use yubin_tests::scanners::{CERTAIN_SPAM, Clamd, Rspamd, SPAM, VIRUS, VIRUS_NAME};
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

const DOMAIN: &str = "hosted.example";
const PASSWORD: &str = "correct horse battery";
const AUTHOR: &str = "ann@shop.example";

struct World {
    system: System,
    rspamd: Rspamd,
    clamd: Clamd,
    folder: tempfile::TempDir,
}

impl World {
    /// A system whose scanners are both there; more of their settings, each of a line.
    fn start(rspamd_more: &str, clamd_more: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let rspamd = Rspamd::start(&folder.path().join("rspamd")).unwrap();
        let clamd = Clamd::start(&folder.path().join("clamd")).unwrap();
        let told = format!(
            "[smtp.inbound]\nverification = \"off\"\nexempt_networks = []\n[smtp.archives]\nunpacked_mib_max = 2\n\
             [smtp.rspamd]\naddress = \"{}\"\ntimeout_seconds = 20\n{rspamd_more}\n\
             [smtp.clamd]\naddress = \"{}\"\ntimeout_seconds = 20\n{clamd_more}\n",
            rspamd.address,
            clamd.socket.display()
        );
        let system = System::configured(Transport::Direct, folder.path(), &told).unwrap();
        system.admin.populate(DOMAIN, 1, PASSWORD).unwrap();
        World { system, rspamd, clamd, folder }
    }

    fn send(&self, subject: &str, rest: &str) -> String {
        let message =
            format!("From: {AUTHOR}\r\nTo: u0@{DOMAIN}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n{rest}\r\n");
        let mut session = Smtp::hello(self.system.port("smtp").unwrap()).unwrap();
        session.send(AUTHOR, &format!("u0@{DOMAIN}"), message.as_bytes()).unwrap()
    }

    /// The messages of a mailbox.
    fn stored(&self, mailbox: &str) -> String {
        let mut imap = Imap::login(self.system.port("imaps").unwrap(), &format!("u0@{DOMAIN}"), PASSWORD).unwrap();
        imap.ok(&format!("EXAMINE {mailbox}")).unwrap();
        imap.ok("FETCH 1:* BODY.PEEK[]").unwrap().text().concat().replace("\r\n\t", " ")
    }

    /// A part with a zip file of this content, made by Python; with a password if there is one.
    fn zip(&self, content: &[u8]) -> String {
        let (source, file) = (self.folder.path().join("file.txt"), self.folder.path().join("bill.zip"));
        std::fs::write(&source, content).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED); z.write(sys.argv[2], 'file.txt')";
        process::output(Command::new("python3").args(["-c", script]).arg(&file).arg(&source)).unwrap();
        attached(&file)
    }
}

/// The rest of a message with a file.
fn attached(file: &Path) -> String {
    let coded = STANDARD.encode(std::fs::read(file).unwrap());
    let lines: Vec<&str> = coded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/zip\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"bill.zip\"\r\n\r\n{}\r\n--b--",
        lines.join("\r\n")
    )
}

/// SHIN-11, SONET-15, SONET-18, SONET-30.
#[test]
fn what_real_scanners_find_is_obeyed() {
    let world = World::start("", "");
    assert!(world.send("clean", "\r\nhello").starts_with("250"));
    assert!(world.send("spam", &format!("\r\n{SPAM}")).starts_with("250"));
    let refused = world.send("certain", &format!("\r\n{CERTAIN_SPAM}"));
    assert!(refused.starts_with("550 5.7.1 Gtube pattern"), "{refused}");
    let virus = world.send("virus", &format!("\r\n{VIRUS}"));
    let expected = format!(
        "550 5.7.1 The virus [{VIRUS_NAME}] had been detected from [the message]. Executed processing : reject"
    );
    assert_eq!(virus.trim_end(), expected);
    let zipped = world.send("zipped", &world.zip(format!("text\n{VIRUS}\n").as_bytes()));
    assert!(zipped.starts_with("550 5.7.1 The virus") && zipped.contains("[bill.zip]"), "{zipped}");
    // SONET-15, SONET-18: small as it comes, large unpacked.
    let unpacked = world.send("unpacked", &world.zip(&vec![0; 3 << 20]));
    assert_eq!(unpacked.trim_end(), "550 5.7.1 Error: message content rejected");
    // Larger than clamd's own limit: not scanned.
    assert!(world.send("large", &format!("\r\n{}", "0123456789abcdef\r\n".repeat(80_000))).starts_with("250"));

    let inbox = world.stored("INBOX");
    assert!(
        inbox.contains("X-Spam-Status: No, score=0 required=15 tests=[]\r\nX-Virus-Status: Clean\r\n"),
        "{inbox:.4000}"
    );
    assert!(inbox.contains("X-Virus-Status: Not scanned (too large)") && !inbox.contains("Subject: virus"));
    let junk = world.stored("Junk");
    assert!(
        junk.contains("X-Spam-Status: Yes, score=8 required=15 tests=[TEST_SPAM=8]\r\nX-Spam-Flag: YES\r\n"),
        "{junk}"
    );
}

/// SONET-31, SONET-32.
#[test]
fn a_virus_is_removed_and_the_recipient_told_in_two_languages() {
    let world = World::start("", "virus = \"remove\"");
    assert!(world.send("bill", &world.zip(VIRUS.as_bytes())).starts_with("250"));
    let cured = world.stored("INBOX");
    let status = format!("X-Virus-Status: Removed ({VIRUS_NAME})");
    for text in [status.as_str(), "Subject: bill\r\n", "\r\n\r\nsee the file\r\n--b\r\n"] {
        assert!(cured.contains(text), "{text}: {cured}");
    }
    let notice = format!(
        "[English] The virus [{VIRUS_NAME}] had been detected from [bill.zip]. Executed processing : remove\r\n\
         [Japanese] ウイルス [{VIRUS_NAME}] が[bill.zip] から検出されました。 実行された処理:remove\r\n"
    );
    let coded = STANDARD.encode(notice);
    let lines: Vec<&str> = coded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let part = format!("Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--", lines.join("\r\n"));
    assert_eq!(cured.matches(&part).count(), 2, "before the body, and in the place of the file: {cured}");
    assert!(!cured.contains("application/zip") && !cured.contains("filename"), "{cured}");
}

#[test]
fn while_scanners_are_away_mail_waits_or_passes() {
    let mut waiting = World::start("", "absent = \"pass\"");
    waiting.clamd.running.kill().unwrap();
    assert!(waiting.send("no clamd", "\r\nhello").starts_with("250"));
    assert!(waiting.stored("INBOX").contains("X-Virus-Status: Not scanned (no scanner)"));
    let below = process::descendants(&[waiting.rspamd.running.id()]);
    process::end_all(&[below, vec![waiting.rspamd.running.id()]].concat());
    let put_off = waiting.send("no rspamd", "\r\nhello");
    assert!(put_off.starts_with("451 4.7.1"), "{put_off}");
}

/// rspamd once more, as a milter.
#[test]
fn a_real_milter_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let rspamd = Rspamd::start(&folder.path().join("rspamd")).unwrap();
    let told = format!(
        "[smtp.inbound]\nverification = \"off\"\nexempt_networks = []\n[[smtp.milters]]\naddress = \"{}\"\ntimeout_seconds = 20\n\
         scans = 10\nmessage_mib_max = 50\ntoo_large = \"pass\"\nabsent = \"tempfail\"\nsubmissions = \"off\"\n",
        rspamd.milter
    );
    let system = System::configured(Transport::Direct, folder.path(), &told).unwrap();
    system.admin.populate(DOMAIN, 1, PASSWORD).unwrap();
    let clamd = Clamd::start(&folder.path().join("clamd")).unwrap();
    let world = World { system, rspamd, clamd, folder };
    assert!(world.send("clean", "\r\nhello").starts_with("250"));
    assert!(world.send("spam", &format!("\r\n{SPAM}")).starts_with("250"));
    let refused = world.send("certain", &format!("\r\n{CERTAIN_SPAM}"));
    assert!(refused.starts_with("554 5.7.1 Gtube pattern"), "{refused}");
    let inbox = world.stored("INBOX");
    assert_eq!(inbox.matches("Subject: ").count(), 2, "{inbox}");
    assert_eq!(inbox.matches("X-Spam: Yes").count(), 1, "what it adds is added: {inbox}");
}
