//! The message itself, by DATA or BDAT, and the reply to the whole.
//!
//! The message is pulled piece by piece; a piece is converted and written before the next is asked for. Nothing is read meanwhile; a
//! server that gave up in the middle is heard when writing fails or the end is sent. If the rest of a message can't be had, the connection
//! is dropped without an end, so that no server takes the half for the whole.
//!
//! From the moment the end is sent, only a reply decides; without one, every accepted recipient is [`super::Verdict::Unknown`].

use bytes::BytesMut;
use yubin_types::limits;

use super::body::{BodyWriter, Framing};
use super::contract::{Ask, ConnectionState, FailureKind, Stage};
use super::extensions::Extension;
use super::reply::Reply;
use super::session::{Heard, Leftover, Phase, SmtpClient, conclusion};
use super::transaction::Transaction;
use crate::step::Step;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    transaction: Transaction,
    writer: BodyWriter,
    way: Way,
    sent: Sent,
    bytes: u64,
}

/// How it goes.
#[derive(Debug)]
enum Way {
    Data,
    /// Chunks that the server owes replies to, the last one excepted.
    Chunks(usize),
}

/// How much of it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Partly,
    /// The end was said, and a reply to the whole is owed.
    Wholly,
    /// It was refused in the middle: no more goes.
    GivenUp,
}

impl Transfer {
    /// 354 was answered.
    pub(super) fn data(transaction: Transaction) -> Transfer {
        Transfer::new(transaction, Framing::Dots, Way::Data)
    }

    /// The envelope was accepted, and CHUNKING is offered.
    pub(super) fn chunks(transaction: Transaction) -> Transfer {
        Transfer::new(transaction, Framing::Counted, Way::Chunks(0))
    }

    fn new(transaction: Transaction, framing: Framing, way: Way) -> Transfer {
        Transfer { transaction, writer: BodyWriter::new(framing), way, sent: Sent::Partly, bytes: 0 }
    }

    /// How many replies may be owed before the next chunk.
    fn chunks_ahead(&self) -> usize {
        match self.transaction.extensions().has(Extension::Pipelining) {
            true => limits::SMTP_PIPELINED_CHUNKS_MAX,
            false => 1,
        }
    }
}

impl SmtpClient {
    pub(super) fn transfer(&mut self, mut transfer: Transfer) -> Option<Step<Ask>> {
        let owed = match transfer.way {
            Way::Data => 0,
            Way::Chunks(owed) => owed,
        };
        if transfer.sent == Sent::Partly && self.is_cut_off() {
            self.interrupted(transfer);
            return None;
        }
        if transfer.sent == Sent::GivenUp && owed == 0 {
            self.server.leftover = Leftover::Open;
            self.finished(transfer.transaction, ConnectionState::Usable);
            return None;
        }
        if transfer.sent == Sent::Partly && owed < transfer.chunks_ahead() {
            if !transfer.transaction.any_accepted() {
                // A 354 for nobody: an empty message, whose fate interests nobody.
                self.finish(&mut transfer);
                self.phase = Phase::Transfer(transfer);
                return None;
            }
            self.phase = Phase::Pulling(transfer);
            return Some(Step::Ask(Ask::Body));
        }
        let limits = &self.config.time_limits;
        let (stage, seconds_max) =
            if owed > 0 { (Stage::Data, limits.data_seconds) } else { (Stage::EndOfData, limits.end_of_data_seconds) };
        match self.hear(seconds_max) {
            Heard::Wait(step) => {
                self.phase = Phase::Transfer(transfer);
                Some(step)
            }
            Heard::Never(kind) => {
                self.lost(transfer, stage, kind);
                None
            }
            Heard::Reply(lines) => {
                self.transfer_reply(transfer, stage, &lines.reply);
                None
            }
        }
    }

    /// A piece in the middle.
    pub(super) fn piece(&mut self, mut transfer: Transfer, piece: &[u8]) {
        match &mut transfer.way {
            Way::Data => {
                let before = self.output.len();
                transfer.writer.write(piece, &mut self.output);
                transfer.bytes += (self.output.len() - before) as u64;
            }
            Way::Chunks(owed) if !piece.is_empty() => {
                let mut chunk = BytesMut::with_capacity(piece.len() + 64);
                transfer.writer.write(piece, &mut chunk);
                *owed += 1;
                self.command(&format!("BDAT {}", chunk.len()));
                self.output.extend_from_slice(&chunk);
            }
            Way::Chunks(_) => {}
        }
        self.phase = Phase::Transfer(transfer);
    }

