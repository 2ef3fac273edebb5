//! MAIL and RCPT: the facts are gathered here, `policy` and the state machine decide.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use yubin_policy::RecipientDenial;
use yubin_policy::peer::PeerDenial;
use yubin_policy::recipient::{Admission, Hosting, Origin, RecipientFacts, Transaction as Purpose, admit};
use yubin_policy::refusal_text::{self, Stage};
use yubin_policy::srs::is_srs;
use yubin_proto::{Hosted, StoreError};
use yubin_session::smtp::{ForwardPath, Listener, Mail, Recipient, Verdict};
use yubin_state::query::Answering;
use yubin_state::queue::dead::recipient_hash;
use yubin_state::{Answer, Query};
use yubin_types::{Address, DomainName, Limit, NotifySet, Refusal, ReverseDnsRule, SmtpReply};

use super::greylist;
use super::stranger::PeerFacts;
use super::{Invited, Sender, SmtpRim, Transaction, Welcome, out_of_order, reason, unavailable};
use crate::config::InboundConfig;

/// Whom RCPT named.
#[derive(Clone)]
struct Named {
    address: Address,
    notify: NotifySet,
    orcpt: Option<Bytes>,
}

impl SmtpRim {
    /// Opens a transaction.
    pub(super) async fn mail(&mut self, mail: Mail) -> Result<(), SmtpReply> {
        if let (Some(stranger), Some(inbound)) = (&mut self.stranger, &self.connection.shared.config.inbound) {
            stranger.ask(inbound, self.connection.peer_ip());
        }
        let (sender, allowance) = match self.listener {
            Listener::Mx | Listener::Lmtp => (Sender::Claimed(mail.sender), None),
            Listener::Submission => {
                let own = self.own_sender(&mail.sender).await;
                let (sender, allowed) = own.inspect_err(|reply| self.record_sender(&mail.sender, reply))?;
                (sender, Some(allowed))
            }
        };
        self.transaction = Some(Transaction {
            sender,
            allowance,
            size: mail.size,
            encoding: mail.encoding,
            dsn: mail.dsn,
            tls: mail.tls,
            handling: mail.handling,
            recipients: Vec::new(),
            accepted: Vec::new(),
            incoming: None,
        });
        Ok(())
    }

    /// A verdict for each recipient, in order. Those of one domain that follow each other are asked about together.
    pub(super) async fn recipients(&mut self, recipients: Vec<Recipient>) -> Result<Vec<Verdict>, SmtpReply> {
        let named: Vec<Named> = join_all(recipients.into_iter().map(|recipient| self.named(recipient))).await;
        let mut verdicts = Vec::with_capacity(named.len());
        for run in named.chunk_by(|a, b| a.address.domain == b.address.domain) {
            match run.first().map(|first| &first.address.domain) {
                Some(domain) => verdicts.extend(self.admit_all(domain, run).await?),
                None => return Err(out_of_order()),
            }
        }
        Ok(verdicts)
    }

    /// `<postmaster>` is the one of our own name (RFC 5321 §4.5.1).
    async fn named(&self, recipient: Recipient) -> Named {
        let named = match recipient.path {
            ForwardPath::Address(address) => address,
            ForwardPath::Postmaster => self.connection.shared.postmaster.clone(),
        };
        let address = self.stand_in(&named).await.unwrap_or(named);
        Named { address, notify: recipient.notify, orcpt: recipient.orcpt }
    }

