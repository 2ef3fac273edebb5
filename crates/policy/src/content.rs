//! What becomes of a message for its content: a virus, an archive that nobody can look into, a scanner that is not there.
//!
//! A scanner that doesn't answer is never a verdict about a message: it is put off, or taken unscanned, as the operator chose. Words for
//! the sender are in [`crate::refusal_text::content`]; what a scanner says in its own words is told on, made printable there. Whether
//! a message is spam is for [`crate::spam`] to say.

use yubin_types::SmtpReply;

/// Why a message is not taken for its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentDenial {
    /// It is spam to everybody it is for.
    Spam {
        /// The scanner's own words.
        words: Option<String>,
    },
    /// The scanner wants to see it again later.
    Later {
        /// The scanner's own words.
        words: Option<String>,
    },
    /// It holds a virus.
    Virus {
        /// The virus.
        name: String,
        /// The file it is in, if that is known.
        file: Option<String>,
    },
    /// It unpacks to more than is allowed (SONET-18).
    Unpacked,
    /// It holds an archive that nobody can look into (SONET-17).
    Encrypted {
        /// The archive, if that is known.
        file: Option<String>,
    },
    /// It can't be scanned now.
    Unscanned,
    /// It is too large to be scanned.
    TooLarge,
    /// A filter says so.
    Filter {
        /// In these words.
        reply: SmtpReply,
    },
}

impl ContentDenial {
    /// What it is counted as.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            ContentDenial::Spam { .. } => "spam",
            ContentDenial::Later { .. } => "spam_later",
            ContentDenial::Virus { .. } => "virus",
            ContentDenial::Unpacked => "unpacked_size",
            ContentDenial::Encrypted { .. } => "encrypted_archive",
            ContentDenial::Unscanned => "scanner",
            ContentDenial::TooLarge => "unscanned_size",
            ContentDenial::Filter { .. } => "milter",
        }
    }

    /// Does it end by itself?
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            ContentDenial::Later { .. } | ContentDenial::Unscanned => true,
            ContentDenial::Filter { reply } => !reply.is_permanent(),
            _ => false,
        }
    }
}

/// What was found in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentFact {
    /// Nothing.
    Clean,
    /// A virus.
    Virus {
        /// It.
        name: String,
        /// The file it is in, if that is known.
        file: Option<String>,
    },
    /// An archive that can't be looked into without a password.
    Encrypted {
        /// It, if that is known.
        file: Option<String>,
    },
    /// It unpacks to more than is allowed, or than is looked at.
    Unpacked,
    /// It is longer than the scanner takes.
    TooLarge,
    /// The scanner gave no answer.
    Absent,
}

/// What an operator wants done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentRules {
    /// With a virus.
    pub virus: VirusHandling,
    /// With an encrypted archive.
    pub encrypted: EncryptedHandling,
    /// With what is too large to be scanned.
    pub too_large: UnscannedHandling,
    /// While the scanner is away.
    pub absent: AbsentHandling,
}

/// What is done with a virus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VirusHandling {
    /// The message is refused.
    #[default]
    Reject,
    /// It goes to Junk.
    Junk,
    /// It is taken without its content, and a notice stands there (SONET-31).
    Remove,
}

/// What is done with an archive that can't be looked into (SONET-17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncryptedHandling {
    /// Nothing.
    Pass,
    /// A field of the header says so.
    #[default]
    Tag,
    /// The message is refused.
    Reject,
}

/// What is done with a message that is too large to be scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnscannedHandling {
    /// It is taken.
    #[default]
    Pass,
    /// It is refused.
    Reject,
}

/// What is done while a scanner is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbsentHandling {
    /// Mail is put off.
    #[default]
    Defer,
    /// It is taken unscanned.
    Pass,
}

/// What becomes of a message that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentDisposition {
    /// As it came.
    Take,
    /// To Junk.
    Junk,
    /// Without its content.
    Remove,
}

/// What becomes of a message in which this was found?
///
/// # Errors
/// [`ContentDenial`], for [`crate::refusal_text::content`].
pub fn judge(fact: &ContentFact, rules: ContentRules) -> Result<ContentDisposition, ContentDenial> {
    let virus = |name: &String, file: &Option<String>| ContentDenial::Virus { name: name.clone(), file: file.clone() };
    match fact {
        ContentFact::Clean => Ok(ContentDisposition::Take),
        ContentFact::Virus { name, file } => match rules.virus {
            VirusHandling::Reject => Err(virus(name, file)),
            VirusHandling::Junk => Ok(ContentDisposition::Junk),
            VirusHandling::Remove => Ok(ContentDisposition::Remove),
        },
        ContentFact::Encrypted { file } => match rules.encrypted {
            EncryptedHandling::Pass | EncryptedHandling::Tag => Ok(ContentDisposition::Take),
            EncryptedHandling::Reject => Err(ContentDenial::Encrypted { file: file.clone() }),
        },
        ContentFact::Unpacked => Err(ContentDenial::Unpacked),
        ContentFact::TooLarge => match rules.too_large {
            UnscannedHandling::Pass => Ok(ContentDisposition::Take),
            UnscannedHandling::Reject => Err(ContentDenial::TooLarge),
        },
        ContentFact::Absent => match rules.absent {
            AbsentHandling::Pass => Ok(ContentDisposition::Take),
            AbsentHandling::Defer => Err(ContentDenial::Unscanned),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_chooses_what_becomes_of_what_is_found() {
        let rules = ContentRules::default();
        let virus = ContentFact::Virus { name: "Eicar".to_owned(), file: None };
        let encrypted = ContentFact::Encrypted { file: None };
        for (fact, rules, expected) in [
            (&ContentFact::Clean, rules, Ok(ContentDisposition::Take)),
            (&virus, rules, Err("virus")),
            (&virus, ContentRules { virus: VirusHandling::Junk, ..rules }, Ok(ContentDisposition::Junk)),
            (&virus, ContentRules { virus: VirusHandling::Remove, ..rules }, Ok(ContentDisposition::Remove)),
            (&encrypted, rules, Ok(ContentDisposition::Take)),
            (&encrypted, ContentRules { encrypted: EncryptedHandling::Reject, ..rules }, Err("encrypted_archive")),
            (&ContentFact::Unpacked, rules, Err("unpacked_size")),
            (&ContentFact::TooLarge, rules, Ok(ContentDisposition::Take)),
            (
                &ContentFact::TooLarge,
                ContentRules { too_large: UnscannedHandling::Reject, ..rules },
                Err("unscanned_size"),
            ),
            (&ContentFact::Absent, rules, Err("scanner")),
            (
                &ContentFact::Absent,
                ContentRules { absent: AbsentHandling::Pass, ..rules },
                Ok(ContentDisposition::Take),
            ),
        ] {
            let judged = judge(fact, rules).map_err(|denial| denial.reason());
            assert_eq!(judged, expected, "{fact:?} {rules:?}");
        }
    }
}
