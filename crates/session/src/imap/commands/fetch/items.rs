//! What FETCH asks for: macros, data items, sections and partials.

use yubin_message::{FieldSelection, SectionText};
use yubin_types::limits;

use super::section::{Partial, Section, SectionPart};
use crate::imap::ask::RowDetail;
use crate::imap::command::Reject;
use crate::imap::output::Output;
use crate::imap::parser::{Parsed, Parser};

/// The items in their order.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) list: Vec<Item>,
    pub(super) marking: Marking,
}

/// Does showing the items set `\Seen`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marking {
    /// A section without PEEK is among them.
    Seen,
    Peek,
}

/// One data item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    Body,
    BodyStructure,
    ModSeq,
    SaveDate,
    /// RFC 8474.
    EmailId,
    /// RFC 8474: none here.
    ThreadId,
    Section(Section),
}

impl Items {
    pub(super) fn add_uid(&mut self) {
        if !self.list.contains(&Item::Uid) {
            self.list.insert(0, Item::Uid);
        }
    }

    pub(super) fn add_modseq(&mut self) {
        if !self.names_modseq() {
            self.list.push(Item::ModSeq);
        }
    }

    pub(super) fn names_modseq(&self) -> bool {
        self.list.contains(&Item::ModSeq)
    }

    /// What must be known of each message.
    pub(super) fn detail(&self) -> RowDetail {
        let cold = |item: &Item| match item {
            Item::Envelope | Item::Body | Item::BodyStructure => true,
            Item::Section(section) => !section.is_whole_message(),
            _ => false,
        };
        if self.list.iter().any(cold) { RowDetail::HotAndCold } else { RowDetail::Hot }
    }
}

/// A macro, one item, or a list of items.
pub(super) fn parse_items(parser: &mut Parser<'_>) -> Parsed<Items> {
    let mut items = Items { list: Vec::new(), marking: Marking::Peek };
    let fast = [Item::Flags, Item::InternalDate, Item::Size];
    if parser.eat_word("FAST") {
        items.list.extend(fast);
    } else if parser.eat_word("ALL") {
        items.list.extend(fast.into_iter().chain([Item::Envelope]));
    } else if parser.eat_word("FULL") {
        items.list.extend(fast.into_iter().chain([Item::Envelope, Item::Body]));
    } else if parser.eat(b'(') {
        parser.skip_spaces();
        while !parser.eat(b')') {
            parse_item(parser, &mut items)?;
            if parser.peek() != Some(b')') {
                parser.space()?;
            }
        }
    } else {
        parse_item(parser, &mut items)?;
    }
    if items.list.is_empty() { Err(Reject::Bad("Missing data items")) } else { Ok(items) }
}

fn parse_item(parser: &mut Parser<'_>, items: &mut Items) -> Parsed<()> {
    if items.list.len() >= limits::IMAP_FETCH_ITEMS_MAX {
        return Err(Reject::Bad("Too many data items"));
    }
    let name = parser.word()?.to_ascii_uppercase();
    let bracket = parser.peek() == Some(b'[');
    let item = match name.as_str() {
        "FLAGS" => Item::Flags,
        "UID" => Item::Uid,
        "INTERNALDATE" => Item::InternalDate,
        "RFC822.SIZE" => Item::Size,
        "ENVELOPE" => Item::Envelope,
        "BODYSTRUCTURE" => Item::BodyStructure,
        "MODSEQ" => Item::ModSeq,
        "SAVEDATE" => Item::SaveDate,
        "EMAILID" => Item::EmailId,
        "THREADID" => Item::ThreadId,
        "BODY" if !bracket => Item::Body,
        "BODY" => {
            items.marking = Marking::Seen;
            Item::Section(parse_section(parser)?)
        }
        "BODY.PEEK" if bracket => Item::Section(parse_section(parser)?),
        "RFC822" => {
            items.marking = Marking::Seen;
            Item::Section(Section::message(b"RFC822", SectionText::All))
        }
        "RFC822.HEADER" => Item::Section(Section::message(b"RFC822.HEADER", SectionText::Header)),
        "RFC822.TEXT" => {
            items.marking = Marking::Seen;
            Item::Section(Section::message(b"RFC822.TEXT", SectionText::Text))
        }
        _ => return Err(Reject::Bad("Unknown data item")),
    };
    items.list.push(item);
    Ok(())
}

/// `section` and `partial`, from `[` on (RFC 9051 §9).
fn parse_section(parser: &mut Parser<'_>) -> Parsed<Section> {
    parser.expect(b'[', "Missing section")?;
    let mut label = Output::default();
    label.text("BODY[");
    let mut numbers = Vec::new();
    let mut dotted = false;
    while parser.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        let number = parser.number()?;
        if number == 0 || numbers.len() >= limits::MIME_DEPTH_MAX * 2 {
            return Err(Reject::Bad("Invalid section"));
        }
        label.text(if numbers.is_empty() { "" } else { "." }).show(number);
        numbers.push(number);
        dotted = parser.eat(b'.');
        if !dotted {
            break;
        }
    }
    let part = if parser.peek() == Some(b']') && !dotted {
        SectionPart::Text(SectionText::All)
    } else if numbers.is_empty() || dotted {
        label.text(if dotted { "." } else { "" });
        parse_section_text(parser, &numbers, &mut label)?
    } else {
        return Err(Reject::Bad("Invalid section"));
    };
    parser.expect(b']', "Invalid section")?;
    label.text("]");
    let partial = parse_partial(parser)?;
    if let Some(partial) = partial {
        label.text("<").show(partial.offset).text(">");
    }
    Ok(Section { label: label.take().unwrap_or_default(), numbers, part, partial })
}