    /// Recipients of one domain.
    async fn admit_all(&mut self, name: &DomainName, named: &[Named]) -> Result<Vec<Verdict>, SmtpReply> {
        let Some(transaction) = &self.transaction else { return Err(out_of_order()) };
        let store = &self.connection.shared.store;
        let resolved = match self.listener {
            Listener::Mx | Listener::Lmtp => store.resolve(name).await,
            // Nobody is refused because of it: the queue looks again.
            Listener::Submission => store.resolve_destination(name).await,
        };
        let resolved = resolved.map_err(|error| unavailable(&error))?;
        let hosting = if resolved.is_some() { Hosting::Hosted } else { Hosting::Elsewhere };
        let origin = match (self.listener, &self.identity) {
            (Listener::Mx, _) => Origin::Mx { transaction: transaction.hosted().map(|hosted| &hosted.name) },
            (Listener::Lmtp, _) => Origin::Lmtp,
            (Listener::Submission, Some(identity)) => Origin::Submission { home: &identity.address.domain },
            (Listener::Submission, None) => return Err(out_of_order()),
        };
        let asked = named.iter().map(|named| {
            let admission = match origin {
                Origin::Mx { .. } if hosting == Hosting::Hosted && is_srs(&named.address.local) => {
                    self.admit_bounce(transaction, &named.address)
                }
                Origin::Mx { .. } if matches!(transaction.purpose(), Purpose::Return(_)) => {
                    Err(RecipientDenial::OtherDomain)
                }
                Origin::Submission { .. }
                    if hosting == Hosting::Elsewhere && transaction.knows_dead(&named.address) =>
                {
                    Err(RecipientDenial::Dead)
                }
                _ => admit(RecipientFacts { recipient: &named.address, hosting, origin }),
            };
            self.confirm(admission, resolved.as_ref(), transaction.size)
        });
        let outcomes: Vec<Result<Welcome, SmtpReply>> = join_all(asked).await;
        let peer = self.peer_facts(name, outcomes.iter().flatten()).await;
        let barred: Vec<Option<SmtpReply>> =
            outcomes.iter().map(|outcome| self.admit_peer(peer.as_deref(), outcome.as_ref().ok()?)).collect();
        let welcome = outcomes.iter().zip(&barred).filter(|(_, barred)| barred.is_none());
        let welcome: Vec<&Admission> = welcome.filter_map(|(it, _)| it.as_ref().ok()).map(|it| &it.admission).collect();
        let mut waiting = self.greylisted(peer.as_deref(), resolved.as_deref(), &welcome).await;
        let metrics = &self.connection.shared.metrics;
        let Some(transaction) = &mut self.transaction else { return Err(out_of_order()) };
        let mut verdicts = Vec::with_capacity(outcomes.len());
        for ((outcome, barred), named) in outcomes.into_iter().zip(barred).zip(named) {
            let late = waiting.remove(&named.address).inspect(|_| metrics.reject("greylisted"));
            verdicts.push(match (outcome, barred.or(late)) {
                (Ok(_), Some(reply)) | (Err(reply), _) => Verdict::Refused(reply),
                (Ok(welcome), None) => match transaction.invite(named, welcome) {
                    Ok(()) => Verdict::Accepted,
                    Err(refusal) => {
                        metrics.reject(reason(&refusal));
                        Verdict::Refused(refusal_text::smtp(&refusal, Stage::Envelope))
                    }
                },
            });
        }
        self.record_refusals(named, &verdicts);
        Ok(verdicts)
    }

    fn record_refusals(&self, named: &[Named], verdicts: &[Verdict]) {
        let Some(transaction) = &self.transaction else { return };
        for (named, verdict) in named.iter().zip(verdicts) {
            if let Verdict::Refused(reply) = verdict {
                self.record_recipient(transaction.sender.path(), &named.address, reply);
            }
        }
    }

    /// What is known of a stranger, where it matters for mail to these recipients of a domain.
    async fn peer_facts(
        &mut self,
        domain: &DomainName,
        mut welcome: impl Iterator<Item = &Welcome>,
    ) -> Option<Arc<PeerFacts>> {
        let peer = self.connection.peer_ip();
        let inbound = self.connection.shared.config.inbound.as_ref()?;
        let wanted = !inbound.lists.is_empty()
            || greylist::matters(inbound, domain)
            || welcome.any(|it| it.reverse_dns(inbound) == ReverseDnsRule::Require);
        let stranger = self.stranger.as_mut().filter(|_| wanted)?;
        Some(stranger.facts(inbound, peer).await)
    }

    /// The reply to a peer that may not send to this recipient, counted.
    fn admit_peer(&self, peer: Option<&PeerFacts>, welcome: &Welcome) -> Option<SmtpReply> {
        let inbound = self.connection.shared.config.inbound.as_ref()?;
        let demand = (welcome.admission.recipient(), welcome.reverse_dns(inbound));
        let denial = peer?.admit(inbound, demand, self.connection.peer_ip()).err()?;
        self.connection.shared.metrics.reject(match &denial {
            PeerDenial::NoName { .. } | PeerDenial::ForgedName { .. } => "reverse_dns",
            PeerDenial::UnknownName { .. } => "dns",
            PeerDenial::Listed { .. } => "listed",
        });
        tracing::info!(result = ?denial, "peer refused");
        Some(refusal_text::peer(&denial))
    }

