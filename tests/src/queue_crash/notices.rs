//! What the sender was told: the notices in the mailbox, as far as they concern messages of the load generator.

use crate::load::Number;
use crate::pop3::Pop3;
use anyhow::Result;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What a notice says of a recipient (RFC 3464 §2.3), as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// `Final-Recipient`.
    pub recipient: String,
    /// `Action`.
    pub action: String,
    /// `Status`.
    pub status: String,
    /// `Diagnostic-Code`.
    pub diagnostic: String,
}

/// Notices by the messages they are about; those about none of ours by nothing.
pub type Notices = BTreeMap<Option<Number>, Vec<Notice>>;

/// Reads a mailbox in which there is nothing but notices.
pub(super) fn read(pop3s: SocketAddr, user: &str, password: &str) -> Result<Notices> {
    let mut notices = Notices::new();
    Pop3::login(pop3s, user, password)?.read_all(|_, message| {
        let (about, notice) = parse(&String::from_utf8_lossy(message));
        notices.entry(about).or_default().push(notice);
        Ok(())
    })?;
    Ok(notices)
}

fn parse(message: &str) -> (Option<Number>, Notice) {
    let message = message.replace("\r\n ", " ").replace("\r\n\t", " ");
    let field = |name: &str| {
        let found = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().trim().replace("; ", ";")
    };
    let about = message.lines().find_map(|line| Number::parse(line.strip_prefix("Subject: Load ")?));
    let notice = Notice {
        recipient: field("Final-Recipient"),
        action: field("Action"),
        status: field("Status"),
        diagnostic: field("Diagnostic-Code"),
    };
    (about, notice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_notice_are_found() {
        let number = Number { run: 1, connection: 2, sequence: 3 };
        let text = format!(
            "Subject: Undelivered\r\n\r\nSorry.\r\n\r\nReporting-MTA: dns; a.example\r\n\r\nFinal-Recipient: rfc822;\r\n b@c.example\r\n\
             Action: failed\r\nStatus: 5.7.1\r\nDiagnostic-Code: smtp; 550 5.7.1\r\n Not wanted\r\n\r\nSubject: Load {number}\r\n"
        );
        let (about, notice) = parse(&text);
        assert_eq!(about, Some(number));
        assert_eq!((notice.recipient.as_str(), notice.action.as_str()), ("rfc822;b@c.example", "failed"));
        assert_eq!((notice.status.as_str(), notice.diagnostic.as_str()), ("5.7.1", "smtp;550 5.7.1 Not wanted"));
    }
}