    /// The last piece.
    pub(super) fn end(&mut self, mut transfer: Transfer, piece: &[u8]) {
        match transfer.way {
            Way::Data => {
                let before = self.output.len();
                transfer.writer.write(piece, &mut self.output);
                transfer.bytes += (self.output.len() - before) as u64;
                self.finish(&mut transfer);
            }
            Way::Chunks(_) => {
                let mut chunk = BytesMut::with_capacity(piece.len() + 64);
                transfer.writer.write(piece, &mut chunk);
                transfer.writer.finish(&mut chunk);
                self.command(&format!("BDAT {} LAST", chunk.len()));
                self.output.extend_from_slice(&chunk);
                transfer.sent = Sent::Wholly;
            }
        }
        self.phase = Phase::Transfer(transfer);
    }

    /// DATA: says the end.
    fn finish(&mut self, transfer: &mut Transfer) {
        transfer.writer.finish(&mut self.output);
        let bytes = transfer.bytes;
        self.note(|| format!("message of {bytes} bytes sent"));
        transfer.sent = Sent::Wholly;
    }

    /// The rest of the message can't be had.
    pub(super) fn broken(&mut self, mut transfer: Transfer) {
        let reply = Reply::conclusion(451, (4, 3, 0), "the message could not be read");
        transfer.transaction.conclude(Stage::Body, &reply);
        // Not even what was read goes out.
        self.output.clear();
        self.finished(transfer.transaction, ConnectionState::Over);
    }

    fn transfer_reply(&mut self, mut transfer: Transfer, stage: Stage, reply: &Reply) {
        if reply.code / 100 == 3 {
            return self.lost(transfer, stage, FailureKind::Garbled);
        }
        let over = reply.code == 421;
        match &mut transfer.way {
            Way::Chunks(owed) if *owed > 0 && reply.is_positive() => {
                *owed -= 1;
                self.phase = Phase::Transfer(transfer);
                return;
            }
            // A refused chunk refuses the message; those behind it are refused as well (RFC 3030 §2).
            Way::Chunks(owed) if *owed > 0 => {
                *owed -= 1;
                transfer.transaction.conclude(Stage::Data, reply);
                if !over {
                    if transfer.sent == Sent::Partly {
                        transfer.sent = Sent::GivenUp;
                    }
                    self.phase = Phase::Transfer(transfer);
                    return;
                }
            }
            Way::Chunks(_) if !reply.is_positive() => {
                self.server.leftover = Leftover::Open;
                transfer.transaction.conclude(stage, reply);
            }
            Way::Data | Way::Chunks(_) => transfer.transaction.conclude(stage, reply),
        }
        self.finished(transfer.transaction, if over { ConnectionState::Over } else { ConnectionState::Usable });
    }

    /// Writing failed in the middle: perhaps the server said why.
    fn interrupted(&mut self, mut transfer: Transfer) {
        let reply = match self.hear(0) {
            Heard::Reply(lines) if lines.reply.is_transient() || lines.reply.is_permanent() => lines.reply,
            Heard::Never(kind) => conclusion(kind, Stage::Body),
            Heard::Reply(_) | Heard::Wait(_) => conclusion(FailureKind::Garbled, Stage::Body),
        };
        transfer.transaction.conclude(Stage::Body, &reply);
        self.finished(transfer.transaction, ConnectionState::Over);
    }

    /// No reply will come.
    fn lost(&mut self, mut transfer: Transfer, stage: Stage, kind: FailureKind) {
        match transfer.sent {
            Sent::Partly | Sent::GivenUp => self.cut_off(transfer.transaction, stage, kind),
            Sent::Wholly => {
                transfer.transaction.lose_sight(&conclusion(kind, Stage::EndOfData));
                self.finished(transfer.transaction, ConnectionState::Over);
            }
        }
    }
}
