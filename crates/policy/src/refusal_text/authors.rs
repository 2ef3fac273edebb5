//! What users are told whose message names an author that is not theirs.
//!
//! A program shows the text to somebody who knows nothing of header fields: it names the address that was refused, the account that logged
//! in, and whom to ask. It is the same whether the address exists or not.

use yubin_types::{Address, SmtpReply, limits};

use crate::author::AuthorDenial;

/// A message of this user that is not taken for its From field.
#[must_use]
pub fn author(denial: &AuthorDenial, user: &Address) -> SmtpReply {
    match denial {
        AuthorDenial::NotOwned(author) | AuthorDenial::Elsewhere(author) => {
            let text = format!(
                "From <{author}> refused: no address of {user}, who logged in. Set the sender to an address of that account, or ask your \
                 provider for the right to send as the other"
            );
            SmtpReply::new(550, (5, 7, 1), &text)
        }
        AuthorDenial::Several => malformed("it has more than one From field"),
        AuthorDenial::Missing => malformed("it has no From field"),
        AuthorDenial::Unreadable => malformed("its From field is not a plain list of addresses"),
        AuthorDenial::TooMany => {
            malformed(&format!("its From field has more than {} addresses", limits::SUBMITTED_AUTHORS_MAX))
        }
    }
}

/// RFC 5322 §3.6: exactly one From, with addresses.
fn malformed(why: &str) -> SmtpReply {
    let text = format!("Message refused: {why}; it needs exactly one, as in From: Name <local@domain> (RFC 5322)");
    SmtpReply::new(550, (5, 7, 1), &text)
}

#[cfg(test)]
mod tests {
    use yubin_types::Address;

    use super::author;
    use crate::author::AuthorDenial;

    #[test]
    fn who_is_refused_reads_which_address_and_what_to_do() {
        let address = |text: &str| Address::parse(text).unwrap();
        let user = address("ann@home.jp");
        let said = author(&AuthorDenial::NotOwned(address("boss@home.jp")), &user).to_string();
        assert!(said.starts_with("550 5.7.1 From <boss@home.jp> refused: no address of ann@home.jp"), "{said}");
        assert!(said.contains("ask your provider"), "{said}");
        let long = format!("{}@{}.jp", "a".repeat(64), "b.".repeat(100).trim_end_matches('.'));
        let said = author(&AuthorDenial::Elsewhere(address(&long)), &address(&long)).to_string();
        assert!(said.contains(&long) && said.len() < 510, "{said}");
        assert!(
            author(&AuthorDenial::Several, &user).to_string().starts_with("550 5.7.1 Message refused: it has more")
        );
    }
}
