//! Replies as receivers send them, and what they are understood to be.

use yubin_types::EnhancedStatus;

use super::{Backoff, Class, Reply, Scope, Verdict, classify};

/// Understands `code [x.y.z] text` of a host.
fn understand(host: &str, line: &str) -> Verdict {
    let (code, rest) = line.split_once(' ').unwrap();
    let code = code.parse().unwrap();
    let enhanced = rest.split_once(' ').and_then(|(first, text)| {
        let mut numbers = first.split('.').map(str::parse::<u16>);
        let status = match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(class)), Some(Ok(subject)), Some(Ok(detail)), None) => {
                EnhancedStatus::new(u8::try_from(class).unwrap(), subject, detail)
            }
            _ => return None,
        };
        Some((status, text))
    });
    let (enhanced, text) = enhanced.map_or((None, rest), |(status, text)| (Some(status), text));
    classify(&Reply { host, code, enhanced, text })
}

fn check(cases: &[(Class, &str, &str)]) {
    for (class, host, line) in cases {
        assert_eq!(understand(host, line).class, *class, "{host}: {line}");
    }
}

/// WEBL-11, and the numbers of Google's sender guidelines.
#[test]
fn gmails_codes() {
    let host = "gmail-smtp-in.l.google.com";
    check(&[
        (Class::Unauthenticated, host, "550 5.7.26 This mail has been blocked because the sender is unauthenticated."),
        (
            Class::Unauthenticated,
            host,
            "550 5.7.26 Unauthenticated email from example.jp is not accepted due to domain's DMARC policy.",
        ),
        (
            Class::Unauthenticated,
            host,
            "421 4.7.27 Your email has been rate limited because SPF authentication didn't pass.",
        ),
        (
            Class::Unauthenticated,
            host,
            "421 4.7.30 Your email has been rate limited because DKIM authentication didn't pass.",
        ),
        (
            Class::Unauthenticated,
            host,
            "421 4.7.32 Your email has been rate limited because the From: header isn't aligned.",
        ),
        (Class::ReverseDns, host, "550 5.7.25 The IP address sending this message does not have a PTR record setup"),
        (Class::ReverseDns, host, "421 4.7.23 The IP address sending this message does not have a PTR record"),
        (
            Class::TlsRequired,
            host,
            "421 4.7.29 Your email has been rate limited because this message wasn't sent over a TLS connection.",
        ),
        (
            Class::RateLimited,
            host,
            "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address.",
        ),
        (
            Class::RateLimited,
            host,
            "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        ),
        (Class::Reputation, host, "550 5.7.1 Our system has detected that this message is likely unsolicited mail."),
        (Class::MailboxFull, host, "452 4.2.2 The recipient's inbox is out of storage space."),
        (Class::NoSuchMailbox, host, "550 5.1.1 The email account that you tried to reach does not exist."),
        (Class::MailboxDisabled, host, "550 5.2.1 The email account that you tried to reach is disabled."),
        (Class::TooLarge, host, "552 5.3.4 Your message exceeded Google's message size limits."),
        // Elsewhere the registry's meaning counts (RFC 7372, RFC 8689).
        (Class::Unauthenticated, "mx.example.net", "550 5.7.23 refused"),
        (Class::TlsRequired, "mx.example.net", "550 5.7.30 refused"),
        (Class::SenderRefused, "mx.notgoogle.com", "550 5.7.27 null MX"),
    ]);
}

#[test]
fn microsofts_and_yahoos_words() {
    let outlook = "example-jp.mail.protection.outlook.com";
    let yahoo = "mta5.am0.yahoodns.net";
    check(&[
        (
            Class::Unauthenticated,
            outlook,
            "550 5.7.515 Access denied, sending domain example.jp doesn't meet the required authentication level.",
        ),
        (
            Class::Reputation,
            outlook,
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Part of their network is on our block list (S3150).",
        ),
        (Class::Reputation, outlook, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"),
        (
            Class::RateLimited,
            outlook,
            "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
        ),
        (Class::NoSuchMailbox, outlook, "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
        (
            Class::NoSuchMailbox,
            "hotmail-com.olc.protection.outlook.com",
            "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
        ),
        (
            Class::Reputation,
            yahoo,
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
        ),
        (Class::RateLimited, yahoo, "451 4.7.1 [TS02] Resources unavailable"),
        (Class::Reputation, yahoo, "554 5.7.9 Message not accepted for policy reasons."),
        (Class::NoSuchMailbox, yahoo, "554 delivery error: dd This user doesn't have a yahoo.com account"),
    ]);
}

/// docomo, au and SoftBank say the same for an unknown address and for the owner's filter.
#[test]
fn carriers_words() {
    check(&[
        (Class::CarrierRefusal, "mfsmax.docomo.ne.jp", "550 Unknown user tarou@docomo.ne.jp"),
        (Class::CarrierRefusal, "lsean.ezweb.ne.jp", "550 <tarou@ezweb.ne.jp>: User unknown"),
        (Class::CarrierRefusal, "mx.softbank.ne.jp", "550 Invalid recipient: <tarou@softbank.ne.jp>"),
        (Class::RecipientFilter, "mx3.au.com", "550 5.2.0 Message filtered"),
        (Class::RecipientFilter, "mfsmax.docomo.ne.jp", "571 Message refused"),
        (Class::RateLimited, "mfsmax.docomo.ne.jp", "421 Service not available, closing transmission channel"),
        (Class::RateLimited, "mx.softbank.ne.jp", "451 Too many sessions from your host"),
        (Class::NoSuchMailbox, "mx.notdocomo.ne.jp", "550 Unknown user tarou@notdocomo.ne.jp"),
    ]);
}

/// WEBL-10: the list is named, with the page where to look.
#[test]
fn blocklists_are_named() {
    for (line, name) in [
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "Spamhaus"),
        ("550 5.7.1 https://www.spamhaus.org/pbl/query/PBL1 blocked", "Spamhaus PBL"),
        ("550 Blocked, see https://ipcheck.proofpoint.com/?ip=192.0.2.1", "Proofpoint"),
        ("554 Rejected: 192.0.2.1 is listed in bl.spamcop.net", "SpamCop"),
        ("421 4.7.1 refused, see http://www.barracudacentral.org/rbl", "Barracuda"),
        (
            "550 5.7.1 Mail from IP 192.0.2.1 was rejected due to listing in Trend Micro Email Reputation, www.mail-abuse.com",
            "Trend Micro ERS",
        ),
    ] {
        let verdict = understand("mx.example.net", line);
        assert_eq!(
            (verdict.class, verdict.blocklist.map(|list| list.name)),
            (Class::Blocklisted, Some(name)),
            "{line}"
        );
        assert!(verdict.blocklist.unwrap().lookup_url.starts_with("https://"));
        assert_eq!((verdict.class.scope(), verdict.class.backoff()), (Scope::Source, Backoff::SetSourceAside));
    }
    let content = understand("mx.example.net", "550 5.7.1 Message rejected: URL listed on multi.surbl.org is spam");
    assert_eq!(content.blocklist.map(|list| list.name), Some("SURBL"));
    // A name in passing makes no listing.
    let unknown = understand("mx.example.net", "550 5.1.1 <x@spamhaus.example>: User unknown");
    assert_eq!((unknown.class, unknown.blocklist), (Class::NoSuchMailbox, None));
}

#[test]
fn words_and_codes_of_everyone() {
    let host = "mx.example.net";
    check(&[
        (
            Class::NoSuchMailbox,
            host,
            "550 5.1.1 <x@example.net>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        (Class::NoSuchMailbox, host, "550 No such user here"),
        (Class::NoSuchMailbox, host, "554 5.7.1 <x@example.net>: Recipient address rejected: user not found"),
        (Class::MailboxFull, host, "552 5.2.2 The user(s) account is temporarily over quota."),
        (Class::MailboxFull, host, "552 maildir over quota."),
        (Class::MailboxFull, host, "452 4.2.2 Disk quota exceeded"),
        (Class::MailboxFull, host, "550 5.2.2 refused"),
        (
            Class::Greylisted,
            host,
            "450 4.2.0 <x@example.net>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/",
        ),
        (Class::Greylisted, host, "451 4.7.1 Please try again later"),
        (Class::ReverseDns, host, "550 5.7.1 <x@example.net>... Relaying denied. IP name lookup failed [192.0.2.1]"),
        (Class::ReverseDns, host, "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]"),
        (Class::RelayDenied, host, "554 5.7.1 <x@example.net>: Relay access denied"),
        (Class::RelayDenied, host, "530 5.7.0 Authentication required"),
        (Class::TlsRequired, host, "530 5.7.0 Must issue a STARTTLS command first"),
        (Class::Unauthenticated, host, "550 5.7.1 SPF check failed for example.jp"),
        (Class::ContentRefused, host, "550 5.7.1 Error: message content rejected"),
        (Class::ContentRefused, host, "554 5.7.1 This message has been identified as spam"),
        (Class::TooLarge, host, "552 5.3.4 Message size exceeds fixed limit of 30000000 bytes"),
        (Class::TooLarge, host, "552 5.3.4 Error: message file too big"),
        (Class::TooManyRecipients, host, "452 4.5.3 Error: too many recipients"),
        (Class::RateLimited, host, "421 4.7.0 too many connections from 192.0.2.1"),
        (Class::ServerBusy, host, "421 4.3.2 mx.example.net shutting down"),
        (Class::ServerBusy, host, "452 4.3.1 Insufficient system storage"),
        (Class::NoSuchHost, host, "556 5.1.10 Recipient address has null MX"),
        (Class::SenderRefused, host, "450 4.1.8 <ann@example.jp>: Sender address rejected: Domain not found"),
        (Class::Loop, host, "554 5.4.6 Too many hops"),
        (Class::Unsupported, host, "553 5.6.7 SMTPUTF8 is not supported"),
        (Class::Protocol, host, "501 5.5.4 Syntax: EHLO hostname"),
        (Class::Temporary, host, "450 4.0.0 not now"),
        (Class::Permanent, host, "550 5.7.1 no"),
        (Class::Permanent, host, "554 Transaction failed"),
    ]);
}

const ALL: [Class; 27] = [
    Class::NoSuchMailbox,
    Class::CarrierRefusal,
    Class::MailboxDisabled,
    Class::MailboxFull,
    Class::RecipientFilter,
    Class::NoSuchHost,
    Class::SenderRefused,
    Class::Blocklisted,
    Class::Reputation,
    Class::RateLimited,
    Class::Greylisted,
    Class::Unauthenticated,
    Class::ReverseDns,
    Class::ContentRefused,
    Class::TooLarge,
    Class::TooManyRecipients,
    Class::RelayDenied,
    Class::TlsRequired,
    Class::TlsPolicy,
    Class::Unsupported,
    Class::ServerBusy,
    Class::NoConnection,
    Class::DnsFailure,
    Class::Loop,
    Class::Protocol,
    Class::Temporary,
    Class::Permanent,
];

/// One mailbox or message that is refused never slows the others of its destination; and everyone is told what to do in both languages.
#[test]
fn every_class_has_words_and_only_shared_causes_slow_a_destination() {
    for class in ALL {
        let shared = matches!(class.scope(), Scope::Source | Scope::Destination);
        assert!(shared || class.backoff() == Backoff::None, "{class:?}");
        assert_eq!(
            class.backoff() == Backoff::SetSourceAside,
            class.scope() == Scope::Source && class != Class::RateLimited
        );
        for text in [class.advice().sender, class.advice().operator] {
            assert!(
                text.english.is_ascii() && text.english.ends_with('.') && !text.english.contains("  "),
                "{class:?}"
            );
            assert!(text.japanese.ends_with('。') && !text.japanese.contains("  "), "{class:?}");
        }
        assert_eq!(class.status(4).class, 4);
    }
}

/// A vague refusal by one server says nothing about our address.
#[test]
fn vague_words_set_no_address_aside() {
    for line in ["550 5.7.1 Access denied", "554 5.7.1 refused by local policy", "550 Administrative prohibition"] {
        assert_eq!(understand("mx.example.net", line).class.backoff(), Backoff::None, "{line}");
    }
}

#[test]
fn a_list_of_domains_says_nothing_of_our_address() {
    let of = |line: &str| understand("mx.example.net", line).backoff();
    let set_aside = Backoff::SetSourceAside;
    assert_eq!(of("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"), set_aside);
    assert_eq!(of("554 5.7.1 Rejected: Sender domain is listed on dbl.spamhaus.org"), Backoff::None);
    assert_eq!(of("550 5.1.1 No such user"), Backoff::None);
}
