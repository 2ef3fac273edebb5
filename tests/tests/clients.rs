//! What the README promises a newcomer: mail goes in with swaks and comes out with the clients people use.
//!
//! Each test starts a whole system of its own and drives it with programs of the distribution. A machine that lacks one
//! fails the test: `cargo xtask test` installs them.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;
use yubin_tests::over_both_transports;
use yubin_tests::process::output;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    swaks_sends_and_curl_reads_over_imap,
    swaks_submits_over_starttls_and_tls_and_the_sender_must_be_the_account,
    fetchmail_fetches_over_pop3,
    mbsync_synchronizes_both_ways,
    mutt_shows_the_inbox,
    pythons_libraries_agree_on_the_same_message,
}

const DOMAIN: &str = "clients.example";
const PASSWORD: &str = "correct horse battery";

struct Fixture {
    system: System,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn start(transport: Transport) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let system = System::over(transport, folder.path()).unwrap();
        system.admin.populate(DOMAIN, 2, PASSWORD).unwrap();
        Self { system, folder }
    }

    fn port(&self, name: &str) -> String {
        self.system.port(name).unwrap().port().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Sends a message to u0 as another server would.
    fn receive(&self, subject: &str) {
        output(Command::new("swaks").args([
            "--server",
            "127.0.0.1",
            "--port",
            &self.port("smtp"),
            "--from",
            "friend@elsewhere.example",
            "--to",
            &format!("u0@{DOMAIN}"),
            "--header",
            &format!("Subject: {subject}"),
        ]))
        .unwrap();
    }
}

fn swaks_sends_and_curl_reads_over_imap(transport: Transport) {
    let fixture = Fixture::start(transport);
    fixture.receive("seen with curl");
    let url = format!("imaps://127.0.0.1:{}/INBOX;UID=1", fixture.port("imaps"));
    let user = format!("u0@{DOMAIN}:{PASSWORD}");
    let message = output(Command::new("curl").args(["--silent", "--insecure", "--user", &user, &url])).unwrap();
    assert!(message.contains("Subject: seen with curl"), "{message}");
    assert!(message.starts_with("Return-Path: <friend@elsewhere.example>\r\n"), "{message}");
}

fn swaks_submits_over_starttls_and_tls_and_the_sender_must_be_the_account(transport: Transport) {
    let fixture = Fixture::start(transport);
    let user = format!("u1@{DOMAIN}");
    let submit = |port: &str, tls: &str, from: &str| {
        let to = format!("u0@{DOMAIN}");
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &fixture.port(port), tls, "--auth", "PLAIN"]);
        swaks.args(["--auth-user", &user, "--auth-password", PASSWORD, "--from", from, "--to", &to]);
        output(&mut swaks)
    };
    submit("submission", "--tls", &user).unwrap();
    submit("submissions", "--tls-on-connect", &user).unwrap();
    let refused = submit("submission", "--tls", &format!("u0@{DOMAIN}")).unwrap_err().to_string();
    assert!(refused.contains("<~* 553 5.7.1"), "{refused}");
}

fn fetchmail_fetches_over_pop3(transport: Transport) {
    let fixture = Fixture::start(transport);
    fixture.receive("seen with fetchmail");
    let file = fixture.path("fetched");
    let config = format!(
        "poll 127.0.0.1 protocol pop3 service {} user \"u0@{DOMAIN}\" password \"{PASSWORD}\" ssl no sslcertck \
         mda \"cat >> {file}\"\n",
        fixture.port("pop3s")
    );
    private_file(Path::new(&fixture.path("fetchmailrc")), &config);
    let mut fetchmail = Command::new("fetchmail");
    fetchmail.env("FETCHMAILHOME", fixture.folder.path()).args(["-f", &fixture.path("fetchmailrc")]);
    output(&mut fetchmail).unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("Subject: seen with fetchmail"));
}

