//! Whom a login may send as: the envelope sender at MAIL, authors when the message has come (`super::author`).
//!
//! The account's domain says by what right; a name of another domain is asked about there. `policy` decides.

use yubin_policy::SenderPermit;
use yubin_policy::refusal_text::Stage;
use yubin_policy::sender::{self, SenderFacts};
use yubin_proto::Hosted;
use yubin_state::command::DomainCommand;
use yubin_state::sending::{Counting, SendAsGrant, SenderRight, SendingAllowance, SendingCommand};
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{Address, DomainName, Refusal, ReversePath, SmtpReply};

use super::{Sender, SmtpRim, out_of_order, unavailable};
use crate::auth::Identity;
use crate::driver::now;

impl SmtpRim {
    /// Is the login still good, may its account send, and is the sender an address of it?
    pub(super) async fn own_sender(&self, path: &ReversePath) -> Result<(Sender, SendingAllowance), SmtpReply> {
        let Some(identity) = &self.identity else { return Err(out_of_order()) };
        let (right, allowance) = self.sending(identity, path.address()).await?;
        let permitted = self.permit(&identity.address.domain, &right, path).await?;
        let permit = permitted.map_err(|refusal| self.refused(&refusal, Stage::Envelope))?;
        Ok((Sender::Owned(permit), allowance))
    }

    /// May a login that may send do so as this?
    pub(super) async fn may_send_as(&self, identity: &Identity, address: &Address) -> Result<bool, SmtpReply> {
        let (right, _) = self.sending(identity, Some(address)).await?;
        let path = ReversePath::Address(address.clone());
        Ok(self.permit(&identity.address.domain, &right, &path).await?.is_ok())
    }

    /// By what right an account sends as this, and how much it may send.
    async fn sending(
        &self,
        identity: &Identity,
        sender: Option<&Address>,
    ) -> Result<(SenderRight, SendingAllowance), SmtpReply> {
        let (store, name) = (&self.connection.shared.store, &identity.address.domain);
        let asked = store.ask(name, Query::Sending { login: identity.login, sender: sender.cloned(), now: now() });
        match asked.await.map_err(|error| unavailable(&error))? {
            Some((_, Answer::Sending { allowance, right })) => Ok((right, allowance)),
            Some((home, Answer::SendingRefused { refusal, counting })) => {
                let refusal = match counting {
                    Counting::Wanted => self.counted(&home, identity, refusal).await,
                    Counting::NotWanted => refusal,
                };
                Err(self.refused(&refusal, Stage::Envelope))
            }
            Some((_, Answer::Refused(refusal))) => Err(self.refused(&refusal, Stage::Envelope)),
            None => Err(self.refused(&Refusal::StaleGeneration, Stage::Envelope)),
            Some(_) => Err(out_of_order()),
        }
    }

    /// May the sender be used by this right?
    async fn permit(
        &self,
        home: &DomainName,
        right: &SenderRight,
        path: &ReversePath,
    ) -> Result<Result<SenderPermit, Refusal>, SmtpReply> {
        let nothing = SenderFacts { home, own: None, granted: None };
        let facts = match right {
            SenderRight::Missing => nothing,
            SenderRight::Own(own) => SenderFacts { own: Some(own), ..nothing },
            SenderRight::Granted(grant) if grant.name.domain() == home => {
                SenderFacts { granted: Some(&grant.name), ..nothing }
            }
            SenderRight::Granted(grant) => {
                let granted = self.confirmed(grant).await?.then_some(&grant.name);
                SenderFacts { granted, ..nothing }
            }
        };
        Ok(sender::admit(facts, path))
    }

    /// Is a name of another domain still what it was when an account was let send in it?
    async fn confirmed(&self, grant: &SendAsGrant) -> Result<bool, SmtpReply> {
        let asked = self.connection.shared.store.ask(grant.name.domain(), Query::NameHolder(grant.local().cloned()));
        match asked.await.map_err(|error| unavailable(&error))? {
            Some((hosted, Answer::NameHolder(holder))) => Ok(hosted.id == grant.domain && holder == grant.holder),
            Some((_, Answer::Refused(refusal @ Refusal::DomainSuspended { .. }))) => {
                Err(self.refused(&refusal, Stage::Envelope))
            }
            Some((_, Answer::Refused(_))) | None => Ok(false),
            Some(_) => Err(out_of_order()),
        }
    }

    /// Has the refusal of a submission counted against its account; what it is refused for then, which may be that it was one too many.
    async fn counted(&self, home: &Hosted, identity: &Identity, refusal: Refusal) -> Refusal {
        let command = Command::Domain(DomainCommand::Sending(SendingCommand::CountRefusal(identity.login)));
        let caller = self.connection.caller(&identity.address.to_string());
        match self.connection.shared.store.propose_once(home.scope(), &command, &caller).await {
            Ok(Reply::Refused(counted @ (Refusal::SendingLimit { .. } | Refusal::SendingSuspended { .. }))) => counted,
            Ok(_) => refusal,
            Err(error) => {
                tracing::warn!(%error, "a refused submission is not counted");
                refusal
            }
        }
    }
}
