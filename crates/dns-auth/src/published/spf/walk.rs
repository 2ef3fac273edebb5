//! A record with all that it includes: who may send, what is wrong in included records, and how many lookups it takes.
//!
//! Lookups are counted as a verifier counts them that finds no match before `all` (RFC 7208 §4.6.4): the most it can take. Names made
//! from a message are counted and not followed. The walk ends when far too many have been counted, so loops end too.

use mail_auth::spf::{Directive, Macro, Mechanism, Qualifier, Spf};
use yubin_types::limits;

use super::super::finding::Advice;
use super::super::zone::{Looked, Zone};
use super::Published;
use super::grant::{Grant, target};

pub(super) struct Walk<'z> {
    zone: &'z Zone,
    /// The records that lead to the present one.
    path: Vec<String>,
    pub(super) lookups: u32,
    pub(super) grants: Vec<Grant>,
    pub(super) faults: Vec<Advice>,
    /// Why some records are not known.
    pub(super) unknown: Vec<String>,
    /// Names that have not been asked for.
    pub(super) unasked: Vec<String>,
}

impl<'z> Walk<'z> {
    /// From the record of this domain on.
    pub(super) fn through(zone: &'z Zone, domain: &str, record: &Spf) -> Walk<'z> {
        let mut walk = Walk {
            zone,
            path: Vec::new(),
            lookups: 0,
            grants: Vec::new(),
            faults: Vec::new(),
            unknown: Vec::new(),
            unasked: Vec::new(),
        };
        walk.follow(domain, record);
        walk
    }

    fn follow(&mut self, domain: &str, record: &Spf) {
        self.path.push(domain.to_owned());
        let mut ended = false;
        for directive in &record.directives {
            self.grants.extend(Grant::new(directive, domain));
            match &directive.mechanism {
                Mechanism::All => {
                    ended = true;
                    self.all(domain, directive);
                    break;
                }
                Mechanism::Include { macro_string } => self.descend("include", macro_string, domain),
                Mechanism::A { .. } | Mechanism::Mx { .. } | Mechanism::Ptr { .. } | Mechanism::Exists { .. } => {
                    self.lookups = self.lookups.saturating_add(1);
                }
                Mechanism::Ip4 { .. } | Mechanism::Ip6 { .. } => {}
            }
        }
        if let (Some(name), false) = (&record.redirect, ended) {
            self.grants.extend(target(name, domain).map(Grant::Record));
            self.descend("redirect", name, domain);
        }
        self.path.pop();
    }

    /// `+all` in an included record lets everybody send; that of the domain itself is looked at elsewhere.
    fn all(&mut self, domain: &str, directive: &Directive) {
        if self.path.len() > 1 && directive.qualifier == Qualifier::Pass {
            self.faults.push(Advice::new(
                format!("The record of {domain}, which it includes, lets every host of the internet send (+all)."),
                format!("Remove what includes {domain}."),
            ));
        }
    }

    fn descend(&mut self, how: &str, name: &Macro, domain: &str) {
        self.lookups = self.lookups.saturating_add(1);
        if self.lookups > limits::SPF_LOOKUPS_COUNTED_MAX {
            return;
        }
        let Some(target) = target(name, domain) else { return };
        if self.path.contains(&target) {
            self.faults.push(Advice::new(
                format!("The record of {domain} leads back to that of {target}: verifiers take the loop as an error."),
                format!("Remove {how} of {target} from the record of {domain}."),
            ));
            return;
        }
        let texts = match self.zone.texts.get(&target) {
            Some(Looked::Found(texts)) => texts.as_slice(),
            Some(Looked::Nothing) => &[],
            Some(Looked::Unknown(cause)) => return self.unknown.push(format!("{target}: {cause}")),
            None => {
                self.unknown.push(format!("{target}: the check ended before it was asked for"));
                return self.unasked.push(target);
            }
        };
        let fault = match Published::read(texts) {
            Published::Sound { spf, .. } => return self.follow(&target, &spf),
            Published::None => "has no SPF record".to_owned(),
            Published::Several(_) => "has several SPF records".to_owned(),
            Published::Broken { term: Some(term), .. } => format!("has an SPF record with a mistake in it ({term})"),
            Published::Broken { term: None, .. } => "has an SPF record with a mistake in it".to_owned(),
        };
        let written = if how == "include" { format!("include:{target}") } else { format!("redirect={target}") };
        self.faults.push(Advice::new(
            format!("{written} leads nowhere: {target} {fault}, and with it the whole record is an error (RFC 7208, section 5.2)."),
            format!("Remove {written} from the record of {domain}, or have it corrected by the owner of {target}."),
        ));
    }
}
