//! Logins by token through the real binary: Python's imaplib, smtplib and poplib, and curl, show tokens that the test has signed.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use yubin_tests::over_both_transports;
use yubin_tests::process::output;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    python_shows_tokens_to_all_three_protocols,
    curl_shows_a_token,
}

const USER: &str = "u0@tokens.example";
const OTHER: &str = "u1@tokens.example";
const PASSWORD: &str = "correct horse battery";
const MECHANISMS: [&str; 2] = ["OAUTHBEARER", "XOAUTH2"];

/// Logs in to a service; prints `in`, or `out` after the mechanism's message, or the refusal in one line.
const CLIENT: &str = r#"
import base64, imaplib, json, poplib, smtplib, ssl, sys

service, port, mechanism, user, token = sys.argv[1:]
trust = ssl._create_unverified_context()
told = []

def show(challenge=None):
    if challenge:
        told.append(json.loads(challenge)['status'])
        return '\x01'
    if mechanism == 'XOAUTH2':
        return f'user={user}\x01auth=Bearer {token}\x01\x01'
    return f'n,a={user},\x01host=127.0.0.1\x01port={port}\x01auth=Bearer {token}\x01\x01'

def submissions():
    client = smtplib.SMTP_SSL('127.0.0.1', int(port), context=trust)
    client.ehlo()
    assert mechanism in client.esmtp_features['auth'].split(), client.esmtp_features
    client.auth(mechanism, show)
    client.sendmail(user, [user], b'Subject: by token\r\n\r\nhello\r\n')

def imaps():
    client = imaplib.IMAP4_SSL('127.0.0.1', int(port), ssl_context=trust)
    assert 'AUTH=' + mechanism in client.capabilities, client.capabilities
    client.authenticate(mechanism, lambda challenge: show(challenge).encode())
    client.select('INBOX')

def pop3s():
    client = poplib.POP3_SSL('127.0.0.1', int(port), context=trust)
    assert mechanism in client.capa()['SASL']
    client._putcmd(f'AUTH {mechanism}')
    line = client._getline()[0]
    while line.startswith(b'+ '):
        client._putcmd(base64.b64encode(show(base64.b64decode(line[2:])).encode()).decode())
        line = client._getline()[0]
    if line.startswith(b'-ERR'):
        raise poplib.error_proto(line)
    client.stat()
    client.quit()

try:
    {'submissions': submissions, 'imaps': imaps, 'pop3s': pop3s}[service]()
    print('in')
except (smtplib.SMTPAuthenticationError, imaplib.IMAP4.error, poplib.error_proto) as error:
    invalid = {'OAUTHBEARER': 'invalid_token', 'XOAUTH2': '401'}[mechanism]
    print('out' if told == [invalid] else f'{told} {error}')
"#;

/// An issuer of tokens, whose key set is in the system's folder.
struct Issuer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Issuer {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Issuer { key: EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap(), random }
    }

    /// A system that believes this issuer, with two accounts.
    fn system(&self, transport: Transport, folder: &Path) -> System {
        let keys = folder.join("keys.json");
        let point = self.key.public_key().as_ref();
        let part = |octets| URL_SAFE_NO_PAD.encode(octets);
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "1", "x": part(&point[1..33]), "y": part(&point[33..]) });
        std::fs::write(&keys, json!({ "keys": [key] }).to_string()).unwrap();
        let issuer = format!(
            "[[logins.issuers]]\nissuer = \"https://login.example\"\naudience = \"mail\"\nkeys = \"{}\"\n\
             claim = \"email\"\ndomains = [\"tokens.example\"]\n",
            keys.display()
        );
        let system = System::configured(transport, folder, &issuer).unwrap();
        system.admin.populate("tokens.example", 2, PASSWORD).unwrap();
        system
    }

    /// A token for the user, with other claims or another header in place of the good ones.
    fn token(&self, header: &Value, other: &Value) -> String {
        let expiry = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 600;
        let claims = json!({ "iss": "https://login.example", "aud": "mail", "exp": expiry, "email": USER });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(over(json!({ "alg": "ES256", "kid": "1" }), header).to_string()),
            URL_SAFE_NO_PAD.encode(over(claims, other).to_string())
        );
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn over(mut good: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().unwrap() {
        good[name] = value.clone();
    }
    good
}

fn port(system: &System, service: &str) -> String {
    system.port(service).unwrap().port().to_string()
}

/// What Python's clients say of a token at each service, with one mechanism after the other: POP3 lets one session in at a time.
fn shown(system: &System, user: &str, token: &str) -> Vec<String> {
    let show = |service: &str, mechanism: &str| {
        let arguments = ["-c", CLIENT, service, &port(system, service), mechanism, user, token];
        output(Command::new("python3").args(arguments)).unwrap().trim().to_owned()
    };
    std::thread::scope(|scope| {
        let services = ["submissions", "imaps", "pop3s"]
            .map(|service| scope.spawn(move || MECHANISMS.map(|mechanism| show(service, mechanism))));
        services.into_iter().flat_map(|service| service.join().unwrap()).collect()
    })
}

fn python_shows_tokens_to_all_three_protocols(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::new();
    let system = issuer.system(transport, folder.path());
    let none = json!({});
    let good = issuer.token(&none, &none);
    assert_eq!(shown(&system, USER, &good), ["in"; 6]);
    let unsigned = issuer.token(&json!({ "alg": "none" }), &none);
    let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
    for (user, token, what) in [
        (USER, issuer.token(&none, &json!({ "iss": "https://evil.example" })), "another issuer"),
        (USER, issuer.token(&none, &json!({ "aud": "calendar" })), "another audience"),
        (USER, issuer.token(&none, &json!({ "exp": 1_700_000_000 })), "expired"),
        (USER, format!("{unsigned}."), "not signed at all"),
        (USER, Issuer::new().token(&none, &none), "signed by somebody else"),
        (OTHER, good.clone(), "of another account"),
    ] {
        assert_eq!(shown(&system, user, &token), ["out"; 6], "{what}");
    }
    // The token stays good, and the account is closed: nobody is sent for another token.
    system.admin.ctl(&["account", "suspend", USER, "--reason", "unpaid"], "").unwrap();
    for outcome in shown(&system, USER, &good) {
        assert!(outcome.starts_with("[] ") && outcome.contains("suspended"), "{outcome}");
    }
}

/// curl speaks both mechanisms by itself.
fn curl_shows_a_token(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::new();
    let system = issuer.system(transport, folder.path());
    let token = issuer.token(&json!({}), &json!({}));
    let show = |mechanism: &str, service: &str, token: &str| {
        let url = format!("{service}://127.0.0.1:{}/", port(&system, service));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--user", USER, "--oauth2-bearer", token]);
        output(curl.args(["--login-options", &format!("AUTH={mechanism}"), &url]))
    };
    for mechanism in MECHANISMS {
        assert!(show(mechanism, "imaps", &token).unwrap().contains("INBOX"));
        show(mechanism, "pop3s", &token).unwrap();
        let refused = show(mechanism, "imaps", &token.replace("ey", "eY")).unwrap_err().to_string();
        assert!(refused.contains("67"), "curl's code for a refused login: {refused}");
    }
}
