//! The SPF record of a hosted domain (RFC 7208): one, readable, within its limits, and with our hosts in it.
//!
//! Ours is in it if every term of our record that lets hosts send is covered, by the same term, by a wider network, or in a record that is
//! included. Included records are read as well, since a mistake in one of them is a mistake of the whole (§5.2). A verifier may give up
//! where a lookup finds nothing (§4.6.4); that is not counted. SPF isn't inherited: each hosted subdomain needs a record of its own.
//!
//! - `walk`: a record with all that it includes; `grant`: who may send by one term.

mod grant;
mod walk;

use std::net::{Ipv4Addr, Ipv6Addr};

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::spf::{Mechanism, Qualifier, Spf};
use yubin_types::limits;

use super::Expected;
use super::finding::{Advice, Finding, RecordType, Subject};
use super::zone::{Looked, Zone};
use crate::verify::spf::{is_record, known_terms};

use grant::Grant;
use walk::Walk;

pub(super) fn check(expected: &Expected, zone: &Zone) -> Finding {
    let domain = expected.domain.as_str();
    let mut finding = Finding::new(Subject::Spf, domain, RecordType::Txt, expected.spf.clone());
    let texts = match zone.texts(domain) {
        Looked::Found(texts) => texts,
        Looked::Nothing => Vec::new(),
        Looked::Unknown(cause) => {
            finding.unknown(&cause);
            return finding;
        }
    };
    match Published::read(&texts) {
        Published::None => missing(finding, &texts, expected),
        Published::Several(records) => {
            let merged = merged(&records);
            let mut finding = finding.found(records);
            finding.wrong(
                "There are several SPF records; verifiers take that as an error and as no record (RFC 7208, section 4.5).",
                format!("Keep one TXT record, {merged}, and remove the others."),
            );
            finding
        }
        Published::Broken { record, term } => {
            let mut finding = finding.found(vec![record]);
            finding.wrong(
                term.map_or("It can't be read.".to_owned(), |term| format!("The term {term} can't be read.")),
                "Correct or remove it: with a mistake in it the whole record counts for nothing.",
            );
            finding
        }
        Published::Sound { record, spf } => lint(finding, &record, &spf, expected, zone),
    }
}

/// Names of records that are included and have not been asked for.
pub(super) fn unasked(expected: &Expected, zone: &Zone) -> Vec<String> {
    let domain = expected.domain.as_str();
    let Looked::Found(texts) = zone.texts(domain) else { return Vec::new() };
    match Published::read(&texts) {
        Published::Sound { spf, .. } => Walk::through(zone, domain, &spf).unasked,
        _ => Vec::new(),
    }
}

/// What stands at a name.
enum Published {
    None,
    Several(Vec<String>),
    /// With the first term that can't be read, if it is known.
    Broken {
        record: String,
        term: Option<String>,
    },
    Sound {
        record: String,
        spf: Spf,
    },
}

impl Published {
    fn read(texts: &[String]) -> Published {
        let mut records = texts.iter().filter(|text| is_record(text.as_bytes()));
        let (Some(record), more) = (records.next(), records.next()) else { return Published::None };
        if more.is_some() {
            return Published::Several(texts.iter().filter(|text| is_record(text.as_bytes())).cloned().collect());
        }
        let term = terms(record).find(|term| !is_sound(term));
        match parse(record) {
            Some(spf) if term.is_none() => Published::Sound { record: record.clone(), spf },
            _ => Published::Broken { record: record.clone(), term: term.map(str::to_owned) },
        }
    }
}

/// Can a term be read? The library is lenient with numbers and names; other verifiers aren't.
fn is_sound(term: &str) -> bool {
    let bare = term.trim_start_matches(['+', '-', '~', '?']).to_ascii_lowercase();
    let network = |text: &str, bits: u8| {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
        prefix.parse().is_ok_and(|prefix: u8| prefix <= bits).then(|| address.to_owned())
    };
    let arguments = if let Some(text) = bare.strip_prefix("ip4:") {
        network(text, 32).is_some_and(|address| address.parse::<Ipv4Addr>().is_ok())
    } else if let Some(text) = bare.strip_prefix("ip6:") {
        network(text, 128).is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
    } else {
        !bare.ends_with([':', '=', ','])
    };
    arguments && parse(&format!("v=spf1 {term}")).is_some()
}

fn parse(record: &str) -> Option<Spf> {
    Spf::parse(&known_terms(record.as_bytes())?).ok()
}

