//! The session: takes commands one after the other, runs each to its end, says what changed, and ends itself when it must.
//!
//! A command is a value that waits for an answer, a line or octets ([`Turn`]); whatever arrives is handed to it in [`ImapSession::next`].
//! After a command the selected mailbox is brought up to date ([`Sync`]), then the tagged response is written.
//!
//! Limits: `IMAP_PREAUTH_LINE_BYTES_MAX` for everything before login, `IMAP_COMMAND_BYTES_MAX` and `IMAP_LITERAL_BYTES_MAX` after it;
//! `IMAP_ERRORS_MAX` bad commands; silence and the time to log in. What a client pipelines waits in the socket.

mod intake;
mod silence;

use yubin_types::{Timestamp, limits};

use self::silence::Silence;
use super::ask::{Answer, Ask, Refusal};
use super::command::{Completion, Context, Reject, Running, Sync, Then, Turn};
use super::config::Config;
use super::framer::Framer;
use super::output::Output;
use super::registry;
use super::state::{Expunges, State};
use crate::{Security, Session, Step, TlsFacts};

/// An IMAP server session.
#[derive(Debug)]
pub struct ImapSession {
    config: Config,
    framer: Framer,
    out: Output,
    state: State,
    activity: Activity,
    /// A step that waits until all output is handed over.
    pending: Option<Step<Ask>>,
    arrived: Option<Answer>,
    news: News,
    ending: Option<Ending>,
    errors: u32,
    /// When the first step was asked for; from then on the client has so long to log in.
    opened: Option<Timestamp>,
    /// When the client last said something; none until the next step knows.
    heard: Option<Timestamp>,
    silence: Silence,
}

/// What the session is doing.
#[derive(Debug)]
enum Activity {
    Greeting,
    AwaitingCommand,
    Running {
        tag: String,
        command: Box<dyn Running>,
        waiting: Waiting,
    },
    /// The command is done; the mailbox is asked for what changed before the client is told so.
    Syncing {
        tag: String,
        completion: Completion,
    },
    Handshake,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Start,
    Again,
    Answer,
    Line,
    Octets(u64),
}

/// Did the watched mailbox change since it was last asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    Changed,
}

/// Why the session ends at the next boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Drain,
    Revoked,
    TimedOut,
    EndOfInput,
}

enum Next {
    Again,
    Read,
    Step(Step<Ask>),
}

impl ImapSession {
    /// A session on a new connection.
    #[must_use]
    pub fn new(config: Config) -> Self {
        ImapSession {
            state: State::new(config.security.clone()),
            config,
            framer: Framer::new(),
            out: Output::default(),
            activity: Activity::Greeting,
            pending: None,
            arrived: None,
            news: News::None,
            ending: None,
            errors: 0,
            opened: None,
            heard: None,
            silence: Silence::Short,
        }
    }

    fn advance(&mut self) -> Next {
        match std::mem::replace(&mut self.activity, Activity::Closed) {
            Activity::Closed | Activity::Handshake => Next::Step(Step::Close),
            Activity::Greeting => {
                self.out.text("* OK [");
                registry::write_capabilities(&self.state, &self.config, &mut self.out);
                self.out.text("] ").human(&self.config.hostname).text(" ready\r\n");
                self.activity = Activity::AwaitingCommand;
                Next::Again
            }
            Activity::AwaitingCommand => match self.ending {
                Some(ending) if ending != Ending::EndOfInput => self.bye(ending.text()),
                _ => self.take_command(),
            },
            Activity::Running { tag, command, waiting } => self.resume(tag, command, waiting),
            Activity::Syncing { tag, completion } => self.synced(&tag, &completion),
        }
    }

    fn run(&mut self, tag: String, command: Box<dyn Running>) -> Next {
        self.activity = Activity::Running { tag, command, waiting: Waiting::Start };
        Next::Again
    }

