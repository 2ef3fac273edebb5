//! What the rim's answers do to an SMTP session.
//!
//! A refusal is told as the rim wrote it; one of MAIL, DATA or the message ends the transaction. An answer that does not fit its question
//! is our failure: 421, never a permanent reply.

use std::fmt::Write as _;

use yubin_types::{SmtpReply, TraceId, limits};

use super::contract::{Answer, Mail, Recipient, Verdict};
use super::receive::{Message, Reason};
use super::session::{Afterwards, Envelope, Phase, Replies, SmtpSession, Transaction, Transfer};
use super::violation::Violation;
use super::wishes::Wishes;
use super::xclient::Claimed;
use crate::sasl::{Exchange, Progress};

impl SmtpSession {
    /// The rim's word in the middle of a SASL exchange; a refusal is that of the login.
    pub(super) fn consulted(&mut self, exchange: Exchange, answer: Answer) {
        match answer {
            Answer::Sasl(reply) => match exchange.answer(reply) {
                Some(Progress::Continue(exchange)) => self.challenge(exchange),
                Some(Progress::Done(claim)) => self.phase = Phase::Claimed(claim),
                Some(Progress::Ask(..)) | None => self.unexpected(),
            },
            answer => self.authenticated(answer),
        }
    }

    pub(super) fn authenticated(&mut self, answer: Answer) {
        self.phase = Phase::Command(Envelope::None);
        match answer {
            Answer::Authenticated { user } => {
                self.client.user = Some(user);
                self.tally.login_failures = 0;
                self.say("235 2.7.0 Authentication successful");
            }
            Answer::Refused(reply) => {
                self.tally.login_failures += u32::from(reply.is_permanent());
                self.refused(&reply);
                if self.tally.login_failures >= limits::LOGIN_FAILURES_MAX {
                    self.dismiss("421 4.7.0 Too many failed logins; closing connection");
                }
            }
            _ => self.unexpected(),
        }
    }

    pub(super) fn opened(&mut self, mail: Mail, wishes: Wishes, answer: Answer) {
        match answer {
            Answer::Accepted => {
                self.tally.transactions += 1;
                self.blame.settle();
                match wishes.priority.filter(|asked| *asked != mail.handling.priority) {
                    // RFC 6710 §4.1: the new one is told.
                    Some(_) => {
                        self.say(&format!("250 2.3.6 {} is the new priority of the message", mail.handling.priority))
                    }
                    None => self.say("250 2.1.0 Sender OK"),
                }
                self.phase = Phase::Command(Envelope::Open(Transaction { mail, recipients: 0, admitted: 0, tried: 0 }));
            }
            Answer::Refused(reply) => self.back_to_commands(&reply),
            _ => self.unexpected(),
        }
    }

    pub(super) fn invited(
        &mut self,
        mut transaction: Transaction,
        pending: Vec<Result<Recipient, Violation>>,
        answer: Answer,
    ) {
        let verdicts = match answer {
            Answer::Recipients(verdicts) => verdicts,
            Answer::Refused(reply) => {
                let asked = pending.iter().filter(|recipient| recipient.is_ok()).count();
                vec![Verdict::Refused(reply); asked]
            }
            _ => return self.unexpected(),
        };
        let mut verdicts = verdicts.into_iter();
        let mut outcomes = Vec::with_capacity(pending.len());
        for recipient in pending {
            outcomes.push(match recipient {
                Err(violation) => Err(violation),
                // A verdict that is missing is the rim's failure, never the peer's.
                Ok(_) => Ok(verdicts.next().unwrap_or_else(|| {
                    Verdict::Refused(SmtpReply::new(451, (4, 3, 0), "Temporary failure; try again later"))
                })),
            });
        }
        transaction.recipients += outcomes.iter().filter(|outcome| matches!(outcome, Ok(Verdict::Accepted))).count();
        self.phase = Phase::Command(Envelope::Open(transaction));
        for outcome in outcomes {
            if matches!(self.phase, Phase::Closed) {
                return;
            }
            match outcome {
                Err(violation) => self.violated(violation),
                Ok(Verdict::Accepted) => self.say("250 2.1.5 Recipient OK"),
                Ok(Verdict::Refused(reply)) => self.recipient_refused(&reply),
            }
        }
    }

