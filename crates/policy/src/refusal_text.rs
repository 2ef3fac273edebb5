//! What a peer is told: the one table from refusals, denials and failures to SMTP replies, IMAP and POP3 response texts.
//!
//! Texts say what the reader can do. Where the hosting services have taught their users a text, it is that text, in the code that the
//! standards give it (SPPD-02, SPPD-12, SPPD-21, SONET-23). What is our own failure is temporary in every protocol, never a permanent
//! refusal. An operator's words are shown where they are printable ASCII; otherwise the protocols have no way to carry them.
//!
//! Choices: over quota is permanent (552), so that the sender learns it at once and nothing is queued for a box that stays full
//! (SHIN-09). A suspended domain is temporary (450 4.7.1), so that a bill paid within the sender's queue time costs no mail (SPPD-23).
//! A sending limit is temporary, because it ends by itself; suspended sending is permanent: somebody must act first (SONET-44).

mod authors;
mod content;
mod countries;
mod networks;
mod strangers;

use std::borrow::Cow;

use yubin_types::{QuotaScope, Refusal, ResponseText, SendingLimit, SmtpReply, SuspensionCause, Timestamp};

use crate::login::LoginDenial;
use crate::recipient::RecipientDenial;
use crate::srs::SrsError;

pub use authors::author;
pub use content::content;
pub use countries::country;
pub use networks::{imap_full, imap_network, not_our_own, pop3_full, pop3_network, smtp_full, smtp_network};
pub use strangers::{greylisted, header_too_long, inbound, peer};

/// When in a transaction a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In answer to MAIL or RCPT.
    Envelope,
    /// After the message.
    Message,
}

/// A refusal in an SMTP transaction.
#[must_use]
pub fn smtp(refusal: &Refusal, stage: Stage) -> SmtpReply {
    match refusal {
        Refusal::NoSuchDomain => SmtpReply::new(550, (5, 7, 1), "Relaying denied. The domain is not hosted here"),
        Refusal::RelayDenied => {
            SmtpReply::new(550, (5, 7, 1), "Relaying denied. This server delivers only to the domains it hosts")
        }
        Refusal::DomainSuspended { reason } => {
            SmtpReply::new(450, (4, 7, 1), &with_reason("The domain is suspended; try again later", reason))
        }
        Refusal::NoSuchRecipient | Refusal::NoSuchAccount => SmtpReply::new(550, (5, 1, 1), "User unknown"),
        Refusal::AccountSuspended => SmtpReply::new(550, (5, 2, 1), "Mailbox disabled, not accepting messages"),
        Refusal::StaleGeneration => SmtpReply::new(421, (4, 7, 0), "The account was changed; log in again"),
        Refusal::OverQuota { scope: QuotaScope::Account } => {
            SmtpReply::new(552, (5, 2, 2), "The user(s) account is temporarily over quota.")
        }
        Refusal::OverQuota { scope: QuotaScope::Domain } => {
            SmtpReply::new(552, (5, 2, 2), "Disk quota exceeded: the space that all users of the domain share is full")
        }
        Refusal::MessageTooBig { limit_bytes } => match stage {
            Stage::Envelope => {
                let text = format!("Message size exceeds fixed limit of {limit_bytes} bytes");
                SmtpReply::new(552, (5, 3, 4), &text)
            }
            Stage::Message => {
                let text = format!("Error: message file too big; at most {limit_bytes} bytes");
                SmtpReply::new(552, (5, 3, 4), &text)
            }
        },
        Refusal::TooMany { what, limit } => {
            SmtpReply::new(452, (4, 5, 3), &format!("Too many {what}: at most {limit}; send the rest separately"))
        }
        Refusal::QueueFull => {
            SmtpReply::new(452, (4, 3, 1), "Too much mail of your domain waits to be sent; try again later")
        }
        Refusal::NotSignable { why } => {
            SmtpReply::new(554, (5, 6, 0), &format!("The message can't be signed, so it isn't sent: {why}"))
        }
        Refusal::SendingLimit { limit, until } => SmtpReply::new(450, (4, 7, 1), &limit_reached(limit, *until)),
        Refusal::SendingSuspended { cause } => SmtpReply::new(550, (5, 7, 1), &sending_suspended(cause)),
        Refusal::TooManyHops => SmtpReply::new(554, (5, 4, 6), "Too many hops: mail is looping"),
        Refusal::SenderNotOwned => SmtpReply::new(
            553,
            (5, 7, 1),
            "Sender address rejected: not owned by the user who logged in; send as an address of that account",
        ),
        Refusal::StaleEpoch | Refusal::DomainFrozen => {
            SmtpReply::new(451, (4, 3, 2), "The domain is being moved; try again in a minute")
        }
        // None of these is the peer's doing: they can't be the outcome of a delivery that was asked for rightly.
        Refusal::NoSuchMailbox
        | Refusal::MailboxExists
        | Refusal::MailboxProtected
        | Refusal::MailboxHasChildren
        | Refusal::SpecialUseTaken
        | Refusal::NameTaken { .. }
        | Refusal::InvalidName { .. }
        | Refusal::InvalidValue { .. }
        | Refusal::NotFound { .. }
        | Refusal::InUse { .. }
        | Refusal::MailboxLocked
        | Refusal::ClockOutOfBounds
        | Refusal::Unsupported => smtp_unavailable(),
    }
}

