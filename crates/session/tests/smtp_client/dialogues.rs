//! Transactions as they go with servers of all kinds.

use yubin_session::Session as _;
use yubin_session::smtp::client::{ConnectionState, Handover, Stage, Verdict};
use yubin_session::smtp::{AddressEncoding, BodyType};
use yubin_types::{Address, ReversePath, TlsDemand};

use crate::script::{Running, config, letter, play_all};

const MODERN: &str = "
    S: 220 mx.example.com ESMTP
    C: EHLO mta.example.jp
    S: 250-mx.example.com
    S: 250-PIPELINING
    S: 250-SIZE 1000000
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-DSN
    S: 250 ENHANCEDSTATUSCODES
";

#[test]
fn a_pipelined_envelope_goes_out_at_once_and_the_connection_is_used_again() {
    let script = format!(
        "{MODERN}
        C: MAIL FROM:<tim@example.jp> SIZE=12
        C: RCPT TO:<a@example.com>
        C: RCPT TO:<b@example.com>
        C: DATA
        S: 250 2.1.0 ok
        S: 250 2.1.5 ok
        S: 550 5.1.1 no b here
        S: 354 go on
        C: S: x
        C:
        C: ..dot
        C: .
        S: 250 2.0.0 queued as 4F3K
        C: MAIL FROM:<tim@example.jp> SIZE=12
        C: RCPT TO:<c@example.com>
        C: DATA
        S: 250 2.1.0 ok
        S: 451 4.2.0 greylisted
        S: 554 5.5.1 no valid recipients
        C: RSET
        C: MAIL FROM:<tim@example.jp> SIZE=12
        C: RCPT TO:<d@example.com>
        C: DATA
        S: 250 reset
        S: 250 ok
        S: 250 ok
        S: 354 go on
        C: S: x
        C:
        C: ..dot
        C: .
        S: 550-5.7.1 content
        S: 550 5.7.1 refused
        C: QUIT
        S: 221 bye
        X:"
    );
    let letters = [letter(&["a@example.com", "b@example.com"]), letter(&["c@example.com"]), letter(&["d@example.com"])];
    let reports = play_all(&script, &config(), &letters);
    assert_eq!(
        reports.of(0),
        [
            (Verdict::Delivered, "250 2.0.0 queued as 4F3K".to_owned()),
            (Verdict::Refused, "550 5.1.1 no b here".to_owned())
        ]
    );
    assert_eq!(reports.of(1), [(Verdict::Deferred, "451 4.2.0 greylisted".to_owned())]);
    assert_eq!(reports.of(2), [(Verdict::Refused, "550 5.7.1 content refused".to_owned())]);
    assert!(reports.outcomes.iter().all(|outcome| outcome.connection == ConnectionState::Usable));
    assert_eq!(reports.outcomes[2].recipients[0].stage, Stage::EndOfData);
}

#[test]
fn without_pipelining_each_command_waits_for_its_reply() {
    let script = "
        S: 220 old.example.com
        C: EHLO mta.example.jp
        S: 502 what?
        C: HELO mta.example.jp
        S: 250 hello
        C: MAIL FROM:<tim@example.jp>
        S: 250 ok
        C: RCPT TO:<a@example.com>
        S: 550 no
        C: RCPT TO:<b@example.com>
        S: 251 will forward
        C: DATA
        S: 354 go on
        C: S: x
        C:
        C: ..dot
        C: .
        S: 250 thanks
        C: MAIL FROM:<tim@example.jp>
        S: 452 4.3.1 disk full
        C: MAIL FROM:<tim@example.jp>
        S: 250 ok
        C: RCPT TO:<d@example.com>
        S: 550 no
        C: QUIT
        S: 221 bye
        X:";
    let letters = [letter(&["a@example.com", "b@example.com"]), letter(&["c@example.com"]), letter(&["d@example.com"])];
    let reports = play_all(script, &config(), &letters);
    assert_eq!(reports.of(0), [(Verdict::Refused, "550 no".to_owned()), (Verdict::Delivered, "250 thanks".to_owned())]);
    assert_eq!(reports.of(1), [(Verdict::Deferred, "452 4.3.1 disk full".to_owned())]);
    assert_eq!(reports.outcomes[1].recipients[0].stage, Stage::Mail);
    assert_eq!(reports.of(2), [(Verdict::Refused, "550 no".to_owned())]);
}

#[test]
fn a_server_that_wants_data_for_nobody_gets_an_empty_message() {
    let script = format!(
        "{MODERN}
        C: MAIL FROM:<tim@example.jp> SIZE=12
        C: RCPT TO:<a@example.com>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 no
        S: 354 go on
        C: .
        S: 250 queued for nobody
        C: QUIT
        S: 221 bye
        X:"
    );
    let reports = play_all(&script, &config(), &[letter(&["a@example.com"])]);
    assert_eq!(reports.of(0), [(Verdict::Refused, "550 5.1.1 no".to_owned())]);
}

