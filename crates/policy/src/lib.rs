//! Hosting rules as functions from facts to a permit or a denial, and the one table from a denial to what a peer is told.
//!
//! No I/O, no clock: the rim gathers the facts, `policy` decides, and the store obeys. A permit can be made nowhere else, so that
//! what demands one can't be reached past the rules. What has to be exact under concurrency (quotas, sizes, who exists) is decided
//! again in the state machine; its [`Refusal`](yubin_types::Refusal)s are put into words here.
//!
//! - [`peer`]: which hosts may send us mail; [`inbound`]: what becomes of a message from one of them; [`spam`]: is it spam; [`content`]: what its content has against it.
//! - [`recipient`]: whom mail may go to, from other servers and from users.
//! - [`sender`]: whom a user may send as; [`author`]: whom a user's message may name as its author.
//! - [`networks`]: how much one network may ask of a front end; [`refusals`]: which of those who are refused are written down one by one.
//! - [`login`]: why a login fails, and who is told what; [`guessing`]: how long who guesses passwords waits.
//! - [`srs`]: senders of forwarded mail, rewritten and back.
//! - [`refusal_text`]: the table.
//! - [`retry`]: when outbound mail is tried again, and when it is given up.
//! - [`auto_reply`]: who may be answered by a program.
//! - [`remote_reply`]: what a remote server's refusal means, and what to do.

mod allowance;
pub mod author;
pub mod auto_reply;
pub mod content;
pub mod countries;
pub mod guessing;
pub mod inbound;
pub mod login;
pub mod networks;
pub mod peer;
mod recent;
pub mod recipient;
pub mod refusal_text;
pub mod refusals;
pub mod remote_reply;
pub mod retry;
pub mod sender;
pub mod spam;
pub mod srs;

pub use login::LoginDenial;
pub use recipient::{
    Admission, DeliverPermit, Hosting, Origin, RecipientDenial, RecipientFacts, RelayPermit, ReturnPermit,
};
pub use sender::SenderPermit;
