//! What a sender is told whose message is not taken for its content.
//!
//! SONET-18 is word for word what the service's users know; the text about a virus is that of SONET-30 and SONET-31 with what was done.

use yubin_types::SmtpReply;

use crate::content::ContentDenial;

/// A message that is not taken.
#[must_use]
pub fn content(denial: &ContentDenial) -> SmtpReply {
    match denial {
        ContentDenial::Spam { words } => SmtpReply::new(550, (5, 7, 1), words.as_deref().unwrap_or(SPAM)),
        ContentDenial::Later { words } => SmtpReply::new(451, (4, 7, 1), words.as_deref().unwrap_or(LATER)),
        ContentDenial::Virus { name, file } => {
            let file = file.as_deref().unwrap_or("the message");
            let text = format!("The virus [{name}] had been detected from [{file}]. Executed processing : reject");
            SmtpReply::new(550, (5, 7, 1), &text)
        }
        ContentDenial::Unpacked => SmtpReply::new(550, (5, 7, 1), "Error: message content rejected"),
        ContentDenial::Encrypted { file } => {
            let file = file.as_deref().unwrap_or("the message");
            let text =
                format!("Message refused: [{file}] is encrypted and can't be scanned; send it without a password");
            SmtpReply::new(550, (5, 7, 1), &text)
        }
        ContentDenial::Filter { reply } => reply.clone(),
        ContentDenial::TooLarge => {
            SmtpReply::new(552, (5, 3, 4), "Message is too large to be scanned for viruses and spam; send it in parts")
        }
        ContentDenial::Unscanned => {
            SmtpReply::new(451, (4, 7, 1), "Messages can't be scanned for viruses and spam now; try again later")
        }
    }
}

const SPAM: &str = "Message refused: it was found to be spam. If it is not, ask the recipient to allow your address";
const LATER: &str = "Try again later";

#[cfg(test)]
mod tests {
    use super::content;
    use crate::content::ContentDenial;

    /// SONET-18, SONET-31.
    #[test]
    fn senders_read_what_they_know() {
        assert_eq!(content(&ContentDenial::Unpacked).to_string(), "550 5.7.1 Error: message content rejected");
        let virus = ContentDenial::Virus { name: "Eicar\r\n250 ok".to_owned(), file: Some("\u{5c71}.zip".to_owned()) };
        assert_eq!(
            content(&virus).to_string(),
            "550 5.7.1 The virus [Eicar??250 ok] had been detected from [?.zip]. Executed processing : reject"
        );
        assert!(content(&ContentDenial::Unscanned).to_string().starts_with("451 4.7.1 "));
        let words = Some("Greylisted".to_owned());
        assert_eq!(content(&ContentDenial::Later { words }).to_string(), "451 4.7.1 Greylisted");
    }
}
