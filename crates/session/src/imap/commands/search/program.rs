//! A search program, read without recursion: open parentheses, NOTs and ORs wait on a stack.
//!
//! Bounds: `IMAP_SEARCH_DEPTH_MAX` and `IMAP_SEARCH_KEYS_MAX`. RECENT and NEW match nothing, OLD everything, because `\Recent` is never set.

use std::ops::Range;

use yubin_message::Day;
use yubin_types::search::SearchKey;
use yubin_types::{Flag, Keyword, ModSeq, Timestamp, limits};

use super::charset::Charset;
use crate::imap::command::{Numbering, Reject};
use crate::imap::parser::{Parsed, Parser};
use crate::imap::state::Selected;

/// What waits for the next key.
enum Open {
    /// The whole program.
    Program(Vec<SearchKey>),
    /// `(`
    Parenthesis(Vec<SearchKey>),
    Not,
    /// OR, and its first key if it was read.
    Or(Option<SearchKey>),
}

/// One or more keys up to the end of the command.
pub(in crate::imap::commands) fn parse_program(
    parser: &mut Parser<'_>,
    charset: Charset,
    selected: &Selected,
) -> Parsed<SearchKey> {
    let mut stack = vec![Open::Program(Vec::new())];
    let mut keys = 0;
    loop {
        keys += 1;
        if keys > limits::IMAP_SEARCH_KEYS_MAX || stack.len() > limits::IMAP_SEARCH_DEPTH_MAX {
            return Err(Reject::Bad("Search program too large"));
        }
        if parser.eat(b'(') {
            parser.skip_spaces();
            stack.push(Open::Parenthesis(Vec::new()));
            continue;
        }
        let open = if parser.eat_word("NOT") {
            Some(Open::Not)
        } else if parser.eat_word("OR") {
            Some(Open::Or(None))
        } else {
            None
        };
        if let Some(open) = open {
            parser.space()?;
            stack.push(open);
            continue;
        }
        let key = parse_key(parser, charset, selected)?;
        if let Some(program) = complete(parser, &mut stack, key)? {
            return Ok(program);
        }
    }
}

/// Gives a key to what waits for it, and what that completes to what waits for that. The program, if it is at its end.
fn complete(parser: &mut Parser<'_>, stack: &mut Vec<Open>, mut key: SearchKey) -> Parsed<Option<SearchKey>> {
    while let Some(open) = stack.pop() {
        match open {
            Open::Not => key = SearchKey::Not(Box::new(key)),
            Open::Or(Some(first)) => key = SearchKey::Or(Box::new(first), Box::new(key)),
            Open::Or(None) => {
                parser.space()?;
                stack.push(Open::Or(Some(key)));
                return Ok(None);
            }
            Open::Parenthesis(mut keys) => {
                keys.push(key);
                let spaced = parser.peek() == Some(b' ');
                parser.skip_spaces();
                if !parser.eat(b')') {
                    if !spaced {
                        return Err(Reject::Bad("Missing parenthesis"));
                    }
                    stack.push(Open::Parenthesis(keys));
                    return Ok(None);
                }
                key = all_of(keys);
            }
            Open::Program(mut keys) => {
                keys.push(key);
                if parser.at_end() {
                    return Ok(Some(all_of(keys)));
                }
                parser.space()?;
                stack.push(Open::Program(keys));
                return Ok(None);
            }
        }
    }
    Err(Reject::Bad("Invalid search program"))
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        last => {
            keys.extend(last);
            SearchKey::And(keys)
        }
    }
}

fn nothing() -> SearchKey {
    SearchKey::Not(Box::new(SearchKey::All))
}

fn unset(flag: Flag) -> SearchKey {
    SearchKey::Not(Box::new(SearchKey::Flag(flag)))
}

