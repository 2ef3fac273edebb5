//! Receives a message by DATA or BDAT and hands it to the rim in large pieces.
//!
//! A message that can't be taken (a [`Fault`], a refusal of the rim in the middle) is read to its end, so that the next command is found
//! where it is, and answered there; the rim has dropped it by then. Reading in vain is bounded as well: at twice the size limit the
//! connection is closed.
//!
//! What was received is cut off the input without copying; pieces of at least `PIECE_BYTES` go to the rim, and the rest with
//! [`Ask::Finish`], so that a small message costs one question.

use bytes::BytesMut;
use yubin_types::{SmtpReply, Timestamp, limits};

use super::command::{Chunk, Last};
use super::content::{Content, End, Fault, Framing};
use super::contract::{Answer, Ask};
use super::session::{Envelope, Phase, Replies, SmtpSession};
use super::violation::Violation;
use crate::step::Step;

/// A piece that is worth a question, bytes.
const PIECE_BYTES: usize = limits::BODY_CHUNK_BYTES / 2;

/// A message is large beyond this, and its input gets room for several pieces, bytes.
const LARGE_BYTES: u64 = 16 * 1024;

/// A message that comes in.
#[derive(Debug)]
pub(super) struct Message {
    content: Content,
    /// Not handed over yet.
    body: BytesMut,
    feed: Feed,
    fate: Fate,
    started: Option<Timestamp>,
    bytes_max: u64,
    /// At its end.
    replies: Replies,
}

/// Where the data ends.
#[derive(Debug)]
enum Feed {
    Dots(End),
    Chunk { announced: u64, left: u64, last: Last },
}

/// What becomes of the message.
#[derive(Debug)]
enum Fate {
    Wanted,
    /// The rim has dropped it; this is told at its end.
    Unwanted(Reason),
}

/// Why a message is not wanted.
#[derive(Debug)]
pub(super) enum Reason {
    /// It has no place here.
    Violation(Violation),
    /// It can't be taken by anyone.
    Fault(Fault),
    /// The rim said no.
    Rim(SmtpReply),
}

impl Message {
    /// DATA was answered with 354.
    pub(super) fn data(bytes_max: u64, replies: Replies) -> Message {
        Message::new(Framing::Dots, Feed::Dots(End::Open), Fate::Wanted, bytes_max, replies)
    }

    /// The first BDAT.
    pub(super) fn chunked(chunk: Chunk, bytes_max: u64, replies: Replies) -> Message {
        Message::new(Framing::Counted, Feed::of(chunk), Fate::Wanted, bytes_max, replies)
    }

    /// A BDAT that is refused, with octets that must be skipped.
    pub(super) fn unwanted(chunk: Chunk, reason: Reason, bytes_max: u64, replies: Replies) -> Message {
        Message::new(Framing::Counted, Feed::of(chunk), Fate::Unwanted(reason), bytes_max, replies)
    }

    /// The next BDAT of the same message.
    pub(super) fn with(mut self, chunk: Chunk) -> Message {
        self.feed = Feed::of(chunk);
        self
    }

    fn new(framing: Framing, feed: Feed, fate: Fate, bytes_max: u64, replies: Replies) -> Message {
        let content = Content::new(framing, bytes_max);
        Message { content, body: BytesMut::new(), feed, fate, started: None, bytes_max, replies }
    }

    /// Memory in use.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Reads from what was received.
    fn read(&mut self, input: &mut BytesMut) {
        let window = match self.feed {
            Feed::Dots(_) => input.len(),
            Feed::Chunk { left, .. } => usize::try_from(left).map_or(input.len(), |left| left.min(input.len())),
        };
        let pass = self.content.read(input.get_mut(..window).unwrap_or_default());
        match &mut self.feed {
            Feed::Dots(end) => *end = pass.end,
            Feed::Chunk { left, .. } => *left = left.saturating_sub(u64::try_from(pass.consumed).unwrap_or(u64::MAX)),
        }
        let mut piece = input.split_to(pass.consumed);
        piece.truncate(pass.kept);
        match self.fate {
            Fate::Wanted if self.body.is_empty() => self.body = piece,
            Fate::Wanted => self.body.unsplit(piece),
            Fate::Unwanted(_) => {}
        }
    }

