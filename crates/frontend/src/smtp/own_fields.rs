//! Fields of a header that only this cluster writes: what it found when the message came in. Who brings one writes in our name, and it is
//! taken out (RFC 8601 §5): where a stranger's message is verified with that, and here where a user's is submitted, or nobody verifies.

use yubin_dns_auth::verify::is_results_of;
use yubin_message::{HeaderField, HeaderFields};
use yubin_session::smtp::Listener;
use yubin_types::SmtpReply;

use super::SmtpRim;
use super::deliver::Complete;
use super::edit::{self, Edit, NewBody};

/// Fields that tell what a scanner found: only our own count. The last octet of each stands for all names that begin so.
const SCANNERS: [&str; 4] = ["X-Spam-", "X-Spamd-", "X-Virus-", "X-Rspamd-"];

/// Fields that tell what was verified, in the name of some host.
const RESULTS: [&str; 2] = ["Authentication-Results", "Received-SPF"];

/// What a user's header is taken for before it is read to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Claims {
    #[default]
    None,
    /// It has fields that may be in our name.
    Some,
}

impl Claims {
    /// What this field adds.
    pub(super) fn note(&mut self, field: &HeaderField<'_>) {
        let name = field.name.trim_ascii();
        if is_scanners(name) || RESULTS.iter().any(|result| name.eq_ignore_ascii_case(result.as_bytes())) {
            *self = Claims::Some;
        }
    }
}

/// Does it tell what a scanner found?
pub(super) fn is_scanners(name: &[u8]) -> bool {
    let starts = |start: &&str| name.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start.as_bytes()));
    name.eq_ignore_ascii_case(b"X-Spam") || SCANNERS.iter().any(starts)
}

impl SmtpRim {
    /// Takes them out of a message that nobody verifies.
    pub(super) async fn take_out_own_fields(&self, complete: &mut Complete) -> Result<(), SmtpReply> {
        let shared = &self.connection.shared;
        let concerned = match self.listener {
            Listener::Submission => complete.header.claims == Claims::Some,
            Listener::Mx => shared.config.inbound.is_none(),
            // Its peer is a part of the operator's system, which may have verified the message for us.
            Listener::Lmtp => false,
        };
        if !concerned {
            return Ok(());
        }
        let header = edit::open(&complete.spooled).await?.header;
        let hosts = self.own_hosts();
        // What a relay's scanner found is its own to say; assessment knows which relays are believed.
        let scanned = |name: &[u8]| self.listener == Listener::Submission && is_scanners(name.trim_ascii());
        let is_ours = |field: &HeaderField<'_>| scanned(field.name) || is_results_of(field.name, field.body, &hosts);
        let fields = HeaderFields::new(&header).filter(is_ours);
        let mut edits: Vec<Edit> = fields.map(|field| Edit::cut(edit::place(&header, &field))).collect();
        if !edits.is_empty() {
            complete.spooled =
                edit::edited(&complete.spooled, &shared.spooler, &header, &mut edits, NewBody::Same).await?;
        }
        Ok(())
    }

    /// The hosts whose results are ours.
    pub(super) fn own_hosts(&self) -> Vec<String> {
        let config = &self.connection.shared.config;
        let others = config.inbound.iter().flat_map(|inbound| &inbound.hosts);
        std::iter::once(&config.hostname).chain(others).cloned().collect()
    }
}
