//! Mail from a user's submission into the mail servers that others run: Debian's exim4, OpenSMTPD and Postfix.
//!
//! What was taken lies in the server's Maildir and says by its `Received` field how it came; what was refused comes back as a notice that
//! Python's parser reads. Starting the servers takes root, and that `cargo xtask setup` unpacked them.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use yubin_tests::elsewhere::{self, Elsewhere, GONE, Keywords, SIZE_MAX_BYTES, TAKER};
use yubin_tests::full_disk;
use yubin_tests::imap::Imap;
use yubin_tests::process::{python, wait_until};
use yubin_tests::system::{System, Transport, smart_host_over};

const HOME: &str = "home.example";
const SENDER: &str = "u0@home.example";
const PASSWORD: &str = "correct horse battery";
/// How long mail may be on its way on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// Submits standard input; told are the port, the user, the password, the options of MAIL and the recipients.
const SUBMIT: &str = "
import smtplib, ssl, sys
port, user, password, options = sys.argv[1:5]
context = ssl._create_unverified_context()
with smtplib.SMTP_SSL('127.0.0.1', int(port), context=context) as server:
    server.login(user, password)
    server.sendmail(user, sys.argv[5:], sys.stdin.buffer.read(), mail_options=options.split())
";

/// Reads a message from standard input and says as JSON what is in it.
const PARSE: &str = "
import email, email.policy, json, sys
message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
def fields(part): return [{name.lower(): str(value) for name, value in block.items()} for block in part.get_payload()]
parts = list(message.iter_parts()) if message.is_multipart() else []
status = [part for part in parts if part.get_content_type() in ('message/delivery-status', 'message/global-delivery-status')]
print(json.dumps({
    'type': message.get_content_type(),
    'report': message.get_param('report-type'),
    'to': str(message['To']),
    'parts': [part.get_content_type() for part in parts],
    'defects': [str(defect) for part in message.walk() for defect in part.defects],
    'text': (message.get_body(('plain',)) or message).get_content() if not message.is_multipart() or parts else '',
    'status': fields(status[0]) if status else [],
    'subject': str(message['Subject']),
}))
";

/// The system, and a server that mail for its domain goes to.
struct World {
    server: Elsewhere,
    system: System,
    _folder: tempfile::TempDir,
}

