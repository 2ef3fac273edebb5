//! What a command is: an entry in the registry, and once parsed a little state machine.
//!
//! A family of commands is one file: it lists [`Command`]s, whose parse functions give a boxed [`Running`]. The session starts it, hands
//! it what it waited for ([`Turn`]), and ends it with a tagged response. Commands never see the socket, nor each other.

use std::borrow::Cow;

use super::ask::{Answer, Ask, Refusal};
use super::config::Config;
use super::output::Output;
use super::parser::{Parsed, Parser};
use super::state::{Selected, State};
use bytes::Bytes;

/// An entry of the registry.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in upper case.
    pub(super) name: &'static str,
    /// When it may be given.
    pub(super) allowed: Allowed,
    /// Reads the arguments: from behind the name to the end of the command.
    pub(super) parse: Parse,
}

/// How arguments are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parse {
    /// The usual.
    Arguments(fn(&mut Parser<'_>) -> Parsed<Box<dyn Running>>),
    /// It names messages of the selected mailbox by number, and after UID by unique identifier.
    Numbered(fn(&mut Parser<'_>, Numbering, &Selected) -> Parsed<Box<dyn Running>>),
    /// A literal in it is a message, which is not gathered: read as far as it has come at each announced literal.
    Streamed(fn(&mut Parser<'_>) -> Parsed<Streamed>),
}

/// A command with a message in it, read up to an announced literal.
#[derive(Debug)]
pub(super) enum Streamed {
    /// The literal is the message: from here on the command takes octets.
    Message(Box<dyn Running>),
    /// The literal is an argument before it.
    NotYet,
}

/// What numbers of messages mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// UIDs: the command came after UID.
    Unique,
}

/// In which states a command may be given (RFC 9051 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// In each.
    Always,
    /// Before login.
    NotAuthenticated,
    /// Before login, where passwords are taken: refused even before a literal with one is asked for.
    Login,
    /// After login.
    Authenticated,
    /// While a mailbox is selected.
    Selected,
}

/// Why a command is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    /// It breaks the grammar; the words after `BAD`.
    Bad(&'static str),
    /// It is well-formed and can't be done.
    Refused(Completion),
}

/// What a command works with.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) tag: &'a str,
    pub(super) out: &'a mut Output,
    pub(super) state: &'a mut State,
    pub(super) config: &'a Config,
}

/// A command at work.
pub(super) trait Running: Send + std::fmt::Debug {
    /// Begins.
    fn start(&mut self, cx: &mut Context<'_>) -> Turn;

    /// Goes on after [`Turn::Again`].
    fn proceed(&mut self, _cx: &mut Context<'_>) -> Turn {
        Turn::broken()
    }

    /// The answer after [`Turn::Ask`], if it is none of the refusing kinds.
    fn answer(&mut self, _answer: Answer, _cx: &mut Context<'_>) -> Turn {
        Turn::broken()
    }

    /// The answer after [`Turn::Ask`] refused, or nobody could say.
    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        Turn::Finish(Completion::refused(refusal))
    }

    /// The line after [`Turn::Line`], without its end.
    fn line(&mut self, _line: &[u8], _cx: &mut Context<'_>) -> Turn {
        Turn::broken()
    }

    /// The watched mailbox changed while the command waits for a line.
    fn changed(&mut self, _cx: &mut Context<'_>) -> Turn {
        Turn::Line
    }

    /// What the client is told while it is silent after [`Turn::Line`], so that nothing on the way forgets the connection; none where
    /// it is to speak soon.
    fn still_here(&self) -> Option<&'static str> {
        None
    }

    /// Octets after [`Turn::Octets`]: at least one, at most so many.
    fn octets(&mut self, _octets: Bytes, _cx: &mut Context<'_>) -> Turn {
        Turn::broken()
    }
}

/// What a command wants next.
#[derive(Debug)]
pub(super) enum Turn {
    /// An answer.
    Ask(Ask),
    /// To go on when what it has written so far is handed over, if that is much: [`Running::proceed`].
    Again,
    /// A line of the client.
    Line,
    /// At most so many octets of the client, as they are.
    Octets(u64),
    /// It is done.
    Finish(Completion),
    /// The session ends with BYE and these words.
    Bye(&'static str),
    /// The connection is beyond repair: a literal was announced and can't be filled.
    Abort,
}

impl Turn {
    /// Ends a command whose rim answered another question. Nothing that a client does leads here.
    pub(super) fn broken() -> Turn {
        Turn::Finish(Completion::no(Some("SERVERBUG"), "Internal error"))
    }
}

/// The tagged response that ends a command, and what comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    status: Status,
    code: Option<Cow<'static, str>>,
    text: Cow<'static, str>,
    pub(super) sync: Sync,
    pub(super) then: Then,
}

/// The condition of a tagged response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
}

