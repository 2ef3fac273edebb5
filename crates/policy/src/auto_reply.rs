//! Which messages may be answered automatically: by vacation notices and other replies that no person sends (RFC 3834 §2, RFC 5230 §4.5).
//!
//! The rim gathers facts from the envelope and the header; the permit says to whom the answer goes, which is always the envelope sender,
//! never Reply-To (RFC 3834 §4). The answer itself is sent with the null reverse-path and `Auto-Submitted: auto-replied` (§3.1.7, §3.3),
//! so that two systems never answer each other.
//!
//! Not here: whether an account answers at all, whether the message is junk to it or names it, and who was answered not long ago. The state
//! machine knows that when the message is stored, and nobody knows it before.

use yubin_types::{Address, ReversePath};

/// What is known of a message that came in.
#[derive(Clone, Copy, Debug)]
pub struct AutoReplyFacts<'a> {
    /// Envelope sender.
    pub sender: &'a ReversePath,
    /// Fields of its header that say where it comes from: name and unfolded body, in order.
    pub header: &'a [(&'a str, &'a str)],
}

/// An answer may be sent. Only [`may_answer`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoReplyPermit {
    to: Address,
}

impl AutoReplyPermit {
    /// To whom.
    #[must_use]
    pub const fn to(&self) -> &Address {
        &self.to
    }
}

/// Why no answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It has the null sender: a notice.
    #[error("notices are not answered")]
    NullSender,
    /// The sender is a program by its name: MAILER-DAEMON, a list's owner.
    #[error("the sender is a program")]
    Robot,
    /// The header says that a program sent it.
    #[error("a program sent it")]
    Automatic,
    /// It came through a mailing list, or in bulk.
    #[error("it came through a mailing list")]
    List,
}

/// May an account answer this message by itself?
///
/// # Errors
/// [`NoAnswer`], the first reason in the order of its variants.
pub fn may_answer(facts: &AutoReplyFacts<'_>) -> Result<AutoReplyPermit, NoAnswer> {
    let ReversePath::Address(sender) = facts.sender else { return Err(NoAnswer::NullSender) };
    if is_robot(&sender.local.key()) {
        return Err(NoAnswer::Robot);
    }
    for (name, body) in facts.header {
        if let Some(reason) = forbidden_by(name, body) {
            return Err(reason);
        }
    }
    Ok(AutoReplyPermit { to: sender.clone() })
}

/// RFC 5230 §4.5 names these; the local part in lower case.
fn is_robot(local: &str) -> bool {
    let named =
        matches!(local, "mailer-daemon" | "listserv" | "majordomo" | "postmaster" | "root" | "noreply" | "no-reply");
    let list = local.starts_with("owner-") || local.ends_with("-owner") || local.ends_with("-request");
    named || list || local.contains("-bounce") || local.starts_with("srs0=") || local.starts_with("srs1=")
}

/// What a header field has against an answer.
fn forbidden_by(name: &str, body: &str) -> Option<NoAnswer> {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    let value = body.trim().to_ascii_lowercase();
    // A parameter or comment may follow (RFC 3834 §5.1).
    let word = value.split([';', ' ', '(']).next().unwrap_or_default();
    if is("Auto-Submitted") && word != "no" {
        return Some(NoAnswer::Automatic);
    }
    if is("X-Auto-Response-Suppress") && value.split(',').any(|part| matches!(part.trim(), "all" | "oof" | "autoreply"))
    {
        return Some(NoAnswer::Automatic);
    }
    if is("X-Autoreply") || is("X-Autorespond") || (is("Content-Type") && value.starts_with("multipart/report")) {
        return Some(NoAnswer::Automatic);
    }
    let listed = name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("List-"));
    let bulk = is("Precedence") && matches!(word, "bulk" | "list" | "junk");
    (listed || bulk || is("X-ML-Name") || is("X-Mailing-List") || is("Feedback-ID")).then_some(NoAnswer::List)
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, ReversePath};

    use super::{AutoReplyFacts, NoAnswer, may_answer};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// Asks for a message from `sender` with one header field.
    fn ask(sender: &str, field: (&str, &str)) -> Result<String, NoAnswer> {
        let sender = if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(address(sender)) };
        let facts = AutoReplyFacts { sender: &sender, header: &[("Subject", "hello"), field] };
        may_answer(&facts).map(|permit| permit.to().to_string())
    }

    #[test]
    fn people_are_answered_and_programs_are_not() {
        let plain = ("X-Mailer", "x");
        assert_eq!(ask("bob@example.org", plain), Ok("bob@example.org".to_owned()));
        assert_eq!(ask("", plain), Err(NoAnswer::NullSender));
        for robot in
            ["MAILER-DAEMON@a.jp", "owner-x@a.jp", "x-request@a.jp", "x-owner@a.jp", "x-bounces@a.jp", "noreply@a.jp"]
        {
            assert_eq!(ask(robot, plain), Err(NoAnswer::Robot), "{robot}");
        }
    }

    #[test]
    fn the_header_can_forbid_an_answer() {
        let bob = "bob@example.org";
        for (name, body) in [
            ("Auto-Submitted", "auto-replied"),
            ("auto-submitted", " Auto-Generated; type=x"),
            ("X-Auto-Response-Suppress", "DR, OOF"),
            ("Content-Type", "multipart/report; report-type=delivery-status"),
        ] {
            assert_eq!(ask(bob, (name, body)), Err(NoAnswer::Automatic), "{name}: {body}");
        }
        for (name, body) in [
            ("List-Id", "<x.example>"),
            ("LIST-UNSUBSCRIBE", "<mailto:x@y>"),
            ("Precedence", "Bulk"),
            ("X-ML-Name", "x"),
        ] {
            assert_eq!(ask(bob, (name, body)), Err(NoAnswer::List), "{name}: {body}");
        }
        for (name, body) in [
            ("Auto-Submitted", "no"),
            ("Auto-Submitted", "No (a person)"),
            ("Precedence", "first-class"),
            ("Listen", "x"),
        ] {
            assert!(ask(bob, (name, body)).is_ok(), "{name}: {body}");
        }
    }
}