/// A key that is no NOT, OR or parenthesis.
fn parse_key(parser: &mut Parser<'_>, charset: Charset, selected: &Selected) -> Parsed<SearchKey> {
    if parser.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'*') {
        let set = parser.sequence_set()?;
        // Numbers beyond the last match nothing.
        let exists = Some(selected.exists()).filter(|&exists| exists > 0);
        return Ok(SearchKey::Uids(selected.at_numbers(&set.resolve(exists))));
    }
    let name = parser.word()?.to_ascii_uppercase();
    if let Some(key) = plain_key(&name) {
        return Ok(key);
    }
    let spaced = parser.space();
    let text = |parser: &mut Parser<'_>| charset.decode(&parser.astring()?);
    let key = match name.as_str() {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header(name.to_ascii_lowercase(), text(parser)?),
        "HEADER" => {
            let field = text(parser)?;
            parser.space()?;
            SearchKey::Header(field, text(parser)?)
        }
        "BODY" => SearchKey::Body(text(parser)?),
        "TEXT" => SearchKey::Text(text(parser)?),
        "KEYWORD" => SearchKey::Flag(keyword(parser)?),
        "UNKEYWORD" => unset(keyword(parser)?),
        "LARGER" => SearchKey::Larger(parser.number64()?),
        "SMALLER" => SearchKey::Smaller(parser.number64()?),
        "UID" => SearchKey::Uids(parser.messages(Numbering::Unique, selected)?),
        "MODSEQ" => parse_modseq(parser)?,
        "YOUNGER" => SearchKey::Younger(interval(parser)?),
        "OLDER" => SearchKey::Older(interval(parser)?),
        "BEFORE" => SearchKey::Before(hours(parser)?.start),
        "ON" => within(hours(parser)?, SearchKey::Since, SearchKey::Before),
        "SINCE" => SearchKey::Since(hours(parser)?.start),
        "SENTBEFORE" => SearchKey::SentBefore(day(parser)?.0),
        "SENTON" => SearchKey::SentOn(day(parser)?.0),
        "SENTSINCE" => SearchKey::SentSince(day(parser)?.0),
        "SAVEDBEFORE" => SearchKey::SavedBefore(hours(parser)?.start),
        "SAVEDON" => within(hours(parser)?, SearchKey::SavedSince, SearchKey::SavedBefore),
        // No message has a THREADID, and an EMAILID that is none of ours is none that a message has.
        "EMAILID" => object_id(parser)?.parse().map_or_else(|_| nothing(), SearchKey::EmailId),
        "THREADID" => object_id(parser).map(|_| nothing())?,
        "SAVEDSINCE" => SearchKey::SavedSince(hours(parser)?.start),
        _ => return Err(Reject::Bad("Unknown search key")),
    };
    spaced.map(|()| key)
}

/// Keys without arguments.
fn plain_key(name: &str) -> Option<SearchKey> {
    Some(match name {
        "ALL" | "OLD" | "SAVEDATESUPPORTED" => SearchKey::All,
        "ANSWERED" => SearchKey::Flag(Flag::Answered),
        "DELETED" => SearchKey::Flag(Flag::Deleted),
        "DRAFT" => SearchKey::Flag(Flag::Draft),
        "FLAGGED" => SearchKey::Flag(Flag::Flagged),
        "SEEN" => SearchKey::Flag(Flag::Seen),
        "UNANSWERED" => unset(Flag::Answered),
        "UNDELETED" => unset(Flag::Deleted),
        "UNDRAFT" => unset(Flag::Draft),
        "UNFLAGGED" => unset(Flag::Flagged),
        "UNSEEN" => unset(Flag::Seen),
        "NEW" | "RECENT" => nothing(),
        _ => return None,
    })
}

fn keyword(parser: &mut Parser<'_>) -> Parsed<Flag> {
    Keyword::parse(parser.atom()?).map(Flag::Keyword).ok_or(Reject::Bad("Invalid keyword"))
}

/// RFC 8474 §7: letters, digits, `_` and `-`.
fn object_id(parser: &mut Parser<'_>) -> Parsed<String> {
    let id = parser.astring()?;
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !(1..=255).contains(&id.len()) || !id.iter().all(sound) {
        return Err(Reject::Bad("Invalid object id"));
    }
    Ok(String::from_utf8_lossy(&id).into_owned())
}

/// RFC 5032: seconds, not 0.
fn interval(parser: &mut Parser<'_>) -> Parsed<u64> {
    match parser.number()? {
        0 => Err(Reject::Bad("Invalid interval")),
        seconds => Ok(u64::from(seconds)),
    }
}

/// `date`, quoted or not.
fn day(parser: &mut Parser<'_>) -> Parsed<Day> {
    let text = parser.astring()?;
    Day::parse_imap(text.trim_ascii()).ok_or(Reject::Bad("Invalid date"))
}

/// From when to when such a day is.
fn hours(parser: &mut Parser<'_>) -> Parsed<Range<Timestamp>> {
    let (day, offset) = (day(parser)?, parser.utc_offset());
    Ok(day.begins(offset)..Day(day.0 + 1).begins(offset))
}

fn within(hours: Range<Timestamp>, since: fn(Timestamp) -> SearchKey, before: fn(Timestamp) -> SearchKey) -> SearchKey {
    SearchKey::And(vec![since(hours.start), before(hours.end)])
}

/// RFC 7162 §3.1.5: the name and type of a metadata item are allowed and mean nothing more here.
fn parse_modseq(parser: &mut Parser<'_>) -> Parsed<SearchKey> {
    if parser.peek() == Some(b'"') {
        parser.string()?;
        parser.space()?;
        if !["priv", "shared", "all"].iter().any(|kind| parser.eat_word(kind)) {
            return Err(Reject::Bad("Invalid metadata type"));
        }
        parser.space()?;
    }
    Ok(SearchKey::ModSeq(ModSeq(parser.number64()?)))
}

#[cfg(test)]
mod tests {
    use yubin_types::{MailboxId, Uid, UidSet, UtcOffset};

    use super::*;
    use crate::imap::state::Access;

    fn parse(text: &str) -> Parsed<SearchKey> {
        let selected = Selected::new(MailboxId(1), Access::ReadWrite, UidSet::range(10, 12), Uid(13), ModSeq(1));
        let mut parser = Parser::new(text.as_bytes());
        let program = parse_program(&mut parser, Charset::default(), &selected)?;
        parser.end().map(|()| program)
    }

