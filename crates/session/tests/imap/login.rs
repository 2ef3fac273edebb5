//! Greeting, capabilities, TLS, LOGIN and AUTHENTICATE.

use yubin_session::imap::{Answer, Config};
use yubin_session::sasl::TokenLogin;
use yubin_session::{ChannelBinding, PlaintextLogin, Security, Session, TlsFacts};
use yubin_types::limits;

use crate::client::{Client, Phase, config};
use crate::rim::refusal;

const AFTER_LOGIN: &str = "IMAP4rev1 LITERAL+ ID SASL-IR ENABLE CONDSTORE NAMESPACE IDLE CREATE-SPECIAL-USE CHILDREN LIST-EXTENDED \
     LIST-STATUS SPECIAL-USE STATUS=SIZE QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE UNSELECT SAVEDATE OBJECTID \
     MOVE UIDPLUS ESEARCH WITHIN SORT";

#[test]
fn capabilities_follow_the_state() {
    let mut client = Client::connect(Config { security: Security::Upgradable, ..config() });
    client.play(&format!(
        "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ ID STARTTLS SASL-IR LOGINDISABLED ENABLE] mail.example.jp ready
         C: a LOGIN u secret
         S: a NO [PRIVACYREQUIRED] Start TLS first
         C: b AUTHENTICATE PLAIN
         S: b NO [PRIVACYREQUIRED] Start TLS first
         C: c LOGIN {{1}}
         S: c NO [PRIVACYREQUIRED] Start TLS first
         C: d STARTTLS
         S: d OK Begin TLS negotiation now
         C: e CAPABILITY
         S: * CAPABILITY IMAP4rev1 LITERAL+ ID SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN ENABLE
         S: e OK Capability completed
         C: f STARTTLS
         S: f BAD TLS is active already
         C: g LOGIN u@example.jp secret
         S: g OK [CAPABILITY {AFTER_LOGIN}] Logged in
         C: h CAPABILITY
         S: * CAPABILITY {AFTER_LOGIN}
         S: h OK Capability completed
         C: i LOGIN u secret
         S: i BAD Already logged in
         C: j LOGOUT
         S: * BYE Logging out
         S: j OK Logout completed"
    ));
    assert_eq!(client.phase, Phase::Closed);
}

/// Attack list, item 2.
#[test]
fn what_was_sent_in_clear_behind_starttls_is_dropped() {
    let mut client = Client::connect(Config { security: Security::Upgradable, ..config() });
    client.take();
    client.send("a STARTTLS\r\nb LOGIN u@example.jp secret\r\n");
    assert_eq!(client.take(), "a OK Begin TLS negotiation now\r\n");
    assert!(!client.rim.asked.contains(&"Authenticate".to_owned()));
}

#[test]
fn passwords_come_in_every_form() {
    for exchange in [
        "C: a LOGIN u@example.jp secret",
        "C: a login \"u@example.jp\" \"secret\"",
        "C: a LOGIN {12}
         S: + OK
         C: u@example.jp {6}
         S: + OK
         C: secret",
        "C: a LOGIN {12+}
         C: u@example.jp {6+}
         C: secret",
        "C: a AUTHENTICATE PLAIN AHVAZXhhbXBsZS5qcABzZWNyZXQ=",
        "C: a AUTHENTICATE PLAIN
         S: +
         C: AHVAZXhhbXBsZS5qcABzZWNyZXQ=",
        "C: a AUTHENTICATE LOGIN
         S: + VXNlcm5hbWU6
         C: dUBleGFtcGxlLmpw
         S: + UGFzc3dvcmQ6
         C: c2VjcmV0",
    ] {
        let mut client = Client::connect(config());
        client.take();
        let exchange = exchange.replace("S: +\n", "S: + \n");
        client.play(&format!("{exchange}\nS: a OK [CAPABILITY ..."));
    }
}

