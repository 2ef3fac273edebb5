//! What a peer asks in vain: held against its network, and answered slowly where that is configured.
//!
//! A stranger that guesses addresses gets its answers one by one and late, so that guessing takes its time and not ours: nothing but a
//! place among its network's connections is spent on the wait. Users who have logged in and exempt networks are neither counted nor
//! slowed down.

use std::time::Duration;

use yubin_policy::refusal_text;
use yubin_session::smtp::Answer;
use yubin_types::{SmtpReply, limits};

use super::SmtpRim;

impl SmtpRim {
    /// So many failures since the last question; their replies are held back until this is answered.
    pub(super) async fn failed(&mut self, failures: u32) -> Result<Answer, SmtpReply> {
        self.failures = self.failures.saturating_add(failures);
        if let Err((network, denial)) = self.connection.admitted.failed(failures) {
            self.connection.shared.metrics.network_refused(self.connection.protocol.name(), denial);
            tracing::info!(%network, result = ?denial, "network refused");
            let reply = refusal_text::smtp_network(denial, network);
            self.connection.shared.refusals.connection(self.connection.client(), reply.to_string());
            return Err(reply);
        }
        tokio::time::sleep(self.delay(failures)).await;
        Ok(Answer::Accepted)
    }

    fn delay(&self, failures: u32) -> Duration {
        let Some(tarpit) = self.connection.shared.config.tarpit else { return Duration::ZERO };
        if self.identity.is_some() || self.connection.admitted.is_exempt() || self.failures <= tarpit.after {
            return Duration::ZERO;
        }
        let late = failures.min(self.failures - tarpit.after);
        Duration::from_secs(tarpit.seconds.saturating_mul(u64::from(late)).min(limits::TARPIT_SECONDS_MAX))
    }
}