    fn recipient_refused(&mut self, reply: &SmtpReply) {
        self.tally.refused_recipients += u32::from(reply.is_permanent());
        self.tally.unreported += u32::from(reply.is_permanent());
        self.refused(reply);
        if self.tally.refused_recipients > limits::SMTP_REFUSED_RECIPIENTS_MAX {
            self.dismiss("421 4.7.0 Too many refused recipients; closing connection");
        }
    }

    /// XCLIENT.
    pub(super) fn client_named(&mut self, claimed: Claimed, answer: &Answer) {
        match answer {
            Answer::Accepted => self.claimed(claimed),
            Answer::Refused(reply) => self.back_to_commands(reply),
            _ => self.unexpected(),
        }
    }

    pub(super) fn begun(&mut self, transfer: Transfer, replies: Replies, answer: Answer) {
        let bytes_max = self.config.message_bytes_max;
        match (transfer, answer) {
            (Transfer::Data, Answer::Accepted) => {
                self.say("354 End data with <CR><LF>.<CR><LF>");
                self.phase = Phase::Receiving(Message::data(bytes_max, replies));
            }
            (Transfer::Data, Answer::Refused(reply)) => self.back_to_commands(&reply),
            (Transfer::Chunk(chunk), Answer::Accepted) => {
                self.phase = Phase::Receiving(Message::chunked(chunk, bytes_max, replies));
            }
            // The octets of the chunk are on their way all the same.
            (Transfer::Chunk(chunk), Answer::Refused(reply)) => {
                self.phase = Phase::Receiving(Message::unwanted(chunk, Reason::Rim(reply), bytes_max, replies));
            }
            _ => self.unexpected(),
        }
    }

    /// The session goes on where it was, unless its failures were too many.
    pub(super) fn reported(&mut self, afterwards: Afterwards, answer: &Answer) {
        match (afterwards, answer) {
            (Afterwards::Command(envelope), Answer::Accepted) => self.phase = Phase::Command(envelope),
            (Afterwards::Command(_), Answer::Refused(reply)) => self.back_to_commands(reply),
            (Afterwards::Closed, _) => self.phase = Phase::Closed,
            (Afterwards::Command(_), _) => self.unexpected(),
        }
    }

    pub(super) fn finished(&mut self, replies: Replies, answer: Answer) {
        self.phase = Phase::Command(Envelope::None);
        match answer {
            Answer::Stored { id } => {
                self.forgive();
                (0..replies.0).for_each(|_| self.say_stored(id));
            }
            Answer::Outcomes { id, verdicts } => self.settled(replies, id, &verdicts),
            Answer::Refused(reply) => self.refused_each(replies, &reply),
            _ => self.unexpected(),
        }
    }

    /// One reply for each recipient; a verdict that is missing is the rim's failure.
    fn settled(&mut self, replies: Replies, id: TraceId, verdicts: &[Verdict]) {
        if verdicts.contains(&Verdict::Accepted) {
            self.forgive();
        }
        for place in 0..replies.0 {
            match verdicts.get(place) {
                Some(Verdict::Accepted) => self.say_stored(id),
                Some(Verdict::Refused(reply)) => self.refused(reply),
                None => self.say("451 4.3.0 Temporary failure; try again later"),
            }
        }
    }

    /// The same refusal for each recipient; a 421 is said once, since it is the last word.
    pub(super) fn refused_each(&mut self, replies: Replies, reply: &SmtpReply) {
        for _ in 0..replies.0 {
            if !matches!(self.phase, Phase::Closed) {
                self.refused(reply);
            }
        }
    }

    fn say_stored(&mut self, id: TraceId) {
        let _ = write!(self.output, "250 2.0.0 Message stored as {id}\r\n");
    }

    /// Whoever brings mail may make mistakes anew.
    fn forgive(&mut self) {
        self.blame.settle();
        self.tally.errors = 0;
        self.tally.idle_commands = 0;
        self.tally.forgiven = 0;
        self.bore_fruit();
    }

    /// A refusal that ends the transaction.
    fn back_to_commands(&mut self, reply: &SmtpReply) {
        self.phase = Phase::Command(Envelope::None);
        self.refused(reply);
    }

    /// An answer that doesn't fit its question: the rim has failed.
    fn unexpected(&mut self) {
        self.close("421 4.3.0 Internal error; closing connection");
    }
}
