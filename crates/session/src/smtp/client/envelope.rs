//! The envelope: RSET where the last transaction left something, MAIL, RCPT for each recipient, DATA; pipelined where offered.
//!
//! With PIPELINING, at most `SMTP_PIPELINED_COMMANDS_MAX` commands are ahead of their replies, DATA among them; a 354 although no
//! recipient was accepted gets an empty message, as RFC 2920 §3.1 asks. With CHUNKING no DATA is said: the message goes by BDAT once a
//! recipient is accepted. A 421, a lost connection or silence leaves every recipient deferred that was not refused before.

use std::collections::VecDeque;

use yubin_types::limits;

use super::contract::{Ask, ConnectionState, FailureKind, Stage};
use super::extensions::Extension;
use super::reply::Reply;
use super::session::{Heard, Leftover, Phase, SmtpClient, conclusion};
use super::transaction::Transaction;
use super::transfer::Transfer;
use crate::step::Step;

/// A transaction whose message has not begun.
#[derive(Debug)]
pub(super) struct Envelope {
    transaction: Transaction,
    next: Next,
    /// What the server owes replies to, in order.
    expected: VecDeque<Expected>,
    mail: MailState,
}

/// What is to be said next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Mail,
    /// For this recipient or a later one.
    Rcpt(usize),
    Data,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MailState {
    Open,
    Accepted,
    Refused,
}

impl Expected {
    const fn stage(self) -> Stage {
        match self {
            Expected::Rset => Stage::Reset,
            Expected::Mail => Stage::Mail,
            Expected::Rcpt(_) => Stage::Rcpt,
            Expected::Data => Stage::Data,
        }
    }
}

impl Envelope {
    pub(super) fn new(transaction: Transaction) -> Envelope {
        Envelope { transaction, next: Next::Mail, expected: VecDeque::new(), mail: MailState::Open }
    }

    /// May another command go out before the replies that are owed?
    fn may_send(&self) -> bool {
        let ahead = if self.transaction.extensions().has(Extension::Pipelining) {
            limits::SMTP_PIPELINED_COMMANDS_MAX
        } else {
            1
        };
        self.next != Next::Nothing && self.expected.len() < ahead
    }
}

impl SmtpClient {
    pub(super) fn envelope(&mut self, mut envelope: Envelope) -> Option<Step<Ask>> {
        while envelope.may_send() {
            self.say_next(&mut envelope);
        }
        let Some(&expected) = envelope.expected.front() else {
            self.envelope_answered(envelope);
            return None;
        };
        let limits = &self.config.time_limits;
        let seconds_max = match expected {
            Expected::Rset => limits.hello_seconds,
            Expected::Mail => limits.mail_seconds,
            Expected::Rcpt(_) => limits.rcpt_seconds,
            Expected::Data => limits.data_seconds,
        };
        match self.hear(seconds_max) {
            Heard::Wait(step) => {
                self.phase = Phase::Envelope(envelope);
                Some(step)
            }
            Heard::Never(kind) => {
                self.cut_off(envelope.transaction, expected.stage(), kind);
                None
            }
            Heard::Reply(lines) => {
                envelope.expected.pop_front();
                self.envelope_reply(envelope, expected, &lines.reply);
                None
            }
        }
    }

    fn say_next(&mut self, envelope: &mut Envelope) {
        let chunking = envelope.transaction.extensions().has(Extension::Chunking);
        match envelope.next {
            Next::Mail => {
                if std::mem::take(&mut self.server.leftover) == Leftover::Open {
                    self.command("RSET");
                    envelope.expected.push_back(Expected::Rset);
                }
                let line = envelope.transaction.mail_command(self.now);
                self.command(&line);
                envelope.expected.push_back(Expected::Mail);
                envelope.next = Next::Rcpt(0);
            }
            Next::Rcpt(from) => match envelope.transaction.next_open(from) {
                Some(index) => {
                    let line = envelope.transaction.rcpt_command(index);
                    self.command(&line);
                    envelope.expected.push_back(Expected::Rcpt(index));
                    envelope.next = Next::Rcpt(index + 1);
                }
                None if chunking => envelope.next = Next::Nothing,
                None => envelope.next = Next::Data,
            },
            Next::Data => {
                // Without replies that are owed it is known whether anybody is there to send to.
                if !envelope.expected.is_empty() || envelope.transaction.any_accepted() {
                    self.command("DATA");
                    envelope.expected.push_back(Expected::Data);
                }
                envelope.next = Next::Nothing;
            }
            Next::Nothing => {}
        }
    }

    fn envelope_reply(&mut self, mut envelope: Envelope, expected: Expected, reply: &Reply) {
        if reply.code == 421 {
            envelope.transaction.conclude(expected.stage(), reply);
            return self.finished(envelope.transaction, ConnectionState::Over);
        }
        let negative = reply.is_transient() || reply.is_permanent();
        match expected {
            Expected::Rset if reply.is_positive() => {}
            Expected::Mail if reply.is_positive() => envelope.mail = MailState::Accepted,
            Expected::Mail if negative => {
                envelope.mail = MailState::Refused;
                envelope.transaction.conclude(Stage::Mail, reply);
                envelope.next = Next::Nothing;
            }
            Expected::Rcpt(_) if envelope.mail == MailState::Refused => {}
            Expected::Rcpt(index) if reply.is_positive() => envelope.transaction.accept(index),
            Expected::Rcpt(index) if negative => envelope.transaction.refuse(index, reply),
            Expected::Data if reply.code == 354 => {
                self.phase = Phase::Transfer(Transfer::data(envelope.transaction));
                return;
            }
            Expected::Data if negative => {
                envelope.transaction.conclude(Stage::Data, reply);
            }
            _ => return self.cut_off(envelope.transaction, expected.stage(), FailureKind::Garbled),
        }
        self.phase = Phase::Envelope(envelope);
    }

    /// Everything is said and answered, and no message was begun.
    fn envelope_answered(&mut self, envelope: Envelope) {
        if envelope.transaction.any_accepted() {
            self.phase = Phase::Transfer(Transfer::chunks(envelope.transaction));
            return;
        }
        if envelope.mail == MailState::Accepted {
            self.server.leftover = Leftover::Open;
        }
        self.finished(envelope.transaction, ConnectionState::Usable);
    }

    /// The connection ended before the message was sent to its end.
    pub(super) fn cut_off(&mut self, mut transaction: Transaction, stage: Stage, kind: FailureKind) {
        transaction.conclude(stage, &conclusion(kind, stage));
        self.finished(transaction, ConnectionState::Over);
    }
}