    fn at_end(&self) -> bool {
        matches!(self.feed, Feed::Dots(End::Reached) | Feed::Chunk { left: 0, .. })
    }

    fn ends_message(&self) -> bool {
        matches!(self.feed, Feed::Dots(End::Reached) | Feed::Chunk { left: 0, last: Last::Yes, .. })
    }

    /// Anything that makes the message unacceptable, the first time it is found.
    fn newly_faulty(&mut self) -> bool {
        if self.ends_message() {
            self.content.finish();
        }
        match (&self.fate, self.content.fault()) {
            (Fate::Wanted, Some(fault)) => {
                self.fate = Fate::Unwanted(Reason::Fault(fault));
                self.body = BytesMut::new();
                true
            }
            _ => false,
        }
    }

    /// Is reading on a waste?
    fn beyond_patience(&self) -> bool {
        let announced = match self.feed {
            Feed::Dots(_) => 0,
            Feed::Chunk { left, .. } => left,
        };
        self.content.facts().bytes.saturating_add(announced) > self.bytes_max.saturating_mul(2)
    }

    /// When a message that is still not here is given up.
    fn deadline(&mut self, now: Timestamp) -> Timestamp {
        let earned = self.content.facts().bytes / limits::SMTP_DATA_BYTES_PER_SECOND_MIN;
        self.started.get_or_insert(now).plus_seconds(limits::SMTP_IDLE_SECONDS_MAX.saturating_add(earned))
    }
}

impl Feed {
    const fn of(chunk: Chunk) -> Feed {
        Feed::Chunk { announced: chunk.bytes, left: chunk.bytes, last: chunk.last }
    }
}

impl SmtpSession {
    /// Goes on with a message: reads, hands over, concludes.
    pub(super) fn receive_message(&mut self, mut message: Message, now: Timestamp) -> Option<Step<Ask>> {
        if !message.at_end() {
            message.read(self.input.bytes_mut());
        }
        if message.beyond_patience() {
            self.dismiss("552 5.3.4 Error: message file too big; closing connection");
            return None;
        }
        if message.newly_faulty() {
            self.phase = Phase::Handing(message);
            return Some(Step::Ask(Ask::Abort));
        }
        if message.at_end() {
            return self.conclude(message).map(Step::Ask);
        }
        if message.body.len() >= PIECE_BYTES {
            let piece = message.body.split().freeze();
            self.phase = Phase::Handing(message);
            return Some(Step::Ask(Ask::Chunk(piece)));
        }
        let deadline = message.deadline(now);
        if message.content.facts().bytes >= LARGE_BYTES {
            self.input.make_room(PIECE_BYTES);
        }
        self.phase = Phase::Receiving(message);
        self.wait(now, Some(deadline))
    }

    /// The data, or a chunk of it, is complete.
    fn conclude(&mut self, message: Message) -> Option<Ask> {
        let ends_message = message.ends_message();
        let replies = if ends_message { message.replies } else { Replies(1) };
        match (message.fate, &message.feed) {
            (Fate::Unwanted(reason), _) => {
                self.phase = Phase::Command(Envelope::None);
                match reason {
                    Reason::Violation(violation) => self.violated(violation),
                    Reason::Fault(fault) => {
                        (0..replies.0).for_each(|_| self.say(fault.reply()));
                        self.blame.note(fault.reply());
                        self.count_error();
                    }
                    Reason::Rim(reply) => self.refused_each(replies, &reply),
                }
                None
            }
            (Fate::Wanted, _) if ends_message => {
                self.phase = Phase::Finishing(replies);
                Some(Ask::Finish { last: message.body.freeze(), facts: message.content.facts() })
            }
            (Fate::Wanted, Feed::Chunk { announced, .. }) => {
                self.say(&format!("250 2.0.0 {announced} octets received"));
                self.phase = Phase::Command(Envelope::Chunked(Message { fate: Fate::Wanted, ..message }));
                None
            }
            (Fate::Wanted, Feed::Dots(_)) => None,
        }
    }

    /// The rim took a piece, or did not.
    pub(super) fn handed(&mut self, mut message: Message, answer: Answer) {
        if let (Fate::Wanted, Answer::Refused(reply)) = (&message.fate, answer) {
            message.fate = Fate::Unwanted(Reason::Rim(reply));
            message.body = BytesMut::new();
        }
        self.phase = Phase::Receiving(message);
    }
}
