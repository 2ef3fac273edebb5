//! Codes: enhanced ones as registered (RFC 3463, RFC 7372, RFC 7504, RFC 8689), then words that say little, then the plain code.
//!
//! The last line takes what is left, so that every reply has a class.

use super::{Code, Rule, status, words};
use crate::remote_reply::Class;

pub(super) static RULES: &[Rule] = &[
    // Enhanced codes, as registered.
    status(Class::NoSuchMailbox, &[], Code::Permanent, &[(1, 1), (1, 0), (1, 3), (1, 6)]),
    status(Class::NoSuchHost, &[], Code::Permanent, &[(1, 2), (1, 10), (4, 4)]),
    status(Class::SenderRefused, &[], Code::Any, &[(1, 7), (1, 8), (7, 27)]),
    status(Class::MailboxDisabled, &[], Code::Permanent, &[(2, 1), (7, 17)]),
    status(Class::MailboxFull, &[], Code::Any, &[(2, 2)]),
    status(Class::TooLarge, &[], Code::Any, &[(2, 3), (3, 4)]),
    status(Class::ServerBusy, &[], Code::Any, &[(3, 0), (3, 1), (3, 2), (4, 5)]),
    status(Class::NoConnection, &[], Code::Temporary, &[(4, 1), (4, 2)]),
    status(Class::DnsFailure, &[], Code::Temporary, &[(4, 3), (4, 4), (1, 2)]),
    status(Class::Loop, &[], Code::Any, &[(4, 6), (4, 14)]),
    status(Class::TooManyRecipients, &[], Code::Any, &[(5, 3)]),
    status(Class::Unsupported, &[], Code::Permanent, &[(6, 3), (6, 7), (6, 9), (6, 10)]),
    status(Class::ContentRefused, &[], Code::Permanent, &[(6, 0), (7, 18)]),
    status(Class::TlsRequired, &[], Code::Any, &[(7, 10), (7, 30)]),
    status(Class::Unauthenticated, &[], Code::Any, &[(7, 20), (7, 21), (7, 22), (7, 23), (7, 24), (7, 26), (7, 29)]),
    status(Class::ReverseDns, &[], Code::Any, &[(7, 25)]),
    status(Class::RateLimited, &[], Code::Any, &[(7, 28)]),
    status(Class::RecipientFilter, &[], Code::Permanent, &[(7, 2), (2, 4)]),
    // Words that say little, and the plain code.
    words(Class::Reputation, &[], Code::Permanent, &["client host rejected", "client host blocked", "not welcome"]),
    words(Class::Greylisted, &[], Code::Is(451), &["try again later", "please try again", "first time", "delayed"]),
    words(
        Class::ServerBusy,
        &[],
        Code::Temporary,
        &[
            "insufficient system",
            "service not available",
            "service unavailable",
            "shutting down",
            "closing",
            "overload",
            "busy",
            "load too high",
        ],
    ),
    words(Class::RelayDenied, &[], Code::Is(530), &[]),
    words(Class::RelayDenied, &[], Code::Is(535), &[]),
    words(Class::ServerBusy, &[], Code::Is(421), &[]),
    words(Class::ServerBusy, &[], Code::Is(452), &[]),
    words(Class::TooLarge, &[], Code::Is(552), &[]),
    words(Class::NoSuchMailbox, &[], Code::Is(551), &[]),
    words(Class::NoSuchHost, &[], Code::Is(521), &[]),
    words(Class::NoSuchHost, &[], Code::Is(556), &[]),
    words(Class::Unsupported, &[], Code::Is(555), &[]),
    words(Class::Protocol, &[], Code::Is(500), &[]),
    words(Class::Protocol, &[], Code::Is(501), &[]),
    words(Class::Protocol, &[], Code::Is(502), &[]),
    words(Class::Protocol, &[], Code::Is(503), &[]),
    words(Class::Protocol, &[], Code::Is(504), &[]),
    words(Class::Temporary, &[], Code::Temporary, &[]),
    words(Class::Permanent, &[], Code::Any, &[]),
];
