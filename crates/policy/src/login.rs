//! Why a login fails, and who is told what.
//!
//! Whoever does not know the password learns nothing: an unknown domain, an unknown account and a wrong password are one answer, and
//! a suspension is told only after the password was right. A store that can't be asked is never "wrong password".

use yubin_types::Refusal;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginDenial {
    /// Unknown domain or account, or a wrong password.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// The password was right, but the account or its domain may not be used.
    #[error("suspended")]
    Suspended {
        /// The operator's words, where there are any.
        reason: Option<String>,
    },
    /// A token that is no good here, or that names nobody here.
    #[error("the token is not valid")]
    InvalidToken,
    /// Too many wrong passwords came from there; this one was not looked at.
    #[error("too many failed logins")]
    TooManyFailures {
        /// Until the next one may be tried, seconds.
        wait_seconds: u64,
    },
    /// Another session holds the maildrop (POP3).
    #[error("another session has the mailbox")]
    Locked,
    /// Nobody could be asked.
    #[error("temporary failure")]
    Unavailable,
}

impl From<Refusal> for LoginDenial {
    /// What a refusal means for the one who logs in. `Suspended` must only reach a peer whose password was verified.
    fn from(refusal: Refusal) -> LoginDenial {
        match refusal {
            Refusal::NoSuchDomain | Refusal::NoSuchAccount | Refusal::NoSuchRecipient | Refusal::StaleGeneration => {
                LoginDenial::WrongCredentials
            }
            Refusal::DomainSuspended { reason } => LoginDenial::Suspended { reason: Some(reason) },
            Refusal::AccountSuspended => LoginDenial::Suspended { reason: None },
            Refusal::MailboxLocked => LoginDenial::Locked,
            _ => LoginDenial::Unavailable,
        }
    }
}