fn parse_section_text(parser: &mut Parser<'_>, numbers: &[u32], label: &mut Output) -> Parsed<SectionPart> {
    let name = parser.word()?.to_ascii_uppercase();
    label.text(&name);
    match name.as_str() {
        "HEADER" => Ok(SectionPart::Text(SectionText::Header)),
        "TEXT" => Ok(SectionPart::Text(SectionText::Text)),
        "MIME" if !numbers.is_empty() => Ok(SectionPart::Text(SectionText::Mime)),
        "HEADER.FIELDS" => parse_fields(parser, FieldSelection::Only, label),
        "HEADER.FIELDS.NOT" => parse_fields(parser, FieldSelection::Except, label),
        _ => Err(Reject::Bad("Invalid section")),
    }
}

fn parse_fields(parser: &mut Parser<'_>, selection: FieldSelection, label: &mut Output) -> Parsed<SectionPart> {
    parser.space()?;
    parser.expect(b'(', "Missing header field names")?;
    parser.skip_spaces();
    label.text(" (");
    let mut names: Vec<Vec<u8>> = Vec::new();
    while !parser.eat(b')') {
        let name = parser.astring()?;
        // RFC 5322 §3.6.8: what can't be a field's name is in no header, and could break the response.
        if name.is_empty() || !name.iter().all(|&byte| byte.is_ascii_graphic() && byte != b':') {
            return Err(Reject::Bad("Invalid header field name"));
        }
        if names.len() >= limits::IMAP_FETCH_FIELDS_MAX {
            return Err(Reject::Bad("Too many header field names"));
        }
        label.text(if names.is_empty() { "" } else { " " }).astring(&name);
        names.push(name.into_owned());
        parser.skip_spaces();
    }
    label.text(")");
    if names.is_empty() {
        return Err(Reject::Bad("Missing header field names"));
    }
    Ok(SectionPart::Fields { selection, names })
}

fn parse_partial(parser: &mut Parser<'_>) -> Parsed<Option<Partial>> {
    if !parser.eat(b'<') {
        return Ok(None);
    }
    let offset = parser.number64()?;
    parser.expect(b'.', "Invalid partial")?;
    let length = parser.number64()?;
    parser.expect(b'>', "Invalid partial")?;
    if length == 0 { Err(Reject::Bad("Invalid partial")) } else { Ok(Some(Partial { offset, length })) }
}

#[cfg(test)]
mod tests {
    use super::{Item, Marking, parse_items};
    use crate::imap::parser::Parser;

    #[test]
    fn sections_keep_their_names_in_the_response() {
        for (wire, label) in [
            ("BODY[]", "BODY[]"),
            ("body.peek[]<0.100>", "BODY[]<0>"),
            ("BODY[1.2.3]", "BODY[1.2.3]"),
            ("BODY[header]", "BODY[HEADER]"),
            ("BODY[1.2.mime]<7.1>", "BODY[1.2.MIME]<7>"),
            ("BODY.PEEK[HEADER.FIELDS (From \"To\")]", "BODY[HEADER.FIELDS (From To)]"),
            ("BODY[3.HEADER.FIELDS.NOT ({2}\r\nCc)]", "BODY[3.HEADER.FIELDS.NOT (Cc)]"),
            ("RFC822.HEADER", "RFC822.HEADER"),
        ] {
            let items = parse_items(&mut Parser::new(wire.as_bytes())).unwrap();
            let [Item::Section(section)] = &items.list[..] else { panic!("{wire}") };
            assert_eq!(section.label, label, "{wire}");
        }
    }

    #[test]
    fn only_what_is_not_peeked_marks() {
        for (wire, marking) in [
            ("(FLAGS BODY.PEEK[])", Marking::Peek),
            ("RFC822.HEADER", Marking::Peek),
            ("BODY", Marking::Peek),
            ("(BODY.PEEK[] BODY[1])", Marking::Seen),
            ("RFC822.TEXT", Marking::Seen),
        ] {
            assert_eq!(parse_items(&mut Parser::new(wire.as_bytes())).unwrap().marking, marking, "{wire}");
        }
    }

    #[test]
    fn broken_items_are_refused() {
        for wire in [
            "",
            "()",
            "(FLAGS",
            "(FLAGS,UID)",
            "FOO",
            "BODY[",
            "BODY[1.]",
            "BODY[.1]",
            "BODY[0]",
            "BODY[1.0]",
            "BODY[1TEXT]",
            "BODY[MIME]",
            "BODY[FOO]",
            "BODY[HEADER.FIELDS]",
            "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER.FIELDS (a:b)]",
            "BODY[]<1>",
            "BODY[]<0.0>",
            "BODY[]<-1.2>",
            "BODY.PEEK",
            "(ALL)",
            "BODY[4294967296]",
            "BODYSTRUCTURE[]",
        ] {
            let mut parser = Parser::new(wire.as_bytes());
            assert!(parse_items(&mut parser).is_err() || !parser.at_end(), "{wire}");
        }
        assert!(parse_items(&mut Parser::new(format!("BODY[{}1]", "1.".repeat(1000)).as_bytes())).is_err());
        assert!(parse_items(&mut Parser::new(format!("({})", "UID ".repeat(1000)).as_bytes())).is_err());
    }
}
