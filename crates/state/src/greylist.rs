//! Greylisting: whoever comes for the first time is asked to come again, which mail servers do and most spam programs don't.
//!
//! A stranger is a network, an envelope's sender and a recipient, known by a hash of the three (RFC 6647 §4.1). Strangers of a network from which
//! enough have come again are not asked any more. Each is a small row of the recipient's domain, so every front end knows what another one
//! said, and a failover forgets nobody. A front end reads first; only what changes a row is proposed: the first visit, the one that counts,
//! and a renewal once a day.
//!
//! Bounded by [`limits::GREYLIST_ROWS_PER_DOMAIN_MAX`]: a domain that is full lets strangers in, since mail is never lost for this. Rows are
//! forgotten by the group's maintenance in the order of their time. What may be exempt is for the front end to say.
//!
//! - [`record`]: what is remembered and asked; `visit`: what a visit changes; `forget`: what time changes.

mod forget;
mod record;
mod visit;

pub use record::{GreylistTerms, Reception, Seen, Stranger, StrangerKind, Visit, network_hash, stranger_hash};

pub(crate) use forget::{forget, next_due};
pub(crate) use visit::{look, visit};