/// A recipient that is not taken.
#[must_use]
pub fn recipient(denial: &RecipientDenial) -> SmtpReply {
    match denial {
        RecipientDenial::Refused(refusal) => smtp(refusal, Stage::Envelope),
        RecipientDenial::OtherDomain => {
            SmtpReply::new(452, (4, 5, 3), "One domain for each transaction; send this recipient in another")
        }
        RecipientDenial::Bounce(SrsError::Expired) => {
            SmtpReply::new(550, (5, 1, 1), "The bounce address has expired: the message was forwarded long ago")
        }
        RecipientDenial::Bounce(SrsError::Forged | SrsError::NotSrs | SrsError::TooLong) => {
            SmtpReply::new(550, (5, 1, 1), "No such bounce address: no message was forwarded under it")
        }
        RecipientDenial::Dead => SmtpReply::new(
            550,
            (5, 1, 1),
            "The address does not exist: its server refused the last messages to it; it can be tried again in some days",
        ),
        RecipientDenial::NotABounce => {
            SmtpReply::new(550, (5, 1, 1), "The address takes bounces of forwarded mail only, which have no sender")
        }
    }
}

/// A delivery that was refused only when it was to be stored (nothing was): a sole recipient's own reason, or "try again" if there are
/// several, since each then gets its own answer at RCPT. `refusals` has the reasons of the recipients that were to blame.
#[must_use]
pub fn delivery(recipients: usize, refusals: &[Refusal]) -> SmtpReply {
    match refusals {
        [refusal, ..] if recipients == 1 => smtp(refusal, Stage::Message),
        // What is wrong for each of them alike is wrong for good.
        [refusal, ..] if refusals.len() == recipients && refusals.iter().all(|other| other == refusal) => {
            smtp(refusal, Stage::Message)
        }
        _ => SmtpReply::new(451, (4, 3, 0), "Not stored for all recipients, so for none; try again"),
    }
}

/// The store can't be asked, or something failed.
#[must_use]
pub fn smtp_unavailable() -> SmtpReply {
    SmtpReply::new(451, (4, 3, 0), "Temporary failure; try again later")
}

/// A login over SMTP (RFC 4954 §6).
#[must_use]
pub fn smtp_login(denial: &LoginDenial) -> SmtpReply {
    match denial {
        LoginDenial::WrongCredentials => {
            SmtpReply::new(535, (5, 7, 8), "Wrong user name or password; the user name is the full mail address")
        }
        LoginDenial::Suspended { reason } => SmtpReply::new(525, (5, 7, 13), &suspended(reason.as_deref())),
        LoginDenial::InvalidToken => SmtpReply::new(535, (5, 7, 8), INVALID_TOKEN),
        LoginDenial::TooManyFailures { wait_seconds } => {
            SmtpReply::new(454, (4, 7, 0), &too_many_failures(*wait_seconds))
        }
        LoginDenial::Locked | LoginDenial::Unavailable => {
            SmtpReply::new(454, (4, 7, 0), "Temporary authentication failure; try again later")
        }
    }
}

