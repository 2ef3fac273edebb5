//! The dialogue of a connection for people who watch it: what was said, when, by whom; never a credential, never content.
//!
//! Kept only if it was asked for, at most `SMTP_TRANSCRIPT_LINES_MAX` lines; the oldest are dropped.

use std::collections::VecDeque;

use yubin_types::{Timestamp, limits};

/// Whether a client keeps a transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranscriptKeeping {
    /// No.
    #[default]
    Off,
    /// Yes: somebody watches.
    Keep,
}

/// Which way a line went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Sent,
    /// From the server.
    Received,
    /// Neither: what happened.
    Note,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptLine {
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// Printable, without line end.
    pub text: String,
}

/// The lines that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    keeping: TranscriptKeeping,
    lines: VecDeque<TranscriptLine>,
}

impl Transcript {
    pub(super) fn new(keeping: TranscriptKeeping) -> Transcript {
        Transcript { keeping, lines: VecDeque::new() }
    }

    /// Adds a line, which is only made if it is kept.
    pub(super) fn add(&mut self, at: Timestamp, direction: Direction, text: impl FnOnce() -> String) {
        if self.keeping == TranscriptKeeping::Off {
            return;
        }
        if self.lines.len() >= limits::SMTP_TRANSCRIPT_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(TranscriptLine { at, direction, text: text() });
    }

    /// Hands over what there is.
    pub(super) fn take(&mut self) -> Vec<TranscriptLine> {
        std::mem::take(&mut self.lines).into()
    }
}