    /// Hands the command what it waits for, if it is there.
    fn resume(&mut self, tag: String, mut command: Box<dyn Running>, waiting: Waiting) -> Next {
        let interrupted = self.ending.filter(|&ending| ending != Ending::EndOfInput);
        let cx = &mut Context { tag: &tag, out: &mut self.out, state: &mut self.state, config: &self.config };
        let turn = match waiting {
            Waiting::Start => command.start(cx),
            Waiting::Again => command.proceed(cx),
            Waiting::Answer => match self.arrived.take() {
                None => {
                    self.activity = Activity::Running { tag, command, waiting };
                    return Next::Read;
                }
                Some(Answer::Refused(refusal)) => command.refused(refusal, cx),
                Some(Answer::Unavailable) => command.refused(Refusal::unavailable(), cx),
                Some(Answer::LoginRevoked) => {
                    self.ending = Some(Ending::Revoked);
                    command.refused(Refusal { code: None, text: Ending::Revoked.text().to_owned() }, cx)
                }
                Some(answer) => command.answer(answer, cx),
            },
            Waiting::Line => match interrupted {
                Some(ending) => Turn::Bye(ending.text()),
                None if std::mem::replace(&mut self.news, News::None) == News::Changed => command.changed(cx),
                None => match self.framer.next_line(limits::IMAP_PREAUTH_LINE_BYTES_MAX) {
                    Some(Ok(line)) => command.line(&line, cx),
                    Some(Err(_)) => Turn::Finish(Completion::bad("Line too long")),
                    None => {
                        self.activity = Activity::Running { tag, command, waiting };
                        return Next::Read;
                    }
                },
            },
            Waiting::Octets(_) if matches!(interrupted, Some(Ending::TimedOut | Ending::Revoked)) => {
                Turn::Bye(interrupted.map_or("", Ending::text))
            }
            Waiting::Octets(wanted) => {
                let bytes_max = limits::BODY_CHUNK_BYTES.min(usize::try_from(wanted).unwrap_or(usize::MAX));
                match self.framer.take(bytes_max) {
                    Some(octets) => command.octets(octets, cx),
                    None => {
                        self.activity = Activity::Running { tag, command, waiting };
                        return Next::Read;
                    }
                }
            }
        };
        self.follow(tag, command, turn)
    }

    fn follow(&mut self, tag: String, command: Box<dyn Running>, turn: Turn) -> Next {
        let waiting = match turn {
            Turn::Ask(ask) => {
                self.arrived = None;
                self.activity = Activity::Running { tag, command, waiting: Waiting::Answer };
                return Next::Step(Step::Ask(ask));
            }
            Turn::Again => Waiting::Again,
            Turn::Line => Waiting::Line,
            Turn::Octets(bytes) => Waiting::Octets(bytes),
            Turn::Finish(completion) => return self.finish(tag, completion),
            Turn::Bye(text) => {
                let revoked = self.ending.filter(|&ending| ending == Ending::Revoked);
                return self.bye(revoked.map_or(text, Ending::text));
            }
            Turn::Abort => return Next::Again,
        };
        self.activity = Activity::Running { tag, command, waiting };
        Next::Again
    }

    fn finish(&mut self, tag: String, completion: Completion) -> Next {
        let Some(selected) = self.state.selected().filter(|_| completion.sync == Sync::Full) else {
            return self.complete(&tag, &completion);
        };
        let ask = Ask::Changes { mailbox: selected.id, since: selected.modseq };
        self.arrived = None;
        self.activity = Activity::Syncing { tag, completion };
        Next::Step(Step::Ask(ask))
    }

    fn synced(&mut self, tag: &str, completion: &Completion) -> Next {
        match self.arrived.take() {
            Some(Answer::Changes(changes)) => {
                let condstore = self.state.condstore();
                if let Some(selected) = self.state.selected_mut() {
                    selected.apply(&changes, Expunges::Show, condstore, &mut self.out);
                }
            }
            // Deleted under the session: the numbers mean nothing any more.
            Some(Answer::Refused(refusal)) if refusal.says_nonexistent() => {
                completion.write(tag, &mut self.out);
                return self.bye("The selected mailbox is gone");
            }
            Some(Answer::LoginRevoked) => self.ending = Some(Ending::Revoked),
            // What changed is shown another time.
            _ => {}
        }
        self.complete(tag, completion)
    }

