//! What was found, for the recipient's programs: X-Spam-Status, X-Spam-Flag and X-Virus-Status, in the form that mail filters
//! everywhere know.

use yubin_message::HeaderWriter;
use yubin_policy::content::{ContentDisposition, ContentFact, EncryptedHandling};
use yubin_policy::spam::Scored;
use yubin_policy::spam::handling::{Handled, SpamVerdict};
use yubin_types::limits;

/// The fields about spam before one recipient's copy.
pub(super) fn spam(scored: &Scored, handled: &Handled) -> Vec<u8> {
    let answer = if handled.verdict.is_spam() { "Yes" } else { "No" };
    let why = match handled.verdict {
        SpamVerdict::Unfiltered => " filter=off",
        SpamVerdict::Allowed => " sender=allowed",
        SpamVerdict::Denied => " sender=denied",
        SpamVerdict::Clean | SpamVerdict::Spam | SpamVerdict::Certain => "",
    };
    let (score, required) = (scored.score, handled.required);
    let mut writer = HeaderWriter::new();
    writer
        .field("X-Spam-Status", &format!("{answer}, score={score} required={required}{why} tests=[{}]", tests(scored)));
    if handled.verdict.is_spam() {
        writer.field("X-Spam-Flag", "YES");
    }
    writer.into_bytes()
}

/// The field about what is in the message (SONET-32).
pub(super) fn virus(fact: &ContentFact, disposition: ContentDisposition, encrypted: EncryptedHandling) -> Vec<u8> {
    let text = match (fact, disposition) {
        (ContentFact::Clean, _) => "Clean".to_owned(),
        (ContentFact::Virus { name, .. }, ContentDisposition::Remove) => format!("Removed ({name})"),
        (ContentFact::Virus { name, .. }, _) => format!("Infected ({name})"),
        (ContentFact::Encrypted { .. }, _) if encrypted == EncryptedHandling::Pass => return Vec::new(),
        (ContentFact::Encrypted { file }, _) => {
            format!("Not scanned (encrypted: {})", file.as_deref().unwrap_or("message"))
        }
        (ContentFact::Unpacked | ContentFact::TooLarge, _) => "Not scanned (too large)".to_owned(),
        (ContentFact::Absent, _) => "Not scanned (no scanner)".to_owned(),
    };
    let mut writer = HeaderWriter::new();
    writer.field("X-Virus-Status", &text);
    writer.into_bytes()
}

/// What was found, as far as it fits.
pub(super) fn tests(scored: &Scored) -> String {
    let mut text = String::new();
    for hit in &scored.hits {
        let name = hit.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '?' });
        let item = format!("{}={}", name.take(limits::SPAM_TEST_NAME_BYTES_MAX).collect::<String>(), hit.score);
        if text.len() + 2 + item.len() > limits::SPAM_TESTS_BYTES_MAX {
            break;
        }
        let comma = if text.is_empty() { "" } else { ", " };
        text.push_str(comma);
        text.push_str(&item);
    }
    text
}

#[cfg(test)]
mod tests {
    use yubin_policy::spam::handling::{Handled, SpamVerdict};
    use yubin_policy::spam::{Hit, Scored};
    use yubin_types::{SpamHandling, SpamScore, limits};

    use super::spam;

    #[test]
    fn a_copy_tells_what_was_found() {
        let hit = |name: &str, points| Hit { name: name.to_owned(), score: SpamScore::points(points) };
        let scored = Scored { score: SpamScore(750), hits: vec![hit("date_missing", 1), hit("a\r\nb: c", -2)] };
        let handled = |verdict| Handled { verdict, required: SpamScore::points(6), handling: SpamHandling::Junk };
        let text = |verdict| String::from_utf8(spam(&scored, &handled(verdict))).unwrap().replace("\r\n\t", " ");
        assert_eq!(
            text(SpamVerdict::Spam),
            "X-Spam-Status: Yes, score=7.5 required=6 tests=[date_missing=1, a??b??c=-2]\r\nX-Spam-Flag: YES\r\n"
        );
        assert!(
            text(SpamVerdict::Allowed).starts_with("X-Spam-Status: No, score=7.5 required=6 sender=allowed tests=")
        );
        let many = Scored { score: SpamScore(0), hits: vec![hit(&"x".repeat(1_000), 1); 1_000] };
        assert!(spam(&many, &handled(SpamVerdict::Clean)).len() < limits::SPAM_TESTS_BYTES_MAX + 200);
    }
}