fn terms(record: &str) -> impl Iterator<Item = &str> {
    record.split(' ').skip(1).filter(|term| !term.is_empty())
}

fn missing(finding: Finding, texts: &[String], expected: &Expected) -> Finding {
    let publish = format!("Publish TXT {}", expected.spf);
    let close =
        texts.iter().find(|text| text.trim_start().to_ascii_lowercase().starts_with("v=spf") || text.contains("spf1"));
    if let Some(text) = close {
        let mut finding = finding.found(vec![text.clone()]);
        finding.wrong("It looks like an SPF record, and is none: it must begin with v=spf1 and a space.", publish);
        return finding;
    }
    finding.missing(
        "There is no SPF record: big receivers refuse mail of the domain. The record of a parent domain does not count for it.",
        publish,
    )
}

fn lint(finding: Finding, record: &str, spf: &Spf, expected: &Expected, zone: &Zone) -> Finding {
    let mut finding = finding.found(vec![record.to_owned()]);
    let walk = Walk::through(zone, expected.domain.as_str(), spf);
    for Advice { what, mend } in &walk.faults {
        finding.wrong(what.as_str(), mend.as_str());
    }
    if walk.lookups > limits::SPF_LOOKUPS_MAX {
        let (count, most) = (walk.lookups, limits::SPF_LOOKUPS_MAX);
        let counted = limits::SPF_LOOKUPS_COUNTED_MAX;
        let count = if count > counted { format!("more than {counted}") } else { count.to_string() };
        finding.wrong(
            format!("It takes {count} lookups; verifiers stop after {most} with an error (RFC 7208, section 4.6.4)."),
            "Remove include, a and mx terms of services that no longer send for the domain, or write their networks as ip4 and ip6.",
        );
    }
    ending(&mut finding, spf);
    let lacking: Vec<&str> = terms(&expected.spf)
        .filter(|term| {
            Grant::of_term(term, expected.domain.as_str())
                .is_some_and(|needed| !walk.grants.iter().any(|it| it.covers(&needed)))
        })
        .collect();
    if !lacking.is_empty() && walk.unknown.is_empty() {
        let lacking = lacking.join(" ");
        let whole = terms(record).fold(format!("v=spf1 {lacking}"), |whole, term| format!("{whole} {term}"));
        finding.wrong(
            format!("It does not let this cluster send: {lacking} is not in it."),
            format!("Publish TXT {whole}"),
        );
    }
    for cause in walk.unknown {
        finding.unknown(&cause);
    }
    finding
}

/// `all` and what stands around it.
fn ending(finding: &mut Finding, spf: &Spf) {
    let all = spf.directives.iter().position(|directive| directive.mechanism == Mechanism::All);
    match all.and_then(|place| spf.directives.get(place)).map(|directive| &directive.qualifier) {
        Some(Qualifier::Pass) => finding
            .wrong("It lets every host of the internet send in the domain's name (+all).", "End it with ~all or -all."),
        Some(Qualifier::Neutral) => {
            finding.hint("It says nothing about hosts that it does not name (?all).", "End it with ~all or -all.")
        }
        None if spf.redirect.is_none() => {
            finding.hint("It says nothing about hosts that it does not name.", "End it with ~all.")
        }
        _ => {}
    }
    if all.is_some_and(|place| place + 1 < spf.directives.len() || spf.redirect.is_some()) {
        finding.hint("What stands after all never counts.", "Put all at the end, without redirect.");
    }
    if spf.directives.iter().any(|directive| matches!(directive.mechanism, Mechanism::Ptr { .. })) {
        finding.hint(
            "The term ptr is slow, and many receivers ignore it (RFC 7208, section 5.5).",
            "Name hosts by a, mx, ip4 or ip6.",
        );
    }
}

/// One record with the terms of all, each once, and the first `all`.
fn merged(records: &[String]) -> String {
    let mut named: Vec<&str> = Vec::new();
    let mut all = "~all";
    for term in records.iter().rev().flat_map(|record| terms(record)) {
        let bare = term.trim_start_matches(['+', '-', '~', '?']);
        if bare.eq_ignore_ascii_case("all") {
            all = term;
        } else if !named.contains(&term) {
            named.push(term);
        }
    }
    named.push(all);
    format!("v=spf1 {}", named.join(" "))
}

#[cfg(test)]
mod tests;