#[test]
fn a_refused_sender_is_refused_for_all() {
    let script = format!(
        "{MODERN}
        C: MAIL FROM:<tim@example.jp> SIZE=12
        C: RCPT TO:<a@example.com>
        C: RCPT TO:<b@example.com>
        C: DATA
        S: 550 5.7.1 we do not like you
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        C: QUIT
        S: 221 bye
        X:"
    );
    let reports = play_all(&script, &config(), &[letter(&["a@example.com", "b@example.com"])]);
    let refused = (Verdict::Refused, "550 5.7.1 we do not like you".to_owned());
    assert_eq!(reports.of(0), [refused.clone(), refused]);
}

#[test]
fn what_extensions_need_is_said_and_the_rest_is_not() {
    let mut wishes = letter(&["用户@例え.jp", "a..b@docomo.ne.jp"]);
    wishes.mail.body = BodyType::EightBitMime;
    wishes.mail.ret = Some("HDRS");
    wishes.mail.envid = Some("QQ314159".into());
    wishes.mail.recipients[0].notify = Some("SUCCESS,FAILURE".into());
    wishes.mail.recipients[1].orcpt = Some("rfc822;a..b@docomo.ne.jp".into());
    let script = format!(
        "{MODERN}
        C: MAIL FROM:<tim@example.jp> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159
        C: RCPT TO:<用户@xn--r8jz45g.jp> NOTIFY=SUCCESS,FAILURE
        C: RCPT TO:<\"a..b\"@docomo.ne.jp> ORCPT=rfc822;a..b@docomo.ne.jp
        C: DATA
        S: 421 4.3.2 closing
        X:"
    );
    let reports = play_all(&script, &config(), &[wishes]);
    assert_eq!(reports.outcomes[0].dsn, Handover::Handed);
    assert_eq!(reports.outcomes[0].connection, ConnectionState::Over);
    let deferred = (Verdict::Deferred, "421 4.3.2 closing".to_owned());
    assert_eq!(reports.of(0), [deferred.clone(), deferred]);
}

#[test]
fn what_a_server_can_not_take_is_known_before_it_is_sent() {
    let greet = "
        S: 220 mx.example.com
        C: EHLO mta.example.jp
        S: 250-mx.example.com
        S: 250 SIZE 100
    ";
    let mut big = letter(&["a@example.com"]);
    big.mail.bytes = 101;
    let mut eight_bit = letter(&["a@example.com"]);
    eight_bit.mail.body = BodyType::EightBitMime;
    let mut header = letter(&["a@example.com"]);
    header.mail.encoding = AddressEncoding::Utf8;
    let mut sender = letter(&["a@example.com"]);
    sender.mail.sender = ReversePath::Address(Address::parse("用户@example.jp").unwrap());
    let mut tls = letter(&["a@example.com"]);
    tls.mail.tls_demand = TlsDemand::Required;
    for (letter, status) in
        [(big, "5.3.4"), (eight_bit, "5.6.3"), (header, "5.6.7"), (sender, "5.6.7"), (tls, "5.7.30")]
    {
        let reports = play_all(&format!("{greet}\nC: QUIT\nS: 221 bye\nX:"), &config(), &[letter]);
        let (verdict, reply) = &reports.of(0)[0];
        assert_eq!((*verdict, reply.split(' ').nth(1)), (Verdict::Refused, Some(status)), "{reply}");
        assert_eq!(reports.outcomes[0].dsn, Handover::NotOffered);
    }

    // A recipient beyond ASCII concerns nobody else.
    let script = format!(
        "{greet}
        C: MAIL FROM:<tim@example.jp> SIZE=12
        S: 250 ok
        C: RCPT TO:<b@example.com>
        S: 250 ok
        C: DATA
        S: 354 ok
        C: S: x
        C:
        C: ..dot
        C: .
        S: 250 ok
        C: QUIT
        S: 221 bye
        X:"
    );
    let reports = play_all(&script, &config(), &[letter(&["用户@example.com", "b@example.com"])]);
    let verdicts: Vec<Verdict> = reports.outcomes[0].recipients.iter().map(|recipient| recipient.verdict).collect();
    assert_eq!(verdicts, [Verdict::Refused, Verdict::Delivered]);
}

/// Four hundred recipients: no more than a hundred commands are ahead of their replies.
#[test]
fn a_group_is_bounded() {
    let recipients: Vec<String> = (0..400).map(|index| format!("r{index}@example.com")).collect();
    let names: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let mut running = Running::new(config(), vec![letter(&names)]);
    running.run();
    running.client().receive(b"220 x\r\n");
    running.run();
    running.client().receive(b"250-x\r\n250 PIPELINING\r\n");
    let (mut owed, mut most, mut commands) = (0_usize, 0, Vec::new());
    let (written, _) = running.run();
    let mut said = String::from_utf8(written).unwrap();
    while owed > 0 || !said.is_empty() {
        commands.extend(said.lines().map(str::to_owned));
        owed += said.lines().count();
        most = most.max(owed);
        if commands.last().is_some_and(|line| line == ".") {
            break;
        }
        owed -= 1;
        let data = owed == 0 && commands.last().is_some_and(|line| line == "DATA");
        running.client().receive(if data { b"354 go\r\n" } else { b"250 ok\r\n" });
        said = String::from_utf8(running.run().0).unwrap();
    }
    assert_eq!(commands.iter().filter(|line| line.starts_with("RCPT")).count(), 400);
    assert!(most <= 101, "{most} commands ahead");
}
