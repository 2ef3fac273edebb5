//! Why a step ends early: a refusal, which becomes the reply, or a failed disk, which ends the entry.
//!
//! Inside this crate both travel with `?`; [`crate::apply`] and [`crate::answer`] part them again. A handler refuses before it writes.

use yubin_types::Refusal;

/// Why a step ends early.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    /// The request is not carried out; nothing was written for it.
    Refused(Refusal),
    /// The disk failed.
    Disk(E),
}

/// A step's result.
pub(crate) type Outcome<T, E> = Result<T, Stop<E>>;

impl<E> From<Refusal> for Stop<E> {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}