/// What is said of the selected mailbox before the tagged response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// Everything that changed.
    Full,
    /// Nothing: message numbers must not move (RFC 9051 §7.5.1: FETCH, STORE and SEARCH), or the mailbox was just opened.
    None,
}

/// What happens after the tagged response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next command.
    Continue,
    /// The handshake.
    StartTls,
    /// The end.
    Close,
}

impl Completion {
    fn new(status: Status, code: Option<&'static str>, text: &'static str) -> Completion {
        let code = code.map(Cow::Borrowed);
        Completion { status, code, text: Cow::Borrowed(text), sync: Sync::Full, then: Then::Continue }
    }

    pub(super) fn ok(text: &'static str) -> Completion {
        Completion::new(Status::Ok, None, text)
    }

    pub(super) fn no(code: Option<&'static str>, text: &'static str) -> Completion {
        Completion::new(Status::No, code, text)
    }

    pub(super) fn bad(text: &'static str) -> Completion {
        Completion::new(Status::Bad, None, text)
    }

    /// The mailbox was opened with EXAMINE.
    pub(super) fn read_only() -> Completion {
        Completion::no(Some("READ-ONLY"), "The mailbox is open read-only").without_sync()
    }

    pub(super) fn refused(refusal: Refusal) -> Completion {
        let Refusal { code, text } = refusal;
        Completion { code: code.map(Cow::Owned), text: Cow::Owned(text), ..Completion::new(Status::No, None, "") }
    }

    pub(super) fn with_code(self, code: String) -> Completion {
        Completion { code: Some(Cow::Owned(code)), ..self }
    }

    pub(super) fn without_sync(self) -> Completion {
        Completion { sync: Sync::None, ..self }
    }

    /// Numbers of messages must not move while they are in use.
    pub(super) fn keeping(self, numbering: Numbering) -> Completion {
        match numbering {
            Numbering::Sequence => self.without_sync(),
            Numbering::Unique => self,
        }
    }

    pub(super) fn then(self, then: Then) -> Completion {
        Completion { then, ..self }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    pub(super) fn is_bad(&self) -> bool {
        self.status == Status::Bad
    }

    /// Writes it; `tag` may be `*`.
    pub(super) fn write(&self, tag: &str, out: &mut Output) {
        let status = match self.status {
            Status::Ok => " OK ",
            Status::No => " NO ",
            Status::Bad => " BAD ",
        };
        out.text(tag).text(status);
        if let Some(code) = &self.code {
            out.text("[").human(code).text("] ");
        }
        out.human(if self.text.is_empty() { "Done" } else { &self.text }).text("\r\n");
    }
}

impl Refusal {
    /// What [`Answer::Unavailable`] becomes (RFC 5530).
    pub(super) fn unavailable() -> Refusal {
        Refusal { code: Some("UNAVAILABLE".into()), text: "Temporarily unavailable, try again".into() }
    }

    /// Is what was asked for not there at all (RFC 5530)?
    pub(super) fn says_nonexistent(&self) -> bool {
        self.code.as_deref() == Some("NONEXISTENT")
    }
}