/// What an IMAP command was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// The mailbox that the command reads or changes.
    Subject,
    /// The mailbox that messages should go into (APPEND, COPY, MOVE): if it doesn't exist, the client may create it.
    Target,
}

/// A refusal of an IMAP command: what goes after `NO ` (RFC 9051 §7.1, RFC 5530, RFC 6154, RFC 9208, RFC 7889).
#[must_use]
pub fn imap(refusal: &Refusal, mailbox: Mailbox) -> ResponseText {
    let code = match refusal {
        Refusal::NoSuchMailbox if mailbox == Mailbox::Target => "TRYCREATE",
        Refusal::NoSuchMailbox | Refusal::NotFound { .. } => "NONEXISTENT",
        Refusal::NoSuchDomain | Refusal::NoSuchAccount | Refusal::NoSuchRecipient => "NONEXISTENT",
        Refusal::DomainSuspended { .. } | Refusal::AccountSuspended | Refusal::SendingSuspended { .. } => {
            "CONTACTADMIN"
        }
        Refusal::StaleGeneration => "EXPIRED",
        Refusal::OverQuota { .. } => "OVERQUOTA",
        Refusal::MessageTooBig { .. } => "TOOBIG",
        Refusal::MailboxExists | Refusal::NameTaken { .. } => "ALREADYEXISTS",
        Refusal::MailboxHasChildren => "HASCHILDREN",
        Refusal::SpecialUseTaken => "USEATTR",
        Refusal::MailboxProtected | Refusal::InvalidName { .. } | Refusal::InvalidValue { .. } => "CANNOT",
        Refusal::TooMany { .. } | Refusal::QueueFull | Refusal::SendingLimit { .. } => "LIMIT",
        Refusal::InUse { .. } | Refusal::MailboxLocked => "INUSE",
        Refusal::TooManyHops | Refusal::RelayDenied | Refusal::SenderNotOwned => "NOPERM",
        Refusal::Unsupported | Refusal::NotSignable { .. } => "CANNOT",
        Refusal::StaleEpoch | Refusal::DomainFrozen | Refusal::ClockOutOfBounds => "UNAVAILABLE",
    };
    ResponseText::new(Some(code), &response_text(refusal))
}

/// The store can't be asked, or something failed.
#[must_use]
pub fn imap_unavailable() -> ResponseText {
    ResponseText::new(Some("UNAVAILABLE"), "Temporary failure; try again later")
}

/// A login over IMAP (RFC 5530 §3).
#[must_use]
pub fn imap_login(denial: &LoginDenial) -> ResponseText {
    match denial {
        LoginDenial::WrongCredentials => ResponseText::new(Some("AUTHENTICATIONFAILED"), "Wrong user name or password"),
        LoginDenial::Suspended { reason } => ResponseText::new(Some("CONTACTADMIN"), &suspended(reason.as_deref())),
        LoginDenial::InvalidToken => ResponseText::new(Some("AUTHENTICATIONFAILED"), INVALID_TOKEN),
        // To a client it is what UNAVAILABLE is: come again, and don't ask for another password.
        LoginDenial::TooManyFailures { wait_seconds } => {
            ResponseText::new(Some("UNAVAILABLE"), &too_many_failures(*wait_seconds))
        }
        LoginDenial::Locked => ResponseText::new(Some("INUSE"), "Another session has the mailbox"),
        LoginDenial::Unavailable => imap_unavailable(),
    }
}

/// A refusal of a POP3 command: what goes after `-ERR ` (RFC 2449 §8, RFC 3206).
#[must_use]
pub fn pop3(refusal: &Refusal) -> ResponseText {
    let code = match refusal {
        Refusal::NoSuchDomain | Refusal::NoSuchAccount | Refusal::NoSuchRecipient | Refusal::StaleGeneration => "AUTH",
        Refusal::MailboxLocked => "IN-USE",
        Refusal::DomainSuspended { .. } | Refusal::AccountSuspended => "SYS/PERM",
        _ => "SYS/TEMP",
    };
    ResponseText::new(Some(code), &response_text(refusal))
}

/// The store can't be asked, or something failed.
#[must_use]
pub fn pop3_unavailable() -> ResponseText {
    ResponseText::new(Some("SYS/TEMP"), "Temporary failure; try again later")
}

