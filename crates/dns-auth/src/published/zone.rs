//! The part of the DNS that a check has seen: questions and what came.
//!
//! What was not asked, because time or lookups ran out, is unknown like what nobody answered.

use std::collections::BTreeMap;

use crate::mta_sts::{FetchError, Policy};
use crate::resolver::LookupError;

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looked<T> {
    /// Records, at least one.
    Found(Vec<T>),
    /// There are none.
    Nothing,
    /// Nobody could say, for this reason.
    Unknown(String),
}

/// What is known of a mail host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// It has addresses.
    Sound,
    /// It is an alias of a name that has.
    Alias(String),
    /// It has none, or does not exist.
    Nowhere,
    /// Nobody could say, for this reason.
    Unknown(String),
}

/// What has been asked. Names are in lower case, without a final dot.
#[derive(Debug, Default)]
pub(super) struct Zone {
    pub(super) exchanges: BTreeMap<String, Looked<(u16, String)>>,
    pub(super) texts: BTreeMap<String, Looked<String>>,
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) services: BTreeMap<String, Looked<(u16, String)>>,
    /// The domain's MTA-STS policy, if one is announced.
    pub(super) policy: Option<Result<Policy, FetchError>>,
}

const NOT_ASKED: &str = "the check ended before it was asked for";

impl<T> Looked<T> {
    pub(super) fn new(result: Result<Vec<T>, LookupError>) -> Looked<T> {
        match result {
            Ok(records) if records.is_empty() => Looked::Nothing,
            Ok(records) => Looked::Found(records),
            Err(LookupError::NoDomain(_) | LookupError::NoData(_)) => Looked::Nothing,
            Err(error) => Looked::Unknown(error.to_string()),
        }
    }
}

impl Zone {
    /// The mail exchangers of a name.
    pub(super) fn exchanges(&self, name: &str) -> Looked<(u16, String)> {
        asked(&self.exchanges, name)
    }

    /// The texts of a name.
    pub(super) fn texts(&self, name: &str) -> Looked<String> {
        asked(&self.texts, name)
    }

    /// The services at a name.
    pub(super) fn services(&self, name: &str) -> Looked<(u16, String)> {
        asked(&self.services, name)
    }

    /// What is known of a host.
    pub(super) fn host(&self, name: &str) -> Host {
        self.hosts.get(name).cloned().unwrap_or_else(|| Host::Unknown(NOT_ASKED.to_owned()))
    }
}

fn asked<T: Clone>(answers: &BTreeMap<String, Looked<T>>, name: &str) -> Looked<T> {
    answers.get(name).cloned().unwrap_or_else(|| Looked::Unknown(NOT_ASKED.to_owned()))
}

#[cfg(test)]
impl Zone {
    /// A zone in which these texts are all that is published; a text `?` can't be looked up.
    pub(super) fn of_texts(texts: &[(&str, &str)]) -> Zone {
        let mut zone = Zone::default();
        for (name, text) in texts {
            let entry = zone.texts.entry((*name).to_owned()).or_insert(Looked::Nothing);
            match (*text, entry) {
                ("?", entry) => *entry = Looked::Unknown("no name server answered in time".to_owned()),
                ("", _) => {}
                (text, Looked::Found(known)) => known.push(text.to_owned()),
                (text, entry) => *entry = Looked::Found(vec![text.to_owned()]),
            }
        }
        zone
    }
}