    /// Asks a hosted domain about a recipient whom policy admits, be it for the queue: a sender who is told at once needs no notice.
    async fn confirm(
        &self,
        admission: Result<Admission, RecipientDenial>,
        resolved: Option<&Arc<Hosted>>,
        bytes: Option<u64>,
    ) -> Result<Welcome, SmtpReply> {
        let admission = admission.map_err(|denial| self.denied(&denial))?;
        let unasked = |hosted, admission| Welcome { admission, hosted, answering: Answering::Nobody, filtering: None };
        if resolved.is_none() {
            return Ok(unasked(None, admission));
        }
        let Address { local, domain: name } = admission.recipient();
        let query = match &admission {
            // Nobody's address: what the domain says of hosts holds for it too.
            Admission::Return(_) => Query::Filtering(None),
            _ => Query::Recipient { local: local.clone(), bytes },
        };
        let asked: Result<_, StoreError> = self.connection.shared.store.ask(name, query).await;
        match asked.map_err(|error| unavailable(&error))? {
            Some((hosted, Answer::Recipient(facts))) => {
                let (answering, filtering) = (facts.answering, facts.filtering);
                Ok(Welcome { admission, hosted: Some(hosted), answering, filtering })
            }
            Some((hosted, Answer::Filtering(rules))) => {
                Ok(Welcome { filtering: rules.in_force().map(Box::new), ..unasked(Some(hosted), admission) })
            }
            Some((_, Answer::Refused(refusal))) => Err(self.denied(&refusal.into())),
            None => Err(self.denied(&Refusal::NoSuchDomain.into())),
            Some(_) => Err(out_of_order()),
        }
    }

    /// The reply to a denial, counted.
    fn denied(&self, denial: &RecipientDenial) -> SmtpReply {
        let counted = match denial {
            RecipientDenial::Refused(refusal) => reason(refusal),
            RecipientDenial::OtherDomain => "other_domain",
            RecipientDenial::Bounce(_) | RecipientDenial::NotABounce => "forged_bounce",
            RecipientDenial::Dead => "dead_recipient",
        };
        self.connection.shared.metrics.reject(counted);
        refusal_text::recipient(denial)
    }
}

impl Welcome {
    /// What the peer's name must be: as the recipient says, or else as is configured for its domain.
    fn reverse_dns(&self, inbound: &InboundConfig) -> ReverseDnsRule {
        let own = self.filtering.as_ref().and_then(|filtering| filtering.reverse_dns);
        own.unwrap_or_else(|| inbound.rules(&self.admission.recipient().domain).reverse_dns)
    }
}

impl Transaction {
    /// Takes a recipient in. Named twice it is still one delivery.
    fn invite(&mut self, named: &Named, welcome: Welcome) -> Result<(), Refusal> {
        let Welcome { admission, hosted, answering, filtering } = welcome;
        let known = self.recipients.iter().position(|known| known.admission.recipient() == &named.address);
        let place = match known {
            Some(place) => place,
            None => {
                self.one_more()?;
                let hosted = hosted.filter(|_| !matches!(admission, Admission::Relay(_)));
                let Named { notify, orcpt, .. } = named.clone();
                self.recipients.push(Invited { admission, hosted, answering, filtering, notify, orcpt });
                self.recipients.len() - 1
            }
        };
        self.accepted.push(place);
        Ok(())
    }

    /// Did this recipient elsewhere refuse the domain's mail as unknown again and again?
    fn knows_dead(&self, recipient: &Address) -> bool {
        let dead = self.allowance.as_ref().map(|allowance| &allowance.dead).filter(|dead| !dead.is_empty());
        dead.is_some_and(|dead| dead.contains(&recipient_hash(&recipient.local, &recipient.domain.clone().into())))
    }

    /// May the sender name another recipient?
    fn one_more(&self) -> Result<(), Refusal> {
        let Some(allowance) = &self.allowance else { return Ok(()) };
        let named = self.recipients.len() as u64;
        if let Limit::AtMost(limit) = allowance.recipients_per_message
            && named >= limit
        {
            return Err(Refusal::TooMany { what: "recipients in one message".to_owned(), limit });
        }
        match &allowance.recipients {
            Some((left, refusal)) if named >= *left => Err(refusal.clone()),
            _ => Ok(()),
        }
    }
}