/// A login over POP3 (RFC 3206: only wrong credentials are AUTH).
#[must_use]
pub fn pop3_login(denial: &LoginDenial) -> ResponseText {
    match denial {
        LoginDenial::WrongCredentials => ResponseText::new(Some("AUTH"), "Wrong user name or password"),
        LoginDenial::Suspended { reason } => ResponseText::new(Some("SYS/PERM"), &suspended(reason.as_deref())),
        LoginDenial::InvalidToken => ResponseText::new(Some("AUTH"), INVALID_TOKEN),
        LoginDenial::TooManyFailures { wait_seconds } => {
            ResponseText::new(Some("SYS/TEMP"), &too_many_failures(*wait_seconds))
        }
        LoginDenial::Locked => {
            ResponseText::new(Some("IN-USE"), "Another session has the mailbox; close it or try again in a minute")
        }
        LoginDenial::Unavailable => pop3_unavailable(),
    }
}

const INVALID_TOKEN: &str = "The token is not valid for this account; log in anew where it comes from";

fn too_many_failures(wait_seconds: u64) -> String {
    let minutes = wait_seconds.div_ceil(60).max(1);
    let plural = if minutes == 1 { "" } else { "s" };
    format!(
        "Too many failed logins from your network: correct the saved password on your devices and try again in {minutes} minute{plural}"
    )
}

/// What IMAP and POP3 users read.
fn response_text(refusal: &Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::DomainSuspended { reason } => Cow::Owned(suspended(Some(reason))),
        Refusal::AccountSuspended => Cow::Owned(suspended(None)),
        Refusal::StaleGeneration => Cow::Borrowed("The account was changed; log in again"),
        Refusal::StaleEpoch | Refusal::DomainFrozen => {
            Cow::Borrowed("The domain is being moved; try again in a minute")
        }
        Refusal::OverQuota { scope: QuotaScope::Account } => {
            Cow::Borrowed("The account is over quota: delete mail and empty the Trash, or ask for more space")
        }
        Refusal::OverQuota { scope: QuotaScope::Domain } => Cow::Borrowed(
            "Disk quota exceeded: the space that all users of the domain share is full; delete mail, or ask for more space",
        ),
        Refusal::MailboxLocked => Cow::Borrowed("Another session has the mailbox"),
        Refusal::ClockOutOfBounds => Cow::Borrowed("Temporary failure; try again later"),
        refusal => {
            let text = refusal.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            Cow::Owned(first.into_iter().chain(letters).collect())
        }
    }
}

/// Which limit, and when there is room again: a full hour within a day.
fn limit_reached(limit: &SendingLimit, until: Timestamp) -> String {
    format!("Sending limit reached: {limit}; try again at {:02}:00 UTC", until.seconds() / 3_600 % 24)
}

/// Why, and what to do.
fn sending_suspended(cause: &SuspensionCause) -> String {
    let text = "Sending is suspended for this account; check your devices for malware, change the password, \
                then ask your mail provider to resume it";
    with_reason(text, &cause.to_string())
}

fn suspended(reason: Option<&str>) -> String {
    with_reason("The account is suspended; ask your mail provider", reason.unwrap_or_default())
}

