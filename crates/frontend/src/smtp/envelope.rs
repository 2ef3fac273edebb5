//! MAIL and RCPT: the facts are gathered here, `policy` and the state machine decide.

use std::sync::Arc;

use futures::future::{join_all, try_join};
use yubin_policy::recipient::{Hosting, Origin, RecipientFacts, admit};
use yubin_policy::refusal_text::{self, Stage};
use yubin_policy::{DeliverPermit, RecipientDenial, sender};
use yubin_proto::{Hosted, StoreError};
use yubin_session::smtp::{Listener, Mail, Recipient, Verdict};
use yubin_state::{Answer, Query};
use yubin_types::{Address, DomainName, Refusal, ReversePath, SmtpReply};

use super::{Sender, SmtpRim, Transaction, out_of_order, reason, unavailable};
use crate::domain;

impl SmtpRim {
    /// Opens a transaction.
    pub(super) async fn mail(&mut self, mail: Mail) -> Result<(), SmtpReply> {
        let sender = match self.listener {
            Listener::Mx => Sender::Claimed(mail.sender),
            Listener::Submission => self.own_sender(&mail.sender).await?,
        };
        self.transaction =
            Some(Transaction { sender, size: mail.size, hosted: None, recipients: Vec::new(), incoming: None });
        Ok(())
    }

    /// Is the login still good, and is the sender an address of its account?
    async fn own_sender(&self, path: &ReversePath) -> Result<Sender, SmtpReply> {
        let Some(identity) = &self.identity else { return Err(out_of_order()) };
        let (store, name) = (&self.connection.shared.store, &identity.address.domain);
        let answers = try_join(
            domain::ask(store, name, Query::CheckLogin(identity.login)),
            domain::ask(store, name, Query::Addresses(identity.login.account)),
        );
        match answers.await.map_err(|error| unavailable(&error))? {
            (Some((_, Answer::Ok)), Some((_, Answer::Addresses(addresses)))) => {
                let permit = sender::own(name, &addresses, path);
                permit.map(Sender::Owned).map_err(|refusal| self.refused(&refusal, Stage::Envelope))
            }
            (Some((_, Answer::Refused(refusal))), _) | (_, Some((_, Answer::Refused(refusal)))) => {
                Err(self.refused(&refusal, Stage::Envelope))
            }
            (None, _) | (_, None) => Err(self.refused(&Refusal::StaleGeneration, Stage::Envelope)),
            _ => Err(out_of_order()),
        }
    }

    /// A verdict for each recipient, in order. Those of one domain that follow each other are asked about together.
    pub(super) async fn recipients(&mut self, recipients: Vec<Recipient>) -> Result<Vec<Verdict>, SmtpReply> {
        let addresses: Vec<_> = recipients.into_iter().map(|recipient| self.address_of(recipient)).collect();
        let mut verdicts = Vec::with_capacity(addresses.len());
        for run in addresses.chunk_by(|a, b| a.domain == b.domain) {
            match run.first().map(|first| &first.domain) {
                Some(domain) => verdicts.extend(self.admit_all(domain, run).await?),
                None => return Err(out_of_order()),
            }
        }
        Ok(verdicts)
    }

    /// `<postmaster>` is the configured address, or the one of our own name (RFC 5321 §4.5.1).
    fn address_of(&self, recipient: Recipient) -> Address {
        match recipient {
            Recipient::Address(address) => address,
            Recipient::Postmaster => self.connection.shared.postmaster.clone(),
        }
    }

    /// Recipients of one domain.
    async fn admit_all(&mut self, name: &DomainName, addresses: &[Address]) -> Result<Vec<Verdict>, SmtpReply> {
        let Some(transaction) = &self.transaction else { return Err(out_of_order()) };
        let resolved = self.connection.shared.store.resolve(name).await.map_err(|error| unavailable(&error))?;
        let facts = |recipient| RecipientFacts {
            recipient,
            hosting: if resolved.is_some() { Hosting::Hosted } else { Hosting::Elsewhere },
            origin: match self.listener {
                Listener::Mx => Origin::Mx,
                Listener::Submission => Origin::Submission,
            },
            transaction: transaction.hosted.as_ref().map(|hosted| &hosted.name),
        };
        let asked = addresses.iter().map(|address| self.admit_one(admit(facts(address)), transaction.size));
        let outcomes = join_all(asked).await;
        let Some(transaction) = &mut self.transaction else { return Err(out_of_order()) };
        let mut verdicts = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            verdicts.push(match outcome {
                Ok((hosted, permit)) => {
                    transaction.hosted = Some(hosted);
                    // Named twice it is still one delivery.
                    if transaction.recipients.iter().all(|known| known.recipient() != permit.recipient()) {
                        transaction.recipients.push(permit);
                    }
                    Verdict::Accepted
                }
                Err(reply) => Verdict::Refused(reply),
            });
        }
        Ok(verdicts)
    }

    /// Asks the domain about a recipient whom policy admits.
    async fn admit_one(
        &self,
        admitted: Result<DeliverPermit, RecipientDenial>,
        bytes: Option<u64>,
    ) -> Result<(Arc<Hosted>, DeliverPermit), SmtpReply> {
        let permit = admitted.map_err(|denial| self.denied(&denial))?;
        let Address { local, domain: name } = permit.recipient();
        let query = Query::Recipient { local: local.clone(), bytes };
        let asked: Result<_, StoreError> = domain::ask(&self.connection.shared.store, name, query).await;
        match asked.map_err(|error| unavailable(&error))? {
            Some((hosted, Answer::Recipient(_))) => Ok((hosted, permit)),
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
        };
        self.connection.shared.metrics.reject(counted);
        refusal_text::recipient(denial)
    }
}
