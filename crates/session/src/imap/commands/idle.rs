//! IDLE (RFC 2177): the selected mailbox is watched until the client says DONE.
//!
//! Watching begins before the first look at what changed, so that nothing falls between the two. While nothing changes the client hears
//! that the server is still there every [`IMAP_STILL_HERE_SECONDS`](yubin_types::limits::IMAP_STILL_HERE_SECONDS).

use crate::imap::ask::{Answer, Ask, Refusal};
use crate::imap::command::{Allowed, Command, Completion, Context, Parse, Running, Turn};
use crate::imap::registry::{Capability, Family, When};
use crate::imap::state::Expunges;

pub(in crate::imap) const FAMILY: Family = Family {
    commands: &[Command {
        name: "IDLE",
        allowed: Allowed::Authenticated,
        parse: Parse::Arguments(|_| Ok(Box::new(Idle { step: Step::Watching }))),
    }],
    capabilities: &[Capability { name: "IDLE", when: When::Authenticated }],
};

#[derive(Debug)]
struct Idle {
    step: Step,
}

/// What was asked last.
#[derive(Debug)]
enum Step {
    Watching,
    Looking,
    Unwatching(Completion),
}

impl Idle {
    fn look(&mut self, cx: &mut Context<'_>) -> Turn {
        self.step = Step::Looking;
        match cx.state.selected() {
            Some(selected) => Turn::Ask(Ask::Changes { mailbox: selected.id, since: selected.modseq }),
            None => Turn::Line,
        }
    }
}

impl Running for Idle {
    fn start(&mut self, cx: &mut Context<'_>) -> Turn {
        cx.out.text("+ idling\r\n");
        match cx.state.selected() {
            Some(selected) => Turn::Ask(Ask::Watch { mailbox: selected.id, since: selected.modseq }),
            None => Turn::Line,
        }
    }

    fn answer(&mut self, answer: Answer, cx: &mut Context<'_>) -> Turn {
        match (&self.step, answer) {
            (Step::Watching, Answer::Done) => self.look(cx),
            (Step::Looking, Answer::Changes(changes)) => {
                let condstore = cx.state.condstore();
                if let Some(selected) = cx.state.selected_mut() {
                    selected.apply(&changes, Expunges::Show, condstore, cx.out);
                }
                Turn::Line
            }
            (Step::Unwatching(completion), _) => Turn::Finish(completion.clone()),
            _ => Turn::broken(),
        }
    }

    fn refused(&mut self, refusal: Refusal, _cx: &mut Context<'_>) -> Turn {
        match &self.step {
            Step::Unwatching(completion) => Turn::Finish(completion.clone()),
            Step::Looking if refusal.says_nonexistent() => Turn::Bye("The selected mailbox is gone"),
            // Out of reach for the moment: the rim tells of the change again.
            Step::Looking => Turn::Line,
            Step::Watching => Turn::Finish(Completion::refused(refusal)),
        }
    }

    fn changed(&mut self, cx: &mut Context<'_>) -> Turn {
        self.look(cx)
    }

    fn still_here(&self) -> Option<&'static str> {
        Some("Still here")
    }

    fn line(&mut self, line: &[u8], cx: &mut Context<'_>) -> Turn {
        let done = line.trim_ascii().eq_ignore_ascii_case(b"DONE");
        let completion = if done { Completion::ok("Idle completed") } else { Completion::bad("Expected DONE") };
        if cx.state.selected().is_none() {
            return Turn::Finish(completion);
        }
        self.step = Step::Unwatching(completion);
        Turn::Ask(Ask::Unwatch)
    }
}