fn mbsync_synchronizes_both_ways(transport: Transport) {
    let fixture = Fixture::start(transport);
    fixture.receive("seen with mbsync");
    let config = format!(
        "IMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser u0@{DOMAIN}\nPass \"{PASSWORD}\"\nSSLType IMAPS\n\
         CertificateFile {certificate}\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {near}/\nInbox {near}/INBOX\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSyncState *\n",
        port = fixture.port("imaps"),
        certificate = certificate(&fixture),
        near = fixture.path("near"),
    );
    std::fs::create_dir_all(fixture.path("near")).unwrap();
    private_file(Path::new(&fixture.path("mbsyncrc")), &config);
    let sync = || output(Command::new("mbsync").args(["-c", &fixture.path("mbsyncrc"), "c"])).unwrap();
    sync();
    let new = Path::new(&fixture.path("near")).join("INBOX/new");
    let file = std::fs::read_dir(&new).unwrap().next().unwrap().unwrap().path();
    assert!(std::fs::read_to_string(&file).unwrap().contains("Subject: seen with mbsync"));
    // Seen and deleted here is gone there.
    std::fs::rename(&file, Path::new(&fixture.path("near")).join("INBOX/cur").join(flagged(&file, "ST"))).unwrap();
    sync();
    let usage = fixture.system.admin.usage(DOMAIN).unwrap();
    assert_eq!((usage.messages, usage.bytes), (0, 0));
}

fn mutt_shows_the_inbox(transport: Transport) {
    let fixture = Fixture::start(transport);
    fixture.receive("seen with mutt");
    let config = format!(
        "set ssl_verify_host=no\nset certificate_file={certificate}\nset imap_user=\"u0@{DOMAIN}\"\n\
         set imap_pass=\"{PASSWORD}\"\nset folder={home}\nset quit=yes\npush \"<quit>\"\n",
        certificate = certificate(&fixture),
        home = fixture.folder.path().display(),
    );
    private_file(Path::new(&fixture.path("muttrc")), &config);
    let folder = format!("imaps://127.0.0.1:{}/INBOX", fixture.port("imaps"));
    // mutt wants a terminal: script gives it one.
    let line = format!("mutt -n -F {} -f {folder}", fixture.path("muttrc"));
    let mut mutt = Command::new("timeout");
    mutt.args(["60", "script", "-qec", &line, "/dev/null"]).env("TERM", "xterm").env("HOME", fixture.folder.path());
    let shown = output(&mut mutt).unwrap_or_else(|error| error.to_string());
    assert!(shown.contains("seen with mutt"), "{shown}");
}

fn pythons_libraries_agree_on_the_same_message(transport: Transport) {
    let fixture = Fixture::start(transport);
    let script = "\
import imaplib, poplib, smtplib, ssl, sys
host, smtp, imaps, pop3s, user, password = sys.argv[1:]
trust = ssl._create_unverified_context()
message = b'Subject: seen with Python\\r\\n\\r\\n.a line that starts with a dot\\r\\n\\r\\n'
with smtplib.SMTP(host, int(smtp)) as client:
    client.sendmail('friend@elsewhere.example', [user], message)
imap = imaplib.IMAP4_SSL(host, int(imaps), ssl_context=trust)
imap.login(user, password)
imap.select('INBOX')
over_imap = imap.fetch('1', '(BODY.PEEK[])')[1][0][1]
imap.logout()
pop = poplib.POP3_SSL(host, int(pop3s), context=trust)
pop.user(user)
pop.pass_(password)
over_pop3 = b'\\r\\n'.join(pop.retr(1)[1]) + b'\\r\\n'
pop.quit()
assert over_imap == over_pop3, (over_imap, over_pop3)
assert over_imap.endswith(message), over_imap
";
    let (smtp, imaps, pop3s) = (fixture.port("smtp"), fixture.port("imaps"), fixture.port("pop3s"));
    let user = format!("u0@{DOMAIN}");
    output(Command::new("python3").args(["-c", script, "127.0.0.1", &smtp, &imaps, &pop3s, &user, PASSWORD])).unwrap();
}

/// The system's certificate as a file in PEM, for clients that can't be told to accept any.
fn certificate(fixture: &Fixture) -> String {
    let path = fixture.path("certificate.pem");
    let line = format!("openssl s_client -connect 127.0.0.1:{} </dev/null | openssl x509", fixture.port("imaps"));
    std::fs::write(&path, output(Command::new("sh").args(["-c", &line])).unwrap()).unwrap();
    path
}

/// The name of a Maildir file with these flags.
fn flagged(file: &Path, flags: &str) -> String {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    format!("{}:2,{flags}", name.split(":2,").next().unwrap())
}

/// A file that only its owner reads, as clients want it of a file with a password.
fn private_file(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    output(Command::new("chmod").arg("600").arg(path)).unwrap();
}