impl World {
    /// `None` where such a server can't be started.
    fn start(server: impl FnOnce(&Path) -> anyhow::Result<Elsewhere>) -> Option<World> {
        if let Some(reason) = full_disk::impossible() {
            println!("not run: a namespace takes root: {reason}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Servers give up their rights, and find their files below it.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let server = server(&folder.path().join("server")).unwrap();
        let queue = smart_host_over("opportunistic", server.address(), &[server.domain()]);
        let system = System::configured(Transport::Direct, folder.path(), &queue).unwrap();
        system.admin.populate(HOME, 1, PASSWORD).unwrap();
        Some(World { server, system, _folder: folder })
    }

    fn submit(&self, options: &str, recipients: &[&str], message: &[u8]) {
        let port = self.system.port("submissions").unwrap().port().to_string();
        let recipients: Vec<String> = recipients.iter().map(|local| self.server.user(local)).collect();
        let recipients = recipients.iter().map(String::as_str);
        let arguments: Vec<&str> = [port.as_str(), SENDER, PASSWORD, options].into_iter().chain(recipients).collect();
        python(SUBMIT, &arguments, message).unwrap();
    }

    /// The one message that the server has.
    fn taken(&self) -> Vec<u8> {
        let log = || self.server.log();
        wait_until(WITHIN, || !self.server.mail().unwrap().is_empty())
            .unwrap_or_else(|error| panic!("{error}: {}", log()));
        let mut mail = self.server.mail().unwrap();
        assert_eq!(mail.len(), 1);
        mail.remove(0)
    }

    /// The one notice that the sender has, parsed; and what it says of its one recipient.
    fn notice(&self) -> (Value, Value) {
        let mut reader = Imap::login(self.system.port("imaps").unwrap(), SENDER, PASSWORD).unwrap();
        let mut notice = Vec::new();
        wait_until(WITHIN, || {
            reader.ok("SELECT INBOX").unwrap();
            let found = reader.command("FETCH 1:* BODY.PEEK[]").unwrap();
            notice = found.literals().into_iter().map(<[u8]>::to_vec).collect();
            !notice.is_empty()
        })
        .unwrap();
        let [notice] = &notice[..] else { panic!("{} notices", notice.len()) };
        let parsed: Value = serde_json::from_str(&python(PARSE, &[], notice).unwrap()).unwrap();
        assert_eq!((&parsed["type"], &parsed["to"]), (&"multipart/report".into(), &SENDER.into()), "{parsed}");
        assert_eq!(parsed["defects"], Value::Array(Vec::new()), "{parsed}");
        assert_eq!(parsed["parts"].as_array().unwrap().len(), 3, "text, fields, header: {parsed}");
        let status = parsed["status"].as_array().unwrap();
        assert_eq!(status.len(), 2, "of the message, and of one recipient: {parsed}");
        assert_eq!(status[1]["action"], "failed", "{parsed}");
        let recipient = status[1].clone();
        (parsed, recipient)
    }

    fn waits_for_log(&self, words: &str) {
        wait_until(WITHIN, || self.server.log().contains(words))
            .unwrap_or_else(|_| panic!("no {words:?} in {}", self.server.log()));
    }
}

fn message(subject: &str, body: &str) -> Vec<u8> {
    let header = format!("From: <{SENDER}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n");
    format!("{header}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n")
        .into_bytes()
}

/// One recipient is taken, the other refused, and the sender is told of that one alone, with what the server said.
fn one_is_taken_and_one_refused(world: &World, (code, said, status): (&str, &str, &str)) -> String {
    world.submit("", &[TAKER, GONE], &message("two", "Hello."));
    let taken = String::from_utf8(world.taken()).unwrap();
    assert!(taken.contains("Subject: two") && taken.contains("Hello."), "{taken}");
    let (notice, recipient) = world.notice();
    assert_eq!(notice["report"], "delivery-status", "{notice}");
    assert_eq!(
        recipient["final-recipient"].as_str().unwrap().replace("; ", ";"),
        format!("rfc822;{}", world.server.user(GONE))
    );
    assert_eq!(recipient["status"], status, "{notice}");
    let diagnostic = recipient["diagnostic-code"].as_str().unwrap();
    assert!(diagnostic.starts_with("smtp;") && diagnostic.contains(code) && diagnostic.contains(said), "{notice}");
    let text = notice["text"].as_str().unwrap();
    assert!(text.contains(&world.server.user(GONE)) && text.contains(said), "{text}");
    assert!(!text.contains(TAKER), "who took it is no matter of the notice: {text}");
    taken
}

#[test]
fn exim_takes_mail_in_chunks_over_tls() {
    let Some(world) = World::start(elsewhere::exim) else { return };
    let taken = one_is_taken_and_one_refused(&world, ("550", "No such user here", "5.1.1"));
    assert!(taken.contains("with esmtps"), "{taken}");
    world.waits_for_log(" P=esmtps ");
    let arrival = world.server.log().lines().find(|line| line.contains(" P=esmtps ")).unwrap().to_owned();
    // A minus sign would follow if pipelining were offered in vain; the dot says as much of another extension.
    assert!(arrival.contains(" L. ") && arrival.contains(" K "), "pipelining and chunking: {arrival}");
}

#[test]
fn exim_takes_an_international_address_and_8_bits() {
    let Some(world) = World::start(elsewhere::exim) else { return };
    world.submit("SMTPUTF8 BODY=8BITMIME", &["郵便"], &message("郵便", "こんにちは"));
    let taken = String::from_utf8(world.taken()).unwrap();
    for part in ["Envelope-to: 郵便@exim.example", "with utf8esmtps", "Subject: 郵便", "こんにちは"] {
        assert!(taken.contains(part), "no {part} in {taken}");
    }
}

#[test]
fn exim_is_not_sent_what_is_too_large_for_it() {
    let Some(world) = World::start(elsewhere::exim) else { return };
    let line = format!("{}\r\n", "x".repeat(998));
    world.submit("", &[TAKER], &message("large", &line.repeat(SIZE_MAX_BYTES / 1_000 + 500)));
    let (notice, recipient) = world.notice();
    let status = recipient["status"].as_str().unwrap();
    assert!(["5.3.4", "5.2.3"].contains(&status), "{notice}");
    assert!(world.server.mail().unwrap().is_empty());
}

#[test]
fn postfix_takes_mail_in_chunks_over_tls() {
    let Some(world) = World::start(|folder| elsewhere::postfix(folder, Keywords::All)) else { return };
    let taken = one_is_taken_and_one_refused(&world, ("550", "No such user here", "5.1.1"));
    assert!(taken.contains("using TLSv1.3") && taken.contains("with ESMTPS"), "{taken}");
    // It counts the commands of a connection at its end, which comes after a rest.
    world.waits_for_log(" starttls=1 mail=1 rcpt=1/2 bdat=");
}

#[test]
fn a_server_without_8bitmime_gets_7_bits_that_mean_the_same() {
    let Some(world) = World::start(|folder| elsewhere::postfix(folder, Keywords::SevenBits)) else { return };
    world.submit("BODY=8BITMIME", &[TAKER], &message("plain", "こんにちは"));
    let taken = world.taken();
    assert!(taken.is_ascii(), "{}", String::from_utf8_lossy(&taken));
    let parsed: Value = serde_json::from_str(&python(PARSE, &[], &taken).unwrap()).unwrap();
    assert_eq!((parsed["text"].as_str().unwrap().trim_end(), &parsed["subject"]), ("こんにちは", &"plain".into()));
}

#[test]
fn opensmtpd_takes_mail_although_its_tls_may_fail() {
    let Some(world) = World::start(elsewhere::opensmtpd) else { return };
    let taken = one_is_taken_and_one_refused(&world, ("524", "Mailing list expansion problem", "5.2.4"));
    assert!(taken.contains("with ESMTP"), "{taken}");
}

#[test]
fn a_server_without_smtputf8_has_its_mail_come_back() {
    let Some(world) = World::start(elsewhere::opensmtpd) else { return };
    world.submit("SMTPUTF8", &["郵便"], &message("plain", "Hello."));
    let (notice, recipient) = world.notice();
    // A notice whose sender may know no SMTPUTF8 writes the address in ASCII (RFC 6533 section 3).
    let address = recipient["final-recipient"].as_str().unwrap().replace("; ", ";");
    assert_eq!(address, "utf-8;\\x{90F5}\\x{4FBF}@opensmtpd.example", "{notice}");
    assert_eq!(recipient["status"], "5.6.7", "{notice}");
    assert!(recipient["diagnostic-code"].as_str().unwrap().contains("SMTPUTF8"), "{notice}");
    assert!(world.server.mail().unwrap().is_empty());
}
