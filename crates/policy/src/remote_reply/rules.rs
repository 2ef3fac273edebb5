//! The table from replies to classes, in three parts. The first line that fits counts, so the special ones stand first.
//!
//! A line names a class, and what a reply must have: a server's domain, a kind of code, an enhanced code, a word.

mod codes;
mod phrases;
mod receivers;

use super::{Class, Reply};

/// Which codes a rule is for.
#[derive(Clone, Copy, Debug)]
enum Code {
    Any,
    /// 4xx.
    Temporary,
    /// 5xx.
    Permanent,
    Is(u16),
}

/// A line of the table. An empty list fits everything; of a list, one item must fit.
#[derive(Clone, Copy, Debug)]
struct Rule {
    class: Class,
    /// Domains of the servers it is for.
    hosts: &'static [&'static str],
    code: Code,
    /// Subject and detail of the enhanced code.
    status: &'static [(u16, u16)],
    /// Words in the text, in lower case.
    words: &'static [&'static str],
}

/// Words of a receiver, or of everyone.
const fn words(class: Class, hosts: &'static [&'static str], code: Code, words: &'static [&'static str]) -> Rule {
    Rule { class, hosts, code, status: &[], words }
}

/// Enhanced codes of a receiver, or of everyone.
const fn status(class: Class, hosts: &'static [&'static str], code: Code, status: &'static [(u16, u16)]) -> Rule {
    Rule { class, hosts, code, status, words: &[] }
}

/// The class of a reply; `host` and `text` in lower case.
pub(super) fn class(reply: &Reply<'_>, host: &str, text: &str) -> Class {
    let mut rules = [receivers::RULES, phrases::RULES, codes::RULES].into_iter().flatten();
    rules.find(|rule| rule.fits(reply, host, text)).map_or(Class::Permanent, |rule| rule.class)
}

impl Rule {
    fn fits(&self, reply: &Reply<'_>, host: &str, text: &str) -> bool {
        let code = match self.code {
            Code::Any => true,
            Code::Temporary => reply.code < 500,
            Code::Permanent => reply.code >= 500,
            Code::Is(code) => reply.code == code,
        };
        let within =
            |domain: &&str| host.strip_suffix(*domain).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        let status = reply.enhanced.map(|it| (it.subject, it.detail));
        code && (self.hosts.is_empty() || self.hosts.iter().any(within))
            && (self.status.is_empty() || status.is_some_and(|it| self.status.contains(&it)))
            && (self.words.is_empty() || self.words.iter().any(|word| text.contains(word)))
    }
}