#[test]
fn a_wrong_password_an_outage_and_a_suspension_are_told_apart() {
    let mut client = Client::connect(config());
    client.take();
    client.rim.faults.push(("Authenticate", Answer::Unavailable));
    client.rim.faults.push(("Authenticate", refusal("CONTACTADMIN", "The account is suspended")));
    client.play(
        "C: a LOGIN u@example.jp secret
         S: a NO [UNAVAILABLE] Temporarily unavailable, try again
         C: b LOGIN u@example.jp secret
         S: b NO [CONTACTADMIN] The account is suspended
         C: c LOGIN u@example.jp wrong
         S: c NO [AUTHENTICATIONFAILED] Invalid user name or password
         C: d LOGIN u@example.jp \"\"
         S: d NO [AUTHENTICATIONFAILED] Invalid user name or password
         C: e AUTHENTICATE PLAIN AHUAd3Jvbmc=
         S: e NO [AUTHENTICATIONFAILED] Invalid user name or password
         S: * BYE Too many failed logins",
    );
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn an_exchange_can_be_cancelled_or_broken() {
    let mut client = Client::connect(config());
    client.take();
    client.send("a AUTHENTICATE PLAIN\r\n*\r\nb AUTHENTICATE PLAIN\r\n!!!\r\nc AUTHENTICATE X\r\n");
    assert_eq!(
        client.take(),
        "+ \r\na BAD Authentication cancelled\r\n+ \r\nb BAD Invalid base64\r\n\
         c NO [CANNOT] Unsupported authentication mechanism\r\n"
    );
    assert_eq!(client.rim.asked, [""; 0]);
}

/// The exchange of RFC 7677 §3, with and without an initial response, and a wrong proof.
#[test]
fn a_password_is_proven_without_being_sent() {
    let mut client = Client::connect(config());
    client.take();
    client.play(
        "C: a AUTHENTICATE SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=
         S: + cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=
         C: Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1BQUFBWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==
         S: a NO [AUTHENTICATIONFAILED] Invalid user name or password
         C: b AUTHENTICATE SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXIsLG49dXNlcixyPWFiYw==
         S: b NO [CANNOT] Unsupported authentication mechanism
         C: c AUTHENTICATE SCRAM-SHA-256 cD10bHMtdW5pcXVlLCxuPXVzZXIscj1hYmM=
         S: c NO [AUTHENTICATIONFAILED] unsupported channel binding; use SCRAM-SHA-256-PLUS with tls-exporter",
    );
    client.send("d AUTHENTICATE SCRAM-SHA-256\r\n");
    assert_eq!(client.take(), "+ \r\n");
    client.play(
        "C: biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=
         S: + cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=
         C: Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==
         S: + dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==",
    );
    client.send("\r\n");
    assert!(client.take().starts_with("d OK [CAPABILITY "));
}

#[test]
fn a_token_is_taken_where_issuers_are_configured() {
    let mut client = Client::connect(Config { tokens: TokenLogin::Allow, ..config() });
    client.play(
        "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ ID SASL-IR AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN ...
         C: a AUTHENTICATE OAUTHBEARER biwsAWF1dGg9QmVhcmVyIGJhZAEB
         S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
         C: AQ==
         S: a NO [AUTHENTICATIONFAILED] Invalid user name or password
         C: b AUTHENTICATE XOAUTH2 dXNlcj10aW1AZXhhbXBsZS5qcAFhdXRoPUJlYXJlciBiYWQBAQ==
         S: + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=
         C: *
         S: b BAD Authentication cancelled
         C: c AUTHENTICATE OAUTHBEARER bixhPXRpbUBleGFtcGxlLmpwLAFob3N0PW14LmV4YW1wbGUuanABcG9ydD01ODcBYXV0aD1CZWFyZXIgZ29vZAEB
         S: c OK [CAPABILITY ...",
    );
    let mut client = Client::connect(config());
    client.take();
    client.play(
        "C: a AUTHENTICATE OAUTHBEARER bixhPXRpbUBleGFtcGxlLmpwLAFob3N0PW14LmV4YW1wbGUuanABcG9ydD01ODcBYXV0aD1CZWFyZXIgZ29vZAEB
         S: a NO [CANNOT] Unsupported authentication mechanism",
    );
    assert_eq!(client.rim.asked, [""; 0]);
}

#[test]
fn binding_is_announced_where_the_connection_has_it_and_nobody_may_take_it_out() {
    let Security::Encrypted(facts) = config().security else { panic!() };
    let facts = TlsFacts { channel_binding: Some(ChannelBinding::new([9; 32])), ..facts };
    let mut client = Client::connect(Config { security: Security::Encrypted(facts), ..config() });
    client.play(
        "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ ID SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN ...
         C: a AUTHENTICATE SCRAM-SHA-256 eSwsbj11c2VyLHI9YWJj
         S: a NO [AUTHENTICATIONFAILED] channel binding is offered here, and the client was not told so",
    );
    assert_eq!(client.rim.asked, [""; 0]);
}

#[test]
fn passwords_in_clear_are_taken_where_the_listener_says_so() {
    let mut client =
        Client::connect(Config { security: Security::Clear, plaintext_login: PlaintextLogin::Allow, ..config() });
    client.play(
        "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ ID SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN ENABLE] mail.example.jp ready
         C: a STARTTLS
         S: a BAD TLS is not available
         C: b LOGIN u@example.jp secret
         S: b OK [CAPABILITY ...",
    );
}

#[test]
fn a_stranger_has_limited_time() {
    let mut client = Client::connect(config());
    client.take();
    client.now = client.now.plus_seconds(limits::PREAUTH_SECONDS_MAX);
    client.send("a NOOP\r\n");
    assert_eq!(client.take(), "a OK Completed\r\n* BYE Idle for too long\r\n");
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn where_places_are_scarce_a_stranger_has_ten_seconds_and_a_user_half_an_hour() {
    let client = Client::connect(config());
    assert_eq!(client.session.scarce_seconds_max(client.now), Some(10));
    let client = Client::selected(&[""]);
    assert_eq!(client.session.scarce_seconds_max(client.now), None);
}

#[test]
fn a_revoked_login_ends_the_session() {
    let mut client = Client::selected(&[""]);
    client.event(Answer::LoginRevoked);
    assert_eq!(client.take(), "* BYE The account changed, log in again\r\n");

    let mut client = Client::selected(&[""]);
    client.rim.faults.push(("StoreFlags", Answer::LoginRevoked));
    client.play(
        "C: a STORE 1 +FLAGS (\\Seen)
         S: a NO The account changed, log in again
         S: * BYE The account changed, log in again",
    );
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn a_drained_session_ends_between_commands_and_out_of_idle() {
    let mut client = Client::logged_in();
    client.session.receive(b"a NOOP\r\n");
    client.drive();
    client.session.drain();
    client.drive();
    assert_eq!(client.take(), "a OK Completed\r\n* BYE Server shutting down, connect again\r\n");

    let mut client = Client::selected(&[""]);
    client.send("a IDLE\r\n");
    client.session.drain();
    client.drive();
    assert_eq!(client.take(), "+ idling\r\n* BYE Server shutting down, connect again\r\n");
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn silence_and_the_end_of_input_end_the_session() {
    let mut client = Client::logged_in();
    client.session.timed_out();
    client.drive();
    assert_eq!(client.take(), "* BYE Idle for too long\r\n");

    let mut client = Client::logged_in();
    client.session.receive(b"a NOOP\r\nb NOOP\r\nc NO");
    client.session.end_of_input();
    client.drive();
    assert_eq!(client.take(), "a OK Completed\r\nb OK Completed\r\n");
    assert_eq!(client.phase, Phase::Closed);
}

#[test]
fn id_enable_and_namespace() {
    let mut client = Client::logged_in();
    client.play(
        "C: a ID (\"name\" \"com.example\" \"version\" NIL)
         S: * ID (\"name\" \"yubin\")
         S: a OK ID completed
         C: b ID NIL
         S: * ID (\"name\" \"yubin\")
         S: b OK ID completed
         C: c ENABLE CONDSTORE X-FOO
         S: * ENABLED CONDSTORE
         S: c OK Enabled
         C: d ENABLE CONDSTORE
         S: * ENABLED
         S: d OK Enabled
         C: e NAMESPACE
         S: * NAMESPACE ((\"\" \"/\")) NIL NIL
         S: e OK Namespace completed",
    );
    client.rim.faults.push(("ClientId", refusal("UNAVAILABLE", "Background downloads are put off")));
    client.play(
        "C: f ID (\"event\" \"back-fill\")
         S: f NO [UNAVAILABLE] Background downloads are put off",
    );
}
