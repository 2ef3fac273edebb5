//! The octets of the milter protocol: packets of a length, a command and its data; what both sides can do, as bits; answers.

use yubin_types::SmtpReply;

use super::{Change, Field};
use crate::scan::ScanError;

/// Most of a body in one packet, octets.
pub(super) const BODY_BYTES_MAX: usize = 65_535;

/// The version that we speak.
const VERSION: u32 = 6;
/// What a milter may do: add header fields (0x01), change them (0x10), quarantine (0x20).
const ACTIONS: u32 = 0x31;
/// What it may leave out or leave unanswered.
const STEPS: u32 = 0x000f_f7ff;
/// It wants to hear of refused recipients too, of which there are none.
const REFUSED_RECIPIENTS: u32 = 0x800;

/// What is agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    version: u32,
    actions: u32,
    steps: u32,
}

/// A step of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Helo,
    Mail,
    Recipient,
    Data,
    Header,
    EndOfHeader,
    Body,
}

/// What a milter says to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Continue,
    Accept,
    /// Nothing more of this kind.
    Skip,
    /// It is still at work.
    Progress,
    Discard,
    Refuse(SmtpReply),
    Change(Change),
    Quarantine,
}

impl Offer {
    /// What we offer.
    pub(super) const OURS: Offer = Offer { version: VERSION, actions: ACTIONS, steps: STEPS };

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.version, self.actions, self.steps].map(u32::to_be_bytes).concat()
    }

    /// Reads what a milter wants; none if it speaks another version or wants other steps. Many announce actions that they seldom take:
    /// only taking one that was not offered is an error.
    pub(super) fn parse(data: &[u8]) -> Option<Offer> {
        let at = |at: usize| data.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk));
        let offer = Offer { version: at(0)?, actions: at(4)?, steps: at(8)? };
        let known = (2..=VERSION).contains(&offer.version);
        (known && offer.steps & !(STEPS | REFUSED_RECIPIENTS) == 0).then_some(offer)
    }

    /// Does it want to see this at all?
    pub(super) const fn passes_over(self, step: Step) -> bool {
        // DATA came with version 4.
        self.steps & step.passed_over() != 0 || (matches!(step, Step::Data) && self.version < 4)
    }

    /// Does it give no answer to this?
    pub(super) const fn says_nothing_to(self, step: Step) -> bool {
        self.steps & step.unanswered() != 0
    }
}

impl Step {
    pub(super) const fn command(self) -> u8 {
        match self {
            Step::Connect => b'C',
            Step::Helo => b'H',
            Step::Mail => b'M',
            Step::Recipient => b'R',
            Step::Data => b'T',
            Step::Header => b'L',
            Step::EndOfHeader => b'N',
            Step::Body => b'B',
        }
    }

    const fn passed_over(self) -> u32 {
        match self {
            Step::Connect => 0x1,
            Step::Helo => 0x2,
            Step::Mail => 0x4,
            Step::Recipient => 0x8,
            Step::Body => 0x10,
            Step::Header => 0x20,
            Step::EndOfHeader => 0x40,
            Step::Data => 0x200,
        }
    }

    const fn unanswered(self) -> u32 {
        match self {
            Step::Header => 0x80,
            Step::Connect => 0x1000,
            Step::Helo => 0x2000,
            Step::Mail => 0x4000,
            Step::Recipient => 0x8000,
            Step::Data => 0x1_0000,
            Step::EndOfHeader => 0x4_0000,
            Step::Body => 0x8_0000,
        }
    }
}

/// A packet.
pub(super) fn packet(command: u8, data: &[&[u8]]) -> Vec<u8> {
    let length = 1 + data.iter().map(|part| part.len()).sum::<usize>();
    let mut packet = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    packet.push(command);
    data.iter().for_each(|part| packet.extend_from_slice(part));
    packet
}

/// Reads an answer.
pub(super) fn answer(command: u8, data: &[u8]) -> Result<Answer, ScanError> {
    let broken = || ScanError::Answer(format!("answer {:?}", char::from(command)));
    let number = || data.first_chunk().map(|chunk| u32::from_be_bytes(*chunk)).and_then(|it| usize::try_from(it).ok());
    let rest = || data.get(4..).unwrap_or_default();
    Ok(match command {
        b'c' => Answer::Continue,
        b'a' => Answer::Accept,
        b's' => Answer::Skip,
        b'p' => Answer::Progress,
        b'd' => Answer::Discard,
        b'q' => Answer::Quarantine,
        b'r' => Answer::Refuse(SmtpReply::new(550, (5, 7, 1), "Message refused by a filter")),
        b't' | b'f' | b'4' => Answer::Refuse(SmtpReply::new(451, (4, 7, 1), "A filter asks to try again later")),
        b'y' => Answer::Refuse(reply(data).ok_or_else(broken)?),
        b'h' => Answer::Change(Change::Add(field(data).ok_or_else(broken)?)),
        b'i' => Answer::Change(Change::Insert(number().ok_or_else(broken)?, field(rest()).ok_or_else(broken)?)),
        b'm' => Answer::Change(Change::Replace(number().ok_or_else(broken)?, field(rest()).ok_or_else(broken)?)),
        _ => return Err(broken()),
    })
}