fn with_reason(text: &str, reason: &str) -> String {
    let printable = !reason.is_empty() && reason.chars().all(|c| matches!(c, ' '..='~'));
    if printable { format!("{text}: {reason}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use yubin_types::{QuotaScope, Refusal, SendingLimit, SendingPeriod, SendingUnit, SuspensionCause, Timestamp};

    use super::{Mailbox, Stage};
    use crate::{LoginDenial, RecipientDenial};

    const LIMIT: SendingLimit = SendingLimit {
        scope: QuotaScope::Account,
        unit: SendingUnit::Messages,
        period: SendingPeriod::Hour,
        limit: 500,
    };

    fn all() -> Vec<Refusal> {
        let text = String::from("x");
        vec![
            Refusal::NoSuchDomain,
            Refusal::StaleEpoch,
            Refusal::DomainFrozen,
            Refusal::DomainSuspended { reason: text.clone() },
            Refusal::NoSuchRecipient,
            Refusal::NoSuchAccount,
            Refusal::AccountSuspended,
            Refusal::StaleGeneration,
            Refusal::OverQuota { scope: QuotaScope::Account },
            Refusal::OverQuota { scope: QuotaScope::Domain },
            Refusal::MessageTooBig { limit_bytes: 1 },
            Refusal::NoSuchMailbox,
            Refusal::MailboxExists,
            Refusal::MailboxProtected,
            Refusal::MailboxHasChildren,
            Refusal::SpecialUseTaken,
            Refusal::TooMany { what: text.clone(), limit: 1 },
            Refusal::NameTaken { owner: text.clone() },
            Refusal::InvalidName { why: text.clone() },
            Refusal::InvalidValue { why: text.clone() },
            Refusal::NotFound { what: text.clone() },
            Refusal::InUse { why: text.clone() },
            Refusal::NotSignable { why: text },
            Refusal::TooManyHops,
            Refusal::RelayDenied,
            Refusal::SenderNotOwned,
            Refusal::MailboxLocked,
            Refusal::ClockOutOfBounds,
            Refusal::Unsupported,
            Refusal::QueueFull,
            Refusal::SendingLimit { limit: LIMIT, until: Timestamp(0) },
            Refusal::SendingSuspended { cause: SuspensionCause::Refusals { refused: 1, limit: LIMIT } },
        ]
    }

    fn smtp(refusal: &Refusal) -> String {
        super::smtp(refusal, Stage::Envelope).to_string()
    }

    /// SPPD-02, SPPD-12, SPPD-21, SONET-23, NEWC-03: what the services' users know, in the standards' codes.
    #[test]
    fn senders_read_what_the_hosting_services_taught_them() {
        assert_eq!(smtp(&Refusal::NoSuchRecipient), "550 5.1.1 User unknown");
        assert!(smtp(&Refusal::NoSuchDomain).starts_with("550 5.7.1 Relaying denied."));
        assert!(smtp(&Refusal::RelayDenied).starts_with("550 5.7.1 Relaying denied."));
        assert_eq!(
            smtp(&Refusal::OverQuota { scope: QuotaScope::Account }),
            "552 5.2.2 The user(s) account is temporarily over quota."
        );
        assert!(smtp(&Refusal::OverQuota { scope: QuotaScope::Domain }).starts_with("552 5.2.2 Disk quota exceeded"));
        let big = Refusal::MessageTooBig { limit_bytes: 7 };
        assert_eq!(smtp(&big), "552 5.3.4 Message size exceeds fixed limit of 7 bytes");
        let end = super::smtp(&big, Stage::Message).to_string();
        assert_eq!(end, "552 5.3.4 Error: message file too big; at most 7 bytes");
    }

    /// SONET-44: who sends too much reads which limit it was, when it ends, and what to do.
    #[test]
    fn who_sends_too_much_learns_which_limit_and_what_to_do() {
        let until = Timestamp::from_seconds(1_700_002_800);
        assert_eq!(
            smtp(&Refusal::SendingLimit { limit: LIMIT, until }),
            "450 4.7.1 Sending limit reached: 500 messages per hour for this account; try again at 23:00 UTC"
        );
        let many = Refusal::TooMany { what: "recipients in one message".into(), limit: 100 };
        assert_eq!(smtp(&many), "452 4.5.3 Too many recipients in one message: at most 100; send the rest separately");
        let stopped =
            smtp(&Refusal::SendingSuspended { cause: SuspensionCause::Bounces { bounced: 30, delivered: 10 } });
        assert!(stopped.starts_with("550 5.7.1 Sending is suspended for this account; "), "{stopped}");
        assert!(stopped.ends_with(": 30 of 40 recipients were refused by their servers within two hours"), "{stopped}");
    }

    /// SPPD-23: suspension keeps mail waiting at the sender, and says why if SMTP can.
    #[test]
    fn a_suspended_domain_says_why() {
        let suspended = |reason: &str| smtp(&Refusal::DomainSuspended { reason: reason.into() });
        assert_eq!(suspended("unpaid"), "450 4.7.1 The domain is suspended; try again later: unpaid");
        assert_eq!(suspended("未払い"), "450 4.7.1 The domain is suspended; try again later");
        assert_eq!(suspended("a\r\n250 ok"), "450 4.7.1 The domain is suspended; try again later");
    }

    #[test]
    fn what_is_not_the_peers_doing_is_never_permanent() {
        for refusal in [Refusal::StaleEpoch, Refusal::DomainFrozen, Refusal::ClockOutOfBounds, Refusal::NoSuchMailbox] {
            assert!(!super::smtp(&refusal, Stage::Message).is_permanent(), "{refusal:?}");
            assert_eq!(super::pop3(&refusal).code, Some("SYS/TEMP"), "{refusal:?}");
        }
        assert_eq!(super::imap(&Refusal::DomainFrozen, Mailbox::Subject).code, Some("UNAVAILABLE"));
        assert!(!super::smtp_unavailable().is_permanent());
        assert!(!super::smtp_login(&LoginDenial::Unavailable).is_permanent());
        assert_eq!(super::imap_login(&LoginDenial::Unavailable).code, Some("UNAVAILABLE"));
        assert_eq!(super::pop3_login(&LoginDenial::Unavailable).code, Some("SYS/TEMP"));
    }

    #[test]
    fn every_refusal_has_words_in_every_protocol() {
        for refusal in all() {
            for stage in [Stage::Envelope, Stage::Message] {
                let reply = super::smtp(&refusal, stage);
                assert_eq!(u16::from(reply.status.class), reply.code / 100, "{refusal:?}");
                assert!(!reply.text().is_empty() && !reply.text().contains('?'), "{refusal:?}: {reply}");
            }
            for text in [super::imap(&refusal, Mailbox::Subject), super::pop3(&refusal)] {
                assert!(text.text().starts_with(|c: char| c.is_ascii_uppercase()), "{refusal:?}: {text}");
                assert!(!text.text().contains('?'), "{refusal:?}: {text}");
            }
        }
    }

    #[test]
    fn mailboxes_that_do_not_exist_are_told_apart() {
        assert_eq!(super::imap(&Refusal::NoSuchMailbox, Mailbox::Target).code, Some("TRYCREATE"));
        assert_eq!(super::imap(&Refusal::NoSuchMailbox, Mailbox::Subject).code, Some("NONEXISTENT"));
    }

    /// An unknown account and a wrong password are one answer; a suspension is another, for who knows the password.
    #[test]
    fn logins_learn_no_more_than_they_should() {
        for unknown in [Refusal::NoSuchDomain, Refusal::NoSuchAccount] {
            assert_eq!(LoginDenial::from(unknown), LoginDenial::WrongCredentials);
        }
        let suspended = LoginDenial::from(Refusal::DomainSuspended { reason: "unpaid".into() });
        assert_eq!(
            super::smtp_login(&suspended).to_string(),
            "525 5.7.13 The account is suspended; ask your mail provider: unpaid"
        );
        assert_eq!(super::imap_login(&suspended).code, Some("CONTACTADMIN"));
        assert_eq!(super::pop3_login(&suspended).code, Some("SYS/PERM"));
        assert_eq!(super::pop3_login(&LoginDenial::Locked).code, Some("IN-USE"));
    }

    /// No client takes it for a wrong password and asks its user for another one.
    #[test]
    fn who_guessed_too_often_is_told_to_wait_and_for_how_long() {
        let denial = LoginDenial::TooManyFailures { wait_seconds: 301 };
        let words = "Too many failed logins from your network: correct the saved password on your devices and try again in 6 minutes";
        assert_eq!(super::smtp_login(&denial).to_string(), format!("454 4.7.0 {words}"));
        assert_eq!(super::imap_login(&denial).to_string(), format!("[UNAVAILABLE] {words}"));
        assert_eq!(super::pop3_login(&denial).to_string(), format!("[SYS/TEMP] {words}"));
    }

    #[test]
    fn a_late_refusal_is_told_where_one_reply_can_tell_it() {
        let full = Refusal::OverQuota { scope: QuotaScope::Account };
        assert_eq!(super::delivery(1, std::slice::from_ref(&full)).code, 552);
        assert_eq!(super::delivery(2, std::slice::from_ref(&full)).code, 451);
        assert_eq!(super::delivery(2, &[full.clone(), full.clone()]).code, 552);
        assert_eq!(super::delivery(2, &[full, Refusal::NoSuchRecipient]).code, 451);
        assert_eq!(super::recipient(&RecipientDenial::OtherDomain).to_string().get(..9), Some("452 4.5.3"));
    }
}
