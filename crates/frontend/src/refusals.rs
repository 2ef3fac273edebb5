//! Refused logins and connections in the mail log, so that who looks for an address or a client finds why nothing came of it.
//!
//! What the client was told is written down, one by one while [`yubin_policy::refusals`] says so, and else added up, a line a minute: a
//! front end under attack writes no more than that. User names that are no addresses are not written down. Said of logins to send, to fetch
//! and to read; of connections that have more than their network's share, that are none of ours on LMTP, that can't agree on TLS, or of which
//! nothing came by a fault of the peer: commands out of place, silence, octets that no message may hold. What is refused from MAIL on is in
//! [`crate::smtp`]'s records.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use yubin_policy::LoginDenial;
use yubin_policy::networks::NetworkWidth;
use yubin_policy::refusal_text;
use yubin_policy::refusals::{Entry, RefusalSum, Refusals, Refused, RefusedWhat};
use yubin_proto::{MailEvent, MailEventKind, StoreClient};
use yubin_types::{Address, Timestamp, TraceId};

use crate::config::Protocol;
use crate::connection::Connection;
use crate::driver::now;

/// How often is looked whether something is due.
const LOOK: Duration = Duration::from_secs(10);

/// The refusals of a process.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    store: Arc<StoreClient>,
    host: String,
    width: NetworkWidth,
    refusals: Mutex<Refusals>,
}

/// A client that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) peer: IpAddr,
    pub(crate) trace: TraceId,
}

impl RefusalLog {
    pub(crate) fn new(store: Arc<StoreClient>, host: String, width: NetworkWidth) -> Self {
        RefusalLog { store, host, width, refusals: Mutex::default() }
    }

    /// A login came to nothing. That nobody could be asked, or that somebody else reads the mailbox, is no refusal.
    pub(crate) fn login(&self, connection: &Connection, user: &str, denial: &LoginDenial) {
        let refused = matches!(
            denial,
            LoginDenial::WrongCredentials
                | LoginDenial::InvalidToken
                | LoginDenial::Suspended { .. }
                | LoginDenial::TooManyFailures { .. }
        );
        if refused {
            self.login_told(connection, user, told(connection.protocol, denial));
        }
    }

    /// The same, of a login that was told so.
    pub(crate) fn login_told(&self, connection: &Connection, user: &str, why: String) {
        self.refused(RefusedWhat::Login, connection.client(), Address::parse(user).ok(), why);
    }

    /// A connection was turned away.
    pub(crate) fn connection(&self, client: Client, why: String) {
        self.refused(RefusedWhat::Connection, client, None, why);
    }

    fn refused(&self, what: RefusedWhat, client: Client, account: Option<Address>, why: String) {
        let (peer, at) = (client.peer.to_canonical(), now());
        let key = account.as_ref().map(|account| format!("{}@{}", account.local.key(), account.domain));
        let refused = Refused { what, peer, network: self.width.network_of(peer), account: key, at, why };
        if self.refusals.lock().refused(&refused) == Entry::Now {
            self.store.note(MailEvent {
                peer: peer.to_string(),
                login: account.map(|account| account.to_string()).unwrap_or_default(),
                text: refused.why,
                trace: client.trace,
                ..self.event(what, at)
            });
        }
    }

    /// Writes down what was added up, as long as the process takes connections.
    pub(crate) async fn keep(self: Arc<Self>, drain: CancellationToken) {
        while drain.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let due = self.refusals.lock().due(now());
            due.into_iter().for_each(|sum| self.sum_up(sum));
        }
    }

    /// Writes down what is left: nobody is refused any more.
    pub(crate) fn finish(&self) {
        let rest = self.refusals.lock().rest();
        rest.into_iter().for_each(|sum| self.sum_up(sum));
    }

    fn sum_up(&self, sum: RefusalSum) {
        self.store.note(MailEvent {
            peer: sum.network.map(|_| sum.peer.to_string()).unwrap_or_default(),
            text: sum.to_string(),
            count: sum.count,
            login: sum.account.unwrap_or_default(),
            ..self.event(sum.what, sum.until)
        });
    }

    fn event(&self, what: RefusedWhat, at: Timestamp) -> MailEvent {
        MailEvent {
            at,
            kind: match what {
                RefusedWhat::Login => MailEventKind::LoginRefusal,
                RefusedWhat::Connection => MailEventKind::ConnectionRefusal,
            },
            trace: TraceId(rand::random()),
            host: self.host.clone(),
            peer: String::new(),
            sender: String::new(),
            recipient: String::new(),
            message_id: None,
            login: String::new(),
            id: None,
            bytes: 0,
            count: 1,
            text: String::new(),
            attempt: None,
        }
    }
}

/// What the client reads.
fn told(protocol: Protocol, denial: &LoginDenial) -> String {
    match protocol {
        Protocol::Mx | Protocol::Submission | Protocol::Lmtp => refusal_text::smtp_login(denial).to_string(),
        Protocol::Pop3 => format!("-ERR {}", refusal_text::pop3_login(denial)),
        Protocol::Imap => format!("NO {}", refusal_text::imap_login(denial)),
    }
}
