//! May this host send in this name? (SPF, RFC 7208)
//!
//! Two names are checked: the one the peer gave itself in HELO (§2.3), and the domain of the envelope's sender (§2.4), which for the null
//! path is the former. The result for the sender is what DMARC looks at. A record's `exp=` is not followed: a stranger's text is not
//! repeated to others.
//!
//! - `evaluate`: one check from record to result; `syntax`: what a record may be; `target`: the names it makes of macros.

mod evaluate;
mod syntax;
mod target;

use std::net::IpAddr;
use std::time::Duration;

use yubin_types::{Address, AuthResult, DomainName, limits};

use super::Verifier;
use evaluate::Evaluation;
pub(crate) use syntax::{is_record, known_terms};

/// Who wants to send.
#[derive(Clone, Copy, Debug)]
pub struct SpfQuestion<'a> {
    /// The peer's address.
    pub peer: IpAddr,
    /// What it called itself in EHLO or HELO.
    pub helo: &'a str,
    /// The envelope's sender; none is the null path.
    pub sender: Option<&'a Address>,
    /// Our own name.
    pub host: &'a str,
}

/// What SPF says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfChecks {
    /// Of the name in HELO; none if that is no domain name.
    pub helo: Option<SpfCheck>,
    /// Of the envelope's sender; none if the path is null.
    pub mail_from: Option<SpfCheck>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfCheck {
    /// Whose record was asked.
    pub domain: DomainName,
    /// What it says of the peer.
    pub result: AuthResult,
}

impl SpfChecks {
    /// The result that stands for the message: that of its sender, or of HELO if the path is null (RFC 7208 §2.4).
    #[must_use]
    pub const fn sender(&self) -> Option<&SpfCheck> {
        match &self.mail_from {
            Some(check) => Some(check),
            None => self.helo.as_ref(),
        }
    }
}

impl Verifier {
    /// Checks both names at once, within [`limits::SPF_SECONDS_MAX`].
    pub async fn spf(&self, question: SpfQuestion<'_>) -> SpfChecks {
        // An IPv4 address written as IPv6 is one (§5).
        let question = SpfQuestion { peer: question.peer.to_canonical(), ..question };
        // A name of one label, like an address, is no name that a domain's owner answers for (RFC 7208 §2.3).
        let helo = DomainName::parse(question.helo).ok().filter(|name| name.as_str().contains('.'));
        let helo_sender = helo.as_ref().map(|name| format!("postmaster@{name}"));
        let of_helo = async {
            let (domain, sender) = (helo.clone()?, helo_sender?);
            Some(self.check(question, domain, &sender).await)
        };
        let of_sender = async {
            let sender = question.sender?;
            Some(self.check(question, sender.domain.clone(), &sender.to_string()).await)
        };
        let (helo, mail_from) = tokio::join!(of_helo, of_sender);
        SpfChecks { helo, mail_from }
    }

    async fn check(&self, question: SpfQuestion<'_>, domain: DomainName, sender: &str) -> SpfCheck {
        let evaluation = Evaluation::new(&self.resolver, question, sender);
        let time = Duration::from_secs(limits::SPF_SECONDS_MAX);
        let evaluated = tokio::time::timeout(time, Box::pin(evaluation.run(domain.as_str()))).await;
        SpfCheck { domain, result: evaluated.unwrap_or(AuthResult::TempError) }
    }
}
