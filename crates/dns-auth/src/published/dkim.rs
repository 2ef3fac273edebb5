//! The DKIM keys of a hosted domain: each published as it is, whole, and once (RFC 6376 §3.6).
//!
//! A record is right if it holds the same key; how its tags are ordered is the owner's. It may be reached through a CNAME.

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;

use super::finding::{Finding, RecordType, Subject};
use super::zone::{Looked, Zone};
use super::{Expected, ExpectedKey, tag, tags};

pub(super) fn names(expected: &Expected) -> Vec<String> {
    expected.keys.iter().map(|key| name(key, expected)).collect()
}

pub(super) fn check(expected: &Expected, zone: &Zone) -> Vec<Finding> {
    expected.keys.iter().map(|key| check_key(key, expected, zone)).collect()
}

fn name(key: &ExpectedKey, expected: &Expected) -> String {
    format!("{}._domainkey.{}", key.selector, expected.domain)
}

fn check_key(key: &ExpectedKey, expected: &Expected, zone: &Zone) -> Finding {
    let name = name(key, expected);
    let publish = format!("Publish TXT {} at {name}", key.record);
    let mut finding = Finding::new(Subject::Dkim, name.as_str(), RecordType::Txt, key.record.as_str());
    let texts = match zone.texts(&name) {
        Looked::Found(texts) => texts,
        Looked::Nothing => {
            return finding.missing("The key is not published: what it signs can't be verified.", publish);
        }
        Looked::Unknown(cause) => {
            finding.unknown(&cause);
            return finding;
        }
    };
    let mut finding = finding.found(texts.clone());
    let [text] = texts.as_slice() else {
        finding.wrong(
            "Several TXT records stand there; which of them a verifier takes is up to it (RFC 6376, section 3.6.2.2).",
            "Keep the one with this key and remove the others.",
        );
        return finding;
    };
    compare(&mut finding, text, &key.record, publish);
    finding
}

fn compare(finding: &mut Finding, text: &str, record: &str, publish: String) {
    let (published, own) = (tags(text), tags(record));
    let (key, own_key) = (key_text(&published), key_text(&own));
    let kind = |tags: &[(&str, &str)]| tag(tags, "k").unwrap_or("rsa").to_ascii_lowercase();
    if text.contains('"') {
        finding
            .wrong("Quotation marks have become part of the record.", format!("{publish}, without quotation marks."));
    } else if tag(&published, "v").is_some_and(|version| version != "DKIM1") || tag(&published, "p").is_none() {
        finding.wrong("It is no key: it has no p= tag, or another version.", publish);
    } else if key.is_empty() {
        finding.wrong("The key is revoked: its p= tag is empty (RFC 6376, section 3.6.1).", publish);
    } else if key == own_key && kind(&published) == kind(&own) {
        terms(finding, &published, publish);
    } else if key == own_key {
        finding.wrong(format!("The record says that the key is of another kind: k={}.", kind(&published)), publish);
    } else if key.len() < own_key.len() && own_key.starts_with(&key) {
        finding.wrong(
            "The key is cut off: a part of it is missing at the end.",
            format!("{publish}; beyond 255 characters it goes into several strings of one record."),
        );
    } else if DomainKey::parse(text.as_bytes()).is_err() {
        finding.wrong("The key can't be read.", publish);
    } else {
        finding.wrong("Another key stands there: what this system signs is taken for forged.", publish);
    }
}

/// What a record with the right key forbids.
fn terms(finding: &mut Finding, published: &[(&str, &str)], publish: String) {
    let lists = |name: &str, wanted: &[&str]| {
        tag(published, name).is_none_or(|list| list.split(':').any(|item| wanted.contains(&item.trim())))
    };
    if !lists("h", &["sha256"]) {
        finding.wrong("The record forbids SHA-256 (h=), with which mail is signed.", publish);
    } else if !lists("s", &["*", "email"]) {
        finding.wrong("The record does not let the key sign mail (s=).", publish);
    } else if tag(published, "t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y")) {
        finding.hint("The key is marked as a test (t=y): verifiers may treat signed mail like unsigned mail.", publish);
    }
}

/// The key's text without the white space that may stand in it.
fn key_text(tags: &[(&str, &str)]) -> String {
    tag(tags, "p").unwrap_or_default().split_ascii_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use yubin_types::DomainName;

    use super::super::finding::{Finding, Verdict};
    use super::super::zone::Zone;
    use super::super::{Expected, ExpectedKey, OptionalRecords};
    use super::check;

    /// RFC 8463 §A.2.
    const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const NAME: &str = "yubin1._domainkey.example.jp";

    fn checked(texts: &[&str]) -> Finding {
        let name = |text: &str| DomainName::parse(text).unwrap();
        let keys = vec![ExpectedKey { selector: name("yubin1"), record: KEY.to_owned() }];
        let expected = Expected {
            domain: name("example.jp"),
            mx_hosts: vec![],
            spf: String::new(),
            keys,
            optional: OptionalRecords::default(),
        };
        let texts: Vec<_> = texts.iter().map(|text| (NAME, *text)).collect();
        check(&expected, &Zone::of_texts(&texts)).remove(0)
    }

    #[test]
    fn the_same_key_in_any_writing_is_right() {
        let spaced = "p=11qYAYKxCrfVS/7TyWQHOg7hcv Papi MlrwIaaPcHURo= ; k=ed25519;v=DKIM1;h=sha1:sha256; s=email";
        for text in [KEY, spaced] {
            let finding = checked(&[text]);
            assert_eq!((finding.verdict, finding.hints.len()), (Verdict::Right, 0), "{finding:?}");
        }
        let test = checked(&[&format!("{KEY}; t=s:y")]);
        assert!(test.verdict == Verdict::Right && test.hints[0].what.contains("t=y"), "{test:?}");
    }

    #[test]
    fn what_is_wrong_with_a_published_key() {
        for (text, what) in [
            ("v=DKIM1; k=ed25519; p=", "revoked"),
            ("v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=", "Another key"),
            ("v=DKIM1; k=rsa; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "another kind: k=rsa"),
            ("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7", "cut off"),
            ("v=DKIM1; k=ed25519; p=!!!", "can't be read"),
            ("v=DKIM1; k=ed25519; \" \"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "Quotation marks"),
            ("hello", "no key"),
            (&format!("{KEY}; h=sha1"), "forbids SHA-256"),
            (&format!("{KEY}; s=tlsrpt"), "does not let the key sign mail"),
        ] {
            let finding = checked(&[text]);
            assert_eq!(finding.verdict, Verdict::Wrong, "{text}");
            assert!(finding.faults[0].what.contains(what), "{text}: {finding:?}");
            assert!(finding.faults[0].mend.contains(KEY), "{finding:?}");
        }
        assert!(checked(&[KEY, "v=DKIM1; p="]).faults[0].what.contains("Several"));
    }

    #[test]
    fn missing_and_unknown() {
        let missing = checked(&[""]);
        assert_eq!(missing.verdict, Verdict::Missing);
        assert!(missing.faults[0].mend.contains(NAME) && missing.faults[0].mend.contains(KEY), "{missing:?}");
        assert_eq!(checked(&["?"]).verdict, Verdict::Unknown);
    }
}
