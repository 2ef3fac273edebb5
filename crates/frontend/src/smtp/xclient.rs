//! A trusted peer speaks for a client: from then on the client is the peer, for its network's share, for verification, in the log and
//! in the trace. Whether a peer is trusted is said of itself, or of whom a trusted proxy named, never of whom it speaks for.

use std::net::SocketAddr;
use std::sync::Arc;

use yubin_policy::refusal_text;
use yubin_session::smtp::{Answer, ClientClaim};
use yubin_types::SmtpReply;

use super::SmtpRim;

impl SmtpRim {
    /// XCLIENT.
    pub(super) fn speaks_for(&mut self, claim: ClientClaim) -> Result<Answer, SmtpReply> {
        let peer = self.connection.peer;
        let client = SocketAddr::new(claim.address.unwrap_or(peer.ip()), claim.port.unwrap_or(peer.port()));
        let shared = &self.connection.shared;
        match shared.networks.admit(client.ip(), self.connection.protocol) {
            Ok(admitted) => self.connection.admitted = Arc::new(admitted),
            Err((network, denied)) => {
                shared.metrics.network_refused(self.connection.protocol.name(), denied.why);
                tracing::info!(%network, result = ?denied.why, "network refused");
                return Err(refusal_text::smtp_network(denied.why, network));
            }
        }
        tracing::Span::current().record("xclient.addr", tracing::field::display(client));
        self.connection.peer = client;
        self.stranger = self.as_stranger();
        self.failures = 0;
        Ok(Answer::Accepted)
    }
}
