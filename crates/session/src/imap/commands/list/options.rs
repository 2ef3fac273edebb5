//! LIST's selection and return options (RFC 5258 §3, RFC 5819 §2, RFC 6154 §2).

use crate::imap::command::Reject;
use crate::imap::commands::status::{self, StatusItem};
use crate::imap::parser::{Parsed, Parser};

/// What to list and what to say of it.
#[derive(Debug, Default)]
pub(super) struct ListOptions {
    pub(super) selection: Selection,
    /// RETURN (SUBSCRIBED).
    return_subscribed: Option<Chosen>,
    /// RETURN (STATUS (...)).
    pub(super) status: Vec<StatusItem>,
}

/// An option that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen;

/// Selection options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// SUBSCRIBED.
    pub(super) subscribed: Option<Chosen>,
    /// SPECIAL-USE.
    pub(super) special_use: Option<Chosen>,
    /// RECURSIVEMATCH.
    recursive_match: Option<Chosen>,
}

impl Selection {
    pub(super) fn is_empty(&self) -> bool {
        *self == Selection::default()
    }
}

impl ListOptions {
    /// What LSUB means.
    pub(super) fn lsub() -> ListOptions {
        let selection = Selection { subscribed: Some(Chosen), ..Selection::default() };
        ListOptions { selection, ..ListOptions::default() }
    }

    pub(super) fn is_recursive(&self) -> bool {
        self.selection.recursive_match.is_some()
    }

    pub(super) fn shows_subscribed(&self) -> bool {
        self.selection.subscribed.is_some() || self.return_subscribed.is_some()
    }

    /// What CHILDINFO names: the criteria that something below meets.
    pub(super) fn child_info(&self) -> Option<&'static str> {
        match (self.selection.subscribed, self.selection.special_use) {
            (Some(_), Some(_)) => Some("\"SUBSCRIBED\" \"SPECIAL-USE\""),
            (Some(_), None) => Some("\"SUBSCRIBED\""),
            (None, Some(_)) => Some("\"SPECIAL-USE\""),
            (None, None) => None,
        }
    }
}

/// `(option option ...)` before the reference.
pub(super) fn parse_selection(parser: &mut Parser<'_>, options: &mut ListOptions) -> Parsed<()> {
    parser.expect(b'(', "Missing selection options")?;
    let selection = &mut options.selection;
    while !parser.eat(b')') {
        match parser.word()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => selection.subscribed = Some(Chosen),
            "SPECIAL-USE" => selection.special_use = Some(Chosen),
            "RECURSIVEMATCH" => selection.recursive_match = Some(Chosen),
            "REMOTE" => {}
            _ => return Err(Reject::Bad("Unknown selection option")),
        }
        parser.skip_spaces();
    }
    if selection.recursive_match.is_some() && selection.subscribed.is_none() && selection.special_use.is_none() {
        // RFC 5258 §3.1
        return Err(Reject::Bad("RECURSIVEMATCH needs another selection option"));
    }
    Ok(())
}

/// `RETURN (option option ...)`.
pub(super) fn parse_return(parser: &mut Parser<'_>, options: &mut ListOptions) -> Parsed<()> {
    if !parser.eat_word("RETURN") {
        return Err(Reject::Bad("Invalid return options"));
    }
    parser.space()?;
    parser.expect(b'(', "Missing return options")?;
    while !parser.eat(b')') {
        match parser.word()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => options.return_subscribed = Some(Chosen),
            // Always shown.
            "CHILDREN" | "SPECIAL-USE" => {}
            "STATUS" => {
                parser.space()?;
                options.status = status::parse_items(parser)?;
            }
            _ => return Err(Reject::Bad("Unknown return option")),
        }
        parser.skip_spaces();
    }
    Ok(())
}
