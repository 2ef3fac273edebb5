//! How a domain's mail is tried and its senders told, where its plan says it: the plan's words as this crate's.

use yubin_message::dsn::Profile;
use yubin_policy::retry::RetrySchedule;
use yubin_state::record::{NoticeProfile, RetryTerms};

/// A plan's schedule; `None`: it is none, which the directory would have refused.
pub(crate) fn schedule(terms: &RetryTerms) -> Option<RetrySchedule> {
    let waits = terms.first_waits_seconds.iter().copied().map(u64::from).collect();
    RetrySchedule::new(waits, terms.wait_seconds_max.into(), terms.lifetime_seconds.into()).ok()
}

/// Whose words its notices use.
pub(crate) fn profile(notices: NoticeProfile) -> Profile {
    match notices {
        NoticeProfile::Plain => Profile::Plain,
        NoticeProfile::Qmail => Profile::Qmail,
        NoticeProfile::Postfix => Profile::Postfix,
    }
}