/// Name and value, each with its NUL. A value can't end its field.
fn field(data: &[u8]) -> Option<Field> {
    let mut parts = data.split(|octet| *octet == 0);
    let (name, value) = (parts.next()?, parts.next()?);
    let sound =
        !name.is_empty() && name.len() <= 255 && name.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':');
    let mut folded = Vec::with_capacity(value.len());
    let mut lines =
        value.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    while let Some(line) = lines.next() {
        folded.extend(line.iter().map(|octet| if octet.is_ascii_control() && *octet != b'\t' { b' ' } else { *octet }));
        if let Some(next) = lines.peek() {
            folded.extend_from_slice(if matches!(next.first(), Some(b' ' | b'\t')) { b"\r\n" } else { b"\r\n\t" });
        }
    }
    sound.then(|| Field { name: String::from_utf8_lossy(name).into_owned(), value: folded })
}

/// `550 5.7.1 text`, the enhanced code left out or not.
fn reply(data: &[u8]) -> Option<SmtpReply> {
    let text = String::from_utf8_lossy(data.split(|octet| *octet == 0).next()?).into_owned();
    let (code, rest) = (text.get(..3)?.parse::<u16>().ok()?, text.get(3..)?.trim_start_matches([' ', '-']));
    let class = u8::try_from(code / 100).ok().filter(|class| matches!(class, 4 | 5))?;
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut numbers = first.split('.').map(|number| number.parse::<u16>().ok());
    let status = match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Some(given)), Some(Some(subject)), Some(Some(detail)), None) if given == u16::from(class) => {
            return Some(SmtpReply::new(code, (class, subject, detail), after));
        }
        _ => (class, 7, 1),
    };
    Some(SmtpReply::new(code, status, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(data: &[u8]) -> Option<String> {
        match answer(b'y', data) {
            Ok(Answer::Refuse(reply)) => Some(reply.to_string()),
            _ => None,
        }
    }

    #[test]
    fn replies_are_taken_as_far_as_they_are_replies() {
        assert_eq!(refused(b"554 5.7.0 no\0").unwrap(), "554 5.7.0 no");
        assert_eq!(refused(b"451 wait\0").unwrap(), "451 4.7.1 wait");
        assert_eq!(refused(b"550 4.7.0 no\r\n250 yes\0").unwrap(), "550 5.7.1 4.7.0 no??250 yes");
        for broken in [&b"250 ok\0"[..], b"", b"no\0", b"\xff\xff\xff\0"] {
            assert_eq!(refused(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_value_can_not_leave_its_field() {
        let value = |value: &[u8]| match answer(b'h', &[b"X-A\0", value, b"\0"].concat()) {
            Ok(Answer::Change(Change::Add(field))) => String::from_utf8(field.value).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(value(b"a"), "a");
        assert_eq!(value(b"a\n b\n\tc"), "a\r\n b\r\n\tc");
        assert_eq!(value(b"a\r\nBcc: b\n\nbody\rx"), "a\r\n\tBcc: b\r\n\t\r\n\tbody x");
        for name in [&b"X A\0v\0"[..], b"X:\0v\0", b"\0v\0", b"X", b"\xc3\xa4\0v\0"] {
            assert!(answer(b'h', name).is_err(), "{name:?}");
        }
        assert!(answer(b'm', b"\0\0").is_err() && answer(b'b', b"body").is_err() && answer(b'+', b"<a>\0").is_err());
    }

    #[test]
    fn only_what_is_offered_is_agreed_on() {
        let offer = |version: u32, actions: u32, steps: u32| {
            Offer::parse(&[version, actions, steps].map(u32::to_be_bytes).concat())
        };
        assert!(offer(6, 0x31, 0x10_0000).is_none() && offer(7, 0, 0).is_none() && offer(6, 0x02, 0x800).is_some());
        let agreed = offer(6, 0x21, 0x10 | 0x80).unwrap();
        assert!(
            agreed.passes_over(Step::Body) && !agreed.passes_over(Step::Header) && agreed.says_nothing_to(Step::Header)
        );
        assert!(offer(2, 0, 0).unwrap().passes_over(Step::Data));
        assert_eq!(Offer::parse(&Offer::OURS.to_bytes()), Some(Offer::OURS));
        assert_eq!(packet(b'H', &[b"x", b"\0"]), b"\0\0\0\x03Hx\0");
    }
}