    fn complete(&mut self, tag: &str, completion: &Completion) -> Next {
        completion.write(tag, &mut self.out);
        self.activity = Activity::AwaitingCommand;
        if completion.is_bad() {
            return self.count_error();
        }
        if completion.is_ok() && self.state.user.is_some() {
            self.errors = 0;
        }
        match completion.then {
            Then::Continue if self.state.login_failures >= limits::LOGIN_FAILURES_MAX => {
                self.bye("Too many failed logins")
            }
            Then::Continue => Next::Again,
            Then::Close => {
                self.activity = Activity::Closed;
                Next::Again
            }
            Then::StartTls => {
                self.framer.clear();
                self.activity = Activity::Handshake;
                Next::Step(Step::StartTls)
            }
        }
    }

    fn reject(&mut self, tag: &str, reject: Reject) -> Next {
        let completion = match reject {
            Reject::Bad(text) => Completion::bad(text),
            Reject::Refused(completion) => completion,
        };
        self.complete(tag, &completion)
    }

    fn count_error(&mut self) -> Next {
        self.errors += 1;
        if self.errors >= limits::IMAP_ERRORS_MAX { self.bye("Too many errors") } else { Next::Again }
    }

    fn bye(&mut self, text: &str) -> Next {
        self.out.text("* BYE ").human(text).text("\r\n");
        self.activity = Activity::Closed;
        Next::Again
    }
}

impl Ending {
    const fn text(self) -> &'static str {
        match self {
            Ending::Drain => "Server shutting down, connect again",
            Ending::Revoked => "The account changed, log in again",
            Ending::TimedOut => "Idle for too long",
            Ending::EndOfInput => "",
        }
    }
}

impl Session for ImapSession {
    type Ask = Ask;
    type Answer = Answer;

    fn next(&mut self, now: Timestamp) -> Step<Ask> {
        self.opened.get_or_insert(now);
        self.heard.get_or_insert(now);
        loop {
            let handing_over = self.out.is_full() || self.pending.is_some();
            if let Some(bytes) = handing_over.then(|| self.out.take()).flatten() {
                return Step::Write(bytes);
            }
            if let Some(step) = self.pending.take() {
                return step;
            }
            match self.advance() {
                Next::Again => {}
                Next::Step(step) => self.pending = Some(step),
                // Not kept: what happens until it is carried out may change it.
                Next::Read => match self.out.take() {
                    Some(bytes) => return Step::Write(bytes),
                    None => {
                        if let Some(step) = self.read(now) {
                            return step;
                        }
                    }
                },
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.heard = None;
        self.framer.receive(bytes);
    }

    fn answer(&mut self, answer: Answer) {
        let asked =
            matches!(self.activity, Activity::Syncing { .. } | Activity::Running { waiting: Waiting::Answer, .. });
        match answer {
            Answer::Changed => self.news = News::Changed,
            Answer::LoginRevoked if !asked => self.ending = Some(Ending::Revoked),
            answer => self.arrived = Some(answer),
        }
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        self.framer.clear();
        self.state = State::new(Security::Encrypted(facts));
        self.activity = Activity::AwaitingCommand;
    }

    fn end_of_input(&mut self) {
        self.ending.get_or_insert(Ending::EndOfInput);
    }

    fn timed_out(&mut self) {
        self.was_silent();
    }

    fn scarce_seconds_max(&self, _now: Timestamp) -> Option<u64> {
        self.state.user.is_none().then_some(limits::SCARCE_IDLE_SECONDS_MAX)
    }

    fn drain(&mut self) {
        self.ending.get_or_insert(Ending::Drain);
    }
}
