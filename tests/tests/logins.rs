//! Logins through the real binary by clients that send no password: Python's libraries with an exchange of their own, and mbsync.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;

use yubin_tests::over_both_transports;
use yubin_tests::process::output;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    python_proves_its_password_to_all_three_protocols,
    mbsync_proves_its_password,
}

const USER: &str = "u0@logins.example";
const PASSWORD: &str = "correct horse battery";

/// Logs in by SCRAM-SHA-256 (RFC 5802, RFC 7677) to a service, and checks the server's signature. Prints `in` or `out`.
const CLIENT: &str = r#"
import base64, hashlib, hmac, imaplib, os, poplib, smtplib, ssl, sys

service, port, user, password = sys.argv[1:]
trust = ssl._create_unverified_context()

class Scram:
    def __init__(self):
        self.step = 0
        self.bare = f'n={user},r={base64.b64encode(os.urandom(18)).decode()}'

    def __call__(self, challenge=b''):
        self.step += 1
        if self.step == 1:
            return f'n,,{self.bare}'
        text = challenge.decode()
        if self.step == 3:
            assert text == 'v=' + base64.b64encode(self.signature).decode(), text
            return ''
        fields = dict(field.split('=', 1) for field in text.split(','))
        salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(fields['s']), int(fields['i']))
        mac = lambda key, message: hmac.new(key, message, 'sha256').digest()
        key = mac(salted, b'Client Key')
        last = 'c=biws,r=' + fields['r']
        message = f'{self.bare},{text},{last}'.encode()
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), message)))
        self.signature = mac(mac(salted, b'Server Key'), message)
        return f'{last},p={base64.b64encode(proof).decode()}'

def submissions():
    client = smtplib.SMTP_SSL('127.0.0.1', int(port), context=trust)
    client.ehlo()
    assert 'SCRAM-SHA-256' in client.esmtp_features['auth'].split(), client.esmtp_features
    scram = Scram()
    code, text = client.docmd('AUTH', 'SCRAM-SHA-256 ' + base64.b64encode(scram().encode()).decode())
    while code == 334:
        code, text = client.docmd(base64.b64encode(scram(base64.b64decode(text)).encode()).decode())
    if code == 535:
        raise smtplib.SMTPAuthenticationError(code, text)
    assert code == 235, (code, text)
    client.sendmail(user, [user], b'Subject: proven\r\n\r\nhello\r\n')

def imaps():
    client = imaplib.IMAP4_SSL('127.0.0.1', int(port), ssl_context=trust)
    assert 'AUTH=SCRAM-SHA-256' in client.capabilities, client.capabilities
    scram = Scram()
    client.authenticate('SCRAM-SHA-256', lambda challenge: scram(challenge).encode())
    client.select('INBOX')

def pop3s():
    client = poplib.POP3_SSL('127.0.0.1', int(port), context=trust)
    assert 'SCRAM-SHA-256' in client.capa()['SASL']
    scram = Scram()
    client._putcmd('AUTH SCRAM-SHA-256')
    line = client._getline()[0]
    while line.startswith(b'+ '):
        client._putcmd(base64.b64encode(scram(base64.b64decode(line[2:])).encode()).decode())
        line = client._getline()[0]
    if line.startswith(b'-ERR [AUTH]'):
        raise poplib.error_proto(line)
    assert line.startswith(b'+OK'), line
    client.stat()

try:
    {'submissions': submissions, 'imaps': imaps, 'pop3s': pop3s}[service]()
    print('in')
except (smtplib.SMTPAuthenticationError, imaplib.IMAP4.error, poplib.error_proto) as error:
    print('out', error, file=sys.stderr)
    print('out')
"#;

fn system(transport: Transport) -> (System, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::over(transport, folder.path()).unwrap();
    system.admin.populate("logins.example", 1, PASSWORD).unwrap();
    (system, folder)
}

fn port(system: &System, service: &str) -> String {
    system.port(service).unwrap().port().to_string()
}

fn python_proves_its_password_to_all_three_protocols(transport: Transport) {
    let (system, _folder) = system(transport);
    let services = ["submissions", "imaps", "pop3s"];
    let log_in = |password: &str| {
        services.map(|service| {
            let arguments = ["-c", CLIENT, service, &port(&system, service), USER, password];
            output(Command::new("python3").args(arguments)).unwrap().trim().to_owned()
        })
    };
    assert_eq!(log_in(PASSWORD), ["in"; 3]);
    assert_eq!(log_in("another password"), ["out"; 3]);
    // From the moment that the call returned the old password is worth nothing, and the new one is good.
    system.admin.ctl(&["account", "set-password", USER, "--password-stdin"], "another password").unwrap();
    assert_eq!(log_in(PASSWORD), ["out"; 3]);
    assert_eq!(log_in("another password"), ["in"; 3]);
}

fn mbsync_proves_its_password(transport: Transport) {
    let (system, folder) = system(transport);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let imaps = port(&system, "imaps");
    let show = format!("openssl s_client -connect 127.0.0.1:{imaps} </dev/null | openssl x509");
    std::fs::write(path("certificate"), output(Command::new("sh").args(["-c", &show])).unwrap()).unwrap();
    let config = format!(
        "IMAPAccount a\nHost 127.0.0.1\nPort {imaps}\nUser {USER}\nPass \"{PASSWORD}\"\nSSLType IMAPS\n\
         AuthMechs SCRAM-SHA-256\nCertificateFile {certificate}\n\nIMAPStore far\nAccount a\n\n\
         MaildirStore near\nPath {near}/\nInbox {near}/INBOX\n\nChannel c\nFar :far:\nNear :near:\nPatterns INBOX\n\
         Create Both\nSyncState *\n",
        certificate = path("certificate"),
        near = path("near"),
    );
    std::fs::create_dir_all(path("near")).unwrap();
    std::fs::write(path("mbsyncrc"), config).unwrap();
    output(Command::new("chmod").args(["600", &path("mbsyncrc")])).unwrap();
    output(Command::new("mbsync").args(["-c", &path("mbsyncrc"), "c"])).unwrap();
    assert!(folder.path().join("near/INBOX/cur").is_dir());
    // With PLAIN and LOGIN out of its list, it had nothing else to log in with.
    let log = std::fs::read_to_string(folder.path().join("yubin.log")).unwrap();
    assert!(
        log.lines().any(|line| line.contains("login") && line.contains(USER) && line.contains("Accepted")),
        "{log}"
    );
}
