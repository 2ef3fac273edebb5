//! `[smtp.spam]`: what counts as spam, and what becomes of it.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Deserializer, Serialize};
use yubin_frontend::{ContentConfig, SenderPattern, SpamFilter, SpamHandling, SpamRules, Weights};
use yubin_types::{Address, DomainName, Network, SpamCheck, SpamScore};

use super::queue::Switch;

/// What counts as spam, and what becomes of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Spam {
    /// Is there a built-in score?
    pub(crate) scoring: Switch,
    /// From which score on mail is spam; 0: the default of the built-in score, or as the scanner says.
    pub(crate) spam_score: u32,
    /// What becomes of spam.
    pub(crate) spam: Handling,
    /// What becomes of what a scanner would refuse.
    pub(crate) certain_spam: Handling,
    /// What goes before the subject of spam.
    pub(crate) subject_tag: String,
    /// Whose mail is no spam.
    pub(crate) allow: Vec<String>,
    /// Whose mail is.
    pub(crate) deny: Vec<String>,
    /// What each finding adds to the built-in score.
    pub(crate) weights: Points,
    /// Rules of single hosted domains and addresses.
    pub(crate) recipients: Vec<Recipient>,
}

/// Rules of a hosted domain or an address in one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipient {
    /// Whose.
    pub(crate) recipient: String,
    /// Is its mail filtered?
    pub(crate) filter: Switch,
    /// As `spam_score`.
    pub(crate) spam_score: u32,
    /// As `spam`.
    pub(crate) spam: Handling,
    /// As `certain_spam`.
    pub(crate) certain_spam: Handling,
    /// As `subject_tag`.
    pub(crate) subject_tag: String,
    /// As `allow`, in its place.
    pub(crate) allow: Vec<String>,
    /// As `deny`, in its place.
    pub(crate) deny: Vec<String>,
}

/// Where spam goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Handling {
    /// Where other mail goes.
    Inbox,
    /// Junk.
    #[default]
    Junk,
    /// Back.
    Reject,
}

/// Points by the names of findings; what is not named has its default.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Points(BTreeMap<String, i32>);

impl Default for Points {
    fn default() -> Self {
        Points(Weights::default().0.into_iter().map(|(check, points)| (check.name().to_owned(), points)).collect())
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut points = Points::default();
        for (name, told) in BTreeMap::<String, i32>::deserialize(deserializer)? {
            match points.0.get_mut(&name) {
                Some(points) => *points = told,
                None => return Err(serde::de::Error::custom(format!("unknown finding `{name}`"))),
            }
        }
        Ok(points)
    }
}

impl Default for Spam {
    fn default() -> Self {
        Spam {
            scoring: Switch::On,
            spam_score: 0,
            spam: Handling::Junk,
            certain_spam: Handling::Reject,
            subject_tag: String::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            weights: Points::default(),
            recipients: Vec::new(),
        }
    }
}

impl Spam {
    /// As a front end is told.
    ///
    /// # Errors
    /// What can't work.
    pub(crate) fn settings(&self, exempt: Vec<Network>) -> anyhow::Result<ContentConfig> {
        let everybody = Recipient {
            recipient: String::new(),
            filter: Switch::On,
            spam_score: self.spam_score,
            spam: self.spam,
            certain_spam: self.certain_spam,
            subject_tag: self.subject_tag.clone(),
            allow: self.allow.clone(),
            deny: self.deny.clone(),
        };
        let scoring = (self.scoring == Switch::On).then(|| self.weights.settings());
        let everybody = rules(&everybody).context("smtp.spam")?;
        let mut content = ContentConfig { exempt, scoring, rules: everybody, ..ContentConfig::default() };
        for told in &self.recipients {
            let own = rules(told).context("smtp.spam.recipients")?;
            let replaced = match told.recipient.contains('@') {
                true => {
                    let address = Address::parse(&told.recipient);
                    let address = address.with_context(|| format!("smtp.spam.recipients: {}", told.recipient))?;
                    content.addresses.insert((address.domain, address.local.key()), own)
                }
                false => {
                    let domain = DomainName::parse(&told.recipient);
                    let domain = domain.with_context(|| format!("smtp.spam.recipients: {}", told.recipient))?;
                    content.domains.insert(domain, own)
                }
            };
            ensure!(replaced.is_none(), "smtp.spam.recipients: {} stands twice", told.recipient);
        }
        Ok(content)
    }
}

impl Points {
    fn settings(&self) -> Weights {
        let points = |check: SpamCheck| self.0.get(check.name()).copied().unwrap_or_default();
        Weights(SpamCheck::ALL.into_iter().map(|check| (check, points(check))).collect())
    }
}

fn rules(told: &Recipient) -> anyhow::Result<SpamRules> {
    let points = i32::try_from(told.spam_score).context("spam_score")?;
    let rules = SpamRules {
        filter: if told.filter == Switch::On { SpamFilter::On } else { SpamFilter::Off },
        threshold: (points > 0).then(|| SpamScore::points(points)),
        spam: told.spam.settings(),
        certain: told.certain_spam.settings(),
        subject_tag: told.subject_tag.clone(),
        allow: patterns(&told.allow).context("allow")?,
        deny: patterns(&told.deny).context("deny")?,
    };
    rules.check()?;
    Ok(rules)
}

impl Handling {
    const fn settings(self) -> SpamHandling {
        match self {
            Handling::Inbox => SpamHandling::Inbox,
            Handling::Junk => SpamHandling::Junk,
            Handling::Reject => SpamHandling::Reject,
        }
    }
}

fn patterns(told: &[String]) -> anyhow::Result<Vec<SenderPattern>> {
    let pattern = |text: &String| SenderPattern::parse(text).with_context(|| format!("{text} is no sender"));
    told.iter().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use yubin_frontend::{SPAM_POINTS_DEFAULT, SpamHandling};
    use yubin_types::SpamCheck;

    use super::Spam;

    const OWN: &str = "filter = 'on', spam_score = 3, spam = 'reject', certain_spam = 'reject', subject_tag = '', \
                       allow = [], deny = []";

    #[test]
    fn what_can_not_work_is_refused() {
        let spam = |text: &str| toml::from_str::<Spam>(text).map_err(anyhow::Error::from)?.settings(Vec::new());
        for text in [
            "weights = { date_mising = 1 }",
            "subject_tag = '[SPAM] '",
            "subject_tag = 'longer than any tag may be'",
            "allow = ['a b@x.example']",
            "recipients = [{ recipient = 'a b', spam = 'junk' }]",
            &format!("recipients = [{{ recipient = '-', {OWN} }}]"),
            &format!("recipients = [{{ recipient = 'a.example', {OWN} }}, {{ recipient = 'A.example', {OWN} }}]"),
        ] {
            assert!(spam(text).is_err(), "{text}");
        }
        assert!(spam("spam = 'bounce'").is_err());
        let told = format!(
            "weights = {{ date_missing = 9 }}\nsubject_tag = '[SPAM]'\nallow = ['abc@x.example', '*@y.example']\n\
             recipients = [{{ recipient = 'Tim@a.example', {OWN} }}]"
        );
        let settings = spam(&told).unwrap();
        let weights = settings.scoring.unwrap().0;
        assert_eq!((weights[&SpamCheck::DateMissing], weights[&SpamCheck::DmarcFail]), (9, 3));
        assert_eq!(settings.addresses.values().next().unwrap().spam, SpamHandling::Reject);
        assert_eq!(SPAM_POINTS_DEFAULT, 6, "as docs/configuration.md says");
    }
}
