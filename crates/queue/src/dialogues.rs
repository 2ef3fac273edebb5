//! Who watches which message while it is delivered, and what they are told ([`yubin_proto::dialogue`]).
//!
//! A watched attempt has a connection of its own, whose client keeps a transcript; all others keep none. A watcher that doesn't keep up
//! misses lines, never holds up the delivery. At most [`limits::DIALOGUE_WATCHERS_MAX`] watch at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use yubin_proto::{DialogueKind, DialogueLine};
use yubin_session::smtp::client::{Direction, TranscriptLine};
use yubin_types::{QueueId, limits};

use crate::connection::now;

type Watchers = Vec<mpsc::Sender<DialogueLine>>;

/// Messages that are watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialogues(Arc<Mutex<BTreeMap<QueueId, Watchers>>>);

/// The watchers of a message that is being tried.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    dialogues: Dialogues,
    id: QueueId,
}

impl Dialogues {
    /// What is said about a message from now on; `None`: too many watch already.
    pub(crate) fn watch(&self, id: QueueId) -> Option<BoxStream<'static, DialogueLine>> {
        let mut watched = self.0.lock();
        watched.values_mut().for_each(|watchers| watchers.retain(|watcher| !watcher.is_closed()));
        watched.retain(|_, watchers| !watchers.is_empty());
        if watched.values().map(Vec::len).sum::<usize>() >= limits::DIALOGUE_WATCHERS_MAX {
            return None;
        }
        let (said, mut heard) = mpsc::channel(limits::SMTP_TRANSCRIPT_LINES_MAX);
        watched.entry(id).or_default().push(said);
        Some(stream::poll_fn(move |cx| heard.poll_recv(cx)).boxed())
    }

    /// Those who watch this message, if anybody does.
    pub(crate) fn of(&self, id: QueueId) -> Option<Watch> {
        self.0.lock().contains_key(&id).then(|| Watch { dialogues: self.clone(), id })
    }

    fn say(&self, id: QueueId, line: &DialogueLine) {
        if let Some(watchers) = self.0.lock().get(&id) {
            for watcher in watchers {
                // It may have gone, or be slow.
                drop(watcher.try_send(line.clone()));
            }
        }
    }
}

impl Watch {
    /// Tells what a server and its client said.
    pub(crate) fn tell(&self, lines: Vec<TranscriptLine>) {
        for TranscriptLine { at, direction, text } in lines {
            let kind = match direction {
                Direction::Sent => DialogueKind::Sent,
                Direction::Received => DialogueKind::Received,
                Direction::Note => DialogueKind::Note,
            };
            self.dialogues.say(self.id, &DialogueLine { at, kind, text });
        }
    }

    /// Tells what happened.
    pub(crate) fn note(&self, text: String) {
        self.dialogues.say(self.id, &DialogueLine { at: now(), kind: DialogueKind::Note, text });
    }

    /// Tells what the attempt came to, and ends.
    pub(crate) fn end(self, outcomes: impl IntoIterator<Item = String>) {
        for text in outcomes {
            self.dialogues.say(self.id, &DialogueLine { at: now(), kind: DialogueKind::Outcome, text });
        }
        self.dialogues.0.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use yubin_proto::DialogueKind;
    use yubin_types::{QueueId, limits};

    use super::Dialogues;

    const ID: QueueId = QueueId([1; 16]);

    #[tokio::test]
    async fn who_watches_hears_everything_to_the_end() {
        let dialogues = Dialogues::default();
        assert!(dialogues.of(ID).is_none(), "nobody watches");
        let (one, two) = (dialogues.watch(ID).unwrap(), dialogues.watch(ID).unwrap());
        assert!(dialogues.of(QueueId([2; 16])).is_none());
        let watch = dialogues.of(ID).unwrap();
        watch.note("connecting".to_owned());
        watch.end(["delivered".to_owned()]);
        for heard in [one, two] {
            let lines: Vec<_> = heard.map(|line| (line.kind, line.text)).collect().await;
            let expected = [(DialogueKind::Note, "connecting"), (DialogueKind::Outcome, "delivered")];
            assert_eq!(lines, expected.map(|(kind, text)| (kind, text.to_owned())));
        }
        assert!(dialogues.of(ID).is_none());
    }

    #[test]
    fn watchers_are_bounded_and_those_who_leave_make_room() {
        let dialogues = Dialogues::default();
        let mut all: Vec<_> = (0..limits::DIALOGUE_WATCHERS_MAX).map(|_| dialogues.watch(ID).unwrap()).collect();
        assert!(dialogues.watch(ID).is_none());
        all.pop();
        assert!(dialogues.watch(ID).is_some());
        let watch = dialogues.of(ID).unwrap();
        (0..2 * limits::SMTP_TRANSCRIPT_LINES_MAX).for_each(|number| watch.note(number.to_string()));
    }
}
