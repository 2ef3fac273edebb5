//! Large receivers and Japanese carriers: codes and words that mean something only there.
//!
//! Words are from their own documentation and from bounces that senders published.

use super::{Code, Rule, status, words};
use crate::remote_reply::Class;

const GOOGLE: &[&str] = &["google.com", "googlemail.com"];
const MICROSOFT: &[&str] = &["outlook.com", "hotmail.com", "office365.us", "protection.partner.outlook.cn"];
const YAHOO: &[&str] = &["yahoodns.net", "yahoo.co.jp", "yahoo.com"];
const CARRIERS: &[&str] =
    &["docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "vodafone.ne.jp", "disney.ne.jp", "ymobile.ne.jp"];

pub(super) static RULES: &[Rule] = &[
    // Gmail: numbers of its own, some against the registry.
    status(Class::ReverseDns, GOOGLE, Code::Any, &[(7, 23), (7, 25)]),
    status(Class::Unauthenticated, GOOGLE, Code::Any, &[(7, 24), (7, 26), (7, 27), (7, 30), (7, 32), (7, 40)]),
    status(Class::TlsRequired, GOOGLE, Code::Any, &[(7, 29)]),
    status(Class::RateLimited, GOOGLE, Code::Any, &[(7, 28)]),
    words(
        Class::RateLimited,
        GOOGLE,
        Code::Any,
        &["unusual rate", "receiving mail at a rate", "receiving mail too quickly"],
    ),
    words(Class::Unauthenticated, GOOGLE, Code::Any, &["unauthenticated email", "dmarc policy"]),
    words(
        Class::Reputation,
        GOOGLE,
        Code::Any,
        &["likely unsolicited", "very low reputation", "low reputation", "likely suspicious"],
    ),
    words(Class::MailboxFull, GOOGLE, Code::Any, &["out of storage", "over quota"]),
    // Microsoft.
    status(Class::Unauthenticated, MICROSOFT, Code::Any, &[(7, 515), (7, 509)]),
    status(Class::RateLimited, MICROSOFT, Code::Temporary, &[(7, 650), (7, 500)]),
    status(Class::Reputation, MICROSOFT, Code::Any, &[(7, 511), (7, 606), (7, 649), (7, 708), (7, 750)]),
    words(
        Class::RateLimited,
        MICROSOFT,
        Code::Any,
        &["rate limited", "exceeded the connection limit", "exceeded the rate limit"],
    ),
    words(
        Class::Reputation,
        MICROSOFT,
        Code::Any,
        &["s3140", "s3150", "on our block list", "banned sending ip", "sc-001", "sc-002"],
    ),
    words(
        Class::NoSuchMailbox,
        MICROSOFT,
        Code::Permanent,
        &["recipientnotfound", "mailbox unavailable", "recipient address rejected: access denied"],
    ),
    // Yahoo and Yahoo! JAPAN.
    words(
        Class::Reputation,
        YAHOO,
        Code::Any,
        &["[tss04]", "[tss05]", "[tss11]", "[bl21]", "[bl23]", "user complaints", "not accepted for policy reasons"],
    ),
    words(
        Class::RateLimited,
        YAHOO,
        Code::Any,
        &["[ts01]", "[ts02]", "[ts03]", "[tss09]", "[gl01]", "resources unavailable"],
    ),
    words(
        Class::NoSuchMailbox,
        YAHOO,
        Code::Permanent,
        &["doesn't have a", "mailbox not found", "mailbox unavailable", "this user doesn"],
    ),
    // docomo, au, SoftBank: one answer for "no such address" and for "the owner's filter does not want it".
    words(
        Class::RateLimited,
        CARRIERS,
        Code::Temporary,
        &["too many", "service not available", "service unavailable", "try again", "mailbox unavailable"],
    ),
    words(
        Class::RecipientFilter,
        CARRIERS,
        Code::Any,
        &["message filtered", "message refused", "denied by", "contents rejected"],
    ),
    words(
        Class::CarrierRefusal,
        CARRIERS,
        Code::Permanent,
        &[
            "unknown user",
            "user unknown",
            "invalid recipient",
            "no such user",
            "recipient rejected",
            "mailbox unavailable",
        ],
    ),
    status(Class::CarrierRefusal, CARRIERS, Code::Permanent, &[(1, 1)]),
];