    fn flag(text: &str) -> Box<SearchKey> {
        Box::new(SearchKey::Flag(Flag::parse(text).unwrap()))
    }

    #[test]
    fn programs_nest() {
        assert_eq!(parse("ALL").unwrap(), SearchKey::All);
        assert_eq!(
            parse("OR SEEN NOT (FLAGGED  DRAFT ) DELETED ").unwrap(),
            SearchKey::And(vec![
                SearchKey::Or(
                    flag("\\Seen"),
                    Box::new(SearchKey::Not(Box::new(SearchKey::And(vec![*flag("\\Flagged"), *flag("\\Draft")]))))
                ),
                *flag("\\Deleted")
            ])
        );
        assert_eq!(
            parse("or or seen draft (deleted)").unwrap(),
            SearchKey::Or(Box::new(SearchKey::Or(flag("\\Seen"), flag("\\Draft"))), flag("\\Deleted"))
        );
    }

    #[test]
    fn numbers_become_uids_and_those_beyond_match_nothing() {
        assert_eq!(parse("2:*").unwrap(), SearchKey::Uids(UidSet::range(11, 12)));
        assert_eq!(parse("7").unwrap(), SearchKey::Uids(UidSet::range(12, 11)));
        assert_eq!(parse("UID 12:99").unwrap(), SearchKey::Uids(UidSet::range(12, 12)));
    }

    #[test]
    fn arguments() {
        assert_eq!(parse("FROM \"a b\"").unwrap(), SearchKey::Header("from".into(), "a b".into()));
        assert_eq!(parse("HEADER X-A \"\"").unwrap(), SearchKey::Header("X-A".into(), String::new()));
        assert_eq!(parse("SENTON \"02-Jan-1970\"").unwrap(), SearchKey::SentOn(1));
        assert_eq!(parse("MODSEQ \"/flags/\\\\draft\" all 62").unwrap(), SearchKey::ModSeq(ModSeq(62)));
        let id = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(parse(&format!("EMAILID {id}")).unwrap(), SearchKey::EmailId(id.parse().unwrap()));
        assert_eq!(parse("EMAILID M-1_a").unwrap(), nothing());
        assert_eq!(parse("THREADID T1").unwrap(), nothing());
        assert_eq!(parse("UNKEYWORD $Junk").unwrap(), SearchKey::Not(flag("$Junk")));
    }

    #[test]
    fn days_begin_by_the_clock_that_is_configured() {
        let selected = Selected::new(MailboxId(1), Access::ReadWrite, UidSet::new(), Uid(1), ModSeq(1));
        let at = |text: &str, offset: &str| {
            let mut parser = Parser::new(text.as_bytes()).in_zone(UtcOffset::parse(offset).unwrap());
            parse_program(&mut parser, Charset::default(), &selected).unwrap()
        };
        let hour = |hour: u64| Timestamp::from_seconds(hour * 3_600);
        assert_eq!(at("SINCE 3-Jan-1970", "+00:00"), SearchKey::Since(hour(48)));
        assert_eq!(at("SINCE 3-Jan-1970", "+09:00"), SearchKey::Since(hour(39)));
        assert_eq!(at("BEFORE 3-Jan-1970", "-05:00"), SearchKey::Before(hour(53)));
        let on = SearchKey::And(vec![SearchKey::Since(hour(39)), SearchKey::Before(hour(63))]);
        assert_eq!(at("ON 3-Jan-1970", "+09:00"), on);
        let saved = SearchKey::And(vec![SearchKey::SavedSince(hour(39)), SearchKey::SavedBefore(hour(63))]);
        assert_eq!(at("SAVEDON 3-Jan-1970", "+09:00"), saved);
        assert_eq!(at("SINCE 1-Jan-1960", "+09:00"), SearchKey::Since(hour(0)));
        // Of the Date field, without regard to its zone.
        assert_eq!(at("SENTON 3-Jan-1970", "+09:00"), SearchKey::SentOn(2));
    }

    #[test]
    fn broken_programs_are_refused() {
        for text in [
            "",
            "(",
            "()",
            ")",
            "(ALL",
            "ALL)",
            "OR",
            "OR ALL",
            "NOT",
            "ALLSEEN",
            "FROM",
            "BEFORE x",
            "BEFORE 30-Feb-2020",
            "LARGER -1",
            "YOUNGER 0",
            "KEYWORD \\Seen",
            "FOO",
            "(ALL)(SEEN)",
            "1:2:3",
            "TEXT \"a",
            "MODSEQ",
            "HEADER a",
            "EMAILID \"\"",
            "THREADID a.b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(parse(&format!("{}ALL{}", "(".repeat(50), ")".repeat(50))).is_ok());
        assert!(parse(&format!("{}ALL", "NOT ".repeat(50))).is_ok());
        assert!(parse(&format!("{}ALL{}", "(".repeat(101), ")".repeat(101))).is_err());
        for text in ["(".repeat(1_000_000), "NOT ".repeat(100_000), "OR ".repeat(100_000), "ALL ".repeat(100_000)] {
            assert!(parse(&text).is_err());
        }
    }
}
