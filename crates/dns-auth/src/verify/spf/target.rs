//! The names that an SPF record makes of macros (RFC 7208 §7).
//!
//! Expanding is the library's; here stands what it leaves open: a name that grew beyond 253 characters loses labels from its left (§7.3),
//! and `%{p}` is the name of the peer that was confirmed, or `unknown`.

use mail_auth::spf::{Macro, Variables};

use super::SpfQuestion;

/// Longest name in text, without the final dot (RFC 7208 §7.3).
const NAME_BYTES_MAX: usize = 253;

/// What macros stand for in one record.
pub(super) struct Names<'a> {
    pub(super) question: SpfQuestion<'a>,
    /// `%{s}`
    pub(super) sender: &'a str,
    /// `%{d}`: whose record it is.
    pub(super) domain: &'a str,
    /// `%{p}`
    pub(super) validated: &'a str,
}

impl Names<'_> {
    /// The name that a term asks about: the record's own domain if it gives none.
    pub(super) fn target(&self, term: &Macro) -> String {
        if matches!(term, Macro::None) {
            return self.domain.to_owned();
        }
        let mut variables = Variables::new();
        variables.set_ip(&self.question.peer);
        variables.set_sender(self.sender.as_bytes());
        variables.set_domain(self.domain.as_bytes());
        variables.set_helo_domain(self.question.helo.as_bytes());
        variables.set_host_domain(self.question.host.as_bytes());
        variables.set_validated_domain(self.validated.as_bytes());
        let expanded = term.eval(&variables, self.domain, false);
        shortened(expanded.strip_suffix('.').unwrap_or(&expanded)).to_owned()
    }
}

fn shortened(mut name: &str) -> &str {
    while name.len() > NAME_BYTES_MAX {
        match name.split_once('.') {
            Some((_, rest)) => name = rest,
            None => return "",
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use mail_auth::common::parse::TxtRecordParser as _;
    use mail_auth::spf::{Mechanism, Spf};

    use super::super::SpfQuestion;
    use super::{Names, shortened};

    /// RFC 7208 §7.4: the examples.
    #[test]
    fn macros_of_the_rfc() {
        let (v4, v6) = ("192.0.2.3", "2001:db8::cb01");
        for (peer, text, expected) in [
            (v4, "%{s}", "strong-bad@email.example.com"),
            (v4, "%{o}", "email.example.com"),
            (v4, "%{d4}", "email.example.com"),
            (v4, "%{d2}", "example.com"),
            (v4, "%{d1}", "com"),
            (v4, "%{dr}", "com.example.email"),
            (v4, "%{d2r}", "example.email"),
            (v4, "%{l-}", "strong.bad"),
            (v4, "%{lr}", "strong-bad"),
            (v4, "%{lr-}", "bad.strong"),
            (v4, "%{l1r-}", "strong"),
            (v4, "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            (v4, "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            (v4, "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            (v4, "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            (v4, "%{h}.%{p}", "mx.example.org.unknown"),
            (
                v6,
                "%{ir}.%{v}._spf.%{d2}",
                "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
            ),
        ] {
            let record = Spf::parse(format!("v=spf1 exists:{text}").as_bytes()).unwrap();
            let Mechanism::Exists { macro_string } = &record.directives[0].mechanism else { panic!() };
            let question =
                SpfQuestion { peer: peer.parse().unwrap(), helo: "mx.example.org", sender: None, host: "here" };
            let names = Names {
                question,
                sender: "strong-bad@email.example.com",
                domain: "email.example.com",
                validated: "unknown",
            };
            assert_eq!(names.target(macro_string), expected, "{text}");
        }
    }

    #[test]
    fn a_name_too_long_loses_labels_from_its_left() {
        let long = format!("{}example.com", "abcdefghi.".repeat(30));
        let short = shortened(&long);
        assert!(short.len() <= 253 && short.len() > 240 && short.ends_with(".example.com"), "{short}");
        assert_eq!(shortened(&"x".repeat(300)), "");
    }
}
